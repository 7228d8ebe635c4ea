"""Poll sets on a hub in which nothing happens by itself: what is watched, what wakes, and that nothing spins."""

from __future__ import annotations

import gc
import os
import socket as native
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import count
from typing import Any

import pytest

import zmq
from support import fake_hub
from support.fake_hub import FakeHub, FakeLoop, Killed, Task, Watcher, green, spawn
from support.native_states import ERR, IN, MASKS, OUT, PRI, changed, state

# Nobody lets the hub run but who waits.
pytestmark = pytest.mark.usefixtures("no_budget")

numbers = count()


class World:
    """Some pairs of sockets that wait in a fake hub, and pollers."""

    def __init__(self, number: int) -> None:
        self.hub = FakeHub()
        Context, self.Socket, self.Poller = green(self.hub)
        self.context = Context()
        self.pairs = [self.pair() for _ in range(number)]

    def pair(self) -> tuple[Any, Any]:
        one, other = self.context.socket(zmq.PAIR), self.context.socket(zmq.PAIR)
        address = f"inproc://poll-sets-{next(numbers)}"
        one.bind(address)
        other.connect(address)
        return one, other

    def end(self) -> None:
        ending = spawn(self.context.destroy, linger=0)
        self.hub.settle_until(lambda: ending.done)

    def poller(self) -> zmq.Poller:
        """Return one of all sockets, which has been used."""
        poller = self.Poller()
        for _, socket in self.pairs:
            poller.register(socket, zmq.POLLIN)
        for _ in range(2):
            assert poller.poll(0) == []
        return poller


@pytest.fixture(params=[0, 2, 7])
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    world = World(request.param)
    yield world
    world.end()


def parked(world: World, poller: zmq.Poller) -> Task:
    task = spawn(poller.poll)
    world.hub.settle()
    assert not task.done
    return task


@pytest.mark.parametrize("mask", [PRI, ERR, PRI | ERR])
def test_what_is_there_but_not_asked_for_does_not_ring(world: World, mask: int) -> None:
    with state("readable_pair") as (fd, _):
        poller = world.poller()
        poller.register(fd, mask)
        task = parked(world, poller)
        assert world.hub.readable() == []
        task.throw(Killed)
        assert world.hub.armed == []


def test_what_is_gone_before_the_poll_goes_on_is_not_reported(world: World) -> None:
    one, other = native.socketpair()
    with one, other:
        poller = world.poller()
        poller.register(one, IN)
        task = parked(world, poller)
        for _ in range(3):
            other.send(b"x")
            assert world.hub.fire()
            one.recv(1)
            world.hub.settle()
            assert not task.done and world.hub.readable() == []
        other.send(b"x")
        world.hub.settle()
        assert task.result == [(one.fileno(), IN)]
        assert world.hub.armed == []


@pytest.mark.parametrize("first", [0, 1])
def test_those_who_poll_at_once_are_all_told(world: World, first: int) -> None:
    with state("urgent") as (fd, change):
        shared, own = world.poller(), world.poller()
        for poller in shared, own:
            poller.register(fd, PRI)
        tasks = [parked(world, poller) for poller in (shared, shared, own)]
        changed(fd, change, PRI)
        world.hub.fire(first)
        world.hub.settle()
        assert [task.result for task in tasks] == [[(fd, PRI)]] * 3
        assert world.hub.armed == []


def test_sets_are_closed(world: World) -> None:
    def opened() -> set[tuple[str, str]]:
        found = set()
        for name in os.listdir("/proc/self/fd"):
            with suppress(OSError):  # that of the listing
                found.add((name, os.readlink(f"/proc/self/fd/{name}")))
        return found

    if not os.path.exists("/proc/self/fd"):
        pytest.skip("there is no /proc to count descriptors in")
    with state("idle_pair") as (fd, change):
        poller = world.poller()
        poller.register(fd, PRI)
        parked(world, poller).throw(Killed)
        before = opened()
        parked(world, poller).throw(Killed)
        task = parked(world, poller)
        poller.register(fd, IN)
        world.hub.settle()
        change()
        world.hub.settle()
        assert task.result == [(fd, IN)]
        # Less there may be: what contexts have left libzmq closes in threads of its own.
        assert opened() <= before


