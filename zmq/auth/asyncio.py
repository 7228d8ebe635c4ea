"""`AsyncioAuthenticator`: an authenticator in an event loop."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import warnings
from typing import Any, cast

from zmq.asyncio import Context as _Context
from zmq.asyncio import Poller as Poller
from zmq.auth import _door, _redaction
from zmq.auth._door import Turn
from zmq.auth.base import ENDS, INTERNAL_ERROR, Authenticator
from zmq.core.context import Context
from zmq.core.error import ContextTerminated
from zmq.core.futures.loop_hub import hub_of, loop_of_thread

__all__ = ["AsyncioAuthenticator"]


def set_ready(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


def current_loop() -> asyncio.AbstractEventLoop:
    """Return the loop that runs in this thread, or else the one that is to."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        with warnings.catch_warnings():
            # Some versions of Python warn where they make one.
            warnings.simplefilter("ignore", DeprecationWarning)
            try:
                return loop_of_thread()
            except RuntimeError:
                raise RuntimeError("no running event loop, and none that is set in this thread") from None


class LoopTurn(Turn):
    """The time for which the socket is lent to a task."""

    #: Where it begins, or has begun; None before the start.
    loop: asyncio.AbstractEventLoop | None = None
    task: asyncio.Task[None] | None = None
    #: The loop and the descriptor that it watches.
    watched: tuple[asyncio.AbstractEventLoop, int] | None = None

    async def run(self) -> None:
        """Answer until it is over: what the task does."""
        release = False
        try:
            _door.borrow(self)
            while not self.over:
                message = self.receive()
                authenticator = cast("AsyncioAuthenticator | None", self.authenticator())
                if authenticator is None or self.over:
                    break
                if message is not None:
                    await authenticator._answer_in_loop(message)
                    continue
                # While it waits nobody holds on to it.
                del authenticator
                await self.wait()
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

    async def wait(self) -> None:
        assert self.door is not None
        loop = asyncio.get_running_loop()
        readable = loop.create_future()
        try:
            self.watched = loop, self.door.fd
            loop.add_reader(self.door.fd, set_ready, readable)
            await readable
        finally:
            self.unwatch()

    def begin(self, authenticator: AsyncioAuthenticator) -> None:
        """Have the task begin; called where the loop runs, or none does."""
        assert self.loop is not None
        if self.over:
            self.finish()
            return
        self.task = task = self.loop.create_task(self.run())
        # Also if it is cancelled before it could begin.
        task.add_done_callback(lambda _: self.finish())
        authenticator._place = _door.Place(authenticator.context, authenticator.stop)

    def end_task(self) -> None:
        """Have the task end; called where the loop runs, or none does."""
        # At once: when the task hears of it the descriptor may be another's.
        self.unwatch()
        if self.task is not None and not self.task.get_loop().is_closed():
            self.task.cancel()

    def unwatch(self) -> None:
        watched, self.watched = self.watched, None
        if watched is not None and not watched[0].is_closed():
            watched[0].remove_reader(watched[1])


class AsyncioAuthenticator(Authenticator):
    """An `Authenticator` that is a task of an event loop.

    It may be started before the loop runs; until then everybody is refused.

    Parameters
    ----------
    context : Context, optional
        Of any kind; `zmq.asyncio.Context.instance` when left out.
    loop : optional
        The event loop; it may run in another thread. When left out it is the one that runs when it is started; where
        none does, the one that `asyncio.get_event_loop` returns in this thread.
    encoding, log
        As of `Authenticator`.
    """

    _turn_class = LoopTurn

    def __init__(
        self,
        context: Context[Any] | None = None,
        loop: Any = None,
        encoding: str = "utf-8",
        log: logging.Logger | None = None,
    ) -> None:
        super().__init__(context, encoding, log)
        self.loop = loop

    @property
    def _task(self) -> asyncio.Task[None] | None:
        return None if self._turn is None else cast(LoopTurn, self._turn).task

    def _default_context(self) -> Context[Any]:
        return _Context.instance()

    def _begin(self, turn: Turn) -> None:
        turn = cast(LoopTurn, turn)
        loop = current_loop() if self.loop is None else self.loop
        if loop.is_closed():
            raise RuntimeError("Event loop is closed")
        turn.loop = loop
        if hub_of(loop).is_elsewhere():
            loop.call_soon_threadsafe(turn.begin, self)
        else:
            turn.begin(self)

    async def _answer_in_loop(self, message: list[bytes]) -> None:
        door, turn = self._door, self._turn
        try:
            answered: Any = self.handle_zap_message(message)
            if asyncio.iscoroutine(answered):
                await answered
        except BaseException as error:
            message = []
            self._not_answered(error)
        if door is not None and door.request_id is not None and turn is not None and not turn.over:
            door.reply(*INTERNAL_ERROR)

    def _is_end(self, error: BaseException) -> bool:
        if isinstance(error, asyncio.CancelledError):
            # Not where what a callback waited for was cancelled, and the task was not; Python 3.10 can't tell.
            task: Any = asyncio.current_task()
            return not hasattr(task, "cancelling") or bool(task.cancelling())
        return isinstance(error, ENDS)

    def _drop(self, turn: Turn) -> None:
        super()._drop(turn)
        task = cast(LoopTurn, turn).task
        if task is not None and not turn.is_inherited:
            # Not where the loop is closed.
            with contextlib.suppress(RuntimeError):
                task.get_loop().call_soon_threadsafe(task.cancel)

    def stop(self, release: bool = False) -> None:
        turn = cast("LoopTurn | None", self._turn)
        super().stop(release)
        if turn is None or turn.loop is None:
            return
        if turn.door is not None and turn.door.is_inherited:
            # In the child of a fork, where the loop's selector is still the parent's.
            turn.watched = None
            return
        if hub_of(turn.loop).is_elsewhere():
            with contextlib.suppress(RuntimeError):
                turn.loop.call_soon_threadsafe(turn.end_task)
        else:
            turn.end_task()
        self._done(turn)

    def is_alive(self) -> bool:
        """Tell whether it runs."""
        turn, task = cast("LoopTurn | None", self._turn), self._task
        if turn is None or turn.over or turn.loop is None:
            return False
        # Before its loop comes to it, in another thread, there is no task.
        return not turn.loop.is_closed() if task is None else not task.done()
