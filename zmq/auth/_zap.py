"""What RFC 27 says of requests and replies: frames in, frames out.

Lives here: what a request must look like. What must not: who is let in (`zmq.auth.base`).
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from typing import NamedTuple

VERSION = b"1.0"
#: How many frames of credentials a mechanism has.
CREDENTIALS = {"NULL": 0, "PLAIN": 2, "CURVE": 1, "GSSAPI": 1}
#: How many bytes a frame may have; a principal may be longer.
LONGEST = {"GSSAPI": 4096}
NAMES = ("version", "request id", "domain", "address", "identity", "mechanism")


class MalformedRequest(ValueError):
    """What was received is no ZAP request. The message says why, and holds nothing of what was received."""


class Request(NamedTuple):
    domain: str
    address: str
    identity: bytes
    mechanism: str
    credentials: tuple[bytes, ...]


def parse(frames: Sequence[bytes]) -> Request:
    """Return what a request says.

    Raises
    ------
    MalformedRequest
        It is none.
    """
    if len(frames) < len(NAMES):
        raise MalformedRequest(f"a request has {len(NAMES)} frames and the credentials; this one has {len(frames)}")
    for name, frame in zip(NAMES, frames, strict=False):
        if len(frame) > 255:
            raise MalformedRequest(f"the {name} has {len(frame)} bytes, more than 255")
    version, _, domain, address, identity, mechanism = frames[: len(NAMES)]
    if version != VERSION:
        raise MalformedRequest(f"the version is not {VERSION.decode()}")
    try:
        texts = [frame.decode() for frame in (domain, address, mechanism)]
    except UnicodeDecodeError:
        raise MalformedRequest("the domain, the address or the mechanism is no UTF-8") from None
    kind = texts[2]
    if kind not in CREDENTIALS:
        raise MalformedRequest("the mechanism is unknown")
    credentials = tuple(frames[len(NAMES) :])
    if len(credentials) != CREDENTIALS[kind]:
        raise MalformedRequest(f"{kind} has {CREDENTIALS[kind]} frames of credentials, not {len(credentials)}")
    if any(len(frame) > LONGEST.get(kind, 255) for frame in credentials):
        raise MalformedRequest("a frame of credentials is too long")
    if kind == "CURVE" and len(credentials[0]) != 32:
        raise MalformedRequest(f"a CURVE key has 32 bytes, not {len(credentials[0])}")
    return Request(texts[0], texts[1], identity, kind, credentials)


def text(frame: bytes, encoding: str) -> str:
    """Return credentials as text.

    Raises
    ------
    MalformedRequest
        They are none.
    """
    try:
        found = frame.decode(encoding)
    except UnicodeDecodeError:
        raise MalformedRequest("the credentials are no text") from None
    if "\0" in found:
        # For libzmq a user id would end there.
        raise MalformedRequest("the credentials have a NUL")
    return found


def encode_metadata(metadata: Mapping[str, str | bytes]) -> bytes:
    """Return metadata as ZMTP has them.

    Raises
    ------
    ValueError, TypeError
        A name or a value can't be sent.
    """
    parts = []
    for name, value in metadata.items():
        raw = name.encode("ascii") if name.isascii() else b""
        if not 1 <= len(raw) <= 255 or not all(char.isalnum() or char in "-_.+" for char in name):
            raise ValueError(f"the name of metadata is 1 to 255 letters, digits and -_.+, not {name!r}")
        data = value.encode() if isinstance(value, str) else bytes(value)
        parts.append(struct.pack(">B", len(raw)) + raw + struct.pack(">I", len(data)) + data)
    return b"".join(parts)
