"""`EventLoop`: asyncio's event loop, waiting in a hub by means of a `Selector`, so that other greenlets run meanwhile.

asyncio notes for the thread which loop runs. While a greenlet waits in `Selector.select` its loop does not run: what
was noted before is true again, so that others may run loops of their own, and the hub itself may be a loop. So it is
when a greenlet waits in the midst of a callback (`zmq.eventloop.running`).
"""

from __future__ import annotations

import asyncio
import os
import selectors
import stat
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from errno import EPERM
from typing import Any

from zmq.core.constants import PollEvent
from zmq.core.poll import Poller
from zmq.core.waiting.budget import get_budget
from zmq.core.waiting.hub import thread_ident
from zmq.core.waiting.sleeper import let_run
from zmq.eventloop import running
from zmq.eventloop.running import NOTHING, Running, set_running, what_runs

POLLIN, POLLOUT = int(PollEvent.POLLIN), int(PollEvent.POLLOUT)


class Selector(selectors.BaseSelector):
    """Wait for descriptors as a poller does.

    Parameters
    ----------
    poller_class : type
        A green `Poller`.
    """

    #: When the hub ran last, as far as is known here.
    hub_ran = 0.0

    #: In whose callback the loop that uses the selector runs.
    outer = NOTHING

    #: What sees it when a greenlet waits in a callback of that loop, or None while it runs none.
    watch: running.Watch | None = None

    #: Whether a greenlet sleeps here, and was not woken yet.
    sleeps = False

    #: What the thread does with asynchronous generators where no loop that uses the selector runs.
    outer_hooks: Any = (None, None)

    def __init__(self, poller_class: type[Poller]) -> None:
        self.poller = poller_class()
        self.keys: dict[int, selectors.SelectorKey] = {}

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        fd = descriptor_of(fileobj)
        if fd in self.keys:
            raise KeyError(f"{fileobj!r} (FD {fd}) is already registered")
        flags = POLLIN * bool(events & selectors.EVENT_READ) | POLLOUT * bool(events & selectors.EVENT_WRITE)
        if not flags or events & ~(selectors.EVENT_READ | selectors.EVENT_WRITE):
            raise ValueError(f"Invalid events: {events!r}")
        mode = os.fstat(fd).st_mode
        if stat.S_ISREG(mode) or stat.S_ISDIR(mode):
            # As epoll says.
            raise PermissionError(EPERM, f"a file or a folder is always ready, and can't be waited for: {fileobj!r}")
        self.poller.register(fd, flags)
        self.keys[fd] = key = selectors.SelectorKey(fileobj, fd, events, data)
        return key

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        fd = self._find(fileobj)
        if fd in self.poller:
            self.poller.unregister(fd)
        return self.keys.pop(fd)

    def _find(self, fileobj: Any) -> int:
        try:
            fd = descriptor_of(fileobj)
        except ValueError:
            # It was closed.
            fd = next((fd for fd, key in self.keys.items() if key.fileobj is fileobj), -1)
        if fd not in self.keys:
            raise KeyError(f"{fileobj!r} is not registered")
        return fd

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        milliseconds = None if timeout is None else max(0.0, timeout) * 1000
        found: list[tuple[selectors.SelectorKey, int]] = []
        inner = what_runs()
        # Not so where it is used by itself.
        by_loop = self.watch is not None
        hooks = sys.get_asyncgen_hooks()
        self.leave()
        set_running(self.find_outer())
        if by_loop:
            sys.set_asyncgen_hooks(*self.outer_hooks)
        try:
            self.sleeps = True
            ready = self.poller.poll(milliseconds)
            self.sleeps = False
            self.yield_if_busy(bool(ready) or milliseconds == 0)
        finally:
            self.sleeps = False
            self.set_again(inner)
            if by_loop:
                sys.set_asyncgen_hooks(*hooks)
                self.enter()
        for fd, flags in ready:
            key = self.keys.get(fd)
            if key is not None:
                failed = flags & ~(POLLIN | POLLOUT)
                if failed and is_closed(fd):
                    # Nothing is heard of it any more, as of what epoll watches.
                    self.poller.unregister(fd)
                    continue
                # An error is readable and writable, as the calls that meet it say.
                events = selectors.EVENT_READ if flags & POLLIN or failed else 0
                events |= selectors.EVENT_WRITE if flags & POLLOUT or failed else 0
                found.append((key, events & key.events))
        return found

    def enter(self) -> None:
        """Begin callbacks of the loop."""
        self.watch = running.enter(self.find_outer)

    def leave(self) -> None:
        """End them."""
        watch, self.watch = self.watch, None
        if watch is not None:
            running.leave(watch)

    def find_outer(self) -> Running:
        """Return what runs where this loop waits: it may be a hub's that was started since."""
        if self.outer[0] is not None:
            return self.outer
        loop = self.poller._get_hub().asyncio_loop()  # type: ignore[misc]
        return (loop, None) if loop is not None and loop.is_running() else NOTHING

    def set_again(self, before: Running) -> None:
        """Note what ran before somebody waited; where nothing did, the hub may be a loop that runs now."""
        set_running(self.find_outer() if before[0] is None else before)

    def yield_if_busy(self, busy: bool) -> None:
        """Let the hub run if the loop has not waited for longer than the budget: it always has something to do."""
        now = time.monotonic()
        if busy:
            budget = get_budget()
            if not budget or now - self.hub_ran < budget:
                return
            hub = self.poller._get_hub()  # type: ignore[misc]
            if hub.is_current():
                return
            let_run(hub)
            now = time.monotonic()
        self.hub_ran = now

    def close(self) -> None:
        for fd in list(self.keys):
            self.unregister(fd)

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return FileObjects(self)


