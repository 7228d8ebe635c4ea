"""Calls that return a future, for `zmq.asyncio` and `zmq.eventloop`, which import them from here.

`calls` has what waits for a socket in the place of a greenlet, sends and polls; `receives` the receives, and
`cancelling` the futures that give back a message that is not wanted; `time_slice` sees to it that the event loop
runs; a `listener` only hears that something may have changed. What must not be here: an event loop, or a class of
futures.
"""

from zmq.core.futures.calls import begin, begin_poll, pending
from zmq.core.futures.cancelling import received_class
from zmq.core.futures.listener import Listener
from zmq.core.futures.receives import Receive, begin_receive
from zmq.core.futures.time_slice import Slice, finish, is_time_to_yield

__all__ = [
    "Listener",
    "Receive",
    "Slice",
    "begin",
    "begin_poll",
    "begin_receive",
    "finish",
    "is_time_to_yield",
    "pending",
    "received_class",
]
