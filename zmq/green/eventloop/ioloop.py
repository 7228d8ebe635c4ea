"""`IOLoop`: tornado's loop, waiting in gevent's hub, so that other greenlets run while it does."""

from __future__ import annotations

import warnings
from typing import Any

from tornado.ioloop import PeriodicCallback as PeriodicCallback
from tornado.log import app_log as app_log
from tornado.platform.asyncio import AsyncIOLoop

from zmq.eventloop import selector as _selector
from zmq.green.poll import Poller


class EventLoop(_selector.EventLoop):
    """asyncio's loop, waiting in gevent's hub."""

    def __init__(self) -> None:
        super().__init__(Poller)


class IOLoop(AsyncIOLoop):
    """A loop of tornado's that blocks only the greenlet in which it is started.

    Parameters
    ----------
    make_current : bool
        Whether it becomes the current one of this thread.
    """

    def initialize(self, **kwargs: Any) -> None:  # type: ignore[override]
        super().initialize(asyncio_loop=EventLoop(), **kwargs)


ZMQIOLoop = IOLoop


def install() -> None:
    """Do nothing: make an `IOLoop` of this module, and start it in a greenlet."""
    warnings.warn("install is deprecated: make an IOLoop of this module", DeprecationWarning, stacklevel=2)
