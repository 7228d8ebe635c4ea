"""Who keeps a hub from running, or blocks a thread: the greenlet or task that its thread runs.

Lives here: which of those that run belongs to which thread. What must not: how anybody is described
(`zmq.core.inspection.who`). Called by `zmq.core.inspection.service` and `zmq.core.inspection.watch`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from contextlib import suppress

from zmq.core.inspection import who
from zmq.core.waiting.hub import Hub

TYPE_CHECKING = False  # `typing` takes longer to import than all the rest

if TYPE_CHECKING:
    from typing import Any


def loop_greenlet(hub: Hub) -> Any:
    """Return the greenlet in which the framework of a hub runs its loop, or None."""
    loop = getattr(hub, "hub", None)
    # eventlet's hub has it, gevent's is it.
    return getattr(loop, "greenlet", loop)


def task_of(hub: Hub) -> who.Who | None:
    """Return the task that an event loop runs now, if it is asyncio's and runs one."""
    asyncio = sys.modules.get("asyncio")
    found = None
    if asyncio is not None:
        with suppress(Exception):
            # Of a loop that is none of asyncio's there is none.
            found = asyncio.current_task(getattr(hub, "loop", None) or hub.asyncio_loop())
    return None if found is None else who.task(found)


def greenlet_of(thread: int, hubs: Iterable[Hub], running: Iterable[who.Who] | None = None) -> who.Who | None:
    """Return the greenlet that a thread runs, if that can be told and it is none that runs a loop.

    Parameters
    ----------
    thread : int
    hubs : iterable of Hub
        Those that are known.
    running : iterable of Who, optional
        The greenlets that run, if they are known already.

    Notes
    -----
    A greenlet does not say which thread runs it. Its parents do: one is the loop of a hub whose thread is known, or
    says it as gevent's does. Where neither is the case and there is but one, it is that.
    """
    threads = {id(loop): hub.thread for hub in hubs if (loop := loop_greenlet(hub)) is not None}
    unknown = []
    for each in who.everybody().running if running is None else running:
        if each.what.parent is None or id(each.what) in threads or hasattr(each.what, "thread_ident"):
            continue
        found, parent = None, each.what.parent
        while parent is not None and found is None:
            found = threads.get(id(parent), getattr(parent, "thread_ident", None))
            parent = parent.parent
        if found == thread:
            return each
        if found is None:
            unknown.append(each)
    return unknown[0] if len(unknown) == 1 else None


def keeper(hub: Hub, hubs: Iterable[Hub]) -> who.Who | None:
    """Return who keeps a hub from running, if that can be told: a greenlet, or a task."""
    # eventlet's may run on a loop of asyncio's.
    found = None if loop_greenlet(hub) is None else greenlet_of(hub.thread, hubs)
    return found or task_of(hub)
