"""At which sockets the sweep alarm looks, when, and at how many at a time; and that it finds what was missed.

A wake-up that was missed is made by code that tells nobody: it reads EVENTS when a message is there (`miss`). Whether
the alarm takes a socket of ours for one that such an operation may have touched is seen by when it looks.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import zmq
import zmq.asyncio
from support.every_loop import every_loop
from support.fake_hub import FakeHub, Killed, Task, green, spawn
from support.foreign_code import read_events, shut_down
from support.front_ends import GreenFrontEnd
from support.waits import poller_of
from zmq.core.futures.socket_listener import Listener
from zmq.core.waiting import sweep_alarm
from zmq.core.waiting.trampoline import _set_trusted_after

pytestmark = pytest.mark.usefixtures("no_budget")

NEVER = 10**9


class World:
    """A fake hub with a context, whose sockets are closed at the end."""

    def __init__(self) -> None:
        self.hub = self.here = FakeHub()
        Context, _, self.Poller = green(lambda: self.here)
        kept = self.kept = []

        class Keeping(Context):  # type: ignore[misc, valid-type]
            def socket(self, *args: Any, **kwargs: Any) -> Any:
                kept.append(super().socket(*args, **kwargs))
                return kept[-1]

        self.context = Keeping()
        self.count = 0

    def pair(self, one: int = zmq.PAIR, other: int = zmq.PAIR, **options: Any) -> tuple[Any, Any]:
        self.count += 1
        sockets = self.context.socket(one), self.context.socket(other)
        for socket in sockets:
            for name, value in options.items():
                setattr(socket, name, value)
        sockets[0].bind(f"inproc://alarm-{self.count}")
        sockets[1].connect(f"inproc://alarm-{self.count}")
        return sockets

    def park(self, count: int) -> list[tuple[Any, Any, Task]]:
        """Return pairs of sockets, for each second one of which somebody waits."""
        pairs = [self.pair() for _ in range(count)]
        return [(one, other, spawn(other.recv)) for one, other in pairs]

    def looks(self, ring: Callable[[], None] | None = None) -> int:
        """Let the alarm look; return at how many sockets it did."""
        before = sweep_alarm._looks()
        (ring or self.hub.ring_alarm)()
        return sweep_alarm._looks() - before

    def end(self) -> None:
        ending = spawn(self.context.destroy, linger=0)
        self.hub.settle_until(lambda: ending.done)
        assert ending.error is None


@pytest.fixture
def only_marked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the others not looked at."""
    monkeypatch.setattr(sweep_alarm, "ROUNDS", NEVER)


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    before = sweep_alarm.missed()
    # How much is looked at at a time is not for the clock to say.
    monkeypatch.setattr(sweep_alarm, "SLICE_SECONDS", 1000.0)
    world = World()
    yield world
    world.end()
    assert sweep_alarm.missed() == before


def miss(one: Any, other: Any) -> None:
    """Send a message of which nobody hears."""
    one.send(b"1")
    assert read_events(other) & zmq.POLLIN


def finds(ring: Callable[[], object], number: int = 1) -> None:
    """Let the alarm find so many wake-ups."""
    before = sweep_alarm.missed()
    with pytest.warns(RuntimeWarning, match=f"{number} wake-up"):
        ring()
    assert sweep_alarm.missed() == before + number
    sweep_alarm._reset_missed(before)


# What marks a socket.


def killed(call: Callable[..., Any], *args: Any) -> None:
    task = spawn(call, *args)
    assert not task.done
    task.throw(Killed)


