"""gevent's greenlets as tasks: beside `zmq.green.hub` the only file of this package that imports gevent.

Lives here: how a task is started, ended and waited for, and how a program is made to run on the framework. What must
not: anything that knows of sockets. Called by `zmq.green.auth`, `zmq.green.devices` and `zmq.green.monkey`.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import gevent

if TYPE_CHECKING:
    Task = gevent.Greenlet[..., Any]
else:
    Task = gevent.Greenlet


def spawn(function: Callable[..., Any], *args: Any) -> Task:
    """Have a function called in a greenlet of its own, which begins when the hub runs.

    Parameters
    ----------
    function : callable
    *args
        What it gets.

    Returns
    -------
    gevent.Greenlet
    """
    return gevent.spawn(function, *args)


def when_ended(task: Task, callback: Callable[[], object]) -> None:
    """Have a callback called once, in the hub or elsewhere, when a task has ended, or soon if it has ended already.

    Parameters
    ----------
    task : gevent.Greenlet
        One that was killed before it could begin has ended too.
    callback : callable
        It does not wait.
    """
    task.rawlink(lambda _: callback())


def kill(task: Task) -> None:
    """Have another task end; it may end later than this returns. One that has ended is left alone.

    Parameters
    ----------
    task : gevent.Greenlet
    """
    task.kill(block=False)


def join(task: Task) -> None:
    """Wait until another task has ended; what it ended of is not raised.

    Parameters
    ----------
    task : gevent.Greenlet
    """
    task.join()


def patch() -> None:
    """Make the standard library green, as the framework does it.

    gevent begins to hear of children's ends once it has forked the first of them, and never hears of one that ended
    before that: ``os.waitpid`` hangs. So it begins before.
    """
    import gevent.monkey

    gevent.monkey.patch_all()
    if not gevent.config.disable_watch_children:
        os.register_at_fork(before=_hear_of_children)


def _hear_of_children() -> None:
    loop = gevent.get_hub().loop
    if loop.default:
        loop.install_sigchld()


def in_every_hub(function: Callable[[], object]) -> None:
    """Have a function called in the hub of every thread, before that sleeps for the first time.

    Parameters
    ----------
    function : callable
        Called in the hub.
    """
    import gevent.hub
    from gevent._hub_local import get_hub_if_exists, set_default_hub_class

    class Hub(gevent.hub.Hub):
        __doc__ = gevent.hub.Hub.__doc__

        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            self.loop.run_callback(function)

    set_default_hub_class(Hub)
    # Where there is none yet none is made: the program may choose its loop.
    hub = get_hub_if_exists()
    if hub is not None:
        hub.loop.run_callback(function)
