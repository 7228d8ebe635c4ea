"""The front-end of the framework of the tests' own."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

import toy
import toy.package

from support.front_ends import LIMIT, GreenTask, HubThread, Task


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


FRONT_END = Toy()
