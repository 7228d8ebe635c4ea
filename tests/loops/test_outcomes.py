"""What calls of asynchronous sockets return is a future, whatever asks: asyncio's functions, tornado, the language.

`zmq.core.futures.Outcome` is not made of `asyncio.Future`. What is asked here holds of both.
"""

from __future__ import annotations

import asyncio
import collections.abc
import contextlib
import contextvars
import gc
import inspect
import subprocess
import sys
import textwrap
import threading
import traceback
import weakref
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

import zmq
import zmq.asyncio as za
from support.awaiting import FORMS, connect, run, turns, until, waits
from support.every_loop import Ways
from support.front_ends import LIMIT
from zmq.core.futures import Outcome


def of_every_state(a: Any, b: Any) -> dict[str, Any]:
    """Futures: of a send, of a receive that is done, of one that waits, of an error, of one that was cancelled."""
    sent = a.send(b"1")
    received = b.recv()
    waiting, cancelled = b.recv(), b.recv()
    cancelled.cancel()
    failed = b.recv(zmq.NOBLOCK)
    failed.exception()
    return {"sent": sent, "received": received, "waiting": waiting, "failed": failed, "cancelled": cancelled}


def test_it_is_a_future_and_no_coroutine(ways: Ways, push_pull: Any) -> None:
    async def main() -> None:
        a, b = push_pull
        loop = asyncio.get_running_loop()
        for state, future in {**of_every_state(a, b), "poll": b.poll(), "poller": ways.module.Poller().poll(0)}.items():
            assert type(future) is Outcome
            assert isinstance(future, asyncio.Future) and isinstance(future, (int, asyncio.Future))
            assert asyncio.isfuture(future) and asyncio.ensure_future(future) is future
            assert inspect.isawaitable(future) and isinstance(future, collections.abc.Awaitable)
            assert not asyncio.iscoroutine(future) and not inspect.iscoroutine(future)
            assert not isinstance(future, collections.abc.Coroutine) and not isinstance(
                future, collections.abc.Generator
            )
            assert future.get_loop() is loop and future._loop is loop
            assert future.done() is (state not in ("waiting", "poll"))
            assert "Future" in repr(future) and weakref.ref(future)() is future
            future.cancel()
        tornado = pytest.importorskip("tornado.concurrent")
        assert tornado.is_future(a.send(b"2"))

    ways.run(main())


def test_what_every_state_answers(push_pull: Any, ways: Ways) -> None:
    async def main() -> None:
        futures = of_every_state(*push_pull)
        assert {state: future._state for state, future in futures.items()} == {
            "sent": "FINISHED",
            "received": "FINISHED",
            "waiting": "PENDING",
            "failed": "FINISHED",
            "cancelled": "CANCELLED",
        }
        assert futures["sent"].result() is None and futures["sent"].exception() is None
        assert futures["received"].exception() is None
        for _ in range(2):
            assert futures["received"].result() == b"1" == await futures["received"]
            assert isinstance(futures["failed"].exception(), zmq.Again)
            with pytest.raises(zmq.Again):
                futures["failed"].result()
            with pytest.raises(zmq.Again):
                await futures["failed"]
            for look in (futures["waiting"].result, futures["waiting"].exception):
                with pytest.raises(asyncio.InvalidStateError):
                    look()
            for look in (futures["cancelled"].result, futures["cancelled"].exception):
                with pytest.raises(asyncio.CancelledError):
                    look()
        for name in ("sent", "received", "failed", "cancelled"):
            assert not futures[name].cancel()
            with pytest.raises(asyncio.InvalidStateError):
                futures[name].set_result(1)
            with pytest.raises(asyncio.InvalidStateError):
                futures[name].set_exception(ValueError())
        assert futures["waiting"].cancel("why")
        with pytest.raises(asyncio.CancelledError, match="why"):
            await futures["waiting"]

    ways.run(main())


