"""The front-ends that the behaviour suite runs on: what a test needs to start others, to wait and to give up.

A test never asks which front-end it runs on. What only one of them can do is tested in `tests/green`.
"""

from __future__ import annotations

import gc
import os
import sys
import threading
import time
from collections.abc import Callable
from types import ModuleType
from typing import Any, Protocol

os.environ["EVENTLET_TESTS"] = "1"  # otherwise it warns, here and in every process of a test, that it is old

import eventlet
import eventlet.event
import eventlet.hubs
import gevent
import gevent.event
import gevent.exceptions
import gevent.os
import toy
import toy.package

import zmq
import zmq.eventlet
import zmq.green

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


class GeventTask(GreenTask):
    start = staticmethod(gevent.spawn)

    def join(self) -> None:
        self.greenlet.get(timeout=LIMIT)


class Gevent:
    name = "gevent"
    outlives_interrupts = True
    stands_handlers = gevent.config.loop.__module__.endswith("corecext")
    wakes_for_handlers = True
    forks_quietly = True
    counts_past_1023 = True
    shares_sockets = True
    frees_killed = sys.version_info >= (3, 11)
    framework = gevent
    zmq = zmq.green
    Event = gevent.event.Event
    Timeout = gevent.Timeout

    def spawn(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Task:
        return GeventTask(function, args, kwargs)

    def sleep(self, seconds: float) -> None:
        gevent.sleep(seconds)

    def kill(self, task: GeventTask) -> None:
        task.greenlet.kill()

    def doom(self, task: GeventTask) -> None:
        task.greenlet.kill(block=False)

    def detach(self, function: Callable[..., Any], *args: Any) -> None:
        gevent.spawn(function, *args)

    def thread(self, function: Callable[..., Any], *args: Any) -> Task:
        return HubThread(self, function, args)

    def end_hub(self) -> None:
        gevent.get_hub().destroy(destroy_loop=True)

    def fork(self) -> int:
        return gevent.os.fork()

    def armed(self) -> int:
        # What it hears other threads by is there always.
        loop = zmq.green.hub.get_hub().loop
        reader, writer = os.pipe()
        examples = loop.timer(0), loop.io(reader, 1)
        kinds = tuple(type(example) for example in examples)
        for example in examples:
            example.close()
        os.close(reader)
        os.close(writer)
        gc.collect()
        active = [each for each in gc.get_objects() if isinstance(each, kinds) and each.active]
        # On libuv several may share what belongs to the loop.
        return sum(getattr(each, "_watcher_ref", each).loop is loop for each in active)

    def check_idle(self) -> None:
        gevent.sleep(0)
        # The time-out alone does not keep the hub from going idle.
        with gevent.Timeout(1, AssertionError("the hub waits for something"), ref=False):
            try:
                gevent.get_hub().switch()
            except gevent.exceptions.LoopExit:
                return
        raise AssertionError("somebody switched here")


class EventletTask(GreenTask):
    start = staticmethod(eventlet.spawn)

    def join(self) -> None:
        with eventlet.Timeout(LIMIT):
            self.greenlet.wait()


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
    outlives_interrupts = True
    stands_handlers = os.environ.get("EVENTLET_HUB") != "asyncio"
    wakes_for_handlers = False
    forks_quietly = os.environ.get("EVENTLET_HUB") != "asyncio" or sys.version_info[:2] != (3, 12)
    counts_past_1023 = os.environ.get("EVENTLET_HUB") != "selects"
    shares_sockets = True
    frees_killed = sys.version_info >= (3, 11)
    framework = eventlet
    zmq = zmq.eventlet
    Event = EventletEvent
    Timeout = eventlet.Timeout

    def spawn(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Task:
        return EventletTask(function, args, kwargs)

    def sleep(self, seconds: float) -> None:
        eventlet.sleep(seconds)

    def kill(self, task: EventletTask) -> None:
        task.greenlet.kill()

    def doom(self, task: EventletTask) -> None:
        eventlet.hubs.get_hub().schedule_call_global(0, task.greenlet.kill)

    def detach(self, function: Callable[..., Any], *args: Any) -> None:
        eventlet.spawn_n(function, *args)

    def thread(self, function: Callable[..., Any], *args: Any) -> Task:
        return HubThread(self, function, args)

    def end_hub(self) -> None:
        hub = eventlet.hubs.get_hub()
        # One that never ran would not hear of it.
        eventlet.sleep(0)
        hub.abort(wait=True)
        for part in ("loop", "poll"):
            close = getattr(getattr(hub, part, None), "close", None)
            if close is not None:
                close()

    def fork(self) -> int:
        return os.fork()

    def armed(self) -> int:
        hub = zmq.eventlet.hub.get_hub().hub
        timers = [timer for _, timer in hub.timers + hub.next_timers if not timer.called]
        # But for the reader by which it hears other threads.
        return len(timers) + len(hub.get_readers()) - 1 + len(hub.get_writers())

    def check_idle(self) -> None:
        # eventlet's hub would sleep: see what it would wait for.
        eventlet.sleep(0)
        assert not self.armed(), "the hub waits for something"


class ToyTask(GreenTask):
    start = staticmethod(toy.Task)

    def join(self) -> None:
        with toy.Timeout(LIMIT):
            self.greenlet.join()


class ToyEvent:
    """What `threading.Event` does, in a loop."""

    def __init__(self) -> None:
        self.flag = False
        self.waits: list[tuple[toy.Loop, toy.Wait]] = []

    def is_set(self) -> bool:
        return self.flag

    def set(self) -> None:
        self.flag = True
        while self.waits:
            loop, wait = self.waits.pop()
            loop.call_soon(wait)

    def wait(self, timeout: float | None = None) -> bool:
        if not self.flag:
            wait = toy.Wait()
            self.waits.append((toy.get_loop(), wait))
            with toy.Timeout(timeout, False):
                wait.park()
        return self.flag


class Toy:
    """A framework of the tests' own, with no more of an adapter than everybody must have; run when it is asked for."""

    name = "toy"
    outlives_interrupts = True
    stands_handlers = False
    wakes_for_handlers = True
    forks_quietly = True
    counts_past_1023 = True
    shares_sockets = True
    frees_killed = sys.version_info >= (3, 11)
    hears_threads = True
    framework = toy
    Event = ToyEvent
    Timeout = toy.Timeout

    @property
    def zmq(self) -> ModuleType:
        return toy.package.package()

    def spawn(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Task:
        return ToyTask(function, args, kwargs)

    def sleep(self, seconds: float) -> None:
        toy.sleep(seconds)

    def kill(self, task: ToyTask) -> None:
        task.greenlet.kill()
        task.greenlet.join()

    def doom(self, task: ToyTask) -> None:
        task.greenlet.kill()

    def detach(self, function: Callable[..., Any], *args: Any) -> None:
        toy.Task(function, *args)

    def thread(self, function: Callable[..., Any], *args: Any) -> Task:
        return HubThread(self, function, args)

    def end_hub(self) -> None:
        """Do nothing: it has opened nothing."""

    def fork(self) -> int:
        return os.fork()

    def armed(self) -> int:
        return len(toy.get_loop().armed())

    def check_idle(self) -> None:
        toy.sleep(0)
        try:
            toy.get_loop().switch()
        except toy.Idle:
            return
        raise AssertionError("somebody switched here")


GREEN_FRONT_ENDS: list[GreenFrontEnd] = [Gevent(), Eventlet(), Toy()]
FRONT_ENDS: list[FrontEnd] = [Threads(), *GREEN_FRONT_ENDS]


def settle() -> None:
    """Collect what the tests before have left; what is there still need not be looked at after every test."""
    gc.collect()
    gc.freeze()


def wait_until(front_end: FrontEnd, condition: Callable[[], object]) -> None:
    """Wait until a condition holds; fail where it does not within the limit."""
    end = time.monotonic() + LIMIT
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        front_end.sleep(0.002)
