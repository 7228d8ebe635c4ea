"""A hub without an event loop: nothing happens in it until the test says so.

The greenlet of the test is the hub. Callbacks, descriptors and timers wait until the test runs them, one by one, in
an order that it chooses, so that every interleaving can be tried.
"""

from __future__ import annotations

import select
import time
from collections import deque
from collections.abc import Callable
from typing import Any

import greenlet

import zmq
from zmq.core.waiting.deferred_turns import serve
from zmq.core.waiting.hub import Hub, thread_ident


class Watcher:
    def __init__(self, hub: FakeHub, fd: int, events: int) -> None:
        self.hub, self.fd, self.events = hub, fd, events
        self.callback: Callable[[], object] | None = None
        self.closed = False

    def start(self, callback: Callable[[], object]) -> None:
        assert self.callback is None and not self.closed, "armed twice, or closed"
        self.callback = callback
        self.hub.armed.append(self)

    def stop(self) -> None:
        if self.callback is not None:
            self.callback = None
            self.hub.armed.remove(self)

    def close(self) -> None:
        assert not self.closed, "closed twice"
        self.closed = True
        self.stop()
        self.hub.closed += 1


class Timer:
    def __init__(self, hub: FakeHub, deadline: float, callback: Callable[[], object], keep: bool) -> None:
        self.hub, self.deadline, self.callback, self.keep = hub, deadline, callback, keep
        self.maker = greenlet.getcurrent()
        hub.timers.append(self)

    def cancel(self) -> None:
        if self in self.hub.timers:
            self.hub.timers.remove(self)


class FakeHub(Hub):
    """The hub of the test's own greenlet."""

    def __init__(self) -> None:
        self.callbacks: deque[Callable[[], object]] = deque()
        self.armed: list[Watcher] = []
        self.timers: list[Timer] = []
        self.closed = 0
        self.switches = 0
        # Whether this turn lasts until `run_queue`, and whether calls whose budget is used up let the hub run.
        self.is_late, self.yields = False, True
        self.turn_number = 0
        hub = greenlet.getcurrent()

        def park() -> None:
            assert greenlet.getcurrent() is not hub, "the hub itself would wait, for ever"
            self.switches += 1
            hub.switch()

        super().__init__(
            current=greenlet.getcurrent,
            park=park,
            call_soon=self.callbacks.append,
            watcher=lambda fd, events: Watcher(self, fd, events),
        )

    def call_at(self, deadline: float, callback: Callable[[], object], keep: bool = True) -> Timer:
        return Timer(self, deadline, callback, keep)

    def turn(self) -> int:
        if not self.is_late:
            self.turn_number += 1
        return self.turn_number

    def is_current(self) -> bool:
        return not self.yields

    # What the test does.

    def will_look_at(self) -> set[int]:
        """Return the descriptors of the sockets at which it looks before it sleeps, as somebody parked unheard."""
        trampolines = [call.__self__ for call in self.callbacks if getattr(call, "__name__", "") == "on_unheard"]
        return {entry["fd"] for trampoline in trampolines for entry in trampoline.describe(0, None)}

    def queue_timers(self) -> list[Timer]:
        """Return the timers, of which there is one at most, that are due when the next turn begins."""
        return [timer for timer in self.timers if getattr(timer.callback, "func", None) is serve]

    def run_queue(self) -> bool:
        """Let the next turn begin, if somebody waits for it; tell whether somebody did."""
        for timer in self.queue_timers():
            self.turn_number += 1
            self.expire(timer)
            return True
        return False

    def run_callback(self) -> bool:
        """Run the callback that waits longest; tell whether there was one."""
        if not self.callbacks:
            return False
        self.callbacks.popleft()()
        return True

    def readable(self) -> list[Watcher]:
        """Return the armed watchers whose descriptor is ready."""
        poller = select.poll()
        for watcher in self.armed:
            poller.register(watcher.fd, watcher.events)
        ready = {fd for fd, _ in poller.poll(0)}
        return [watcher for watcher in self.armed if watcher.fd in ready]

    def fire(self, which: int = 0) -> bool:
        """Call the callback of one of the ready descriptors; tell whether there was one."""
        ready = self.readable()
        if not ready:
            return False
        callback = ready[which % len(ready)].callback
        assert callback is not None
        callback()
        return True

    def expire(self, timer: Timer) -> None:
        """Let one timer come due."""
        timer.cancel()
        timer.callback()

    def ring_alarm(self) -> None:
        """Let the sweep alarm look at whatever it looks at in one round, if it is set."""
        self.ring_alarm_once()
        while any(timer.deadline <= time.monotonic() for timer in self.timers if not timer.keep):
            self.ring_alarm_once()

    def ring_alarm_once(self) -> None:
        """Let the sweep alarm look for one slice of time, if it is set."""
        for timer in [timer for timer in self.timers if not timer.keep]:
            self.expire(timer)

    def settle(self, limit: int = 10_000) -> None:
        """Run callbacks, descriptors and those who wait for the next turn until nothing is left to do."""
        for _ in range(limit):
            # A descriptor may be ready until the next turn has come.
            went_on = self.run_callback() or self.fire()
            if not self.run_queue() and not went_on:
                return
        raise AssertionError("the hub never comes to rest: something spins")

    def settle_until(self, done: Callable[[], bool], seconds: float = 10.0) -> None:
        """Settle again and again while other threads work, until something is true."""
        deadline = time.monotonic() + seconds
        while True:
            self.settle()
            if done():
                return
            assert time.monotonic() < deadline, "it never came true"
            time.sleep(0.001)


