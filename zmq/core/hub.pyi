from collections.abc import Callable
from typing import Any, Protocol, type_check_only

@type_check_only
class _Cancellable(Protocol):
    def cancel(self) -> object: ...

SWEEP_SECONDS: float

def missed() -> int: ...

class Timer:
    def __init__(self, watcher: Any, callback: Callable[[], object]) -> None: ...
    def fire(self) -> None: ...
    def cancel(self) -> None: ...

class Hub:
    current: Callable[[], Any]
    park: Callable[[], object]
    call_soon: Callable[[Callable[[], object]], object]
    watcher: Callable[[int, int], Any]
    native_watcher: Callable[[int, int], Any]
    def __init__(
        self,
        *,
        current: Callable[[], Any],
        park: Callable[[], object],
        call_soon: Callable[[Callable[[], object]], object],
        watcher: Callable[[int, int], Any],
        native_watcher: Callable[[int, int], Any] | None = None,
    ) -> None: ...
    def call_at(self, deadline: float, callback: Callable[[], object], keep: bool = True) -> _Cancellable: ...
    def forget(self, watcher: Any) -> None: ...
    def is_alive(self) -> bool: ...
    def sweep(self) -> None: ...
