import asyncio
import selectors
from asyncio import Future
from collections.abc import Callable, Iterable
from ctypes import c_void_p
from typing import Any, Literal, overload

from _typeshed import Unused
from typing_extensions import Self, TypeVar

from zmq.core import context as _context
from zmq.core import poll as _poll
from zmq.core import socket as _socket
from zmq.core.futures import AwaitedSocket, LoopHub
from zmq.core.futures import hub_of as hub_of
from zmq.core.message import Frame, _Bytes

__all__ = ["Context", "Socket", "Poller", "ZMQEventLoop", "install"]

_T = TypeVar("_T")
_SocketT_co = TypeVar("_SocketT_co", bound=_socket.Socket[Any], covariant=True, default=Socket)

POLLIN: int
POLLOUT: int
DONTWAIT: int
SNDMORE: int
SEND: Callable[..., Any]
SEND_MULTIPART: Callable[..., Any]
SEND_MANY: Callable[..., Any]
RECV_MANY: Callable[..., Any]
CHUNK: int

Hub = LoopHub

class Poller(_poll.Poller):
    def _get_loop(self) -> Any: ...
    def poll(self, timeout: float | None = -1) -> Future[list[tuple[Any, int]]]: ...  # type: ignore[override]

class Socket(AwaitedSocket):
    @overload
    def __init__(
        self,
        context: _context.Context[Any],
        socket_type: int,
        io_loop: Any = None,
        _from_socket: None = None,
        *,
        copy_threshold: int | None = None,
        name: str | None = None,
    ) -> None: ...
    @overload
    def __init__(
        self,
        context: _socket.Socket[Any],
        socket_type: int = -1,
        io_loop: Any = None,
        _from_socket: None = None,
        *,
        copy_threshold: int | None = None,
        name: str | None = None,
    ) -> None: ...
    @overload
    def __init__(
        self,
        context: None = None,
        socket_type: int = -1,
        io_loop: Any = None,
        *,
        _from_socket: _socket.Socket[Any],
        copy_threshold: int | None = None,
        name: str | None = None,
    ) -> None: ...
    @overload
    def __init__(
        self,
        context: None = None,
        socket_type: int = -1,
        io_loop: Any = None,
        _from_socket: None = None,
        *,
        shadow: int | c_void_p | _socket.Socket[Any],
        copy_threshold: int | None = None,
        name: str | None = None,
    ) -> None: ...
    @classmethod
    def from_socket(cls, socket: _socket.Socket[Any], io_loop: Any = None) -> Self: ...
    async def __aenter__(self) -> Self: ...
    async def __aexit__(self, *args: Unused) -> None: ...
    def get(self, key: int) -> int | bytes: ...
    @property
    def _recv_futures(self) -> list[Any]: ...
    @property
    def _send_futures(self) -> list[Any]: ...
    @overload  # type: ignore[override]
    async def recv_many(
        self,
        max: int = 1000,
        timeout: float | None = None,
        *,
        flags: int = 0,
        copy: Literal[True] = True,
        multipart: Literal[False] = False,
    ) -> list[bytes]: ...
    @overload
    async def recv_many(
        self,
        max: int = 1000,
        timeout: float | None = None,
        *,
        flags: int = 0,
        copy: Literal[True] = True,
        multipart: Literal[True],
    ) -> list[list[bytes]]: ...
    @overload
    async def recv_many(
        self,
        max: int = 1000,
        timeout: float | None = None,
        *,
        flags: int = 0,
        copy: Literal[False],
        multipart: Literal[False] = False,
    ) -> list[Frame]: ...
    @overload
    async def recv_many(
        self,
        max: int = 1000,
        timeout: float | None = None,
        *,
        flags: int = 0,
        copy: Literal[False],
        multipart: Literal[True],
    ) -> list[list[Frame]]: ...
    @overload
    async def recv_many(
        self,
        max: int = 1000,
        timeout: float | None = None,
        *,
        flags: int = 0,
        copy: bool = True,
        multipart: bool = False,
    ) -> list[Any]: ...
    @overload  # type: ignore[override]
    async def send_many(
        self, messages: Iterable[_Bytes], flags: int = 0, copy: bool = True, *, multipart: Literal[False] = False
    ) -> int: ...
    @overload
    async def send_many(
        self, messages: Iterable[Iterable[_Bytes]], flags: int = 0, copy: bool = True, *, multipart: Literal[True]
    ) -> int: ...
    @overload
    async def send_many(
        self, messages: Iterable[_Bytes | Iterable[_Bytes]], flags: int = 0, copy: bool = True, *, multipart: bool
    ) -> int: ...

class Context(_context.Context[_SocketT_co]):
    def __init__(
        self: Context[Socket],
        io_threads: int | _context.Context[Any] = 1,
        shadow: int | c_void_p | _context.Context[Any] | None = None,
        *,
        name: str | None = None,
    ) -> None: ...
    async def __aenter__(self) -> Self: ...
    async def __aexit__(self, *args: Unused) -> None: ...

class ProactorSelectorThreadWarning(RuntimeWarning): ...

class ZMQEventLoop(asyncio.SelectorEventLoop):
    def __init__(self, selector: selectors.BaseSelector | None = None) -> None: ...

def install() -> None: ...
