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
from zmq.core.message import Frame, _Bytes
from zmq.core.tracker import MessageTracker
from zmq.core.waiting import hub as _hub

__all__ = ["Context", "Socket", "Poller", "ZMQEventLoop", "install"]

_T = TypeVar("_T")
_SocketT_co = TypeVar("_SocketT_co", bound=_socket.Socket[Any], covariant=True, default=Socket)

POLLIN: int
POLLOUT: int
DONTWAIT: int
SNDMORE: int
TURNS: int
SEND: Callable[..., Any]
SEND_MULTIPART: Callable[..., Any]
SEND_MANY: Callable[..., Any]
RECV_MANY: Callable[..., Any]
Received: Any

class Watcher:
    own_fd: bool
    hub: Hub
    fd: int
    events: int
    callback: Callable[[], object] | None
    armed: bool
    def __init__(self, hub: Hub, fd: int, events: int) -> None: ...
    def start(self, callback: Callable[[], object]) -> None: ...
    def arm(self) -> None: ...
    def stop(self) -> None: ...
    def disarm(self) -> None: ...
    def close(self) -> None: ...
    def ready(self) -> None: ...

class NativeWatcher(Watcher):
    def __del__(self, close: Callable[[int], None] = ...) -> None: ...

class Hub(_hub.Hub):
    loop: asyncio.AbstractEventLoop
    retired: list[Watcher]
    turns: int
    def __init__(self, loop: asyncio.AbstractEventLoop) -> None: ...
    running_loop: Callable[[], asyncio.AbstractEventLoop | None]
    thread_ident: Callable[[], int]
    def soon(self, callback: Callable[[], object]) -> None: ...
    def call_soon_threadsafe(self, callback: Callable[[], object]) -> None: ...
    def call_at(self, deadline: float, callback: Callable[[], object], keep: bool = True) -> asyncio.TimerHandle: ...
    def forget(self, watcher: Watcher) -> None: ...
    def is_alive(self) -> bool: ...
    def is_running(self) -> bool: ...
    def is_elsewhere(self) -> bool: ...
    def give_up(self, parked: Any) -> None: ...
    def give_up_all(self) -> None: ...
    def retire(self, watcher: Watcher) -> None: ...
    def disarm(self) -> None: ...

def hub_of(loop: Any) -> Hub: ...
def loop_of_thread() -> asyncio.AbstractEventLoop: ...
def running_loop() -> asyncio.AbstractEventLoop: ...

class Poller(_poll.Poller):
    def _get_loop(self) -> Any: ...
    def poll(self, timeout: float | None = -1) -> Future[list[tuple[Any, int]]]: ...  # type: ignore[override]

