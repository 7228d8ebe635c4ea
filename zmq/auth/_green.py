"""What `GreenAuthenticator` is for every framework: an authenticator in a greenlet.

Lives here: what the greenlet does. What must not: how it is started and killed (`zmq.green.tasks`,
`zmq.eventlet.tasks`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any, ClassVar, cast

from greenlet import GreenletExit, getcurrent

from zmq.auth import _door, _redaction
from zmq.auth._door import Turn
from zmq.auth.base import ENDS, Authenticator
from zmq.core.constants import PollEvent
from zmq.core.error import ContextTerminated
from zmq.core.native_threads import NativeSignal, NativeThread
from zmq.core.poll import Poller, zmq_poll


class GreenTurn(Turn):
    """The time for which the socket is lent to a greenlet."""

    def __init__(self, authenticator: Authenticator) -> None:
        super().__init__(authenticator)
        #: Tells the greenlet that the authenticator was dropped.
        self.signal = NativeSignal()
        self.greenlet: Any = None
        self.is_killed = False

    def run(self, poller_class: type[Poller]) -> None:
        """Answer until it is over: what the greenlet does."""
        release = False
        try:
            _door.borrow(self)
            while not self.over:
                message = self.receive()
                authenticator = self.authenticator()
                if authenticator is None or self.over:
                    break
                if message is not None:
                    authenticator._answer(message)
                    continue
                # While it waits nobody holds on to it.
                del authenticator
                assert self.door is not None
                waited = [(self.door.fd, PollEvent.POLLIN), (self.signal.fd, PollEvent.POLLIN)]
                zmq_poll(waited, poller_class=poller_class)
        except ContextTerminated:
            # The context is being terminated, which waits for this socket.
            release = not self.over
        except BaseException as error:
            message = None
            if not self.is_last:
                _redaction.forget(error)
            raise
        finally:
            self.finish(release)


class GreenAuthenticatorBase(Authenticator):
    """What all of these have in common."""

    #: What waits in the hub.
    _poller_class: ClassVar[type[Poller]]
    greenlet: Any = None
    _turn_class = GreenTurn

    def _spawn(self, turn: GreenTurn) -> Any:
        """Have a greenlet run a turn and, also if it is killed before it could begin, finish it."""
        raise NotImplementedError

    def _kill(self, greenlet: Any) -> None:
        """Have another greenlet end."""
        raise NotImplementedError

    def _join(self, greenlet: Any) -> None:
        """Wait until another greenlet has ended."""
        raise NotImplementedError

    def _begin(self, turn: Turn) -> None:
        turn = cast(GreenTurn, turn)
        self.greenlet = turn.greenlet = self._spawn(turn)
        self._place = _door.Place(self.context, self.stop)

    def _forget(self, turn: Turn | None) -> None:
        if turn is self._turn:
            self.greenlet = None
        super()._forget(turn)

    def _drop(self, turn: Turn) -> None:
        super()._drop(turn)
        # Both processes have its pipe.
        if not turn.is_inherited:
            cast(GreenTurn, turn).signal.set()

    def stop(self, release: bool = False) -> None:
        turn = cast("GreenTurn | None", self._turn)
        super().stop(release)
        if turn is None or turn.door is None:
            return
        # In the child of a fork it is the parent's.
        if turn.greenlet not in (None, getcurrent()) and not turn.door.is_inherited:
            if not turn.is_killed:
                self._kill(turn.greenlet)
                turn.is_killed = True
            self._join(turn.greenlet)
        self._done(turn)

    def is_alive(self) -> bool:
        """Tell whether it runs."""
        return self._door is not None and self._turn is not None and not self._turn.over

    def _is_end(self, error: BaseException) -> bool:
        return isinstance(error, (*ENDS, GreenletExit))

    async def _settle(self, answer: Awaitable[Any]) -> Any:
        # An event loop would block the hub.
        found: list[Any] = []

        async def wait() -> None:
            found.append(await answer)

        thread = NativeThread(lambda: asyncio.run(wait()), name="zmq.auth provider")
        thread.start()
        thread.join(poller_class=self._poller_class)
        error = thread.error
        # What is raised holds on to this frame, which shall not hold on to the thread's descriptors.
        del thread
        if error is not None:
            raise error
        return found[0]
