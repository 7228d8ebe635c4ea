import builtins
from collections.abc import Callable
from typing import Any, ClassVar, Literal, Protocol, TypeAlias, overload, type_check_only

from typing_extensions import Buffer, Self

from zmq.core.constants import MessageOption
from zmq.core.messages.copy_threshold import COPY_THRESHOLD as COPY_THRESHOLD
from zmq.core.messages.copy_threshold import Threshold
from zmq.core.messages.lent_memory import Release
from zmq.core.tracker import MessageTracker
from zmq.core.waiting.hub import Hub

# An array of numpy. Its stubs say that it is a buffer from Python 3.12 on only.
@type_check_only
class _Array(Protocol):
    @property
    def __array_interface__(self) -> Any: ...
    @property
    def data(self) -> memoryview: ...

# What can be sent, or received into.
_Bytes: TypeAlias = Buffer | _Array

class Property:
    def __init__(self, option: MessageOption, name: str) -> None: ...
    @overload
    def __get__(self, frame: None, owner: type[object], /) -> Self: ...
    @overload
    def __get__(self, frame: object, owner: type[object] | None = None, /) -> int: ...
    def __set__(self, frame: object, value: int, /) -> None: ...

class Frame:
    _get_hub: ClassVar[Callable[[], Hub] | None]
    _threshold: ClassVar[Threshold | None]
    more: bool
    MORE: Property
    More: Property
    SHARED: Property
    Shared: Property
    shared: Property
    SRCFD: Property
    Srcfd: Property
    srcfd: Property
    # None without track=True: as good as Any, so that who asked for it need not ask again.
    tracker: MessageTracker | Any
    tracker_event: Release | Any
    def __init__(
        self,
        data: _Bytes | None = None,
        track: bool = False,
        copy: bool | None = None,
        copy_threshold: int | None = None,
    ) -> None: ...
    def __buffer__(self, flags: int, /) -> memoryview: ...
    def __len__(self) -> int: ...
    def __copy__(self) -> Self: ...
    def __deepcopy__(self, memo: Any) -> Self: ...
    def fast_copy(self) -> Self: ...
    @property
    def buffer(self) -> memoryview: ...
    @property
    def bytes(self) -> builtins.bytes: ...
    @property
    def routing_id(self) -> int: ...
    @routing_id.setter
    def routing_id(self, value: int) -> None: ...
    @property
    def group(self) -> str: ...
    @group.setter
    def group(self, value: str | builtins.bytes) -> None: ...
    @overload
    def get(self, option: int | Literal["routing_id"]) -> int: ...
    @overload
    def get(self, option: builtins.bytes | Literal["group"]) -> str: ...
    @overload
    def get(self, option: str) -> int | str: ...
    @overload
    def __getitem__(self, key: int | Literal["routing_id"], /) -> int: ...
    @overload
    def __getitem__(self, key: builtins.bytes | Literal["group"], /) -> str: ...
    @overload
    def __getitem__(self, key: str, /) -> int | str: ...
    @overload
    def set(self, option: int | Literal["routing_id"], value: int) -> None: ...
    @overload
    def set(self, option: Literal["group"], value: str | builtins.bytes) -> None: ...

Message = Frame
