"""Every kind of event loop that futures and streams wait in."""

from __future__ import annotations

import asyncio
import importlib.util
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

import zmq.asyncio
from support.front_ends import LIMIT

if importlib.util.find_spec("uvloop"):
    # What the first one opens stays open.
    importlib.import_module("uvloop").new_event_loop().close()


def uvloop_loop() -> Any:
    return pytest.importorskip("uvloop").new_event_loop()


def gevent_loop() -> Any:
    pytest.importorskip("tornado")
    from zmq.green.eventloop.ioloop import EventLoop

    return EventLoop()


def eventlet_loop() -> Any:
    pytest.importorskip("tornado")
    from zmq.eventlet.eventloop.ioloop import EventLoop

    return EventLoop()


LOOPS: dict[str, Callable[[], Any]] = {
    "asyncio": asyncio.new_event_loop,
    "uvloop": uvloop_loop,
    "gevent": gevent_loop,
    "eventlet": eventlet_loop,
}

every_loop = pytest.mark.parametrize("new_loop", LOOPS.values(), ids=LOOPS)


class Ways:
    """A kind of event loop, and the module of the sockets that wait there."""

    def __init__(self, name: str) -> None:
        self.module: Any = pytest.importorskip("zmq.eventloop.future") if name == "tornado" else zmq.asyncio
        self.name = name

    def run(self, main: Coroutine[Any, Any, Any], limit: float | None = LIMIT) -> Any:
        """Run a coroutine, that ends in time unless `limit` is None, on a loop, which ends with it."""
        if self.name != "tornado":
            loop = LOOPS[self.name]()
            try:
                return loop.run_until_complete(main if limit is None else asyncio.wait_for(main, limit))
            finally:
                loop.close()
        loop = pytest.importorskip("tornado.ioloop").IOLoop(make_current=False)
        try:
            return loop.run_sync(lambda: main, timeout=limit)
        finally:
            loop.close()


WAYS = [*LOOPS, "tornado"]
