from collections.abc import Callable
from typing import Any

from zmq.core.hub import Hub

class Release:
    def is_set(self) -> bool: ...
    def wait(self, timeout: float | None = None, get_hub: Callable[[], Hub] | None = None) -> bool: ...

def lent() -> dict[int, Any]: ...
