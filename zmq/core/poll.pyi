from collections.abc import Callable, Iterable
from typing import Any, ClassVar, SupportsIndex

from _typeshed import FileDescriptorLike

from zmq.core.polling.in_hub import PollSet
from zmq.core.waiting.hub import Hub

def zmq_poll(
    sockets: Iterable[tuple[FileDescriptorLike, int]],
    timeout: float | None = -1,
    *,
    poller_class: type[Poller] | None = None,
) -> list[tuple[Any, int]]: ...

class Poller:
    _get_hub: ClassVar[Callable[[], Hub] | None]
    def __init__(self) -> None: ...
    def __del__(self) -> None: ...
    def __contains__(self, socket: object) -> bool: ...
    @property
    def sockets(self) -> list[tuple[Any, int]]: ...
    def register(self, socket: FileDescriptorLike, flags: SupportsIndex | None = ...) -> None: ...
    def modify(self, socket: FileDescriptorLike, flags: SupportsIndex | None = ...) -> None: ...
    def unregister(self, socket: FileDescriptorLike) -> None: ...
    def poll(self, timeout: float | None = None) -> list[tuple[Any, int]]: ...
    def _members(self) -> PollSet: ...

def select(
    rlist: Iterable[FileDescriptorLike],
    wlist: Iterable[FileDescriptorLike],
    xlist: Iterable[FileDescriptorLike],
    timeout: float | None = None,
    *,
    poller_class: type[Poller] | None = None,
) -> tuple[list[Any], list[Any], list[Any]]: ...

_poll = zmq_poll
