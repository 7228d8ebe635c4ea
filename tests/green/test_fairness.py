"""A hub whose sockets are flooded by another process: the other greenlets have their turn in time.

What counts is for how much CPU time of its thread the hub was kept busy, and not the time on the wall, in which a busy
machine may have run something else; and of the time on the wall only that in which the thread did not wait for a
processor.
"""

from __future__ import annotations

import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from itertools import cycle
from types import ModuleType
from typing import Any

import pytest

import zmq as plain
from support.front_ends import IS_DEFAULT, LIMIT, LONG, GreenFrontEnd, wait_until

#: Seconds: how long the ticker sleeps, and how late it may be.
INTERVAL = 0.005
LATE = 0.020
TICKS = 60 if LONG else 30
#: How many ticks the machine may disturb: in a virtual one, the time in which another has the processor counts too.
DISTURBED = 3
#: How many messages must have come meanwhile: so many that one never waits for long.
MESSAGES = 5000
#: How many messages are sent with one call that takes many.
BATCH = 5000

PEER = textwrap.dedent(
    f"""
    import sys, time, zmq
    kind, address = sys.argv[1:]
    context = zmq.Context()
    socket = context.socket(getattr(zmq, kind))
    socket.linger = 0
    socket.connect(address)
    end = time.monotonic() + {2 * LIMIT}
    while time.monotonic() < end:
        for _ in range(100):
            socket.recv() if kind == "PULL" else socket.send_multipart([b"x" * 32, b"y"])
    """
)


@contextmanager
def peer(socket: Any, kind: str) -> Iterator[None]:
    """Run a process that sends to the socket, or receives from it, as fast as it can."""
    process = subprocess.Popen([sys.executable, "-c", PEER, kind, socket.get_string(plain.LAST_ENDPOINT)])
    try:
        yield
    finally:
        process.kill()
        process.wait()


def queued() -> float:
    """Return for how many seconds this thread was ready to run, and others had the processors; 0 where nobody tells."""
    try:
        with open("/proc/thread-self/schedstat") as file:
            return int(file.read().split()[1]) / 1e9
    except FileNotFoundError:
        return 0.0


