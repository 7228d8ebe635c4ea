import builtins
from collections.abc import Callable, Iterable
from ctypes import c_void_p
from types import GenericAlias
from typing import Any, ClassVar, Generic, Literal, TypeAlias, overload

from typing_extensions import Self, TypeVar

from zmq.core.constants import SocketType
from zmq.core.context import Context
from zmq.core.message import Frame, _Bytes
from zmq.core.sockets.endpoints import _SocketContext
from zmq.core.sockets.option_attributes import _SocketOptions
from zmq.core.tracker import MessageTracker
from zmq.core.waiting.hub import Hub

_T = TypeVar("_T")
# What receiving gives: bytes, or something to await.
_ReceivedT_co = TypeVar("_ReceivedT_co", covariant=True, default=Any)

class Socket(_SocketOptions, Generic[_ReceivedT_co]):
    _get_hub: ClassVar[Callable[[], Hub] | None]
    _defers: ClassVar[bool]
    def _choose_hub(self) -> None: ...
    _frame_class: ClassVar[builtins.type[Frame]]
    context: Context[Any]
    @property
    def copy_threshold(self) -> int: ...
    @copy_threshold.setter
    def copy_threshold(self, value: int | None) -> None: ...
    @overload
    def __init__(
        self: Socket[bytes],
        ctx_or_socket: Context[Any],
        socket_type: int = 0,
        *,
        shadow: Literal[0] | None = None,
        copy_threshold: int | None = None,
        name: str | None = None,
    ) -> None: ...
    @overload
    def __init__(
        self: Socket[bytes],
        ctx_or_socket: Socket[Any],
        *,
        copy_threshold: int | None = None,
        name: str | None = None,
    ) -> None: ...
    @overload
    def __init__(
        self: Socket[bytes],
        ctx_or_socket: None = None,
        *,
        shadow: int | c_void_p | Socket[Any],
        copy_threshold: int | None = None,
        name: str | None = None,
    ) -> None: ...
    def __class_getitem__(cls, item: Any, /) -> GenericAlias: ...
    def __del__(self) -> None: ...
    def __enter__(self) -> Self: ...
    def __exit__(self, *args: object) -> None: ...
    def __copy__(self) -> Self: ...
    def __deepcopy__(self, memo: Any) -> Self: ...
    @property
    def name(self) -> str | None: ...
    @name.setter
    def name(self, value: str | None) -> None: ...
    def counters(self) -> dict[str, Any]: ...
    @property
    def socket_type(self) -> SocketType: ...
    @property
    def type(self) -> SocketType: ...
    @property
    def underlying(self) -> int: ...
    @property
    def closed(self) -> bool: ...
    @property
    def _shadow(self) -> bool: ...
    @property
    def _shadow_obj(self) -> Any: ...
    @classmethod
    def shadow(cls, address: int | c_void_p | Socket[Any]) -> Self: ...
    def close(self, linger: int | None = None) -> None: ...
    def bind(self, addr: str | bytes) -> _SocketContext[Self]: ...
    def connect(self, addr: str | bytes) -> _SocketContext[Self]: ...
    def unbind(self, addr: str | bytes) -> None: ...
    def disconnect(self, addr: str | bytes) -> None: ...
    def bind_to_random_port(
        self, addr: str, min_port: int = 49152, max_port: int = 65536, max_tries: int = 100
    ) -> int: ...
    def get(self, option: int) -> int | bytes: ...
    def set(self, option: int, optval: int | bytes) -> None: ...
    def getsockopt(self, option: int) -> int | bytes: ...
    def setsockopt(self, option: int, optval: int | bytes) -> None: ...
    def get_string(self, option: int, encoding: str = "utf-8") -> str: ...
    def set_string(self, option: int, optval: str, encoding: str = "utf-8") -> None: ...
    getsockopt_string = get_string
    getsockopt_unicode = get_string
    setsockopt_string = set_string
    setsockopt_unicode = set_string
    def get_hwm(self) -> int: ...
    def set_hwm(self, value: int) -> None: ...
    def subscribe(self, topic: str | bytes) -> None: ...
    def unsubscribe(self, topic: str | bytes) -> None: ...
    def fileno(self) -> int: ...
    @overload
    def send(  # type: ignore[overload-overlap]  # a Frame is a Buffer too
        self,
        data: Frame,
        flags: int = 0,
        copy: bool = True,
        track: bool = False,
        routing_id: int | None = None,
        group: str | None = None,
    ) -> MessageTracker: ...
    @overload
    def send(
        self,
        data: _Bytes,
        flags: int = 0,
        copy: Literal[True] = True,
        track: bool = False,
        routing_id: int | None = None,
        group: str | None = None,
    ) -> None: ...
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
    ) -> MessageTracker: ...
    @overload
    def send(
        self,
        data: _Bytes,
        flags: int,
        copy: Literal[False],
        track: bool = False,
        routing_id: int | None = None,
        group: str | None = None,
    ) -> MessageTracker: ...
    @overload
    def send(
        self,
        data: _Bytes,
        flags: int = 0,
        copy: bool = True,
        track: bool = False,
        routing_id: int | None = None,
        group: str | None = None,
    ) -> MessageTracker | None: ...
    def send_multipart(
        self, msg_parts: Iterable[_Bytes], flags: int = 0, copy: bool = True, track: bool = False, **kwargs: Any
    ) -> MessageTracker | None: ...
    @overload
    def send_many(
        self, messages: Iterable[_Bytes], flags: int = 0, copy: bool = True, *, multipart: Literal[False] = False
    ) -> int: ...
    @overload
    def send_many(
        self, messages: Iterable[Iterable[_Bytes]], flags: int = 0, copy: bool = True, *, multipart: Literal[True]
    ) -> int: ...
    @overload
    def send_many(
        self, messages: Iterable[_Bytes | Iterable[_Bytes]], flags: int = 0, copy: bool = True, *, multipart: bool
    ) -> int: ...
    def send_string(
        self, u: str, flags: int = 0, copy: bool = True, encoding: str = "utf-8", **kwargs: Any
    ) -> MessageTracker | None: ...
    send_unicode = send_string
    def send_json(self, obj: object, flags: int = 0, **kwargs: Any) -> None: ...
    def send_pyobj(
        self, obj: object, flags: int = 0, protocol: int | None = None, **kwargs: Any
    ) -> MessageTracker | None: ...
    def send_serialized(
        self, msg: _T, serialize: Callable[[_T], Iterable[_Bytes]], flags: int = 0, copy: bool = True, **kwargs: Any
    ) -> MessageTracker | None: ...
    @overload
    def recv(self, flags: int = 0, copy: Literal[True] = True, track: bool = False) -> bytes: ...
    @overload
    def recv(self, flags: int = 0, *, copy: Literal[False], track: bool = False) -> Frame: ...
    @overload
    def recv(self, flags: int, copy: Literal[False], track: bool = False) -> Frame: ...
    @overload
    def recv(self, flags: int = 0, copy: bool = True, track: bool = False) -> bytes | Frame: ...
    @overload
    def recv_multipart(self, flags: int = 0, copy: Literal[True] = True, track: bool = False) -> list[bytes]: ...
    @overload
    def recv_multipart(self, flags: int = 0, *, copy: Literal[False], track: bool = False) -> list[Frame]: ...
    @overload
    def recv_multipart(self, flags: int, copy: Literal[False], track: bool = False) -> list[Frame]: ...
    @overload
    def recv_multipart(self, flags: int = 0, copy: bool = True, track: bool = False) -> list[bytes] | list[Frame]: ...
    @overload
    def recv_many(
        self,
        max: int = 1000,
        timeout: float | None = None,
        *,
        flags: int = 0,
        copy: Literal[True] = True,
        multipart: Literal[False] = False,
    ) -> list[bytes]: ...
    @overload
    def recv_many(
        self,
        max: int = 1000,
        timeout: float | None = None,
        *,
        flags: int = 0,
        copy: Literal[True] = True,
        multipart: Literal[True],
    ) -> list[list[bytes]]: ...
    @overload
    def recv_many(
        self,
        max: int = 1000,
        timeout: float | None = None,
        *,
        flags: int = 0,
        copy: Literal[False],
        multipart: Literal[False] = False,
    ) -> list[Frame]: ...
    @overload
    def recv_many(
        self,
        max: int = 1000,
        timeout: float | None = None,
        *,
        flags: int = 0,
        copy: Literal[False],
        multipart: Literal[True],
    ) -> list[list[Frame]]: ...
    @overload
    def recv_many(
        self,
        max: int = 1000,
        timeout: float | None = None,
        *,
        flags: int = 0,
        copy: bool = True,
        multipart: bool = False,
    ) -> list[Any]: ...
    def recv_into(self, buffer: _Bytes, /, *, nbytes: int = 0, flags: int = 0) -> int: ...
    def recv_string(self, flags: int = 0, encoding: str = "utf-8") -> str: ...
    recv_unicode = recv_string
    def recv_json(self, flags: int = 0, **kwargs: Any) -> Any: ...
    def recv_pyobj(self, flags: int = 0) -> Any: ...
    @overload
    def recv_serialized(
        self, deserialize: Callable[[list[bytes]], _T], flags: int = 0, copy: Literal[True] = True
    ) -> _T: ...
    @overload
    def recv_serialized(
        self, deserialize: Callable[[list[Frame]], _T], flags: int = 0, *, copy: Literal[False]
    ) -> _T: ...
    @overload
    def recv_serialized(self, deserialize: Callable[[list[Any]], _T], flags: int = 0, *, copy: bool) -> _T: ...
    def poll(self, timeout: float | None = None, flags: int = 1) -> int: ...
    def monitor(self, addr: str | bytes | None, events: int = 0xFFFF) -> None: ...
    def get_monitor_socket(self, events: int | None = None, addr: str | None = None) -> Self: ...
    def disable_monitor(self) -> None: ...
    def watch_peers(self) -> None: ...
    def join(self, group: str | bytes) -> None: ...
    def leave(self, group: str | bytes) -> None: ...

SyncSocket: TypeAlias = Socket[bytes]
SyncContext: TypeAlias = Context[SyncSocket]
