"""eventlet as a Hub: the only file of the project that imports eventlet to wait.

Lives here: what `zmq.core.waiting.hub` asks for, in eventlet's words. What must not: anything that knows of sockets.
`zmq.core.waiting.trampoline` asks `get_hub` for it.
"""

from __future__ import annotations

import os
import time
import warnings
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from types import FrameType
from typing import Any

with warnings.catch_warnings():
    # It would be shown at this line, which is not the user's.
    warnings.filterwarnings("ignore", r"\s*Eventlet is deprecated")
    from eventlet import hubs
from greenlet import getcurrent

from zmq.core.constants import PollEvent
from zmq.core.waiting import hub as _hub
from zmq.core.waiting.deferred_turns import CountedTurns
from zmq.core.waiting.pipes import close_fd

#: The same as eventlet's `get_hub`, but for a thread that has none yet, and compiled.
find_hub = partial(getattr, hubs._threadlocal, "hub", None)


class Watcher(_hub.Ready):
    """A level-triggered watcher: a listener of eventlet's hub for each direction.

    It is disarmed when the hub runs next, before descriptors are looked at: who parks on the same descriptor again and
    again does not pay for two system calls each time.
    """

    def __init__(self, adapter: Hub, fd: int, events: int) -> None:
        self.adapter = adapter
        self.hub = hub = adapter.hub
        self.fd = self.watched = fd
        self.kinds = [
            kind for flag, kind in ((PollEvent.POLLIN, hub.READ), (PollEvent.POLLOUT, hub.WRITE)) if events & flag
        ]
        self.armed = False

    # The handler of a signal may raise between any two lines here and in the hub, also in what cleans up after that.
    # So `armed` is set last and taken back first, and what is to be removed is looked for among the hub's listeners.

    def start(self, callback: Callable[[], object]) -> None:
        self.callback = callback
        if self.armed:
            return
        try:
            self.disarm()
            if self.is_taken():
                self.adapter.disarm()
            if self.is_taken():
                # eventlet has one listener for a descriptor: be another descriptor.
                self.watched = os.dup(self.fd)
            for kind in self.kinds:
                self.hub.add(kind, self.watched, self.ready, self.gone, None)
            self.armed = True
        except BaseException:
            self.close()
            raise

    def is_taken(self) -> bool:
        for kind in self.kinds:  # noqa: SIM110 - a generator that is interrupted while it ends is reported
            if self.watched in self.hub.listeners[kind]:
                return True
        return False

    def stop(self) -> None:
        self.callback = None
        if self.armed:
            self.adapter.retire(self)

    def disarm(self) -> None:
        self.armed = False
        for kind in self.kinds:
            listener = self.hub.listeners[kind].get(self.watched)
            if listener is not None and listener.cb == self.ready:
                self.hub.remove(listener)

    def close(self) -> None:
        self.callback = None
        self.disarm()
        if self.watched != self.fd:
            own, self.watched = self.watched, self.fd
            close_fd(own)

    def gone(self, error: BaseException) -> None:
        """Somebody else was given this descriptor: the one that was watched is closed."""
        self.ready(self.watched)


