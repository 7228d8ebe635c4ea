"""The front-end of gevent."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable
from typing import Any

import gevent
import gevent.event
import gevent.exceptions
import gevent.os

import zmq.green
from support.front_ends import LIMIT, GreenTask, HubThread, Task


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


FRONT_END = Gevent()
