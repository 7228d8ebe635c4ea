"""The invariants of the trampoline, each by itself, on a hub in which nothing happens by chance."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import zmq
from support.fake_hub import FakeHub, FakeLoop, Killed, Task, Timer, green, spawn
from support.foreign_code import read_events
from support.front_ends import who_waits
from zmq.core.statistics import statistics
from zmq.core.waiting import hub as core_hub
from zmq.core.waiting import sweep_alarm
from zmq.core.waiting.budget import get_budget, set_budget


class World:
    """A fake hub with a context, whose sockets are closed at the end."""

    def __init__(self) -> None:
        self.hub = FakeHub()
        self.Context, self.Socket, self.Poller = self.classes()
        self.context = self.Context()
        self.context.linger = 0
        self.count = 0
        self.kept: list[zmq.Socket] = []

    def classes(self) -> tuple[type[zmq.Context], type[zmq.Socket], type[zmq.Poller]]:
        return green(self.hub)

    def socket(self, kind: int) -> zmq.Socket:
        """Make a socket that is held until the end, so that it is closed and not collected."""
        socket = self.context.socket(kind)
        self.kept.append(socket)
        return socket

    def pair(self, one: int = zmq.PAIR, other: int = zmq.PAIR, hwm: int = 1000, **options: Any) -> list[zmq.Socket]:
        self.count += 1
        sockets = [self.socket(one), self.socket(other)]
        for socket in sockets:
            socket.hwm = hwm
            for name, value in options.items():
                setattr(socket, name, value)
        sockets[0].bind(f"inproc://{self.count}")
        sockets[1].connect(f"inproc://{self.count}")
        return sockets


@pytest.fixture
def world() -> Iterator[World]:
    before = sweep_alarm.missed()
    waited = who_waits()
    budget = get_budget()
    # Yields would depend on the clock.
    set_budget(0)
    world = World()
    yield world
    set_budget(budget)
    for socket in world.kept:
        socket.close(0)
    world.hub.settle()
    assert not who_waits(waited), statistics()["waiting"]
    assert world.hub.armed == []
    assert [timer for timer in world.hub.timers if timer.keep] == []
    world.hub.ring_alarm()
    assert sweep_alarm.missed() == before
    term = spawn(world.context.term)
    world.hub.settle_until(lambda: term.done)
    assert term.error is None


def full(sender: zmq.Socket) -> int:
    """Fill a pipe up to its high-water mark."""
    count = 0
    while True:
        try:
            sender.send(b"fill", zmq.NOBLOCK)
        except zmq.Again:
            return count
        count += 1


def waiting(*tasks: Task) -> bool:
    parked = {entry["waiter"] for entry in statistics(objects=True)["waiting"]}
    return all(task in parked for task in tasks)


def test_nothing_is_armed_before_somebody_waits(world: World) -> None:
    a, b = world.pair()
    a.send(b"1")
    assert b.recv() == b"1"
    assert world.hub.armed == [] and world.hub.timers == [] and world.hub.switches == 0


def test_armed_exactly_while_somebody_waits(world: World) -> None:
    a, b = world.pair()
    first, second = spawn(b.recv), spawn(b.recv)
    assert len(world.hub.armed) == 1
    assert [timer.keep for timer in world.hub.timers] == [False]
    a.send(b"1")
    world.hub.settle()
    assert first.done and not second.done
    assert len(world.hub.armed) == 1
    a.send(b"2")
    world.hub.settle()
    assert second.done
    assert world.hub.armed == [] and world.hub.timers == []


def test_an_error_of_the_hub_is_shown_and_stops_nobody(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where nothing may be raised; as CPython shows errors of that kind, by whatever hook."""
    a, b = world.pair()
    b.rcvtimeo = 60_000
    cancel = Timer.cancel

    def fail(timer: Timer) -> None:
        cancel(timer)
        if timer.keep:
            raise LookupError("a timer")

    monkeypatch.setattr(Timer, "cancel", fail)
    monkeypatch.setattr(sys, "unraisablehook", sys.__unraisablehook__)
    receiving = spawn(b.recv)
    a.send(b"1")
    world.hub.settle()
    assert receiving.result == b"1"
    shown = capsys.readouterr().err
    assert "greenlets that wait for a 0MQ socket" in shown and "LookupError: a timer" in shown and "in fail" in shown


