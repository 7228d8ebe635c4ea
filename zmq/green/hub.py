"""gevent as a Hub: the only file of the project that imports gevent to wait.

Lives here: what `zmq.core.hub` asks for, in gevent's words. What must not: anything that knows of sockets. Called by
`zmq.core.trampoline` through `get_hub`.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, TypeVar

import gevent
from gevent.monkey import get_original
from greenlet import getcurrent

Result = TypeVar("Result")

# The native ones, whatever was monkeypatched before this module was imported.
_start_new_thread = get_original("_thread", "start_new_thread")
_monotonic = get_original("time", "monotonic") if hasattr(time, "monotonic") else time.monotonic


class Timer:
    """A gevent timer that closes itself once it fired or was cancelled."""

    __slots__ = ("callback", "watcher")

    def __init__(self, watcher: Any, callback: Callable[[], object]) -> None:
        self.watcher = watcher
        self.callback = callback
        watcher.start(self.fire, update=True)

    def fire(self) -> None:
        callback = self.callback
        self.cancel()
        callback()

    def cancel(self) -> None:
        watcher = self.watcher
        if watcher is not None:
            self.watcher = self.callback = None
            watcher.stop()
            watcher.close()


class Hub:
    """The hub of one thread."""

    current = staticmethod(getcurrent)

    def __init__(self, hub: Any) -> None:
        self.alarm: Any = None
        self.loop = hub.loop
        #: Switch to the hub; gevent raises LoopExit if nothing could ever wake the greenlet.
        self.park = hub.switch
        self.call_soon = hub.loop.run_callback
        #: Level-triggered; POLLIN and POLLOUT have the values of libev's and libuv's READ and WRITE.
        self.watcher = hub.loop.io

    def call_at(self, deadline: float, callback: Callable[[], object], keep: bool = True) -> Timer:
        delay = max(0.0, deadline - _monotonic())
        return Timer(self.loop.timer(delay, ref=keep), callback)

    def offload(self, function: Callable[[], Result]) -> Result:
        done = self.loop.async_()
        outcome: list[Any] = []

        def run() -> None:
            try:
                outcome.append((True, function()))
            except BaseException as error:
                outcome.append((False, error))
            done.send()

        greenlet = getcurrent()
        waiting = True

        def wake() -> None:
            if waiting:
                greenlet.switch()

        done.start(wake)
        try:
            _start_new_thread(run, ())
            while not outcome:
                self.park()
        finally:
            waiting = False
            done.stop()
            done.close()
        succeeded, value = outcome[0]
        if succeeded:
            return value
        raise value


def get_hub() -> Hub:
    """Return the adapter of the running thread's gevent hub.

    Returns
    -------
    Hub
        One for each gevent hub; it lives as long as that.
    """
    hub = gevent.get_hub()
    try:
        return hub._zmq_hub
    except AttributeError:
        hub._zmq_hub = adapter = Hub(hub)
        return adapter