class Ticker:
    """A greenlet that sleeps again and again."""

    def __init__(self, green: GreenFrontEnd) -> None:
        self.green = green
        #: For each time, from when it went to sleep to when it ran: seconds on the wall, but for those in which the
        #: thread waited for a processor, and of its CPU time.
        self.slept: list[tuple[float, float]] = []
        self.task = green.spawn(self.run)

    def run(self) -> None:
        while len(self.slept) < TICKS:
            wall, cpu = time.monotonic() - queued(), time.thread_time()
            self.green.sleep(INTERVAL)
            self.slept.append((time.monotonic() - queued() - wall, time.thread_time() - cpu))

    def check(self) -> None:
        self.task.get()
        walls, cpus = (sorted(times) for times in zip(*self.slept, strict=True))
        busy = cpus[-1 - DISTURBED]
        assert busy <= INTERVAL + LATE, f"the hub was kept busy for {busy:.3f} s"
        # Most of the time also the clock says so: nobody blocks the hub without using it.
        assert walls[TICKS // 2] <= INTERVAL + LATE, f"the ticker was {walls[TICKS // 2] - INTERVAL:.3f} s late"


def poll_and_take(zmq: ModuleType, socket: Any) -> Any:
    poller = zmq.Poller()
    poller.register(socket, zmq.POLLIN)

    def take() -> None:
        poller.poll()
        socket.recv_multipart(zmq.NOBLOCK)

    return take


RECEIVE: dict[str, Callable[[ModuleType, Any], Callable[[], Any]]] = {
    "recv": lambda zmq, s: s.recv,
    "recv_multipart": lambda zmq, s: s.recv_multipart,
    "frames": lambda zmq, s: lambda: s.recv_multipart(copy=False),
    "recv_into": lambda zmq, s: lambda: s.recv_into(bytearray(32)),
    "recv_serialized": lambda zmq, s: lambda: s.recv_serialized(len),
    "recv_many": lambda zmq, s: lambda: s.recv_many(1_000_000, multipart=True),
    "Socket.poll": lambda zmq, s: lambda: s.poll() and s.recv_multipart(zmq.NOBLOCK),
    "Poller": poll_and_take,
}


def check_ticks(green: GreenFrontEnd, call: Callable[[], object], size: Callable[[Any], int] = lambda _: 1) -> None:
    """Make a call again and again beside a ticker, which must have its turns.

    `size` tells from what the call returned how many messages it was for.
    """
    count = 0

    def run() -> None:
        nonlocal count
        while True:
            count += size(call())

    running = green.spawn(run)
    wait_until(green, lambda: count > 100)
    Ticker(green).check()
    while count < MESSAGES:
        Ticker(green).check()
    green.kill(running)


def some(forms: dict[str, Any], *few: str) -> list[str]:
    """Return which forms of a call run: few on the loops and hubs that are no default, where all of them wait alike."""
    assert {*few} <= {*forms}
    return [*(forms if LONG or IS_DEFAULT else few)]


@pytest.fixture(params=["tcp", "ipc"] if LONG else ["ipc"])
def transport(request: pytest.FixtureRequest) -> str:
    """Those to another process; the one that floods most has to do in the short form."""
    return request.param


@pytest.fixture
def flooded(endpoint: Callable[[], str], context: Any) -> Callable[[str], Any]:
    """Make sockets that another process may connect to."""

    def make(kind: str) -> Any:
        socket = context.socket(getattr(plain, kind))
        socket.bind(endpoint())
        return socket

    return make


@pytest.mark.parametrize("receive", some(RECEIVE, "recv", "recv_many", "Poller"))
def test_a_receiver_that_is_flooded(
    green: GreenFrontEnd, zmq: ModuleType, flooded: Callable[[str], Any], receive: str
) -> None:
    pull = flooded("PULL")
    call = RECEIVE[receive](zmq, pull)
    with peer(pull, "PUSH"):
        check_ticks(green, call, len if receive == "recv_many" else lambda _: 1)


SEND: dict[str, Callable[[Any], Callable[[], Any]]] = {
    "send": lambda s: partial(s.send, b"x"),
    "send_multipart": lambda s: partial(s.send_multipart, [b"x", b"y"]),
    "send_many": lambda s: partial(s.send_many, [b"x"] * BATCH),
}


@pytest.mark.parametrize("form", some(SEND, "send", "send_many"))
def test_a_sender_whose_peer_always_has_room(green: GreenFrontEnd, flooded: Callable[[str], Any], form: str) -> None:
    push = flooded("PUSH")
    with peer(push, "PULL"):
        check_ticks(green, SEND[form](push), int if form == "send_many" else lambda _: 1)


OWN: dict[str, Callable[[ModuleType, Any, Any], Any]] = {
    "recv": lambda zmq, push, pull: (push.send(b"x"), pull.recv()),
    "multipart": lambda zmq, push, pull: (push.send_multipart([b"x", b"y"]), pull.recv_multipart()),
    "poll": lambda zmq, push, pull: (push.send(b"x", zmq.NOBLOCK), pull.poll(), pull.recv(zmq.NOBLOCK)),
}


@pytest.mark.parametrize("form", some(OWN, "recv", "poll"))
@pytest.mark.parametrize("sockets", [1, 450])
def test_a_greenlet_that_never_waits(
    green: GreenFrontEnd, zmq: ModuleType, pair: Callable[..., tuple[Any, Any]], form: str, sockets: int
) -> None:
    """Because it itself feeds and empties its sockets; and though it seldom comes back to the same one."""
    pairs = cycle([pair(zmq.PUSH, zmq.PULL) for _ in range(sockets)])
    check_ticks(green, lambda: OWN[form](zmq, *next(pairs)))


NOTHING: dict[str, Callable[[ModuleType, Any], Any]] = {
    "Poller": lambda zmq, s: zmq.Poller().poll(),
    "zmq_poll": lambda zmq, s: zmq.zmq_poll([(s, 0)]),
    "Socket.poll": lambda zmq, s: s.poll(flags=0),
}


@pytest.mark.parametrize("form", some(NOTHING, "Poller"))
def test_a_greenlet_that_polls_where_there_is_nothing_to_wait_for(
    green: GreenFrontEnd, zmq: ModuleType, context: Any, form: str
) -> None:
    pull = context.socket(plain.PULL)
    check_ticks(green, lambda: NOTHING[form](zmq, pull))


def test_in_the_hub_itself_nothing_has_to_yield(green: GreenFrontEnd, pair: Callable[..., tuple[Any, Any]]) -> None:
    """A callback of the hub cannot park; what needs no waiting it may do for as long as it likes."""
    a, b = pair()
    ends: list[BaseException | int] = []

    def callback() -> None:
        count = 0
        end = time.monotonic() + 4 * plain.get_budget()
        try:
            while time.monotonic() < end:
                a.send(b"x")
                assert b.poll() and b.recv() == b"x"
                count += 1
            ends.append(count)
        except BaseException as error:
            ends.append(error)

    assert plain.get_budget() > 0
    get_hub = green.zmq.hub.get_hub  # type: ignore[attr-defined]
    get_hub().call_soon(callback)
    wait_until(green, lambda: bool(ends))
    assert isinstance(ends[0], int) and ends[0] > 64


# Many that are woken at once.

#: How many, and for how many seconds of CPU time each is busy then.
CROWD, BUSY = 60, 0.001


def be_busy() -> None:
    end = time.thread_time() + BUSY
    while time.thread_time() < end:
        pass


def timed_out(call: Callable[[], object]) -> Callable[[], object]:
    def run() -> None:
        with pytest.raises(plain.Again):
            call()

    return run


def in_poller(zmq: ModuleType, socket: Any) -> Callable[[], Any]:
    poller = zmq.Poller()
    poller.register(socket, zmq.POLLIN)
    return lambda: poller.poll(1000 * LIMIT)


#: What each of them waits for, and what they do when that came, again and again for those who never wait.
CROWDS: dict[str, Callable[[ModuleType, Any], Callable[[], object]]] = {
    "recv": lambda zmq, s: s.recv,
    "poll": lambda zmq, s: lambda: s.poll() and s.recv(zmq.NOBLOCK),
    "Poller": in_poller,
    "out of time": lambda zmq, s: timed_out(lambda: s.recv()),
    "poll out of time": lambda zmq, s: lambda: s.poll(1000 * LATE),
}


@pytest.mark.parametrize("form", some(CROWDS, "recv", "Poller", "out of time"))
def test_many_who_are_woken_at_once(
    green: GreenFrontEnd, zmq: ModuleType, pair: Callable[..., tuple[Any, Any]], form: str
) -> None:
    """They are no more than a slice of time ahead of anybody else, though all are woken in one turn of the hub."""
    pairs = [pair(zmq.PUSH, zmq.PULL) for _ in range(CROWD)]
    late = "out of time" in form
    ran: list[int] = []

    def run(number: int, wait: Callable[[], object]) -> None:
        wait()
        ran.append(number)
        be_busy()

    for _, pull in pairs:
        pull.rcvtimeo = round(1000 * LATE) if form == "out of time" else -1
    tasks = [green.spawn(run, number, CROWDS[form](zmq, pull)) for number, (_, pull) in enumerate(pairs)]
    wait_until(green, lambda: bool(ran) or len(zmq.statistics()["waiting"]) >= CROWD)
    deferred = zmq.statistics()["deferred"]
    gaps: list[tuple[float, int]] = []

    def tick() -> None:
        while len(ran) < CROWD:
            before, count = time.thread_time(), len(ran)
            green.sleep(0.001)
            gaps.append((time.thread_time() - before, len(ran) - count))

    ticking = green.spawn(tick)
    if not late:
        # All of them before the hub runs.
        for push, _ in pairs:
            push.send(b"x", zmq.NOBLOCK)
    for task in [ticking, *tasks]:
        task.get()
    busy, count = max(gaps)
    assert busy <= INTERVAL + LATE, f"the hub was kept busy for {busy:.3f} s, by {count}"
    assert zmq.statistics()["deferred"] > deferred


def test_many_who_never_wait(green: GreenFrontEnd, pair: Callable[..., tuple[Any, Any]]) -> None:
    """Each runs out of time, but not one after the other in one turn of the hub."""
    a, b = pair()
    over: list[bool] = []

    def run() -> None:
        while not over:
            a.send(b"x")
            b.recv()
            be_busy()

    tasks = [green.spawn(run) for _ in range(CROWD)]
    green.sleep(0)
    gaps: list[float] = []
    for _ in range(10):
        before = time.thread_time()
        green.sleep(0.001)
        gaps.append(time.thread_time() - before)
    over.append(True)
    for task in tasks:
        task.get()
    # The first time all of them begin.
    assert max(gaps[1:]) <= INTERVAL + LATE, gaps


@pytest.mark.parametrize("form", ["recv", "poll", "Poller"])
def test_who_is_killed_while_he_waits_for_a_later_turn(
    green: GreenFrontEnd, zmq: ModuleType, pair: Callable[..., tuple[Any, Any]], form: str
) -> None:
    """Two wait for each socket, so that a turn that is not handed on leaves somebody waiting with a message there."""
    pairs = [pair(zmq.PUSH, zmq.PULL) for _ in range(CROWD)]
    got: list[bytes] = []
    killed: list[Any] = []

    def run(push: Any, pull: Any) -> None:
        call = CROWDS[form](zmq, pull)
        call()
        # He has his turn; those who wait for theirs behind him may be killed.
        be_busy()
        if form == "Poller":
            with suppress(plain.Again):
                got.append(pull.recv(zmq.NOBLOCK))
        if killed:
            green.doom(killed.pop())

    tasks = [[green.spawn(run, push, pull) for _ in range(2)] for push, pull in pairs]
    wait_until(green, lambda: len(zmq.statistics()["waiting"]) >= 2 * CROWD)
    deferred = zmq.statistics()["deferred"]
    killed += [one for one, _ in reversed(tasks[1:])]
    for push, _ in pairs:
        push.send(b"x", zmq.NOBLOCK)
    wait_until(green, lambda: not killed)
    # Whoever is left of a pair, or came too late for the first message, ends with the next.
    for push, _ in pairs:
        push.send(b"x", zmq.NOBLOCK)
        push.send(b"x", zmq.NOBLOCK)
    for _, other in tasks:
        other.get()
    tasks[0][0].get()
    assert zmq.statistics()["deferred"] > deferred
