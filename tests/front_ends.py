"""The front-ends that the behaviour suite runs on: what a test needs to start others, to wait and to give up.

A test never asks which front-end it runs on. What only one of them can do is tested in `tests/green`.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from types import ModuleType
from typing import Any, Protocol

os.environ["EVENTLET_TESTS"] = "1"  # otherwise it warns, here and in every process of a test, that it is old

import eventlet
import eventlet.event
import gevent
import gevent.event

import zmq
import zmq.eventlet
import zmq.green

#: Seconds after which a test that waits for something gives up.
LIMIT = 20.0


class Task(Protocol):
    """Something that runs beside the test."""

    def get(self) -> Any:
        """Wait until it is done; return what it returned, or raise what it raised."""


class FrontEnd(Protocol):
    name: str
    zmq: ModuleType
    #: Whether the hub can run on after Ctrl-C came while it ran; eventlet's on asyncio can't.
    outlives_interrupts: bool
    #: The names in the front-end's own terms.
    Event: Callable[[], Any]

    def spawn(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Task: ...
    def sleep(self, seconds: float) -> None: ...


class ThreadTask:
    def __init__(self, function: Callable[..., Any], args: Any, kwargs: Any) -> None:
        self.value: Any = None
        self.error: BaseException | None = None
        self.thread = threading.Thread(target=self.run, args=(function, args, kwargs), daemon=True)
        self.thread.start()

    def run(self, function: Callable[..., Any], args: Any, kwargs: Any) -> None:
        try:
            self.value = function(*args, **kwargs)
        except BaseException as error:
            self.error = error

    def get(self) -> Any:
        self.thread.join(LIMIT)
        assert not self.thread.is_alive(), "the thread still runs"
        if self.error is not None:
            raise self.error
        return self.value


class Threads:
    name = "threads"
    outlives_interrupts = True
    zmq = zmq
    Event = threading.Event

    def spawn(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Task:
        return ThreadTask(function, args, kwargs)

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)


class GreenTask:
    def __init__(self, function: Callable[..., Any], args: Any, kwargs: Any) -> None:
        self.value: Any = None
        self.error: BaseException | None = None
        self.greenlet = gevent.spawn(self.run, function, args, kwargs)

    def run(self, function: Callable[..., Any], args: Any, kwargs: Any) -> None:
        # An error that the test expects is nothing that gevent should report.
        try:
            self.value = function(*args, **kwargs)
        except Exception as error:
            self.error = error

    def get(self) -> Any:
        self.greenlet.get(timeout=LIMIT)
        if self.error is not None:
            raise self.error
        return self.value


class Gevent:
    name = "gevent"
    outlives_interrupts = True
    zmq = zmq.green
    Event = gevent.event.Event

    def spawn(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Task:
        return GreenTask(function, args, kwargs)

    def sleep(self, seconds: float) -> None:
        gevent.sleep(seconds)


class EventletTask:
    def __init__(self, function: Callable[..., Any], args: Any, kwargs: Any) -> None:
        self.value: Any = None
        self.error: BaseException | None = None
        self.greenlet = eventlet.spawn(self.run, function, args, kwargs)

    def run(self, function: Callable[..., Any], args: Any, kwargs: Any) -> None:
        # An error that the test expects is nothing that eventlet should report.
        try:
            self.value = function(*args, **kwargs)
        except Exception as error:
            self.error = error

    def get(self) -> Any:
        with eventlet.Timeout(LIMIT):
            self.greenlet.wait()
        if self.error is not None:
            raise self.error
        return self.value


class EventletEvent:
    """What `threading.Event` does, with the one-shot events of eventlet."""

    def __init__(self) -> None:
        self.event = eventlet.event.Event()

    def is_set(self) -> bool:
        return self.event.ready()

    def set(self) -> None:
        if not self.event.ready():
            self.event.send()

    def wait(self, timeout: float | None = None) -> bool:
        with eventlet.Timeout(timeout, False):
            self.event.wait()
        return self.is_set()


class Eventlet:
    name = "eventlet"
    outlives_interrupts = os.environ.get("EVENTLET_HUB") != "asyncio"
    zmq = zmq.eventlet
    Event = EventletEvent

    def spawn(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Task:
        return EventletTask(function, args, kwargs)

    def sleep(self, seconds: float) -> None:
        eventlet.sleep(seconds)


FRONT_ENDS: list[FrontEnd] = [Threads(), Gevent(), Eventlet()]


def wait_until(front_end: FrontEnd, condition: Callable[[], object]) -> None:
    """Wait until a condition holds; fail where it does not within the limit."""
    end = time.monotonic() + LIMIT
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        front_end.sleep(0.002)
