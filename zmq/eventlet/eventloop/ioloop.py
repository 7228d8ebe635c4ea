# Written by tools/generate_frameworks.py from zmq/green/eventloop/ioloop.py: change that, then ``make frameworks``.
"""`IOLoop`: tornado's loop, waiting in eventlet's hub, so that other greenlets run while it does.

All other names of `tornado.ioloop` are here too.
"""

from __future__ import annotations

from typing import Any

from tornado import ioloop as _ioloop
from tornado.ioloop import PeriodicCallback as PeriodicCallback
from tornado.log import app_log as app_log

from zmq.eventlet.hub import get_hub as _get_hub
from zmq.eventlet.poll import Poller
from zmq.eventloop import hubloop as _hubloop
from zmq.eventloop import selector as _selector


class EventLoop(_selector.EventLoop):
    """asyncio's loop, waiting in eventlet's hub."""

    _poller_class = Poller


class IOLoop(_hubloop.HubLoop):
    """A loop of tornado's that blocks only the greenlet in which it is started.

    `current`, and `instance`, give the one that runs here; or that which this greenlet made current; or the last that
    any greenlet of the thread did; or tornado's own, which waits in the hub from then on; or else they make one.

    Parameters
    ----------
    make_current : bool
        Whether it becomes the current one of this greenlet, and of its thread.
    """

    _new_event_loop = EventLoop

    @staticmethod
    def _get_hub() -> Any:
        return _get_hub()


ZMQIOLoop = IOLoop


def install() -> None:
    """Make an `IOLoop` of this module the current one of this thread, also for tornado and asyncio."""
    _hubloop.install(IOLoop)


def __getattr__(name: str) -> Any:
    if name.startswith("__"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(_ioloop, name)
