"""Streams of ZMTP that are wrong somewhere, made up from a seed.

What is right is in the first half: greetings, commands and frames as ZMTP 3.0 has them (ZeroMQ RFC 23/ZMTP, 24/PLAIN,
25/CURVE), and what older versions begin with (RFC 13, 15). The second half has the ways to get them wrong.
"""

from __future__ import annotations

import random
import struct
from collections.abc import Callable, Sequence
from typing import NamedTuple

TYPES = ["PAIR", "PUB", "SUB", "REQ", "REP", "DEALER", "ROUTER", "PULL", "PUSH", "XPUB", "XSUB", "STREAM"]
MECHANISMS = ("NULL", "PLAIN", "CURVE")
TRANSPORTS = ("tcp", "ipc")
#: Who may talk to a type.
PEERS = {
    "PAIR": "PAIR",
    "PUB": "SUB",
    "SUB": "PUB",
    "REQ": "REP",
    "REP": "REQ",
    "DEALER": "ROUTER",
    "ROUTER": "DEALER",
    "PULL": "PUSH",
    "PUSH": "PULL",
    "XPUB": "XSUB",
    "XSUB": "XPUB",
    "STREAM": "PAIR",
}
USER, PASSWORD = b"one", b"first secret"


class Stream(NamedTuple):
    """What is sent to a socket: in which parts, and what was done wrong."""

    mechanism: str
    type: str
    transport: str
    chunks: list[bytes]
    kind: str
    #: Whether the answers to the first chunks are waited for. libzmq takes no message before it has sent its own last
    #: command, so what does not wait seldom gets behind the handshake.
    patient: bool


def greeting(mechanism: bytes = b"NULL", major: int = 3, minor: int = 0, as_server: int = 0) -> bytes:
    return (
        b"\xff"
        + bytes(8)
        + b"\x7f"
        + bytes([major, minor])
        + mechanism.ljust(20, b"\0")
        + bytes([as_server])
        + bytes(31)
    )


def frame(body: bytes, flags: int = 0) -> bytes:
    if len(body) > 255:
        return struct.pack(">BQ", flags | 2, len(body)) + body
    return struct.pack(">BB", flags, len(body)) + body


def command(name: bytes, body: bytes = b"") -> bytes:
    return frame(bytes([len(name)]) + name + body, 4)


def property_(name: bytes, value: bytes) -> bytes:
    return bytes([len(name)]) + name + struct.pack(">I", len(value)) + value


def message(*parts: bytes) -> bytes:
    return b"".join(frame(part, 0 if number == len(parts) - 1 else 1) for number, part in enumerate(parts))


def properties(kind: str, identity: bytes = b"") -> bytes:
    found = property_(b"Socket-Type", kind.encode())
    return found + property_(b"Identity", identity) if kind in ("REQ", "DEALER", "ROUTER") else found


def hello(user: bytes = USER, password: bytes = PASSWORD) -> bytes:
    return command(b"HELLO", bytes([len(user)]) + user + bytes([len(password)]) + password)


def handshake(mechanism: str, peer: str) -> list[bytes]:
    """Return what a client sends of a mechanism, as far as that does not depend on what the server answers."""
    if mechanism == "NULL":
        return [greeting(), command(b"READY", properties(peer))]
    if mechanism == "PLAIN":
        return [greeting(b"PLAIN"), hello(), command(b"INITIATE", properties(peer))]
    # A key and a box that open to nobody: the handshake of CURVE goes no further than its first command.
    return [greeting(b"CURVE"), command(b"HELLO", b"\1\0" + bytes(72) + bytes(range(32)) + bytes(8) + bytes(80))]


def traffic(random_: random.Random, peer: str) -> list[bytes]:
    """Return messages that such a peer may send."""
    size = random_.choice([0, 1, 10, 255, 256, 1000])
    body = random_.randbytes(size)
    if peer in ("SUB", "XSUB"):
        return [message(b"\1" + body), message(b"\0" + body), message(body)]
    if peer in ("REQ", "DEALER", "ROUTER", "REP"):
        return [message(b"", body), message(body), message(b"id", b"", body, body)]
    return [message(body), message(body, body), message(*[body[:9]] * 20)]


def valid(random_: random.Random, mechanism: str, kind: str) -> list[bytes]:
    peer = PEERS[kind]
    return handshake(mechanism, peer) + traffic(random_, peer)


# How to get it wrong: each returns chunks.

Way = Callable[[random.Random, str, str], list[bytes]]


def truncated(random_: random.Random, mechanism: str, kind: str) -> list[bytes]:
    chunks = valid(random_, mechanism, kind)
    last = random_.randrange(len(chunks))
    return [*chunks[:last], chunks[last][: random_.randrange(len(chunks[last]) + 1)]]


