"""What waits in an event loop under any sequence of operations, searched by hypothesis: nothing is lost or doubled.

The loop turns only when a rule says so. Tasks and futures are cancelled in every state, messages come from anybody, two
who talk to each other hand over without their bells, and sends wait for room. A message counts as delivered when a
program has seen it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Callable
from typing import Any

import hypothesis.strategies as st
from hypothesis.stateful import initialize, rule
from machine import Machine, picks, settle, sides, turn, who_polls

import zmq
import zmq.asyncio as za
from support.awaiting import waits
from zmq.core.waiting.budget import set_budget

Pair = tuple[Counter[bytes], Counter[bytes]]


class InALoop(Machine):
    """Two sockets that talk to each other, and those who wait for them in one loop."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.context = za.Context()
        #: By the side that sends.
        self.sent: Pair = (Counter(), Counter())
        self.got: Pair = (Counter(), Counter())
        #: What sends that were cancelled may have sent.
        self.perhaps: Pair = (Counter(), Counter())
        #: Those whose results nobody has seen: the side that receives, a task or a future.
        self.waiting: list[tuple[int, Any]] = []
        self.sends: list[tuple[int, bytes, Any]] = []
        self.polls: list[tuple[int, Any]] = []
        self.polls_of_both: list[Any] = []
        self.sockets: list[za.Socket] = []

    @initialize(
        kinds=st.sampled_from([(zmq.PAIR, zmq.PAIR), (zmq.DEALER, zmq.DEALER)]),
        hwm=st.sampled_from([0, 1, 2]),
        count=st.integers(1, 2),
        yields=st.booleans(),
        closes=st.booleans(),
    )
    def connect(self, kinds: tuple[int, int], hwm: int, count: int, yields: bool, closes: bool) -> None:
        # A budget that is used up at once, so that every call ends in the next turn.
        set_budget(1e-9 if yields else 0)
        self.count, self.closes = count, closes
        self.sockets = [self.context.socket(kind) for kind in kinds]
        self.plain = [zmq.Socket.shadow(socket) for socket in self.sockets]
        self.poller = za.Poller()
        for socket in self.sockets:
            socket.hwm = hwm
            self.poller.register(socket, zmq.POLLIN)
        self.sockets[0].bind("inproc://loop-machine")
        self.sockets[1].connect("inproc://loop-machine")

    # The model.

    def in_loop(self, function: Callable[[], Any]) -> Any:
        """Call a function in the loop, in a turn of its own."""
        found: list[Any] = []
        self.loop.call_soon(lambda: found.append(function()))
        self.turn()
        return found[0]

    def collect(self) -> None:
        for side, each in [pair for pair in self.waiting if pair[1].done()]:
            self.waiting.remove((side, each))
            self.see(side, each)
        for send in [send for send in self.sends if send[2].done()]:
            self.sends.remove(send)
            self.see_sent(*send)

    def see(self, side: int, future: Any) -> None:
        with contextlib.suppress(asyncio.CancelledError):
            self.received(side, future.result())

    def received(self, side: int, message: list[bytes]) -> None:
        assert len(message) == self.count, "a message did not come whole"
        self.got[1 - side][message[0]] += 1

    def see_sent(self, side: int, message: bytes, future: Any) -> None:
        if future.cancelled():
            # One that is only told later was made at once.
            self.perhaps[side][message] += 1
        else:
            future.result()
            self.sent[side][message] += 1

    def may_come(self, side: int) -> Counter[bytes]:
        """Return all that may have been sent."""
        return self.sent[side] + self.perhaps[side] + Counter(message for by, message, _ in self.sends if by == side)

    # Receives.

    async def receive_one(self, side: int) -> list[bytes]:
        return await self.sockets[side].recv_multipart()

    async def send_one(self, side: int) -> None:
        message = self.message(self.count)
        try:
            await self.sockets[side].send_multipart(message)
        except asyncio.CancelledError:
            self.perhaps[side][message[0]] += 1
            raise
        self.sent[side][message[0]] += 1

    def begin_task(self, side: int, coroutine: Callable[[], Any]) -> None:
        self.waiting.append((side, self.in_loop(lambda: self.loop.create_task(coroutine()))))

    @rule(side=sides, as_task=st.booleans())
    def receive(self, side: int, as_task: bool) -> None:
        if as_task:
            self.begin_task(side, lambda: self.receive_one(side))
        else:
            self.waiting.append((side, self.in_loop(self.sockets[side].recv_multipart)))

    @rule(side=sides)
    def receive_under_a_limit(self, side: int) -> None:
        async def receive() -> Any:
            return await asyncio.wait_for(self.sockets[side].recv_multipart(), 1000)

        self.begin_task(side, receive)

    @rule(side=sides)
    def ask(self, side: int) -> None:
        """Send and receive in one task, which may wait before it has looked whether a message is there."""

        async def ask() -> Any:
            await self.send_one(side)
            return await self.receive_one(side)

        self.begin_task(side, ask)

    @rule(side=sides)
    def answer(self, side: int) -> None:
        """Receive, send and receive: the last one may hand over to whoever asked."""

        async def answer() -> Any:
            self.received(side, await self.receive_one(side))
            await self.send_one(side)
            return await self.receive_one(side)

        self.begin_task(side, answer)

    @rule(rounds=st.integers(3, 12))
    def rally(self, rounds: int) -> None:
        """Have both sides talk to each other, if nobody else does."""
        there = [*self.waiting, *self.polls, *self.polls_of_both, *self.sends]
        if there or any(self.may_come(side) - self.got[side] for side in (0, 1)):
            return

        async def play(side: int) -> None:
            for _ in range(rounds):
                await self.sockets[side].send(await self.sockets[side].recv())

        players = [self.in_loop(lambda side=side: self.loop.create_task(play(side))) for side in (0, 1)]
        self.plain[0].send(b"ball")
        self.settle()
        assert all(player.done() and player.exception() is None for player in players)
        assert self.plain[1].recv(zmq.NOBLOCK) == b"ball"

    # Sends.

    @rule(side=sides)
    def send(self, side: int) -> None:
        message = self.message(self.count)
        self.sends.append((side, message[0], self.in_loop(lambda: self.sockets[side].send_multipart(message))))

    @rule(side=sides)
    def send_by_a_shadow(self, side: int) -> None:
        message = self.message(self.count)
        with contextlib.suppress(zmq.Again):
            self.plain[side].send_multipart(message, zmq.NOBLOCK)
            self.sent[side][message[0]] += 1

    @rule(side=sides)
    def receive_by_a_shadow(self, side: int) -> None:
        with contextlib.suppress(zmq.Again):
            self.received(side, self.plain[side].recv_multipart(zmq.NOBLOCK))

    # Looks.

    @rule(side=sides)
    def read_events(self, side: int) -> None:
        self.plain[side].get(zmq.EVENTS)

    @rule(side=sides)
    def poll(self, side: int) -> None:
        self.polls.append((side, self.in_loop(self.sockets[side].poll)))

    @rule()
    def poll_both(self) -> None:
        self.polls_of_both.append(self.in_loop(self.poller.poll))

    # Ends.

    @rule(which=picks)
    def cancel(self, which: int) -> None:
        if self.waiting:
            side, each = self.waiting[which % len(self.waiting)]
            each.cancel()
            if each.done():
                # A future: what was told of may be seen still, unless it was given to somebody else.
                self.waiting.remove((side, each))
                self.see(side, each)

    @rule(which=picks)
    def cancel_send(self, which: int) -> None:
        if self.sends:
            self.sends[which % len(self.sends)][2].cancel()

    @rule(which=picks)
    def cancel_poll(self, which: int) -> None:
        there = [*(poll for _, poll in self.polls), *self.polls_of_both]
        if there:
            there[which % len(there)].cancel()

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
        turn(self.loop)
        self.collect()

    @rule()
    def settle(self) -> None:
        settle(self.loop)
        self.collect()
        self.polls = [(side, poll) for side, poll in self.polls if not poll.done()]
        self.polls_of_both = [poll for poll in self.polls_of_both if not poll.done()]
        for side in (0, 1):
            left = self.sent[1 - side] - self.got[1 - side]
            assert not self.got[side] - self.may_come(side), "a message came twice"
            polled = self.polls_of_both or side in [polls for polls, _ in self.polls]
            assert not (left and polled), "a message and a poll do not meet"
            assert not (left and za.pending(self.sockets[side], zmq.POLLIN)), "a message and a receive do not meet"
            if za.pending(self.sockets[side], zmq.POLLOUT):
                assert self.sent[side] - self.got[side], "an empty pipe and a send do not meet"

    def end(self) -> None:
        if not self.sockets:
            return
        self.settle()
        left = [*self.waiting, *self.polls, *((None, poll) for poll in self.polls_of_both)]
        if self.closes:
            for socket in self.sockets:
                socket.close()
            settle(self.loop)
            for _, each in [*left, *((side, send) for side, _, send in self.sends)]:
                assert each.done(), "somebody waits for a socket that is closed"
                if not each.cancelled():
                    assert isinstance(each.exception(), zmq.ZMQError) and each.exception().errno == zmq.ENOTSOCK
        else:
            for _, each in [*left, *((side, send) for side, _, send in self.sends)]:
                each.cancel()
            self.settle()
            for side in (0, 1):
                while self.plain[side].poll(0):
                    self.received(side, self.plain[side].recv_multipart(zmq.NOBLOCK))
            for side in (0, 1):
                assert not self.sent[side] - self.got[side], "a message is lost"
                assert not self.got[side] - self.may_come(side), "a message came twice"
            assert all(waits(socket) == 0 for socket in self.sockets)
        assert not who_polls()

    def clean_up(self) -> None:
        self.context.destroy(linger=0)
        # What failed may have left tasks.
        for task in asyncio.all_tasks(self.loop):
            task.cancel()
        settle(self.loop)
        self.loop.close()
