"""Who is woken when a turn of the hub has used up its budget goes on in a later one, and nobody gets lost until then.

The hub is a fake one, in which a turn lasts until the test says so, with a budget that is always used up.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from functools import partial
from types import SimpleNamespace
from typing import Any

import greenlet
import pytest

import zmq
from support.fake_hub import FakeHub, Killed, Task, green, spawn
from support.front_ends import who_waits
from zmq.core.statistics import statistics
from zmq.core.waiting import sweep_alarm
from zmq.core.waiting.budget import get_budget, set_budget
from zmq.core.waiting.deferred_turns import serve
from zmq.core.waiting.sleeper import let_run, wait_readable

#: Calls between two looks at the clock.
FUEL = 64


class World:
    """A fake hub whose turn is always late, with a context."""

    def __init__(self) -> None:
        self.hub = FakeHub()
        self.hub.is_late = True
        # Calls do not yield, unless a test is about that.
        self.hub.yields = False
        self.Context, _, self.Poller = green(self.hub)
        self.context = self.Context()
        self.context.linger = 0
        self.sockets: list[zmq.Socket] = []
        self.log: list[Any] = []

    def pair(self, hwm: int = 1000) -> list[zmq.Socket]:
        sockets = [self.context.socket(zmq.PAIR) for _ in range(2)]
        self.sockets += sockets
        for socket in sockets:
            socket.hwm = hwm
        sockets[0].bind(f"inproc://{len(self.sockets)}")
        sockets[1].connect(f"inproc://{len(self.sockets)}")
        return sockets

    def noted(self, name: Any, function: Callable[[], Any]) -> Task:
        """Start a task that notes that it has run."""

        def run() -> Any:
            try:
                return function()
            finally:
                self.log.append(name)

        return spawn(run)

    def ring(self) -> None:
        """Run what the hub has to do in this turn."""
        while self.hub.fire() or self.hub.run_callback():
            pass

    @property
    def queued(self) -> int:
        return len(self.hub.queue_timers())


@pytest.fixture
def world() -> Iterator[World]:
    missed, budget = sweep_alarm.missed(), get_budget()
    waited = who_waits()
    set_budget(1e-9)
    world = World()
    # A turn begins. Until a thread's first, no time of its slice is used.
    serve(world.hub)
    yield world
    set_budget(budget)
    world.hub.is_late = False
    for socket in world.sockets:
        socket.close(0)
    world.hub.settle()
    assert not who_waits(waited), statistics()["waiting"]
    assert world.hub.armed == [] and not [timer for timer in world.hub.timers if timer.keep]
    world.hub.ring_alarm()
    assert sweep_alarm.missed() == missed
    term = spawn(world.context.term)
    world.hub.settle_until(lambda: term.done)
    assert term.error is None


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    ends = os.pipe()
    yield ends
    for end in ends:
        os.close(end)


def poller(world: World, socket: zmq.Socket, more: int) -> Any:
    poller = world.Poller()
    for other in [socket, *[world.pair()[0] for _ in range(more)]]:
        poller.register(other, zmq.POLLIN)
    return poller


def full(sender: zmq.Socket) -> None:
    with pytest.raises(zmq.Again):
        while True:
            sender.send(b"fill", zmq.NOBLOCK)


def empty(receiver: zmq.Socket) -> None:
    with pytest.raises(zmq.Again):
        while True:
            receiver.recv(zmq.NOBLOCK)


#: What waits for a socket, b of a pair; what makes it worth another attempt; what the call returns then.
WAITS: dict[str, tuple[Callable[[World, Any], Callable[[], Any]], Callable[[Any], Any], Any]] = {
    "recv": (lambda world, s: s.b.recv, lambda s: s.a.send(b"1"), b"1"),
    "recv in time": (lambda world, s: lambda: s.b.recv_many(1, timeout=1000)[0], lambda s: s.a.send(b"1"), b"1"),
    "send": (lambda world, s: (full(s.b), lambda: s.b.send(b"2"))[1], lambda s: empty(s.a), None),
    "poll": (lambda world, s: s.b.poll, lambda s: s.a.send(b"1"), zmq.POLLIN),
    "Poller": (lambda world, s: poller(world, s.b, 0).poll, lambda s: s.a.send(b"1"), [zmq.POLLIN]),
    "Poller of many": (lambda world, s: poller(world, s.b, 9).poll, lambda s: s.a.send(b"1"), [zmq.POLLIN]),
}


def result_of(task: Task) -> Any:
    assert task.done and task.error is None, task.error
    return [events for _, events in task.result] if isinstance(task.result, list) else task.result


@pytest.mark.parametrize("form", [*WAITS])
def test_who_is_woken_goes_on_in_the_next_turn(world: World, form: str) -> None:
    wait, wake, result = WAITS[form]
    sockets = SimpleNamespace(**dict(zip("ab", world.pair(2), strict=True)))
    before = statistics()["deferred"]
    task = spawn(wait(world, sockets))
    wake(sockets)
    world.ring()
    assert not task.done and world.queued == 1
    assert statistics()["deferred"] == before + 1
    assert world.hub.run_queue()
    assert result_of(task) == result
    assert world.queued == 0


@pytest.mark.parametrize("form", [*WAITS])
@pytest.mark.parametrize("end", ["killed", "closed", "terminated", "the hub ends"])
def test_an_end_before_that_turn_has_come(world: World, form: str, end: str) -> None:
    wait, wake, _ = WAITS[form]
    sockets = SimpleNamespace(**dict(zip("ab", world.pair(2), strict=True)))
    task = spawn(wait(world, sockets))
    wake(sockets)
    world.ring()
    assert not task.done and world.queued == 1
    if end == "killed":
        task.throw(Killed)
        assert isinstance(task.error, Killed)
    elif end == "the hub ends":
        world.hub.give_up_all()
        assert world.queued == 0
    elif end == "closed":
        sockets.b.close()
    else:
        closing = spawn(world.context.destroy)
        world.hub.settle_until(lambda: closing.done)
    world.hub.settle()
    assert task.done is (end != "the hub ends")
    if end in ("closed", "terminated") and isinstance(task.error, BaseException):
        assert isinstance(task.error, zmq.ZMQError)
    assert world.queued == 0


def test_who_is_killed_before_his_turn_hands_it_on(world: World) -> None:
    a, b = world.pair()
    first, second = spawn(b.recv), spawn(b.recv)
    a.send(b"1")
    world.ring()
    first.throw(Killed)
    assert not second.done
    world.hub.settle()
    assert second.result == b"1"


@pytest.mark.parametrize("there", [True, False])
def test_the_time_of_one_who_was_chosen_is_over_before_his_turn(world: World, there: bool) -> None:
    """He makes one more attempt, for which he was chosen."""
    a, b = world.pair()
    b.rcvtimeo = 1000
    task, other = spawn(b.recv), spawn(b.recv)
    (timer, _) = [timer for timer in world.hub.timers if timer.keep]
    a.send(b"1")
    world.ring()
    assert world.queued == 1
    world.hub.expire(timer)
    assert not task.done
    if not there:
        assert b.recv(zmq.NOBLOCK) == b"1"
    world.hub.settle()
    if there:
        assert task.result == b"1"
    else:
        assert isinstance(task.error, zmq.Again)
    # Whoever comes next has his turn.
    a.send(b"2")
    world.hub.settle()
    assert other.result == b"2"


@pytest.mark.parametrize("wait", ["recv", "poll", "Poller", "wait_readable"])
def test_a_time_that_is_over_ends_a_wait_in_the_next_turn(world: World, pipe: tuple[int, int], wait: str) -> None:
    a, b = world.pair()
    b.rcvtimeo = 1000
    calls: dict[str, Callable[[], Any]] = {
        "recv": b.recv,
        "poll": lambda: b.poll(1000),
        "Poller": lambda: poller(world, b, 0).poll(1000),
        "wait_readable": lambda: wait_readable(world.hub, pipe[0], 1),
    }
    tasks = [spawn(calls[wait])]
    if wait == "recv":
        tasks.append(spawn(b.recv))
    for timer in [timer for timer in world.hub.timers if timer.keep]:
        world.hub.expire(timer)
    assert not any(task.done for task in tasks) and world.queued == 1
    # One in a turn, as the budget allows no more.
    for count in range(1, len(tasks) + 1):
        assert world.hub.run_queue()
        assert sum(task.done for task in tasks) == count
    assert isinstance(tasks[0].error, zmq.Again) or not tasks[0].result
    if wait == "recv":
        # A message that comes is for whoever waits next.
        a.send(b"1")
        assert b.recv() == b"1"


def test_those_who_wait_for_a_turn_have_it_in_their_order(world: World) -> None:
    pairs = [world.pair() for _ in range(4)]
    tasks = [world.noted(number, b.recv) for number, (_, b) in enumerate(pairs)]
    for number in (2, 0, 3):
        pairs[number][0].send(b"x")
        world.ring()
    assert world.log == []
    assert world.hub.run_queue()
    assert world.log == [2]
    # Nobody overtakes, also where the turn has time again.
    set_budget(1000)
    pairs[1][0].send(b"x")
    world.ring()
    assert world.log == [2]
    set_budget(1e-9)
    while world.hub.run_queue():
        assert len(world.log) == sum(task.done for task in tasks)
    assert world.log == [2, 0, 3, 1]


def test_a_turn_serves_as_many_as_the_budget_allows(world: World) -> None:
    pairs = [world.pair() for _ in range(4)]
    tasks = [spawn(b.recv) for _, b in pairs]
    for a, _ in pairs:
        a.send(b"x")
    world.ring()
    assert not any(task.done for task in tasks)
    set_budget(1000)
    assert world.hub.run_queue()
    assert all(task.done for task in tasks)
    assert world.queued == 0
    # Now the turn has time.
    task = spawn(pairs[0][1].recv)
    pairs[0][0].send(b"x")
    world.ring()
    assert task.result == b"x"


@pytest.mark.parametrize("raises", [False, True])
def test_the_queue_goes_on_though_a_switch_does_not_come_back(world: World, raises: bool) -> None:
    """Because what it switched to raises in the hub, or because the hub goes on in another greenlet."""
    pairs = [world.pair() for _ in range(3)]
    queued: list[int] = []

    def run() -> None:
        pairs[0][1].recv()
        queued.append(world.queued)
        if raises:
            raise Killed

    # A greenlet whose parent is told of its end.
    first = greenlet.greenlet(run)
    first.switch()
    tasks = [spawn(b.recv) for _, b in pairs[1:]]
    for a, _ in pairs:
        a.send(b"x")
    world.ring()
    if raises:
        with pytest.raises(Killed):
            world.hub.run_queue()
    else:
        world.hub.run_queue()
    assert queued == [1], "nobody would go on with the others"
    world.hub.settle()
    assert all(task.result == b"x" for task in tasks)


def test_who_left_is_not_switched_to(world: World) -> None:
    a, b = world.pair()
    c, d = world.pair()

    def run() -> bytes:
        with pytest.raises(Killed):
            b.recv()
        return d.recv()

    task = spawn(run)
    a.send(b"1")
    world.ring()
    task.throw(Killed)
    switches = world.hub.switches
    world.hub.settle()
    assert world.hub.switches == switches and not task.done
    c.send(b"2")
    world.hub.settle()
    assert task.result == b"2"
    assert b.recv() == b"1"


# Calls that let the hub run.


def use_up(world: World) -> None:
    """Make calls until there is no fuel, and the clock has been looked at."""
    a, b = world.pair()
    before = statistics()["yields"]
    task = spawn(lambda: [(a.send(b"x"), b.recv()) for _ in range(FUEL)])
    assert not task.done and statistics()["yields"] == before + 1


def test_the_budget_stays_used_up_until_the_hub_has_run(world: World) -> None:
    world.hub.yields = True
    use_up(world)
    before = statistics()["yields"]
    # Whoever calls next in this turn lets the hub run, too, and each in his first call.
    tasks = []
    for number in range(3):
        a, b = world.pair()
        a.send(b"x", zmq.NOBLOCK)
        tasks.append(world.noted(number, b.recv))
    assert statistics()["yields"] == before + 3 and world.log == []
    # And they do not all come back in one turn.
    turns = 0
    while world.hub.run_queue():
        turns += 1
        assert len(world.log) < turns
        if turns == 3:
            break
    world.hub.settle()
    assert world.log == [0, 1, 2] and all(task.result == b"x" for task in tasks)


CALLS: dict[str, Callable[[World], Callable[[], Any]]] = {
    "send": lambda world: partial(world.pair()[0].send, b"x"),
    "send of a frame": lambda world: partial(world.pair()[0].send, zmq.Frame(b"x")),
    "send_multipart": lambda world: partial(world.pair()[0].send_multipart, [b"x", b"y"]),
    "recv": lambda world: filled(world).recv,
    "recv of a frame": lambda world: partial(filled(world).recv, copy=False),
    "recv_into": lambda world: partial(filled(world).recv_into, bytearray(1)),
    "recv_multipart": lambda world: filled(world).recv_multipart,
    "Socket.poll": lambda world: filled(world).poll,
    "Poller.poll": lambda world: poller_of(world, filled(world)).poll,
}


def filled(world: World) -> zmq.Socket:
    """Return a socket for which messages are there."""
    a, b = world.pair()
    for _ in range(5 * FUEL):
        a.send(b"x", zmq.NOBLOCK)
    return b


def poller_of(world: World, socket: zmq.Socket) -> zmq.Poller:
    poller = world.Poller()
    poller.register(socket, zmq.POLLIN)
    return poller


@pytest.mark.parametrize("how", CALLS)
def test_each_call_lets_the_hub_run_where_one_takes_all_of_the_budget(world: World, how: str) -> None:
    """The clock is looked at after so many calls that it is neither late nor early."""
    world.hub.yields = True
    call = CALLS[how](world)
    # Until it has found out how much a call takes.
    task = spawn(lambda: [call() for _ in range(2 * FUEL)])
    world.hub.settle()
    assert task.done
    before = statistics()["yields"]
    task = spawn(lambda: [call() for _ in range(10)])
    world.hub.settle()
    assert task.done and statistics()["yields"] == before + 10


def test_a_hub_that_ran_by_itself_begins_a_new_slice(world: World) -> None:
    a, b = world.pair()
    world.hub.yields = True
    world.hub.is_late = False
    before = statistics()["yields"]
    task = spawn(lambda: [(a.send(b"x"), b.recv()) for _ in range(4 * FUEL)])
    assert task.done and statistics()["yields"] == before


@pytest.mark.parametrize("ends", ["killed", "the hub ends"])
def test_who_lets_the_hub_run_may_end_before_his_turn(world: World, ends: str) -> None:
    task, other = spawn(let_run, world.hub), spawn(let_run, world.hub)
    assert world.queued == 1
    if ends == "killed":
        task.throw(Killed)
        world.hub.settle()
        assert isinstance(task.error, Killed) and other.done
    else:
        world.hub.give_up_all()
        world.hub.settle()
        assert not task.done and not other.done


@pytest.mark.parametrize("asked", ["turn", "call_at"])
def test_a_handler_that_raises_before_a_call_lets_the_hub_run_ends_that_call(
    world: World, asked: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At once, and not a later one; nobody waits for a turn then."""
    a, b = world.pair()
    world.hub.yields = True
    reached: list[int] = []
    done = {"sent": 0, "received": 0}

    def interrupted(*args: Any, **kwargs: Any) -> Any:
        reached.append(1)
        raise Killed

    def work() -> None:
        while True:
            a.send(b"x")
            done["sent"] += 1
            b.recv()
            done["received"] += 1

    with monkeypatch.context() as patch:
        patch.setattr(world.hub, asked, interrupted, raising=False)
        task = spawn(work)
    assert isinstance(task.error, Killed) and len(reached) == 1
    assert world.queued == 0
    others = [spawn(let_run, world.hub) for _ in range(2)]
    assert world.queued == 1
    world.hub.settle()
    assert all(other.done for other in others)
    world.hub.yields = False
    left = done["sent"] - done["received"]
    assert [b.recv(zmq.NOBLOCK) for _ in range(left)] == [b"x"] * left
    with pytest.raises(zmq.Again):
        b.recv(zmq.NOBLOCK)


