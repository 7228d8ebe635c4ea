"""Event loops that stop, change threads and are closed, searched by hypothesis: sockets go from loop to loop.

Two loops are turned one at a time, in either of two native threads that do nothing but what they are told. One may be
kept in the midst of a turn: it runs, and whoever wants its sockets elsewhere is refused. The model is which call waits
in which loop, and what was sent.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any

import hypothesis.strategies as st
from hypothesis.stateful import initialize, invariant, rule
from machine import Machine, Puppet, picks, settle, sides, turn, who_polls

import zmq
import zmq.asyncio as za

numbers = itertools.count()


class Loop:
    """One of the loops, and the thread that is in the midst of one of its turns."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        # It would tell of tasks that it leaves behind.
        self.loop.set_exception_handler(lambda loop, context: None)
        self.runner: Puppet | None = None
        self.left: Callable[[], Any] | None = None


class Call:
    """A receive, or a poll of both sockets, and the loop in which it waits."""

    def __init__(self, future: Any, loop: Loop, waits_for: tuple[int, ...]) -> None:
        self.future, self.loop, self.waits_for = future, loop, waits_for


class Moving(Machine):
    """Two sockets, their peers, and those who wait for them in two loops and two threads."""

    def __init__(self) -> None:
        super().__init__()
        self.puppets = [Puppet(), Puppet()]
        self.loops = [Loop(), Loop()]
        self.context = za.Context()
        self.sent: list[Counter[bytes]] = [Counter(), Counter()]
        self.got: list[Counter[bytes]] = [Counter(), Counter()]
        self.calls: list[Call] = []
        #: Those that another loop took the sockets from, or whose loop was closed.
        self.given_up: list[Call] = []
        self.sockets: list[Any] = []
        #: Two who talk to each other: what each has sent and the other not seen, and who waits for an answer.
        self.duo: list[Any] = []
        self.said: list[list[bytes]] = [[], []]
        self.asking: list[tuple[int, Any, Loop]] = []
        self.playing: list[tuple[Any, Loop]] = []

    @initialize(closes=st.sampled_from(["last", "here", "in the midst of a turn"]))
    def connect(self, closes: str) -> None:
        self.closes = closes
        self.peers = []
        for _ in range(2):
            socket, peer = self.context.socket(zmq.PAIR), zmq.Socket(self.context, zmq.PAIR)
            address = f"inproc://moved-{next(numbers)}"
            socket.bind(address)
            peer.connect(address)
            self.sockets.append(socket)
            self.peers.append(peer)
        self.meet()
        self.plain = [zmq.Socket.shadow(socket) for socket in self.sockets]
        self.poller = za.Poller()
        for socket in self.sockets:
            self.poller.register(socket, zmq.POLLIN)

    def meet(self) -> None:
        for socket in self.duo:
            socket.close()
        self.duo = [self.context.socket(zmq.DEALER) for _ in range(2)]
        self.duo[0].bind(f"inproc://duo-{next(numbers)}")
        self.duo[1].connect(self.duo[0].last_endpoint)
        self.said = [[], []]

    # The loops.

    def free(self, which: int) -> Puppet | None:
        """Return a thread that is in the midst of nothing."""
        busy = [each.runner for each in self.loops]
        there = [puppet for puppet in self.puppets if puppet not in busy]
        return there[which % len(there)] if there else None

    def within(self, loop: Loop, which: int, function: Callable[[], Any]) -> Any:
        """Call a function in a loop: in the turn that it is in the midst of, or in one of its own, in some thread."""
        if loop.runner is not None:
            return loop.runner.do(function)
        puppet = self.free(which)
        assert puppet is not None
        found: list[Any] = []

        def call() -> None:
            try:
                found.append((function(), None))
            except Exception as error:
                found.append((None, error))

        def run() -> None:
            loop.loop.call_soon(call)
            turn(loop.loop)

        puppet.do(run)
        result, error = found[0]
        if error is not None:
            raise error
        return result

    @rule(which=sides, thread=sides)
    def turn(self, which: int, thread: int) -> None:
        loop, puppet = self.loops[which], self.free(thread)
        if loop.runner is None and puppet is not None:
            puppet.do(turn, loop.loop)
        self.collect()

    @rule(which=sides, thread=sides)
    def stay(self, which: int, thread: int) -> None:
        """Be in the midst of a turn from now on."""
        loop, puppet = self.loops[which], self.free(thread)
        if loop.runner is None and puppet is not None:
            loop.loop.call_soon(puppet.run)
            loop.left = puppet.begin(turn, loop.loop)
            loop.runner = puppet
            # It is there when it answers.
            puppet.do(lambda: None)

    @rule(which=sides)
    def go_on(self, which: int) -> None:
        loop = self.loops[which]
        if loop.runner is not None:
            assert loop.left is not None
            loop.runner.leave()
            loop.left()
            loop.runner = loop.left = None
        self.collect()

    @rule(which=sides)
    def close_loop(self, which: int) -> None:
        """It ends with whoever waits in it, and another one begins."""
        self.go_on(which)
        loop, puppet = self.loops[which], self.free(0)
        if puppet is not None:
            # Tasks that have not begun would say so.
            puppet.do(turn, loop.loop)
            self.collect()
        loop.loop.close()
        for call in [call for call in self.calls if call.loop is loop]:
            self.calls.remove(call)
            self.given_up.append(call)
        if loop in [*(each for _, _, each in self.asking), *(each for _, each in self.playing)]:
            # What was told to them is lost with them.
            self.asking.clear()
            self.playing.clear()
            self.meet()
        self.loops[which] = Loop()

    # The model.

    def collect(self) -> None:
        for call in [call for call in (*self.calls, *self.given_up) if call.future.done()]:
            (self.calls if call in self.calls else self.given_up).remove(call)
            with contextlib.suppress(asyncio.CancelledError):
                found = call.future.result()
                if len(call.waits_for) == 1:
                    self.received(call.waits_for[0], found)

        for side, task, loop in [each for each in self.asking if each[1].done()]:
            self.asking.remove((side, task, loop))
            assert task.result() == self.said[1 - side].pop(0), "an answer is lost, doubled or out of order"

        for each in [each for each in self.playing if each[0].done()]:
            self.playing.remove(each)
            each[0].result()

    def received(self, side: int, message: bytes) -> None:
        self.got[side][message] += 1
        assert not self.got[side] - self.sent[side], "a message came twice"

    def rivals(self, loop: Loop | None, waits_for: tuple[int, ...]) -> list[Call]:
        """Return those who wait for any of these sockets in another loop."""
        return [call for call in self.calls if call.loop is not loop and set(call.waits_for) & set(waits_for)]

    def begin(self, which: int, thread: int, function: Callable[[], Any], waits_for: tuple[int, ...]) -> None:
        loop = self.loops[which]
        if loop.runner is None and self.free(thread) is None:
            return
        self.collect()
        rivals = self.rivals(loop, waits_for)
        refused = any(call.loop.runner is not None for call in rivals)
        try:
            future = self.within(loop, thread, function)
        except RuntimeError as error:
            assert refused, error
            assert "another" in str(error)
            self.collect()
            return
        if future.done() and not future.cancelled() and isinstance(future.exception(), RuntimeError):
            assert refused, future.exception()
            self.collect()
            return
        call = Call(future, loop, waits_for)
        if not future.done():
            assert not refused, "two loops that run wait for one socket"
            for rival in rivals:
                self.calls.remove(rival)
                self.given_up.append(rival)
        self.calls.append(call)
        self.collect()

    # What may happen.

    @rule(side=sides, which=sides, thread=sides)
    def receive(self, side: int, which: int, thread: int) -> None:
        self.begin(which, thread, self.sockets[side].recv, (side,))

    @rule(which=sides, thread=sides)
    def poll(self, which: int, thread: int) -> None:
        self.begin(which, thread, self.poller.poll, (0, 1))

    def may_talk(self, which: int, thread: int) -> bool:
        """Tell whether the two may talk in this loop: those who wait are in no other one."""
        self.collect()
        loop = self.loops[which]
        return all(each is loop for _, _, each in self.asking) and (loop.runner or self.free(thread)) is not None

    @rule(which=sides, thread=sides, rounds=st.integers(3, 9))
    def rally(self, which: int, thread: int, rounds: int) -> None:
        """Have the two talk to each other, soon without their bells, wherever the loop turns meanwhile."""
        if self.asking or any(self.said) or self.playing or not self.may_talk(which, thread):
            return

        async def play(side: int) -> None:
            if side == 0:
                await self.duo[0].send(b"ball")
            for _ in range(rounds):
                assert await self.duo[side].recv() == b"ball"
                if side == 1 or _ < rounds - 1:
                    await self.duo[side].send(b"ball")

        loop = self.loops[which]
        for side in (1, 0):
            self.playing.append((self.within(loop, thread, lambda side=side: loop.loop.create_task(play(side))), loop))

    @rule(side=sides, which=sides, thread=sides)
    def ask(self, side: int, which: int, thread: int) -> None:
        """Send and receive in one task, which may wait before it has looked whether a message is there."""
        if self.playing or not self.may_talk(which, thread) or any(asks == side for asks, _, _ in self.asking):
            return
        loop, message = self.loops[which], self.message()[0]

        async def ask() -> Any:
            await self.duo[side].send(message)
            self.said[side].append(message)
            return await self.duo[side].recv()

        self.asking.append((side, self.within(loop, thread, lambda: loop.loop.create_task(ask())), loop))

    @rule(side=sides, which=sides, thread=sides)
    def say(self, side: int, which: int, thread: int) -> None:
        if not self.playing and self.may_talk(which, thread):
            message = self.message()[0]
            self.within(self.loops[which], thread, lambda: self.duo[side].send(message))
            self.said[side].append(message)

    @rule(side=sides)
    def send(self, side: int) -> None:
        message = self.message()[0]
        self.sent[side][message] += 1
        self.peers[side].send(message)

    @rule(side=sides, thread=st.integers(0, 2))
    def receive_past_the_loops(self, side: int, thread: int) -> None:
        """In no loop, in a thread that has run them or not: refused while one that waits runs elsewhere."""
        puppet = self.free(thread) if thread < 2 else None
        self.collect()
        running = any(call.loop.runner is not None and side in call.waits_for for call in self.calls)
        receive = partial(self.plain[side].recv, zmq.NOBLOCK)
        try:
            message = receive() if puppet is None else puppet.do(receive)
        except zmq.Again:
            assert not running, "somebody used a socket for which a loop waits that runs in another thread"
            return
        except RuntimeError as error:
            assert running and "another thread" in str(error)
            return
        assert not running, "somebody used a socket for which a loop waits that runs in another thread"
        self.received(side, message)

    @rule(which=picks, thread=sides)
    def cancel(self, which: int, thread: int) -> None:
        if self.calls:
            call = self.calls[which % len(self.calls)]
            if call.loop.runner is not None or self.free(thread) is not None:
                self.within(call.loop, thread, call.future.cancel)
            self.collect()

    @rule(which=picks)
    def cancel_in_no_loop(self, which: int) -> None:
        """Of a loop that does not run."""
        calls = [call for call in (*self.calls, *self.given_up) if call.loop.runner is None]
        if calls:
            with contextlib.suppress(RuntimeError):  # its loop is closed, and has nobody to tell
                calls[which % len(calls)].future.cancel()
            self.collect()

    @rule(thread=sides)
    def settle(self, thread: int) -> None:
        puppet = self.free(thread)
        if puppet is None:
            return
        for loop in self.loops:
            if loop.runner is None:
                puppet.do(settle, loop.loop)
        self.collect()
        for _, loop in self.playing:
            assert loop.runner is not None, "a ball and who waits for it do not meet"
        for side, _, loop in self.asking:
            assert not self.said[1 - side] or loop.runner is not None, "an answer and who waits for it do not meet"
        for side in (0, 1):
            if self.sent[side] - self.got[side]:
                for call in self.calls:
                    met = side not in call.waits_for or call.loop.runner is not None
                    assert met, "a message and who waits for it do not meet"

    # What must hold.

    @invariant()
    def who_waits_is_known(self) -> None:
        for side, socket in enumerate(self.sockets):
            pending = za.pending(socket, zmq.POLLIN)
            waiting = [call.future for call in self.calls if call.waits_for == (side,) and not call.future.done()]
            assert set(map(id, waiting)) <= set(map(id, pending)), "somebody waits for ever"
            loops = {call.loop for call in self.calls if call.waits_for == (side,)}
            assert len(loops) <= 1

    def end(self) -> None:
        if not self.sockets:
            return
        if self.closes == "in the midst of a turn":
            self.stay(0, 0)
        else:
            self.go_on(0)
            self.go_on(1)
            self.settle(0)
        calls = list(self.calls)
        if self.closes == "last":
            for loop in self.loops:
                self.puppets[0].do(lambda loop=loop: [call.future.cancel() for call in calls if call.loop is loop])
                self.puppets[0].do(settle, loop.loop)
            self.collect()
            for side in (0, 1):
                with contextlib.suppress(zmq.Again):
                    while True:
                        self.received(side, self.plain[side].recv(zmq.NOBLOCK))
                assert self.got[side] == self.sent[side], "a message is lost"
        tasks = [*(task for _, task, _ in self.asking), *(task for task, _ in self.playing)]
        for told in (self.calls, self.given_up, self.asking, self.playing):
            told.clear()
        for socket in (*self.sockets, *self.duo):
            socket.close()
            assert socket.closed
        for which in (0, 1):
            self.go_on(which)
        for loop in self.loops:
            self.puppets[0].do(settle, loop.loop)
        for call in calls:
            assert call.future.done(), "somebody waits for a socket that is closed"
            error = None if call.future.cancelled() else call.future.exception()
            assert error is None or (isinstance(error, zmq.ZMQError) and error.errno == zmq.ENOTSOCK)
        for task in tasks:
            # That it is closed, or what was there before.
            assert task.done()
            if not task.cancelled():
                assert task.exception() is None or task.exception().errno == zmq.ENOTSOCK
        assert not who_polls(), "a poll is left"
        for loop in self.loops:
            # Its own pipe, and that by which other threads have something called.
            assert len(loop.loop._selector.get_map()) == 1, "a descriptor is watched"

    def clean_up(self) -> None:
        for loop in self.loops:
            if loop.runner is not None:
                loop.runner.leave()
        for puppet in self.puppets:
            puppet.end()
        self.context.destroy(linger=0)
        for loop in self.loops:
            loop.loop.close()
