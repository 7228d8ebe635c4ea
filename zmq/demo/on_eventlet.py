"""What the program needs, in the words of eventlet."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import eventlet
import eventlet.event
from eventlet import sleep, spawn

import zmq.eventlet as zmq
from zmq.eventlet import monkey

__all__ = ["Event", "join", "patch_all", "sleep", "spawn", "zmq"]


class Event:
    """What `threading.Event` is; an event of eventlet's happens once and may not be repeated."""

    def __init__(self) -> None:
        self.event = eventlet.event.Event()

    def is_set(self) -> bool:
        return bool(self.event.ready())

    def set(self) -> None:
        if not self.event.ready():
            self.event.send()

    def wait(self, timeout: float | None = None) -> bool:
        self.event.wait(timeout)
        return self.is_set()


def join(greenlet: Any) -> None:
    with suppress(Exception):  # the hub has shown it
        greenlet.wait()


def patch_all() -> None:
    """Make what is written for threads green."""
    eventlet.monkey_patch()
    monkey.patch_all()
