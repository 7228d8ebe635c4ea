"""The kinds of wait that a greenlet can be in, and helpers to get it there."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from types import ModuleType
from typing import Any

from greenlet import getcurrent

import zmq as plain
from support.front_ends import GreenFrontEnd, Task, wait_until
from zmq.core.statistics import statistics

#: Makes the call that waits, of a socket that has neither messages nor room.
Wait = Callable[[Any, ModuleType], Callable[[], Any]]


def poller_of(zmq: ModuleType, events: int, *items: Any) -> Any:
    poller = zmq.Poller()
    for item in items:
        poller.register(item, events)
    return poller


def among_many(socket: Any, zmq: ModuleType, events: int) -> Any:
    """Return a poller in which the socket is one of so many that they are watched as one."""
    others = [socket.context.socket(zmq.PAIR) for _ in range(9)]
    return poller_of(zmq, events, socket, *others)


RECEIVES: dict[str, Wait] = {
    "recv": lambda s, zmq: s.recv,
    "recv frame": lambda s, zmq: partial(s.recv, copy=False),
    "recv_multipart": lambda s, zmq: s.recv_multipart,
    "recv_into": lambda s, zmq: partial(s.recv_into, bytearray(100)),
    "recv_string": lambda s, zmq: s.recv_string,
}
SENDS: dict[str, Wait] = {
    "send": lambda s, zmq: partial(s.send, b"1"),
    "send lent": lambda s, zmq: partial(s.send, bytes(100_000), copy=False),
    "send_multipart": lambda s, zmq: partial(s.send_multipart, [b"1", b"2"]),
}
POLLS: dict[str, Wait] = {
    "Socket.poll": lambda s, zmq: s.poll,
    "Socket.poll to send": lambda s, zmq: partial(s.poll, None, zmq.POLLOUT),
    "Poller.poll": lambda s, zmq: poller_of(zmq, zmq.POLLIN, s).poll,
    "Poller.poll to send": lambda s, zmq: poller_of(zmq, zmq.POLLOUT, s).poll,
    "Poller.poll of many": lambda s, zmq: among_many(s, zmq, zmq.POLLIN).poll,
    "select": lambda s, zmq: partial(zmq.select, [s], [], []),
    "zmq_poll": lambda s, zmq: partial(zmq.zmq_poll, [(s, zmq.POLLIN)]),
}
#: The same with a time-out, which sets a timer in the hub.
TIMED: dict[str, Wait] = {
    "Socket.poll for a time": lambda s, zmq: partial(s.poll, 60_000),
    "Poller.poll for a time": lambda s, zmq: partial(poller_of(zmq, zmq.POLLIN, s).poll, 60_000),
    "select for a time": lambda s, zmq: partial(zmq.select, [s], [], [], 60),
}
WAITS = {**RECEIVES, **SENDS, **POLLS, **TIMED}


def start(green: GreenFrontEnd, call: Callable[..., Any], *args: Any) -> Task:
    """Have a greenlet make a call, and return when it waits."""
    begun: list[Any] = []

    def run() -> Any:
        begun.append(getcurrent())
        return call(*args)

    task = green.spawn(run)
    wait_until(green, lambda: begun and any(begun[0] is entry["waiter"] for entry in statistics(True)["waiting"]))
    return task


def fill(socket: Any, message: bytes = b"fill") -> int:
    """Send until there is no room; return how many messages."""
    count = 0
    try:
        while True:
            socket.send(message, plain.NOBLOCK)
            count += 1
    except plain.Again:
        return count


def serve(peer: Any, filled: int) -> None:
    """Do what any wait waits for, without letting the hub run: take the messages that fill the pipe, and send one."""
    for _ in range(filled):
        peer.recv_multipart(plain.NOBLOCK)
    peer.send(b"1", plain.NOBLOCK)


class Ticker:
    """A greenlet that ticks while others work: where it does, the hub is free."""

    def __init__(self, green: GreenFrontEnd) -> None:
        self.green = green
        self.ticks = 0
        self.over = False

    def __enter__(self) -> Ticker:
        self.task = self.green.spawn(self.run)
        return self

    def run(self) -> None:
        while not self.over:
            self.green.sleep(0.002)
            self.ticks += 1

    def wait(self, ticks: int) -> None:
        """Wait for so many ticks more; a hub that is blocked never comes back here."""
        enough = self.ticks + ticks
        end = time.monotonic() + 20
        while self.ticks < enough:
            assert time.monotonic() < end, "the ticker does not run"
            self.green.sleep(0.001)

    def __exit__(self, *args: object) -> None:
        self.over = True
        self.task.get()