# What a plain socket returns is the result of a future here.
class Socket(_socket.Socket[Future[Any]]):
    io_loop: Any
    @overload
    def __init__(
        self,
        context: _context.Context[Any],
        socket_type: int,
        io_loop: Any = None,
        _from_socket: None = None,
        *,
        copy_threshold: int | None = None,
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
    ) -> None: ...
    @classmethod
    def from_socket(cls, socket: _socket.Socket[Any], io_loop: Any = None) -> Self: ...
    async def __aenter__(self) -> Self: ...
    async def __aexit__(self, *args: Unused) -> None: ...
    def _set_loop(self, io_loop: Any) -> None: ...
    def _get_loop(self) -> Any: ...
    def get(self, key: int) -> int | bytes: ...
    @property
    def _recv_futures(self) -> list[Any]: ...
    @property
    def _send_futures(self) -> list[Any]: ...
    def _route(self, frame: Any) -> bytes | None: ...
    @overload  # type: ignore[override]
    def recv(self, flags: int = 0, copy: Literal[True] = True, track: bool = False) -> Future[bytes]: ...
    @overload
    def recv(self, flags: int = 0, *, copy: Literal[False], track: bool = False) -> Future[Frame]: ...
    @overload
    def recv(self, flags: int, copy: Literal[False], track: bool = False) -> Future[Frame]: ...
    @overload
    def recv(self, flags: int = 0, copy: bool = True, track: bool = False) -> Future[bytes | Frame]: ...
    def recv_into(  # type: ignore[override]
        self, buf: _Bytes, /, *, nbytes: int = 0, flags: int = 0
    ) -> Future[int]: ...
    @overload  # type: ignore[override]
    def recv_multipart(
        self, flags: int = 0, copy: Literal[True] = True, track: bool = False
    ) -> Future[list[bytes]]: ...
    @overload
    def recv_multipart(self, flags: int = 0, *, copy: Literal[False], track: bool = False) -> Future[list[Frame]]: ...
    @overload
    def recv_multipart(self, flags: int, copy: Literal[False], track: bool = False) -> Future[list[Frame]]: ...
    @overload
    def recv_multipart(
        self, flags: int = 0, copy: bool = True, track: bool = False
    ) -> Future[list[bytes] | list[Frame]]: ...
    @overload  # type: ignore[override]
    def recv_serialized(
        self, deserialize: Callable[[list[bytes]], _T], flags: int = 0, copy: Literal[True] = True
    ) -> Future[_T]: ...
    @overload
    def recv_serialized(
        self, deserialize: Callable[[list[Frame]], _T], flags: int = 0, *, copy: Literal[False]
    ) -> Future[_T]: ...
    @overload
    def recv_serialized(self, deserialize: Callable[[list[Any]], _T], flags: int = 0, *, copy: bool) -> Future[_T]: ...
    def recv_string(self, flags: int = 0, encoding: str = "utf-8") -> Future[str]: ...  # type: ignore[override]
    recv_unicode = recv_string  # type: ignore[assignment]
    def recv_json(self, flags: int = 0, **kwargs: Any) -> Future[Any]: ...
    def recv_pyobj(self, flags: int = 0) -> Future[Any]: ...
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
    def send(  # type: ignore[overload-overlap]  # a Frame is a Buffer too
        self,
        data: Frame,
        flags: int = 0,
        copy: bool = True,
        track: bool = False,
        routing_id: int | None = None,
        group: str | None = None,
    ) -> Future[MessageTracker]: ...
    @overload
    def send(
        self,
        data: _Bytes,
        flags: int = 0,
        copy: Literal[True] = True,
        track: bool = False,
        routing_id: int | None = None,
        group: str | None = None,
    ) -> Future[None]: ...
    @overload
    def send(
        self,
        data: _Bytes,
        flags: int = 0,
        *,
        copy: Literal[False],
        track: bool = False,
        routing_id: int | None = None,
        group: str | None = None,
    ) -> Future[MessageTracker]: ...
    @overload
    def send(
        self,
        data: _Bytes,
        flags: int,
        copy: Literal[False],
        track: bool = False,
        routing_id: int | None = None,
        group: str | None = None,
    ) -> Future[MessageTracker]: ...
    @overload
    def send(
        self,
        data: _Bytes,
        flags: int = 0,
        copy: bool = True,
        track: bool = False,
        routing_id: int | None = None,
        group: str | None = None,
    ) -> Future[MessageTracker | None]: ...
    def send_multipart(  # type: ignore[override]
        self, msg_parts: Iterable[_Bytes], flags: int = 0, copy: bool = True, track: bool = False, **kwargs: Any
    ) -> Future[MessageTracker | None]: ...
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
    def send_serialized(  # type: ignore[override]
        self, msg: _T, serialize: Callable[[_T], Iterable[_Bytes]], flags: int = 0, copy: bool = True, **kwargs: Any
    ) -> Future[MessageTracker | None]: ...
    def send_string(  # type: ignore[override]
        self, u: str, flags: int = 0, copy: bool = True, encoding: str = "utf-8", **kwargs: Any
    ) -> Future[MessageTracker | None]: ...
    send_unicode = send_string  # type: ignore[assignment]
    def send_json(  # type: ignore[override]
        self, obj: object, flags: int = 0, **kwargs: Any
    ) -> Future[MessageTracker | None]: ...
    def send_pyobj(  # type: ignore[override]
        self, obj: object, flags: int = 0, protocol: int = ..., **kwargs: Any
    ) -> Future[MessageTracker | None]: ...
    def poll(self, timeout: float | None = None, flags: int = ...) -> Future[int]: ...  # type: ignore[override]

class Context(_context.Context[_SocketT_co]):
    def __init__(
        self: Context[Socket],
        io_threads: int | _context.Context[Any] = 1,
        shadow: int | c_void_p | _context.Context[Any] | None = None,
    ) -> None: ...
    async def __aenter__(self) -> Self: ...
    async def __aexit__(self, *args: Unused) -> None: ...

class ProactorSelectorThreadWarning(RuntimeWarning): ...

class ZMQEventLoop(asyncio.SelectorEventLoop):
    def __init__(self, selector: selectors.BaseSelector | None = None) -> None: ...

def install() -> None: ...
