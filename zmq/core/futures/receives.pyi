from collections.abc import Callable
from typing import Any

from zmq.core.futures.future import Outcome, Work
from zmq.core.message import _Bytes
from zmq.core.socket import Socket

class Receive(Work):
    def __init__(
        self,
        whole: bool,
        *,
        copy: bool = True,
        track: bool = False,
        load: Callable[[Any], Any] | None = None,
        single: bool = False,
    ) -> None: ...

class ReceiveText(Receive):
    def __init__(self, encoding: str) -> None: ...

class ReceiveInto(Receive):
    def __init__(self, buffer: _Bytes, nbytes: int) -> None: ...

def receive_in_turn(socket: Socket[Any], receive: Receive, flags: int = 0, timeout: float | None = None) -> Outcome: ...
