"""The asynchronous sockets and pollers, by the private path and names that some programs of PyZMQ use."""

from zmq.asyncio import Poller as _AsyncPoller
from zmq.asyncio import Socket as _AsyncSocket

__all__ = ["_AsyncPoller", "_AsyncSocket"]