def mutated(random_: random.Random, mechanism: str, kind: str) -> list[bytes]:
    chunks = valid(random_, mechanism, kind)
    at = random_.randrange(len(chunks))
    return [mutate(random_, chunk) if number == at else chunk for number, chunk in enumerate(chunks)]


def mutate(random_: random.Random, whole: bytes) -> bytes:
    found = bytearray(whole)
    for _ in range(random_.choice([1, 1, 2, 5, 20])):
        at = random_.randrange(len(found) + 1)
        how = random_.randrange(6)
        if how == 0:
            found[at:at] = random_.randbytes(random_.choice([1, 2, 8, 300]))
        elif how == 1:
            del found[at : at + random_.choice([1, 2, 8, 64])]
        elif how == 2:
            found[at : at + 1] = bytes([random_.choice([0, 1, 2, 4, 0x7F, 0x80, 0xFF])])
        elif how == 3:
            found[at : at + 8] = struct.pack(">Q", random_.choice(LENGTHS))
        elif how == 4:
            other = random_.randrange(len(found) + 1)
            found[at:at] = found[other : other + random_.randrange(1, 100)]
        elif found:
            found[at % len(found)] ^= 1 << random_.randrange(8)
    return bytes(found)


LENGTHS = [0, 1, 255, 256, 2**16, 2**24, 2**31 - 1, 2**31, 2**32 - 1, 2**32, 2**62, 2**63 - 1, 2**63, 2**64 - 1]


def oversize(random_: random.Random, mechanism: str, kind: str) -> list[bytes]:
    """Announce more than comes, or than there can be."""
    flags = random_.choice([2, 3, 6, 7])
    begun = handshake(mechanism, PEERS[kind])[: random_.choice([1, 2, 3])]
    return [*begun, struct.pack(">BQ", flags, random_.choice(LENGTHS)) + random_.randbytes(random_.randrange(64))]


def wrong_flags(random_: random.Random, mechanism: str, kind: str) -> list[bytes]:
    begun = handshake(mechanism, PEERS[kind])[: random_.choice([1, 2, 3])]
    return begun + [frame(random_.randbytes(random_.randrange(20)), random_.randrange(256)) for _ in range(5)]


def wrong_greeting(random_: random.Random, mechanism: str, kind: str) -> list[bytes]:
    names = [b"", b"NULL", b"PLAIN", b"CURVE", b"GSSAPI", b"null", b"X" * 20, b"NULL\0X", b"\xff" * 20, b"PLAIN\1"]
    name = random_.choice(names)[:20]
    first = greeting(name, random_.choice([0, 1, 2, 3, 4, 255]), random_.randrange(256), random_.choice([0, 1, 2, 255]))
    if random_.random() < 0.3:
        first = bytes([random_.randrange(256)]) + first[1:9] + bytes([random_.randrange(256)]) + first[10:]
    return [first, *valid(random_, mechanism, kind)[1:]]


def old_version(random_: random.Random, mechanism: str, kind: str) -> list[bytes]:
    """Begin as ZMTP 1.0 and 2.0 do."""
    number = TYPES.index(PEERS[kind])
    rest = [frame(random_.randbytes(random_.randrange(9)), random_.choice([0, 1])) for _ in range(3)]
    return random_.choice(
        [
            [b"\1\0", b"\2\0x", *rest],
            [b"\xff" + struct.pack(">Q", random_.choice(LENGTHS)) + b"\x7f", bytes([1, number]), b"\0\0", *rest],
            [b"\xff" + struct.pack(">Q", 1) + b"\0", *rest],
            [b"\x05\x00abcd", b"\xff" + struct.pack(">Q", random_.choice(LENGTHS)) + b"\0", *rest],
            [b"\xff" + bytes(8) + b"\x7f\0", bytes([number, 0]), *rest],
        ]
    )


def wrong_properties(random_: random.Random, mechanism: str, kind: str) -> list[bytes]:
    peer = PEERS[kind]
    right = properties(peer)
    wrong = random_.choice(
        [
            b"",
            b"\0",
            b"\xff" * 30,
            property_(b"Socket-Type", random_.choice([b"", b"X", b"SUB\0", b"x" * 300, b"CLIENT", b"DISH"])),
            right + right,
            right + property_(b"Identity", random_.randbytes(random_.choice([0, 255, 256, 5000]))),
            right + property_(b"", b"x"),
            right + property_(b"X-" + b"y" * 200, bytes(random_.choice([0, 9000]))),
            right[: random_.randrange(len(right))],
            b"\x0bSocket-Type" + struct.pack(">I", random_.choice([2**31, 2**32 - 1, 2**31 - 1, 77])) + peer.encode(),
            property_(b"Resource", b"\xff") * 200 + right,
            property_(b"User-Id", b"admin") + right,
        ]
    )
    begun = handshake(mechanism, peer)[:-1]
    return [*begun, command(b"INITIATE" if mechanism == "PLAIN" else b"READY", wrong), *traffic(random_, peer)]


