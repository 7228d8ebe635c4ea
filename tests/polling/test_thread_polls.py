"""A plain thread that polls many sockets waits for the bells of all at once, and looks only at those that rang.

What a poller says is compared with what `zmq_poll` says, which looks at every socket and remembers nothing.
"""

from __future__ import annotations

import gc
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext, suppress
from itertools import count
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

import zmq
from support.foreign_code import read_events
from support.front_ends import LIMIT, LONG, Threads, ThreadTask, wait_until
from zmq.core.waiting import sweep_alarm, wakeable_threads

#: Seconds; less than the sweep alarm needs to find what was missed.
AT_ONCE = 2.0
numbers = count()

Socket = zmq.Socket[bytes]
Pairs = list[tuple[Socket, Socket]]


def open_pair(context: zmq.Context[Any], kinds: tuple[int, int], hwm: int = 100) -> tuple[Socket, Socket]:
    one, other = (context.socket(kind) for kind in kinds)
    for socket in one, other:
        socket.hwm = hwm
        socket.linger = 0
    address = f"inproc://thread-polls-{next(numbers)}"
    one.bind(address)
    other.connect(address)
    return one, other


picks = st.integers(0, 20)
sides = st.integers(0, 1)
masks = st.sampled_from([zmq.POLLIN, zmq.POLLOUT, zmq.POLLIN | zmq.POLLOUT])
KINDS = [(zmq.PAIR, zmq.PAIR), (zmq.PUSH, zmq.PULL), (zmq.DEALER, zmq.DEALER), (zmq.REQ, zmq.REP)]


class Polls(RuleBasedStateMachine):
    """Two pollers over some of sixteen sockets, on which everything is done that may still their bells."""

    def __init__(self) -> None:
        super().__init__()
        self.context = zmq.Context()
        self.pairs = [open_pair(self.context, kinds, hwm=2) for kinds in KINDS * 2]
        self.pollers = [zmq.Poller(), zmq.Poller()]
        for poller in self.pollers:
            for pair in self.pairs[:5]:
                poller.register(pair[1], zmq.POLLIN)

    def socket(self, pick: int, side: int) -> Socket:
        return self.pairs[pick % len(self.pairs)][side]

    def attempt(self, call: Callable[[], Any]) -> None:
        try:
            call()
        except ValueError:
            pass  # a message of several frames, which is no error of a poll's
        except zmq.ZMQError as error:
            assert error.errno in (zmq.EAGAIN, zmq.EFSM, zmq.ENOTSUP), error

    @rule(pick=picks, side=sides, frames=st.integers(1, 2))
    def send(self, pick: int, side: int, frames: int) -> None:
        self.attempt(lambda: self.socket(pick, side).send_multipart([b"1"] * frames, zmq.NOBLOCK))

    @rule(pick=picks)
    def exchange(self, pick: int) -> None:
        one, other = self.pairs[pick % len(self.pairs)]
        self.attempt(lambda: one.send(b"1", zmq.NOBLOCK))
        self.attempt(lambda: other.recv(zmq.NOBLOCK))

    @rule(pick=picks, side=sides)
    def receive(self, pick: int, side: int) -> None:
        self.attempt(lambda: self.socket(pick, side).recv(zmq.NOBLOCK))

    @rule(pick=picks, side=sides)
    def receive_many(self, pick: int, side: int) -> None:
        self.attempt(lambda: self.socket(pick, side).recv_many(5, timeout=0))

    @rule(pick=picks, side=sides)
    def receive_by_a_shadow(self, pick: int, side: int) -> None:
        self.attempt(lambda: zmq.Socket.shadow(self.socket(pick, side)).recv(zmq.NOBLOCK))

    @rule(pick=picks, side=sides)
    def read_events(self, pick: int, side: int) -> None:
        self.socket(pick, side).get(zmq.EVENTS)

    @rule(pick=picks, which=sides, data=st.data())
    def use_one_with_news(self, pick: int, which: int, data: st.DataObject) -> None:
        """Have news come that the poller has not heard of, and somebody else hear of them."""
        one, other = self.pairs[pick % len(self.pairs)]
        self.pollers[which].register(other, zmq.POLLIN)
        self.poll(which)
        self.attempt(lambda: one.send(b"1", zmq.NOBLOCK))
        uses: list[Callable[[], Any]] = [
            lambda: other.poll(0),
            lambda: other.poll(1),
            lambda: other.get(zmq.EVENTS),
            lambda: zmq.Socket.shadow(other).get(zmq.EVENTS),
            lambda: other.send(b"1", zmq.NOBLOCK),
            lambda: other.recv(zmq.NOBLOCK),
            lambda: other.recv_many(1, timeout=0),
            lambda: zmq.zmq_poll([(other, zmq.POLLIN)], 0),
            lambda: self.pollers[1 - which].poll(0),
            lambda: other.set(zmq.LINGER, 0),
        ]
        self.attempt(data.draw(st.sampled_from(uses)))
        self.poll(which)

    @rule(pick=picks, side=sides, mask=masks)
    def poll_one(self, pick: int, side: int, mask: int) -> None:
        self.socket(pick, side).poll(0, mask)

    @rule(pick=picks, side=sides, which=sides, mask=masks)
    def register(self, pick: int, side: int, which: int, mask: int) -> None:
        self.pollers[which].register(self.socket(pick, side), mask)

    @rule(pick=picks, which=sides)
    def unregister(self, pick: int, which: int) -> None:
        if registered := self.pollers[which].sockets:
            self.pollers[which].unregister(registered[pick % len(registered)][0])

    @rule(pick=picks)
    def reopen(self, pick: int) -> None:
        pick %= len(self.pairs)
        for socket in self.pairs[pick]:
            for poller in self.pollers:
                if socket in poller:
                    poller.unregister(socket)
            socket.close()
        self.pairs[pick] = open_pair(self.context, KINDS[pick % len(KINDS)], hwm=2)

    @rule(which=sides)
    def replace(self, which: int) -> None:
        old, self.pollers[which] = self.pollers[which], zmq.Poller()
        for socket, mask in old.sockets:
            self.pollers[which].register(socket, mask)

    @rule(which=sides)
    def poll(self, which: int) -> None:
        poller = self.pollers[which]
        found = poller.poll(0)
        # This tells the poller that it has to look at all of them. It does, and is left without doubts.
        assert found == zmq.zmq_poll(poller.sockets, 0)
        assert found == poller.poll(0)

    @rule(which=sides)
    def poll_and_wait(self, which: int) -> None:
        poller = self.pollers[which]
        found = poller.poll(1)
        assert found == zmq.zmq_poll(poller.sockets, 0)

    @invariant()
    def nothing_is_waited_for(self) -> None:
        assert zmq.statistics()["blocked"] == []

    def teardown(self) -> None:
        for which in (0, 1):
            self.poll(which)
        for pair in self.pairs:
            for socket in pair:
                socket.close()
        self.context.term()


