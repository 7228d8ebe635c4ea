"""`ThreadAuthenticator`: an authenticator in a thread of its own."""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import logging
import threading
import weakref
from collections.abc import Awaitable
from typing import Any

from zmq.auth._door import Signal
from zmq.auth.base import ENDS, Authenticator
from zmq.core.context import Context
from zmq.core.error import ContextTerminated
from zmq.core.native import NativeThread
from zmq.core.poll import Poller

__all__ = ["AuthenticationThread", "ThreadAuthenticator"]

#: Seconds for which the end of the interpreter waits for a thread that is busy with a request.
PATIENCE = 1.0


class AuthenticationThread:
    """What runs a `ThreadAuthenticator`: a native thread, whatever is monkeypatched.

    It has the methods of `threading.Thread`.

    Parameters
    ----------
    authenticator : ThreadAuthenticator
        It is started.
    pipe : Signal
        What tells the thread to end.
    """

    name = "zmq.auth"
    daemon = True
    ident: int | None = None
    native_id: int | None = None
    #: What waits; a thing of the thread's own.
    poller: Any = None
    #: Whether nobody shall answer afterwards.
    release = False

    def __init__(self, authenticator: ThreadAuthenticator, pipe: Signal) -> None:
        self.authenticator = authenticator
        self.pipe = pipe
        self._thread = NativeThread(self.run, name=self.name)
        self._loop: asyncio.AbstractEventLoop | None = None

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def run(self) -> None:
        """Answer requests until there is a signal, or the context ends: what the thread does."""
        self.ident, self.native_id = self._thread.ident, threading.get_native_id()
        authenticator, door = self.authenticator, self.authenticator._door
        assert door is not None
        try:
            door.serve(self.pipe, authenticator._answer)
        except ContextTerminated:
            # The context is being terminated, which waits for this socket.
            self.release = True
        except BaseException:
            # Nobody else tells what a thread ended of.
            with contextlib.suppress(Exception):
                authenticator.log.critical("the authenticator ended: everybody is refused now", exc_info=True)
            raise
        finally:
            authenticator._give_up(self.release)
            if authenticator._thread is self:
                authenticator._thread = None
            if self._loop is not None:
                self._loop.close()

    def settle(self, answer: Awaitable[Any]) -> Any:
        """Wait for a coroutine, in an event loop that lives as long as the thread."""

        async def wait() -> Any:
            return await answer

        if self._loop is None:
            self._loop = asyncio.new_event_loop()
        return self._loop.run_until_complete(wait())

    def is_alive(self) -> bool:
        """Tell whether the thread runs."""
        return self._thread.is_alive()

    def join(self, timeout: float | None = None) -> None:
        """Wait until the thread has ended.

        Parameters
        ----------
        timeout : float, optional
            Seconds; None to wait for ever.
        """
        get_hub = type(self.authenticator.context)._get_hub
        # In the hub of who waits, if it has one.
        poller = None if get_hub is None else type("Waiting", (Poller,), {"_get_hub": staticmethod(get_hub)})
        self._thread.join(timeout, poller_class=poller)

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

    Examples
    --------
    >>> auth = ThreadAuthenticator(context)
    >>> auth.configure_curve(domain="*", location="/etc/service/clients")
    >>> auth.start()
    """

    pipe_endpoint = ""
    _has_thread = True
    thread: AuthenticationThread | None = None
    #: The same, also when it is being stopped.
    _thread: AuthenticationThread | None = None

    def __init__(
        self, context: Context[Any] | None = None, encoding: str = "utf-8", log: logging.Logger | None = None
    ) -> None:
        super().__init__(context, encoding, log)

    def start(self) -> None:
        super().start()
        assert self._door is not None
        self._door.in_thread = True
        try:
            self.thread = self._thread = AuthenticationThread(self, Signal())
            self.thread.start()
        except BaseException:
            self.thread = None
            self._give_up(release=True)
            raise
        running.add(self)

    def stop(self, release: bool = False) -> None:
        thread, self.thread = self.thread, None
        if thread is None:
            return
        running.discard(self)
        thread.release = release
        if thread.is_alive():
            thread.pipe.set()
            # Where one of its own callbacks stops it, it ends when that request is answered.
            if thread.native_id != threading.get_native_id():
                thread.join()
                thread.pipe.close()
        else:
            # As in the child of a fork.
            self._give_up(release)

    def is_alive(self) -> bool:
        """Tell whether it runs."""
        return self.thread is not None and self.thread.is_alive()

    def _is_end(self, error: BaseException) -> bool:
        return isinstance(error, ENDS)

    async def _settle(self, answer: Awaitable[Any]) -> Any:
        thread = self._thread
        assert thread is not None
        return thread.settle(answer)


#: Those that are started.
running: weakref.WeakSet[ThreadAuthenticator] = weakref.WeakSet()


def stop_all() -> None:
    """At the end of the interpreter no thread may be in the midst of using a socket."""
    for authenticator in list(running):
        thread = authenticator.thread
        if thread is None or not thread.is_alive():
            continue
        thread.release = True
        thread.pipe.set()
        thread.join(PATIENCE)


atexit.register(stop_all)
