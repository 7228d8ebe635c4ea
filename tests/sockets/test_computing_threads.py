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

#: Seconds for which a thread that got the lock keeps it: whoever gives it up once too often has to wait for it.
INTERVAL = 0.1
COUNT = 5000

EXCHANGES: dict[str, Callable[[Any, Any], Any]] = {
    "send and recv": lambda a, b: (a.send(b"x" * 32), b.recv()),
    "multipart": lambda a, b: (a.send_multipart([b"x", b"y", b"z"]), b.recv_multipart()),
    "frames": lambda a, b: (a.send(b"x" * 32, copy=False), b.recv(copy=False)),
    "looking": lambda a, b: (a.poll(0, 2), b.poll(0), b.events),
}


@pytest.fixture
def computing(zmq: ModuleType) -> Iterator[None]:
    """Have a native thread compute all the time."""
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
        yield
    finally:
        over = True
        sys.setswitchinterval(interval)
        zmq.set_budget(budget)
        thread.join()


@pytest.mark.parametrize("name", EXCHANGES)
def test_what_need_not_wait_keeps_the_lock(pair: Pair, computing: None, name: str) -> None:
    a, b = pair()
    exchange = EXCHANGES[name]
    took = []
    for _ in range(4):
        began = time.monotonic()
        for _ in range(COUNT):
            exchange(a, b)
        took.append(time.monotonic() - began)
    # The other thread may ask for its turn once in an interval, and gets it; but not in every one of these.
    assert min(took) < INTERVAL / 2, took


def exchange_large(a: Any, b: Any) -> None:
    a.send(bytes(1 << 16))
    assert len(b.recv()) == 1 << 16


def test_long_copies_keep_the_lock_after_it_was_once_hard_to_get(pair: Pair, computing: None) -> None:
    a, b = pair()
    began = time.monotonic()
    for _ in range(300):
        exchange_large(a, b)
    # Given up each time it would take 600 intervals.
    assert time.monotonic() - began < 20 * INTERVAL


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
