"""What `GreenAuthenticator` is for every framework: an authenticator in a greenlet.

Lives here: what the greenlet does. What must not: how it is started and killed (`zmq.green.auth`,
`zmq.eventlet.auth`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any, ClassVar

from greenlet import GreenletExit, getcurrent

from zmq.auth._door import Door
from zmq.auth.base import ENDS, Authenticator
from zmq.core.constants import PollEvent
from zmq.core.error import ContextTerminated
from zmq.core.native import NativeThread
from zmq.core.poll import Poller, zmq_poll


class GreenAuthenticatorBase(Authenticator):
    """What all of these have in common."""

    #: What waits in the hub.
    _poller_class: ClassVar[type[Poller]]
    greenlet: Any = None
    #: One that is being killed; who is interrupted while that is waited for may wait again.
    _ending: Any = None

    def _spawn(self, door: Door) -> Any:
        raise NotImplementedError

    def _kill(self, greenlet: Any) -> None:
        """Have another greenlet end."""
        raise NotImplementedError

    def _join(self, greenlet: Any) -> None:
        """Wait until another greenlet has ended."""
        raise NotImplementedError

    def start(self) -> None:
        super().start()
        assert self._door is not None
        try:
            self.greenlet = self._spawn(self._door)
        except BaseException:
            self._give_up(release=True)
            raise

    def _run(self, door: Door) -> None:
        try:
            while door is self._door:
                message = door.receive()
                if message is None:
                    zmq_poll([(door.fd, PollEvent.POLLIN)], poller_class=self._poller_class)
                else:
                    self._answer(message)
        except ContextTerminated:
            # The context is being terminated, which waits for this socket.
            if door is self._door:
                self._give_up(release=True)
        finally:
            self._ended(door)

    def _ended(self, door: Door) -> None:
        # Killed, perhaps by the program: nobody else will tell the guard.
        if door is self._door:
            self._give_up()

    def stop(self, release: bool = False) -> None:
        greenlet, self.greenlet = self.greenlet, None
        door = self._door
        if greenlet is not None and door is not None:
            self._ending = greenlet
            # Nobody may take it for one that was killed by somebody else, and nothing is received any more.
            self._door = None
            try:
                if greenlet is not getcurrent():
                    self._kill(greenlet)
                    self._join(greenlet)
            finally:
                self._door = door
                super().stop(release)
        elif self._ending not in (None, getcurrent()):
            self._join(self._ending)
        self._ending = None

    def is_alive(self) -> bool:
        """Tell whether it runs."""
        return self._door is not None

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