@pytest.mark.parametrize(
    "operate",
    [
        lambda s, world: s.poll(0),
        lambda s, world: s.poll(0, zmq.POLLOUT),
        lambda s, world: s.get(zmq.EVENTS),
        lambda s, world: s.getsockopt(zmq.EVENTS),
        lambda s, world: s.EVENTS,
        lambda s, world: s.events,
        lambda s, world: s.send(b"x", zmq.NOBLOCK),
        lambda s, world: s.send_multipart([b"x", b"y"], zmq.NOBLOCK),
        lambda s, world: s.set(zmq.LINGER, 0),
        lambda s, world: zmq.select([s], [], [], 0),
        lambda s, world: zmq.zmq_poll([(s, zmq.POLLIN)], 0),
        lambda s, world: poller_of(world, s).poll(0),
    ],
)
def test_an_operation_that_stills_the_bell_wakes_the_receiver(world: World, operate: Any) -> None:
    a, b = world.pair()
    receiver = spawn(b.recv)
    a.send(b"news")
    operate(b, world)
    # Only callbacks: the bell may be still by now, and must not be needed.
    while world.hub.run_callback():
        pass
    if not receiver.done:
        assert world.hub.readable(), "the bell is still and nobody was woken"
        world.hub.settle()
    assert receiver.result == b"news"


def poller_of(world: World, *sockets: zmq.Socket) -> zmq.Poller:
    poller = world.Poller()
    for socket in sockets:
        poller.register(socket, zmq.POLLIN)
    return poller


@pytest.mark.parametrize(
    "operate",
    [
        lambda s: s.recv(zmq.NOBLOCK),
        lambda s: s.recv_multipart(zmq.NOBLOCK),
        lambda s: s.recv_into(bytearray(10), flags=zmq.NOBLOCK),
        lambda s: s.recv_string(zmq.NOBLOCK),
    ],
)
def test_a_receive_in_vain_wakes_the_sender(world: World, operate: Any) -> None:
    a, b = world.pair(hwm=1)
    full(a)
    sender = spawn(a.send, b"late")
    assert not sender.done
    while b.poll(0):
        b.recv(zmq.NOBLOCK)
    with pytest.raises(zmq.Again):
        operate(a)
    while world.hub.run_callback():
        pass
    if not sender.done:
        assert world.hub.readable()
        world.hub.settle()
    assert sender.done and sender.error is None


def test_a_receiver_that_wakes_in_vain_tells_the_sender(world: World) -> None:
    a, b = world.pair(hwm=1)
    full(a)
    sender, receiver = spawn(a.send, b"late"), spawn(a.recv)
    b.send(b"news")
    a.poll(0)
    # The receiver is chosen, and robbed.
    assert a.recv(zmq.NOBLOCK) == b"news"
    while b.poll(0):
        b.recv()
    assert world.hub.readable() and not sender.done
    while world.hub.run_callback():
        pass
    if world.hub.readable():
        world.hub.settle()
    assert sender.done and not receiver.done


@pytest.mark.parametrize("how", ["socket", "poller", "many"])
def test_a_poll_hears_of_a_message_although_another_one_sends_first(world: World, how: str) -> None:
    a, b = world.pair()
    others = [world.pair()[0] for _ in range(10)] if how == "many" else []
    if how == "socket":
        poll = spawn(b.poll, 1000)
    else:
        poll = spawn(poller_of(world, b, *others).poll, 1000)
    assert not poll.done
    a.send(b"news")
    b.send(b"answer")
    world.hub.settle()
    assert poll.done
    assert poll.result == (zmq.POLLIN if how == "socket" else [(b, zmq.POLLIN)])
    assert b.recv() == b"news"