def in_vain(call: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
    with pytest.raises(zmq.Again):
        call(*args, **kwargs)


def refused(call: Callable[..., Any], *args: Any) -> None:
    with pytest.raises(zmq.ZMQError):
        call(*args)


def expired(world: World, socket: Any) -> None:
    """Somebody else waits, and his time runs out."""
    task = spawn(socket.poll, 1000, zmq.POLLIN)
    (timer,) = [timer for timer in world.hub.timers if timer.keep]
    world.hub.expire(timer)
    assert task.result == 0


def interrupted_poll(socket: Any) -> None:
    """A plain poll that ends before it tells anybody."""
    closed = socket.context.socket(zmq.PULL)
    closed.close()
    with pytest.raises(zmq.ZMQError):
        zmq.core.poll.zmq_poll([(socket, zmq.POLLIN), (closed, zmq.POLLIN)], 0, poller_class=zmq.Poller)


def shadow(socket: Any) -> Any:
    return zmq.Socket.shadow(socket.underlying)


def many(world: World, socket: Any) -> Any:
    return poller_of(world, zmq.POLLIN, socket, *(world.context.socket(zmq.PULL) for _ in range(6)))


OPERATIONS: dict[str, Callable[[World, Any, Any], object]] = {
    "send": lambda w, b, a: b.send(b"x"),
    "send, NOBLOCK": lambda w, b, a: b.send(b"x", zmq.NOBLOCK),
    "send, copy=False": lambda w, b, a: b.send(b"x", copy=False),
    "send_multipart": lambda w, b, a: b.send_multipart([b"x", b"y"]),
    "send_many": lambda w, b, a: b.send_many([b"x", b"y"]),
    "send_string": lambda w, b, a: b.send_string("x"),
    "recv, NOBLOCK": lambda w, b, a: in_vain(b.recv, zmq.NOBLOCK),
    "recv_multipart, NOBLOCK": lambda w, b, a: in_vain(b.recv_multipart, zmq.NOBLOCK),
    "recv_into, NOBLOCK": lambda w, b, a: in_vain(b.recv_into, bytearray(9), flags=zmq.NOBLOCK),
    "recv_many, NOBLOCK": lambda w, b, a: b.recv_many(flags=zmq.NOBLOCK),
    "poll": lambda w, b, a: b.poll(0),
    "EVENTS": lambda w, b, a: b.get(zmq.EVENTS),
    "setsockopt": lambda w, b, a: b.set(zmq.SNDHWM, 77),
    "bind": lambda w, b, a: b.bind("inproc://another"),
    "connect": lambda w, b, a: b.connect("inproc://another-one"),
    "disconnect": lambda w, b, a: refused(b.disconnect, "inproc://nowhere"),
    "Poller": lambda w, b, a: poller_of(w, zmq.POLLIN, b).poll(0),
    "Poller of many": lambda w, b, a: many(w, b).poll(0),
    "zmq_poll": lambda w, b, a: zmq.zmq_poll([(b, zmq.POLLIN)], 0),
    "zmq_poll that fails": lambda w, b, a: interrupted_poll(b),
    "another waits and is killed": lambda w, b, a: killed(b.recv),
    "another polls and is killed": lambda w, b, a: killed(b.poll),
    "another polls until its time is over": lambda w, b, a: expired(w, b),
    "a Poller waits and is killed": lambda w, b, a: killed(poller_of(w, zmq.POLLIN, b).poll),
    "a Poller of many waits and is killed": lambda w, b, a: killed(many(w, b).poll),
    "send of a shadow": lambda w, b, a: shadow(b).send(b"x"),
    "recv of a shadow": lambda w, b, a: in_vain(shadow(b).recv, zmq.NOBLOCK),
    "poll of a shadow": lambda w, b, a: shadow(b).poll(0),
}


@pytest.mark.usefixtures("only_marked")
@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS)
@pytest.mark.parametrize("way", ["recv", "poll", "Poller", "Poller of many"])
def test_what_an_operation_may_have_swallowed_is_found_by_the_next_round(
    world: World, operation: Callable[[World, Any, Any], object], way: str
) -> None:
    """Whoever waits, and in whatever way."""
    one, other = world.pair()
    poller = None if way in ("recv", "poll") else many(world, other) if way.endswith("many") else None
    if way == "Poller":
        poller = poller_of(world, zmq.POLLIN, other)
    task = spawn(getattr(other, way) if poller is None else poller.poll)
    world.hub.ring_alarm()
    assert world.looks() == 0
    operation(world, other, one)
    world.hub.settle()
    assert not task.done
    miss(one, other)
    finds(world.hub.ring_alarm)
    world.hub.settle()
    assert task.result == {"recv": b"1", "poll": zmq.POLLIN}.get(way, [(other, zmq.POLLIN)])
    if way != "recv":
        other.recv()


