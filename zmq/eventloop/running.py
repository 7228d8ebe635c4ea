"""Which loop runs, and which task of it: asyncio notes that for a thread, and here it is true of a greenlet.

A greenlet in the midst of a callback of a green loop may wait for something, a green socket for example. While others
run it does not, and neither does its loop. From Python 3.14 on a task that ends its step where asyncio has another one
noted is an error, and is never heard of again; before that a task found only, when it went on, that no loop ran, or
another. So what is noted is put aside when such a greenlet is switched away from, whoever does that, and is noted again
when it goes on.

What must not live here: how a loop waits. `zmq.eventloop.selector` calls it.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from typing import Any

import greenlet

#: A loop, and the task that it is in the midst of.
Running = tuple[asyncio.AbstractEventLoop | None, "asyncio.Task[Any] | None"]

NOTHING: Running = None, None


def what_runs() -> Running:
    """Return what runs in this thread."""
    loop = asyncio._get_running_loop()
    return loop, None if loop is None else asyncio.current_task(loop)


if sys.version_info >= (3, 14):
    from asyncio.tasks import _swap_current_task  # type: ignore[attr-defined]

    def set_running(now: Running) -> None:
        """Note that a loop and a task of it run in this thread.

        The thread has one current task, which can only be changed by way of the loop that runs.
        """
        loop = asyncio._get_running_loop()
        if loop is not None:
            _swap_current_task(loop, None)
        loop, task = now
        asyncio._set_running_loop(loop)
        if task is not None:
            _swap_current_task(loop, task)
else:

    def set_running(now: Running) -> None:
        """Note that a loop runs in this thread. Each loop has a current task, whether it runs or not."""
        asyncio._set_running_loop(now[0])


class Watch:
    """Sees a thread's greenlets switch, while any of them is in the midst of a callback of a green loop.

    Others may watch too, such as gevent's monitor: whom it found it tells, and who came later tells it.
    """

    def __init__(self, before: Callable[[str, Any], object] | None) -> None:
        self.before = before
        #: How many callbacks there are that somebody is in the midst of.
        self.entered = 0

    def __call__(self, event: str, switch: tuple[Any, Any]) -> None:
        left, entered = switch
        # Twice, where it came to be told of a switch by two.
        if getattr(left, "_zmq_outside", None) and left._zmq_aside is None:
            left._zmq_aside = what_runs()
            set_running(left._zmq_outside[0]())
        if getattr(entered, "_zmq_outside", None) and entered._zmq_aside is not None:
            aside, entered._zmq_aside = entered._zmq_aside, None
            set_running(aside)
        if self.before is not None:
            self.before(event, switch)


def enter(outside: Callable[[], Running]) -> Watch:
    """Begin callbacks of a green loop, in this greenlet; `outside` tells what runs where they don't.

    Those of one loop may run another, so what is outside is a list.
    """
    current: Any = greenlet.getcurrent()
    if not getattr(current, "_zmq_outside", None):
        current._zmq_outside = []
    current._zmq_outside.append(outside)
    current._zmq_aside = None
    found: Any = greenlet.gettrace()
    watch = found if isinstance(found, Watch) else Watch(found)
    if watch is not found:
        greenlet.settrace(watch)
    watch.entered += 1
    return watch


def leave(watch: Watch) -> None:
    """End them."""
    current: Any = greenlet.getcurrent()
    current._zmq_outside.pop()
    watch.entered -= 1
    found: Any = greenlet.gettrace()
    if not watch.entered and found is watch:
        greenlet.settrace(watch.before)