def test_receivers_are_served_in_order(world: World) -> None:
    a, b = world.pair()
    tasks = [spawn(b.recv) for _ in range(20)]
    for i in range(20):
        a.send(b"%d" % i)
    world.hub.settle()
    assert [task.result for task in tasks] == [b"%d" % i for i in range(20)]


def test_a_newcomer_does_not_overtake(world: World) -> None:
    a, b = world.pair()
    first = spawn(b.recv)
    a.send(b"1")
    a.send(b"2")
    second = spawn(b.recv)
    assert not second.done
    world.hub.settle()
    assert (first.result, second.result) == (b"1", b"2")


def test_senders_are_served_in_order_and_frames_do_not_mix(world: World) -> None:
    a, b = world.pair(hwm=1)
    filled = full(a)
    tasks = [spawn(a.send_multipart, [b"%d" % i] * 3) for i in range(20)]
    assert waiting(*tasks)
    got = []
    for _ in range(filled):
        b.recv()
        world.hub.settle()
    for _ in range(20):
        receive = spawn(b.recv_multipart)
        world.hub.settle()
        got.append(receive.result)
    assert got == [[b"%d" % i] * 3 for i in range(20)]
    assert all(task.done and task.error is None for task in tasks)


@pytest.mark.parametrize("position", [0, 1, 2])
@pytest.mark.parametrize("when", ["parked", "chosen"])
def test_one_that_is_killed_hands_its_turn_on(world: World, position: int, when: str) -> None:
    a, b = world.pair()
    tasks = [spawn(b.recv) for _ in range(3)]
    if when == "chosen":
        a.send(b"1")
        # Chooses the first one, and leaves it at that.
        b.poll(0)
    tasks[position].throw(Killed)
    assert isinstance(tasks[position].error, Killed)
    if when == "parked":
        a.send(b"1")
    a.send(b"2")
    world.hub.settle()
    left = [task for i, task in enumerate(tasks) if i != position]
    assert [task.result for task in left] == [b"1", b"2"]


def test_time_runs_out(world: World) -> None:
    a, b = world.pair(rcvtimeo=50)
    task = spawn(b.recv)
    (timer,) = [timer for timer in world.hub.timers if timer.keep]
    world.hub.expire(timer)
    assert isinstance(task.error, zmq.Again)
    world.hub.settle()
    assert world.hub.timers == [] and world.hub.armed == []
    a.send(b"1")
    assert b.recv() == b"1"


def test_time_runs_out_for_one_that_is_chosen(world: World) -> None:
    a, b = world.pair(rcvtimeo=50)
    task = spawn(b.recv)
    (timer,) = [timer for timer in world.hub.timers if timer.keep]
    a.send(b"1")
    b.poll(0)
    world.hub.expire(timer)
    world.hub.settle()
    assert task.result == b"1"


@pytest.mark.parametrize("how", ["recv", "send", "poll", "poller"])
def test_time_runs_out_for_one_that_is_chosen_in_vain(world: World, how: str) -> None:
    """Its time is over before it runs, and somebody else takes what it was chosen for."""
    a, b = world.pair(hwm=1, rcvtimeo=50, sndtimeo=50)
    if how == "send":
        filled = full(b)
        task = spawn(b.send, b"late")
    else:
        task = spawn({"recv": b.recv, "poll": lambda: b.poll(50), "poller": lambda: poller_of(world, b).poll(50)}[how])
    assert not task.done
    (timer,) = [timer for timer in world.hub.timers if timer.keep]
    if how == "send":
        for _ in range(filled):
            a.recv(zmq.NOBLOCK)
    else:
        a.send(b"1")
    b.poll(0)
    assert not task.done
    # A poller is told at once, and looks.
    if how != "poller":
        world.hub.expire(timer)
        assert not task.done
    if how == "send":
        full(b)
    else:
        b.recv(zmq.NOBLOCK)
    if how == "poller":
        world.hub.expire(timer)
    world.hub.settle()
    assert task.done, "its time is over, and it waits on"
    if how in ("recv", "send"):
        assert isinstance(task.error, zmq.Again)
    else:
        assert not task.result and task.error is None


