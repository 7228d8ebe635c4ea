"""Tornado's `IOLoop` under the names of the time when 0MQ needed a loop of its own. It needs none any more.

All other names of `tornado.ioloop` are here too.
"""

from __future__ import annotations

import warnings
from typing import Any

from tornado import ioloop as _ioloop
from tornado.ioloop import IOLoop as IOLoop
from tornado.ioloop import PeriodicCallback as PeriodicCallback
from tornado.log import app_log as app_log

ZMQIOLoop = IOLoop

__all__ = ["IOLoop", "PeriodicCallback", "ZMQIOLoop", "install"]


def install() -> None:
    """Do nothing: 0MQ works with any loop of tornado's."""
    warnings.warn(
        "zmq.eventloop.ioloop.install is deprecated: 0MQ works with tornado's own loop, there is nothing to install",
        DeprecationWarning,
        stacklevel=2,
    )


def __getattr__(name: str) -> Any:
    if name.startswith("__"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(_ioloop, name)
