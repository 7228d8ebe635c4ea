"""What stands in the place of system calls of the wheels' libzmq says the same as the system, with fewer of them."""

from __future__ import annotations

import ctypes
import errno
import functools
import os
import select
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from support import ROOT

LIBZMQ = ROOT / "tools" / "libzmq"
IN, OUT = select.EPOLLIN, select.EPOLLOUT
ADD, DEL, MOD = 1, 2, 3
#: The functions of the system, counted.
COUNTED = """
    #include <poll.h>
    #include <sys/epoll.h>
    #include <unistd.h>

    static int calls;

    int count_calls(void)
    {
        int so_far = calls;
        calls = 0;
        return so_far;
    }

    static int counted_ctl(int set, int operation, int fd, struct epoll_event *event)
    {
        calls++;
        return epoll_ctl(set, operation, fd, event);
    }

    static int counted_wait(int set, struct epoll_event *events, int size, int timeout)
    {
        calls++;
        return epoll_wait(set, events, size, timeout);
    }

    static int counted_poll(struct pollfd *polled, nfds_t count, int timeout)
    {
        calls++;
        return poll(polled, count, timeout);
    }

    static ssize_t counted_read(int fd, void *buffer, size_t size)
    {
        calls++;
        return read(fd, buffer, size);
    }

    #define epoll_ctl counted_ctl
    #define epoll_wait counted_wait
    #define poll counted_poll
    #define read counted_read
"""


class Event(ctypes.Structure):
    """struct epoll_event."""

    _pack_ = 1 if os.uname().machine == "x86_64" else 0
    _fields_ = [("events", ctypes.c_uint32), ("data", ctypes.c_uint64)]


class Polled(ctypes.Structure):
    """struct pollfd."""

    _fields_ = [("fd", ctypes.c_int), ("events", ctypes.c_short), ("revents", ctypes.c_short)]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], ctypes.CDLL]:
    """Compile a file of libzmq's to a library that counts its system calls."""
    compiler = shutil.which("gcc")
    if compiler is None:
        pytest.skip("there is no gcc")
    folder = tmp_path_factory.mktemp("system_calls")

    def library(name: str) -> ctypes.CDLL:
        source = folder / f"{name}.c"
        source.write_text(f'{COUNTED}\n#include "{LIBZMQ}/{name}.c"\n')
        command = [compiler, "-shared", "-fPIC", "-O1", "-Wall", "-Wextra", "-Werror", "-Wno-unused-function"]
        subprocess.run([*command, str(source), "-o", str(folder / f"{name}.so"), "-pthread"], check=True)
        return ctypes.CDLL(str(folder / f"{name}.so"), use_errno=True)

    return library


class Set:
    """An epoll set as libzmq's threads use theirs, through the functions under test."""

    def __init__(self, library: ctypes.CDLL) -> None:
        self.library = library
        self.epoll = select.epoll()
        self.calls: Callable[[], int] = library.count_calls
        self.wait()
        self.calls()

    def change(self, operation: int, fd: int, events: int = 0, data: int | None = None) -> None:
        event = Event(events, fd if data is None else data)
        result = self.library.zmq_epoll_ctl(self.epoll.fileno(), operation, fd, ctypes.byref(event))
        assert result == 0, errno.errorcode[ctypes.get_errno()]

    def wait(self, size: int = 64) -> list[tuple[int, int]]:
        """Return pairs of data and events, without waiting for any."""
        events = (Event * size)()
        count = self.library.zmq_epoll_wait(self.epoll.fileno(), events, size, 0)
        assert 0 <= count <= size
        return [(event.data, event.events) for event in events[:count]]


class Pair:
    """A stream that does not block, and the other side of it."""

    def __init__(self) -> None:
        self.here, self.there = socket.socketpair()
        self.here.setblocking(False)
        self.there.setblocking(False)
        self.fd = self.here.fileno()

    def fill(self) -> None:
        with pytest.raises(BlockingIOError):
            while True:
                self.here.send(bytes(65536))

    def drain(self) -> None:
        with pytest.raises(BlockingIOError):
            while True:
                self.there.recv(1 << 20)

    def close(self) -> None:
        self.here.close()
        self.there.close()