@pytest.mark.usefixtures("only_marked")
def test_who_parks_marks_the_socket(world: World) -> None:
    one, other = world.pair()
    for wait in (other.recv, other.poll, poller_of(world, zmq.POLLIN, other).poll, many(world, other).poll):
        for _ in range(2):
            task = spawn(wait)
            miss(one, other)
            finds(world.hub.ring_alarm)
            world.hub.settle()
            assert task.done
            if task.result != b"1":
                other.recv()
            assert world.hub.timers == []


@pytest.mark.usefixtures("only_marked")
def test_who_parks_without_an_attempt_marks_the_socket(world: World) -> None:
    """Partners that trust each other look at no bell; a rally between them is nothing that was missed."""
    before = _set_trusted_after(1)
    try:
        one, other = world.pair(zmq.DEALER, zmq.DEALER)

        def serve() -> None:
            while True:
                other.send(other.recv())

        def call() -> None:
            for _ in range(9):
                one.send(b"x")
                one.recv()

        server = spawn(serve)
        caller = spawn(call)
        world.hub.settle()
        assert caller.done and caller.error is None and not server.done
        assert world.looks() == 1 and world.looks() == 0
        caller = spawn(call)
        assert world.looks() >= 1
        world.hub.settle()
        assert caller.done and caller.error is None
        server.throw(Killed)
    finally:
        _set_trusted_after(before)


@pytest.mark.usefixtures("only_marked")
def test_a_stream_marks_its_socket(world: World) -> None:
    """It makes its attempts by itself, and has no place in a queue."""
    _, other = world.pair()
    listener = Listener(other, lambda: world.hub, lambda: None, lambda: None)
    listener.arm(zmq.POLLIN | zmq.POLLOUT)
    assert world.looks() == 1 and world.looks() == 0
    in_vain(other.recv, zmq.NOBLOCK)
    assert world.looks() == 1 and world.looks() == 0
    listener.close()


@pytest.mark.usefixtures("only_marked")
def test_an_attempt_in_vain_marks_the_socket(world: World) -> None:
    one, other = world.pair()
    task = spawn(other.recv)
    one.send(b"0")
    # He is chosen, and another is faster.
    assert other.poll(0) and other.recv(zmq.NOBLOCK) == b"0"
    assert world.looks() == 1
    world.hub.settle()
    assert not task.done
    miss(one, other)
    finds(world.hub.ring_alarm)
    world.hub.settle()
    assert task.result == b"1"


@pytest.mark.usefixtures("only_marked")
def test_a_mark_that_is_left_while_the_alarm_looks_stays(world: World) -> None:
    """Whoever is woken is put into the hub's list by the hub's own code, in which the handler of a signal may run."""
    one, other = world.pair()
    task = spawn(other.recv)
    miss(one, other)
    call_soon = world.hub.call_soon

    def interrupted(callback: Callable[[], object]) -> None:
        world.hub.call_soon = call_soon
        other.get(zmq.EVENTS)
        call_soon(callback)

    world.hub.call_soon = interrupted
    finds(world.hub.ring_alarm)
    assert world.hub.call_soon is not interrupted
    assert world.looks() == 1
    world.hub.settle()
    assert task.result == b"1"


@pytest.mark.usefixtures("only_marked")
def test_where_the_bell_rings_the_mark_stays(world: World) -> None:
    one, other = world.pair()
    task = spawn(other.poll)
    one.send(b"1")
    # It rings, so that it will be heard; if not, it is looked at later.
    assert world.looks() == 0
    assert read_events(other) & zmq.POLLIN
    finds(world.hub.ring_alarm)
    world.hub.settle()
    assert task.result == zmq.POLLIN


