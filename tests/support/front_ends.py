"""The front-ends that the behaviour suite runs on: what a test needs to start others, to wait and to give up.

A test never asks which front-end it runs on. What only one of them can do is tested in `tests/green`.
"""

from __future__ import annotations

import gc
import importlib
import os
import threading
import time
from collections.abc import Callable
from functools import cache
from types import ModuleType
from typing import Any, Protocol

os.environ["EVENTLET_TESTS"] = "1"  # otherwise it warns, here and in every process of a test, that it is old

import zmq

#: Seconds after which a test that waits for something gives up.
LIMIT = 20.0
#: Whether tests that take long run in their full form, as "make matrix" has them.
LONG = bool(os.environ.get("ZMQ_TESTS_LONG"))
#: Whether this is gevent's and eventlet's own choice of a loop and hub. On the others the short form has only what a
#: loop or hub decides.
IS_DEFAULT = not {"GEVENT_LOOP", "EVENTLET_HUB"} & os.environ.keys()


class Task(Protocol):
    """Something that runs beside the test."""

    def get(self) -> Any:
        """Wait until it is done; return what it returned, or raise what it raised."""


class FrontEnd(Protocol):
    name: str
    zmq: ModuleType
    #: Whether the hub can run on after Ctrl-C came while it ran.
    outlives_interrupts: bool
    #: Whether a signal's handler may raise at any moment; gevent's loops that are written in Python lose count of their
    #: watchers when one does in their midst.
    stands_handlers: bool
    #: Whether what a signal's handler has called soon is called soon; eventlet's hub sleeps on until something else
    #: happens.
    wakes_for_handlers: bool
    #: Whether the child of a fork prints no error of the framework's own.
    forks_quietly: bool
    #: Whether it can wait for descriptors from 1,024 on; eventlet's hub on select() can't.
    counts_past_1023: bool
    #: Whether several tasks may use one socket at the same time; threads may not.
    shares_sockets: bool
    #: The names in the front-end's own terms.
    Event: Callable[[], Any]

    def spawn(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Task: ...
    def sleep(self, seconds: float) -> None: ...

    def fork(self) -> int:
        """Fork so that the child may go on with its copy of the hub."""


class GreenFrontEnd(FrontEnd, Protocol):
    """One with a hub: its tasks are greenlets, and any number of them may share a socket."""

    #: The framework's module.
    framework: ModuleType
    #: Whether what a greenlet holds is freed when it is killed, though the collector has looked at it before; gevent on
    #: Python 3.10 never does.
    frees_killed: bool
    #: The framework's own, raised in the greenlet that is inside of it.
    Timeout: Callable[..., Any]

    def kill(self, task: Task) -> None:
        """End a task, as the framework does; return when it has ended."""

    def doom(self, task: Task) -> None:
        """Have a task killed as soon as the hub runs."""

    def detach(self, function: Callable[..., Any], *args: Any) -> None:
        """Start a greenlet that nobody waits for: what it raises the framework prints."""

    def thread(self, function: Callable[..., Any], *args: Any) -> Task:
        """Call a function in a native thread with a hub of its own, which ends with it."""

    def end_hub(self) -> None:
        """Give back what the hub of this thread has opened; it is used no more."""

    def armed(self) -> int:
        """Return how many timers and watchers keep the hub of this thread from going idle."""

    def check_idle(self) -> None:
        """Let the hub of this thread run; fail where it then has something to wait for."""


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
    stands_handlers = True
    wakes_for_handlers = True
    forks_quietly = True
    counts_past_1023 = True
    shares_sockets = False
    zmq = zmq
    Event = threading.Event

    def spawn(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Task:
        return ThreadTask(function, args, kwargs)

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)

    def fork(self) -> int:
        return os.fork()


class HubThread:
    """A native thread with a hub of its own. Another hub runs on while it is waited for."""

    def __init__(self, front_end: GreenFrontEnd, function: Callable[..., Any], args: Any) -> None:
        self.front_end = front_end
        self.task = ThreadTask(self.run, (function, args), {})

    def run(self, function: Callable[..., Any], args: Any) -> Any:
        try:
            return function(*args)
        finally:
            self.front_end.end_hub()

    def get(self) -> Any:
        wait_until(self.front_end, lambda: not self.task.thread.is_alive())
        return self.task.get()


class GreenTask:
    """A greenlet of a framework's."""

    #: The framework's own.
    start: Callable[..., Any]

    def __init__(self, function: Callable[..., Any], args: Any, kwargs: Any) -> None:
        self.value: Any = None
        self.error: BaseException | None = None
        self.greenlet = self.start(self.run, function, args, kwargs)

    def run(self, function: Callable[..., Any], args: Any, kwargs: Any) -> None:
        # An error that the test expects is nothing that the framework should report.
        try:
            self.value = function(*args, **kwargs)
        except Exception as error:
            self.error = error

    def join(self) -> None:
        raise NotImplementedError

    def get(self) -> Any:
        self.join()
        if self.error is not None:
            raise self.error
        return self.value


#: Those with a hub, each in a module of its own: the program of a test imports no other framework than its own.
GREEN = ("gevent", "eventlet", "toy")
NAMES = ("threads", *GREEN)

GREEN_FRONT_ENDS: list[GreenFrontEnd]
FRONT_ENDS: list[FrontEnd]


@cache
def named(name: str) -> Any:
    """Return the front-end of this name."""
    return Threads() if name == "threads" else importlib.import_module(f"support.on_{name}").FRONT_END


def __getattr__(name: str) -> Any:
    if name == "GREEN_FRONT_ENDS":
        return [named(each) for each in GREEN]
    if name == "FRONT_ENDS":
        return [named(each) for each in NAMES]
    raise AttributeError(name)


def settle() -> None:
    """Collect what the tests before have left; what is there still need not be looked at after every test."""
    gc.collect()
    gc.freeze()


def let_timers_go_off(front_end: GreenFrontEnd) -> None:
    """Let the hub call all that is due by now: who is killed while he waits for a later turn leaves such a timer."""
    # The first may be reckoned from a time that has passed before; when it is over the hub knows the time.
    front_end.sleep(0.001)
    front_end.sleep(0.001)


def who_waits(before: frozenset[Any] = frozenset()) -> frozenset[Any]:
    """Return the greenlets and futures that wait now, but for those of tests before that failed."""
    return frozenset(entry["waiter"] for entry in zmq.statistics(objects=True)["waiting"]) - before


def wait_until(front_end: FrontEnd, condition: Callable[[], object]) -> None:
    """Wait until a condition holds; fail where it does not within the limit."""
    end = time.monotonic() + LIMIT
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        front_end.sleep(0.002)
