"""The exceptions of 0MQ.

Lives here: one exception per situation. What must not: anything that calls libzmq but for its error texts.
Raised by every module of `zmq.core`; users catch them as ``zmq.Again``, ``zmq.ZMQError`` and so on.
"""

from __future__ import annotations

import os
from contextlib import suppress
from errno import EINTR

from zmq.core.constants import Errno


class ZMQBaseError(Exception):
    """Base of every exception that `zmq` defines."""


class ZMQError(ZMQBaseError):
    """An error that libzmq reports.

    Parameters
    ----------
    errno : int, optional
        libzmq's error code; that of the calling thread's last call when left out.
    msg : str, optional
        What went wrong; libzmq's text for `errno` when left out.

    Attributes
    ----------
    errno : int or None
        The error code, a member of `zmq.Errno` where it is one.
    strerror : str
        The text.
    """

    errno: int | None = None
    strerror: str

    def __init__(self, errno: int | None = None, msg: str | None = None) -> None:
        from zmq.core.version import strerror, zmq_errno

        if errno is None:
            errno = zmq_errno()
        if isinstance(errno, int):
            with suppress(ValueError):
                errno = Errno(errno)
            self.errno = errno
            self.strerror = msg if msg is not None else strerror(errno)
        else:
            self.strerror = msg if msg is not None else str(errno)
        super().__init__(errno, msg) if msg is not None else super().__init__(errno)

    def __str__(self) -> str:
        return self.strerror

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self)!r})"


class ZMQBindError(ZMQBaseError):
    """`Socket.bind_to_random_port` found no free port in the tries it was given."""


class NotDone(ZMQBaseError):
    """`MessageTracker.wait` ran out of time: libzmq still holds the message."""


class ContextTerminated(ZMQError):
    """The context was terminated while, or before, the socket was used (ETERM)."""

    def __init__(self, errno: int | str | None = "ignored", msg: str | None = None) -> None:
        super().__init__(Errno.ETERM, msg)


AGAIN = (Errno.EAGAIN,)


class Again(ZMQError):
    """The call would block: with NOBLOCK at once, else when RCVTIMEO or SNDTIMEO ran out (EAGAIN)."""

    # Programs that never wait get many of these: what is always the same is made once.
    errno = Errno.EAGAIN
    strerror = os.strerror(errno)

    def __init__(self, errno: int | str | None = "ignored", msg: str | None = None) -> None:
        self.args = AGAIN
        if msg is not None:
            self.strerror = msg


class InterruptedSystemCall(ZMQError, InterruptedError):
    """A signal interrupted a call that could not be resumed (EINTR)."""

    errno = EINTR
    strerror = os.strerror(errno)

    def __init__(self, errno: int | str | None = "ignored", msg: str | None = None) -> None:
        super().__init__(EINTR, msg)

    def __str__(self) -> str:
        return f"{self.strerror}: This call should have been retried."


class ZMQVersionError(NotImplementedError):
    """The libzmq in use is too old for what was asked.

    Parameters
    ----------
    min_version : str
        The version that has it, such as ``"4.3"``.
    msg : str, optional
        What was asked for.
    """

    min_version: str

    def __init__(self, min_version: str, msg: str = "Feature") -> None:
        from zmq.core.version import zmq_version

        # What it is made of when it is copied or pickled.
        super().__init__(min_version, msg)
        self.min_version = min_version
        self.msg = msg
        self.version = zmq_version()

    def __str__(self) -> str:
        return f"{self.msg} requires libzmq >= {self.min_version}, have {self.version}"

    def __repr__(self) -> str:
        return f"ZMQVersionError({str(self)!r})"


class DraftFDWarning(RuntimeWarning):
    """A thread-safe socket of libzmq's draft API has no FD to wait on.

    It is there for programs that name it: such sockets are waited for here as others are, so nothing warns of that.
    """

    def __init__(self, msg: str = "") -> None:
        super().__init__(
            msg
            or "Thread-safe draft sockets have no ZMQ_FD: they can't be waited for in an event loop or a hub. "
            "Use them with blocking calls in a thread."
        )


def error_for(errno: int, msg: str | None = None) -> ZMQError:
    """Return the exception for an error code of libzmq.

    Parameters
    ----------
    errno : int
        The code.
    msg : str, optional
        The text instead of libzmq's own.

    Returns
    -------
    ZMQError
        `Again`, `ContextTerminated`, `InterruptedSystemCall` or a plain `ZMQError`.
    """
    error: ZMQError
    if errno == Errno.EAGAIN:
        error = Again(msg=msg)
    elif errno == Errno.ETERM:
        error = ContextTerminated(msg=msg)
    elif errno == EINTR:
        error = InterruptedSystemCall(msg=msg)
    else:
        error = ZMQError(errno, msg)
    # What programs take apart: the number alone, whatever else is said.
    error.args = (error.errno,)
    return error


def strerror(errno: int) -> str:
    """Return libzmq's text for an error code; see `zmq.strerror`, which had this place in old versions."""
    from zmq.core.version import strerror

    return strerror(errno)


__all__ = [
    "Again",
    "ContextTerminated",
    "DraftFDWarning",
    "InterruptedSystemCall",
    "NotDone",
    "ZMQBaseError",
    "ZMQBindError",
    "ZMQError",
    "ZMQVersionError",
    "strerror",
]

for name in __all__:
    # Where programs, and pickles of theirs, look for them.
    globals()[name].__module__ = "zmq.error"
