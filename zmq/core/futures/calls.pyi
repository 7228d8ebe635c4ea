from collections.abc import Callable
from typing import Any

from zmq.core.futures.future import Outcome, Work
from zmq.core.socket import Socket

class Send(Work): ...
class Poll(Work): ...

def settle(outcome: Outcome, result: Any) -> None: ...
def begin(
    socket: Socket[Any],
    flags: int,
    function: Callable[..., Any],
    arguments: tuple[Any, ...],
    route: bytes | None = None,
    prompt: bool = False,
) -> Outcome: ...
def hide_again(socket: Socket[Any], events: int) -> None: ...
def pending(socket: Socket[Any], events: int) -> list[Outcome]: ...
