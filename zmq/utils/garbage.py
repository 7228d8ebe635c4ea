"""What is lent to libzmq, under the names of PyZMQ's collector of such objects.

Nothing here calls it: `zmq.core.messages.lent_memory` looks after what is sent with ``copy=False``, without a
Python thread. Programs look at ``gc.refs`` to see what libzmq still holds.
"""

from __future__ import annotations

import os
from threading import Event, Lock, Thread
from typing import Any, NamedTuple

import zmq
from zmq.core.messages.lent_memory import lent


class gcref(NamedTuple):
    """An object that is held, and the event that is set when it is let go."""

    obj: Any
    event: Any


class GarbageCollectorThread(Thread):
    """A thread with nothing to do; no one starts it.

    Parameters
    ----------
    gc : GarbageCollector

    Attributes
    ----------
    pid : int
        The process that it was made in.
    ready : threading.Event
        Set once it has run.
    """

    def __init__(self, gc: GarbageCollector) -> None:
        super().__init__(daemon=True)
        self.gc = gc
        self.pid = os.getpid()
        self.ready = Event()

    def run(self) -> None:
        """Return at once."""
        self.ready.set()


class GarbageCollector:
    """Show what is lent to libzmq, and hold other objects until `stop`.

    Its length is the number of both.

    Parameters
    ----------
    context : Context, optional
        What `context` returns; `Context.instance` when left out.

    Attributes
    ----------
    pid : None
        The process in which the thread was started: there is none.
    thread : None
        The thread: there is none.
    """

    url = "inproc://pyzmq.gc.01"
    pid: int | None = None
    thread: GarbageCollectorThread | None = None

    def __init__(self, context: Any = None) -> None:
        self._context = context
        self._lock = Lock()
        self._stored: dict[int, gcref] = {}

    @property
    def refs(self) -> dict[int, gcref]:
        """dict : a `gcref` for every object that is lent to libzmq or was stored here, as it is now."""
        return {**{number: gcref(obj, None) for number, obj in lent().items()}, **self._stored}

    @property
    def context(self) -> Any:
        """Context : the one it was made with; it is not used."""
        return zmq.Context.instance() if self._context is None else self._context

    @context.setter
    def context(self, context: Any) -> None:
        self._context = context

    def start(self) -> None:
        """Do nothing: there is no thread to start."""

    def stop(self) -> None:
        """Let go of what was stored, and set its events."""
        with self._lock:
            stored, self._stored = self._stored, {}
        for ref in stored.values():
            if ref.event is not None:
                ref.event.set()

    def is_alive(self) -> bool:
        """Return False: there is no thread."""
        return False

    def store(self, obj: Any, event: Any = None) -> int:
        """Hold an object until `stop`.

        Parameters
        ----------
        obj : object
        event : threading.Event, optional
            Set when the object is let go.

        Returns
        -------
        int
            Its key in `refs`.
        """
        ref = gcref(obj, event)
        with self._lock:
            self._stored[id(ref)] = ref
        return id(ref)

    def __len__(self) -> int:
        return len(self.refs)


gc = GarbageCollector()

__all__ = ["GarbageCollector", "GarbageCollectorThread", "gc", "gcref"]
