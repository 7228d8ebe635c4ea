"""Native descriptors in pollers: what poll(2) says of them, in every state, at once, on every front-end."""

from __future__ import annotations

import os
import socket as native
import time
from collections.abc import Iterator
from contextlib import suppress
from types import ModuleType
from typing import Any

import pytest

from support.front_ends import LIMIT, FrontEnd, wait_until
from support.native_states import ERR, IN, MASKS, OUT, PRI, STATES, UNCHANGING, changed, state, told_by_poll
from zmq.core.polling import bell_set

Context = Any

#: Seconds; more than anything takes that is not waited for, less than the sweep alarm needs.
AT_ONCE = 2.0


@pytest.fixture(params=[True, False], ids=["sets", "no sets"])
def sets(request: pytest.FixtureRequest) -> Iterator[bool]:
    """Whether there is epoll."""
    before = bell_set._set_sets(request.param)
    yield request.param
    bell_set._set_sets(before)


def poller_of(context: Context, zmq: ModuleType, sockets: int) -> Any:
    poller = zmq.Poller()
    for _ in range(sockets):
        poller.register(context.socket(zmq.PULL), zmq.POLLIN)
    return poller


def waiting(front_end: FrontEnd, zmq: ModuleType, number: int = 1) -> None:
    """Wait until so many polls wait."""

    def found() -> bool:
        statistics = zmq.statistics()
        return len(statistics["waiting"]) + len(statistics["blocked"]) >= number

    wait_until(front_end, found)


def expect(context: Context, zmq: ModuleType, fd: int, mask: int, told: int) -> None:
    """See that every form of poll says of a descriptor what poll(2) says."""
    expected = [(fd, told)] if told else []
    assert zmq.zmq_poll([(fd, mask)], 0) == expected
    assert zmq.zmq_poll([(fd, mask)], 1000 * LIMIT if told else 1) == expected
    if not mask & PRI:
        lists = [[fd] if mask & flag else [] for flag in (IN, OUT, ERR)]
        assert zmq.select(*lists, LIMIT if told else 0.001) == tuple([fd] * bool(told & f) for f in (IN, OUT, ERR))
    for sockets in (0, 2, 6):
        poller = poller_of(context, zmq, sockets)
        poller.register(fd, mask)
        assert poller.poll(0) == expected
        assert poller.poll(1000 * LIMIT if told else 1) == expected
        for socket, _ in poller.sockets[:-1]:
            socket.close()


@pytest.mark.parametrize("name", STATES)
def test_what_poll_says(context: Context, zmq: ModuleType, name: str, sets: bool) -> None:
    for mask in MASKS:
        with state(name) as (fd, change):
            expect(context, zmq, fd, mask, told_by_poll(fd, mask))
            expect(context, zmq, fd, mask, changed(fd, change, mask))


@pytest.mark.parametrize("sockets", [0, 2, 6])
@pytest.mark.parametrize("name", [name for name in STATES if name not in UNCHANGING])
def test_what_happens_wakes_who_waits(
    context: Context, zmq: ModuleType, front_end: FrontEnd, name: str, sockets: int, sets: bool
) -> None:
    poller = poller_of(context, zmq, sockets)
    waited = 0
    for mask in MASKS:
        with state(name) as (fd, change):
            if told_by_poll(fd, mask) or not changed(fd, change, mask):
                # There is nothing to wait for, or it never comes.
                continue
        with state(name) as (fd, change):
            poller.register(fd, mask)
            poll = front_end.spawn(poller.poll)
            waiting(front_end, zmq)
            begun = time.monotonic()
            told = changed(fd, change, mask)
            # It returns as soon as there is something, of which there may be more a moment later.
            ((ready, found),) = poll.get()
            assert ready == fd and found and found & told == found
            assert poller.poll(0) == [(fd, told)]
            assert time.monotonic() - begun < AT_ONCE
            poller.unregister(fd)
            waited += 1
    assert waited


@pytest.mark.parametrize("mask", [ERR, PRI, ERR | PRI, OUT], ids=["ERR", "PRI", "ERR PRI", "OUT"])
@pytest.mark.parametrize("sockets", [0, 2, 6])
def test_what_nobody_asked_for_costs_no_time(context: Context, zmq: ModuleType, sockets: int, mask: int) -> None:
    """There is something to read all the time."""
    with state("readable_pair") as (fd, _):
        full = native.socket(fileno=os.dup(fd))
        full.setblocking(False)
        try:
            while mask == OUT:
                full.send(bytes(100_000))
        except BlockingIOError:
            pass
        poller = poller_of(context, zmq, sockets)
        poller.register(fd, mask)
        begun, used = time.monotonic(), time.process_time()
        assert poller.poll(200) == []
        assert 0.2 <= time.monotonic() - begun < AT_ONCE
        assert time.process_time() - used < 0.1
        full.close()


def epoll_sets() -> int:
    """Return how many epoll sets this process has open."""
    found = 0
    for fd in os.listdir("/proc/self/fd"):
        with suppress(FileNotFoundError):
            found += "eventpoll" in os.readlink(f"/proc/self/fd/{fd}")
    return found


