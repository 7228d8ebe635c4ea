"""Something that is done in the midst of what a hub or an event loop does, as by a signal's handler or a finalizer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class Acting:
    """A hub or loop in which the `countdown`-th call of its methods has something done, before it or behind it."""

    countdown = 0
    before = True
    action: Callable[[], object] = staticmethod(lambda: None)

    def act(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        acts = self.countdown == 1
        self.countdown -= self.countdown > 0
        if acts and self.before:
            self.action()
        result = function(*args, **kwargs)
        if acts and not self.before:
            self.action()
        return result