@pytest.mark.parametrize("mask", MASKS)
def test_a_descriptor_that_is_closed_between_look_and_watch(world: World, mask: int) -> None:
    # So that what is opened next gets another number.
    lower = os.dup(0)
    ends = os.pipe()
    closing = dict.fromkeys((lower, *ends))

    def get_hub() -> FakeHub:
        while closing:
            os.close(closing.popitem()[0])
        return world.hub

    poller = world.poller()
    poller.register(ends[0], mask & ~OUT or ERR)
    type(poller)._get_hub = staticmethod(get_hub)
    task = spawn(poller.poll)
    world.hub.settle()
    assert task.result == [(ends[0], ERR)]


@pytest.mark.parametrize("count", [2, 7])
@pytest.mark.parametrize("used", [0, 1, 2])
def test_what_is_heard_between_look_and_watch_is_not_lost(count: int, used: int) -> None:
    """A handler runs there, takes one of two messages and with it the bell."""
    world = World(count)
    one, other = world.pairs[1]
    acts: list[Callable[[], object]] = [lambda: one.send(b"1"), lambda: one.send(b"2"), other.recv]

    def get_hub() -> FakeHub:
        while acts:
            acts.pop(0)()
        return world.hub

    poller = world.Poller()
    for _, socket in world.pairs:
        poller.register(socket, zmq.POLLIN)
    for _ in range(used):
        assert poller.poll(0) == []
    type(poller)._get_hub = staticmethod(get_hub)
    task = spawn(poller.poll)
    world.hub.settle()
    assert task.result == [(other, zmq.POLLIN)]
    world.end()


def hub_looks(world: World, poller: zmq.Poller, socket: zmq.Socket) -> None:
    """The bell of the poller is heard before that of the receiver."""
    assert world.hub.fire(world.hub.readable().index(world.hub.armed[0]))


def change_looks(world: World, poller: zmq.Poller, socket: zmq.Socket) -> None:
    poller.modify(socket, zmq.POLLPRI)


def registration_looks(world: World, poller: zmq.Poller, socket: zmq.Socket) -> None:
    poller.register(socket, zmq.POLLPRI)


def another_looks(world: World, poller: zmq.Poller, socket: zmq.Socket) -> None:
    another = world.Poller()
    another.register(socket, zmq.POLLPRI)
    assert another.poll(0) == []


def option_is_read(world: World, poller: zmq.Poller, socket: zmq.Socket) -> None:
    assert socket.get(zmq.EVENTS) & zmq.POLLIN


@pytest.mark.parametrize("mask", [zmq.POLLIN, zmq.POLLPRI])
@pytest.mark.parametrize("number", [1, 7])
@pytest.mark.parametrize("look", [hub_looks, change_looks, registration_looks, another_looks, option_is_read])
def test_a_look_of_who_polls_wakes_the_receiver(look: Callable[..., None], number: int, mask: int) -> None:
    """Also where it polls for something else, and is not woken itself."""
    world = World(number)
    one, other = world.pairs[0]
    poller = world.poller()
    poller.modify(other, mask)
    polling = parked(world, poller)
    receiving = spawn(other.recv)
    world.hub.settle()
    one.send(b"1")
    look(world, poller, other)
    # Nothing but what the look has led to.
    while world.hub.run_callback() or world.hub.run_queue():
        pass
    assert receiving.result == b"1"
    if not polling.done:
        polling.throw(Killed)
    world.end()


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
@pytest.mark.parametrize("before", [0, 1, 2])
def test_a_shadow_that_joins_later_shares_the_bell(order: tuple[int, int], before: int) -> None:
    """It is registered, and unregistered again, while somebody polls."""
    world = World(7)
    one, other = world.pairs[0]
    sharing = [other, world.Socket.shadow(other)]
    first, second = (sharing[i] for i in order)
    poller = world.Poller()
    for socket in [first, *(b for _, b in world.pairs[1:])]:
        poller.register(socket, zmq.POLLIN)
    for _ in range(before):
        assert poller.poll(0) == []
    task = parked(world, poller)
    poller.register(second, zmq.POLLIN)
    world.hub.settle()
    assert not task.done
    one.send(b"1")
    world.hub.settle()
    assert dict(task.result) == {first: zmq.POLLIN, second: zmq.POLLIN}
    other.recv()
    for leaving, left in ((first, second), (second, first)):
        task = parked(world, poller)
        poller.unregister(leaving)
        world.hub.settle()
        one.send(b"1")
        world.hub.settle()
        assert task.result == [(left, zmq.POLLIN)]
        other.recv()
        poller.register(leaving, zmq.POLLIN)
    world.end()


