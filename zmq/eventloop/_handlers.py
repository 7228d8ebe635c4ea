"""`Handler`: what stands for a stream or a socket in a tornado loop, which closes it with itself if it is told to.

Lives here: how `IOLoop.close(all_fds=True)` finds it. What must not: what is waited for, which asyncio watches.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any


class Handler:
    """One among the handlers of a tornado loop.

    It does not hold what it stands for: who drops a stream or socket that waits for nothing has it collected.
    """

    def __init__(self, owner: Any, loop: Any, close: Callable[[Any], object]) -> None:
        # No descriptor has such a number, which the next socket could get.
        self.number = -id(owner)
        self.loop = weakref.ref(loop)
        self.handlers: dict[int, Any] = loop.handlers
        self.close_owner = close
        self.owner = weakref.ref(owner, self.remove)
        self.handlers[self.number] = self, None

    @classmethod
    def register(cls, owner: Any, loop: Any, close: Callable[[Any], object]) -> Handler | None:
        """Have `close` called with something when its loop closes all that it has; None where it has no such list."""
        return cls(owner, loop, close) if isinstance(getattr(loop, "handlers", None), dict) else None

    def remove(self, _: object = None) -> None:
        # A loop that closes all of them goes through their numbers, and then forgets them itself.
        if not getattr(self.loop(), "closing", False):
            self.handlers.pop(self.number, None)

    def close(self) -> None:
        """``IOLoop.close(all_fds=True)`` was called."""
        owner = self.owner()
        if owner is not None:
            self.close_owner(owner)