def in_own_thread(test: Callable[..., None]) -> Callable[..., None]:
    """Run a test in a thread of its own, as each thread knows one set."""

    @functools.wraps(test)
    def run(**fixtures: Any) -> None:
        with ThreadPoolExecutor(1) as pool:
            pool.submit(test, **fixtures).result(60)

    return run


@pytest.fixture
def epolls(built: Callable[[str], ctypes.CDLL]) -> ctypes.CDLL:
    return built("output_events")


@pytest.fixture
def pair() -> Iterator[Pair]:
    pair = Pair()
    yield pair
    pair.close()


def serve(polls: Set, fd: int, data: int | None = None) -> None:
    """Do what libzmq does with a new engine, until it has written its first."""
    polls.change(ADD, fd, 0, data)
    polls.change(MOD, fd, IN, data)
    polls.change(MOD, fd, IN | OUT, data)
    assert polls.wait() == [(fd if data is None else data, OUT)]
    polls.change(MOD, fd, IN, data)
    assert polls.wait() == []
    polls.calls()


@in_own_thread
def test_to_write_costs_no_system_call(epolls: ctypes.CDLL, pair: Pair) -> None:
    polls = Set(epolls)
    serve(polls, pair.fd, data=1 << 40)
    for _ in range(100):
        polls.change(MOD, pair.fd, IN | OUT, data=1 << 40)
        assert polls.wait() == [(1 << 40, OUT)]
        polls.change(MOD, pair.fd, IN, data=1 << 40)
    assert polls.calls() == 0
    pair.there.send(b"x")
    assert polls.wait() == [(1 << 40, IN)]
    assert polls.calls() == 1


@in_own_thread
def test_who_still_wants_to_write_waits_in_the_kernel(epolls: ctypes.CDLL, pair: Pair) -> None:
    polls = Set(epolls)
    serve(polls, pair.fd)
    pair.fill()
    polls.change(MOD, pair.fd, IN | OUT)
    assert polls.wait() == [(pair.fd, OUT)]
    for _ in range(3):
        assert polls.wait() == []
    pair.drain()
    for _ in range(3):
        assert polls.wait() == [(pair.fd, OUT)]
    polls.change(MOD, pair.fd, IN)
    assert polls.wait() == []


@in_own_thread
def test_that_a_connection_is_made_comes_from_the_kernel(epolls: ctypes.CDLL, pair: Pair) -> None:
    """A socket that has not been written to may not be connected yet, also where another had its number before."""
    polls = Set(epolls)
    for _ in range(2):
        pair.fill()
        polls.change(ADD, pair.fd)
        polls.change(MOD, pair.fd, OUT)
        assert polls.wait() == []
        pair.drain()
        assert polls.wait() == [(pair.fd, OUT)]
        polls.change(MOD, pair.fd, 0)
        polls.change(MOD, pair.fd, OUT)
        assert polls.wait() == [(pair.fd, OUT)]
        polls.change(DEL, pair.fd)
        assert polls.wait() == []


@in_own_thread
def test_nothing_is_told_of_what_left_the_set(epolls: ctypes.CDLL, pair: Pair) -> None:
    polls = Set(epolls)
    serve(polls, pair.fd)
    polls.change(MOD, pair.fd, IN | OUT)
    polls.change(DEL, pair.fd)
    polls.change(ADD, pair.fd, 0, data=7)
    assert polls.wait() == []
    pair.there.send(b"x")
    polls.change(MOD, pair.fd, IN, data=7)
    assert polls.wait() == [(7, IN)]


@in_own_thread
def test_more_than_there_is_room_for_is_told_later(epolls: ctypes.CDLL) -> None:
    polls = Set(epolls)
    pairs = [Pair() for _ in range(5)]
    for pair in pairs:
        serve(polls, pair.fd)
    for pair in pairs:
        polls.change(MOD, pair.fd, IN | OUT)
    told = polls.wait(size=3)
    assert len(told) == 3
    told += polls.wait(size=3)
    assert sorted(told[:5]) == [(pair.fd, OUT) for pair in pairs]
    for pair in pairs:
        pair.close()


