"""A socket is closed, or used, in the midst of what an event loop does for a call that waits.

As a signal's handler or a finalizer may: loops have their methods in Python. Each call of one in turn has something
done, before it or behind it, while calls begin to wait and while they are told that their bell rang.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

import zmq
import zmq.asyncio as za
from support.acting import Acting
from support.awaiting import run_on, turns

#: What a program has waiting at once, by what it waits for.
CALLS: dict[str, list[Callable[[Any], Any]]] = {
    "recv": [lambda socket: socket.recv()],
    "recv_multipart": [lambda socket: socket.recv_multipart()],
    "recv_json": [lambda socket: socket.recv_json()],
    "send": [lambda socket: socket.send(b"x")],
    "poll": [lambda socket: socket.poll()],
    "poll with a time-out": [lambda socket: socket.poll(60_000)],
    "poll and recv": [lambda socket: socket.poll(), lambda socket: socket.recv()],
    "two receives and a poll": [
        lambda socket: socket.recv(),
        lambda socket: socket.recv(),
        lambda socket: socket.poll(60_000),
    ],
}


class ActingLoop(Acting, asyncio.SelectorEventLoop):
    def call_soon(self, *args: Any, **kwargs: Any) -> Any:
        return self.act(super().call_soon, *args, **kwargs)

    def call_later(self, *args: Any, **kwargs: Any) -> Any:
        return self.act(super().call_later, *args, **kwargs)

    def add_reader(self, *args: Any) -> Any:
        return self.act(super().add_reader, *args)

    def remove_reader(self, *args: Any) -> Any:
        return self.act(super().remove_reader, *args)


async def go(name: str, number: int, closes: bool, rings: bool, timeouts: bool) -> bool:
    """Act in the `number`-th call of the loop's from when calls begin, or their bell rings; tell whether that came."""
    loop: Any = asyncio.get_running_loop()
    with za.Context() as context:
        context.linger = 0
        a, b = context.socket(zmq.PAIR), context.socket(zmq.PAIR)
        a.hwm = b.hwm = 1
        a.bind("inproc://a")
        b.connect("inproc://a")
        near, far = zmq.Socket.shadow(a), zmq.Socket.shadow(b)
        sent = 0
        while near.poll(0, zmq.POLLOUT):
            near.send(b"full", zmq.NOBLOCK)
            sent += 1
        if timeouts:
            a.rcvtimeo = a.sndtimeo = 60_000

        def use() -> None:
            # What the I/O thread brings, and somebody who has heard the bell.
            far.send(b"0", zmq.NOBLOCK)
            far.recv(zmq.NOBLOCK)
            near.get(zmq.EVENTS)

        await turns(2)
        loop.action = a.close if closes else use
        if not rings:
            loop.countdown = number
        futures = [call(a) for call in CALLS[name] if not a.closed]
        if rings:
            await turns(2)
            loop.countdown = number
            if name == "send":
                far.recv()
            else:
                far.send(b"1")
        await turns(8)
        acted = bool(loop.countdown == 0)
        loop.countdown = 0
        # It may have been the last thing that happened.
        await turns(4)
        if closes and acted:
            assert a.closed and all(future.done() for future in futures), (name, number, futures)
        elif acted:
            # Whoever is left waits for what there is not.
            wanted = zmq.POLLOUT if name == "send" else zmq.POLLIN
            left = [future for future in futures if not future.done()]
            assert not left or not near.get(zmq.EVENTS) & wanted, (name, number, left)
        for future in futures:
            if not future.done():
                future.cancel()
            elif not future.cancelled():
                future.exception()
        await turns(2)
        a.close()
        b.close()
    return acted


@pytest.mark.parametrize("timeouts", [False, True], ids=["", "time-outs"])
@pytest.mark.parametrize("rings", [False, True], ids=["begins", "rings"])
@pytest.mark.parametrize("before", [True, False], ids=["before", "behind"])
@pytest.mark.parametrize("closes", [True, False], ids=["closes", "uses"])
@pytest.mark.parametrize("name", CALLS)
def test_what_happens_in_the_midst_is_heard(
    name: str, closes: bool, before: bool, rings: bool, timeouts: bool, ledger: None
) -> None:
    async def main() -> None:
        loop: Any = asyncio.get_running_loop()
        loop.before = before
        number = 1
        while await go(name, number, closes, rings, timeouts):
            number += 1
        assert number > 1

    run_on(ActingLoop(), main())
