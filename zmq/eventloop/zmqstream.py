"""`ZMQStream`: a socket in tornado's event loop that calls back when it has received or sent a message."""

from __future__ import annotations

import asyncio
import pickle
import warnings
from collections import deque
from collections.abc import Callable
from functools import cached_property
from inspect import isawaitable, iscoroutine
from time import monotonic
from typing import Any

from tornado.ioloop import IOLoop
from tornado.log import gen_log as gen_log

import zmq
from zmq.asyncio import hub_of
from zmq.core._text import describe
from zmq.core.constants import POLLIN as POLLIN
from zmq.core.constants import POLLOUT as POLLOUT
from zmq.core.futures import Listener
from zmq.eventloop._handlers import Handler
from zmq.utils import jsonapi as jsonapi

__all__ = ["ClosedStreamError", "ZMQStream"]

#: Messages that are handled in one turn of the loop, in each direction, if that does not take longer than the budget.
BURST = 20

#: Seconds until a message is tried again for which there may be room though nothing says so; doubled up to the last.
FIRST_LOOK, LAST_LOOK = 0.001, 3.0

#: Keyword arguments of sends that `ZMQStream.send_json` does not hand to `json.dumps`.
SENDING = ("copy", "track", "routing_id", "group")

#: What callbacks await; an event loop by itself does not hold on to it.
tasks: set[asyncio.Future[Any]] = set()


class ClosedStreamError(zmq.ZMQError, OSError):
    """A stream that is closed was used, or one whose socket is (ENOTSOCK)."""

    strerror: str

    def __init__(self, errno: int | None = zmq.ENOTSOCK, msg: str | None = "the stream is closed") -> None:
        super().__init__(errno, msg)


