"""0MQ for asyncio: sends, receives and polls return futures.

Use it for `Context`, `Socket` and `Poller`, and `zmq` for everything else::

    import zmq
    import zmq.asyncio

    context = zmq.asyncio.Context()
"""

from __future__ import annotations

import asyncio
import os
import pickle
import selectors
import sys
import time
import warnings
from asyncio import Future as Future
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

from zmq.core import context as _context
from zmq.core import poll as _poll
from zmq.core import socket as _socket
from zmq.core._text import describe
from zmq.core.constants import Flag, PollEvent, SocketType
from zmq.core.error import Again, ZMQError
from zmq.core.futures import (
    Receive,
    Slice,
    begin,
    begin_poll,
    begin_receive,
    is_time_to_yield,
    pending,
    received_class,
)
from zmq.core.polling.with_future import begin_poll_of_many
from zmq.core.waiting import hub as _hub
from zmq.utils import jsonapi

# Plain numbers: those of an enum take a microsecond to combine.
POLLIN, POLLOUT = int(PollEvent.POLLIN), int(PollEvent.POLLOUT)
DONTWAIT, SNDMORE = int(Flag.DONTWAIT), int(Flag.SNDMORE)

#: For how many turns of the loop a descriptor is still watched for which nobody waits.
TURNS = 4

#: Messages of a batch between two looks at the clock.
CHUNK = 64

SEND, SEND_MULTIPART = _socket.Socket.send, _socket.Socket.send_multipart
SEND_MANY, RECV_MANY = _socket.Socket.send_many, _socket.Socket.recv_many

__all__ = ["Context", "Socket", "Poller", "ZMQEventLoop", "install"]

Received = received_class(asyncio.Future)
# What most receives are for.
FRAME, MESSAGE = Receive(whole=False), Receive(whole=True)


class Watcher:
    """A level-triggered watcher: a reader, a writer or both of an event loop.

    It is disarmed a few turns of the loop later, so that who waits for the same descriptor again and again does not
    pay for two system calls each time.
    """

    own_fd = False

    def __init__(self, hub: Hub, fd: int, events: int) -> None:
        self.hub = hub
        self.fd = fd
        self.events = events
        self.callback: Callable[[], object] | None = None
        self.armed = False

    def start(self, callback: Callable[[], object]) -> None:
        self.callback = callback
        if not self.armed:
            if self.hub.is_elsewhere():
                self.hub.loop.call_soon_threadsafe(self.arm)
            else:
                self.arm()

    def arm(self) -> None:
        if self.armed or self.callback is None or self.hub.loop.is_closed():
            return
        if self.events & POLLIN:
            self.hub.loop.add_reader(self.fd, self.ready)
        if self.events & POLLOUT:
            self.hub.loop.add_writer(self.fd, self.ready)
        # Last: were it interrupted, by the handler of a signal, it could be done again.
        self.armed = True

    def stop(self) -> None:
        self.callback = None
        if self.armed:
            self.hub.retire(self)

    def disarm(self) -> None:
        if self.armed:
            self.armed = False
            if not self.hub.loop.is_closed():
                if self.events & POLLIN:
                    self.hub.loop.remove_reader(self.fd)
                if self.events & POLLOUT:
                    self.hub.loop.remove_writer(self.fd)

    def close(self) -> None:
        self.callback = None
        self.disarm()
        if self.own_fd:
            self.own_fd = False
            os.close(self.fd)

    def ready(self) -> None:
        if self.callback is None:
            self.disarm()
        else:
            self.callback()


class NativeWatcher(Watcher):
    """A watcher on a descriptor that others may watch too.

    An event loop has one reader and one writer for a descriptor: this one is another descriptor.
    """

    def __init__(self, hub: Hub, fd: int, events: int) -> None:
        super().__init__(hub, os.dup(fd), events)
        self.own_fd = True

    def __del__(self, close: Callable[[int], None] = os.close) -> None:
        # The loop was closed, and nobody waited in another one since. At the end of the interpreter `os` may be gone.
        if self.own_fd:
            close(self.fd)


