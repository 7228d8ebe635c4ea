"""Polls of several sockets under any sequence of events, searched by hypothesis on a fake hub.

The model is what each poller has registered, and how many messages each socket has before it. A poll that returns must
say just that: it is compared before anybody else has run. Few sockets are watched one by one, many in an epoll set.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable
from typing import Any

import hypothesis.strategies as st
from hypothesis.stateful import initialize, invariant, precondition, rule
from machine import Machine, picks, rarely, terminate, who_polls

import zmq
from support.fake_hub import FakeHub, Killed, Task, green
from zmq.core.waiting import sweep_alarm
from zmq.core.waiting.budget import set_budget

numbers = itertools.count()
IN, OUT = int(zmq.POLLIN), int(zmq.POLLOUT)
masks = st.sampled_from([IN, OUT, IN | OUT])
timeouts = st.sampled_from([None, None, 1000, 0])

Found = dict[Any, int]


class Poll:
    """One that waits, and what it asks for now."""

    def __init__(self, asks: Callable[[], Found], task: Task) -> None:
        self.asks, self.task = asks, task


class Polling(Machine):
    """Sockets that their peers write to, a pipe, and two pollers of them."""

    def __init__(self) -> None:
        super().__init__()
        self.hub = FakeHub()
        self.hub.yields = False
        self.Context, self.Socket, self.Poller = green(self.hub)
        self.context = self.Context()
        self.context.linger = 0
        self.sockets: list[zmq.Socket] = []
        self.peers: list[zmq.Socket] = []
        #: Messages before each socket.
        self.there: list[int] = []
        self.pollers = [self.Poller(), self.Poller()]
        self.registered: list[Found] = [{}, {}]
        self.polls: list[Poll] = []
        #: Those whose time is over.
        self.timed: set[Any] = set()
        self.read_end, self.write_end = os.pipe()
        self.bytes = 0

    @initialize(count=st.sampled_from([7, 5, 4, 1]), hwm=st.sampled_from([0, 1]), defers=st.booleans())
    def connect(self, count: int, hwm: int, defers: bool) -> None:
        set_budget(1e-9 if defers else 0)
        self.hub.is_late = defers
        for _ in range(count):
            one, other = self.context.socket(zmq.PAIR), self.context.socket(zmq.PAIR)
            one.hwm = other.hwm = hwm
            address = f"inproc://polled-{next(numbers)}"
            one.bind(address)
            other.connect(address)
            self.sockets.append(one)
            self.peers.append(other)
            self.there.append(0)
        for poller, registered in zip(self.pollers, self.registered, strict=True):
            for socket in self.sockets:
                poller.register(socket, IN)
                registered[socket] = IN

    # The model.

    def what_is_there(self, asks: Found) -> Found:
        """Return what there is to read; room is known to libzmq alone."""
        found = {}
        for item, mask in asks.items():
            if item == self.read_end:
                there = bool(self.bytes)
            else:
                there = item in self.sockets and bool(self.there[self.sockets.index(item)])
            if there and mask & IN:
                found[item] = IN
        return found

    def any_closed(self, asks: Found) -> bool:
        return any(item != self.read_end and item.closed for item in asks)

    def judge(self, asks: Found, found: Found, over: bool) -> None:
        """See that a poll said what is there."""
        assert not self.any_closed(asks), "a poll of a closed socket returned"
        readable = {item for item, events in found.items() if events & IN}
        assert readable == set(self.what_is_there(asks)), "not what is there"
        for item, events in found.items():
            assert events and not events & ~asks[item], "not what was asked for"
            if events & OUT:
                assert item.get(zmq.EVENTS) & OUT, "no room"
        if not found:
            assert over, "a poll returned with nothing before its time was over"
            for item, mask in asks.items():
                assert not (mask & OUT and item.get(zmq.EVENTS) & OUT), "there was room"

    def begin(self, asks: Callable[[], Found], call: Callable[[], Any], timeout: int | None) -> None:
        def poll() -> None:
            try:
                found = dict(call())
            except zmq.ZMQError as error:
                assert error.errno == zmq.ENOTSOCK and self.any_closed(asks()), error
                return
            self.judge(asks(), found, timeout == 0 or task in self.timed or not asks())

        task = Task(poll)
        each = Poll(asks, task)
        task.switch()
        if not task.done:
            self.polls.append(each)
        self.collect_one(task)

    def collect_one(self, task: Task) -> None:
        if task.done and task.error is not None and not isinstance(task.error, Killed):
            raise task.error

    def collect(self) -> None:
        for poll in self.polls:
            self.collect_one(poll.task)
        self.polls = [poll for poll in self.polls if not poll.task.done]

    # Polls.

    @rule(which=st.integers(0, 1), timeout=timeouts)
    def poll(self, which: int, timeout: int | None) -> None:
        registered = self.registered[which]
        self.begin(lambda: registered, lambda: self.pollers[which].poll(timeout), timeout)

    @rule(which=st.integers(0, 1), timeout=st.sampled_from([None, 1000]))
    def poll_of_nothing(self, which: int, timeout: int | None) -> None:
        """Take all that is there first, so that it waits unless there is room that it asks for."""
        for number, socket in enumerate(self.sockets):
            while self.there[number]:
                socket.recv(zmq.NOBLOCK)
                self.there[number] -= 1
        while self.bytes:
            self.read()
        for socket, mask in self.registered[which].items():
            if mask & OUT and socket != self.read_end:
                self.pollers[which].modify(socket, IN)
                self.registered[which][socket] = IN
        self.poll(which, timeout)

    def open_sockets(self, chosen: set[int]) -> list[zmq.Socket]:
        return [socket for number, socket in enumerate(self.sockets) if number in chosen and not socket.closed]

    @rule(chosen=st.sets(st.integers(0, 6)), timeout=timeouts)
    def select(self, chosen: set[int], timeout: int | None) -> None:
        sockets = self.open_sockets(chosen)
        if sockets:
            asks = dict.fromkeys(sockets, IN)

            def call() -> list[tuple[Any, int]]:
                seconds = None if timeout is None else timeout / 1000
                readable, _, _ = zmq.select(sockets, [], [], seconds, poller_class=self.Poller)
                return [(socket, IN) for socket in readable]

            self.begin(lambda: asks, call, timeout)

    @rule(chosen=st.sets(st.integers(0, 6)), mask=masks, timeout=timeouts)
    def zmq_poll(self, chosen: set[int], mask: int, timeout: int | None) -> None:
        sockets = self.open_sockets(chosen)
        if sockets:
            asks = dict.fromkeys(sockets, mask)
            items = [(socket, mask) for socket in sockets]
            limit = -1 if timeout is None else timeout
            self.begin(lambda: asks, lambda: zmq.zmq_poll(items, limit, poller_class=self.Poller), timeout)

    @rule(which=picks, mask=masks, timeout=timeouts)
    def poll_one(self, which: int, mask: int, timeout: int | None) -> None:
        socket = self.sockets[which % len(self.sockets)]
        if not socket.closed:
            asks = {socket: mask}

            def call() -> list[tuple[Any, int]]:
                events = socket.poll(timeout, mask)
                return [(socket, events)] if events else []

            self.begin(lambda: asks, call, timeout)

    # What is registered.

    @rule(which=picks, poller=st.integers(0, 1), mask=masks)
    def register(self, which: int, poller: int, mask: int) -> None:
        socket = self.sockets[which % len(self.sockets)]
        if not socket.closed:
            self.pollers[poller].register(socket, mask)
            self.registered[poller][socket] = mask

    @rule(which=picks, poller=st.integers(0, 1), mask=masks)
    def modify(self, which: int, poller: int, mask: int) -> None:
        socket = self.sockets[which % len(self.sockets)]
        if socket in self.registered[poller]:
            self.pollers[poller].modify(socket, mask)
            self.registered[poller][socket] = mask

    @rule(which=picks, poller=st.integers(0, 1))
    def unregister(self, which: int, poller: int) -> None:
        items = list(self.registered[poller])
        if items:
            item = items[which % len(items)]
            self.pollers[poller].unregister(item)
            del self.registered[poller][item]

    @rule(poller=st.integers(0, 1))
    def register_descriptor(self, poller: int) -> None:
        self.pollers[poller].register(self.read_end, IN)
        self.registered[poller][self.read_end] = IN

    # What comes and goes.

    @rule(which=picks)
    def send(self, which: int) -> None:
        number = which % len(self.sockets)
        if not self.sockets[number].closed:
            try:
                self.peers[number].send(b"x", zmq.NOBLOCK)
            except zmq.Again:
                return
            self.there[number] += 1
            self.collect()

    @rule(which=picks)
    def receive(self, which: int) -> None:
        number = which % len(self.sockets)
        if not self.sockets[number].closed:
            try:
                self.sockets[number].recv(zmq.NOBLOCK)
            except zmq.Again:
                assert not self.there[number], "a message is lost"
                return
            self.there[number] -= 1

    @rule(which=picks)
    def fill(self, which: int) -> None:
        """Send to the peer, so that there is less room."""
        number = which % len(self.sockets)
        if not self.sockets[number].closed:
            try:
                self.sockets[number].send(b"x", zmq.NOBLOCK)
            except zmq.Again:
                return

    @rule(which=picks)
    def drain(self, which: int) -> None:
        number = which % len(self.sockets)
        try:
            while True:
                self.peers[number].recv(zmq.NOBLOCK)
        except zmq.Again:
            return

    @rule(which=picks)
    def read_events(self, which: int) -> None:
        """Still the bell."""
        socket = self.sockets[which % len(self.sockets)]
        if not socket.closed:
            socket.get(zmq.EVENTS)

    @rule()
    def write(self) -> None:
        os.write(self.write_end, b"x")
        self.bytes += 1

    @precondition(lambda self: self.bytes)
    @rule()
    def read(self) -> None:
        os.read(self.read_end, 1)
        self.bytes -= 1

    @rule(which=picks, really=rarely)
    def close(self, which: int, really: bool) -> None:
        if not really:
            return
        number = which % len(self.sockets)
        self.sockets[number].close()
        self.there[number] = 0

    # What the hub does, and who is ended.

    @rule(which=picks)
    def kill(self, which: int) -> None:
        if self.polls:
            self.polls[which % len(self.polls)].task.throw(Killed)
            self.collect()

    @rule(which=picks)
    def expire(self, which: int) -> None:
        if timers := [timer for timer in self.hub.timers if timer.keep and timer not in self.hub.queue_timers()]:
            timer = timers[which % len(timers)]
            # A poll that was woken in vain has made another one.
            self.timed.add(timer.maker)
            self.hub.expire(timer)
            self.collect()

    @rule()
    def run_callback(self) -> None:
        self.hub.run_callback()
        self.collect()

    @rule()
    def next_turn(self) -> None:
        self.hub.run_queue()
        self.collect()

    @rule(which=picks)
    def fire(self, which: int) -> None:
        self.hub.fire(which)
        self.collect()

    @rule()
    def settle(self) -> None:
        self.hub.settle()
        self.collect()
        for poll in self.polls:
            asks = poll.asks()
            assert not self.what_is_there(asks), "a message and a poll do not meet"
            # What was registered meanwhile is seen when somebody tells: a poll that waits looks again then.
            assert not self.any_closed(asks), "a poll waits for a closed socket"
        self.hub.ring_alarm()
        assert sweep_alarm.missed() == self.missed, "a wake-up was missed"
        for poll in self.polls:
            for item, mask in poll.asks().items():
                room = mask & OUT and item.get(zmq.EVENTS) & OUT
                assert not room, "room and a poll do not meet"
        assert not self.hub.callbacks

    # What must hold.

    @invariant()
    def watched_while_somebody_polls(self) -> None:
        watched = [watcher.fd for watcher in self.hub.armed]
        assert len(watched) == len(set(watched)), "a descriptor is watched twice"
        if not self.polls:
            assert self.hub.armed == [], "watched while nobody polls"
            queue = self.hub.queue_timers()
            assert not [timer for timer in self.hub.timers if timer.keep and timer not in queue], "a timer is left"

    @invariant()
    def who_polls_is_known(self) -> None:
        known = who_polls()
        assert len(known) == len(set(known))
        assert set(known) <= {poll.task for poll in self.polls}

    def end(self) -> None:
        if not self.sockets:
            return
        self.settle()
        for poll in self.polls:
            poll.task.throw(Killed)
        self.collect()
        assert not self.polls and self.hub.armed == []
        for number, socket in enumerate(self.sockets):
            for _ in range(self.there[number]):
                socket.recv(zmq.NOBLOCK)
            assert socket.closed or not socket.poll(0)
        self.hub.settle()
        assert not [timer for timer in self.hub.timers if timer.keep]

    def clean_up(self) -> None:
        for socket in (*self.sockets, *self.peers):
            socket.close()
        terminate(self.context)
        os.close(self.read_end)
        os.close(self.write_end)
