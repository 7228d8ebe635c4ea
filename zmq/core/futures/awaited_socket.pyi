from asyncio import Future
from collections.abc import Callable, Iterable
from typing import Any, Literal, TypeVar, overload

from zmq.core import socket as _socket
from zmq.core.message import Frame, _Bytes
from zmq.core.tracker import MessageTracker

_T = TypeVar("_T")

# What a plain socket returns is the result of a future here.
class AwaitedSocket(_socket.Socket[Future[Any]]):
    io_loop: Any
    def _set_loop(self, io_loop: Any) -> None: ...
    def _get_loop(self) -> Any: ...
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
        self, obj: object, flags: int = 0, protocol: int | None = None, **kwargs: Any
    ) -> Future[MessageTracker | None]: ...
    def poll(self, timeout: float | None = None, flags: int = ...) -> Future[int]: ...  # type: ignore[override]
