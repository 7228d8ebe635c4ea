"""What a signal's handler does while somebody polls is seen at once: it may close, register, poll and end anything."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import pytest

from support.front_ends import LIMIT, FrontEnd, Threads, ThreadTask, wait_until

Pair = Callable[..., tuple[Any, Any]]
Pairs = list[tuple[Any, Any]]
Handle = Callable[[Callable[[], object]], None]

#: Seconds; less than the sweep alarm needs to find what was missed.
AT_ONCE = 2.0

#: Poll the second of the first pair, and others.
Poll = Callable[[ModuleType, Pairs, float], Any]


def soon(front_end: FrontEnd) -> float:
    """Return within how many seconds what a handler did is seen."""
    return AT_ONCE if front_end.wakes_for_handlers else LIMIT


def poller_of(zmq: ModuleType, pairs: Pairs) -> Any:
    poller = zmq.Poller()
    for _, socket in pairs:
        poller.register(socket, zmq.POLLIN)
    # One that is used again may wait in another way.
    for _ in range(2):
        assert poller.poll(0) == []
    return poller


POLLS: dict[str, Poll] = {
    "Socket.poll": lambda zmq, pairs, seconds: pairs[0][1].poll(1000 * seconds),
    "zmq_poll": lambda zmq, pairs, seconds: zmq.zmq_poll([(b, zmq.POLLIN) for _, b in pairs[:2]], 1000 * seconds),
    "select": lambda zmq, pairs, seconds: zmq.select([b for _, b in pairs[:2]], [], [], seconds),
    "Poller of few": lambda zmq, pairs, seconds: poller_of(zmq, pairs[:2]).poll(1000 * seconds),
    "Poller of many": lambda zmq, pairs, seconds: poller_of(zmq, pairs).poll(1000 * seconds),
}
polls = pytest.mark.parametrize("poll", POLLS)


@pytest.fixture
def pairs(pair: Pair) -> Pairs:
    return [pair() for _ in range(7)]


@pytest.fixture
def handle() -> Iterator[Handle]:
    """Returns what has a function called by the handler of a signal, as soon as the main thread polls."""
    main = threading.main_thread().ident
    tasks, calls = [], []

    def on_signal(number: int, frame: object) -> None:
        calls.pop()()

    def send(zmq: ModuleType) -> None:
        assert main is not None
        wait_until(Threads(), lambda: zmq.statistics()["waiting"] or zmq.statistics()["blocked"])
        end = time.monotonic() + LIMIT
        while calls and time.monotonic() < end:
            # One that comes before the system call is made is seen after the next.
            signal.pthread_kill(main, signal.SIGUSR1)
            time.sleep(0.05)

    def arrange(call: Callable[[], object]) -> None:
        import zmq

        calls.append(call)
        tasks.append(ThreadTask(send, (zmq,), {}))

    def once(number: int, frame: object) -> None:
        if calls:
            on_signal(number, frame)

    before = signal.signal(signal.SIGUSR1, once)
    yield arrange
    for task in tasks:
        task.get()
    signal.signal(signal.SIGUSR1, before)


@polls
@pytest.mark.parametrize("how", ["close", "close and make others", "close all"])
def test_a_socket_that_the_handler_closes(
    pairs: Pairs, context: Any, zmq: ModuleType, front_end: FrontEnd, handle: Handle, poll: str, how: str
) -> None:
    def close() -> None:
        pairs[0][1].close()
        if how == "close all":
            for pair in pairs:
                for socket in pair:
                    socket.close()
        if how == "close and make others":
            # The reaper frees the first, whose address another may get.
            time.sleep(0.05)
            for _ in range(20):
                context.socket(zmq.PULL)

    handle(close)
    begun = time.monotonic()
    with pytest.raises(zmq.ZMQError) as caught:
        POLLS[poll](zmq, pairs, LIMIT)
    assert caught.value.errno == zmq.ENOTSOCK
    assert time.monotonic() - begun < soon(front_end)


@pytest.mark.parametrize("count", [2, 7])
@pytest.mark.parametrize("left", [1, 6])
def test_a_socket_that_the_handler_unregisters_and_closes(
    pairs: Pairs, zmq: ModuleType, front_end: FrontEnd, handle: Handle, count: int, left: int
) -> None:
    """The poll goes on with what is left, be that few or many."""
    poller = poller_of(zmq, pairs[:count])
    one, other = pairs[0]

    def change() -> None:
        for _, socket in pairs[count - 1 : min(left, count - 1) - 1 : -1]:
            poller.unregister(socket)
            socket.close()
        poller.poll(0)
        one.send(b"1")

    handle(change)
    begun = time.monotonic()
    assert poller.poll(1000 * LIMIT) == [(other, zmq.POLLIN)]
    assert time.monotonic() - begun < soon(front_end)


@pytest.mark.parametrize("count", [1, 4, 6])
def test_a_socket_that_the_handler_registers(
    pairs: Pairs, zmq: ModuleType, front_end: FrontEnd, handle: Handle, count: int
) -> None:
    poller = poller_of(zmq, pairs[:count])
    one, other = pairs[6]

    def register() -> None:
        one.send(b"1")
        poller.register(other, zmq.POLLIN)

    handle(register)
    begun = time.monotonic()
    assert poller.poll(1000 * LIMIT) == [(other, zmq.POLLIN)]
    assert time.monotonic() - begun < soon(front_end)


@pytest.mark.parametrize("count", [2, 7])
def test_a_handler_that_polls_and_takes(pairs: Pairs, zmq: ModuleType, handle: Handle, count: int) -> None:
    """What it leaves is found."""
    poller = poller_of(zmq, pairs[:count])
    one, other = pairs[1]

    def take() -> None:
        one.send(b"1")
        one.send(b"2")
        assert poller.poll(1000 * LIMIT) == [(other, zmq.POLLIN)]
        assert other.recv() == b"1"

    if zmq.__name__ != "zmq":
        # A handler that runs in the hub cannot wait, and need not.
        handle(lambda: (one.send(b"1"), one.send(b"2"), poller.poll(0), other.recv(zmq.NOBLOCK)))
    else:
        handle(take)
    assert poller.poll(1000 * LIMIT) == [(other, zmq.POLLIN)]
    assert other.recv() == b"2"


@polls
def test_the_time_is_kept_when_a_handler_does_nothing(pairs: Pairs, zmq: ModuleType, handle: Handle, poll: str) -> None:
    handle(lambda: None)
    begun = time.monotonic()
    assert not [found for found in [POLLS[poll](zmq, pairs, 0.3)] if found and found != ([], [], [])]
    assert 0.3 <= time.monotonic() - begun < AT_ONCE
