"""`PUBHandler`, which publishes log records, and `TopicLogger`.

Lives here: both, for every front-end; a record is published without waiting, so nothing of a hub is needed. What must
not: how published records are shown (`zmq.log._watcher`).

A record is a message of two frames, the topic and the text. The topic is ``root_topic.LEVEL``, with ``.subtopic`` after
it if the record's message begins with ``subtopic::``.

The lock
--------
A program with greenlets that logs in native threads too, as those of a thread pool, shares its handlers between them.
The lock that `logging` holds while a handler works is then bad in two ways. A greenlet that formats a record may be
switched away, in somebody's ``__str__``; as long as it holds the lock other threads block, with all of their greenlets.
And where threads are monkeypatched it is a lock between greenlets, which at best is slow across threads. Here the
record is formatted with no lock held, and what guards the socket is a native lock, whatever is patched, that is held
only while a message is handed to libzmq: nobody is switched away then. It is reentrant, because the handler of a signal
may log as well.
"""

from __future__ import annotations

import copy
import logging
import sys
from collections.abc import Mapping
from typing import Any, ClassVar

from zmq.core.constants import Flag, SocketType
from zmq.core.context import Context
from zmq.core.error import Again
from zmq.core.native_threads import NativeLock
from zmq.core.socket import Socket

#: What ends the subtopic at the beginning of a message.
TOPIC_DELIM = "::"

_PLAIN = "%(message)s\n"
_DETAILED = "%(levelname)s %(filename)s:%(lineno)d - %(message)s\n"

#: What the text of a record is, unless the handler is told otherwise. Subscribers count on it: as in PyZMQ.
_FORMATS = {
    logging.DEBUG: _DETAILED,
    logging.INFO: _PLAIN,
    logging.WARNING: _DETAILED,
    logging.ERROR: "%(levelname)s %(filename)s:%(lineno)d - %(message)s - %(exc_info)s\n",
    logging.CRITICAL: _DETAILED,
}