TestPolls = pytest.mark.timeout(300)(Polls.TestCase)
TestPolls.settings = settings(
    max_examples=150 if LONG else 50, stateful_step_count=60, deadline=None, suppress_health_check=list(HealthCheck)
)


@pytest.fixture
def plain() -> Iterator[zmq.Context[Any]]:
    kept = []

    class Context(zmq.Context[Any]):
        def socket(self, *args: Any, **kwargs: Any) -> Any:
            kept.append(super().socket(*args, **kwargs))
            return kept[-1]

    before = sweep_alarm.missed()
    with Context() as context:
        yield context
        context.destroy(linger=0)
    assert sweep_alarm.missed() == before
    assert zmq.statistics()["blocked"] == []


@pytest.fixture
def pairs(plain: zmq.Context[Any]) -> Pairs:
    return [open_pair(plain, (zmq.PAIR, zmq.PAIR)) for _ in range(20)]


def poller_of(pairs: Pairs) -> zmq.Poller:
    """Return a poller that has been used."""
    poller = zmq.Poller()
    for _, socket in pairs:
        poller.register(socket, zmq.POLLIN)
    for _ in range(3):
        assert poller.poll(0) == []
    return poller


def blocked(task: ThreadTask) -> list[Any]:
    """Wait until a task blocks; return what it waits for."""
    found: list[Any] = []

    def blocks() -> bool:
        found[:] = [
            each["waits_for"] for each in zmq.statistics(True)["blocked"] if each["thread"] == task.thread.ident
        ]
        return bool(found)

    wait_until(Threads(), blocks)
    [what] = found
    assert isinstance(what, list)
    return what


