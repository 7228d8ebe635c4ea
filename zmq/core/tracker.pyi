from collections.abc import Callable
from typing import Any, ClassVar, Protocol, type_check_only

from zmq.core.hub import Hub
from zmq.core.message import Frame

@type_check_only
class _Event(Protocol):
    def is_set(self) -> bool: ...
    def wait(self, timeout: float | None = None) -> object: ...

class MessageTracker:
    _get_hub: ClassVar[Callable[[], Hub] | None]
    events: set[Any]
    peers: set[MessageTracker]
    def __init__(self, *towatch: MessageTracker | Frame | _Event) -> None: ...
    @property
    def done(self) -> bool: ...
    def wait(self, timeout: float | None = -1) -> None: ...

_FINISHED_TRACKER: MessageTracker
