"""0MQ for asyncio: sends, receives and polls return futures.

Use it for `Context`, `Socket` and `Poller`, and `zmq` for everything else::

    import zmq
    import zmq.asyncio

    context = zmq.asyncio.Context()
"""

from __future__ import annotations

import asyncio
import selectors
import warnings
from asyncio import Future as Future
from contextlib import suppress
from typing import Any

from zmq.core import context as _context
from zmq.core import poll as _poll
from zmq.core import socket as _socket
from zmq.core.constants import Flag, PollEvent
from zmq.core.error import Again, ZMQError
from zmq.core.futures import (
    AwaitedSocket,
    LoopHub,
    Receive,
    begin,
    hide_again,
    is_time_to_yield,
    pending,
    receive_in_turn,
    running_loop,
)
from zmq.core.futures import hub_of as hub_of
from zmq.core.polling.with_future import begin_poll_of_many
from zmq.core.sockets.overrides import with_own_methods

# Plain numbers: those of an enum take a microsecond to combine.
POLLIN, POLLOUT = int(PollEvent.POLLIN), int(PollEvent.POLLOUT)
DONTWAIT, SNDMORE = int(Flag.DONTWAIT), int(Flag.SNDMORE)

#: Messages of a batch between two looks at the clock.
CHUNK = 64

SEND, SEND_MULTIPART = _socket.Socket.send, _socket.Socket.send_multipart
SEND_MANY, RECV_MANY = _socket.Socket.send_many, _socket.Socket.recv_many

__all__ = ["Context", "Socket", "Poller", "ZMQEventLoop", "install"]

# The name under which tests and tools know it.
Hub = LoopHub


class Poller(_poll.Poller):
    """A `zmq.Poller` whose `poll` returns a future."""

    _get_hub = None

    def _get_loop(self) -> Any:
        return running_loop()

    def poll(self, timeout: float | None = -1) -> Any:
        """Wait until something is ready.

        Parameters
        ----------
        timeout : float, optional
            Milliseconds; None or negative to wait for ever, but not where nothing is registered.

        Returns
        -------
        Future
            Of what `zmq.Poller.poll` returns.
        """
        return begin_poll_of_many(self._members(), timeout, self)


