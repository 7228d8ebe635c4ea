"""Sockets that drop what finds a queue full: as long as it is read, there is room in it, however fast they send."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

import zmq as plain
import zmq.asyncio as za
from support.front_ends import LIMIT

#: Messages: more than any of the queues below holds.
MANY = 5000

KINDS = {
    "PUB": (plain.PUB, plain.SUB),
    "XPUB": (plain.XPUB, plain.SUB),
    "XSUB": (plain.XSUB, plain.XPUB),
    "ROUTER": (plain.ROUTER, plain.DEALER),
}


def send_frames(socket: Any, message: list[bytes]) -> None:
    for part in message[:-1]:
        socket.send(part, plain.SNDMORE)
    socket.send(message[-1])


SENDS: dict[str, Callable[[Any, list[bytes]], Any]] = {
    "send": send_frames,
    "send_multipart": lambda socket, message: socket.send_multipart(message),
    "NOBLOCK": lambda socket, message: socket.send_multipart(message, plain.NOBLOCK),
    "frames": lambda socket, message: socket.send_multipart([plain.Frame(part) for part in message], copy=False),
    "send_many": lambda socket, message: socket.send_many([message], multipart=True),
}


def connected(context: Any, kind: str, hwm: int | None) -> tuple[Any, Any, list[bytes]]:
    """Return a sender and a receiver, and what stands before each message."""
    sender, receiver = (context.socket(number) for number in KINDS[kind])
    for socket in (sender, receiver):
        socket.linger, socket.rcvtimeo = 0, int(1000 * LIMIT)
        if hwm is not None:
            socket.hwm = hwm
    if kind == "ROUTER":
        receiver.identity = b"peer"
    if receiver.socket_type == plain.SUB:
        receiver.subscribe(b"")
    sender.bind(f"inproc://room-{kind}-{hwm}")
    receiver.connect(f"inproc://room-{kind}-{hwm}")
    return sender, receiver, [b"peer"] if kind == "ROUTER" else []


@pytest.mark.parametrize("how", SENDS)
@pytest.mark.parametrize("hwm", [None, 1, 2, 3, 10, 100], ids=str)
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_read_makes_room_at_once(context: Any, zmq: ModuleType, kind: str, hwm: int | None, how: str) -> None:
    """One message after the other, which never fill half of a queue, and much faster than libzmq looks by itself."""
    sender, receiver, route = connected(context, kind, hwm)
    for number in range(MANY):
        SENDS[how](sender, [*route, b"%d" % number])
        assert receiver.recv() == b"%d" % number


@pytest.mark.parametrize("kind", KINDS)
def test_futures_make_room_too(kind: str) -> None:
    async def run() -> None:
        with za.Context() as context:
            sender, receiver, route = connected(context, kind, None)
            with sender, receiver:
                for number in range(MANY):
                    await sender.send_multipart([*route, b"%d" % number])
                    assert await receiver.recv() == b"%d" % number
                for number in range(0 if route else MANY):
                    await sender.send(b"%d" % number)
                    assert await receiver.recv() == b"%d" % number

    asyncio.run(run())


@pytest.mark.parametrize("kind", ["PUB", "XPUB"])
def test_a_burst_is_dropped_where_nobody_reads(context: Any, zmq: ModuleType, kind: str) -> None:
    """What finds the queue full is lost, as the pattern says; what was there before is not."""
    sender, receiver, _ = connected(context, kind, 100)
    for number in range(MANY):
        sender.send(b"%d" % number)
    found = [int(message) for message in receiver.recv_many(MANY, flags=zmq.NOBLOCK)]
    assert found == list(range(200))
