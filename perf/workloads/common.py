"""What every workload uses: how long it goes on, sockets that are closed at the end, pairs of them."""

from __future__ import annotations

import itertools
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import zmq

SIZE = 32
PAYLOAD = bytes(range(SIZE))

now = time.perf_counter
Run = Callable[[int], float]  # performs so many operations, returns the seconds they took
Result = dict[str, Any]  # "cost" of one operation, in ns where nothing else is said; what else there is to say

numbers = itertools.count()


class WrongMessage(Exception):
    """A message is not the one that was sent."""


def measure(run: Run, seconds: float, goes: int = 20, least: int = 1) -> Result:
    """Run for about `seconds` and return what one operation cost.

    One go lasts about `seconds / goes` and has `least` operations or more. Doubling up to there is the warm-up, and
    goes on later: beside a busy thread a first go can be luckier or unluckier than those that follow. So the end is
    late by two goes at the most.
    """
    enough = seconds / goes
    count = least
    while run(count) < enough:
        count *= 2
    operations, total = 0, 0.0
    while total < seconds:
        elapsed = run(count)
        operations += count
        total += elapsed
        if elapsed < enough:
            count *= 2
    return {"operations": operations, "seconds": total, "cost": total / operations * 1e9}


def water_marks(size: int) -> int:
    """Return how many messages of that size may wait on either side: libzmq's own 1,000, but not above 16 MiB."""
    return max(4, min(1000, (16 << 20) // size))


@contextmanager
def sockets(module: ModuleType) -> Iterator[Callable[..., Any]]:
    """Give a function that opens a socket; close all that it opened and terminate their context."""
    context = module.Context()
    context.set(zmq.MAX_SOCKETS, 8192)
    opened = []

    def open_socket(kind: int, hwm: int | None = None) -> Any:
        opened.append(context.socket(kind))
        if hwm is not None:
            opened[-1].set_hwm(hwm)
        return opened[-1]

    try:
        yield open_socket
    finally:
        for socket in opened:
            socket.close(linger=0)
        context.term()


def bind(socket: Any, transport: str) -> str:
    """Bind to an address of its own and return it."""
    socket.bind({"inproc": f"inproc://perf-{next(numbers)}", "ipc": "ipc://*", "tcp": "tcp://127.0.0.1:*"}[transport])
    return socket.getsockopt(zmq.LAST_ENDPOINT).rstrip(b"\0").decode()


@contextmanager
def connected(
    module: ModuleType, sender: int, receiver: int, count: int = 1, transport: str = "inproc", hwm: int | None = None
) -> Iterator[list[tuple[Any, Any]]]:
    """Give `count` pairs of a sending and a receiving socket."""
    with sockets(module) as open_socket:
        pairs = [(open_socket(sender, hwm), open_socket(receiver, hwm)) for _ in range(count)]
        for sending, receiving in pairs:
            sending.connect(bind(receiving, transport))
        yield pairs


@contextmanager
def second_process(*arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """Give another process with the same `zmq` and front-end, which does the workload's other half.

    It ends when its stdin does.
    """
    with subprocess.Popen([sys.executable, *sys.argv, "--peer", *arguments], stdin=subprocess.PIPE) as process:
        try:
            yield process
            assert process.stdin
            process.stdin.close()
            if process.wait() != 0:
                raise RuntimeError(f"the second process ended with status {process.returncode}")
        finally:
            process.kill()


@contextmanager
def busy_thread(result: Result) -> Iterator[None]:
    """Have a thread beside that computes in Python and never waits; add to the result how far it came.

    The share that it gets is part of the story: a binding could be fast because it starves it.
    """
    stop = False
    turns = 0

    def compute() -> None:
        nonlocal turns
        while not stop:
            turns += 1

    busy = threading.Thread(target=compute, daemon=True)
    busy.start()
    try:
        while not turns:
            time.sleep(0.001)
        before, start = turns, now()
        yield
        result["busy_turns_per_second"] = round((turns - before) / (now() - start))
    finally:
        stop = True
        busy.join()