def test_there_are_sets_where_there_is_epoll_and_none_elsewhere(
    context: Context, zmq: ModuleType, front_end: FrontEnd, sets: bool
) -> None:
    """Or the tests of what is done without would show nothing."""
    poller = poller_of(context, zmq, 60)
    bound, waker = context.socket(zmq.PULL), context.socket(zmq.PUSH)
    bound.bind("inproc://enough")
    waker.connect("inproc://enough")
    poller.register(bound, IN)
    # The hub has its own, and so has each thread of libzmq's.
    front_end.sleep(0.001)
    before = epoll_sets()
    with state("idle_pair") as (fd, _):
        if front_end.name != "threads":
            # Threads have sets for sockets alone.
            poller.register(fd, IN)
        assert poller.poll(1) == []
        poll = front_end.spawn(poller.poll, 1000 * LIMIT)
        waiting(front_end, zmq)
        assert (epoll_sets() > before) == sets
        waker.send(b"enough")
        assert poll.get() == [(bound, IN)]


def test_several_pollers_of_one_descriptor(context: Context, zmq: ModuleType, front_end: FrontEnd, sets: bool) -> None:
    """They ask for different things, and one that is served takes nothing away from another."""
    with state("urgent_behind_others") as (fd, change):
        polls = []
        for sockets in (0, 2, 6):
            for mask in (PRI, PRI | ERR):
                poller = poller_of(context, zmq, sockets)
                poller.register(fd, mask)
                polls.append(front_end.spawn(poller.poll))
        waiting(front_end, zmq, len(polls))
        assert poller_of(context, zmq, 0).poll(0) == []
        poller = zmq.Poller()
        poller.register(fd, IN | PRI)
        assert poller.poll() == [(fd, IN)]
        changed(fd, change, PRI)
        assert [poll.get() for poll in polls] == [[(fd, PRI)]] * len(polls)
        assert poller.poll() == [(fd, IN | PRI)]


def test_a_descriptor_under_two_names(zmq: ModuleType, front_end: FrontEnd, sets: bool) -> None:
    one, other = native.socketpair()
    with one, other:
        poller = zmq.Poller()
        poller.register(one, IN)
        poller.register(one.fileno(), ERR)
        assert poller.poll(1) == []
        poll = front_end.spawn(poller.poll)
        waiting(front_end, zmq)
        other.send(b"x")
        assert poll.get() == [(one.fileno(), IN)]


def test_a_number_that_is_given_to_another(zmq: ModuleType, front_end: FrontEnd, sets: bool) -> None:
    """A copy of the old descriptor stays open and ready: it is not what is polled."""
    old, old_end = os.pipe()
    new, new_end = os.pipe()
    poller = zmq.Poller()
    poller.register(old, IN)
    assert poller.poll(1) == []
    copy = os.dup(old)
    os.dup2(new, old)
    os.write(old_end, b"old")
    assert poller.poll(1) == []
    poll = front_end.spawn(poller.poll)
    waiting(front_end, zmq)
    os.write(new_end, b"new")
    assert poll.get() == [(old, IN)]
    for fd in (old, old_end, new, new_end, copy):
        os.close(fd)
    assert poller.poll() == [(old, ERR)]


def test_an_object_that_is_opened_again(zmq: ModuleType, front_end: FrontEnd, sets: bool) -> None:
    class File:
        def fileno(self) -> int:
            return pipes[-1][0]

    pipes = [os.pipe()]
    poller = zmq.Poller()
    poller.register(File(), IN)
    assert poller.poll(1) == []
    pipes.append(os.pipe())
    os.write(pipes[0][1], b"x")
    assert poller.poll(1) == []
    poll = front_end.spawn(poller.poll)
    waiting(front_end, zmq)
    os.write(pipes[1][1], b"x")
    assert poll.get() == [(pipes[1][0], IN)]
    for pair in pipes:
        for fd in pair:
            os.close(fd)
    pipes.append((-1, -1))
    assert poller.poll(0) == poller.poll(1) == []


def test_sockets_and_descriptors_come_in_the_order_of_registering(context: Context, zmq: ModuleType) -> None:
    reader, writer = os.pipe()
    os.write(writer, b"x")
    for others in (0, 6):
        poller = poller_of(context, zmq, others)
        a, b = context.socket(zmq.PAIR), context.socket(zmq.PAIR)
        a.bind(f"inproc://order-{others}")
        b.connect(f"inproc://order-{others}")
        for item in (a, reader, b, writer):
            poller.register(item, OUT | IN)
        for _ in range(3):
            assert poller.poll() == [(a, OUT), (reader, IN), (b, OUT), (writer, OUT)]
    os.close(reader)
    os.close(writer)


def test_nothing_is_left_open(zmq: ModuleType, ledger: None, sets: bool) -> None:
    """The ledger counts."""
    with state("idle_pair") as (fd, _):
        for _ in range(5):
            poller = zmq.Poller()
            poller.register(fd, IN)
            assert poller.poll(1) == []


def test_closed_while_others_are_registered(context: Context, zmq: ModuleType, front_end: FrontEnd) -> None:
    """A greenlet that registers wakes who polls; what was closed since is an error, as poll(2) says."""
    if not front_end.shares_sockets:
        pytest.skip("a thread that polls is not told of what another registers")
    one, _ = ends = os.pipe()
    poller = poller_of(context, zmq, 2)
    poller.register(one, IN)
    another = context.socket(zmq.PULL)
    poll = front_end.spawn(poller.poll)
    waiting(front_end, zmq)
    for fd in ends:
        os.close(fd)
    poller.register(another, zmq.POLLIN)
    assert poll.get() == [(one, ERR)]