@pytest.mark.parametrize("how", ["recv", "send"])
def test_one_that_has_no_time_tells_the_others(world: World, how: str) -> None:
    """Its attempt may have swallowed the bell for them."""
    a, b = world.pair(hwm=1)
    filled = full(a)
    a.rcvtimeo = a.sndtimeo = 0
    if how == "recv":
        a.sndtimeo = -1
        task = spawn(a.send, b"late")
        for _ in range(filled):
            b.recv(zmq.NOBLOCK)
    else:
        a.rcvtimeo = -1
        task = spawn(a.recv)
        b.send(b"news")
    assert world.hub.readable() and not task.done
    with pytest.raises(zmq.Again):
        a.recv() if how == "recv" else a.send(b"x")
    world.hub.settle()
    assert task.done and task.error is None


class TwoHubs(World):
    """Whose sockets wait in one of two hubs, `here`."""

    def __init__(self) -> None:
        super().__init__()
        self.here: FakeHub = self.hub

    def classes(self) -> tuple[type[zmq.Context], type[zmq.Socket], type[zmq.Poller]]:
        self.hub = self.first = FakeLoop()
        self.second = FakeLoop()
        return green(lambda: self.here)

    def end(self) -> None:
        for socket in self.kept:
            socket.close(0)
        for hub in (self.first, self.second):
            hub.running = True
            hub.settle()
            assert hub.armed == []
        term = spawn(self.context.term)
        self.here.settle_until(lambda: term.done)


@pytest.fixture
def two_hubs() -> Iterator[TwoHubs]:
    budget = get_budget()
    set_budget(0)
    world = TwoHubs()
    yield world
    set_budget(budget)
    world.end()


@pytest.mark.parametrize("how", ["recv", "send"])
def test_one_that_is_refused_tells_the_others(two_hubs: TwoHubs, how: str) -> None:
    """Its attempt may have swallowed the bell for those who wait in the other hub."""
    a, b = two_hubs.pair(hwm=1)
    filled = full(a)
    task = spawn(a.send, b"late") if how == "recv" else spawn(a.recv)
    if how == "recv":
        for _ in range(filled):
            b.recv(zmq.NOBLOCK)
    else:
        b.send(b"news")
    assert two_hubs.first.readable() and not task.done
    two_hubs.here = two_hubs.second
    refused = spawn(a.recv) if how == "recv" else spawn(a.send, b"x")
    assert isinstance(refused.error, RuntimeError)
    two_hubs.first.settle()
    assert task.done and task.error is None


@pytest.mark.parametrize("how", ["recv", "send", "poll"])
def test_who_takes_over_sees_what_those_before_were_told_of(two_hubs: TwoHubs, how: str) -> None:
    """They had been chosen, the bell is still, and their hub has stopped."""
    a, b = two_hubs.pair(hwm=1)
    filled = full(a)
    use = {"recv": b.recv, "send": lambda: a.send(b"late"), "poll": lambda: b.poll(None)}[how]
    if how != "send":
        for _ in range(filled):
            b.recv(zmq.NOBLOCK)
    before = spawn(use)
    if how == "send":
        for _ in range(filled):
            b.recv(zmq.NOBLOCK)
        a.poll(0)
    else:
        a.send(b"news")
        b.poll(0)
    assert not before.done and not two_hubs.first.readable()
    two_hubs.first.running = False
    two_hubs.here = two_hubs.second
    task = spawn(use)
    two_hubs.second.settle()
    assert task.done and task.error is None
    # The one before was given up, or had been called already, and is not woken any more.
    two_hubs.first.running = True
    two_hubs.first.settle()
    if how != "poll":
        assert not before.done and two_hubs.first.given_up == [(before, False)]
        before.throw(Killed)


def test_a_loop_that_runs_elsewhere_closes_the_socket_of_the_thread_that_filled_it(two_hubs: TwoHubs) -> None:
    a, _ = two_hubs.pair()
    task = spawn(a.recv)
    two_hubs.first.runner = 0
    a.close()
    assert a.closed and two_hubs.first.armed
    two_hubs.first.runner = core_hub.thread_ident()
    two_hubs.first.settle()
    assert task.error.errno == zmq.ENOTSOCK and not two_hubs.first.armed