@with_own_methods
class Socket(AwaitedSocket):
    """A `zmq.Socket` whose sends, receives and polls return futures.

    A call is made at once if it need not wait. Calls that wait for the same socket are served in the order in which
    they were made. When the socket is closed the futures that still wait are cancelled.

    A receive that is cancelled takes no message with it, nor does one whose task is cancelled: see
    `zmq.core.futures.future`.

    Parameters
    ----------
    context : Context or Socket
        The context to make the socket in; or a socket to make a shadow of.
    socket_type : int
        A `zmq.SocketType`.
    io_loop : optional
        The event loop to use; the running one when left out.
    """

    def __init__(
        self,
        context: Any = None,
        socket_type: int = -1,
        io_loop: Any = None,
        _from_socket: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(context if _from_socket is None else _from_socket, socket_type, **kwargs)
        if io_loop is not None:
            warnings.warn(
                f"{type(self).__name__}(io_loop) is deprecated: the loop that runs is used",
                DeprecationWarning,
                stacklevel=2,
            )
            self._set_loop(io_loop)

    @classmethod
    def from_socket(cls, socket: Any, io_loop: Any = None) -> Any:
        """Return a shadow of a socket.

        Parameters
        ----------
        socket : Socket
        io_loop : optional
            The event loop to use; the running one when left out.
        """
        return cls(_from_socket=socket, io_loop=io_loop)

    async def __aenter__(self) -> Any:
        return self

    async def __aexit__(self, *args: object) -> None:
        self.close()

    def get(self, key: int) -> Any:
        """Return the value of a socket option; see `zmq.Socket.get`."""
        return super().get(key)

    @property
    def _recv_futures(self) -> list[Any]:
        """The futures that wait to receive, or for POLLIN."""
        return pending(self, POLLIN)

    @property
    def _send_futures(self) -> list[Any]:
        """The futures that wait to send, or for POLLOUT."""
        return pending(self, POLLOUT)

    async def recv_many(  # type: ignore[override]
        self,
        max: int = 1000,
        timeout: float | None = None,
        *,
        flags: int = 0,
        copy: bool = True,
        multipart: bool = False,
    ) -> Any:
        """Receive a batch; see `zmq.Socket.recv_many`. A coroutine."""
        if max < 1:
            raise ValueError(f"max={max}, must be at least 1")
        loop = self._get_loop()
        try:
            first = await receive_in_turn(self, Receive(True, copy=copy, single=not multipart), flags, timeout)
        except Again:
            hide_again(self, POLLIN)
            return []
        batch = [first if multipart else first[0]]
        # What comes after the first is not waited for, so nobody can cancel this any more. An error comes again
        # with the next call.
        with suppress(ValueError, ZMQError):
            while len(batch) < max:
                size = min(max - len(batch), CHUNK)
                more = RECV_MANY(self, size, flags=DONTWAIT, copy=copy, multipart=multipart)
                batch += more
                if len(more) < size or (not flags & DONTWAIT and is_time_to_yield(hub_of(loop))):
                    break
        return batch

    async def send_many(  # type: ignore[override]
        self, messages: Any, flags: int = 0, copy: bool = True, *, multipart: bool = False
    ) -> int:
        """Send a batch; see `zmq.Socket.send_many`. A coroutine."""
        if flags & SNDMORE:
            raise ValueError("send_many sends whole messages: SNDMORE means nothing here")
        batch = list(messages)
        loop = self._get_loop()
        hub = hub_of(loop)
        attempt = SEND_MULTIPART if multipart else SEND
        sent = 0
        try:
            while sent < len(batch):
                if not flags & DONTWAIT and is_time_to_yield(hub):
                    await asyncio.sleep(0)
                # In its turn among those who wait to send; then as many as there is room for.
                first = list(batch[sent]) if multipart else batch[sent]
                route = self._route(first[0]) if multipart and first else None
                call = begin(self, flags, attempt, (first, flags | DONTWAIT, copy), route, prompt=True)
                try:
                    await call
                except BaseException:
                    # It may have been sent already when the task was cancelled.
                    sent += call.done() and not call.cancelled() and call.exception() is None
                    raise
                sent += 1
                while sent < len(batch):
                    chunk = batch[sent : sent + CHUNK]
                    done = SEND_MANY(self, chunk, flags | DONTWAIT, copy, multipart=multipart)
                    sent += done
                    if done < len(chunk) or (not flags & DONTWAIT and is_time_to_yield(hub)):
                        break
        except Again:
            hide_again(self, POLLOUT)
        except BaseException as error:
            error.sent = sent + getattr(error, "sent", 0)  # type: ignore[attr-defined]
            raise
        return sent


class Context(_context.Context):
    """A `zmq.Context` whose sockets are those of this module.

    At the end of an ``async with`` block its sockets are closed, and other tasks run while it terminates.
    """

    _get_hub = None
    _instance = None
    _socket_class = Socket

    async def __aenter__(self) -> Any:
        return self

    async def __aexit__(self, *args: object) -> None:
        left = [] if self.closed else [socket for socket in self._sockets if not socket.closed]
        try:
            if left:
                warnings.warn(f"{self} has unclosed sockets: {left}", ResourceWarning, stacklevel=2)
        finally:
            for socket in left:
                socket.close()
            await asyncio.get_running_loop().run_in_executor(None, self.destroy)


class ProactorSelectorThreadWarning(RuntimeWarning):
    """A name of PyZMQ's; never issued here."""


class ZMQEventLoop(asyncio.SelectorEventLoop):
    """An event loop as any other: 0MQ needs none of its own. A name that old programs use."""

    def __init__(self, selector: selectors.BaseSelector | None = None) -> None:
        warnings.warn("ZMQEventLoop is deprecated: 0MQ works with any event loop", DeprecationWarning, stacklevel=2)
        super().__init__(selector)


def install() -> None:
    """Do nothing: 0MQ works with any event loop. A name that old programs use."""
    warnings.warn("zmq.asyncio.install is deprecated: there is nothing to install", DeprecationWarning, stacklevel=2)