class ZMQStream:
    """A socket with callbacks, in an event loop.

    Parameters
    ----------
    socket : Socket
        A plain one. Of one whose methods return futures a shadow is used.
    io_loop : IOLoop, optional
        The current one when left out.

    Raises
    ------
    TypeError
        `socket` is no socket.

    Notes
    -----
    An exception in a callback is logged, and handed to the loop's exception handler unless a coroutine raised it; the
    stream goes on.

    What a REQ or REP may not send yet, because a message has to be received first, waits as if there were no room.

    Examples
    --------
    >>> stream = ZMQStream(socket)
    >>> stream.on_recv(lambda message: stream.send_multipart(message))
    """

    #: None once the stream is closed.
    socket: zmq.Socket[bytes]
    io_loop: IOLoop
    # Those of the socket.
    bind: Callable[..., Any]
    bind_to_random_port: Callable[..., int]
    connect: Callable[..., Any]
    setsockopt: Callable[..., None]
    getsockopt: Callable[..., Any]
    setsockopt_string: Callable[..., None]
    getsockopt_string: Callable[..., str]
    setsockopt_unicode: Callable[..., None]
    getsockopt_unicode: Callable[..., str]

    #: Whose current one is used when none is given.
    _loop_class: type[IOLoop] = IOLoop

    def __init__(self, socket: zmq.Socket[Any], io_loop: IOLoop | None = None) -> None:
        if not isinstance(socket, zmq.Socket):
            raise TypeError(f"a ZMQStream is made of a zmq.Socket, not of {socket!r}")
        if socket._defers:
            warnings.warn(
                f"ZMQStream of a socket whose methods return futures uses a plain shadow of it: {socket}",
                RuntimeWarning,
                stacklevel=2,
            )
            socket = zmq.Socket.shadow(socket)
        self.socket = socket
        self.io_loop = self._loop_class.current() if io_loop is None else io_loop
        self._loop: Any = getattr(self.io_loop, "asyncio_loop", self.io_loop)
        self._recv_callback: Callable[..., Any] | None = None
        self._recv_copy = True
        self._send_callback: Callable[..., Any] | None = None
        self._close_callback: Callable[..., Any] | None = None
        self._err_callback: Callable[..., Any] | None = None
        self._send_queue: deque[tuple[Any, dict[str, Any]]] = deque()
        self._scheduled = False
        # Who is in the midst of receiving and sending: the loop, and greenlets that flush, while a callback waits.
        self._busy: set[object] = set()
        self._look_timer: Any = None
        self._delay = FIRST_LOOK
        self._robbed = False
        self._deaf = False
        self._listener: Listener | None = Listener(socket, lambda: hub_of(self._loop), self._changed, self._lost)
        # For programs that call these on the stream.
        for name in (
            "bind",
            "bind_to_random_port",
            "connect",
            "setsockopt",
            "getsockopt",
            "setsockopt_string",
            "getsockopt_string",
            "setsockopt_unicode",
            "getsockopt_unicode",
        ):
            setattr(self, name, getattr(socket, name))
        self._handler = Handler.register(self, self.io_loop, ZMQStream._end)

    @cached_property
    def poller(self) -> zmq.Poller:
        """A poller without sockets, for programs that look for one here."""
        return zmq.Poller()

    # Callbacks.

    def on_recv(self, callback: Callable[[list[Any]], Any] | None, copy: bool = True) -> None:
        """Have a function, or a coroutine function, called with every message that is received.

        Parameters
        ----------
        callback : callable or None
            ``callback(frames)``; None is `stop_on_recv`.
        copy : bool
            Whether the frames are bytes, or else `Frame`.

        Raises
        ------
        ClosedStreamError
            The stream is closed. So do all methods that begin or end something, but for `close`.
        RuntimeError
            Its event loop is closed.
        """
        assert callback is None or callable(callback), f"a callback is callable, not {callback!r}"
        self._check()
        if callback is not None and self._listener is not None:
            # First: where the socket can't be waited for nothing is received.
            self._listener.arm(self._wanted() | POLLIN)
        self._recv_callback = callback
        self._recv_copy = copy
        self._deaf = False
        self._update()

    def on_recv_stream(self, callback: Callable[[ZMQStream, list[Any]], Any] | None, copy: bool = True) -> None:
        """Have a function called with this stream and every message that is received; see `on_recv`."""
        if callback is None:
            self.stop_on_recv()
        else:
            assert callable(callback), f"a callback is callable, not {callback!r}"
            function = callback
            self.on_recv(lambda message: function(self, message), copy=copy)

    def stop_on_recv(self) -> None:
        """Receive no more: messages wait in the socket."""
        self._check_open()
        self._recv_callback = None
        self._update()

    def on_send(self, callback: Callable[[Any, Any], Any] | None) -> None:
        """Have a function called after every message that is sent.

        Parameters
        ----------
        callback : callable or None
            ``callback(frames, status)``: what was sent, and the tracker, None, or the error; None is `stop_on_send`.
        """
        assert callback is None or callable(callback), f"a callback is callable, not {callback!r}"
        self._check()
        self._send_callback = callback

    def on_send_stream(self, callback: Callable[[ZMQStream, Any, Any], Any] | None) -> None:
        """Have a function called with this stream after every message that is sent; see `on_send`."""
        if callback is None:
            self.stop_on_send()
        else:
            assert callable(callback), f"a callback is callable, not {callback!r}"
            function = callback
            self.on_send(lambda message, status: function(self, message, status))

    def stop_on_send(self) -> None:
        """Call nobody after a message is sent."""
        self._check_open()
        self._send_callback = None

    def on_err(self, callback: Callable[[], Any] | None) -> None:
        """Have a function called when an error ends a receive or a send; not when it only has to wait.

        Parameters
        ----------
        callback : callable or None
            ``callback()``; None is `stop_on_err`.
        """
        assert callback is None or callable(callback), f"a callback is callable, not {callback!r}"
        self._err_callback = callback

    def stop_on_err(self) -> None:
        """Call nobody after an error."""
        self._err_callback = None

    def set_close_callback(self, callback: Callable[[], Any] | None) -> None:
        """Have a function called when the stream is closed."""
        self._close_callback = callback

    # Sending.

    def send(
        self,
        msg: Any,
        flags: int = 0,
        copy: bool = True,
        track: bool = False,
        callback: Callable[[Any, Any], Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """Send one frame; see `send_multipart`."""
        self.send_multipart([msg], flags=flags, copy=copy, track=track, callback=callback, **kwargs)

    def send_multipart(
        self,
        msg: Any,
        flags: int = 0,
        copy: bool = True,
        track: bool = False,
        callback: Callable[[Any, Any], Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """Send a message as soon as there is room, in the order of the calls.

        Parameters
        ----------
        msg : list of bytes-like or Frame
        flags, copy, track, **kwargs
            As in `zmq.Socket.send_multipart`.
        callback : callable, optional
            The new callback of `on_send`.

        Raises
        ------
        ClosedStreamError
            The stream is closed.
        RuntimeError
            Its event loop is closed.
        """
        self._check()
        if callback is not None:
            self.on_send(callback)
        if self._listener is not None:
            # First: where the socket can't be waited for nothing is sent.
            self._listener.arm(self._wanted() | POLLOUT)
        self._send_queue.append((msg, {"flags": flags, "copy": copy, "track": track, **kwargs}))
        self._changed()

    def send_string(
        self,
        u: str,
        flags: int = 0,
        encoding: str = "utf-8",
        callback: Callable[[Any, Any], Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """Send a str; see `send_multipart`."""
        if not isinstance(u, str):
            raise TypeError(f"a str is sent, not {describe(u)}")
        self.send(u.encode(encoding), flags=flags, callback=callback, **kwargs)

    send_unicode = send_string

    def send_json(
        self, obj: Any, flags: int = 0, callback: Callable[[Any, Any], Any] | None = None, **kwargs: Any
    ) -> None:
        """Send an object as JSON; see `send_multipart`. Keyword arguments are those of `send` and of `json.dumps`."""
        sending = {name: kwargs.pop(name) for name in SENDING if name in kwargs}
        self.send(jsonapi.dumps(obj, **kwargs), flags=flags, callback=callback, **sending)

    def send_pyobj(
        self,
        obj: Any,
        flags: int = 0,
        protocol: int = -1,
        callback: Callable[[Any, Any], Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """Send a pickled object; see `send_multipart`."""
        self.send(pickle.dumps(obj, protocol), flags=flags, callback=callback, **kwargs)

    def send_serialized(
        self,
        msg: Any,
        serialize: Callable[[Any], Any],
        flags: int = 0,
        copy: bool = True,
        track: bool = False,
        callback: Callable[[Any, Any], Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """Send an object as the frames that `serialize` makes of it; see `send_multipart`."""
        self.send_multipart(serialize(msg), flags=flags, copy=copy, track=track, callback=callback, **kwargs)

    # State.

    def receiving(self) -> bool:
        """Tell whether messages are received."""
        return self._recv_callback is not None

    def sending(self) -> bool:
        """Tell whether messages wait to be sent."""
        return bool(self._send_queue)

    def closed(self) -> bool:
        """Tell whether the stream, or its socket, is closed."""
        if self._listener is None:
            return True
        if self.socket.closed:
            self.close()
            return True
        return False

    def close(self, linger: int | None = None) -> None:
        """Close the stream and its socket.

        Parameters
        ----------
        linger : int, optional
            Milliseconds; as in `zmq.Socket.close`.
        """
        if self._robbed and self._listener is not None:
            warnings.warn(
                f"{self} is closed after closing socket {self.socket}: close the stream, which closes its socket",
                RuntimeWarning,
                stacklevel=2,
            )
        self._end(linger)

    def _end(self, linger: int | None = None) -> None:
        listener, self._listener = self._listener, None
        if listener is None:
            return
        listener.close()
        self._stop_looking()
        if self._handler is not None:
            self._handler.remove()
        if not self._robbed:
            self.socket.close(linger)
        self.socket = None  # type: ignore[assignment]
        if self._close_callback is not None:
            self._run_callback(self._close_callback)

    def flush(self, flag: int = POLLIN | POLLOUT, limit: int | None = None) -> int:
        """Receive and send now what can be, without waiting, and call back.

        Parameters
        ----------
        flag : int
            `POLLIN` to receive, `POLLOUT` to send, or both. What is received while there is no callback for it is
            dropped: that is how to get rid of messages that wait.
        limit : int, optional
            At most so many messages, in both directions together; 0 is no limit either.

        Returns
        -------
        int
            How many there were.

        Raises
        ------
        ClosedStreamError
            The stream is closed.
        RuntimeError
            Its event loop is closed.
        """
        self._check()
        count = 0
        limit = limit or None
        turn = object()
        try:
            self._busy.add(turn)
            moved = True
            while moved and (limit is None or count < limit):
                moved = False
                if flag & POLLIN and self._is_open():
                    moved = self._receive_one()
                    count += moved
                if flag & POLLOUT and self.sending() and (limit is None or count < limit) and self._is_open():
                    sent = self._send_one()
                    count += sent
                    moved = moved or sent
        finally:
            self._busy.discard(turn)
            self._update()
        return count

    # The work.

    def _is_open(self) -> bool:
        return self._listener is not None and not self._robbed

    def _check_open(self) -> None:
        if not self._is_open():
            raise ClosedStreamError()

    def _check(self) -> None:
        self._check_open()
        if self._loop.is_closed():
            raise RuntimeError("the event loop of this stream is closed")

    def _update(self) -> None:
        """Watch the socket as long as there is something to do, and look at it soon."""
        if self._listener is None or self._robbed:
            return
        if self.receiving() or self.sending():
            self._listener.arm(self._wanted())
            self._changed()
        else:
            self._listener.disarm()

    def _wanted(self) -> int:
        """Return what is waited for, of `POLLIN` and `POLLOUT`."""
        return POLLIN * (self.receiving() and not self._deaf) | POLLOUT * self.sending()

    def _changed(self) -> None:
        """What the socket can do may have changed."""
        if self._busy or not (self._recv_callback is not None or self._send_queue):
            return
        self._delay = FIRST_LOOK
        if not self._scheduled:
            self._schedule()

    def _schedule(self) -> None:
        if self._loop.is_closed():
            return
        hub = hub_of(self._loop)
        try:
            # First: where the loop runs in another thread it may have had its turn before the call returns.
            self._scheduled = True
            hub.call_soon(self._handle_events)
        except BaseException:
            # Of the handler of a signal: a turn too many does no harm.
            self._scheduled = False
            hub.call_soon(self._handle_events)
            raise

    def _lost(self) -> None:
        """The socket was closed by somebody else."""
        if self._listener is None:
            return
        self._robbed = True
        if (self.receiving() or self.sending()) and not self._loop.is_closed():
            # Where the loop has stopped for good the program ends, and nobody waits for the stream.
            hub_of(self._loop).call_soon(self._tell_lost)

    def _tell_lost(self) -> None:
        if self._listener is not None:
            gen_log.warning("The stream %s is attached to a closed socket: %s", self, self.socket)

    def _handle_events(self) -> None:
        """Receive and send a few messages."""
        self._scheduled = False
        self._stop_looking()
        if not self._is_open():
            return
        again = True
        budget = zmq.get_budget()
        end = monotonic() + budget
        turn = object()
        try:
            self._busy.add(turn)
            for _ in range(BURST):
                received = self.receiving() and self._is_open() and self._receive_one()
                sent = self.sending() and self._is_open() and self._send_one()
                if not received and not sent and not self._has_news():
                    again = False
                    break
                if budget and monotonic() >= end:
                    break
        finally:
            # Also after an exception, which goes to the loop's handler.
            self._busy.discard(turn)
            if self._listener is not None and not self._robbed:
                if not self.receiving() and not self.sending():
                    self._listener.disarm()
                else:
                    # The socket may have been waited for in another loop while this one was stopped.
                    self._listener.arm(self._wanted())
                    if again:
                        self._changed()
                    elif self.sending() and self._listener.is_routed and not self._loop.is_closed():
                        self._look_timer = self._loop.call_later(self._delay, self._look_again)
                        self._delay = min(2 * self._delay, LAST_LOOK)

    def _has_news(self) -> bool:
        """Tell, after attempts in vain, whether one is worth while again; if not, the bell rings when one is."""
        if self._listener is None or self._robbed:
            return False
        return bool(self._listener.look() & self._wanted())

    def _look_again(self) -> None:
        self._look_timer = None
        if not self._scheduled:
            self._schedule()

    def _stop_looking(self) -> None:
        timer, self._look_timer = self._look_timer, None
        if timer is not None:
            timer.cancel()

    def _receive_one(self) -> bool:
        """Receive one message, if there is one, and call back; tell whether there was."""
        if self._deaf:
            return False
        try:
            message = self.socket.recv_multipart(zmq.NOBLOCK, copy=self._recv_copy)
        except zmq.Again:
            return False
        except zmq.ZMQError as error:
            if error.errno == zmq.EFSM:
                # A REQ or REP has to send first.
                return False
            # Sockets of some types never receive anything: that is said once.
            self._deaf = error.errno == zmq.ENOTSUP
            if not self._deaf or self.receiving():
                gen_log.error("RECV Error: %s", error)
                self._failed()
            return False
        if self._recv_callback is not None:
            self._run_callback(self._recv_callback, message)
        return True

    def _send_one(self) -> bool:
        """Send the message whose turn it is, if it may go, and call back; tell whether it went."""
        message, options = self._send_queue[0]
        status: Any
        failed = False
        try:
            status = self.socket.send_multipart(message, **{**options, "flags": options["flags"] | zmq.NOBLOCK})
        except zmq.Again:
            return False
        except Exception as error:
            if isinstance(error, zmq.ZMQError) and error.errno == zmq.EFSM:
                # A REQ or REP has to receive first.
                return False
            gen_log.error("SEND Error: %s", error)
            status = error
            failed = True
        # The callbacks may raise, or use the stream.
        self._send_queue.popleft()
        if failed:
            self._failed()
        if self._send_callback is not None:
            self._run_callback(self._send_callback, message, status)
        return True

    def _failed(self) -> None:
        if self._err_callback is not None:
            self._run_callback(self._err_callback)

    def _run_callback(self, callback: Callable[..., Any], *args: Any) -> None:
        """Call a function; an exception is logged and goes on to the loop's handler."""
        try:
            result = callback(*args)
            if isawaitable(result):
                if self._loop.is_closed():
                    if iscoroutine(result):
                        # Nobody will run it.
                        result.close()
                    return
                task = asyncio.ensure_future(result, loop=self._loop)
                tasks.add(task)
                task.add_done_callback(log_failure)
        except Exception:
            gen_log.error("Uncaught exception in ZMQStream callback", exc_info=True)
            raise


def log_failure(task: asyncio.Future[Any]) -> None:
    """Log the exception of a callback's coroutine."""
    tasks.discard(task)
    if task.cancelled():
        return
    error = task.exception()
    if error is not None:
        gen_log.error("Uncaught exception in ZMQStream callback", exc_info=error)
