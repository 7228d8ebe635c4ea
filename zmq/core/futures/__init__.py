"""Calls that return a future, for `zmq.asyncio` and `zmq.eventloop`, which import them from here.

`awaited_socket` has the socket whose calls these are; `future` the future that they return; `calls` and `receives`
what of them waits for a socket in the place of a greenlet; `loop_hub` is the event loop in which it does; `time_slice`
sees to it that the loop runs; a `socket_listener` only hears that something may have changed. What must not be here:
frameworks other than asyncio, and that one not before somebody uses it: to import it takes longer than to import all of
`zmq`.
"""

from importlib import import_module

TYPE_CHECKING = False  # `typing` takes longer to import than all the rest

if TYPE_CHECKING:
    from zmq.core.futures.awaited_socket import AwaitedSocket
    from zmq.core.futures.calls import begin, hide_again, pending
    from zmq.core.futures.future import Outcome
    from zmq.core.futures.loop_hub import LINGER, LoopHub, hub_of, running_loop
    from zmq.core.futures.receives import Receive, receive_in_turn
    from zmq.core.futures.socket_listener import Listener
    from zmq.core.futures.time_slice import Slice, is_time_to_yield

__all__ = [
    "LINGER",
    "AwaitedSocket",
    "Listener",
    "LoopHub",
    "Outcome",
    "Receive",
    "Slice",
    "begin",
    "hide_again",
    "hub_of",
    "is_time_to_yield",
    "pending",
    "receive_in_turn",
    "running_loop",
]

#: Which module has a name.
PLACES = {
    "calls": ("begin", "hide_again", "pending"),
    "socket_listener": ("Listener",),
    "loop_hub": ("LINGER", "LoopHub", "hub_of", "running_loop"),
    "future": ("Outcome",),
    "receives": ("Receive", "receive_in_turn"),
    "awaited_socket": ("AwaitedSocket",),
    "time_slice": ("Slice", "is_time_to_yield"),
}


def __getattr__(name: str) -> object:
    """Import a name when it is first asked for."""
    for module, names in PLACES.items():
        if name in names:
            globals()[name] = found = getattr(import_module(f"{__name__}.{module}"), name)
            return found
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