# The others.


@pytest.mark.parametrize("way", ["recv", "Poller", "Poller of many"])
@pytest.mark.parametrize("kinds", [(zmq.PAIR, zmq.PAIR), (zmq.PULL, zmq.PUSH)], ids=["PAIR", "PULL"])
def test_what_other_code_has_swallowed_is_found_within_so_many_rounds(
    world: World, kinds: tuple[int, int], way: str
) -> None:
    """Also where the message is all that EVENTS tells, as who only receives cannot send."""
    other, one = world.pair(*kinds)
    poller = many(world, other) if way == "Poller of many" else poller_of(world, zmq.POLLIN, other)
    task = spawn(other.recv if way == "recv" else poller.poll)
    world.hub.ring_alarm()
    for _ in range(3):
        # From any round on.
        world.hub.ring_alarm()
        miss(one, other)
        finds(lambda: [world.hub.ring_alarm() for _ in range(sweep_alarm.ROUNDS)])
        world.hub.settle()
        assert task.done
        if way != "recv":
            other.recv()
        task = spawn(other.recv if way == "recv" else poller.poll)
        world.hub.ring_alarm()
    task.throw(Killed)


def test_the_rounds_take_less_than_a_minute() -> None:
    assert sweep_alarm.SWEEP_SECONDS <= 3
    assert (sweep_alarm.ROUNDS + 1) * sweep_alarm.SWEEP_SECONDS <= 60


def test_idle_sockets_are_looked_at_in_turn(world: World) -> None:
    parked = world.park(200)
    assert world.looks() == 200
    # Of these the marks were taken, but for what was due anyway.
    looks = [world.looks() for _ in range(3 * sweep_alarm.ROUNDS)]
    for begin in range(0, len(looks), sweep_alarm.ROUNDS):
        assert sum(looks[begin : begin + sweep_alarm.ROUNDS]) == 200
    assert max(looks) <= 2 * 200 / sweep_alarm.ROUNDS
    for one, _, task in parked:
        one.send(b"1")
        assert not task.done
    world.hub.settle()


def test_members_of_a_set_are_looked_at_in_turn(world: World) -> None:
    pairs = [world.pair() for _ in range(200)]
    task = spawn(poller_of(world, zmq.POLLIN, *(other for _, other in pairs)).poll)
    assert world.looks() == 200
    looks = [world.looks() for _ in range(sweep_alarm.ROUNDS)]
    assert sum(looks) == 200 and max(looks) <= 2 * 200 / sweep_alarm.ROUNDS
    task.throw(Killed)


@pytest.mark.usefixtures("only_marked")
@pytest.mark.parametrize("way", ["recv", "Poller", "Poller of many"])
def test_what_ends_without_a_word_is_seen_by_every_round(world: World, way: str) -> None:
    """Other code ends the context, and swallows the news of it."""
    _, other = world.pair()
    poller = many(world, other) if way == "Poller of many" else poller_of(world, zmq.POLLIN, other)
    task = spawn(other.recv if way == "recv" else poller.poll)
    world.hub.ring_alarm()
    assert world.looks() == 0
    shut_down(world.context)
    for socket in world.kept:
        read_events(socket)
    assert not world.hub.readable()
    before = sweep_alarm.missed()
    with pytest.warns(RuntimeWarning) if way == "recv" else pytest.MonkeyPatch.context():
        world.hub.ring_alarm()
    sweep_alarm._reset_missed(before)
    world.hub.settle()
    assert isinstance(task.error, zmq.ContextTerminated)


# Slices.


@pytest.mark.usefixtures("only_marked")
def test_a_round_looks_at_some_at_a_time(world: World) -> None:
    world.park(200)
    once = world.hub.ring_alarm_once
    assert [world.looks(once) for _ in range(4)] == [64, 64, 64, 8]
    assert world.looks(once) == 0