class Hub(_hub.Hub):
    """The hub of one thread."""

    def __init__(self, hub: Any) -> None:
        super().__init__(
            current=getcurrent,
            park=hub.switch,
            call_soon=self.keep,
            watcher=partial(Watcher, self),
            get_hub=get_hub,
            find=find_hub,
            found=hub,
        )
        self.hub = hub
        self.retired: dict[Watcher, None] = {}
        self.disarm_retired = partial(self.surely, self.disarm)
        self.hear()
        # The hub asks that once in a turn, before it looks at descriptors.
        self.sleeps = hub.sleep_until = CountedTurns(hub.sleep_until)
        self.run_hub = hub.run
        self.squelch_of_hub = hub.squelch_exception
        self.squelch_timer_of_hub = hub.squelch_timer_exception
        hub.run = self.run
        hub.squelch_exception = self.squelch_exception
        hub.squelch_timer_exception = self.squelch_timer_exception

    def schedule(self, call: _hub.Call) -> None:
        # Timers that are due are called in the order of their times, before descriptors are looked at.
        self.hub.add_timer(call)

    def call_at(self, deadline: float, callback: Callable[[], object], keep: bool = True) -> _hub.Call:
        call = _hub.Call(self, callback, deadline, self.hub.timer_canceled)
        try:
            call.seconds = max(0, deadline - time.monotonic())
            self.hub.add_timer(call)
        except BaseException:
            call.cancel()
            raise
        return call

    def turn(self) -> int:
        return self.sleeps.count

    def failed(self, error: BaseException) -> None:
        if isinstance(error, self.hub.SYSTEM_EXCEPTIONS):
            raise error
        self.hub.squelch_generic_exception((type(error), error, error.__traceback__))

    # A signal's handler may raise in the midst of the hub. If that ends it, eventlet has it run again when somebody
    # waits next; if not, it takes what was raised for an error of what it called. But what is ours raises nothing.

    def run(self, *args: object, **kwargs: object) -> None:
        """What the hub does when it begins to run again."""
        self.hub.running = False
        if hasattr(self.hub, "loop"):
            self.end_runs()
        self.recover()
        self.run_hub()

    def end_runs(self) -> None:
        """End what an interrupted run of the hub on asyncio's loop has left there."""
        import asyncio

        loop = self.hub.loop
        for task in asyncio.all_tasks(loop):
            if getattr(task.get_coro(), "__name__", None) == "async_run":
                task.cancel()
                for _ in range(4):
                    # One turn.
                    loop.stop()
                    loop.run_forever()
                # One whose next step the loop has lost never ends.
                task._log_destroy_pending = False  # type: ignore[attr-defined]

    def squelch_exception(self, fileno: int, exc_info: Any) -> None:
        for kind in (self.hub.READ, self.hub.WRITE):
            listener = self.hub.listeners[kind].get(fileno)
            if listener is not None and isinstance(getattr(listener.cb, "__self__", None), Watcher):
                # The hub would remove the descriptor.
                self.interrupt(exc_info[1])
                return
        self.squelch_of_hub(fileno, exc_info)

    def squelch_timer_exception(self, timer: Any, exc_info: Any) -> None:
        if isinstance(timer, _hub.Call):
            self.interrupt(exc_info[1])
        else:
            self.squelch_timer_of_hub(timer, exc_info)

    def is_between(self, frame: FrameType | None) -> bool:
        return frame is not None and frame.f_code.co_name in ("fire_timers", "prepare_timers")

    def goes_to_sleep(self, frame: FrameType | None) -> bool:
        # After it went through its timers it sleeps until the time that it found.
        if frame is None:
            return False
        name = str(frame.f_globals.get("__name__")), frame.f_code.co_name
        return name == ("selectors", "select") or (
            name[0].startswith("eventlet.hubs.") and name[1] in ("run", "wait", "do_poll")
        )

    def unshare(self) -> None:
        """Have an epoll set of its own: what is disarmed in the inherited one, the parent would never hear of again."""
        hub = self.hub
        if hasattr(hub, "loop"):
            selector = hub.loop._selector
            if selector is None:
                # The loop is closed.
                return
            hub.loop._selector = type(selector)()
            for key in selector.get_map().values():
                with suppress(OSError):
                    hub.loop._selector.register(key.fileobj, key.events, key.data)
        elif hasattr(getattr(hub, "poll", None), "fileno"):
            hub.poll = type(hub.poll)()
            for fd in {*hub.listeners[hub.READ], *hub.listeners[hub.WRITE]}:
                # One that was closed while somebody waited for it is still there, and may be the new set by now.
                with suppress(OSError):
                    hub.register(fd, new=True)

    def is_current(self) -> bool:
        return getcurrent() is self.hub.greenlet

    def asyncio_loop(self) -> Any:
        return getattr(self.hub, "loop", None)

    def is_alive(self) -> bool:
        loop = self.asyncio_loop()
        return (loop is None or not loop.is_closed()) and super().is_alive()

    def forget(self, watcher: Any) -> None:
        # One that listens still is disarmed when its hub runs, or when the next watcher of the descriptor is armed.
        if not self.is_elsewhere():
            watcher.close()

    def retire(self, watcher: Watcher) -> None:
        """Disarm a watcher that is not started again before the hub runs."""
        if not self.retired:
            self.call_soon(self.disarm_retired)
        self.retired[watcher] = None

    def disarm(self) -> None:
        for watcher in list(self.retired):
            if watcher.callback is None:
                watcher.disarm()
            self.retired.pop(watcher, None)


def get_hub() -> Hub:
    """Return the adapter of the running thread's eventlet hub.

    Returns
    -------
    Hub
        One for each eventlet hub; it lives as long as that.
    """
    hub: Any = hubs.get_hub()
    try:
        return hub._zmq_hub  # type: ignore[no-any-return]
    except AttributeError:
        # What a signal's handler raises while one is made has nothing to do with this.
        pass
    hub._zmq_hub = adapter = Hub(hub)
    return adapter
