from collections.abc import Callable
from typing import Any

from zmq.core.message import _Bytes
from zmq.core.socket import Socket
from zmq.core.waiting.hub import Hub
from zmq.core.waiting.trampoline import Subscription

class Slice:
    def __init__(self, call_soon: Callable[[Callable[[], object]], object]) -> None: ...
    def renew(self) -> None: ...

class Pending:
    future: Any
    def switch(self) -> None: ...
    def forget(self, future: Any) -> None: ...

def is_time_to_yield(hub: Any) -> bool: ...
def finish(get_hub: Callable[[], Hub], future: Any, result: Any) -> None: ...
def settle_late(future: Any, result: Any) -> None: ...
def received_class(future_class: Any) -> Any: ...

class PendingReceive(Pending): ...

def begin_receive(
    socket: Socket[Any],
    future_class: Any,
    loop: Any,
    get_hub: Callable[[Any], Hub],
    whole: bool,
    flags: int,
    copy: bool = True,
    track: bool = False,
    load: Callable[[Any], Any] | None = None,
    buffer: _Bytes | None = None,
    nbytes: int = 0,
    single: bool = False,
    timeout: float | None = None,
) -> Any: ...
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

class Listener(Subscription):
    def __init__(
        self,
        socket: Socket[Any],
        get_hub: Callable[[], Hub],
        changed: Callable[[], object],
        closed: Callable[[], object],
    ) -> None: ...
    def arm(self) -> None: ...
    def disarm(self) -> None: ...
    def close(self) -> None: ...
