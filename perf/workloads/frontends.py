"""The front-ends: all that a workload knows of threads, gevent and eventlet. Those of asyncio are used in tasks.py."""

from __future__ import annotations

import importlib.util
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import Semaphore
from types import ModuleType
from typing import Any, NamedTuple

import zmq

from .common import Run, now


class FrontEnd(NamedTuple):
    """What `spawn` starts is a greenlet, or a thread; the workloads say greenlet."""

    zmq: ModuleType
    spawn: Callable[..., Any]
    join: Callable[[list[Any]], object]  # waits for what was spawned, raises what was raised there
    semaphore: Callable[[int], Any]


def on_threads() -> FrontEnd:
    def join(spawned: list[Any]) -> None:
        for future in spawned:
            future.result()

    # Threads are kept: to start one takes longer than what some of them do.
    return FrontEnd(zmq, ThreadPoolExecutor(max_workers=256).submit, join, Semaphore)


def on_gevent() -> FrontEnd:
    import gevent
    from gevent.lock import Semaphore

    import zmq.green

    return FrontEnd(zmq.green, gevent.spawn, partial(gevent.joinall, raise_error=True), Semaphore)


def on_eventlet() -> FrontEnd:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it says that it is deprecated
        import eventlet
    if importlib.util.find_spec("zmq.eventlet"):
        import zmq.eventlet as green
    else:
        from eventlet.green import zmq as green

    def join(spawned: list[Any]) -> None:
        for greenlet in spawned:
            greenlet.wait()

    return FrontEnd(green, eventlet.spawn, join, eventlet.Semaphore)


def on_asyncio() -> ModuleType:
    import zmq.asyncio

    return zmq.asyncio


def on_uvloop() -> ModuleType:
    import asyncio

    import uvloop

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Python 3.14 says that policies are deprecated
        asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
    return on_asyncio()


FRONT_ENDS: dict[str, Callable[[], Any]] = {
    "threads": on_threads,
    "gevent": on_gevent,
    "eventlet": on_eventlet,
    "asyncio": on_asyncio,
    "uvloop": on_uvloop,
}


def together(front_end: FrontEnd, *loops: Callable[[int], None]) -> Run:
    """Return a run that does every one of `loops` in a greenlet of its own and waits for all of them."""

    def run(count: int) -> float:
        start = now()
        front_end.join([front_end.spawn(loop, count) for loop in loops])
        return now() - start

    return run
