"""The invariants of the trampoline under any sequence of operations, searched by hypothesis on fake hubs.

The model is small: which tasks wait on which socket since when and in which hub, and which messages were accepted and
not yet delivered. Real sockets over inproc do the rest, so that libzmq's own edges are what is tested.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Any

import greenlet
import hypothesis.strategies as st
from hypothesis.stateful import initialize, invariant, rule
from machine import Machine, picks, sides, who_wait

import zmq
from support.fake_hub import FakeLoop, Killed, Task, green, spawn
from zmq.core.waiting import hub as core_hub
from zmq.core.waiting import sweep_alarm
from zmq.core.waiting.budget import set_budget

frames = st.integers(1, 3)

#: How the sockets are closed.
ENDS = [
    "when nobody waits",
    "here",
    "by another thread",
    "by the thread that ran the hub before",
    "by another thread, and the hub stops first",
    "by another thread, and the hub ends first",
]


def in_thread(function: Callable[..., Any], *args: Any) -> Any:
    """Call a function in another thread, and wait for it; return what it returned or raised."""
    found: list[Any] = []

    def call() -> None:
        try:
            found.append(function(*args))
        except BaseException as error:
            found.append(error)

    thread = threading.Thread(target=call)
    thread.start()
    thread.join()
    return found[0]


class Waiting(Machine):
    """Two sockets that talk to each other, in both directions if they can, and those who wait for them in two hubs."""

    #: What is said to who wants a socket that is waited for in a hub that runs.
    refusal = "another event loop"
    #: Whether each hub is in a thread of its own, so that calls that do not wait are refused too.
    apart = False

    def __init__(self) -> None:
        super().__init__()
        self.defers = False
        self.hubs = [self.new_hub(), self.new_hub()]
        self.here = self.hubs[0]
        # Those that ended.
        self.ended: list[FakeLoop] = []
        self.untold: list[FakeLoop] = []
        self.Context, _, self.Poller = green(lambda: self.home.get(greenlet.getcurrent(), self.here))
        self.context = self.Context()
        self.context.linger = 0
        self.sockets: list[zmq.Socket] = []
        # Accepted and not yet delivered, by the side that sent them.
        self.flying: tuple[deque[list[bytes]], deque[list[bytes]]] = (deque(), deque())
        self.receivers: tuple[list[Task], list[Task]] = ([], [])
        self.senders: tuple[list[Task], list[Task]] = ([], [])
        self.polls: list[tuple[int, int, Task]] = []
        self.home: dict[greenlet.greenlet, FakeLoop] = {}
        self.given_up: list[Task] = []
        self.way = ENDS[0]

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
        way=st.sampled_from(ENDS),
        defers=st.booleans(),
        talked=st.booleans(),
    )
    def connect(self, kinds: tuple[int, int], hwm: int, way: str, defers: bool, talked: bool) -> None:
        self.way = way
        # A budget that is over whenever somebody is woken in a turn that has not just begun.
        self.defers = defers
        set_budget(1e-9 if defers else 0)
        for hub in self.hubs:
            hub.is_late = defers
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
            self.at(self.here, self.sockets[0].poll, 0)
        self.shadows = [socket.shadow(socket) for socket in self.sockets]
        one_way = kinds[0] in (zmq.PUSH, zmq.PUB)
        self.can_send = [True, not one_way]
        self.can_receive = [not one_way, True]
        if talked:
            self.rally(3, side=0, goes_on=True)

    def new_hub(self) -> FakeLoop:
        hub = self.make_hub()
        hub.is_late = self.defers
        # Yields would depend on the clock.
        hub.yields = False
        return hub

    def make_hub(self) -> FakeLoop:
        return FakeLoop()

    def at(self, hub: FakeLoop, function: Callable[..., Any], *args: Any) -> Any:
        """Call a function in the thread of a hub."""
        return function(*args)

    # What happened to tasks that ended.

    def collect_given_up(self) -> None:
        for hub in (*self.hubs, *self.ended):
            for task, ran in hub.given_up:
                assert not ran, "somebody who waits in a hub that runs was given up"
                assert self.home[task] is hub and not task.done
                self.forget(task)
                self.given_up.append(task)
            hub.given_up.clear()

    def collect(self) -> None:
        self.collect_given_up()
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

    def forget(self, task: Task) -> None:
        for queue in (*self.receivers, *self.senders):
            if task in queue:
                queue.remove(task)
        self.polls = [poll for poll in self.polls if poll[2] is not task]

    def finished(self, side: int, task: Task, received: bool) -> None:
        if task.error is not None:
            assert isinstance(task.error, (Killed, zmq.Again)), task.error
        elif received:
            self.delivered(side, task.result)

    def delivered(self, side: int, message: list[bytes]) -> None:
        assert message == self.flying[1 - side].popleft()

    def accepted(self, side: int, message: list[bytes]) -> None:
        self.flying[side].append(message)

    # Operations.

    def begin(self, side: int, note: Callable[[Task], object], function: Callable[..., Any], *args: Any) -> None:
        """Start a task, here, and note it, if it is not refused because others wait in another hub, which runs."""
        rivals = [task for task in self.waiting(side) if self.home[task] is not self.here]
        refused = any(self.home[task].running for task in rivals)
        task = self.at(self.here, Task, function, *args)
        self.home[task] = self.here
        self.at(self.here, task.switch)
        if isinstance(task.error, RuntimeError):
            assert refused and self.refusal in str(task.error)
        else:
            assert task.done or not refused, "two hubs that run wait for one socket"
            note(task)
        self.collect()
        assert task.done or not set(rivals) & set(self.waiting(side)), "somebody waits in another hub"

    def send_and_note(self, side: int, message: list[bytes]) -> None:
        self.sockets[side].send_multipart(message)
        self.accepted(side, message)

    @rule(side=sides, count=frames, timeout=st.sampled_from([-1, 0, 1000]))
    def send(self, side: int, count: int, timeout: int) -> None:
        if self.can_send[side]:
            self.sockets[side].sndtimeo = timeout
            self.begin(side, self.senders[side].append, self.send_and_note, side, self.message(count))

    @rule(side=sides, timeout=st.sampled_from([-1, 0, 1000]))
    def receive(self, side: int, timeout: int) -> None:
        if self.can_receive[side]:
            self.sockets[side].rcvtimeo = timeout
            self.begin(side, self.receivers[side].append, self.sockets[side].recv_multipart)

    @rule(rounds=st.integers(3, 12), side=sides, goes_on=st.booleans())
    def rally(self, rounds: int, side: int, goes_on: bool) -> None:
        """Have both sides talk to each other, if nobody else does; then one may ask once more, without an attempt."""
        if all(self.can_send) and all(self.can_receive) and not self.waiting() and not any(self.flying):
            for socket in self.sockets:
                socket.sndtimeo = socket.rcvtimeo = -1
            self.begin(1 - side, self.receivers[1 - side].append, self.serve, 1 - side, rounds)
            asking = self.at(self.here, spawn, self.ask_often, side, rounds)
            self.at(self.here, self.here.settle)
            assert asking.done and asking.error is None
            if goes_on:
                self.ask(side, served=False)

    def serve(self, side: int, rounds: int) -> list[bytes]:
        for _ in range(rounds):
            self.sockets[side].send(self.sockets[side].recv())
        return self.sockets[side].recv_multipart()

    def ask_often(self, side: int, rounds: int) -> None:
        for _ in range(rounds):
            self.sockets[side].send(b"ball")
            assert self.sockets[side].recv() == b"ball"

    @rule(side=sides, served=st.booleans())
    def ask(self, side: int, served: bool) -> None:
        """Send and receive in one task, which may park before it has looked whether a message is there."""
        if self.can_send[side] and self.can_receive[side]:
            if served:
                self.receive(1 - side, -1)
            message = self.message(1)
            self.begin(side, self.receivers[side].append, self.send_and_receive, side, message)

    def send_and_receive(self, side: int, message: list[bytes]) -> list[bytes]:
        self.sockets[side].send(message[0], zmq.NOBLOCK)
        self.accepted(side, message)
        return self.sockets[side].recv_multipart()

    def at_once(self, side: int, function: Callable[..., Any], *args: Any) -> tuple[Any] | None:
        """Make a call that does not wait, here; return what it returned, or None where it could not be made."""
        rivals = {self.home[task] for task in self.waiting(side)} - {self.here}
        try:
            return (self.at(self.here, function, *args),)
        except zmq.Again:
            pass
        except RuntimeError as error:
            assert self.apart and any(hub.running for hub in rivals) and self.refusal in str(error)
        finally:
            # It comes upon those who wait in a hub that ended without a word.
            self.collect_given_up()
        return None

    @rule(side=sides, count=frames, by_shadow=st.booleans())
    def send_at_once(self, side: int, count: int, by_shadow: bool) -> None:
        if self.can_send[side]:
            message = self.message(count)
            socket = self.shadows[side] if by_shadow else self.sockets[side]
            if self.at_once(side, socket.send_multipart, message, zmq.NOBLOCK):
                self.accepted(side, message)

    @rule(side=sides, count=frames)
    def send_several_at_once(self, side: int, count: int) -> None:
        """Send a batch; of one that finds no room the beginning is sent."""
        if self.can_send[side]:
            messages = [self.message(1) for _ in range(count)]
            found = self.at_once(side, self.send_batch, side, [message[0] for message in messages])
            for message in messages[: found[0] if found else 0]:
                self.accepted(side, message)

    def send_batch(self, side: int, messages: list[bytes]) -> int:
        return self.sockets[side].send_many(messages, zmq.NOBLOCK)

    @rule(side=sides, by_shadow=st.booleans())
    def receive_at_once(self, side: int, by_shadow: bool) -> None:
        if self.can_receive[side]:
            socket = self.shadows[side] if by_shadow else self.sockets[side]
            found = self.at_once(side, socket.recv_multipart, zmq.NOBLOCK)
            if found:
                # Tasks that were served before this call and noticed later come first.
                self.collect()
                self.delivered(side, found[0])

    @rule(side=sides, events=st.sampled_from([zmq.POLLIN, zmq.POLLOUT, zmq.POLLIN | zmq.POLLOUT]))
    def look(self, side: int, events: int) -> None:
        self.at_once(side, self.sockets[side].poll, 0, events)

    @rule(side=sides)
    def read_events(self, side: int) -> None:
        self.at_once(side, self.sockets[side].get, zmq.EVENTS)

    @rule(side=sides, events=st.sampled_from([zmq.POLLIN, zmq.POLLOUT]))
    def poll(self, side: int, events: int) -> None:
        self.begin_poll(side, events, self.sockets[side].poll, None, events)

    @rule(side=sides, events=st.sampled_from([zmq.POLLIN, zmq.POLLOUT]))
    def poll_with_poller(self, side: int, events: int) -> None:
        poller = self.Poller()
        poller.register(self.sockets[side], events)
        self.begin_poll(side, events, poller.poll)

    def begin_poll(self, side: int, events: int, *call: Any) -> None:
        self.begin(side, lambda task: self.polls.append((side, events, task)), *call)

    # Ends.

    def waiting(self, *sides: int) -> list[Task]:
        found: list[Task] = []
        for side in sides or (0, 1):
            found += [*self.receivers[side], *self.senders[side]]
            found += [task for polled, _, task in self.polls if polled == side]
        return found

    # No preconditions: libzmq looks at a clock of its own, so that a replay may have other tasks that wait.

    @rule(which=picks)
    def kill(self, which: int) -> None:
        if tasks := self.waiting():
            self.kill_one(tasks[which % len(tasks)])
            self.collect()

    def kill_one(self, task: Task) -> None:
        self.at(self.home[task], task.throw, Killed)

    @rule(which=picks)
    def kill_one_who_was_given_up(self, which: int) -> None:
        if self.given_up:
            task = self.given_up.pop(which % len(self.given_up))
            self.kill_one(task)
            assert isinstance(task.error, Killed)
            self.collect()

    # The hubs. They stop, run again, end, and are of this thread or another.

    @rule(which=sides)
    def go(self, which: int) -> None:
        """Whoever waits from now on waits in this hub."""
        self.here = self.hubs[which]

    @rule(which=sides, runs=st.booleans())
    def stop_or_run(self, which: int, runs: bool) -> None:
        self.hubs[which].running = runs

    @rule(which=sides, tells=st.booleans())
    def end_hub(self, which: int, tells: bool) -> None:
        """A hub ends for good, and gives up whoever waits there, as that of a thread that ends; or tells nobody."""
        hub = self.hubs[which]
        hub.end()
        if tells:
            self.at(hub, hub.give_up_all)
            self.collect()
            assert hub not in [self.home[task] for task in self.waiting()]
        else:
            self.untold.append(hub)
        self.ended.append(hub)
        self.hubs[which] = self.new_hub()
        if self.here is hub:
            self.here = self.hubs[which]

    @rule(side=sides)
    def look_from_another_thread(self, side: int) -> None:
        found = in_thread(self.sockets[side].poll, 0)
        homes = {self.home[task] for task in self.waiting(side)}
        if any(hub.running for hub in homes):
            assert isinstance(found, RuntimeError) and "another thread" in str(found)
        else:
            assert isinstance(found, int)
        # A hub that ended has no thread.
        self.collect()
        assert all(hub.alive for hub in {self.home[task] for task in self.waiting(side)})

    def hub(self, which: int) -> FakeLoop | None:
        """Return one that runs."""
        running = [hub for hub in self.hubs if hub.running]
        return running[which % len(running)] if running else None

    @rule(which=picks, other=picks)
    def expire(self, which: int, other: int) -> None:
        hub = self.hub(other)
        if hub and (timers := [timer for timer in hub.timers if timer.keep]):
            self.at(hub, hub.expire, timers[which % len(timers)])
            self.collect()

    @rule(other=picks)
    def run_callback(self, other: int) -> None:
        if hub := self.hub(other):
            self.at(hub, hub.run_callback)
            self.collect()

    @rule(other=picks)
    def next_turn(self, other: int) -> None:
        if hub := self.hub(other):
            self.at(hub, hub.run_queue)
            self.collect()

    @rule(which=picks, other=picks)
    def fire(self, which: int, other: int) -> None:
        if hub := self.hub(other):
            self.at(hub, hub.fire, which)
            self.collect()

    def settle_hubs(self) -> None:
        """Run callbacks and descriptors of the hubs that run until nothing is left to do."""
        running = [hub for hub in self.hubs if hub.running]
        # What one of them does may ring a bell that another one watches.
        while any(hub.callbacks or hub.readable() or hub.queue_timers() for hub in running):
            for hub in running:
                self.at(hub, hub.settle)

    @rule()
    def settle(self) -> None:
        self.settle_hubs()
        # For senders of an XPUB that drops nothing EVENTS does not tell; they are tried again in a moment.
        for hub in self.hubs:
            looks = [timer for timer in hub.timers if getattr(timer.callback, "__name__", "") == "on_look"]
            for timer in looks if hub.running else []:
                self.at(hub, hub.expire, timer)
                self.settle_hubs()
        self.collect()
        # At rest nobody waits for what is there, in a hub that runs.
        for side in (0, 1):
            if not self.runs(self.waiting(side)):
                continue
            assert not (self.receivers[side] and self.flying[1 - side]), "a message and a receiver do not meet"
            for polled, events, _ in self.polls:
                if polled == side and events == zmq.POLLIN:
                    assert not self.flying[1 - side], "a message and a poll do not meet"
        # The alarm finds nothing, and what it looks at wakes nobody.
        for hub in self.hubs:
            if hub.running:
                self.at(hub, hub.ring_alarm)
                assert sweep_alarm.missed() == self.missed
                assert not hub.callbacks
        for side in (0, 1):
            if self.senders[side] and not self.flying[side] and self.runs(self.senders[side]):
                raise AssertionError("an empty pipe and a sender do not meet")

    def runs(self, tasks: list[Task]) -> bool:
        return all(self.home[task].running for task in tasks)

    def entries(self) -> list[dict[str, Any]]:
        """Return what the package says of those who wait, of this machine's sockets alone."""
        return who_wait(self.sockets)

    @invariant()
    def watched_while_somebody_waits(self) -> None:
        entries = self.entries()
        for hub in (*self.hubs, *self.ended):
            parked = {entry["fd"] for entry in entries if self.home[entry["waiter"]] is hub}
            armed = [watcher.fd for watcher in hub.armed]
            assert len(armed) == len(set(armed))
            # Who was chosen needs no watcher, and may wait for the next turn.
            assert parked <= set(armed) | hub.will_look_at() or hub.queue_timers()
            if hub not in [self.home[task] for task in self.waiting()]:
                assert armed == []
                # Who was in the queue may have left since.
                queue = hub.queue_timers()
                assert len(queue) <= 1
                assert not [timer for timer in hub.timers if timer.keep and timer not in queue]

    @invariant()
    def everybody_is_in_one_queue(self) -> None:
        greenlets = [entry["waiter"] for entry in self.entries()]
        assert len(greenlets) == len(set(greenlets))
        assert set(greenlets) <= set(self.waiting())

    @invariant()
    def all_wait_in_one_hub(self) -> None:
        for side in (0, 1):
            assert len({self.home[task] for task in self.waiting(side)}) <= 1

    @invariant()
    def who_was_given_up_does_not_run(self) -> None:
        assert not any(task.done for task in self.given_up)

    def clean_up(self) -> None:
        for socket in self.sockets:
            socket.close()

    def end(self) -> None:
        self.settle()
        if self.way == ENDS[0]:
            # Nothing is lost: what was accepted is still there.
            for task in self.waiting():
                self.kill_one(task)
            self.collect()
            for side in (0, 1):
                while self.flying[side]:
                    self.delivered(1 - side, self.sockets[1 - side].recv_multipart(zmq.NOBLOCK))
        waiting = self.waiting()
        for task in waiting:
            self.forget(task)
        self.close([task for task in waiting if self.home[task].running])
        # That of the thread that runs the machine.
        self.here = FakeLoop()
        term = spawn(self.context.term)
        self.collect()
        for hub in (*self.hubs, *self.ended):
            # A hub that ended without a word takes the timer of its queue along, which wakes nobody; one that has
            # stopped has it until it runs again.
            of_queue = hub.queue_timers() if hub in self.untold or not hub.running else []
            assert hub.armed == [] and not [timer for timer in hub.timers if timer.keep and timer not in of_queue]
        # Nothing wakes those who were given up, and the others hear of it.
        for hub in self.hubs:
            hub.running = True
            self.at(hub, hub.settle)
        for task in waiting:
            if not task.done and task not in self.given_up:
                # A poller may still be used: it finds the socket closed when its hub runs again.
                assert not self.home[task].alive and isinstance(task.call[0].__self__, zmq.Poller)
                self.given_up.append(task)
            elif task.done:
                assert isinstance(task.error, zmq.ZMQError) and task.error.errno == zmq.ENOTSOCK
        for task in self.given_up:
            assert not task.done
            self.kill_one(task)
        self.here.settle_until(lambda: term.done)
        assert not [timer for hub in (*self.hubs, self.here) for timer in hub.timers]

    def close(self, served: list[Task]) -> None:
        """Close the sockets, whoever waits for them; `served` are those in hubs that run."""
        hubs = {self.home[task] for task in served}
        for hub in hubs:
            hub.runner = 0 if "before" in self.way else hub.runner
        for socket in self.sockets:
            if "another" in self.way:
                assert in_thread(socket.close) is None
            else:
                self.at(self.here, socket.close)
            assert socket.closed
        for hub in hubs:
            if "thread" in self.way:
                # The hub closes them for libzmq. Nobody has touched it until then.
                assert hub.armed
            hub.runner = self.at(hub, core_hub.thread_ident)
        assert not any(task.done for task in served)
        if "first" in self.way:
            # Whoever ends the context closes them.
            for hub in hubs:
                hub.running = False
                if "ends" in self.way:
                    hub.end()
        else:
            self.settle_hubs()
            assert all(task.done for task in served)