@in_own_thread
def test_other_threads_ask_the_kernel(epolls: ctypes.CDLL, pair: Pair) -> None:
    """What a thread begins with is put into its set before it runs."""
    own = Set(epolls)
    other = select.epoll()
    event = Event(IN, 3)
    for operation in (ADD, MOD, MOD):
        assert epolls.zmq_epoll_ctl(other.fileno(), operation, pair.fd, ctypes.byref(event)) == 0
    assert own.calls() == 3
    pair.there.send(b"x")
    assert other.poll(0) == [(3, IN)]
    assert own.wait() == []


@in_own_thread
def test_what_the_kernel_refuses_is_an_error(epolls: ctypes.CDLL, pair: Pair) -> None:
    polls = Set(epolls)
    serve(polls, pair.fd)
    event = Event(OUT, 0)
    for operation, fd in ((ADD, pair.fd), (MOD, 1000), (MOD, -1)):
        assert epolls.zmq_epoll_ctl(polls.epoll.fileno(), operation, fd, ctypes.byref(event)) == -1
    polls.epoll.unregister(pair.fd)
    polls.change(MOD, pair.fd, IN | OUT)
    assert polls.wait() == [(pair.fd, OUT)]
    events = (Event * 1)()
    assert epolls.zmq_epoll_wait(polls.epoll.fileno(), events, 1, 0) == -1
    assert ctypes.get_errno() == errno.ENOENT


class Epolls(RuleBasedStateMachine):
    """A set beside one of the kernel alone, which is told the same."""

    polls: Set

    def __init__(self) -> None:
        super().__init__()
        self.truth = select.epoll()
        self.pairs: list[Pair] = []
        self.wanted: dict[int, int] = {}
        #: Descriptors that want to write, and have not been told so since.
        self.untold: set[int] = set()

    def teardown(self) -> None:
        while self.pairs:
            self.use(0, "close")
        self.truth.close()

    @rule()
    def open(self) -> None:
        pair = Pair()
        self.pairs.append(pair)
        self.polls.change(ADD, pair.fd)
        self.truth.register(pair.fd, 0)
        self.wanted[pair.fd] = 0

    @rule(which=st.integers(0, 7), events=st.sampled_from([0, IN, OUT, IN | OUT]))
    def want(self, which: int, events: int) -> None:
        if self.pairs:
            fd = self.pairs[which % len(self.pairs)].fd
            self.polls.change(MOD, fd, events)
            self.truth.modify(fd, events)
            if not events & OUT:
                self.untold.discard(fd)
            elif not self.wanted[fd] & OUT:
                self.untold.add(fd)
            self.wanted[fd] = events

    @rule(which=st.integers(0, 7), what=st.sampled_from(["fill", "drain", "write", "read", "close"]))
    def use(self, which: int, what: str) -> None:
        if not self.pairs:
            return
        pair = self.pairs[which % len(self.pairs)]
        if what in ("fill", "drain"):
            getattr(pair, what)()
        elif what == "write":
            pair.there.send(b"x")
        elif what == "read":
            try:
                pair.here.recv(100)
            except BlockingIOError:
                return
        else:
            self.polls.change(DEL, pair.fd)
            self.truth.unregister(pair.fd)
            del self.wanted[pair.fd]
            self.untold.discard(pair.fd)
            self.pairs.remove(pair)
            pair.close()

    @rule(size=st.integers(1, 3))
    def wait(self, size: int) -> None:
        for fd, events in self.polls.wait(size):
            self.seen(fd, events)

    def seen(self, fd: int, events: int) -> None:
        assert not events & ~self.wanted[fd]
        if events & OUT and fd in self.untold:
            self.untold.remove(fd)
        else:
            assert (fd, events) in self.truth.poll(0)

    @rule()
    def rest(self) -> None:
        """After at most one time of being told more than there is the set says what the kernel says."""
        for fd, events in self.polls.wait():
            self.seen(fd, events)
        assert sorted(self.polls.wait()) == sorted(self.truth.poll(0))


