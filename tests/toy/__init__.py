"""toy: a framework of greenlets, as small as one can be that a `Hub` is made from; nothing of it knows of 0MQ.

A thread has a loop with callbacks, timers and descriptors, which runs in a greenlet of its own, and tasks, which are
greenlets that wait in it. `zmq_toy` has its adapter, `package.py` makes the package of that.
"""

from __future__ import annotations

import heapq
import select
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable
from functools import partial
from itertools import count
from typing import Any

from greenlet import GreenletExit, getcurrent, greenlet

Callback = Callable[[], object]

#: Seconds after which a loop that sleeps looks what other threads have left it.
PAUSE = 0.01

#: What is called in every loop when it begins.
beginnings: list[Callback] = []


class Idle(RuntimeError):
    """Nobody can run, and nothing is left that could change that."""


class Timer:
    """Calls back once."""

    def __init__(self, deadline: float, callback: Callback, keep: bool) -> None:
        self.deadline, self.callback, self.keep = deadline, callback, keep

    def __call__(self) -> None:
        callback, self.callback = self.callback, None
        if callback is not None:
            callback()

    def cancel(self) -> None:
        self.callback: Callback | None = None


class Watcher:
    """Calls back in every turn of the loop in which a descriptor is ready, while it is armed."""

    def __init__(self, loop: Loop, fd: int, events: int, keep: bool = True) -> None:
        self.loop, self.fd, self.events, self.keep = loop, fd, events, keep

    def start(self, callback: Callback) -> None:
        self.callback = callback
        self.loop.watchers[self] = None

    def stop(self) -> None:
        self.loop.watchers.pop(self, None)

    close = stop


class Loop:
    """The callbacks, timers and descriptors of a thread."""

    def __init__(self) -> None:
        self.callbacks: deque[Callback] = deque(beginnings)
        self.timers: list[tuple[float, int, Timer]] = []
        self.watchers: dict[Watcher, None] = {}
        self.numbers = count()
        self.main = getcurrent()
        while self.main.parent is not None:
            self.main = self.main.parent
        self.greenlet = greenlet(self.run, self.main)
        self.call_soon = self.callbacks.append  # in any thread

    def call_at(self, deadline: float, callback: Callback, keep: bool = True) -> Timer:
        timer = Timer(deadline, callback, keep)
        heapq.heappush(self.timers, (deadline, next(self.numbers), timer))
        return timer

    def armed(self) -> list[Timer | Watcher]:
        return [*(timer for _, _, timer in self.timers if timer.callback is not None), *self.watchers]

    def switch(self) -> None:
        """Let others run, until somebody switches to the greenlet that runs."""
        assert getcurrent() is not self.greenlet, "the loop itself cannot wait"
        self.greenlet.switch()

    def run(self) -> None:
        while True:
            try:
                self.turn()
            except BaseException as error:
                self.main.throw(error)

    def turn(self) -> None:
        for _ in range(len(self.callbacks)):
            self.call(self.callbacks.popleft())
        for watcher in self.ready():
            if watcher in self.watchers:
                self.call(watcher.callback)
        # They are called in the next turn, with callbacks, and before what these ask for.
        now = time.monotonic()
        while self.timers and self.timers[0][0] <= now:
            self.call_soon(heapq.heappop(self.timers)[2])

    def ready(self) -> list[Watcher]:
        """Return the watchers whose descriptor is ready; sleep until there is one, or something else to do."""
        while self.timers and self.timers[0][2].callback is None:
            heapq.heappop(self.timers)
        pause = 0.0
        if not self.callbacks:
            if not any(each.keep for each in self.armed()):
                raise Idle("nobody can run any more")
            pause = max(0, min(PAUSE, self.timers[0][0] - time.monotonic() if self.timers else PAUSE))
        poll, wanted = select.poll(), {}
        for watcher in self.watchers:
            wanted[watcher.fd] = wanted.get(watcher.fd, 0) | watcher.events
        for fd, events in wanted.items():
            poll.register(fd, (select.POLLIN if events & 1 else 0) | (select.POLLOUT if events & 2 else 0))
        # An error is for everybody.
        found = {
            fd: 3 if got & ~(select.POLLIN | select.POLLOUT) else (got & 1) | (got >> 1 & 2)
            for fd, got in poll.poll(1000 * pause)
        }
        return [watcher for watcher in self.watchers if found.get(watcher.fd, 0) & watcher.events]

    def call(self, callback: Callback) -> None:
        try:
            callback()
        except Exception:
            traceback.print_exc()


loops = threading.local()


def get_loop() -> Loop:
    """Return the loop of this thread."""
    if not hasattr(loops, "loop"):
        loops.loop = Loop()
    return loops.loop  # type: ignore[no-any-return]


class Wait:
    """The wait of the greenlet that runs, until it is called."""

    def __init__(self) -> None:
        self.greenlet: Any = getcurrent()

    def __call__(self) -> None:
        if self.greenlet is not None:
            self.greenlet.switch()

    def park(self) -> None:
        try:
            get_loop().switch()
        finally:
            self.greenlet = None


class Task(greenlet):
    """A function in a greenlet of its own."""

    def __init__(self, function: Callable[..., Any], *args: Any) -> None:
        self.loop = get_loop()
        super().__init__(partial(self.work, function, *args), self.loop.greenlet)
        self.ended = False
        self.links: list[Callback] = []
        self.loop.call_soon(self.begin)

    def begin(self) -> None:
        if not self.ended:
            self.switch()

    def work(self, function: Callable[..., Any], *args: Any) -> None:
        try:
            function(*args)
        except GreenletExit:
            pass
        except Exception:
            traceback.print_exc()
        finally:
            self.finish()

    def finish(self) -> None:
        self.ended = True
        for callback in self.links:
            self.loop.call_soon(callback)

    def link(self, callback: Callback) -> None:
        """Have something called when it has ended."""
        if self.ended:
            self.loop.call_soon(callback)
        else:
            self.links.append(callback)

    def kill(self) -> None:
        """Have it end, soon."""
        if self:
            self.loop.call_soon(lambda: self.throw(GreenletExit) if self else None)
        elif not self.ended:
            self.finish()

    def join(self) -> None:
        """Wait until it has ended."""
        if not self.ended:
            wait = Wait()
            self.link(wait)
            wait.park()


def sleep(seconds: float) -> None:
    wait = Wait()
    timer = get_loop().call_at(time.monotonic() + seconds, wait)
    try:
        wait.park()
    finally:
        timer.cancel()


class Timeout(BaseException):
    """Raised in the greenlet that is inside of it, itself or another error; False: ends it silently. None: never."""

    def __init__(self, seconds: float | None, error: BaseException | bool | None = None) -> None:
        self.seconds, self.error = seconds, error

    def __enter__(self) -> Timeout:
        error = self.error if isinstance(self.error, BaseException) else self
        deadline = time.monotonic() + (1e9 if self.seconds is None else self.seconds)
        self.timer = get_loop().call_at(deadline, partial(getcurrent().throw, error), self.seconds is not None)
        return self

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> bool:
        self.timer.cancel()
        return error is self and self.error is False
