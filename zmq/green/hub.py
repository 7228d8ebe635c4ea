"""gevent as a Hub: the only file of the project that imports gevent to wait.

Lives here: what `zmq.core.hub` asks for, in gevent's words. What must not: anything that knows of sockets. Called by
`zmq.core.trampoline` through `get_hub`.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from math import ceil
from typing import Any

from gevent import get_hub as _get_hub
from greenlet import getcurrent

from zmq.core import hub as _hub


class Hub(_hub.Hub):
    """The hub of one thread."""

    def __init__(self, hub: Any) -> None:
        super().__init__(
            current=getcurrent,
            # gevent raises LoopExit here if nothing could ever wake the greenlet.
            park=hub.switch,
            call_soon=hub.loop.run_callback,
            # POLLIN and POLLOUT have the values of libev's and libuv's READ and WRITE.
            watcher=hub.loop.io,
        )
        self.hub = hub
        self.loop = hub.loop

    def call_at(self, deadline: float, callback: Callable[[], object], keep: bool = True) -> _hub.Timer:
        loop = self.loop
        delay = deadline - time.monotonic()
        if delay > 0:
            # Never early: libuv counts whole milliseconds, from the one that has begun.
            tick = loop.approx_timer_resolution
            delay = (ceil(delay / tick) + 1.5) * tick
        else:
            # Due after descriptors were looked at.
            delay = 0
        # The time that the loop reckons with is that of its last turn.
        loop.update_now()
        return _hub.Timer(loop.timer(delay, ref=keep), callback)

    def call_soon_threadsafe(self, callback: Callable[[], object]) -> None:
        self.loop.run_callback_threadsafe(callback)

    def is_current(self) -> bool:
        return getcurrent() is self.hub

    def is_alive(self) -> bool:
        return bool(self.loop.ptr) and super().is_alive()

    def forget(self, watcher: Any) -> None:
        if not self.loop.ptr:
            # The loop was destroyed, and its watchers with it.
            return
        if self.is_elsewhere():
            self.loop.run_callback_threadsafe(watcher.close)
        else:
            watcher.close()


def get_hub() -> Hub:
    """Return the adapter of the running thread's gevent hub.

    Returns
    -------
    Hub
        One for each gevent hub; it lives as long as that.
    """
    try:
        return _get_hub()._zmq_hub  # type: ignore[attr-defined, no-any-return]
    except AttributeError:
        hub: Any = _get_hub()
        hub._zmq_hub = adapter = Hub(hub)
        return adapter
