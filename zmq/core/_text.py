"""What errors say of values that may be secrets: their type and length, and nothing else.

Lives here: that, and text to bytes and back. What Python raises for text that can't be encoded keeps the text; what is
raised here does not, nor does it come out of an ``except`` block, where it would keep what was handled there.
Called wherever a value that an error could show comes from the user.
"""

from __future__ import annotations

from collections.abc import Callable

TYPE_CHECKING = False  # `typing` takes longer to import than all the rest

if TYPE_CHECKING:
    from typing import Any

#: Whose length can be told.
KINDS: tuple[Any, ...] = (str, bytes, bytearray, list, tuple, dict)

#: Stands in errors for every character of a text.
UNSHOWN = "\ufffd"


def describe(value: object) -> str:
    """Return what a value is, without the value.

    Parameters
    ----------
    value : object

    Returns
    -------
    str
        Such as ``"bytes of length 40"``; the type alone where asking for the length may run anybody's code.
    """
    name = type(value).__name__
    if isinstance(value, memoryview):
        # Its length may be that of items, and fails when it was released.
        return name
    for kind in KINDS:
        if isinstance(value, kind):
            # Not `len`, which may be a subclass's own.
            return f"{name} of length {kind.__len__(value)}"
    return name


def without_user(address: object) -> str:
    """Return how an error shows an address: without the user and the password that some write before the host.

    Parameters
    ----------
    address : str or bytes
        Anything else is described.

    Returns
    -------
    str
    """
    if not isinstance(address, (str, bytes)):
        return describe(address)
    text = shown_address(address)
    shown = text.encode("utf-8", "backslashreplace") if isinstance(address, bytes) else text
    return repr(shown)


def shown_address(address: str | bytes) -> str:
    """Return an address as text, without the user and the password that some write before the host.

    Parameters
    ----------
    address : str or bytes

    Returns
    -------
    str
    """
    text = address.decode("utf-8", "backslashreplace") if isinstance(address, bytes) else address
    scheme, colons, rest = text.partition("://")
    if colons and scheme not in ("ipc", "inproc") and "@" in rest:
        # A password may have any of these characters itself.
        text = f"{scheme}{colons}...@{rest.rpartition('@')[2]}"
    return text


def encode(text: str, encoding: str = "utf-8", errors: str = "strict") -> bytes:
    """Return text as bytes.

    Parameters
    ----------
    text : str
    encoding, errors : str
        As in `str.encode`.

    Returns
    -------
    bytes

    Raises
    ------
    UnicodeError
        It can't be encoded. The error says where, and has nothing of the text.
    """
    encoded: bytes = _convert(text.encode, text, encoding, errors)
    return encoded


def decode(data: bytes, encoding: str = "utf-8", errors: str = "strict") -> str:
    """Return bytes as text.

    Parameters
    ----------
    data : bytes
    encoding, errors : str
        As in `bytes.decode`.

    Returns
    -------
    str

    Raises
    ------
    UnicodeError
        They can't be decoded. The error says where, and has nothing of the bytes.
    """
    decoded: str = _convert(data.decode, data, encoding, errors)
    return decoded


def _convert(convert: Callable[[str, str], Any], value: str | bytes, encoding: str, errors: str) -> Any:
    refusal: UnicodeError
    try:
        return convert(encoding, errors)
    except UnicodeEncodeError as error:
        reason = f"{error.reason} (the text, of length {len(value)}, is not shown)"
        refusal = UnicodeEncodeError(error.encoding, UNSHOWN * len(error.object), error.start, error.end, reason)
    except UnicodeDecodeError as error:
        reason = f"{error.reason} (the {len(value)} bytes are not shown)"
        refusal = UnicodeDecodeError(error.encoding, bytes(len(error.object)), error.start, error.end, reason)
    except UnicodeError:
        # Some encodings raise errors of their own, such as idna of a label.
        refusal = UnicodeError(f"{describe(value)} can't be converted with the encoding {encoding!r}")
    raise refusal