def test_waiting_with_a_limit(push_pull: Any, ways: Ways, unhurried: None) -> None:
    async def main() -> None:
        a, b = push_pull
        await a.send(b"1")
        assert await asyncio.wait_for(b.recv(), LIMIT) == b"1"
        asyncio.get_running_loop().call_later(0.002, a.send, b"2")
        assert await asyncio.wait_for(b.recv(), LIMIT) == b"2"
        for seconds in (0, 0.002):
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(b.recv(), seconds)
        await a.send(b"3")
        assert await asyncio.wait_for(b.recv(), 0) == b"3"
        assert waits(b) == 0

    ways.run(main())


@pytest.mark.skipif(sys.version_info < (3, 11), reason="new in Python 3.11")
def test_timeouts_and_groups_of_tasks(push_pull: Any, ways: Ways) -> None:
    async def main() -> None:
        a, b = push_pull

        async def receive() -> bytes:
            return await b.recv()  # type: ignore[no-any-return]

        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.002):
                await b.recv()
        async with asyncio.TaskGroup() as group:
            one, other = group.create_task(receive()), group.create_task(receive())
            await a.send(b"1")
            await a.send(b"2")
        assert (one.result(), other.result()) == (b"1", b"2")
        with pytest.raises(Exception, match="unhandled errors"):
            async with asyncio.TaskGroup() as group:
                group.create_task(receive())
                await turns()
                raise ValueError
        assert waits(b) == 0

    ways.run(main())


def test_several_at_once(push_pull: Any, ways: Ways) -> None:
    async def main() -> None:
        a, b = push_pull
        gathered = await asyncio.gather(a.send(b"1"), a.send(b"2"), b.recv(), b.recv())
        assert gathered == [None, None, b"1", b"2"]
        gathered = await asyncio.gather(b.recv(), b.recv(), a.send(b"3"), a.send(b"4"))
        assert gathered == [b"3", b"4", None, None]
        done, left = await asyncio.wait([a.send(b"5"), a.send(b"6"), a.send(b"7")])
        assert len(done) == 3 and not left
        done, left = await asyncio.wait([b.recv() for _ in range(4)], timeout=0.02)
        assert sorted(future.result() for future in done) == [b"5", b"6", b"7"]
        (last,) = left
        assert last.cancel()
        with pytest.raises(asyncio.CancelledError):
            await last
        await a.send(b"8")
        assert [await each for each in asyncio.as_completed([b.recv()])] == [b"8"]
        await a.send(b"9")
        assert await asyncio.shield(b.recv()) == b"9"
        shielded = asyncio.shield(b.recv())
        await a.send(b"10")
        assert await shielded == b"10"

    ways.run(main())


def test_one_future_that_several_tasks_await(push_pull: Any, ways: Ways) -> None:
    async def main() -> None:
        a, b = push_pull
        future = b.recv()

        async def wait() -> Any:
            return await future

        tasks = [asyncio.ensure_future(wait()) for _ in range(3)]
        await turns()
        await a.send(b"x")
        assert await asyncio.gather(*tasks) == [b"x"] * 3

    ways.run(main())


def test_callbacks(push_pull: Any, ways: Ways) -> None:
    """In the order in which they were added, each in its context, and not before the loop's next turn."""

    async def main() -> None:
        a, b = push_pull
        variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="-")
        called: list[tuple[str, str, bytes]] = []

        def note(name: str) -> Callable[[Any], None]:
            return lambda future: called.append((name, variable.get(), future.result()))

        def in_context(value: str) -> contextvars.Context:
            context = contextvars.copy_context()
            context.run(variable.set, value)
            return context

        future, unwanted = b.recv(), note("unwanted")
        future.add_done_callback(unwanted)
        future.add_done_callback(note("one"), context=in_context("1"))
        variable.set("main")
        future.add_done_callback(note("two"))
        future.add_done_callback(unwanted)
        assert future.remove_done_callback(unwanted) == 2 and future.remove_done_callback(print) == 0
        await a.send(b"x")
        await until(future.done)
        future.add_done_callback(note("late"), context=in_context("3"))
        await until(lambda: len(called) == 3)
        assert called == [("one", "1", b"x"), ("two", "main", b"x"), ("late", "3", b"x")]
        assert future.remove_done_callback(print) == 0

    ways.run(main())