@pytest.mark.usefixtures("only_marked")
def test_a_round_looks_for_some_time(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    parked = world.park(70)
    poller = spawn(many(world, world.pair()[1]).poll)
    monkeypatch.setattr(sweep_alarm, "SLICE_SECONDS", 0.0)
    for one, other, _ in parked:
        miss(one, other)
    now = time.monotonic()

    def slices() -> int:
        number = 1
        while True:
            world.hub.ring_alarm_once()
            (timer,) = [timer for timer in world.hub.timers if not timer.keep]
            if timer.deadline > time.monotonic():
                # The next round, and not from now on.
                assert timer.deadline <= now + 2 * sweep_alarm.SWEEP_SECONDS
                return number
            number += 1

    before = sweep_alarm.missed()
    number = 0
    with pytest.warns(RuntimeWarning, match="1 wake-up"):
        number = slices()
    assert sweep_alarm.missed() == before + 70
    sweep_alarm._reset_missed(before)
    assert number >= 77
    world.hub.settle()
    assert all(task.result == b"1" for _, _, task in parked)
    poller.throw(Killed)


@pytest.mark.usefixtures("only_marked")
def test_what_happens_between_two_slices(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who waits no more is not looked at, nor what was closed, nor who waits in another hub by now."""
    parked = world.park(20)
    many_task = spawn(many(world, world.pair()[1]).poll)
    monkeypatch.setattr(sweep_alarm, "SLICE_SECONDS", 0.0)
    assert world.looks(world.hub.ring_alarm_once) == 1
    for _, other, _ in parked[:7]:
        other.close()
    for _, _, task in parked[7:14]:
        task.throw(Killed)
    world.here = FakeHub()
    moved = [spawn(other.recv) for _, other, _ in parked[7:14]]
    many_task.throw(Killed)
    assert 5 <= world.looks() <= 6
    for task in moved:
        task.throw(Killed)
    world.here.settle()
    world.here = world.hub
    world.hub.settle()
    for one, _, task in parked[14:]:
        one.send(b"1")
        world.hub.settle()
        assert task.result == b"1"
    # Nothing is left of the round, nor is the alarm.
    assert world.hub.timers == []


def test_an_error_in_the_midst_of_a_round_ends_no_alarm(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = world.pair()
    task = spawn(other.recv)
    monkeypatch.setattr(sweep_alarm, "SLICE_SECONDS", "no number")
    with pytest.raises(TypeError):
        world.hub.ring_alarm_once()
    monkeypatch.setattr(sweep_alarm, "SLICE_SECONDS", 1000.0)
    miss(one, other)
    finds(world.hub.ring_alarm)
    world.hub.settle()
    assert task.result == b"1"


def test_rounds_keep_time(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next one is due so many seconds after this one was, and one that comes very late is not made up for."""
    world.park(1)

    def deadline() -> float:
        (timer,) = world.hub.timers
        return timer.deadline

    first = deadline()
    world.hub.ring_alarm()
    assert deadline() == first + sweep_alarm.SWEEP_SECONDS
    # As if the hub had been busy.
    monkeypatch.setattr(sweep_alarm, "SWEEP_SECONDS", -100.0)
    world.hub.ring_alarm_once()
    monkeypatch.setattr(sweep_alarm, "SWEEP_SECONDS", 3.0)
    now = time.monotonic()
    world.hub.ring_alarm_once()
    assert now + 2.9 < deadline() < now + 4


# Other threads.


@pytest.mark.usefixtures("only_marked")
def test_what_other_threads_ask_for_is_done_by_every_slice(world: World) -> None:
    """A hub that can't be woken by them hears of it from the alarm alone, however seldom its sockets are looked at."""
    _, other = world.pair()
    task = spawn(other.recv)
    for _ in range(5):
        world.hub.ring_alarm()
    thread = threading.Thread(target=other.close)
    thread.start()
    thread.join()
    assert not task.done
    world.hub.ring_alarm_once()
    world.hub.settle()
    assert task.error.errno == zmq.ENOTSOCK


@pytest.mark.parametrize("number", [1, 6], ids=["few", "many"])
def test_a_member_that_is_closed_between_the_look_and_the_wait(world: World, number: int) -> None:
    """By the handler of a signal, or by what is collected: nobody waits yet who could be woken."""
    closing: list[Any] = []

    def get_hub() -> FakeHub:
        while closing:
            closing.pop().close()
        return world.hub

    class Poller(zmq.Poller):
        _get_hub = staticmethod(get_hub)

    sockets = [world.pair()[1] for _ in range(number)]
    poller = Poller()
    for socket in sockets:
        poller.register(socket, zmq.POLLIN)
    for used in range(2):
        assert poller.poll(0) == []
        if not used:
            killed(poller.poll)
    closing.append(sockets[0])
    task = spawn(poller.poll)
    assert not closing
    world.hub.settle()
    assert task.error.errno == zmq.ENOTSOCK


# Real hubs.


@pytest.fixture
def keen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweep_alarm, "SWEEP_SECONDS", 0.02)
    # One socket in each turn of the hub.
    monkeypatch.setattr(sweep_alarm, "SLICE_SECONDS", 0.0)


NUMBER = 70


@pytest.mark.usefixtures("keen")
@pytest.mark.parametrize("code", ["ours", "other"])
@pytest.mark.parametrize("way", ["recv", "Poller of many"])
def test_real_hubs_find_what_was_missed(
    green: GreenFrontEnd, pair: Callable[..., tuple[Any, Any]], monkeypatch: pytest.MonkeyPatch, code: str, way: str
) -> None:
    monkeypatch.setattr(sweep_alarm, "ROUNDS", NEVER if code == "ours" else 5)
    pairs = [pair() for _ in range(NUMBER)]
    if way == "recv":
        tasks = [green.spawn(other.recv) for _, other in pairs]
    else:
        tasks = [green.spawn(poller_of(green.zmq, green.zmq.POLLIN, *(other for _, other in pairs)).poll)]
    green.sleep(0)
    before = sweep_alarm.missed()
    looks = sweep_alarm._looks()
    with pytest.warns(RuntimeWarning, match="missed"):
        if code == "other":
            # Until no mark is left.
            while sweep_alarm._looks() < looks + 2 * NUMBER:
                green.sleep(0.01)
        for one, other in pairs:
            miss(one, other)
        found = [task.get() for task in tasks]
    assert sweep_alarm.missed() > before
    sweep_alarm._reset_missed(before)
    if way == "recv":
        assert found == [b"1"] * NUMBER
    else:
        assert found[0]
        for _, other in pairs:
            assert other.recv() == b"1"


@pytest.mark.usefixtures("keen")
@pytest.mark.parametrize("rounds", [NEVER, 5], ids=["ours", "other"])
@every_loop
def test_event_loops_find_what_was_missed(
    new_loop: Callable[[], Any], monkeypatch: pytest.MonkeyPatch, rounds: int
) -> None:
    monkeypatch.setattr(sweep_alarm, "ROUNDS", rounds)
    loop = new_loop()
    before = sweep_alarm.missed()

    async def run() -> None:
        with zmq.asyncio.Context() as context:
            context.linger = 0
            pairs = []
            for i in range(NUMBER):
                pairs.append((context.socket(zmq.PAIR), context.socket(zmq.PAIR)))
                pairs[-1][0].bind(f"inproc://{i}")
                pairs[-1][1].connect(f"inproc://{i}")
            waiting = [other.recv() for _, other in pairs]
            looks = sweep_alarm._looks()
            while rounds != NEVER and sweep_alarm._looks() < looks + 2 * NUMBER:
                await asyncio.sleep(0.01)
            for one, other in pairs:
                await one.send(b"1")
                assert read_events(other) & zmq.POLLIN
            assert await asyncio.wait_for(asyncio.gather(*waiting), 20) == [b"1"] * NUMBER
            context.destroy()

    with pytest.warns(RuntimeWarning, match="missed"):
        try:
            loop.run_until_complete(run())
        finally:
            loop.close()
    assert sweep_alarm.missed() > before
    sweep_alarm._reset_missed(before)
