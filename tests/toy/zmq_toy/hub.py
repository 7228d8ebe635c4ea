"""toy as a Hub: what `zmq.core.waiting.hub` asks of every framework, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import toy
from greenlet import getcurrent

from zmq.core.waiting import hub as _hub


class Hub(_hub.Hub):
    """The loop of one thread."""

    def __init__(self, loop: toy.Loop) -> None:
        super().__init__(
            current=getcurrent, park=loop.switch, call_soon=loop.call_soon, watcher=partial(toy.Watcher, loop)
        )
        self.loop = loop

    def call_at(self, deadline: float, callback: Callable[[], object], keep: bool = True) -> toy.Timer:
        return self.loop.call_at(deadline, callback, keep)

    def call_soon_threadsafe(self, callback: Callable[[], object]) -> None:
        self.loop.call_soon(callback)

    def background_watcher(self, fd: int) -> toy.Watcher:
        return toy.Watcher(self.loop, fd, 1, keep=False)

    def is_current(self) -> bool:
        return getcurrent() is self.loop.greenlet


def get_hub() -> Hub:
    """Return the adapter of this thread's loop, which holds it."""
    loop: Any = toy.get_loop()
    if not hasattr(loop, "zmq_hub"):
        loop.zmq_hub = Hub(loop)
    return loop.zmq_hub  # type: ignore[no-any-return]