def test_the_alarm_is_set_once_for_those_who_park_in_a_row(world: World) -> None:
    """And cancelled when the hub runs while nobody is parked."""
    a, b = world.pair()
    alarms = []
    for _ in range(3):
        task = spawn(b.recv)
        alarms += [timer for timer in world.hub.timers if timer not in alarms]
        a.send(b"1")
        assert world.hub.fire() and task.result == b"1"
    assert world.hub.timers == alarms and len(alarms) == 1
    world.hub.settle()
    assert world.hub.timers == []


def test_no_timer_without_a_wait(world: World) -> None:
    a, b = world.pair(rcvtimeo=50, sndtimeo=50)
    for _ in range(100):
        a.send(b"1")
        b.recv()
    assert world.hub.timers == []


def test_close_sends_everybody_home(world: World) -> None:
    a, _ = world.pair(hwm=1)
    full(a)
    poller = poller_of(world, a)
    tasks = [
        *(spawn(a.send, b"x"), spawn(a.send, b"y"), spawn(a.poll, 1000)),
        *(spawn(a.recv), spawn(a.recv_multipart), spawn(poller.poll, 1000)),
    ]
    world.hub.settle()
    assert waiting(*tasks[:5]) and not tasks[5].done
    a.close()
    assert world.hub.armed == []
    world.hub.settle()
    for task in tasks:
        assert isinstance(task.error, zmq.ZMQError) and task.error.errno == zmq.ENOTSOCK
    assert statistics()["waiting"] == []


def test_term_reaches_everybody(world: World) -> None:
    a, b = world.pair(hwm=1)
    full(a)
    tasks = [spawn(a.send, b"x"), spawn(a.send, b"y"), spawn(a.recv), spawn(a.recv), spawn(a.poll, None)]
    term = spawn(world.context.term)
    world.hub.settle_until(lambda: all(task.done for task in tasks))
    assert all(isinstance(task.error, zmq.ContextTerminated) for task in tasks)
    assert not term.done
    a.close()
    b.close()
    world.hub.settle_until(lambda: term.done)


def test_a_message_is_not_lost_between_choice_and_death(world: World) -> None:
    a, b = world.pair()
    task = spawn(b.recv)
    a.send(b"1")
    b.poll(0)
    task.throw(Killed)
    assert b.recv() == b"1"


def test_another_thread_is_refused_unless_it_closes(world: World) -> None:
    a, b = world.pair()
    task = spawn(b.recv)
    errors = []

    def use() -> None:
        for call in (lambda: b.recv(zmq.NOBLOCK), lambda: b.send(b"x"), lambda: b.poll(0)):
            try:
                call()
            except RuntimeError as error:
                errors.append(str(error))

    thread = threading.Thread(target=use)
    thread.start()
    thread.join()
    assert len(errors) == 3 and all("thread" in error for error in errors)
    a.send(b"1")
    world.hub.settle()
    assert task.result == b"1"
    task = spawn(b.recv)
    thread = threading.Thread(target=b.close)
    thread.start()
    thread.join()
    # Closed for everybody at once, but for libzmq only where its descriptor is watched.
    assert b.closed and not task.done and world.hub.armed
    world.hub.ring_alarm()
    world.hub.settle()
    assert task.error.errno == zmq.ENOTSOCK and not world.hub.armed


