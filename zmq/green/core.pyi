from ctypes import c_void_p
from typing import Any

from typing_extensions import TypeVar

from zmq.core import context as _context
from zmq.core import message as _message
from zmq.core import socket as _socket

_ReceivedT_co = TypeVar("_ReceivedT_co", covariant=True, default=bytes)
_SocketT_co = TypeVar("_SocketT_co", bound=_socket.Socket[Any], covariant=True, default=Socket[bytes])

class Frame(_message.Frame): ...
class Socket(_socket.Socket[_ReceivedT_co]): ...

class Context(_context.Context[_SocketT_co]):
    def __init__(
        self: Context[Socket[bytes]],
        io_threads: int | _context.Context[Any] = 1,
        shadow: int | c_void_p | _context.Context[Any] | None = None,
        *,
        name: str | None = None,
    ) -> None: ...

_Socket = Socket
_Context = Context
