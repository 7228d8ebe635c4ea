"""`ZMQStream` under any sequence of calls, also out of its callbacks, searched by hypothesis on a loop of single turns.

Two streams talk to each other. What a callback does next is decided before it is called: raise, stop, begin again,
send, flush, receive by itself, close. The model is what either was given to send, in order, and what its callbacks were
told.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from typing import Any

import hypothesis.strategies as st
from hypothesis.stateful import initialize, invariant, rule
from machine import Machine, rarely, settle, sides, turn, who_polls

import zmq
from zmq.core.waiting.budget import set_budget
from zmq.eventloop.zmqstream import ZMQStream

#: What a callback may do.
deeds = st.sampled_from(
    ["raise", "stop", "again", "send", "flush", "flush in", "flush out", "take", "look", "untell", "tell"]
)
flags = st.sampled_from([zmq.POLLIN, zmq.POLLOUT, zmq.POLLIN | zmq.POLLOUT])


class Deliberate(Exception):
    """Raised by a callback."""


class Side:
    """A stream and what is known of it."""

    def __init__(self, socket: zmq.Socket) -> None:
        self.socket = socket
        self.stream: Any = None
        #: Given to the stream, and not seen by the other side; of these the last are still in the stream.
        self.unseen: deque[list[bytes]] = deque()
        self.last_told = -1
        self.next_number = 0
        #: The number of the callback for messages, 0 for none; whether there is one for sends.
        self.receives = 0
        self.tells = False
        #: Whether sends since the last one that was told of may have gone without.
        self.untold = True
        #: Flushes that receive; whether one may have dropped messages.
        self.flushes = 0
        self.dropped = False
        #: What the next callbacks do.
        self.deeds: deque[str] = deque()
        self.closed = False


class Streaming(Machine):
    """Two streams in one loop."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.raised = self.caught = 0
        self.wrong: list[Any] = []
        self.loop.set_exception_handler(self.report)
        self.context = zmq.Context()
        self.sides: list[Side] = []
        self.log = logging.getLogger("tornado.general")
        self.log_was_disabled, self.log.disabled = self.log.disabled, True

    def report(self, loop: Any, context: dict[str, Any]) -> None:
        if isinstance(context.get("exception"), Deliberate):
            self.caught += 1
        else:
            self.wrong.append(context)

    @initialize(kind=st.sampled_from([zmq.PAIR, zmq.DEALER]), hwm=st.sampled_from([0, 1, 2]), briefly=st.booleans())
    def connect(self, kind: int, hwm: int, briefly: bool) -> None:
        # One message in each turn, or as many as it likes.
        set_budget(1e-9 if briefly else 0)
        self.sides = [Side(self.context.socket(kind)) for _ in range(2)]
        for own in self.sides:
            own.socket.hwm = hwm
            own.socket.linger = 0
            own.stream = ZMQStream(own.socket, self.loop)
        self.sides[0].socket.bind("inproc://stream-machine")
        self.sides[1].socket.connect("inproc://stream-machine")

    # What is told.

    def received(self, side: int, message: list[bytes]) -> None:
        unseen = self.sides[1 - side].unseen
        while self.sides[side].dropped and unseen and unseen[0] != message:
            unseen.popleft()
        self.sides[side].dropped = self.drops(self.sides[side])
        assert unseen and message == unseen.popleft(), "a message is lost, doubled or out of order"

    def drops(self, own: Side) -> bool:
        """Tell whether what is received now has nobody to go to."""
        return bool(own.flushes and not own.receives)

    def on_recv(self, side: int, number: int, message: list[bytes]) -> None:
        own = self.sides[side]
        assert own.receives == number, "a callback that was taken back is called"
        assert not own.closed, "a callback is called after the end"
        self.received(side, message)
        self.act(side)

    def on_send(self, side: int, message: list[bytes], status: Any) -> None:
        own = self.sides[side]
        assert own.tells and not own.closed and status is None
        number = int(message[0].split(b".")[1])
        assert number > own.last_told, "a send is told of twice"
        assert own.untold or number == own.last_told + 1, "a send is not told of"
        own.last_told, own.untold = number, False
        self.act(side)

    def act(self, side: int) -> None:
        own = self.sides[side]
        if not own.deeds:
            return
        deed = own.deeds.popleft()
        if deed == "raise":
            self.raised += 1
            raise Deliberate
        {
            "stop": lambda: self.set_recv(side, False),
            "again": lambda: self.set_recv(side, True),
            "send": lambda: self.send(side),
            "flush": lambda: self.flush_now(side, zmq.POLLIN | zmq.POLLOUT, None),
            "flush in": lambda: self.flush_now(side, zmq.POLLIN, 1),
            "flush out": lambda: self.flush_now(side, zmq.POLLOUT, None),
            "take": lambda: self.take(side),
            "look": lambda: self.look(side),
            "close": lambda: self.close(side),
            "untell": lambda: self.set_send(side, False),
            "tell": lambda: self.set_send(side, True),
        }[deed]()

    # What may happen.

    @rule(side=sides, some=st.lists(deeds, max_size=4), closes=rarely)
    def decide(self, side: int, some: list[str], closes: bool) -> None:
        """Say what the next callbacks do."""
        self.sides[side].deeds.extend(some)
        if closes:
            self.sides[side].deeds.append("close")

    @rule(side=sides, receives=st.booleans())
    def set_recv(self, side: int, receives: bool) -> None:
        own = self.sides[side]
        if own.closed:
            return
        if not receives:
            own.receives = 0
            own.stream.stop_on_recv()
        else:
            own.receives = number = next(self.serial) + 1
            own.stream.on_recv(lambda message: self.on_recv(side, number, message))
        own.dropped = own.dropped or self.drops(own)

    @rule(side=sides, tells=st.booleans())
    def set_send(self, side: int, tells: bool) -> None:
        own = self.sides[side]
        if own.closed:
            return
        own.untold = own.untold or not (own.tells and tells)
        own.tells = tells
        if tells:
            own.stream.on_send(lambda message, status: self.on_send(side, message, status))
        else:
            own.stream.stop_on_send()

    @rule(side=sides)
    def send(self, side: int) -> None:
        own = self.sides[side]
        if not own.closed:
            message = [b"%d.%d" % (side, own.next_number), b""]
            own.next_number += 1
            own.unseen.append(message)
            own.stream.send_multipart(message)

    @rule(side=sides, flag=flags, limit=st.sampled_from([None, 1, 2]))
    def flush(self, side: int, flag: int, limit: int | None) -> None:
        with contextlib.suppress(Deliberate):
            self.flush_now(side, flag, limit)
            return
        self.caught += 1

    def flush_now(self, side: int, flag: int, limit: int | None) -> None:
        own = self.sides[side]
        if own.closed:
            return
        own.flushes += bool(flag & zmq.POLLIN)
        own.dropped = own.dropped or self.drops(own)
        try:
            done = own.stream.flush(flag, limit)
            assert limit is None or done <= limit
            both = self.sides[1 - side]
            if limit is None and flag & zmq.POLLIN and not (own.closed or both.closed):
                assert not self.flying(1 - side) or own.dropped, "a flush leaves a message"
        finally:
            own.flushes -= bool(flag & zmq.POLLIN)

    @rule(side=sides)
    def take(self, side: int) -> None:
        """Somebody else receives."""
        own = self.sides[side]
        if not own.closed:
            with contextlib.suppress(zmq.Again):
                self.received(side, own.socket.recv_multipart(zmq.NOBLOCK))

    @rule(side=sides)
    def look(self, side: int) -> None:
        """Still the bell."""
        if not self.sides[side].closed:
            self.sides[side].socket.get(zmq.EVENTS)

    @rule(side=sides, really=rarely)
    def close_one(self, side: int, really: bool) -> None:
        if really:
            self.close(side)

    def close(self, side: int) -> None:
        own = self.sides[side]
        if not own.closed:
            own.closed = True
            own.stream.close()
            assert own.socket.closed

    @rule()
    def turn(self) -> None:
        turn(self.loop)

    def flying(self, side: int) -> int:
        """Return how many messages have left a stream, and not arrived."""
        return len(self.sides[side].unseen) - len(self.sides[side].stream._send_queue)

    @rule()
    def settle(self) -> None:
        settle(self.loop, 1000)
        if any(own.closed for own in self.sides):
            return
        for side, own in enumerate(self.sides):
            flying = self.flying(side)
            other = self.sides[1 - side]
            if not other.dropped:
                assert flying >= 0
                assert not (flying and other.receives), "a message and who receives do not meet"
                assert flying or not own.stream.sending(), "an empty pipe and a message do not meet"

    # What must hold.

    @invariant()
    def tells_what_it_does(self) -> None:
        assert not self.wrong, self.wrong
        for own in self.sides:
            assert own.stream.closed() == own.closed
            if not own.closed:
                assert own.stream.receiving() == bool(own.receives)

    def end(self) -> None:
        if not self.sides:
            return
        self.settle()
        for own in self.sides:
            own.deeds.clear()
        for side in (0, 1):
            self.set_recv(side, True)
        self.settle()
        if not any(own.closed for own in self.sides):
            for side, own in enumerate(self.sides):
                if not self.sides[1 - side].dropped:
                    assert not own.unseen, "a message is lost"
                if own.tells and not own.untold:
                    assert own.last_told == own.next_number - 1, "a send is not told of"
        for side in (0, 1):
            self.close(side)
        settle(self.loop)
        assert self.raised == self.caught, "an exception is lost"
        assert not self.wrong
        # Its own pipe.
        assert len(self.loop._selector.get_map()) == 1, "a descriptor is watched"
        assert not who_polls()

    def clean_up(self) -> None:
        self.log.disabled = self.log_was_disabled
        self.context.destroy(linger=0)
        self.loop.close()