class Hub(_hub.Hub):
    """The event loop as a hub; nobody parks in it, see `zmq.core.futures.calls`."""

    # The end of the interpreter may find them when names of modules are gone.
    running_loop = staticmethod(asyncio._get_running_loop)
    thread_ident = staticmethod(_hub.thread_ident)

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(
            current=lambda: None,
            park=lambda: None,
            call_soon=self.soon,
            watcher=partial(Watcher, self),
            native_watcher=partial(NativeWatcher, self),
            lingers=True,
        )
        self.loop = loop
        self.slice = Slice(self.soon)
        self.retired: list[Watcher] = []
        self.turns = 0

    def soon(self, callback: Callable[[], object]) -> None:
        loop = self.loop
        if self.running_loop() is loop:
            loop.call_soon(callback)
        elif self.is_elsewhere():
            loop.call_soon_threadsafe(callback)
        elif not loop.is_closed():
            loop.call_soon(callback)

    def call_soon_threadsafe(self, callback: Callable[[], object]) -> None:
        self.loop.call_soon_threadsafe(callback)

    def call_at(self, deadline: float, callback: Callable[[], object], keep: bool = True) -> asyncio.TimerHandle:
        return self.loop.call_later(max(0, deadline - time.monotonic()), callback)

    def forget(self, watcher: Watcher) -> None:
        watcher.close()

    def is_alive(self) -> bool:
        return not self.loop.is_closed()

    def is_running(self) -> bool:
        return self.loop.is_running()

    def is_elsewhere(self) -> bool:
        loop = self.loop
        if self.running_loop() is loop or not loop.is_running():
            return False
        # While a greenlet waits in the selector of its loop no loop is noted.
        return getattr(loop, "zmq_thread", None) != self.thread_ident()

    def give_up(self, parked: Any) -> None:
        # Of a loop that is closed nobody can be told.
        with suppress(RuntimeError):
            parked.future.cancel()

    def give_up_all(self) -> None:
        """Do nothing: the thread ends, but another one may run the loop."""

    def retire(self, watcher: Watcher) -> None:
        """Disarm a watcher that is not started again before the loop's next turn."""
        if not self.retired:
            self.turns = TURNS
            self.soon(self.disarm)
        self.retired.append(watcher)

    def disarm(self) -> None:
        self.turns -= 1
        if self.turns:
            self.soon(self.disarm)
            return
        retired, self.retired = self.retired, []
        for watcher in retired:
            if watcher.callback is None:
                watcher.disarm()


def hub_of(loop: Any) -> Hub:
    """Return the hub of an event loop, which holds it: so they are freed together."""
    try:
        return loop._zmq_hub  # type: ignore[no-any-return]
    except AttributeError:
        pass
    hub = loop._zmq_hub = Hub(loop)
    return hub


def loop_of_thread() -> asyncio.AbstractEventLoop:
    """Return the loop that this thread was given, where none runs; before Python 3.14 it may be a new one.

    Raises
    ------
    RuntimeError
        There is none.
    """
    if sys.version_info >= (3, 14):
        # Policies are deprecated.
        return asyncio.get_event_loop()
    # Some older versions warn of what was deprecated for a while only.
    return asyncio.get_event_loop_policy().get_event_loop()


def running_loop() -> asyncio.AbstractEventLoop:
    """Return the event loop that runs in this thread, or the one that may."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        warnings.warn(
            "No running event loop. zmq.asyncio should be used from within an asyncio loop.",
            RuntimeWarning,
            stacklevel=4,
        )
        return loop_of_thread()


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
            Milliseconds; None or -1 to wait for ever, but not where nothing is registered.

        Returns
        -------
        Future
            Of what `zmq.Poller.poll` returns.
        """
        loop = self._get_loop()
        future = loop.create_future()
        begin_poll_of_many(self._members(), partial(hub_of, loop), timeout, future)
        return future