def descriptor_of(fileobj: Any) -> int:
    """Return the descriptor of something that is to be watched.

    Raises
    ------
    ValueError
        It has none, as what is closed.
    """
    try:
        fd = fileobj if isinstance(fileobj, int) else int(fileobj.fileno())
    except (AttributeError, TypeError, ValueError):
        raise ValueError(f"Invalid file object: {fileobj!r}") from None
    if fd < 0:
        raise ValueError(f"Invalid file descriptor: {fd}")
    return fd


def is_closed(fd: int) -> bool:
    try:
        os.fstat(fd)
    except OSError:
        return True
    return False


class FileObjects(Mapping[Any, selectors.SelectorKey]):
    """The keys of a selector by file object or descriptor."""

    def __init__(self, selector: Selector) -> None:
        self.selector = selector

    def __len__(self) -> int:
        return len(self.selector.keys)

    def __getitem__(self, fileobj: Any) -> selectors.SelectorKey:
        return self.selector.keys[self.selector._find(fileobj)]

    def __iter__(self) -> Any:
        return iter(self.selector.keys)


class EventLoop(asyncio.SelectorEventLoop):
    """asyncio's loop, blocking only the greenlet in which it runs."""

    #: The native thread in which it runs.
    zmq_thread: int | None = None

    #: A green one.
    _poller_class: type[Poller]

    def __init__(self) -> None:
        self.waits = Selector(self._poller_class)
        super().__init__(self.waits)

    @classmethod
    def _take_over(cls, loop: asyncio.AbstractEventLoop) -> bool:
        """Make a loop one of this class, with all that it watches, and tell whether that can be done.

        It can of asyncio's own one while it does not run.
        """
        if type(loop) is not asyncio.SelectorEventLoop or loop.is_running() or loop.is_closed():
            return False
        taken: Any = loop
        selector, before = Selector(cls._poller_class), taken._selector
        for key in list(before.get_map().values()):
            selector.register(key.fileobj, key.events, key.data)
        taken._selector = taken.waits = selector
        taken.__class__ = cls
        before.close()
        return True

    # Other greenlets of the thread call these while the loop's own sleeps; asyncio wakes it only for other threads.

    def call_soon(  # type: ignore[override]
        self, callback: Any, *args: Any, context: Any = None
    ) -> asyncio.Handle:
        handle = super().call_soon(callback, *args, context=context)
        self._rouse()
        return handle

    def call_at(  # type: ignore[override]
        self, when: float, callback: Any, *args: Any, context: Any = None
    ) -> asyncio.TimerHandle:
        timer = super().call_at(when, callback, *args, context=context)
        self._rouse()
        return timer

    def stop(self) -> None:
        super().stop()
        self._rouse()

    def _rouse(self) -> None:
        if self.waits.sleeps:
            self.waits.sleeps = False
            self._write_to_self()  # type: ignore[attr-defined]

    def run_forever(self) -> None:
        with self._alone():
            super().run_forever()

    def run_until_complete(self, future: Any) -> Any:
        with self._alone():
            return super().run_until_complete(future)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Run as if the loop that runs already, which is that of a hub, did not."""
        self.zmq_thread = thread_ident()
        before, watch, outer = self.waits.outer, self.waits.watch, what_runs()
        hooks, self.waits.outer_hooks = self.waits.outer_hooks, sys.get_asyncgen_hooks()
        if outer[0] is not None:
            self.waits.outer = outer
        set_running(NOTHING)
        self.waits.enter()
        try:
            yield
        finally:
            self.waits.leave()
            self.waits.outer, self.waits.watch = before, watch
            self.waits.outer_hooks = hooks
            self.waits.set_again(outer)
