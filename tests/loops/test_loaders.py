"""What makes the result of a message may fail, or cancel: that message is gone or goes back, those behind it stay."""

from __future__ import annotations

import asyncio
import pickle
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

import zmq
from support.awaiting import turns, until, waits
from support.every_loop import Ways

pytestmark = pytest.mark.usefixtures("unhurried")


def fail(frames: Any) -> Any:
    raise ZeroDivisionError


#: What is sent, how it is received, how that fails, and what is left of the message.
BAD: dict[str, tuple[list[bytes], Callable[[Any], Any], type[Exception], list[bytes]]] = {
    "json": ([b"this is no JSON"], lambda s: s.recv_json(), ValueError, []),
    "json before another frame": ([b"this is no JSON", b"rest"], lambda s: s.recv_json(), ValueError, [b"rest"]),
    "string": ([b"\xff"], lambda s: s.recv_string(), UnicodeDecodeError, []),
    "string before other frames": ([b"\xff", b"1", b"2"], lambda s: s.recv_string(), UnicodeDecodeError, [b"1", b"2"]),
    "other encoding": ([b"\xff"], lambda s: s.recv_string(encoding="ascii"), UnicodeDecodeError, []),
    "pyobj": ([b"no pickle"], lambda s: s.recv_pyobj(), pickle.UnpicklingError, []),
    "serialized": ([b"x"], lambda s: s.recv_serialized(fail), ZeroDivisionError, []),
    "serialized frames": ([b"x", b"", b"y" * 100_000], lambda s: s.recv_serialized(fail), ZeroDivisionError, []),
    "frames not copied": ([b"x", b"y" * 100_000], lambda s: s.recv_serialized(fail, copy=False), ZeroDivisionError, []),
}


async def by_exception(future: Any) -> BaseException:
    return future.exception()  # type: ignore[no-any-return]


async def by_result(future: Any) -> BaseException:
    with pytest.raises(Exception) as caught:
        future.result()
    return caught.value


async def by_await(future: Any) -> BaseException:
    with pytest.raises(Exception) as caught:
        await future
    return caught.value


async def by_gather(future: Any) -> BaseException:
    """As a program that cleans up cancels all, and looks what became of them."""
    return (await asyncio.gather(future, return_exceptions=True))[0]


LOOKS: dict[str, Callable[[Any], Awaitable[BaseException]]] = {
    "exception": by_exception,
    "result": by_result,
    "await": by_await,
    "gather": by_gather,
}


@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize("bad", BAD)
def test_what_was_cancelled_too_late_and_then_fails_leaves_the_others(
    push_pull: Any, ways: Ways, bad: str, look: str
) -> None:
    """It was offered to the next receive, which does not get it any more, but what came behind it."""
    frames, receive, kind, left = BAD[bad]

    async def main() -> None:
        a, b = push_pull
        await a.send_multipart(frames)
        future = receive(b)
        assert future.done() and not future.cancel() and b.get(zmq.EVENTS) & zmq.POLLIN
        error = await LOOKS[look](future)
        assert isinstance(error, kind) and future.exception() is error and not future.cancelled()
        assert bool(b.get(zmq.EVENTS) & zmq.POLLIN) is bool(left)
        for number in range(3):
            await a.send(b"%d" % number)
        assert [await b.recv() for _ in range(len(left) + 3)] == [*left, b"0", b"1", b"2"]
        assert await b.poll(0) == 0 and not b.rcvmore
        with pytest.raises(zmq.Again):
            await b.recv(zmq.NOBLOCK)

    ways.run(main())


@pytest.mark.parametrize("cancelled", [(0, 1, 2), (2, 1, 0)], ids=["in order", "backwards"])
@pytest.mark.parametrize("which", range(3))
@pytest.mark.parametrize("parts", [1, 2])
def test_one_of_several_that_were_cancelled_too_late_fails(
    push_pull: Any, ways: Ways, parts: int, which: int, cancelled: tuple[int, ...]
) -> None:
    async def main() -> None:
        a, b = push_pull
        messages = [[b"%d" % number] * parts for number in range(4)]
        for message in messages:
            await a.send_multipart(message)
        futures = [b.recv_serialized(fail) for _ in range(3)]
        assert all(future.done() for future in futures)
        for number in cancelled:
            assert not futures[number].cancel()
        assert isinstance(futures[which].exception(), ZeroDivisionError)
        del messages[which]
        assert [await b.recv_multipart() for _ in messages] == messages
        assert [future.cancelled() for future in futures] == [number != which for number in range(3)]
        assert await b.poll(0) == 0

    ways.run(main())


