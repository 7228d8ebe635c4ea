"""Many messages in one call, which PyZMQ has not: compared with our own single calls (`OF_OURS` in plan.py)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from types import ModuleType
from typing import Any

import zmq

from .common import PAYLOAD, Result, WrongMessage, connected, measure
from .frontends import FrontEnd, together
from .tasks import loop_runs

#: Messages in a batch.
BATCH = 100


def expected(frames: int) -> tuple[list[Any], bool]:
    """Return a whole batch, and whether its messages have several frames."""
    return ([PAYLOAD] if frames == 1 else [[PAYLOAD] * frames]) * BATCH, frames > 1


def check(batch: list[Any], sent: list[Any]) -> int:
    """Count the messages of a batch, which must be as they were sent."""
    if batch != (sent if len(batch) == BATCH else sent[: len(batch)]):
        raise WrongMessage
    return len(batch)


def batches(front_end: FrontEnd, seconds: float, frames: int = 1) -> Result:
    """One operation is a message from one greenlet to another, in batches of 100."""
    whole, multipart = expected(frames)
    with connected(front_end.zmq, zmq.PUSH, zmq.PULL) as [(push, pull)]:

        def send(count: int) -> None:
            while count:
                count -= push.send_many(whole if count >= BATCH else whole[:count], multipart=multipart)

        def receive(count: int) -> None:
            while count:
                count -= check(pull.recv_many(min(count, BATCH), multipart=multipart), whole)

        return measure(together(front_end, send, receive), seconds)


def in_tasks(module: ModuleType, seconds: float, frames: int = 1) -> Result:
    whole, multipart = expected(frames)
    with connected(module, zmq.PUSH, zmq.PULL) as [(push, pull)], loop_runs() as together:

        async def send(count: int) -> None:
            while count:
                count -= await push.send_many(whole if count >= BATCH else whole[:count], multipart=multipart)

        async def receive(count: int) -> None:
            while count:
                count -= check(await pull.recv_many(min(count, BATCH), multipart=multipart), whole)

        return measure(together(send, receive), seconds)


def both(function: Callable[..., Result]) -> dict[str, Callable[[Any, float], Result]]:
    return {"batches-inproc": function, "batches-multipart-4": partial(function, frames=4)}


FUNCTIONS: dict[str, dict[str, Callable[[Any, float], Result]]] = {
    "threads": both(batches),
    "gevent": both(batches),
    "eventlet": both(batches),
    "asyncio": both(in_tasks),
}