class FakeLoop(FakeHub):
    """One that stops, runs again, in this thread or another one, and ends, as an event loop does."""

    def __init__(self) -> None:
        super().__init__()
        self.running = self.alive = True
        self.runner = thread_ident()
        # Those who were given up, and whether it ran then.
        self.given_up: list[tuple[Any, bool]] = []

    def call_soon_threadsafe(self, callback: Callable[[], object]) -> None:
        assert self.is_elsewhere()
        # Callbacks may be called once more than they were asked for.
        self.callbacks.extend((callback, callback))

    def is_alive(self) -> bool:
        return self.alive

    def is_running(self) -> bool:
        return self.running

    def is_elsewhere(self) -> bool:
        return self.running and self.runner != thread_ident()

    def give_up(self, parked: Any) -> None:
        self.given_up.append((parked, self.running))

    # What the test does.

    def end(self) -> None:
        """It ends for good, and tells nobody, as a loop that is closed; a hub whose thread ends calls `give_up_all`."""
        self.running = self.alive = False


class Task(greenlet.greenlet):
    """A greenlet that remembers how it ended."""

    def __init__(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
        super().__init__()
        self.call = function, args, kwargs
        self.result: Any = None
        self.error: BaseException | None = None
        self.done = False

    def run(self) -> None:
        function, args, kwargs = self.call
        try:
            self.result = function(*args, **kwargs)
        except BaseException as error:
            self.error = error
        self.done = True


def spawn(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Task:
    """Start a task at once; returns when it parks or ends."""
    task = Task(function, *args, **kwargs)
    task.switch()
    return task


class Killed(BaseException):
    """Thrown into a parked greenlet."""


def green(hub: FakeHub | Callable[[], FakeHub]) -> tuple[type[zmq.Context], type[zmq.Socket], type[zmq.Poller]]:
    """Return classes that wait in a fake hub, or in the one that a function returns."""
    get_hub = (lambda: hub) if isinstance(hub, FakeHub) else hub

    class Socket(zmq.Socket):
        _get_hub = staticmethod(get_hub)

    class Context(zmq.Context):
        _get_hub = staticmethod(get_hub)
        _socket_class = Socket

    class Poller(zmq.Poller):
        _get_hub = staticmethod(get_hub)

    return Context, Socket, Poller
