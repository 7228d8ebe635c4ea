"""Beside a thread that computes: sending and receiving what needs no waiting never gives the interpreter's lock up."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import pytest

from support.front_ends import LIMIT, FrontEnd

Pair = Callable[..., tuple[Any, Any]]

#: Seconds for which a thread that got the lock keeps it, and after which one that wants it is given it.
INTERVAL = 0.1
COUNT = 5000
#: How often the other thread may have had the lock meanwhile, because it wanted it for so long.
FORCED = 20

EXCHANGES: dict[str, Callable[[Any, Any], Any]] = {
    "send and recv": lambda a, b: (a.send(b"x" * 32), b.recv()),
    "multipart": lambda a, b: (a.send_multipart([b"x", b"y", b"z"]), b.recv_multipart()),
    "frames": lambda a, b: (a.send(b"x" * 32, copy=False), b.recv(copy=False)),
    "looking": lambda a, b: (a.poll(0, 2), b.poll(0), b.events),
}


@pytest.fixture
def computing(zmq: ModuleType) -> Iterator[Callable[[], int]]:
    """Have a native thread compute all the time; a function tells how far it is."""
    over = False
    rounds = 0

    def compute() -> None:
        nonlocal rounds
        while not over:
            sum(range(1000))
            rounds += 1

    interval, budget = sys.getswitchinterval(), zmq.get_budget()
    thread = threading.Thread(target=compute)
    # Who lets the hub run waits for it without the lock.
    zmq.set_budget(0)
    sys.setswitchinterval(INTERVAL)
    thread.start()
    try:
        while rounds < 100:
            time.sleep(0.001)
        yield lambda: rounds
    finally:
        over = True
        sys.setswitchinterval(interval)
        zmq.set_budget(budget)
        thread.join()


def lost_lock(times: int, exchange: Callable[[], Any], computing: Callable[[], int]) -> int:
    """Return in how many of so many exchanges the other thread ran; no more are made where it is too often."""
    found, before = 0, computing()
    for _ in range(times):
        exchange()
        now = computing()
        found += now != before
        before = now
        if found > FORCED:
            break
    return found


@pytest.mark.parametrize("name", EXCHANGES)
def test_what_need_not_wait_keeps_the_lock(pair: Pair, computing: Callable[[], int], name: str) -> None:
    a, b = pair()
    assert lost_lock(COUNT, lambda: EXCHANGES[name](a, b), computing) <= FORCED


def exchange_large(a: Any, b: Any) -> None:
    a.send(bytes(1 << 16))
    assert len(b.recv()) == 1 << 16


def test_long_copies_keep_the_lock_after_it_was_once_hard_to_get(pair: Pair, computing: Callable[[], int]) -> None:
    a, b = pair()
    assert lost_lock(300, lambda: exchange_large(a, b), computing) <= FORCED


@pytest.mark.parametrize("size, lets", [(1 << 10, False), (1 << 16, True)])
def test_who_copies_much_lets_other_threads_run(pair: Pair, front_end: FrontEnd, size: int, lets: bool) -> None:
    a, b = pair()
    has_run = threading.Event()
    interval = sys.getswitchinterval()
    budget = front_end.zmq.get_budget()
    front_end.zmq.set_budget(0)
    # From now on a thread that has the lock keeps it until it gives it up.
    sys.setswitchinterval(1000)
    try:
        threading.Thread(target=lambda: (time.sleep(0.01), has_run.set())).start()
        end = time.monotonic() + (LIMIT if lets else 0.2)
        while not has_run.is_set() and time.monotonic() < end:
            a.send(bytes(size))
            b.recv()
        assert has_run.is_set() == lets
    finally:
        sys.setswitchinterval(interval)
        front_end.zmq.set_budget(budget)
    assert has_run.wait(LIMIT)
