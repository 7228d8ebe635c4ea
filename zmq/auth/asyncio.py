"""`AsyncioAuthenticator`: an authenticator in an event loop."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from zmq.asyncio import Context as _Context
from zmq.asyncio import Poller as Poller
from zmq.auth._door import Door
from zmq.auth.base import ENDS, INTERNAL_ERROR, Authenticator
from zmq.core.context import Context
from zmq.core.error import ContextTerminated

__all__ = ["AsyncioAuthenticator"]


def set_ready(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


class AsyncioAuthenticator(Authenticator):
    """An `Authenticator` that is a task of an event loop.

    Parameters
    ----------
    context : Context, optional
        Of any kind; `zmq.asyncio.Context.instance` when left out.
    loop : optional
        The event loop; the one that runs when it is started when left out.
    encoding, log
        As of `Authenticator`.
    """

    _task: asyncio.Task[None] | None = None
    #: The loop and the descriptor that it watches.
    _watched: tuple[asyncio.AbstractEventLoop, int] | None = None

    def __init__(
        self,
        context: Context[Any] | None = None,
        loop: Any = None,
        encoding: str = "utf-8",
        log: logging.Logger | None = None,
    ) -> None:
        super().__init__(context, encoding, log)
        self.loop = loop

    def _default_context(self) -> Context[Any]:
        return _Context.instance()

    def start(self) -> None:
        loop = asyncio.get_running_loop() if self.loop is None else self.loop
        super().start()
        assert self._door is not None
        self._task = loop.create_task(self._run(self._door))

    async def _run(self, door: Door) -> None:
        try:
            while door is self._door:
                message = door.receive()
                if message is None:
                    await self._wait(door)
                else:
                    await self._answer_in_loop(door, message)
        except ContextTerminated:
            # The context is being terminated, which waits for this socket.
            if door is self._door:
                self._give_up(release=True)
        finally:
            # Cancelled, perhaps by the program: nobody else will tell the guard.
            if door is self._door:
                self._give_up()

    async def _wait(self, door: Door) -> None:
        loop = asyncio.get_running_loop()
        readable = loop.create_future()
        loop.add_reader(door.fd, set_ready, readable)
        self._watched = loop, door.fd
        try:
            await readable
        finally:
            if door is self._door:
                self._unwatch()

    def _unwatch(self) -> None:
        watched, self._watched = self._watched, None
        if watched is not None and not watched[0].is_closed():
            watched[0].remove_reader(watched[1])

    async def _answer_in_loop(self, door: Door, message: list[bytes]) -> None:
        try:
            answered: Any = self.handle_zap_message(message)
            if asyncio.iscoroutine(answered):
                await answered
        except BaseException as error:
            self._not_answered(error)
        if door is self._door and door.request_id is not None:
            door.reply(*INTERNAL_ERROR)

    def _is_end(self, error: BaseException) -> bool:
        if isinstance(error, asyncio.CancelledError):
            # Not where what a callback waited for was cancelled, and the task was not; Python 3.10 can't tell.
            task: Any = asyncio.current_task()
            return not hasattr(task, "cancelling") or bool(task.cancelling())
        return isinstance(error, ENDS)

    def stop(self, release: bool = False) -> None:
        task, self._task = self._task, None
        if self._door is not None and self._door.is_inherited:
            # In the child of a fork, where the loop's selector is still the parent's.
            self._watched = None
        else:
            # At once: when the task hears of it the descriptor may be another's.
            self._unwatch()
            if task is not None and not task.get_loop().is_closed():
                task.cancel()
        super().stop(release)

    def is_alive(self) -> bool:
        """Tell whether it runs."""
        return self._task is not None and not self._task.done()