def test_a_task_keeps_its_context(push_pull: Any, ways: Ways) -> None:
    async def main() -> None:
        a, b = push_pull
        variable = contextvars.ContextVar("variable", default=0)

        async def receive() -> tuple[int, bytes, bool]:
            variable.set(1)
            message = await b.recv()
            return variable.get(), message, asyncio.current_task() is task

        task = asyncio.ensure_future(receive())
        variable.set(7)
        await turns()
        await a.send(b"x")
        assert await task == (1, b"x", True) and variable.get() == 7

    ways.run(main())


def test_another_thread_has_a_coroutine_run(push_pull: Any, ways: Ways) -> None:
    async def main() -> None:
        a, b = push_pull
        loop = asyncio.get_running_loop()
        got: list[bytes] = []

        async def receive() -> bytes:
            return await b.recv()  # type: ignore[no-any-return]

        def ask() -> None:
            got.append(asyncio.run_coroutine_threadsafe(receive(), loop).result(LIMIT))

        thread = threading.Thread(target=ask)
        thread.start()
        await until(lambda: waits(b))
        await a.send(b"x")
        await until(lambda: got)
        thread.join(LIMIT)
        assert got == [b"x"]

    ways.run(main())


def test_what_is_thrown_is_raised_where_it_awaits(push_pull: Any, ways: Ways) -> None:
    async def main() -> None:
        _, b = push_pull
        caught: list[BaseException] = []

        async def wait() -> str:
            try:
                await b.recv()
            except ZeroDivisionError as error:
                caught.append(error)
            return "over"

        for thrown in (ZeroDivisionError, ZeroDivisionError("text")):
            coroutine = wait()
            future = coroutine.send(None)
            assert type(future) is Outcome and future._asyncio_future_blocking
            future._asyncio_future_blocking = False
            with pytest.raises(StopIteration, match="over"):
                coroutine.throw(thrown)
            future.cancel()
        assert [type(error) for error in caught] == [ZeroDivisionError] * 2 and caught[1].args == ("text",)
        future = b.recv()
        for arguments in ((ZeroDivisionError,), (ZeroDivisionError, "text"), (ZeroDivisionError, ZeroDivisionError())):
            with pytest.raises(ZeroDivisionError):
                future.throw(*arguments)
        with pytest.raises(TypeError, match="separate value"):
            future.throw(ZeroDivisionError(), "text")
        assert not future.done()
        future.cancel()

    ways.run(main())


def test_what_a_program_makes_of_a_call_that_waits(push_pull: Any, ways: Ways) -> None:
    """It ends it with a result or an error of its own, and takes no message with it."""

    async def main() -> None:
        a, b = push_pull
        future = b.recv()
        future.set_result(b"its own")
        assert await future == b"its own"
        for given in (ZeroDivisionError, ZeroDivisionError("text")):
            future = b.recv()
            with pytest.raises(TypeError, match="StopIteration"):
                future.set_exception(StopIteration)
            assert not future.done()
            future.set_exception(given)
            with pytest.raises(ZeroDivisionError):
                await future
        for late in (partial(future.set_result, 1), partial(future.set_exception, KeyError)):
            with pytest.raises(asyncio.InvalidStateError):
                late()
        await a.send(b"all the same")
        assert await b.recv() == b"all the same"

    ways.run(main())


def test_what_asyncio_s_own_code_looks_at(push_pull: Any, unhurried: None) -> None:
    """Under the names of `asyncio.Future`, which has the same there."""

    def seen(future: Any) -> list[Any]:
        names = ("_state", "_result", "_exception", "_log_traceback", "_cancel_message", "_source_traceback")
        return [getattr(future, name) for name in names]

    async def main() -> None:
        _, b = push_pull
        mine, theirs = zip(*((b.recv(), asyncio.Future()) for _ in range(4)), strict=True)
        error = ZeroDivisionError()
        for _, result, failed, cancelled in (mine, theirs):
            result.set_result(5)
            failed.set_exception(error)
            cancelled.cancel("why")
        assert [seen(each) for each in mine] == [seen(each) for each in theirs]
        for _, _, failed, _ in (mine, theirs):
            with pytest.raises(ValueError, match="False"):
                failed._log_traceback = True
            failed._log_traceback = False
            assert not failed._log_traceback
        mine[0].cancel()

    run(main())