def test_the_alarm_finds_nothing_of_shadows() -> None:
    world = World(7)
    poller = world.poller()
    poller.register(world.Socket.shadow(world.pairs[0][1]), zmq.POLLPRI)
    task = parked(world, poller)
    world.pairs[0][0].send(b"1")
    world.hub.settle()
    assert task.result == [(world.pairs[0][1], zmq.POLLIN)]
    world.pairs[0][1].recv()
    task = parked(world, poller)
    before = zmq.statistics()["missed"]
    world.hub.ring_alarm()
    assert zmq.statistics()["missed"] == before and not task.done
    task.throw(Killed)
    world.end()


class TwoHubs(World):
    """Pollers wait in one of two hubs, `here`."""

    def __init__(self, number: int) -> None:
        self.first, self.second = FakeLoop(), FakeLoop()
        self.here = self.hub = self.first
        Context, self.Socket, self.Poller = green(lambda: self.here)
        self.context = Context()
        self.pairs = [self.pair() for _ in range(number)]

    def end(self) -> None:
        self.here = self.hub = FakeLoop()
        super().end()

    def taken_over(self, poller: zmq.Poller) -> Task:
        """Stop the first hub, and poll in the second one."""
        self.first.running = False
        self.here = self.second
        task = spawn(poller.poll, 60_000)
        self.second.settle()
        assert not task.done
        return task

    def holds_nothing(self, task: Task) -> None:
        """Whoever polled in the first hub was given up, and does not run any more."""
        assert self.first.given_up == [(task, False)]
        assert self.first.armed == [] and not [timer for timer in self.first.timers if timer.keep]
        self.first.running = True
        self.first.settle()
        assert not task.done
        assert task not in [entry["waiter"] for entry in zmq.statistics(objects=True)["waiting"]]
        task.throw(Killed)


def rival_is_refused(world: TwoHubs, poller: zmq.Poller, task: Task) -> None:
    world.here = world.second
    refused = spawn(poller.poll, 60_000)
    assert isinstance(refused.error, RuntimeError) and "another event loop" in str(refused.error)
    assert world.second.armed == [] and world.second.timers == [] and world.first.given_up == []
    one, other = world.pairs[-1]
    one.send(b"1")
    world.first.settle()
    assert task.result == [(other, zmq.POLLIN)]


def other_takes_over(world: TwoHubs, poller: zmq.Poller, task: Task) -> None:
    second = world.taken_over(poller)
    world.holds_nothing(task)
    one, other = world.pairs[-1]
    one.send(b"1")
    world.second.settle()
    assert second.result == [(other, zmq.POLLIN)]


def other_takes_over_from_one_that_was_woken(world: TwoHubs, poller: zmq.Poller, task: Task) -> None:
    one, other = world.pairs[-1]
    one.send(b"1")
    assert other.poll(0) and world.first.callbacks and other.recv() == b"1"
    other_takes_over(world, poller, task)


def hub_ends_and_tells(world: TwoHubs, poller: zmq.Poller, task: Task) -> None:
    world.first.end()
    world.first.give_up_all()
    world.holds_nothing(task)


def other_goes_on_after_the_hub_ended(world: TwoHubs, poller: zmq.Poller, task: Task) -> None:
    hub_ends_and_tells(world, poller, task)
    world.here = world.second
    second = spawn(poller.poll, 60_000)
    world.second.settle()
    assert not second.done
    one, other = world.pairs[-1]
    one.send(b"1")
    world.second.settle()
    assert second.result == [(other, zmq.POLLIN)]


def hub_ends_after_another_took_over(world: TwoHubs, poller: zmq.Poller, task: Task) -> None:
    second = world.taken_over(poller)
    world.first.end()
    world.first.give_up_all()
    assert world.second.given_up == [] and world.second.armed
    world.holds_nothing(task)
    one, other = world.pairs[-1]
    one.send(b"1")
    world.second.settle()
    assert second.result == [(other, zmq.POLLIN)]


def another_thread_closes(world: TwoHubs, poller: zmq.Poller, task: Task) -> None:
    thread = threading.Thread(target=world.pairs[-1][1].close)
    thread.start()
    thread.join()
    assert not task.done
    world.first.settle()
    assert isinstance(task.error, zmq.ZMQError) and task.error.errno == zmq.ENOTSOCK