def wrong_commands(random_: random.Random, mechanism: str, kind: str) -> list[bytes]:
    """Send commands at the wrong time, or with a wrong body."""
    names = [
        "READY",
        "HELLO",
        "WELCOME",
        "INITIATE",
        "ERROR",
        "PING",
        "PONG",
        "SUBSCRIBE",
        "CANCEL",
        "JOIN",
        "LEAVE",
        "MESSAGE",
        "ready",
        "X",
    ]
    sizes = [0, 1, 2, 3, 8, 16, 17, 64, 200, 257, 300]
    found = [
        command(random_.choice(names).encode(), random_.randbytes(random_.choice(sizes)))
        for _ in range(random_.randrange(1, 8))
    ]
    found += random_.choice(
        [[], [frame(b"", 4)], [frame(b"\xff", 4)], [frame(b"\x04PING", 5)], [frame(b"\x09PING", 6)]]
    )
    begun = handshake(mechanism, PEERS[kind])[: random_.choice([1, 2, 3, 3, 3])]
    return begun + found + traffic(random_, PEERS[kind])


def wrong_security(random_: random.Random, mechanism: str, kind: str) -> list[bytes]:
    """Get the commands of PLAIN and CURVE wrong."""
    if mechanism == "PLAIN":
        first = random_.choice(
            [
                command(
                    b"HELLO", random_.choice([b"", b"\xff", b"\xffx", b"\3one", b"\3one\xff", b"\0\0", b"\3one\0x"])
                ),
                hello(random_.randbytes(random_.randrange(256)), random_.randbytes(random_.randrange(256))),
                hello() + hello(),
                command(b"INITIATE", properties(PEERS[kind])),
            ]
        )
    else:
        first = random_.choice(
            [
                command(b"HELLO", random_.randbytes(random_.choice([0, 1, 193, 194, 195, 500]))),
                command(b"HELLO", b"\1\0" + random_.randbytes(192)),
                command(b"HELLO", b"\2\7" + random_.randbytes(192)),
                command(b"INITIATE", random_.randbytes(random_.choice([0, 8, 247, 248, 257, 5000]))),
                command(b"MESSAGE", random_.randbytes(random_.choice([0, 8, 33]))),
            ]
        )
    return [greeting(mechanism.encode()), first, command(b"INITIATE", random_.randbytes(300)), message(b"x")]


def noise(random_: random.Random, mechanism: str, kind: str) -> list[bytes]:
    whole = random_.randbytes(random_.choice([0, 1, 2, 9, 10, 11, 64, 200, 3000]))
    return random_.choice([[whole], [greeting(mechanism.encode()), whole], [*handshake(mechanism, PEERS[kind]), whole]])


def spliced(random_: random.Random, mechanism: str, kind: str) -> list[bytes]:
    """Go on as somebody else, with another mechanism or type."""
    other = valid(random_, random_.choice(MECHANISMS), random_.choice(TYPES))
    chunks = valid(random_, mechanism, kind)
    return chunks[: random_.randrange(len(chunks))] + other[random_.randrange(len(other)) :]


def ignored(random_: random.Random, mechanism: str, kind: str) -> list[bytes]:
    """Be right, and leave in the middle."""
    return valid(random_, mechanism, kind)


WAYS: Sequence[Way] = (
    truncated,
    mutated,
    mutated,
    mutated,
    oversize,
    wrong_flags,
    wrong_greeting,
    old_version,
    wrong_properties,
    wrong_commands,
    wrong_commands,
    wrong_security,
    noise,
    spliced,
    ignored,
)


def stream(seed: str, number: int) -> Stream:
    """Return the stream of this number."""
    random_ = random.Random(f"{seed}/{number}")
    mechanism = random_.choice(MECHANISMS)
    kind = random_.choice(TYPES[:-1] if mechanism != "NULL" else TYPES)
    way = random_.choice(WAYS)
    chunks = way(random_, mechanism, kind)
    patient = random_.random() < 0.6
    if patient:
        pass
    elif random_.random() < 0.3:
        # In pieces that end anywhere.
        whole, chunks = b"".join(chunks), []
        while whole:
            size = random_.choice([1, 2, 9, 63, 64, 65, 500])
            chunks.append(whole[:size])
            whole = whole[size:]
        chunks[19:] = [b"".join(chunks[19:])]
    elif random_.random() < 0.7:
        chunks = [b"".join(chunks)]
    return Stream(mechanism, kind, random_.choice(TRANSPORTS), chunks, way.__name__, patient)