def test_iterating_by_hand(push_pull: Any, unhurried: None) -> None:
    """A StopIteration that a program keeps stays as it is, whatever is awaited next."""
    run(iterate_by_hand(*push_pull))


async def iterate_by_hand(a: Any, b: Any) -> None:
    kept = []
    for number in range(4):
        await a.send(b"%d" % number)
        future = b.recv()
        for advance in (next, type(future).__next__) if number % 2 else (type(future).__next__, next):
            try:
                advance(future)
            except StopIteration as error:
                kept.append(error)
        await a.send(b"-")
        assert await b.recv() == b"-"
    assert [error.value for error in kept] == [b"0", b"0", b"1", b"1", b"2", b"2", b"3", b"3"]
    with pytest.raises(StopIteration) as caught:
        next(a.send(b"x"))
    assert caught.value.value is None
    await b.recv()
    waiting = b.recv()
    assert next(waiting) is waiting
    with pytest.raises(RuntimeError, match="await wasn't used with future"):
        next(waiting)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        next(waiting)


def test_a_result_is_not_kept(push_pull: Any) -> None:
    """What was awaited and dropped is freed, also where an exception was used to hand it on."""

    class Result:
        pass

    async def main() -> None:
        a, b = push_pull
        await a.send(b"1")
        result = await b.recv_serialized(lambda frames: Result())
        reference = weakref.ref(result)
        del result
        assert reference() is None

    gc.disable()
    try:
        run(main())
    finally:
        gc.enable()


def test_what_makes_a_result_runs_where_it_is_asked_for(push_pull: Any, ways: Ways) -> None:
    """Once, in the task that awaits; what it raises is the error of the future, and the message is gone."""

    async def main() -> None:
        a, b = push_pull
        calls: list[Any] = []

        def load(frames: list[bytes]) -> Any:
            calls.append(asyncio.current_task())
            if frames == [b"bad"]:
                raise ZeroDivisionError
            if frames == [b"stop"]:
                raise StopIteration
            return frames

        for early in (True, False):
            for message, expected in ((b"good", None), (b"bad", ZeroDivisionError), (b"stop", RuntimeError)):
                calls.clear()
                if early:
                    await a.send(message)
                future = b.recv_serialized(load)
                if not early:
                    await turns()
                    await a.send(message)
                    await until(future.done)
                if expected is None:
                    assert await future == [message] and future.exception() is None
                else:
                    with pytest.raises(expected):
                        await future
                    assert isinstance(future.exception(), expected)
                assert calls == [asyncio.current_task()]
                with pytest.raises(zmq.Again):
                    await b.recv(zmq.NOBLOCK)

    ways.run(main())


def test_an_error_nobody_asked_for_is_shown(push_pull: Any) -> None:
    async def main() -> None:
        _, b = push_pull
        shown: list[dict[str, Any]] = []
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda loop, context: shown.append(context))
        b.recv(zmq.NOBLOCK)._log_traceback = False
        asked = b.recv(zmq.NOBLOCK)
        asked.exception()
        del asked
        assert shown == []
        unasked = b.recv(zmq.NOBLOCK)
        del unasked
        (context,) = shown
        assert isinstance(context["exception"], zmq.Again) and isinstance(context["future"], asyncio.Future)

    run(main())


def by_an_attribute(future: Any) -> None:
    """The error refers to the future, which refers to the error."""
    future._exception.future = future


def by_a_frame(future: Any) -> None:
    """The traceback of the error has a frame with the future in it."""
    with contextlib.suppress(zmq.Again):
        raise future._exception


