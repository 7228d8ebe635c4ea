from typing import Any, Generic, TypeVar

from zmq.core.socket import Socket

_SocketT_co = TypeVar("_SocketT_co", bound=Socket[Any], covariant=True)

class _SocketContext(Generic[_SocketT_co]):
    socket: _SocketT_co
    kind: str
    addr: str
    def __init__(self, socket: _SocketT_co, kind: str, addr: str) -> None: ...
    def __enter__(self) -> _SocketT_co: ...
    def __exit__(self, *args: object) -> None: ...

class Endpoints: ...
