"""`ThreadAuthenticator`: an authenticator in a thread of its own."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections.abc import Awaitable
from typing import Any, cast

from zmq.auth import _redaction
from zmq.auth._door import Turn
from zmq.auth.base import ENDS, Authenticator
from zmq.core.constants import PollEvent
from zmq.core.context import Context
from zmq.core.error import ContextTerminated
from zmq.core.native_threads import NativeSignal
from zmq.core.poll import Poller, zmq_poll

__all__ = ["AuthenticationThread", "ThreadAuthenticator"]


class ThreadTurn(Turn):
    """The time for which the guard's thread is that of an authenticator."""

    in_thread = True

    def __init__(self, authenticator: Authenticator) -> None:
        super().__init__(authenticator)
        #: Tells that the thread has left.
        self.left = NativeSignal()
        self.ident: int | None = None
        self.native_id: int | None = None
        self.loop: asyncio.AbstractEventLoop | None = None

    def enter(self) -> None:
        self.ident, self.native_id = threading.get_ident(), threading.get_native_id()

    def answer(self, message: list[bytes]) -> None:
        authenticator = self.authenticator()
        if authenticator is None:
            self.over = True
            return
        try:
            authenticator._answer(message)
        except ContextTerminated:
            raise
        except BaseException as error:
            self.over = True
            message = []
            _redaction.forget(error)
            # Nobody else tells what a thread ended of.
            with contextlib.suppress(Exception):
                authenticator.log.critical(
                    "the authenticator ended: everybody is refused now", exc_info=_redaction.shown(error)
                )

    def leave(self) -> None:
        self.over = True
        if self.loop is not None:
            self.loop.close()
        authenticator = self.authenticator()
        if authenticator is not None:
            authenticator._forget(self)
        self.left.set()

    def settle(self, answer: Awaitable[Any]) -> Any:
        """Wait for a coroutine, in an event loop that lives as long as the turn."""

        async def wait() -> Any:
            return await answer

        if self.loop is None:
            self.loop = asyncio.new_event_loop()
        return self.loop.run_until_complete(wait())


class AuthenticationThread:
    """What runs a `ThreadAuthenticator`: a native thread, whatever is monkeypatched, which guards the door afterwards.

    It has the methods of `threading.Thread`.

    Parameters
    ----------
    authenticator : ThreadAuthenticator
    pipe : ThreadTurn
        What the thread is told by.
    """

    name = "zmq.auth"
    daemon = True
    #: What waits; a thing of the thread's own.
    poller: Any = None

    def __init__(self, authenticator: ThreadAuthenticator, pipe: ThreadTurn) -> None:
        self.authenticator = authenticator
        self.pipe = pipe

    @property
    def log(self) -> logging.Logger:
        """The logger of the authenticator."""
        return self.authenticator.log

    @property
    def ident(self) -> int | None:
        """The number of the thread for Python, once it has begun."""
        return self.pipe.ident

    @property
    def native_id(self) -> int | None:
        """The number of the thread for the system, once it has begun."""
        return self.pipe.native_id

    def start(self) -> None:
        """Start the authenticator."""
        self.authenticator.start()

    def run(self) -> None:
        """Wait until the thread has ended."""
        self.join()

    def is_alive(self) -> bool:
        """Tell whether the thread answers for the authenticator; in the child of a fork it does not."""
        turn = self.pipe
        return turn.door is not None and not turn.left.is_set and not turn.over and not turn.door.is_inherited

    def join(self, timeout: float | None = None) -> None:
        """Wait until the thread has ended to answer for the authenticator.

        Parameters
        ----------
        timeout : float, optional
            Seconds; None to wait for ever.
        """
        turn = self.pipe
        if turn.door is None or turn.left.is_set or turn.door.is_inherited:
            return
        get_hub = type(self.authenticator.context)._get_hub
        # In the hub of who waits, if it has one.
        poller = type("Waiting", (Poller,), {"_get_hub": get_hub and staticmethod(get_hub)})
        milliseconds = None if timeout is None else 1000 * max(0, timeout)
        zmq_poll([(turn.left.fd, PollEvent.POLLIN)], milliseconds, poller_class=poller)

    def getName(self) -> str:
        """Return the name."""
        return self.name

    def setName(self, name: str) -> None:
        """Set the name."""
        self.name = name

    def isDaemon(self) -> bool:
        """Tell whether the program may end while the thread runs."""
        return self.daemon

    def setDaemon(self, daemonic: bool) -> None:
        """Do nothing: the program may always end."""


class ThreadAuthenticator(Authenticator):
    """An `Authenticator` in a thread of its own, which is a native one whatever is monkeypatched.

    The context may be of any kind: plain, green, or one of asyncio.

    Attributes
    ----------
    thread : AuthenticationThread or None
    pipe_endpoint : str
        A name that old programs know; nothing is there.
    pipe : object or None
        None where it does not run: that is what old programs ask it for.

    Examples
    --------
    >>> auth = ThreadAuthenticator(context)
    >>> auth.configure_curve(domain="*", location="/etc/service/clients")
    >>> auth.start()
    """

    pipe_endpoint = ""
    thread: AuthenticationThread | None = None
    _turn_class = ThreadTurn

    def __init__(
        self, context: Context[Any] | None = None, encoding: str = "utf-8", log: logging.Logger | None = None
    ) -> None:
        super().__init__(context, encoding, log)

    @property
    def pipe(self) -> ThreadTurn | None:
        """What runs; None where nothing does."""
        return cast("ThreadTurn | None", self._turn)

    def _begin(self, turn: Turn) -> None:
        self.thread = AuthenticationThread(self, cast(ThreadTurn, turn))

    def _forget(self, turn: Turn | None) -> None:
        if turn is self._turn:
            self.thread = None
        super()._forget(turn)

    def stop(self, release: bool = False) -> None:
        turn = cast("ThreadTurn | None", self._turn)
        super().stop(release)
        # Where one of its own callbacks stops it, it ends when that request is answered.
        if turn is not None and turn.native_id != threading.get_native_id():
            AuthenticationThread(self, turn).join()
            self._done(turn)

    def is_alive(self) -> bool:
        """Tell whether it runs."""
        thread = self.thread
        return thread is not None and thread.is_alive()

    def _is_end(self, error: BaseException) -> bool:
        return isinstance(error, ENDS)

    async def _settle(self, answer: Awaitable[Any]) -> Any:
        return cast(ThreadTurn, self._turn).settle(answer)