def by_a_task(future: Any) -> None:
    """A coroutine that nobody drives any more awaits another future, and has this one in its frame."""

    async def wait() -> None:
        await asyncio.sleep(1000)
        future.result()

    coroutine = wait()
    coroutine.send(None)
    future._exception.coroutine = coroutine


@pytest.mark.parametrize("cycle", [by_an_attribute, by_a_frame, by_a_task])
@pytest.mark.parametrize("how_many", [1, 5])
def test_an_error_in_a_cycle_is_shown_whole(push_pull: Any, cycle: Callable[[Any], None], how_many: int) -> None:
    """The collector takes what it has found apart in an order of its own; what shows an error must come before."""

    async def main() -> None:
        _, b = push_pull
        shown: list[tuple[str, ...]] = []
        loop = asyncio.get_running_loop()

        def show(_: Any, context: dict[str, Any]) -> None:
            error = context["exception"]
            shown.append((repr(error), *traceback.format_exception(error)))

        loop.set_exception_handler(show)
        gc.collect()
        for before in (True, False):
            # What is made first is cleared first, as a rule.
            errors = [zmq.Again() for _ in range(how_many)] if before else []
            futures = [b.recv() for _ in range(how_many)]
            for future in futures:
                future.set_exception(errors.pop() if before else zmq.Again())
                cycle(future)
            del future, futures
            gc.collect()
        assert len(shown) == 2 * how_many and len({repr(zmq.Again()), *(line[0] for line in shown)}) == 1
        assert all(lines[-1] == shown[0][-1] and "Again" in lines[-1] for lines in shown)

    run(main())


def test_a_loop_is_asked_for_when_there_is_need_of_it(ledger: None, unhurried: None) -> None:
    asked: list[str] = []

    class Socket(za.Socket):
        def _get_loop(self) -> Any:
            asked.append("loop")
            return super()._get_loop()

    class Context(za.Context):
        _socket_class = Socket

    async def main() -> None:
        with Context() as context:
            a, b = connect(context, zmq.PUSH, zmq.PULL)
            await a.send(b"1")
            # Whether there is anything to do for it; and where the process has no fuel, to look at the clock.
            assert 1 <= len(asked) <= 2
            for _ in range(50):
                await a.send(b"1")
            for _ in range(51):
                assert await b.recv() == b"1"
            # Of 102 calls: the first of the other socket, and two more looks.
            assert len(asked) < 10
            before = len(asked)
            future = b.recv()
            assert len(asked) <= before + 2 and future.get_loop() is asyncio.get_running_loop()
            await a.send(b"2")
            assert await future == b"2"
            assert len(asked) <= before + 4
            a.close()
            b.close()

    run(main())


def test_asyncio_is_imported_where_it_is_used_alone() -> None:
    """It takes longer to import than `zmq` does."""
    program = """
        import sys, zmq, zmq.green
        assert "asyncio" not in sys.modules
        import zmq.asyncio
        from zmq.core import futures
        assert zmq.core.pending is futures and futures.pending is zmq.asyncio.pending
        assert not hasattr(futures, "nothing")
        assert {*futures.__all__} <= {*dir(futures)} | {name for names in futures.PLACES.values() for name in names}
        print("done")
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and done.stdout == "done\n", done.stderr


@pytest.mark.parametrize("form", FORMS)
def test_waiting_leaves_nothing_to_the_collector(pair: Any, form: str, unhurried: None) -> None:
    message, send, recv = FORMS[form]

    async def main() -> None:
        a, b = pair

        async def receive(number: int) -> None:
            for _ in range(number):
                await recv(b)

        async def exchange(number: int) -> None:
            task = asyncio.ensure_future(receive(number))
            for _ in range(number):
                await until_waits(b)
                await send(a, message)
            await task

        await exchange(20)
        gc.collect()
        gc.disable()
        try:
            before = len(gc.get_objects())
            await exchange(300)
            assert len(gc.get_objects()) - before < 100
            assert gc.collect() < 100
        finally:
            gc.enable()

    async def until_waits(socket: Any) -> None:
        while not waits(socket):
            await asyncio.sleep(0)

    run(main())
