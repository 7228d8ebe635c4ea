from collections.abc import Callable
from typing import Any

from zmq.core.futures.calls import Pending
from zmq.core.message import _Bytes
from zmq.core.socket import Socket
from zmq.core.waiting.hub import Hub

class Receive:
    def __init__(
        self,
        whole: bool,
        *,
        copy: bool = True,
        track: bool = False,
        load: Callable[[Any], Any] | None = None,
        buffer: _Bytes | None = None,
        nbytes: int = 0,
        single: bool = False,
    ) -> None: ...

class PendingReceive(Pending): ...

def begin_receive(
    socket: Socket[Any],
    receive: Receive,
    flags: int,
    future_class: Any,
    loop: Any,
    get_hub: Callable[[Any], Hub],
    timeout: float | None = None,
) -> Any: ...
