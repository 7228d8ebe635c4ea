"""The invariants of the trampoline under any sequence of operations, searched by hypothesis on the fake hub.

The model is small: which tasks wait on which socket since when, and which messages were accepted and not yet
delivered. Real sockets over inproc do the rest, so that libzmq's own edges are what is tested.
"""

from __future__ import annotations

import itertools
from collections import deque
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

import zmq
from fake_hub import FakeHub, Killed, Task, green, spawn
from zmq.core import hub as core_hub
from zmq.core.trampoline import _set_sure, get_budget, set_budget, statistics

sides = st.integers(0, 1)
picks = st.integers(0, 20)
frames = st.integers(1, 3)


class Waiting(RuleBasedStateMachine):
    """Two sockets that talk to each other, in both directions if they can, and those who wait for them."""

    def __init__(self) -> None:
        super().__init__()
        # Yields would depend on the clock.
        self.budget = get_budget()
        set_budget(0)
        self.hub = FakeHub()
        self.Context, _, self.Poller = green(self.hub)
        self.context = self.Context()
        self.context.linger = 0
        # Two who talk to each other soon do so without their bells.
        self.sure = _set_sure(1)
        self.missed = core_hub.missed()
        self.serial = itertools.count()
        self.sockets: list[zmq.Socket] = []
        # Accepted and not yet delivered, by the side that sent them.
        self.flying: tuple[deque[list[bytes]], deque[list[bytes]]] = (deque(), deque())
        self.receivers: tuple[list[Task], list[Task]] = ([], [])
        self.senders: tuple[list[Task], list[Task]] = ([], [])
        self.polls: list[tuple[int, int, Task]] = []
        self.ended = False

    @initialize(
        kinds=st.sampled_from(
            [
                (zmq.PAIR, zmq.PAIR),
                (zmq.DEALER, zmq.DEALER),
                (zmq.PUSH, zmq.PULL),
                (zmq.PUB, zmq.SUB),
            ]
        ),
        hwm=st.integers(1, 3),
    )
    def connect(self, kinds: tuple[int, int], hwm: int) -> None:
        for kind in kinds:
            socket = self.context.socket(kind)
            socket.hwm = hwm
            self.sockets.append(socket)
        self.sockets[0].bind("inproc://machine")
        if kinds[1] == zmq.SUB:
            self.sockets[0].set(zmq.XPUB_NODROP, 1)
            self.sockets[1].subscribe(b"")
        self.sockets[1].connect("inproc://machine")
        if kinds[1] == zmq.SUB:
            # The subscription has to arrive before anything counts.
            self.sockets[0].poll(0)
        one_way = kinds[0] in (zmq.PUSH, zmq.PUB)
        self.can_send = [True, not one_way]
        self.can_receive = [not one_way, True]

    # What happened to tasks that ended.

    def collect(self) -> None:
        for side in (0, 1):
            # First come, first served, and nothing but the next message.
            for queue in (self.receivers[side], self.senders[side]):
                while queue and queue[0].done:
                    self.finished(side, queue.pop(0), queue is self.receivers[side])
                assert not any(task.done and task.error is None for task in queue), "somebody was overtaken"
                for task in [task for task in queue if task.done]:
                    queue.remove(task)
                    self.finished(side, task, False)
        self.polls = [poll for poll in self.polls if not poll[2].done]

    def finished(self, side: int, task: Task, received: bool) -> None:
        if task.error is not None:
            assert isinstance(task.error, (Killed, zmq.Again)), task.error
        elif received:
            self.delivered(side, task.result)

    def delivered(self, side: int, message: list[bytes]) -> None:
        assert message == self.flying[1 - side].popleft()

    def message(self, count: int) -> list[bytes]:
        number = next(self.serial)
        return [b"%d.%d" % (number, i) for i in range(count)]

    def accepted(self, side: int, message: list[bytes]) -> None:
        self.flying[side].append(message)

    # Operations.

    def send_and_note(self, side: int, message: list[bytes]) -> None:
        self.sockets[side].send_multipart(message)
        self.accepted(side, message)

    @rule(side=sides, count=frames, timed=st.booleans())
    def send(self, side: int, count: int, timed: bool) -> None:
        if self.can_send[side]:
            self.sockets[side].sndtimeo = 1000 if timed else -1
            self.senders[side].append(spawn(self.send_and_note, side, self.message(count)))
            self.collect()

    @rule(side=sides, timed=st.booleans())
    def receive(self, side: int, timed: bool) -> None:
        if self.can_receive[side]:
            self.sockets[side].rcvtimeo = 1000 if timed else -1
            self.receivers[side].append(spawn(self.sockets[side].recv_multipart))
            self.collect()

    @rule(rounds=st.integers(3, 12))
    def rally(self, rounds: int) -> None:
        """Have both sides talk to each other, if nobody else does."""
        if all(self.can_send) and all(self.can_receive) and not self.waiting() and not any(self.flying):
            players = [spawn(self.play, side, rounds) for side in (0, 1)]
            self.sockets[0].send(b"ball")
            self.hub.settle()
            assert all(player.done and player.error is None for player in players)
            assert self.sockets[1].recv(zmq.NOBLOCK) == b"ball"

    def play(self, side: int, rounds: int) -> None:
        for _ in range(rounds):
            self.sockets[side].send(self.sockets[side].recv())

    @rule(side=sides, served=st.booleans())
    def ask(self, side: int, served: bool) -> None:
        """Send and receive in one task, which may park before it has looked whether a message is there."""
        if self.can_send[side] and self.can_receive[side]:
            if served:
                self.receive(1 - side, False)
            message = self.message(1)
            self.receivers[side].append(spawn(self.send_and_receive, side, message))
            self.collect()

    def send_and_receive(self, side: int, message: list[bytes]) -> list[bytes]:
        self.sockets[side].send(message[0], zmq.NOBLOCK)
        self.accepted(side, message)
        return self.sockets[side].recv_multipart()

    @rule(side=sides, count=frames)
    def send_at_once(self, side: int, count: int) -> None:
        if self.can_send[side]:
            message = self.message(count)
            try:
                self.sockets[side].send_multipart(message, zmq.NOBLOCK)
            except zmq.Again:
                return
            self.accepted(side, message)

    @rule(side=sides)
    def receive_at_once(self, side: int) -> None:
        if self.can_receive[side]:
            try:
                message = self.sockets[side].recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                return
            # Tasks that were served before this call and noticed later come first.
            self.collect()
            self.delivered(side, message)

    @rule(side=sides, events=st.sampled_from([zmq.POLLIN, zmq.POLLOUT, zmq.POLLIN | zmq.POLLOUT]))
    def look(self, side: int, events: int) -> None:
        self.sockets[side].poll(0, events)

    @rule(side=sides)
    def read_events(self, side: int) -> None:
        self.sockets[side].get(zmq.EVENTS)

    @rule(side=sides, events=st.sampled_from([zmq.POLLIN, zmq.POLLOUT]))
    def poll(self, side: int, events: int) -> None:
        self.polls.append((side, events, spawn(self.sockets[side].poll, None, events)))
        self.collect()

    @rule(side=sides, events=st.sampled_from([zmq.POLLIN, zmq.POLLOUT]))
    def poll_with_poller(self, side: int, events: int) -> None:
        poller = self.Poller()
        poller.register(self.sockets[side], events)
        self.polls.append((side, events, spawn(poller.poll)))
        self.collect()

    # Ends.

    def waiting(self) -> list[Task]:
        return [task for tasks in (*self.receivers, *self.senders) for task in tasks] + [p[2] for p in self.polls]

    # No preconditions: libzmq looks at a clock of its own, so that a replay may have other tasks that wait.

    @rule(which=picks)
    def kill(self, which: int) -> None:
        if tasks := self.waiting():
            tasks[which % len(tasks)].throw(Killed)
            self.collect()

    @rule(which=picks)
    def expire(self, which: int) -> None:
        if timers := [timer for timer in self.hub.timers if timer.keep]:
            self.hub.expire(timers[which % len(timers)])
            self.collect()

    # The hub.

    @rule()
    def run_callback(self) -> None:
        self.hub.run_callback()
        self.collect()

    @rule(which=picks)
    def fire(self, which: int) -> None:
        self.hub.fire(which)
        self.collect()

    @rule()
    def settle(self) -> None:
        self.hub.settle()
        # For senders of an XPUB that drops nothing EVENTS does not tell; they are tried again in a moment.
        for timer in [timer for timer in self.hub.timers if timer.callback.__name__ == "on_look"]:
            self.hub.expire(timer)
            self.hub.settle()
        self.collect()
        # At rest nobody waits for what is there.
        for side in (0, 1):
            assert not (self.receivers[side] and self.flying[1 - side]), "a message and a receiver do not meet"
        for side, events, _ in self.polls:
            if events == zmq.POLLIN:
                assert not self.flying[1 - side], "a message and a poll do not meet"
        # The alarm finds nothing, and what it looks at wakes nobody.
        self.hub.ring_alarm()
        assert core_hub.missed() == self.missed
        assert not self.hub.callbacks
        for side in (0, 1):
            if self.senders[side] and not self.flying[side]:
                raise AssertionError("an empty pipe and a sender do not meet")

    def entries(self) -> list[dict[str, Any]]:
        """Return what the package says of those who wait, of this machine's sockets alone."""
        bells = {socket.fileno() for socket in self.sockets if not socket.closed}
        return [entry for entry in statistics()["waiting"] if entry["fd"] in bells]

    @invariant()
    def armed_while_somebody_waits(self) -> None:
        parked = {entry["fd"] for entry in self.entries()}
        armed = [watcher.fd for watcher in self.hub.armed]
        assert len(armed) == len(set(armed))
        assert parked <= set(armed)
        if not self.waiting():
            assert armed == []
            assert not [timer for timer in self.hub.timers if timer.keep]

    @invariant()
    def everybody_is_in_one_queue(self) -> None:
        greenlets = [entry["greenlet"] for entry in self.entries()]
        assert len(greenlets) == len(set(greenlets))
        assert set(greenlets) <= set(self.waiting())

    def teardown(self) -> None:
        set_budget(self.budget)
        _set_sure(self.sure)
        if self.sockets:
            try:
                self.end()
            finally:
                for socket in self.sockets:
                    socket.close()

    def end(self) -> None:
        self.settle()
        # Nothing is lost: what was accepted is still there.
        for task in self.waiting():
            task.throw(Killed)
        self.collect()
        for side in (0, 1):
            while self.flying[side]:
                self.delivered(1 - side, self.sockets[1 - side].recv_multipart(zmq.NOBLOCK))
        for socket in self.sockets:
            socket.close()
        assert self.hub.armed == []
        term = spawn(self.context.term)
        self.hub.settle_until(lambda: term.done)
        assert self.hub.timers == []


# A failure is shown only after hypothesis has made it small, which takes longer than the search.
TestWaiting = pytest.mark.timeout(300)(Waiting.TestCase)
TestWaiting.settings = settings(
    max_examples=300, stateful_step_count=60, deadline=None, suppress_health_check=list(HealthCheck)
)
