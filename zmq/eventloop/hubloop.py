"""`HubLoop`: tornado's loop in the hub of a green framework, and which one is the current one where.

Lives here: what `zmq.green.eventloop` and `zmq.eventlet.eventloop` share. What must not: anything of their frameworks.

tornado has one current loop for each thread, asyncio's. Greenlets may run loops of their own, so here it is that which
runs where the question is asked; or else the one that this greenlet made current; or else the last that any greenlet of
the thread did; or else tornado's, where it made one before anybody asked here, which waits in the hub from then on; or
else a new one. It is asyncio's too, for whatever asks tornado or asyncio.
"""

from __future__ import annotations

import asyncio
import sys
import warnings
from typing import Any
from weakref import WeakKeyDictionary

from greenlet import getcurrent
from tornado.ioloop import IOLoop
from tornado.platform.asyncio import AsyncIOLoop, AsyncIOMainLoop

from zmq.eventloop.running import NOTHING, set_running, what_runs
from zmq.eventloop.selector import EventLoop


class Current:
    """The current loops of a hub, which holds them."""

    def __init__(self) -> None:
        self.of_thread: HubLoop | None = None
        self.of_greenlets: WeakKeyDictionary[Any, HubLoop] = WeakKeyDictionary()

    def find(self) -> HubLoop | None:
        for loop in (self.of_greenlets.get(getcurrent()), self.of_thread):
            if loop is not None and not loop.asyncio_loop.is_closed():
                return loop
        return None

    def set(self, loop: HubLoop) -> None:
        self.of_thread = self.of_greenlets[getcurrent()] = loop

    def forget(self, loop: HubLoop) -> None:
        if self.of_thread is loop:
            self.of_thread = None
        for greenlet in [greenlet for greenlet, other in self.of_greenlets.items() if other is loop]:
            del self.of_greenlets[greenlet]


class HubLoop(AsyncIOLoop):
    """A loop of tornado's that blocks only the greenlet in which it is started.

    Parameters
    ----------
    make_current : bool
        Whether it becomes the current one of this greenlet, and of its thread.
    asyncio_loop : asyncio.AbstractEventLoop, optional
        A new one that waits in the hub when left out.
    """

    _new_event_loop: type[EventLoop]

    @staticmethod
    def _get_hub() -> Any:
        """Return the adapter of the running thread's hub."""
        raise NotImplementedError

    def initialize(self, **kwargs: Any) -> None:  # type: ignore[override]
        if "asyncio_loop" not in kwargs:
            kwargs["asyncio_loop"] = self._new_event_loop()
        self._kept_by: Current | None = None
        self._before: asyncio.AbstractEventLoop | None = None
        self._outer: asyncio.AbstractEventLoop | None = None
        super().initialize(**kwargs)

    @classmethod
    def _current(cls) -> Current:
        hub = cls._get_hub()
        try:
            return hub.io_loops  # type: ignore[no-any-return]
        except AttributeError:
            pass
        current = hub.io_loops = Current()
        return current

    @classmethod
    def current(cls, instance: bool = True) -> Any:
        """Return the loop that runs here, or the current one of this greenlet, of its thread, or of tornado.

        Parameters
        ----------
        instance : bool
            Whether to make one where there is none, and make it current; False for None instead.
        """
        running = asyncio._get_running_loop()
        if running is not None and running is not cls._get_hub().asyncio_loop():
            return IOLoop.current(instance)
        loop = cls._current().find() or cls._take_over()
        return cls() if loop is None and instance else loop

    @classmethod
    def _take_over(cls) -> HubLoop | None:
        """Have the loop that tornado made for this thread wait in the hub: who asked it goes on with that one."""
        asyncio_loop = asyncio_current()
        taken: Any = None if asyncio_loop is None else IOLoop._ioloop_for_asyncio.get(asyncio_loop)
        if type(taken) not in (AsyncIOLoop, AsyncIOMainLoop) or not cls._new_event_loop._take_over(taken.asyncio_loop):
            return None
        taken.__class__ = cls
        taken._kept_by = taken._outer = None
        taken._make_current()
        taken._before = None
        return taken  # type: ignore[no-any-return]

    @classmethod
    def instance(cls) -> Any:
        """Return what `current` does."""
        return cls.current()

    @classmethod
    def clear_current(cls) -> None:
        """Have no current loop in this greenlet, nor that one in its thread."""
        warnings.warn("clear_current is deprecated", DeprecationWarning, stacklevel=2)
        loop = cls._current().find()
        if loop is not None:
            loop._clear_current_hook()

    @classmethod
    def clear_instance(cls) -> None:
        """Do what `clear_current` does."""
        cls.clear_current()

    def _make_current(self) -> None:
        if self._kept_by is None:
            self._kept_by = self._current()
            self._before = asyncio_current()
            self._outer = self._get_hub().asyncio_loop()
        self._kept_by.set(self)
        self.is_current = True
        asyncio.set_event_loop(self.asyncio_loop)
        if self._outer is not None:
            # In greenlets of a hub that is a loop of asyncio's, that one seems to run.
            IOLoop._ioloop_for_asyncio[self._outer] = self

    def _clear_current_hook(self) -> None:
        if self._kept_by is None:
            return
        self._kept_by.forget(self)
        self._kept_by = None
        self.is_current = False
        before, self._before = self._before, None
        if asyncio_current() is self.asyncio_loop:
            asyncio.set_event_loop(None if before is None or before.is_closed() else before)
        outer, self._outer = self._outer, None
        if outer is not None and IOLoop._ioloop_for_asyncio.get(outer) is self:
            del IOLoop._ioloop_for_asyncio[outer]

    def close(self, all_fds: bool = False) -> None:
        # Only this one: another greenlet may have made its own current.
        self._clear_current_hook()
        super().close(all_fds)


def asyncio_current() -> asyncio.AbstractEventLoop | None:
    """Return asyncio's loop for this thread, if one was set: to ask older versions of asyncio makes one."""
    if sys.version_info >= (3, 14):
        before = what_runs()
        set_running(NOTHING)
        try:
            return asyncio.get_event_loop()
        except RuntimeError:
            return None
        finally:
            set_running(before)
    local = getattr(asyncio.get_event_loop_policy(), "_local", None)
    return getattr(local, "_loop", None)


def install(loop_class: type[HubLoop]) -> None:
    """Make a loop of a class the current one of this thread, if there is none."""
    warnings.warn("install is deprecated: IOLoop.current() does the same", DeprecationWarning, stacklevel=3)
    loop_class.current()._make_current()
