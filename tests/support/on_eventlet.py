"""The front-end of eventlet."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any

import eventlet
import eventlet.event
import eventlet.hubs

import zmq.eventlet
from support.front_ends import LIMIT, GreenTask, HubThread, Task


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


FRONT_END = Eventlet()
