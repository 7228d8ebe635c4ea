"""Every kind of event loop that futures and streams wait in."""

from __future__ import annotations

import asyncio
import importlib.util
from collections.abc import Callable
from typing import Any

import pytest

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
