"""0MQ for tornado's coroutines: sends, receives and polls return futures, as in `zmq.asyncio`."""

from __future__ import annotations

import warnings
from asyncio import CancelledError
from operator import methodcaller
from typing import Any

from tornado.ioloop import IOLoop

import zmq.asyncio as _asyncio
from zmq.core.sockets.overrides import with_own_methods
from zmq.eventloop._handlers import Handler

__all__ = ["CancelledError", "Context", "Poller", "Socket"]


class Poller(_asyncio.Poller):
    """A `zmq.Poller` whose `poll` returns a future."""

    def _get_loop(self) -> Any:
        return asyncio_loop_of(IOLoop.current())


@with_own_methods
class Socket(_asyncio.Socket):
    """A `zmq.Socket` whose sends, receives and polls return futures; see `zmq.asyncio.Socket`.

    Closing the loop with ``all_fds=True`` closes it.
    """

    _handler: Handler | None = None

    def _get_loop(self) -> Any:
        loop = IOLoop.current() if self.io_loop is None else self.io_loop
        if self._handler is None or self._handler.loop() is not loop:
            self._leave()
            self._handler = Handler.register(self, loop, methodcaller("close"))
        return asyncio_loop_of(loop)

    def _leave(self) -> None:
        handler, self._handler = self._handler, None
        if handler is not None:
            handler.remove()

    def close(self, linger: int | None = None) -> None:
        self._leave()
        super().close(linger)


class Context(_asyncio.Context):
    """A `zmq.Context` whose sockets are those of this module."""

    io_loop: Any = None
    _instance = None
    _socket_class = Socket

    def __init__(self, *args: Any, io_loop: Any = None, **kwargs: Any) -> None:
        if io_loop is not None:
            warnings.warn(
                f"{type(self).__name__}(io_loop) is deprecated: the loop that runs is used",
                DeprecationWarning,
                stacklevel=2,
            )
        super().__init__(*args, **kwargs)


def asyncio_loop_of(loop: Any) -> Any:
    """Return the loop of asyncio's under one of tornado's."""
    return getattr(loop, "asyncio_loop", loop)