@in_own_thread
def test_a_set_says_what_the_kernel_says(epolls: ctypes.CDLL) -> None:
    machine = type("Machine", (Epolls,), {"polls": Set(epolls)})
    run_state_machine_as_test(machine, settings=settings(max_examples=100, stateful_step_count=40, deadline=None))


class Signals:
    """A mailbox's signals, through the functions under test."""

    def __init__(self, library: ctypes.CDLL) -> None:
        self.library = library
        self.fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self.calls: Callable[[], int] = library.count_calls
        self.calls()

    def poll(self, timeout: int = 0) -> bool:
        polled = Polled(self.fd, select.POLLIN, -1)
        result = self.library.zmq_poll_signal(ctypes.byref(polled), 1, timeout)
        assert (result, polled.revents) in ((0, 0), (1, select.POLLIN))
        return bool(result)

    def read(self) -> int:
        """Return how many signals there were."""
        value = ctypes.c_uint64()
        result = self.library.zmq_read_signal(self.fd, ctypes.byref(value), ctypes.c_size_t(8))
        if result != 8:
            raise OSError(ctypes.get_errno(), "read")
        return value.value

    def write_and_take(self, count: int = 1, timeout: int = 0) -> None:
        os.eventfd_write(self.fd, count)
        assert self.poll(timeout)
        assert self.read() == count

    def close(self) -> None:
        assert self.library.zmq_close_signals(self.fd) == 0


@pytest.fixture
def signals(built: Callable[[str], ctypes.CDLL]) -> Iterator[Signals]:
    signals = Signals(built("signal_reads"))
    yield signals
    signals.close()


def test_a_signal_is_taken_in_one_system_call(signals: Signals) -> None:
    for _ in range(3):
        signals.write_and_take()
        assert not signals.poll()
        assert signals.calls() == 1
        assert not signals.poll()
        assert signals.calls() == 1


def test_a_signal_that_comes_before_the_last_question_is_there_at_the_next(signals: Signals) -> None:
    signals.write_and_take()
    os.eventfd_write(signals.fd, 1)
    assert not signals.poll()
    assert select.select([signals.fd], [], [], 0)[0]
    assert signals.poll()
    assert signals.read() == 1


def test_signals_that_are_written_back_are_there_at_once(signals: Signals) -> None:
    signals.write_and_take(count=2)
    signals.write_and_take()


def test_whoever_waits_asks_the_system(signals: Signals) -> None:
    assert not signals.poll(timeout=1)
    for timeout in (-1, 1000):
        signals.calls()
        signals.write_and_take(timeout=timeout)
        assert not signals.poll()
        assert signals.calls() == 2
        assert not signals.poll()
    signals.write_and_take()
    signals.write_and_take(timeout=1000)


def test_a_mailbox_begins_anew_where_another_ended(built: Callable[[str], ctypes.CDLL]) -> None:
    """That of a context that is terminated is not asked once more after it was told so."""
    ended = Signals(built("signal_reads"))
    ended.write_and_take(timeout=-1)
    ended.close()
    signals = Signals(ended.library)
    assert signals.fd == ended.fd
    signals.write_and_take()
    signals.close()


def test_each_mailbox_has_signals_of_its_own(signals: Signals) -> None:
    other = Signals(signals.library)
    os.eventfd_write(signals.fd, 1)
    assert signals.poll()
    with pytest.raises(BlockingIOError):
        other.read()
    assert signals.read() == 1
    other.write_and_take()
    signals.write_and_take()
    other.write_and_take(timeout=1000)
    signals.write_and_take()
    other.close()


def test_threads_do_not_share_what_they_took(signals: Signals) -> None:
    signals.write_and_take()
    os.eventfd_write(signals.fd, 1)
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(signals.poll).result(60)
        assert pool.submit(signals.read).result(60) == 1
    assert not signals.poll()


def test_what_cannot_be_read_is_asked_of_poll(signals: Signals) -> None:
    """A closed descriptor is what poll() calls it."""
    polled = Polled(1 << 20, select.POLLIN, 0)
    assert signals.library.zmq_poll_signal(ctypes.byref(polled), 1, 0) == 1
    assert polled.revents == select.POLLNVAL