@pytest.mark.parametrize("bad", BAD)
def test_what_another_receive_took_is_not_made(push_pull: Any, ways: Ways, bad: str) -> None:
    frames, receive, _, _ = BAD[bad]

    async def main() -> None:
        a, b = push_pull
        await a.send_multipart(frames)
        future = receive(b)
        assert future.done() and not future.cancel()
        assert await b.recv() == frames[0]
        for look in (future.exception, future.result):
            with pytest.raises(asyncio.CancelledError):
                look()
        if len(frames) > 1:
            assert await b.recv_multipart() == frames[1:]
        await a.send(b"next")
        assert await b.recv() == b"next" and await b.poll(0) == 0

    ways.run(main())


class Server:
    """A task that receives, whose loader cancels it, or the future that it awaits, when a message says so.

    Parameters
    ----------
    socket : Socket
    whom : str
        "task" or "future".
    form : str
        "json", or of which frames the message is.
    fails : bool
        Whether the loader then raises.
    """

    def __init__(self, socket: Any, whom: str, form: str, fails: bool) -> None:
        self.socket, self.whom, self.form, self.fails = socket, whom, form, fails
        self.futures: list[Any] = []
        self.loaded: list[Any] = []
        self.got: list[Any] = []
        self.answers: list[bool] = []
        self.task: Any = None

    def load(self, made: Any) -> Any:
        self.loaded.append(made)
        if made in (MESSAGES[self.form], {"stop": 1}):
            self.answers.append((self.task if self.whom == "task" else self.futures[-1]).cancel())
            if self.fails:
                raise ZeroDivisionError
        return made

    def receive(self) -> Any:
        if self.form == "json":
            return self.socket.recv_json(object_hook=self.load)
        return self.socket.recv_serialized(self.load)

    async def serve(self) -> None:
        while True:
            self.futures.append(self.receive())
            self.got.append(await self.futures[-1])


MESSAGES = {
    "one frame": [b"stop"],
    "several frames": [b"stop", b"", b"x" * 100_000],
    "json": [b'{"stop": 1}'],
}


@pytest.mark.parametrize("early", [False, True], ids=["waits", "is-there"])
@pytest.mark.parametrize("fails", [False, True], ids=["returns", "fails"])
@pytest.mark.parametrize("whom", ["task", "future"])
@pytest.mark.parametrize("form", MESSAGES)
def test_a_loader_cancels_who_waits_for_it(
    push_pull: Any, ways: Ways, form: str, whom: str, fails: bool, early: bool
) -> None:
    """It has seen the message, as one that says "stop", so that this does not come back."""

    async def main() -> None:
        a, b = push_pull
        server = Server(b, whom, form, fails)
        if early:
            await a.send_multipart(MESSAGES[form])
        task = server.task = asyncio.ensure_future(server.serve())
        if not early:
            await until(lambda: waits(b))
            await a.send_multipart(MESSAGES[form])
        await until(lambda: server.loaded)
        made = {"stop": 1} if form == "json" else MESSAGES[form]
        assert server.loaded == [made] and server.answers == [whom == "task"]
        future = server.futures[0]
        if whom == "task" or fails:
            await asyncio.wait([task])
            # An error ends a task that runs; one that is about to run hears that it was cancelled.
            assert task.cancelled() is (whom == "task" and not (early and fails))
        assert not future.cancelled() and isinstance(future.exception(), ZeroDivisionError if fails else type(None))
        if not fails:
            assert future.result() == made
        for number in range(3):
            await a.send(b"%d" % number)
        if task.done():
            assert [await b.recv_multipart() for _ in range(3)] == [[b"0"], [b"1"], [b"2"]]
        else:
            await until(lambda: len(server.got) == 4)
            assert server.got == [made, *([0, 1, 2] if form == "json" else [[b"0"], [b"1"], [b"2"]])]
            task.cancel()
            await asyncio.wait([task])
        assert await b.poll(0) == 0 and waits(b) == 0 and server.loaded.count(made) == 1

    ways.run(main())


@pytest.mark.parametrize("parts", [1, 3])
def test_a_loader_that_cancels_its_future_while_somebody_asks_for_the_error(
    push_pull: Any, ways: Ways, parts: int
) -> None:
    """Nobody was told by then: the program has not seen the message, which is the next receive's."""
    message = [b"x"] * parts

    async def main() -> None:
        a, b = push_pull
        answers: list[bool] = []

        def load(frames: list[bytes]) -> list[bytes]:
            answers.append(future.cancel())
            return frames

        future = b.recv_serialized(load)
        future.add_done_callback(lambda future: None)
        await a.send_multipart(message)
        b.get(zmq.EVENTS)

        def ask() -> None:
            answers.append(future.done())
            with pytest.raises(asyncio.CancelledError):
                future.exception()

        asyncio.get_running_loop().call_soon(ask)
        await turns(3)
        assert answers == [True, True] and future.cancelled()
        assert await b.recv_multipart() == message
        with pytest.raises(asyncio.CancelledError):
            await future
        await a.send(b"next")
        assert await b.recv() == b"next"

    ways.run(main())
