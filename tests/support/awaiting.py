"""What tests of `zmq.asyncio` share: sockets, loops that end in time, every form of a send and a receive."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any

import zmq
import zmq.asyncio as za
import zmq.green
from support.front_ends import LIMIT
from zmq.eventloop.running import NOTHING, set_running, what_runs

numbers = count()


def run(main: Coroutine[Any, Any, Any]) -> Any:
    """Run a coroutine that ends in time."""
    return asyncio.run(asyncio.wait_for(main, LIMIT))


def run_on(loop: Any, main: Coroutine[Any, Any, Any]) -> Any:
    """Run a coroutine that ends in time on a loop, which ends with it."""
    try:
        return loop.run_until_complete(asyncio.wait_for(main, LIMIT))
    finally:
        loop.close()


@contextmanager
def as_if_no_loop_ran() -> Iterator[None]:
    """Let another loop run in this thread, in the midst of a task of the one that runs."""
    before = what_runs()
    set_running(NOTHING)
    try:
        yield
    finally:
        set_running(before)


async def turns(number: int = 5) -> None:
    """Let the loop turn."""
    for _ in range(number):
        await asyncio.sleep(0)


async def until(condition: Callable[[], object]) -> None:
    while not condition():
        await asyncio.sleep(0.002)


def connect(context: Any, one: int = zmq.PAIR, other: int = zmq.PAIR, tcp: bool = False, **options: Any) -> Any:
    a, b = context.socket(one), context.socket(other)
    for socket in (a, b):
        socket.linger = 0
        for name, value in options.items():
            setattr(socket, name, value)
    a.bind("tcp://127.0.0.1:*" if tcp else f"inproc://asyncio-{next(numbers)}")
    b.connect(a.get_string(zmq.LAST_ENDPOINT))
    return a, b


def waits(socket: Any) -> int:
    """Count the futures that wait for a socket."""
    return len(za.pending(socket, zmq.POLLIN | zmq.POLLOUT))


async def into(socket: Any, flags: int = 0) -> bytes:
    buffer = bytearray(10)
    size = await socket.recv_into(buffer, flags=flags)
    return bytes(buffer[:size])


FORMS: dict[str, tuple[Any, Callable[..., Any], Callable[..., Any]]] = {
    "frame": (b"x", lambda s, m, f=0: s.send(m, f), lambda s, f=0: s.recv(f)),
    "copy": (b"x" * 100_000, lambda s, m, f=0: s.send(m, f, copy=False), lambda s, f=0: s.recv(f)),
    "multipart": ([b"a", b""], lambda s, m, f=0: s.send_multipart(m, f), lambda s, f=0: s.recv_multipart(f)),
    "string": ("\u00e4", lambda s, m, f=0: s.send_string(m, f), lambda s, f=0: s.recv_string(f)),
    "json": ({"a": [1]}, lambda s, m, f=0: s.send_json(m, f), lambda s, f=0: s.recv_json(f)),
    "pyobj": ({1: {2}}, lambda s, m, f=0: s.send_pyobj(m, f), lambda s, f=0: s.recv_pyobj(f)),
    "serialized": (
        "abc",
        lambda s, m, f=0: s.send_serialized(m, lambda text: [c.encode() for c in text], f),
        lambda s, f=0: s.recv_serialized(lambda frames: b"".join(frames).decode(), f),
    ),
    "into": (b"12345", lambda s, m, f=0: s.send(m, f), into),
}


class CountingSelector(selectors.DefaultSelector):  # type: ignore[misc, valid-type]
    """Counts how often the loop looked."""

    looks = 0

    def select(self, timeout: float | None = None) -> Any:
        self.looks += 1
        return super().select(timeout)