def test_a_stalled_peer_does_not_hold_up_the_others(world: World) -> None:
    router = world.socket(zmq.ROUTER)
    router.router_mandatory = 1
    router.hwm = 1
    router.bind("inproc://router")
    dealers = {}
    for name in (b"slow", b"quick", b"lazy"):
        dealers[name] = dealer = world.socket(zmq.DEALER)
        dealer.hwm = 1
        dealer.identity = name
        dealer.connect("inproc://router")
    for name in (b"slow", b"lazy"):
        with pytest.raises(zmq.Again):
            while True:
                router.send_multipart([name, b"fill"], zmq.NOBLOCK)
    slow, lazy = spawn(router.send_multipart, [b"slow", b"1"]), spawn(router.send_multipart, [b"lazy", b"1"])
    second = spawn(router.send_multipart, [b"slow", b"2"])
    world.hub.settle()
    assert waiting(slow, lazy, second)
    # It waits without spinning, and others get through.
    switches = world.hub.switches
    world.hub.settle()
    assert world.hub.switches == switches
    quick = spawn(router.send_multipart, [b"quick", b"1"])
    assert quick.done and dealers[b"quick"].recv() == b"1"
    while dealers[b"lazy"].poll(0):
        dealers[b"lazy"].recv()
    world.hub.settle()
    assert lazy.done and not slow.done and not second.done
    while dealers[b"slow"].poll(0):
        dealers[b"slow"].recv()
    world.hub.settle()
    assert slow.done
    got = []
    while not second.done or dealers[b"slow"].poll(0):
        got.append(dealers[b"slow"].recv())
        world.hub.settle()
    assert got == [b"1", b"2"]


def stalled_peer(world: World, hwm: int = 1) -> tuple[zmq.Socket, zmq.Socket]:
    """Return a ROUTER and a DEALER named slow that has no room."""
    router = world.socket(zmq.ROUTER)
    router.router_mandatory = 1
    router.hwm = hwm
    router.bind("inproc://router")
    dealer = world.socket(zmq.DEALER)
    dealer.hwm = hwm
    dealer.identity = b"slow"
    dealer.connect("inproc://router")
    with pytest.raises(zmq.Again):
        while True:
            router.send_multipart([b"slow", b"fill"], zmq.NOBLOCK)
    return router, dealer


def test_a_routed_sender_is_tried_again_after_others_stilled_the_bell(world: World) -> None:
    router, dealer = stalled_peer(world)
    sender = spawn(router.send_multipart, [b"slow", b"1"])
    while dealer.poll(0):
        dealer.recv()
    # Takes the news that the peer has room; EVENTS says POLLOUT before and after.
    with pytest.raises(zmq.Again):
        router.recv(zmq.NOBLOCK)
    assert not world.hub.readable()
    (timer,) = [timer for timer in world.hub.timers if timer.keep]
    assert timer.deadline < time.monotonic() + 0.002
    world.hub.expire(timer)
    world.hub.settle()
    assert sender.done and sender.error is None


@pytest.mark.parametrize("kind", [zmq.ROUTER, zmq.XPUB, zmq.STREAM, zmq.DEALER], ids=str)
def test_who_receives_has_no_timer(world: World, kind: int) -> None:
    """Only of a message that is for one of many peers does the bell say too little."""
    receiver, socket = world.pair()[0], world.socket(kind)
    first = spawn(receiver.recv)
    timers = list(world.hub.timers)
    second = spawn(socket.recv)
    assert world.hub.timers == timers
    for each in (first, second):
        each.throw(Killed)


@pytest.mark.parametrize("first_is_killed", [False, True])
def test_a_routed_sender_that_is_done_hands_on_to_the_next(world: World, first_is_killed: bool) -> None:
    router, dealer = stalled_peer(world, hwm=2)
    senders = [spawn(router.send_multipart, [b"slow", b"%d" % i]) for i in range(3)]
    while dealer.poll(0):
        dealer.recv()
    # The bell has rung for all three; one look must do.
    assert router.poll(0) == 0
    assert not world.hub.readable()
    (timer,) = [timer for timer in world.hub.timers if timer.keep]
    world.hub.expire(timer)
    if first_is_killed:
        senders[0].throw(Killed)
    while world.hub.run_callback():
        pass
    assert all(sender.done for sender in senders)
    assert [dealer.recv() for _ in senders[first_is_killed:]] == [b"0", b"1", b"2"][first_is_killed:]


