"""What uses a socket between an attempt in vain of a call and its place in the queue: the call hears of it at once.

Such as the handler of a signal, or a finalizer that the collector runs. That stills the bell, so that only the sweep
alarm, seconds later, would look again. What a call does in between has Python code run: it asks for the event loop.
"""

from __future__ import annotations

import asyncio
import gc
import sys
from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

import pytest

import zmq
from support.awaiting import connect, run, turns
from support.every_loop import Ways
from zmq.core.waiting.sweep_alarm import missed

pytestmark = pytest.mark.usefixtures("unhurried")

TURNS = 10


class Moment:
    """The time when so many calls have asked for their event loop: something is done then."""

    def __init__(self) -> None:
        self.left = 0
        self.action: Callable[[], object] | None = None

    def pass_by(self) -> None:
        self.left -= 1
        if self.left == 0 and self.action is not None:
            action, self.action = self.action, None
            action()


class World:
    """Two sockets, the calls on the first one of which have something done in their midst."""

    def __init__(self, ways: Ways) -> None:
        moment = self.moment = Moment()

        class Socket(ways.module.Socket):  # type: ignore[misc, name-defined]
            def _get_loop(self) -> Any:
                moment.pass_by()
                return super()._get_loop()

        class Poller(ways.module.Poller):  # type: ignore[misc, name-defined]
            def _get_loop(self) -> Any:
                moment.pass_by()
                return super()._get_loop()

        class Context(ways.module.Context):  # type: ignore[misc, name-defined]
            _socket_class = Socket

        self.context = Context()
        self.poller_class = Poller
        self.kept: list[Any] = []
        self.a, self.b = self.pair()
        # What acts in the midst waits for nothing.
        self.near, self.far = zmq.Socket.shadow(self.a), zmq.Socket.shadow(self.b)

    def pair(self) -> Any:
        sockets = connect(self.context, hwm=1)
        self.kept += sockets
        return sockets

    def poller(self, number: int) -> Any:
        """Return one of so many sockets."""
        poller = self.poller_class()
        poller.register(self.a, zmq.POLLIN)
        for _ in range(number - 1):
            poller.register(self.pair()[0], zmq.POLLIN)
        return poller

    def fill(self) -> None:
        while self.near.poll(0, zmq.POLLOUT):
            self.near.send(b"fill")

    def message_comes(self) -> None:
        """And somebody hears of it."""
        self.far.send(b"1")
        assert int(self.near.get(zmq.EVENTS)) & zmq.POLLIN

    def room_comes(self) -> None:
        while self.far.poll(0):
            self.far.recv()
        assert int(self.near.get(zmq.EVENTS)) & zmq.POLLOUT

    def close(self) -> None:
        for socket in self.kept:
            socket.close()
        self.context.term()


FOR_MESSAGES: dict[str, Callable[[World], Callable[[], Any]]] = {
    "recv": lambda world: world.a.recv,
    "recv frame": lambda world: lambda: world.a.recv(copy=False),
    "recv_multipart": lambda world: world.a.recv_multipart,
    "recv_into": lambda world: lambda: world.a.recv_into(bytearray(9)),
    "recv_string": lambda world: world.a.recv_string,
    "recv_json": lambda world: world.a.recv_json,
    "recv_many": lambda world: world.a.recv_many,
    "poll": lambda world: world.a.poll,
    "poll for a time": lambda world: lambda: world.a.poll(1_000_000),
    "Poller of one": lambda world: world.poller(1).poll,
    "Poller of few": lambda world: world.poller(3).poll,
    "Poller of many": lambda world: world.poller(9).poll,
}
FOR_ROOM: dict[str, Callable[[World], Callable[[], Any]]] = {
    "send": lambda world: lambda: world.a.send(b"2"),
    "send lent": lambda world: lambda: world.a.send(bytes(100_000), copy=False),
    "send_multipart": lambda world: lambda: world.a.send_multipart([b"2", b"3"]),
    "send_many": lambda world: lambda: world.a.send_many([b"2"]),
    "poll to send": lambda world: lambda: world.a.poll(None, zmq.POLLOUT),
}
CALLS = {**FOR_MESSAGES, **FOR_ROOM}


@pytest.mark.parametrize("used", [False, True], ids=["first call", "later call"])
@pytest.mark.parametrize("name", CALLS)
def test_what_happens_while_a_call_asks_for_its_loop(ways: Ways, ledger: None, name: str, used: bool) -> None:
    """However often it does: something comes each time in turn."""

    async def come_to(number: int) -> bool:
        """Let something come when a call asks for the `number`-th time; tell whether it does so before it waits."""
        world = World(ways)
        call = CALLS[name](world)
        world.fill()
        if used:
            for _ in range(2):  # from the second on a poller keeps an epoll set
                ended = await asyncio.wait([asyncio.ensure_future(call())], timeout=0)
                for future in (*ended[0], *ended[1]):
                    future.cancel()
                await turns()
        world.moment.action = world.message_comes if name in FOR_MESSAGES else world.room_comes
        world.moment.left = number
        future = asyncio.ensure_future(call())
        await turns(TURNS)
        came = world.moment.action is None
        assert future.done() == came, f"{number}: nobody told it"
        assert not came or future.exception() is None
        future.cancel()
        await turns()
        world.close()
        return came

    async def main() -> None:
        before = missed()
        for number in count(1):
            if not await come_to(number):
                break
        assert number > 1 and missed() == before

    ways.run(main())


class Garbage:
    """What is collected with the cycle that it is part of, and does something then."""

    def __init__(self, action: Callable[[], object], ran: list[bool]) -> None:
        self.action, self.ran, self.itself = action, ran, self

    def __del__(self) -> None:
        self.action()
        self.ran.append(True)


@pytest.fixture
def rare_collections() -> Iterator[None]:
    """The collector runs where the test says so, and takes the youngest only."""
    before = gc.get_threshold()
    gc.collect()
    gc.disable()
    yield
    gc.set_threshold(*before)
    gc.enable()


@pytest.mark.parametrize("name", ["recv", "recv_multipart", "recv_string", "recv_into", "poll", "send", "poll to send"])
def test_what_a_finalizer_does_while_a_call_is_made(context: Any, rare_collections: None, name: str) -> None:
    """The collector runs after so many objects were made in turn, such as the future that the call returns."""

    async def main() -> None:
        world = World(Ways("asyncio"))
        call = CALLS[name](world)
        kept: list[Any] = []
        before, within = missed(), 0
        if name in FOR_ROOM:
            world.fill()
        # The places that are left of those freed before are used up: each future is a new object.
        kept.extend(asyncio.get_running_loop().create_future() for _ in range(100))
        for number in range(24):
            ran: list[bool] = []
            Garbage(world.message_comes if name in FOR_MESSAGES else world.room_comes, ran)
            gc.set_threshold(max(1, gc.get_count()[0] + number // 2), 1000, 1000)
            gc.enable()
            future = call()
            gc.disable()
            kept.append(future)
            within += bool(ran) and not future.done()
            if not ran:
                gc.collect()
            assert ran
            await turns(TURNS)
            assert future.done() and future.exception() is None, f"{number}: nobody told it"
            if name in FOR_ROOM:
                world.fill()
            elif world.near.poll(0):
                world.near.recv()
        assert missed() == before
        # Later Pythons collect between two bytecodes.
        assert within or sys.version_info >= (3, 12)
        world.close()

    run(main())