class PUBHandler(logging.Handler):
    """PUBHandler(interface_or_socket, context=None, root_topic="")

    A handler that publishes records over a PUB socket, for any number of subscribers, or none.

    It never waits: what a slow subscriber has no room for is dropped, as PUB sockets do. It never raises into the
    program that logs: what goes wrong, when the socket was closed or a record can't be formatted, goes to
    `logging.Handler.handleError`. It may be used by any number of threads and greenlets, also of different hubs.

    Parameters
    ----------
    interface_or_socket : str or Socket
        Where to bind, such as ``"tcp://127.0.0.1:5558"``; or a socket, which stays its owner's: it is not closed with
        the handler, and nobody else may send with it meanwhile from another thread.
    context : Context, optional
        Makes the socket. When left out the handler makes a context of its own.
    root_topic : str or bytes, optional
        What topics begin with.

    Attributes
    ----------
    socket : Socket
    ctx : Context
        That of the socket.
    root_topic : str
    formatters : dict
        A `logging.Formatter` for each level. A level that is not there has that of the next lower one.

    Raises
    ------
    TypeError
        An argument has the wrong type.
    ZMQError
        The interface can't be bound to.

    Examples
    --------
    >>> handler = PUBHandler("tcp://127.0.0.1:5558", root_topic="server")
    >>> logging.getLogger().addHandler(handler)
    >>> logging.getLogger().warning("db::slow: %d ms", 70)

    A subscriber gets ``[b"server.WARNING.db", b"WARNING server.py:7 - slow: 70 ms\\n"]``.
    """

    _context_class: ClassVar[type[Context[Any]]] = Context

    socket: Socket[Any]
    ctx: Context[Any]
    formatters: dict[int, logging.Formatter]

    def __init__(
        self,
        interface_or_socket: str | Socket[Any],
        context: Context[Any] | None = None,
        root_topic: str | bytes = "",
    ) -> None:
        self.setRootTopic(root_topic)
        self.formatters = {level: logging.Formatter(text) for level, text in _FORMATS.items()}
        self._made = not isinstance(interface_or_socket, Socket)
        self._ended = False
        self._shadow: Socket[Any] | None = None
        self._sending = NativeLock()
        if isinstance(interface_or_socket, Socket):
            self.socket = interface_or_socket
            self.ctx = self.socket.context
            asyncio = sys.modules.get("zmq.asyncio")
            if asyncio is not None and isinstance(self.socket, asyncio.Socket):
                # Its sends return futures, and wait for an event loop where there is no room.
                self._shadow = Socket.shadow(self.socket)
        elif isinstance(interface_or_socket, str):
            if context is not None and not isinstance(context, Context):
                raise TypeError(f"context must be a Context, not {type(context).__name__}")
            self.ctx = self._context_class() if context is None else context
            self.socket = self.ctx.socket(SocketType.PUB)
            try:
                self.socket.bind(interface_or_socket)
            except BaseException:
                self.socket.close(linger=0)
                raise
        else:
            kind = type(interface_or_socket).__name__
            raise TypeError(f"interface_or_socket must be an address as str, or a Socket, not {kind}")
        super().__init__()

    @property
    def root_topic(self) -> str:
        return self._root_topic.decode(errors="surrogateescape")

    @root_topic.setter
    def root_topic(self, root_topic: str | bytes | None) -> None:
        self.setRootTopic(root_topic)

    def setRootTopic(self, root_topic: str | bytes | None) -> None:
        """Set what topics begin with.

        Parameters
        ----------
        root_topic : str or bytes or None
            With the empty one, or None, topics begin with the level.

        Raises
        ------
        TypeError
            It is neither.
        """
        if root_topic is None:
            root_topic = b""
        elif isinstance(root_topic, str):
            root_topic = root_topic.encode(errors="surrogateescape")
        elif not isinstance(root_topic, bytes):
            raise TypeError(f"root_topic must be str or bytes, not {type(root_topic).__name__}")
        self._root_topic = root_topic

    def setFormatter(self, fmt: logging.Formatter | None, level: int = logging.NOTSET) -> None:
        """Set how records become text.

        Parameters
        ----------
        fmt : logging.Formatter or None
            None for what it is by default.
        level : int, optional
            For records of this level, and those between this and the next higher one that has a formatter. When left
            out, for all.
        """
        if level != logging.NOTSET:
            self.formatters[level] = fmt or logging.Formatter(_FORMATS.get(level, _DETAILED))
            return
        self.formatter = fmt
        self.formatters = {each: fmt or logging.Formatter(text) for each, text in _FORMATS.items()}

    def format(self, record: logging.LogRecord) -> str:
        """Return the text of a record, as the formatter of its level gives it.

        Parameters
        ----------
        record : logging.LogRecord

        Returns
        -------
        str
        """
        formatter = self.formatters.get(record.levelno)
        if formatter is None:
            known = sorted(self.formatters)
            lower = [level for level in known if level < record.levelno]
            formatter = self.formatters[(lower or known)[-1 if lower else 0]] if known else logging.Formatter()
        return formatter.format(record)

    def handle(self, record: logging.LogRecord) -> bool:
        """Publish a record if the handler's filters let it pass; see the top of the module for its lock.

        Parameters
        ----------
        record : logging.LogRecord

        Returns
        -------
        bool
            Whether it passed.
        """
        if type(self).emit is not PUBHandler.emit:
            # What others put in its place expects the lock of `logging` to be held.
            return bool(super().handle(record))
        passed: Any = self.filter(record)
        if isinstance(passed, logging.LogRecord):
            record = passed
        if passed:
            self.emit(record)
        return bool(passed)

    def emit(self, record: logging.LogRecord) -> None:
        """Publish a record, or drop it if there is no room. Once the handler is closed, do nothing.

        Parameters
        ----------
        record : logging.LogRecord
        """
        try:
            message = self._message(record)
            with self._sending:
                if not self._ended:
                    (self._shadow or self.socket).send_multipart(message, Flag.NOBLOCK)
        except Again:
            pass  # a socket that does not drop by itself, and is full
        except Exception:
            self.handleError(record)

    def _message(self, record: logging.LogRecord) -> list[bytes]:
        """Return the topic and the text of a record."""
        subtopic, delimiter, message = str(record.msg).partition(TOPIC_DELIM)
        topic = record.levelname
        if delimiter:
            # Others who handle the record shall see it as it was.
            record = copy.copy(record)
            record.msg = message
            if subtopic:
                topic = f"{topic}.{subtopic}"
        text = self.format(record)
        encoded = topic.encode(errors="backslashreplace")
        root = self._root_topic
        return [root + b"." + encoded if root else encoded, text.encode(errors="backslashreplace")]

    def close(self) -> None:
        """Publish no more, and close the socket if the handler made it.

        What was published before is still sent, for as long as the socket's LINGER says.
        """
        with self._sending:
            self._ended = True
            if self._made:
                self.socket.close()
        super().close()

    def _at_fork_reinit(self) -> None:
        # `logging` calls this in a forked child: another thread may have held the lock.
        self._sending = NativeLock()
        super()._at_fork_reinit()  # type: ignore[misc]


