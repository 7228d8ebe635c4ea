"""What the program needs, in the words of plain Python. With --legacy all of it is green, and nothing here knows."""

from __future__ import annotations

from collections.abc import Callable
from threading import Event, Thread
from time import sleep

import zmq

__all__ = ["Event", "join", "sleep", "spawn", "zmq"]


def spawn(function: Callable[..., None], *args: object) -> Thread:
    thread = Thread(target=function, args=args, daemon=True)
    thread.start()
    return thread


def join(thread: Thread) -> None:
    thread.join()
