from collections.abc import Callable
from typing import Any

from zmq.core.socket import Socket
from zmq.core.waiting.hub import Hub
from zmq.core.waiting.trampoline import Subscription

class Listener(Subscription):
    def __init__(
        self,
        socket: Socket[Any],
        get_hub: Callable[[], Hub],
        changed: Callable[[], object],
        closed: Callable[[], object],
    ) -> None: ...
    def arm(self, events: int) -> None: ...
    def disarm(self) -> None: ...
    def look(self) -> int: ...
    @property
    def is_routed(self) -> bool: ...
    def close(self) -> None: ...
