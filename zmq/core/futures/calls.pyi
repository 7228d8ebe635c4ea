from collections.abc import Callable
from typing import Any

from zmq.core.socket import Socket
from zmq.core.waiting.hub import Hub

class Pending:
    future: Any
    def switch(self) -> None: ...
    def forget(self, future: Any) -> None: ...

def begin(
    socket: Socket[Any],
    loop: Any,
    get_hub: Callable[[Any], Hub],
    flags: int,
    attempt: Callable[..., Any],
    args: tuple[Any, ...],
    route: bytes | None = None,
    prompt: bool = False,
) -> Any: ...
def begin_poll(
    socket: Socket[Any], get_hub: Callable[[], Hub], flags: int, timeout: float | None, future: Any
) -> None: ...
def pending(socket: Socket[Any], events: int) -> list[Any]: ...