def test_every_socket_wakes_a_thread_that_waits(pairs: Pairs) -> None:
    poller = poller_of(pairs)
    for timeout in (None, 1000 * LIMIT):
        for one, other in pairs:
            task = ThreadTask(poller.poll, (timeout,), {})
            assert blocked(task) == [socket for _, socket in pairs]
            begun = time.monotonic()
            one.send(b"1")
            assert task.get() == [(other, zmq.POLLIN)]
            assert time.monotonic() - begun < AT_ONCE
            assert other.recv() == b"1"


@pytest.mark.parametrize("transport", ["tcp", "ipc"])
def test_messages_of_an_io_thread(plain: zmq.Context[Any], tmp_path: Path, transport: str) -> None:
    endpoint = "tcp://127.0.0.1:*" if transport == "tcp" else f"ipc://{tmp_path}/*"
    pushes, pulls, each = [], [], 300
    for i in range(12):
        pulls.append(plain.socket(zmq.PULL))
        pulls[-1].bind(endpoint.replace("/*", f"/{i}"))
        pushes.append(plain.socket(zmq.PUSH))
        pushes[-1].connect(pulls[-1].get_string(zmq.LAST_ENDPOINT))

    def send() -> None:
        for i in range(each):
            for push in pushes:
                push.send(b"%d" % i)

    poller = zmq.Poller()
    for pull in pulls:
        poller.register(pull, zmq.POLLIN)
    task = ThreadTask(send, (), {})
    found = dict.fromkeys(pulls, 0)
    while sum(found.values()) < each * len(pulls):
        ready = poller.poll(1000 * AT_ONCE)
        assert ready, "nothing came, or nobody heard of it"
        for pull, events in ready:
            assert events == zmq.POLLIN
            # One at a time, so that others are left for which no bell rings.
            assert pull.recv(zmq.NOBLOCK) == b"%d" % found[pull]
            found[pull] += 1
    task.get()


def test_time_runs_out(pairs: Pairs, monkeypatch: pytest.MonkeyPatch) -> None:
    poller = poller_of(pairs)
    for sweep in (3.0, 0.01):
        monkeypatch.setattr(sweep_alarm, "SWEEP_SECONDS", sweep)
        begun = time.monotonic()
        assert poller.poll(60) == []
        assert 0.06 <= time.monotonic() - begun < AT_ONCE


def test_room_to_send_wakes_a_thread(plain: zmq.Context[Any]) -> None:
    pairs = [open_pair(plain, (zmq.PUSH, zmq.PULL), hwm=1) for _ in range(6)]
    poller = zmq.Poller()
    for push, _ in pairs:
        while push.poll(0, zmq.POLLOUT):
            push.send(b"1")
        poller.register(push, zmq.POLLOUT)
    assert poller.poll(0) == [] and poller.poll(0) == []
    task = ThreadTask(poller.poll, (1000 * LIMIT,), {})
    blocked(task)
    while pairs[3][1].poll(0):
        pairs[3][1].recv()
    assert task.get() == [(pairs[3][0], zmq.POLLOUT)]


def test_descriptors_and_sockets_come_in_the_order_of_registering(pairs: Pairs) -> None:
    reader, writer = os.pipe()
    first, last = poller_of(pairs), zmq.Poller()
    for poller in first, last:
        poller.register(reader, zmq.POLLIN)
    for _, socket in pairs:
        last.register(socket, zmq.POLLIN)
    os.write(writer, b"1")
    pairs[0][0].send(b"1")
    both = [(pairs[0][1], zmq.POLLIN), (reader, zmq.POLLIN)]
    for _ in range(3):
        assert first.poll() == both
        assert last.poll() == both[::-1]
    os.close(reader)
    os.close(writer)


def test_signals_are_handled_while_a_thread_polls(pairs: Pairs) -> None:
    poller = poller_of(pairs)
    begun, main = [0], threading.main_thread().ident

    class Stop(Exception):
        pass

    def handle(number: int, frame: object) -> None:
        begun[0] += 1
        if begun[0] == 2:
            raise Stop

    def interrupt() -> None:
        assert main is not None
        for turn in (1, 2):
            wait_until(Threads(), lambda: any(each["thread"] == main for each in zmq.statistics()["blocked"]))
            signal.pthread_kill(main, signal.SIGUSR1)
            wait_until(Threads(), lambda turn=turn: begun[0] == turn)

    before = signal.signal(signal.SIGUSR1, handle)
    try:
        task = ThreadTask(interrupt, (), {})
        with pytest.raises(Stop):
            poller.poll(1000 * LIMIT)
        task.get()
    finally:
        signal.signal(signal.SIGUSR1, before)
    pairs[7][0].send(b"1")
    assert poller.poll(1000 * AT_ONCE) == [(pairs[7][1], zmq.POLLIN)]