class Socket(_socket.Socket):
    """A `zmq.Socket` whose sends, receives and polls return futures.

    A call is made at once if it need not wait. Calls that wait for the same socket are served in the order in which
    they were made. When the socket is closed the futures that still wait are cancelled.

    A receive that is cancelled takes no message with it, nor does one whose task is cancelled: see
    `zmq.core.futures.cancelling`.

    Parameters
    ----------
    context : Context or Socket
        The context to make the socket in; or a socket to make a shadow of.
    socket_type : int
        A `zmq.SocketType`.
    io_loop : optional
        The event loop to use; the running one when left out.
    """

    _get_hub = None
    _defers = True
    io_loop: Any = None

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

    def _set_loop(self, io_loop: Any) -> None:
        object.__setattr__(self, "io_loop", io_loop)

    def _get_loop(self) -> Any:
        return running_loop() if self.io_loop is None else self.io_loop

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

    def _route(self, frame: Any) -> bytes | None:
        return bytes(frame) if self.socket_type in (SocketType.ROUTER, SocketType.STREAM) else None

    # Receiving.

    def recv(self, flags: int = 0, copy: bool = True, track: bool = False) -> Any:
        """Receive one frame; see `zmq.Socket.recv`. Returns a future."""
        receive = FRAME if copy else Receive(whole=False, copy=False, track=track)
        return begin_receive(self, receive, flags, Received, self._get_loop(), hub_of)

    def recv_into(self, buf: Any, /, *, nbytes: int = 0, flags: int = 0) -> Any:
        """Receive one frame into a buffer; see `zmq.Socket.recv_into`. Returns a future."""
        receive = Receive(whole=False, buffer=buf, nbytes=nbytes)
        return begin_receive(self, receive, flags, Received, self._get_loop(), hub_of)

    def recv_multipart(self, flags: int = 0, copy: bool = True, track: bool = False) -> Any:
        """Receive a message; see `zmq.Socket.recv_multipart`. Returns a future."""
        receive = MESSAGE if copy else Receive(whole=True, copy=False, track=track)
        return begin_receive(self, receive, flags, Received, self._get_loop(), hub_of)

    def recv_serialized(self, deserialize: Callable[[list[Any]], Any], flags: int = 0, copy: bool = True) -> Any:
        """Receive a message and turn it into an object; see `zmq.Socket.recv_serialized`. Returns a future."""
        receive = Receive(whole=True, copy=copy, load=deserialize)
        return begin_receive(self, receive, flags, Received, self._get_loop(), hub_of)

    def recv_string(self, flags: int = 0, encoding: str = "utf-8") -> Any:
        """Receive a str; see `zmq.Socket.recv_string`. Returns a future."""

        def load(frame: bytes) -> str:
            return frame.decode(encoding)

        receive = Receive(whole=False, load=load)
        return begin_receive(self, receive, flags, Received, self._get_loop(), hub_of)

    recv_unicode = recv_string

    def recv_json(self, flags: int = 0, **kwargs: Any) -> Any:
        """Receive what was sent with `send_json`; see `zmq.Socket.recv_json`. Returns a future."""
        load = partial(jsonapi.loads, **kwargs) if kwargs else jsonapi.loads
        receive = Receive(whole=False, load=load)
        return begin_receive(self, receive, flags, Received, self._get_loop(), hub_of)

    def recv_pyobj(self, flags: int = 0) -> Any:
        """Receive what `send_pyobj` sent, from peers you trust; see `zmq.Socket.recv_pyobj`. Returns a future."""
        receive = Receive(whole=False, load=pickle.loads)
        return begin_receive(self, receive, flags, Received, self._get_loop(), hub_of)

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
            receive = Receive(whole=True, copy=copy, single=not multipart)
            first = await begin_receive(self, receive, flags, Received, loop, hub_of, timeout)
        except Again:
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

    # Sending.

    def send(
        self,
        data: Any,
        flags: int = 0,
        copy: bool = True,
        track: bool = False,
        routing_id: Any = None,
        group: Any = None,
    ) -> Any:
        """Send one frame; see `zmq.Socket.send`. Returns a future."""
        args = data, flags | DONTWAIT, copy, track, routing_id, group
        return begin(self, self._get_loop(), hub_of, flags, SEND, args)

    def send_multipart(
        self, msg_parts: Any, flags: int = 0, copy: bool = True, track: bool = False, **kwargs: Any
    ) -> Any:
        """Send a message; see `zmq.Socket.send_multipart`. Returns a future."""
        parts = list(msg_parts)
        attempt = partial(SEND_MULTIPART, **kwargs) if kwargs else SEND_MULTIPART
        args = parts, flags | DONTWAIT, copy, track
        route = self._route(parts[0]) if parts else None
        return begin(self, self._get_loop(), hub_of, flags, attempt, args, route)

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
                await begin(self, loop, hub_of, flags, attempt, (first, flags | DONTWAIT, copy), route, prompt=True)
                sent += 1
                while sent < len(batch):
                    chunk = batch[sent : sent + CHUNK]
                    done = SEND_MANY(self, chunk, flags | DONTWAIT, copy, multipart=multipart)
                    sent += done
                    if done < len(chunk) or (not flags & DONTWAIT and is_time_to_yield(hub)):
                        break
        except Again:
            pass
        except BaseException as error:
            error.sent = sent + getattr(error, "sent", 0)  # type: ignore[attr-defined]
            raise
        return sent

    def send_serialized(
        self, msg: Any, serialize: Callable[[Any], Any], flags: int = 0, copy: bool = True, **kwargs: Any
    ) -> Any:
        """Send an object as a message; see `zmq.Socket.send_serialized`. Returns a future."""
        return self.send_multipart(serialize(msg), flags, copy, **kwargs)

    def send_string(self, u: str, flags: int = 0, copy: bool = True, encoding: str = "utf-8", **kwargs: Any) -> Any:
        """Send a str; see `zmq.Socket.send_string`. Returns a future."""
        if not isinstance(u, str):
            raise TypeError(f"a str is sent, not {describe(u)}")
        return self.send(u.encode(encoding), flags, copy, **kwargs)

    send_unicode = send_string

    def send_json(self, obj: Any, flags: int = 0, **kwargs: Any) -> Any:
        """Send an object as JSON; see `zmq.Socket.send_json`. Returns a future."""
        sending = {name: kwargs.pop(name) for name in ("routing_id", "group") if name in kwargs}
        return self.send(jsonapi.dumps(obj, **kwargs), flags, **sending)

    def send_pyobj(
        self, obj: Any, flags: int = 0, protocol: int | None = pickle.DEFAULT_PROTOCOL, **kwargs: Any
    ) -> Any:
        """Send a pickled object; see `zmq.Socket.send_pyobj`. Returns a future."""
        return self.send(pickle.dumps(obj, protocol), flags, **kwargs)

    # Polling.

    def poll(self, timeout: float | None = None, flags: int = POLLIN) -> Any:
        """Wait until the socket can send or receive; see `zmq.Socket.poll`. Returns a future."""
        loop = self._get_loop()
        future = loop.create_future()
        begin_poll(self, partial(hub_of, loop), flags, timeout, future)
        return future


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
                warnings.warn(f"{self} is left with sockets that are not closed: {left}", ResourceWarning, stacklevel=2)
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
