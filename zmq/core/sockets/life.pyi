from collections.abc import Callable
from typing import Any

from zmq.core.context import Context
from zmq.core.socket import Socket

def made_by(
    socket_class: Callable[..., Any], context: Context[Any], socket_type: int, kwargs: dict[str, Any]
) -> tuple[Any, bool]: ...
def close_unreachable(context: Context[Any], linger: int | None) -> None: ...
def living_sockets() -> list[Socket[Any]]: ...

# What it has is in the stub of zmq.core.socket, as of the other bases of Socket.
class Life: ...