def test_the_end_of_the_context_wakes_a_thread() -> None:
    context = zmq.Context()
    sockets = [context.socket(zmq.PULL) for _ in range(6)]
    poller = zmq.Poller()
    for socket in sockets:
        poller.register(socket, zmq.POLLIN)
    assert poller.poll(0) == [] and poller.poll(0) == []

    def poll() -> None:
        try:
            poller.poll()
        finally:
            for socket in sockets:
                socket.close()

    task = ThreadTask(poll, (), {})
    blocked(task)
    context.term()
    with pytest.raises(zmq.ContextTerminated):
        task.get()


def test_a_closed_socket_is_an_error(pairs: Pairs) -> None:
    poller = poller_of(pairs)
    pairs[5][1].close()
    for _ in range(2):
        with pytest.raises(zmq.ZMQError) as caught:
            poller.poll(0)
        assert caught.value.errno == zmq.ENOTSOCK
    poller.unregister(pairs[5][1])
    assert poller.poll(0) == []


def test_a_poller_moves_from_thread_to_thread(pairs: Pairs) -> None:
    poller = poller_of(pairs)
    for one, other in pairs:
        one.send(b"1")
        assert ThreadTask(poller.poll, (), {}).get() == [(other, zmq.POLLIN)]
        assert ThreadTask(other.recv, (), {}).get() == b"1"
    assert poller.poll(0) == []


def test_the_child_of_a_fork_leaves_the_bells_alone(pairs: Pairs) -> None:
    poller = poller_of(pairs)
    pairs[2][0].send(b"1")
    child = os.fork()
    if child == 0:
        status = 1
        try:
            try:
                poller.poll(0)
            except zmq.ZMQError as error:
                status = 0 if error.errno == zmq.ENOTSOCK else 2
        finally:
            os._exit(status)
    assert os.waitpid(child, 0)[1] == 0
    assert poller.poll(1000 * AT_ONCE) == [(pairs[2][1], zmq.POLLIN)]


def test_a_poller_that_is_freed_leaves_nothing_behind(pairs: Pairs) -> None:
    def descriptors() -> int:
        gc.collect()
        return len(os.listdir("/proc/self/fd"))

    if not os.path.exists("/proc/self/fd"):
        pytest.skip("there is no /proc to count descriptors in")
    poller_of(pairs)
    before = descriptors()
    for _ in range(10):
        poller_of(pairs)
    assert descriptors() == before


def test_what_others_take_behind_the_back_is_found_in_the_end(pairs: Pairs, monkeypatch: pytest.MonkeyPatch) -> None:
    """Code in C that uses a socket's address tells nobody."""
    monkeypatch.setattr(sweep_alarm, "SWEEP_SECONDS", 0.01)
    monkeypatch.setattr(sweep_alarm, "ROUNDS", 10**9)
    # Of twenty one after the other, each of which takes one turn of the loop.
    monkeypatch.setattr(sweep_alarm, "SLICE_SECONDS", 0)
    poller = poller_of(pairs)
    one, other = pairs[4]
    before = sweep_alarm.missed()

    def miss(*found: tuple[Socket, int]) -> None:
        one.send(b"1")
        assert read_events(other) & zmq.POLLIN
        with pytest.warns(RuntimeWarning, match="missed") if found else nullcontext():
            assert poller.poll(1000 * LIMIT if found else 100) == [*found]
        assert sweep_alarm.missed() == before + len(found)
        sweep_alarm._reset_missed(before)
        assert other.recv() == b"1"

    # The poller itself has just read EVENTS.
    miss((other, zmq.POLLIN))
    # It looks at all that the poller has read, one by one, and is done.
    looks, end = -1, time.monotonic() + LIMIT
    while looks != sweep_alarm._looks():
        assert time.monotonic() < end, "nobody touches these, and they are looked at again and again"
        looks = sweep_alarm._looks()
        poller.poll(100)
    # Now nothing but the other code has touched it.
    miss()
    poller.poll(100)
    monkeypatch.setattr(sweep_alarm, "ROUNDS", 5)
    miss((other, zmq.POLLIN))


