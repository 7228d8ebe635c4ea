"""Z85, the text form of binary data in which 0MQ shows CURVE keys: 4 bytes are 5 characters.

Source: ZeroMQ RFC 32/Z85.
"""

from __future__ import annotations

import struct

Z85CHARS = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#"
Z85MAP = {char: digit for digit, char in enumerate(Z85CHARS)}

_POWERS = [85**exponent for exponent in (4, 3, 2, 1, 0)]


def encode(rawbytes: bytes | bytearray | memoryview) -> bytes:
    """Return binary data as Z85.

    Parameters
    ----------
    rawbytes : bytes-like
        A multiple of 4 bytes.

    Returns
    -------
    bytes
        5 ASCII characters for every 4 bytes.

    Raises
    ------
    ValueError
        The length is no multiple of 4.
    TypeError
        For anything but bytes: text must be encoded first.

    Notes
    -----
    Source: ZeroMQ RFC 32/Z85.
    """
    raw = memoryview(rawbytes).tobytes()
    if len(raw) % 4:
        raise ValueError(f"Z85 encodes a multiple of 4 bytes, got {len(raw)}")
    return bytes(Z85CHARS[number // power % 85] for (number,) in struct.iter_unpack(">I", raw) for power in _POWERS)


def decode(z85bytes: bytes | bytearray | memoryview | str) -> bytes:
    """Return the binary data that Z85 stands for.

    Parameters
    ----------
    z85bytes : bytes-like or str
        A multiple of 5 characters.

    Returns
    -------
    bytes
        4 bytes for every 5 characters.

    Raises
    ------
    ValueError
        The length is no multiple of 5, there is a character that Z85 has not, or 5 characters stand for more than 4
        bytes can hold. No more than a wrong character is shown: it may be a secret key.

    Notes
    -----
    Source: ZeroMQ RFC 32/Z85.
    """
    text = z85bytes if isinstance(z85bytes, str) else memoryview(z85bytes).tobytes().decode("latin-1")
    if len(text) % 5:
        raise ValueError(f"Z85 has a multiple of 5 characters, got {len(text)}")
    raw = bytearray()
    for start in range(0, len(text), 5):
        number = 0
        for position, char in enumerate(text[start : start + 5], start):
            digit = Z85MAP.get(ord(char))
            if digit is None:
                raise ValueError(f"{char!r} at position {position} is no character of Z85")
            number = 85 * number + digit
        if number > 0xFFFFFFFF:
            # Not what it is: it may be part of a secret key.
            raise ValueError(f"the number at position {start} is more than 4 bytes can hold")
        raw += number.to_bytes(4, "big")
    return bytes(raw)


__all__ = ["Z85CHARS", "Z85MAP", "decode", "encode"]
