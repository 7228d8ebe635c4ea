"""eventlet's greenlets as tasks: beside `zmq.eventlet.hub` the only file of this package that imports eventlet.

Lives here: how a task is started, ended and waited for, and how a program is made to run on the framework. What must
not: anything that knows of sockets. Called by `zmq.eventlet.auth`, `zmq.eventlet.devices` and `zmq.eventlet.monkey`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeAlias

import eventlet
import eventlet.event
import eventlet.greenthread
from eventlet import hubs

Task: TypeAlias = eventlet.greenthread.GreenThread


def spawn(function: Callable[..., Any], *args: Any) -> Task:
    """Have a function called in a greenlet of its own, which begins when the hub runs.

    Parameters
    ----------
    function : callable
    *args
        What it gets.

    Returns
    -------
    eventlet.greenthread.GreenThread
    """
    return eventlet.spawn(function, *args)


def when_ended(task: Task, callback: Callable[[], object]) -> None:
    """Have a callback called once, in the hub or elsewhere, when a task has ended, or soon if it has ended already.

    Parameters
    ----------
    task : eventlet.greenthread.GreenThread
        One that was killed before it could begin has ended too.
    callback : callable
        It does not wait.
    """
    task.link(lambda _: callback())


def kill(task: Task) -> None:
    """Have another task end; it may end later than this returns. One that has ended is left alone.

    Parameters
    ----------
    task : eventlet.greenthread.GreenThread
    """
    task.kill()


def join(task: Task) -> None:
    """Wait until another task has ended; what it ended of is not raised.

    Parameters
    ----------
    task : eventlet.greenthread.GreenThread
    """
    # `wait` would raise what it ended of.
    ended = eventlet.event.Event()
    task.link(lambda _: ended.send())
    ended.wait()


def patch() -> None:
    """Make the standard library green, as the framework does it."""
    eventlet.monkey_patch()


def in_every_hub(function: Callable[[], object]) -> None:
    """Have a function called in the hub of every thread, before that sleeps for the first time.

    Parameters
    ----------
    function : callable
        Called in the hub.
    """
    use_hub, local = hubs.use_hub, hubs._threadlocal

    @wraps(use_hub)
    def use_hub_and_call(*args: Any, **kwargs: Any) -> None:
        use_hub(*args, **kwargs)
        extend()

    def extend() -> None:
        """Have the hubs that this thread makes from now on call the function when they run first."""
        chosen: Any = local.Hub

        class Hub(chosen):  # type: ignore[misc]
            __doc__ = chosen.__doc__
            called = False

            def run(self, *args: Any, **kwargs: Any) -> None:
                if not self.called:
                    function()
                    self.called = True
                super().run(*args, **kwargs)

        local.Hub = Hub

    hubs.use_hub = use_hub_and_call
    if hasattr(local, "Hub"):
        extend()
    if hasattr(local, "hub"):
        local.hub.schedule_call_global(0, function)