def test_a_busy_poller_finds_it_too(pairs: Pairs, monkeypatch: pytest.MonkeyPatch) -> None:
    """The alarm does not wait until for a while no bell has rung."""
    monkeypatch.setattr(sweep_alarm, "SWEEP_SECONDS", 0.1)
    poller = poller_of(pairs)
    before = sweep_alarm.missed()
    (talker, listener), (one, other) = pairs[0], pairs[4]
    enough = threading.Event()

    def talk() -> None:
        while not enough.wait(0.005):
            talker.send(b"1", zmq.NOBLOCK)

    one.send(b"1")
    assert read_events(other) & zmq.POLLIN
    task = ThreadTask(talk, (), {})
    end = time.monotonic() + LIMIT
    try:
        with pytest.warns(RuntimeWarning, match="missed"):
            while (other, zmq.POLLIN) not in poller.poll(1000 * LIMIT):
                assert listener.recv(zmq.NOBLOCK) == b"1"
                assert time.monotonic() < end
    finally:
        enough.set()
        task.get()
    assert sweep_alarm.missed() == before + 1
    sweep_alarm._reset_missed(before)


def test_a_socket_that_is_closed_while_a_thread_gets_ready_to_wait(
    pairs: Pairs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the handler of a signal, or by what is collected: after the look, and before there is anybody to be woken."""

    class Closing:
        def __float__(self) -> float:
            pairs[4][1].close()
            return 3.0

    monkeypatch.setattr(sweep_alarm, "SWEEP_SECONDS", Closing())
    poller = poller_of(pairs)
    begun = time.monotonic()
    with pytest.raises(zmq.ZMQError) as caught:
        poller.poll(1000 * LIMIT)
    assert caught.value.errno == zmq.ENOTSOCK
    assert time.monotonic() - begun < AT_ONCE


POLLS: dict[str, Callable[[list[Socket], float], Any]] = {
    "Socket.poll": lambda sockets, timeout: sockets[0].poll(timeout),
    "zmq_poll": lambda sockets, timeout: zmq.zmq_poll([(s, zmq.POLLIN) for s in sockets], timeout),
    "select": lambda sockets, timeout: zmq.select(sockets, [], [], timeout / 1000),
    "Poller of few": lambda sockets, timeout: used(sockets[:3]).poll(timeout),
    "Poller of many": lambda sockets, timeout: used(sockets).poll(timeout),
}


def used(sockets: list[Socket]) -> zmq.Poller:
    poller = zmq.Poller()
    for socket in sockets:
        poller.register(socket, zmq.POLLIN)
    for _ in range(2):
        assert poller.poll(0) == []
    return poller


@pytest.mark.parametrize("poll", POLLS)
@pytest.mark.parametrize("timeout", [-1, 1000 * LIMIT])
def test_a_socket_that_another_thread_closes(pairs: Pairs, poll: str, timeout: float) -> None:
    """libzmq could not be woken any more, and would go on with what is nobody's."""
    for turn in range(4):
        sockets = [b for _, b in pairs[turn:]]
        task = ThreadTask(POLLS[poll], (sockets, timeout if poll != "select" or timeout > 0 else -1000), {})
        blocked_thread(task)
        begun = time.monotonic()
        sockets[0].close()
        with pytest.raises(zmq.ZMQError) as caught:
            task.get()
        assert caught.value.errno == zmq.ENOTSOCK
        assert time.monotonic() - begun < AT_ONCE


def blocked_thread(task: ThreadTask) -> None:
    wait_until(Threads(), lambda: any(each["thread"] == task.thread.ident for each in zmq.statistics()["blocked"]))


def test_closing_wakes_all_threads_that_poll_and_nobody_else(pairs: Pairs) -> None:
    closing = pairs[0][1]
    tasks = [ThreadTask(POLLS[poll], ([closing, pairs[1 + i][1]], -1), {}) for i, poll in enumerate(("zmq_poll",) * 3)]
    other = ThreadTask(zmq.zmq_poll, ([(pairs[9][1], zmq.POLLIN)], -1), {})
    for task in (*tasks, other):
        blocked_thread(task)
    closing.close()
    for task in tasks:
        with pytest.raises(zmq.ZMQError):
            task.get()
    blocked_thread(other)
    pairs[9][0].send(b"1")
    assert other.get() == [(pairs[9][1], zmq.POLLIN)]


def test_threads_that_close_and_poll_all_the_time(plain: zmq.Context[Any]) -> None:
    """Whoever closes waits until the others have left libzmq, which aborts where a socket is gone beneath it."""
    for _ in range(100):
        socket = plain.socket(zmq.PULL)
        tasks = [ThreadTask(zmq.zmq_poll, ([(socket, zmq.POLLIN)], 1000 * LIMIT), {}) for _ in range(3)]
        socket.close()
        for task in tasks:
            with pytest.raises(zmq.ZMQError) as caught:
                task.get()
            assert caught.value.errno == zmq.ENOTSOCK


@pytest.mark.parametrize("poll", POLLS)
def test_a_handler_that_forks_while_a_thread_polls(pairs: Pairs, poll: str) -> None:
    """The child has the poll too, of sockets that are not its own."""
    children: list[int] = []
    main = threading.main_thread().ident
    sockets = [b for _, b in pairs]

    def handle(number: int, frame: object) -> None:
        children.append(os.fork())

    def interrupt() -> None:
        assert main is not None
        wait_until(Threads(), lambda: any(each["thread"] == main for each in zmq.statistics()["blocked"]))
        signal.pthread_kill(main, signal.SIGUSR1)
        wait_until(Threads(), lambda: children)
        pairs[0][0].send(b"1")

    before = signal.signal(signal.SIGUSR1, handle)
    parent = os.getpid()
    try:
        task = ThreadTask(interrupt, (), {})
        found, error = None, None
        try:
            found = POLLS[poll](sockets, 1000 * LIMIT)
        except zmq.ZMQError as raised:
            error = raised.errno
        if os.getpid() != parent:
            os._exit(0 if error == zmq.ENOTSOCK else 1)
        task.get()
        assert found in (zmq.POLLIN, [(sockets[0], zmq.POLLIN)], ([sockets[0]], [], []))
    finally:
        if os.getpid() != parent:
            os._exit(2)
        signal.signal(signal.SIGUSR1, before)
    assert os.waitpid(children[0], 0)[1] == 0


def test_a_handler_that_ends_the_context(pairs: Pairs, plain: zmq.Context[Any]) -> None:
    main = threading.main_thread().ident
    before = signal.signal(signal.SIGUSR1, lambda *_: plain.destroy(linger=0))
    sockets = [b for _, b in pairs]

    def interrupt() -> None:
        assert main is not None
        wait_until(Threads(), lambda: any(each["thread"] == main for each in zmq.statistics()["blocked"]))
        signal.pthread_kill(main, signal.SIGUSR1)

    try:
        task = ThreadTask(interrupt, (), {})
        begun = time.monotonic()
        with pytest.raises(zmq.ZMQError) as caught:
            zmq.zmq_poll([(socket, zmq.POLLIN) for socket in sockets], 1000 * LIMIT)
        assert caught.value.errno == zmq.ENOTSOCK
        assert time.monotonic() - begun < AT_ONCE
        task.get()
    finally:
        signal.signal(signal.SIGUSR1, before)


def eventfds() -> int:
    found = 0
    for name in os.listdir("/proc/self/fd"):
        with suppress(OSError):  # the descriptor of the listing itself
            found += os.readlink(f"/proc/self/fd/{name}") == "anon_inode:[eventfd]"
    return found


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="the system does not list descriptors")
def test_threads_that_wait_at_once_keep_what_wakes_them() -> None:
    """Threads that talk to each other are awake at once now and then: to make it anew cost each wait system calls."""
    threads = Threads()
    with zmq.Context() as context:
        pairs = [open_pair(context, (zmq.PAIR, zmq.PAIR)) for _ in range(2)]
        wakeable_threads.release_idle()
        before = eventfds()
        for turn in range(3):
            tasks = [threads.spawn(receiving.recv) for _, receiving in pairs]
            wait_until(threads, lambda: eventfds() == before + 2)
            for sending, _ in pairs:
                sending.send(b"%d" % turn)
            assert [task.get() for task in tasks] == [b"%d" % turn] * 2
            assert eventfds() == before + 2
        wakeable_threads.release_idle()
        assert eventfds() == before
        for pair in pairs:
            for socket in pair:
                socket.close()