@pytest.mark.parametrize("descriptor", [False, True])
@pytest.mark.parametrize("number", [1, 2, 7])
@pytest.mark.parametrize(
    "happens",
    [
        rival_is_refused,
        other_takes_over,
        other_takes_over_from_one_that_was_woken,
        hub_ends_and_tells,
        other_goes_on_after_the_hub_ended,
        hub_ends_after_another_took_over,
        another_thread_closes,
    ],
)
def test_who_polls_is_bound_to_a_hub(happens: Callable[..., None], number: int, descriptor: bool) -> None:
    world = TwoHubs(number)
    with state("idle_pair") as (fd, _):
        poller = world.poller()
        if descriptor:
            poller.register(fd, IN)
        task = spawn(poller.poll, 60_000)
        world.first.settle()
        assert not task.done and world.first.armed
        happens(world, poller, task)
        for hub in (world.first, world.second):
            assert hub.armed == [] and not [timer for timer in hub.timers if timer.keep]
    world.end()


@pytest.mark.parametrize("lost", [True, False], ids=["stopped by the hub", "still watched"])
def test_a_hub_that_recovers_watches_as_before(world: World, lost: bool) -> None:
    """A framework whose callback was interrupted may have stopped what it was called for."""
    poller = world.poller()
    with state("idle_pair") as (fd, _):
        poller.register(fd, zmq.POLLIN)
        task = parked(world, poller)
        before = {watcher.fd for watcher in world.hub.armed}
        assert before
        if lost:
            for watcher in list(world.hub.armed):
                watcher.stop()
        world.hub.recover()
        assert {watcher.fd for watcher in world.hub.armed} >= before
        for one, other in world.pairs[:1]:
            one.send(b"1")
            world.hub.settle()
            assert task.result == [(other, zmq.POLLIN)]
    if not task.done:
        task.throw(Killed)


def test_nothing_is_kept_in_a_hub_that_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Watcher] = []

    class Kept(Watcher):
        def __init__(self, hub: FakeHub, fd: int, events: int) -> None:
            super().__init__(hub, fd, events)
            made.append(self)

    monkeypatch.setattr(fake_hub, "Watcher", Kept)
    world = TwoHubs(7)
    poller = world.poller()
    one, other = world.pairs[0]
    for number in range(4):
        world.here = world.hub = (world.first, world.second)[number % 2]
        left = (world.second, world.first)[number % 2]
        task = parked(world, poller)
        assert [each for each in made if each.hub is left and not each.closed] == []
        one.send(b"1")
        world.hub.settle()
        assert task.result == [(other, zmq.POLLIN)] and other.recv() == b"1"
    del poller, task
    gc.collect()
    assert made and all(each.closed for each in made)
    world.end()


@contextmanager
def without_standard_input() -> Iterator[None]:
    """Descriptor 0 is free, and what is made next has it, and gives it back."""
    kept = os.dup(0)
    os.close(0)
    try:
        yield
    finally:
        os.dup2(kept, 0)
        os.close(kept)


def test_descriptor_0_may_be_the_set() -> None:
    world = World(7)
    with without_standard_input():
        poller = world.poller()
        assert os.readlink("/proc/self/fd/0") == "anon_inode:[eventpoll]"
        for one, other in world.pairs:
            task = parked(world, poller)
            one.send(b"1")
            world.hub.settle()
            assert task.result == [(other, zmq.POLLIN)] and other.recv() == b"1"
        del poller, task
        gc.collect()
    world.end()


def test_descriptor_0_may_be_what_is_polled() -> None:
    world = World(1)
    with without_standard_input():
        reader, writer = os.pipe()
        assert reader == 0
        poller = world.poller()
        poller.register(reader, zmq.POLLIN)
        task = parked(world, poller)
        switches = world.hub.switches
        world.hub.settle()
        assert world.hub.switches == switches
        os.write(writer, b"1")
        world.hub.settle()
        assert task.result == [(reader, zmq.POLLIN)]
        os.close(writer)
    world.end()


def test_what_is_taken_out_in_the_midst_of_a_look_is_not_reported() -> None:
    """Asking a file for its descriptor may run anything."""
    world = World(1)
    with state("readable_pair") as (fd, _), state("readable_pair") as (other, _):
        poller = world.poller()
        leaves = False

        class File:
            def fileno(self) -> int:
                nonlocal leaves
                if leaves:
                    leaves = False
                    poller.unregister(other)
                return fd

        poller.register(other, zmq.POLLIN)
        poller.register(File(), zmq.POLLIN)
        assert dict(poller.poll(0)) == {fd: zmq.POLLIN, other: zmq.POLLIN}
        leaves = True
        assert poller.poll(0) == [(fd, zmq.POLLIN)] and not leaves
    world.end()
