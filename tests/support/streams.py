"""What tests of `ZMQStream` share: sockets, and a loop whose errors are collected."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from itertools import count
from typing import Any

import zmq
from support.front_ends import LIMIT

numbers = count()


def sockets(context: Any, one: int = zmq.DEALER, other: int = zmq.DEALER, **options: Any) -> Any:
    a, b = context.socket(one), context.socket(other)
    for socket in (a, b):
        socket.linger = 0
        for name, value in options.items():
            setattr(socket, name, value)
    address = f"inproc://streams-{next(numbers)}"
    a.bind(address)
    b.connect(address)
    return a, b


def run(main: Callable[[], Any], loop: Any = None) -> list[Any]:
    """Run a coroutine function; return what was reported to the loop's exception handler."""
    reported: list[Any] = []
    loop = loop or asyncio.new_event_loop()
    loop.set_exception_handler(lambda loop, context: reported.append(context.get("exception")))
    try:
        loop.run_until_complete(asyncio.wait_for(main(), LIMIT))
    finally:
        loop.close()
    return reported
