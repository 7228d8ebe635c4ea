"""What waits in an event loop under any sequence of operations, searched by hypothesis: nothing is lost or doubled.

The loop turns only when a rule says so. Tasks and futures are cancelled in every state, messages come from anybody, and
two who talk to each other hand over without their bells. A message counts as delivered when a program has seen it.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections import Counter
from typing import Any

import hypothesis.strategies as st
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

import zmq
import zmq.asyncio as za
from support.awaiting import waits
from support.front_ends import LONG
from zmq.core.waiting import sweep_alarm
from zmq.core.waiting.budget import get_budget, set_budget
from zmq.core.waiting.trampoline import _set_trusted_after

sides = st.integers(0, 1)
picks = st.integers(0, 20)


class InALoop(RuleBasedStateMachine):
    """Two sockets that talk to each other, and those who wait for them in one loop."""

    def __init__(self) -> None:
        super().__init__()
        # Yields would depend on the clock.
        self.budget = get_budget()
        self.trusted_after = _set_trusted_after(1)
        self.missed = sweep_alarm.missed()
        # As in the machine of greenlets.
        self.rounds, sweep_alarm.ROUNDS = sweep_alarm.ROUNDS, 1
        self.loop = asyncio.new_event_loop()
        self.context = za.Context()
        self.serial = itertools.count()
        self.sent: tuple[Counter[bytes], Counter[bytes]] = (Counter(), Counter())
        self.got: tuple[Counter[bytes], Counter[bytes]] = (Counter(), Counter())
        #: Those whose results nobody has seen: the side that receives, a task or a future.
        self.waiting: list[tuple[int, Any]] = []
        self.polls: list[tuple[int, Any]] = []

    @initialize(kinds=st.sampled_from([(zmq.PAIR, zmq.PAIR), (zmq.DEALER, zmq.DEALER)]), yields=st.booleans())
    def connect(self, kinds: tuple[int, int], yields: bool) -> None:
        set_budget(1e-9 if yields else 0)
        self.sockets = [self.context.socket(kind) for kind in kinds]
        self.plain = [zmq.Socket.shadow(socket) for socket in self.sockets]
        self.sockets[0].bind("inproc://loop-machine")
        self.sockets[1].connect("inproc://loop-machine")

    def in_loop(self, function: Any) -> Any:
        """Call a function in the loop, in a turn of its own."""
        found: list[Any] = []
        self.loop.call_soon(lambda: found.append(function()))
        self.turn()
        return found[0]

    def message(self, side: int) -> bytes:
        message = b"%d" % next(self.serial)
        self.sent[side][message] += 1
        return message

    def collect(self) -> None:
        for side, each in [pair for pair in self.waiting if pair[1].done()]:
            self.waiting.remove((side, each))
            self.see(side, each)

    def see(self, side: int, future: Any) -> None:
        with contextlib.suppress(asyncio.CancelledError):
            self.got[1 - side][future.result()] += 1

    @rule(side=sides, as_task=st.booleans())
    def receive(self, side: int, as_task: bool) -> None:
        async def receive() -> Any:
            return await self.sockets[side].recv()

        begin = (lambda: self.loop.create_task(receive())) if as_task else self.sockets[side].recv
        self.waiting.append((side, self.in_loop(begin)))

    @rule(side=sides)
    def receive_under_a_limit(self, side: int) -> None:
        async def receive() -> Any:
            return await asyncio.wait_for(self.sockets[side].recv(), 1000)

        self.waiting.append((side, self.in_loop(lambda: self.loop.create_task(receive()))))

    @rule(side=sides)
    def ask(self, side: int) -> None:
        """Send and receive in one task, which may wait before it has looked whether a message is there."""

        async def ask() -> Any:
            await self.sockets[side].send(self.message(side))
            return await self.sockets[side].recv()

        self.waiting.append((side, self.in_loop(lambda: self.loop.create_task(ask()))))

    @rule(side=sides)
    def answer(self, side: int) -> None:
        """Receive, send and receive: the last one may hand over to whoever asked."""

        async def answer() -> Any:
            self.got[1 - side][await self.sockets[side].recv()] += 1
            await self.sockets[side].send(self.message(side))
            return await self.sockets[side].recv()

        self.waiting.append((side, self.in_loop(lambda: self.loop.create_task(answer()))))

    @rule(rounds=st.integers(3, 12))
    def rally(self, rounds: int) -> None:
        """Have both sides talk to each other, if nobody else does."""
        if self.waiting or self.polls or any(self.sent[side] - self.got[side] for side in (0, 1)):
            return

        async def play(side: int) -> None:
            for _ in range(rounds):
                await self.sockets[side].send(await self.sockets[side].recv())

        players = [self.in_loop(lambda side=side: self.loop.create_task(play(side))) for side in (0, 1)]
        self.plain[0].send(b"ball")
        self.settle()
        assert all(player.done() and player.exception() is None for player in players)
        assert self.plain[1].recv(zmq.NOBLOCK) == b"ball"

    @rule(side=sides)
    def send(self, side: int) -> None:
        self.in_loop(lambda: self.sockets[side].send(self.message(side), zmq.NOBLOCK)).result()

    @rule(side=sides)
    def send_by_a_shadow(self, side: int) -> None:
        self.plain[side].send(self.message(side), zmq.NOBLOCK)

    @rule(side=sides)
    def receive_by_a_shadow(self, side: int) -> None:
        with contextlib.suppress(zmq.Again):
            self.got[1 - side][self.plain[side].recv(zmq.NOBLOCK)] += 1

    @rule(side=sides)
    def read_events(self, side: int) -> None:
        self.plain[side].get(zmq.EVENTS)

    @rule(side=sides)
    def poll(self, side: int) -> None:
        self.polls.append((side, self.in_loop(self.sockets[side].poll)))

    @rule(which=picks)
    def cancel(self, which: int) -> None:
        if self.waiting:
            side, each = self.waiting[which % len(self.waiting)]
            each.cancel()
            if each.done():
                # A future: what was told of may be seen still, unless it was given to somebody else.
                self.waiting.remove((side, each))
                self.see(side, each)

    @rule(which=picks, turns=st.integers(0, 3))
    def cancel_in_the_loop(self, which: int, turns: int) -> None:
        """Between other callbacks of a turn, also between the end of a call and the callback that tells it."""
        if self.waiting:
            each = self.waiting[which % len(self.waiting)][1]
            for _ in range(turns):
                self.turn()
            self.loop.call_soon(each.cancel)

    @rule(side=sides, which=picks)
    def cancel_what_is_received(self, side: int, which: int) -> None:
        """After the message is received, and before the task that waits for it is told."""
        there = [each for waits_on, each in self.waiting if waits_on == side]
        if there:
            self.send_by_a_shadow(1 - side)
            # Whoever waits makes its attempt in the loop's next turn.
            self.read_events(side)
            self.loop.call_soon(there[which % len(there)].cancel)

    @rule()
    def turn(self) -> None:
        self.loop.call_soon(self.loop.stop)
        self.loop.run_forever()
        self.collect()

    @rule()
    def settle(self) -> None:
        for _ in range(60):
            self.turn()
        self.polls = [(side, poll) for side, poll in self.polls if not poll.done()]
        for side in (0, 1):
            left = self.sent[1 - side] - self.got[1 - side]
            assert not (left and waits(self.sockets[side])), "a message and who waits for it do not meet"
            assert not self.got[side] - self.sent[side], "a message came twice"

    def teardown(self) -> None:
        try:
            self.settle()
            for _, each in [*self.waiting, *self.polls]:
                each.cancel()
            self.settle()
            for side in (0, 1):
                while self.plain[side].poll(0):
                    self.got[1 - side][self.plain[side].recv(zmq.NOBLOCK)] += 1
            assert self.got == self.sent, "a message is lost"
            assert sweep_alarm.missed() == self.missed
            assert all(waits(socket) == 0 for socket in self.sockets)
        finally:
            set_budget(self.budget)
            _set_trusted_after(self.trusted_after)
            sweep_alarm.ROUNDS = self.rounds
            self.context.destroy(linger=0)
            self.loop.close()


TestInALoop = InALoop.TestCase
TestInALoop.settings = settings(
    max_examples=300 if LONG else 60,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    print_blob=True,
)
