"""The Hub protocol: all that a green framework must supply.

Lives here: names and their meaning, no code that runs. Implemented once per framework (`zmq.green.hub`);
called by `zmq.core.trampoline` and nobody else. All methods are called in the thread that owns the hub.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, TypeVar

Result = TypeVar("Result")


class Watcher(Protocol):
    """A level-triggered watch on one descriptor."""

    def start(self, callback: Callable[[], object]) -> None:
        """Arm: call `callback` in the hub while the descriptor is ready. Keeps the hub from going idle."""

    def stop(self) -> None:
        """Disarm. No call of the callback may follow."""

    def close(self) -> None:
        """Forget the descriptor; it may be closed next."""


class Timer(Protocol):
    """A call that was put off."""

    def cancel(self) -> None:
        """Drop the call; does nothing once it was made."""


class Hub(Protocol):
    """One event loop of one thread, and the greenlets that wait in it."""

    #: Room for the trampoline's sweep alarm; starts as None.
    alarm: Any

    def current(self) -> Any:
        """Return the greenlet that runs. It has `switch()`."""

    def park(self) -> None:
        """Switch to the hub until somebody switches to this greenlet, or throws into it.

        Raises what was thrown, unchanged.
        """

    def call_soon(self, callback: Callable[[], object]) -> None:
        """Call `callback` in the hub, in the order of these calls, before the hub sleeps."""

    def call_at(self, deadline: float, callback: Callable[[], object], keep: bool = True) -> Timer:
        """Call `callback` in the hub at `deadline`, in seconds of the monotonic clock.

        Timers that are due run only after descriptors were looked at: a call at a time that is past is how a
        greenlet lets everybody else run. With `keep` false the timer alone does not keep the hub from going
        idle.
        """

    def watcher(self, fd: int, events: int) -> Watcher:
        """Return a watcher, not armed, on `fd` for POLLIN, POLLOUT or both."""

    def offload(self, function: Callable[[], Result]) -> Result:
        """Call `function` in a native thread, whatever is monkeypatched, and park meanwhile.

        When something is thrown into the greenlet the function runs on and its result is dropped.
        """