def test_whoever_joins_the_queue_in_a_turn_is_served_in_another(world: World) -> None:
    """Or a greenlet that lets the hub run would come back without that having happened."""
    set_budget(1000)
    turns: list[int] = []

    def run() -> None:
        for _ in range(3):
            let_run(world.hub)
            turns.append(world.hub.turn())

    task = spawn(run)
    for count in range(3):
        assert len(turns) == count and not task.done
        assert world.hub.run_queue()
    assert task.done and len(set(turns)) == 3


def test_without_a_budget_nobody_waits_for_a_later_turn(world: World) -> None:
    a, b = world.pair()
    first = spawn(b.recv)
    a.send(b"1")
    world.ring()
    assert world.queued == 1
    set_budget(0)
    # Those who are there are served.
    assert world.hub.run_queue() and first.result == b"1"
    task = spawn(b.recv)
    a.send(b"2")
    world.ring()
    assert task.result == b"2" and world.queued == 0


def test_calls_without_fuel_are_noticed(world: World) -> None:
    """The handler of a signal may use sockets while somebody is about to park, who looks again then."""
    a, b = world.pair()
    c, d = world.pair()
    for _ in range(FUEL):
        c.send(b"x")
        d.recv()
    watcher = world.hub.watcher

    def handler(fd: int, events: int) -> Any:
        world.hub.watcher = watcher
        # He takes the bell, and not the message. Before and after that there is as much fuel: none.
        a.send(b"1", zmq.NOBLOCK)
        assert b.poll(1000) == zmq.POLLIN
        return watcher(fd, events)

    world.hub.watcher = handler
    task = spawn(b.recv)
    world.hub.settle()
    assert task.result == b"1"
