"""gevent as a Hub: the only file of the project that imports gevent to wait.

Lives here: what `zmq.core.waiting.hub` asks for, in gevent's words. What must not: anything that knows of sockets.
`zmq.core.waiting.trampoline` asks `get_hub` for it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from math import ceil
from types import FrameType
from typing import Any

from gevent import get_hub as _get_hub
from gevent.exceptions import HubDestroyed
from greenlet import GreenletExit, getcurrent, greenlet

from zmq.core.waiting import hub as _hub
from zmq.core.waiting.deferred_turns import CountedTurns


def nothing() -> None:
    pass


class Hub(_hub.Hub):
    """The hub of one thread."""

    def __init__(self, hub: Any) -> None:
        #: Whether the loop is written in Python, so that a signal's handler may raise in its midst.
        self.is_python = hasattr(hub.loop, "_callbacks") and not type(hub.loop).__module__.endswith("corecext")
        super().__init__(
            current=getcurrent,
            # gevent raises LoopExit here if nothing could ever wake the greenlet.
            park=hub.switch,
            call_soon=self.keep if self.is_python else hub.loop.run_callback,
            # POLLIN and POLLOUT have the values of libev's and libuv's READ and WRITE.
            watcher=hub.loop.io,
            get_hub=get_hub,
            find=_get_hub,
            found=hub,
        )
        self.hub = hub
        self.loop = hub.loop
        self.turns: CountedTurns | None = None
        if hub.loop.iteration < 0:
            # libuv does not count its turns, and gevent has no watcher there that is called in each. It calls this one
            # before descriptors are looked at.
            self.turns = hub.loop._run_callbacks = CountedTurns(hub.loop._run_callbacks)
        # `run_callback_threadsafe` is not safe where the loop is libev and written in Python.
        self.hear()
        self.handle_error_of_hub = hub.handle_error
        # What gevent's loop in C is told there and raises again, as when a signal comes while an error is shown, would
        # stay set while it makes the next call, which breaks that.
        hub.handle_error = _hub.Shield(self, self.handle_error, (HubDestroyed, GreenletExit))
        self.destroy_hub = hub.destroy
        hub.destroy = self.destroy

    def schedule(self, call: _hub.Call) -> None:
        self.loop.run_callback(call)

    def handle_error(self, context: Any, type: Any, value: Any, traceback: Any) -> None:
        """Do as the hub does; then make up for what gevent forgets when an error comes out of one of its callbacks.

        It stops the watcher of a descriptor. In the loops that are written in Python a signal's handler may have raised
        when the callback had been taken from the list but not been called.
        """
        if type is not HubDestroyed and not isinstance(context, greenlet) and self.loop.ptr:
            self.loop.run_callback(self.recover)
        self.handle_error_of_hub(context, type, value, traceback)

    def destroy(self, destroy_loop: bool | None = None) -> None:
        """Do as the hub does, whose thread goes on; then let go of all that waits and is watched in it."""
        self.destroy_hub(destroy_loop)
        self.give_up_all()

    def stop(self, watcher: Any) -> None:
        if self.is_python and watcher.callback is None and watcher in self.loop._keepaliveset:
            # It was interrupted in the midst of this, and would take itself for stopped.
            watcher.callback = nothing
        watcher.stop()

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
        timer = loop.timer(delay, ref=keep)
        return _hub.Timer(timer, callback, self, deadline) if self.is_python else _hub.Timer(timer, callback)

    def turn(self) -> int:
        return self.loop.iteration if self.turns is None else self.turns.count

    def background_watcher(self, fd: int) -> Any:
        watcher = self.loop.io(fd, 1, ref=False)
        # On libuv all watchers of a descriptor share another one, for which this is not asked; there are no others.
        getattr(watcher, "_watcher_ref", watcher).ref = False
        return watcher

    def is_between(self, frame: FrameType | None) -> bool:
        # In the midst of what starts and stops watchers it is not.
        name = "" if frame is None else str(frame.f_globals.get("__name__"))
        return not name.startswith("zmq.") and not name.endswith(".watcher")

    def is_current(self) -> bool:
        return getcurrent() is self.hub

    def is_alive(self) -> bool:
        # A greenlet too: what is raised in its first lines ends it, and gevent makes no other before it is destroyed.
        if self.hub.loop is None or not self.loop.ptr:
            return False
        return not self.hub.dead and super().is_alive()

    def forget(self, watcher: Any) -> None:
        if not self.loop.ptr:
            # The loop was destroyed, and its watchers with it.
            return
        if self.is_elsewhere():
            self.call_soon_threadsafe(watcher.close)
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
        # What a signal's handler raises while one is made has nothing to do with this.
        pass
    hub: Any = _get_hub()
    hub._zmq_hub = adapter = Hub(hub)
    return adapter