class TopicLogger(logging.Logger):
    """TopicLogger(name, level=0)

    A logger whose methods take a topic before the message, for a `PUBHandler` to publish under.

    Parameters
    ----------
    name : str
    level : int or str, optional
        Of the records that are dropped: those below.

    Examples
    --------
    >>> logger = TopicLogger("server")
    >>> logger.addHandler(PUBHandler("tcp://127.0.0.1:5558"))
    >>> logger.warning("db.queries", "slow: %d ms", 70)  # under the topic WARNING.db.queries
    """

    def log(  # type: ignore[override]
        self, level: int, topic: str, msg: object, *args: Any, **kwargs: Any
    ) -> None:
        """Log a message.

        Parameters
        ----------
        level : int
        topic : str
            May have parts of its own, with dots between them; empty for none.
        msg : object
            The text, with the places for `args`.
        *args, **kwargs
            As in `logging.Logger.log`.
        """
        _log(self, level, topic, msg, args, kwargs)

    def debug(self, topic: str, msg: object, *args: Any, **kwargs: Any) -> None:  # type: ignore[override]
        """Log a message of the level DEBUG; see `log`."""
        _log(self, logging.DEBUG, topic, msg, args, kwargs)

    def info(self, topic: str, msg: object, *args: Any, **kwargs: Any) -> None:  # type: ignore[override]
        """Log a message of the level INFO; see `log`."""
        _log(self, logging.INFO, topic, msg, args, kwargs)

    def warning(self, topic: str, msg: object, *args: Any, **kwargs: Any) -> None:  # type: ignore[override]
        """Log a message of the level WARNING; see `log`."""
        _log(self, logging.WARNING, topic, msg, args, kwargs)

    def warn(self, topic: str, msg: object, *args: Any, **kwargs: Any) -> None:  # type: ignore[override]
        """Log a message of the level WARNING; see `log`."""
        _log(self, logging.WARNING, topic, msg, args, kwargs)

    def error(self, topic: str, msg: object, *args: Any, **kwargs: Any) -> None:  # type: ignore[override]
        """Log a message of the level ERROR; see `log`."""
        _log(self, logging.ERROR, topic, msg, args, kwargs)

    def exception(  # type: ignore[override]
        self, topic: str, msg: object, *args: Any, **kwargs: Any
    ) -> None:
        """Log a message of the level ERROR with the exception that is handled now; see `log`."""
        kwargs.setdefault("exc_info", True)
        _log(self, logging.ERROR, topic, msg, args, kwargs)

    def critical(self, topic: str, msg: object, *args: Any, **kwargs: Any) -> None:  # type: ignore[override]
        """Log a message of the level CRITICAL; see `log`."""
        _log(self, logging.CRITICAL, topic, msg, args, kwargs)

    def fatal(self, topic: str, msg: object, *args: Any, **kwargs: Any) -> None:  # type: ignore[override]
        """Log a message of the level CRITICAL; see `log`."""
        _log(self, logging.CRITICAL, topic, msg, args, kwargs)


def _log(
    logger: logging.Logger, level: int, topic: str, msg: object, args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> None:
    if isinstance(level, int) and not logger.isEnabledFor(level):
        return
    # The record names who called the logger's method, two frames up.
    keywords = {**kwargs, "stacklevel": kwargs.get("stacklevel", 1) + 2}
    logging.Logger.log(logger, level, f"{topic}{TOPIC_DELIM}{msg}", *args, **keywords)


__all__ = ["TOPIC_DELIM", "PUBHandler", "TopicLogger"]
