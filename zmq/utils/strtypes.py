"""Text and bytes converted to each other, for programs written when Python 2 mattered.

Nothing here calls these; each warns that it is deprecated, as it is in PyZMQ since 23.
"""

from __future__ import annotations

import builtins
import warnings

from zmq.core._text import decode, describe, encode

bytes = builtins.bytes
unicode = str
basestring = (str,)


def _deprecated() -> None:
    warnings.warn("zmq.utils.strtypes is deprecated: use str.encode and bytes.decode", DeprecationWarning, stacklevel=3)


def cast_bytes(s: str | builtins.bytes, encoding: str = "utf8", errors: str = "strict") -> builtins.bytes:
    """Return text as bytes, and bytes as they are.

    Parameters
    ----------
    s : str or bytes
    encoding : str
    errors : str
        As in `str.encode`.

    Returns
    -------
    bytes

    Raises
    ------
    TypeError
        For anything else.
    """
    _deprecated()
    if isinstance(s, builtins.bytes):
        return s
    if isinstance(s, str):
        return encode(s, encoding, errors)
    raise TypeError(f"expected str or bytes, got {describe(s)}")


def cast_unicode(s: str | builtins.bytes, encoding: str = "utf8", errors: str = "strict") -> str:
    """Return bytes as text, and text as it is.

    Parameters
    ----------
    s : str or bytes
    encoding : str
    errors : str
        As in `bytes.decode`.

    Returns
    -------
    str

    Raises
    ------
    TypeError
        For anything else.
    """
    _deprecated()
    if isinstance(s, builtins.bytes):
        return decode(s, encoding, errors)
    if isinstance(s, str):
        return s
    raise TypeError(f"expected str or bytes, got {describe(s)}")


b = asbytes = cast_bytes
u = cast_unicode

__all__ = ["asbytes", "b", "basestring", "bytes", "cast_bytes", "cast_unicode", "u", "unicode"]
