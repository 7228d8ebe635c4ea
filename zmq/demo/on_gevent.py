"""What the program needs, in the words of gevent."""

from __future__ import annotations

from typing import Any

import gevent.monkey
from gevent import sleep, spawn
from gevent.event import Event

import zmq.green as zmq
from zmq.green import monkey

__all__ = ["Event", "join", "patch_all", "sleep", "spawn", "zmq"]


def join(greenlet: gevent.Greenlet[..., Any]) -> None:
    greenlet.join()


def patch_all() -> None:
    """Make what is written for threads green."""
    gevent.monkey.patch_all()
    monkey.patch_all()