@pytest.mark.parametrize("news", ["somebody operates", "the bell rings"])
def test_tries_of_a_routed_sender_get_rare_until_there_are_news(world: World, news: str) -> None:
    router, dealer = stalled_peer(world)
    sender = spawn(router.send_multipart, [b"slow", b"1"])

    def look() -> float:
        (timer,) = [timer for timer in world.hub.timers if timer.keep]
        return timer.deadline - time.monotonic()

    for _ in range(12):
        (timer,) = [timer for timer in world.hub.timers if timer.keep]
        world.hub.expire(timer)
        world.hub.settle()
    assert 2 < look() <= 3
    if news == "somebody operates":
        router.poll(0)
    else:
        dealer.send(b"from it")
        assert world.hub.fire()
    assert look() < 0.002
    assert not sender.done


@pytest.mark.parametrize("lost", [True, False], ids=["stopped by the hub", "still watched"])
def test_a_hub_that_recovers_watches_who_waits(world: World, lost: bool) -> None:
    """A framework whose callback was interrupted may have stopped what it was called for."""
    (a, b), (c, d) = world.pair(), world.pair()
    done = spawn(d.recv)
    c.send(b"1")
    world.hub.settle()
    assert done.result == b"1" and not world.hub.armed
    world.hub.recover()
    assert not world.hub.armed
    task = spawn(b.recv)
    world.hub.settle()
    (watcher,) = world.hub.armed
    if lost:
        watcher.stop()
    world.hub.recover()
    assert world.hub.armed == [watcher]
    a.send(b"2")
    world.hub.settle()
    assert task.result == b"2"


def test_the_alarm_finds_what_was_missed(world: World) -> None:
    a, b = world.pair()
    task = spawn(b.recv)
    a.send(b"1")
    # Somebody who does not tell reads EVENTS from under the trampoline.
    assert read_events(b) & zmq.POLLIN
    world.hub.settle()
    assert not task.done
    before = sweep_alarm.missed()
    with pytest.warns(RuntimeWarning, match="missed"):
        world.hub.ring_alarm()
    assert sweep_alarm.missed() == before + 1
    world.hub.settle()
    assert task.result == b"1"
    sweep_alarm._reset_missed(before)


def test_a_flood_yields(world: World) -> None:
    a, b = world.pair(hwm=0)
    set_budget(0.0005)

    def flood() -> None:
        for _ in range(200_000):
            a.send(b"x" * 100)
            b.recv()

    world.hub.is_late = True
    task = spawn(flood)
    yields = 0
    while not task.done:
        assert world.hub.run_queue()
        yields += 1
    assert task.error is None and yields > 5
    world.hub.is_late = False
    # NOBLOCK never yields.
    for _ in range(100_000):
        a.send(b"x", zmq.NOBLOCK)
        b.recv(zmq.NOBLOCK)
    set_budget(0)
    task = spawn(flood)
    assert task.done and task.error is None


def test_the_alarm_is_not_fooled_by_what_comes_while_it_looks(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Messages come from another process at any moment, also between its look at the bell and that at EVENTS."""
    # Every look is at everything.
    monkeypatch.setattr(sweep_alarm, "ROUNDS", 1)
    pull = world.socket(zmq.PULL)
    pull.bind(f"ipc://{tmp_path}/bell")
    program = """if True:
        import sys, time, zmq
        with zmq.Context() as context, context.socket(zmq.PUSH) as push:
            push.connect(sys.argv[1])
            for _ in range(4000):
                push.send(b"1")
                time.sleep(0)
            push.send(b"end")
            # A peer that ends while the other side is full may take with it what was not read yet.
            sys.stdin.read()
    """
    command = [sys.executable, "-c", program, pull.get_string(zmq.LAST_ENDPOINT)]
    sender = subprocess.Popen(command, stdin=subprocess.PIPE)

    def receive() -> int:
        count = 0
        while pull.recv() != b"end":
            count += 1
        return count

    before = sweep_alarm.missed()
    # In this hub nobody would come back from a yield.
    budget = zmq.get_budget()
    zmq.set_budget(0)
    task = spawn(receive)
    try:
        while not task.done:
            assert sender.poll() is None
            for _ in range(20):
                world.hub.ring_alarm()
            world.hub.settle()
    finally:
        zmq.set_budget(budget)
        sender.kill()
        sender.communicate()
    assert task.result == 4000
    assert sweep_alarm.missed() == before
