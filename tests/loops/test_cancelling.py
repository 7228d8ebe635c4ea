"""Receives of `zmq.asyncio` that are cancelled when their message is there already: the next receive gets it."""

from __future__ import annotations

import asyncio
import random
import threading
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

import zmq
import zmq.asyncio as za
import zmq.green
from support.awaiting import FORMS, connect, run, turns, until, waits
from support.front_ends import LIMIT


async def receive(socket: Any, form: str = "frame") -> Any:
    return await FORMS[form][2](socket)


async def cancel_when_done(socket: Any, sender: Any, message: Any, task: Any, form: str = "frame") -> Any:
    """Cancel a task that waits for a receive, after the message is received and before the task runs."""
    await until(lambda: waits(socket))
    future = za.pending(socket, zmq.POLLIN)[0]
    await FORMS[form][1](sender, message)
    # Somebody's operation tells the one that waits; it receives in the loop's next turn, where the cancelling is next.
    deadline = time.monotonic() + LIMIT
    while not socket.get(zmq.EVENTS) & zmq.POLLIN:
        assert time.monotonic() < deadline
        time.sleep(0.001)
    cancelled: list[bool] = []
    asyncio.get_running_loop().call_soon(lambda: cancelled.extend([future.done(), task.cancel()]))
    await turns(1)
    assert cancelled == [True, True], "the task was not cancelled in the right moment"
    return future


WAYS: dict[str, Callable[[Any, str], Awaitable[Any]]] = {
    "task": lambda socket, form: asyncio.ensure_future(receive(socket, form)),
    "task-of-a-task": lambda socket, form: asyncio.ensure_future(nested(socket, form)),
    "gather": lambda socket, form: asyncio.gather(receive(socket, form), asyncio.sleep(LIMIT)),
    "gather-of-futures": lambda socket, form: asyncio.gather(socket.recv(), asyncio.sleep(LIMIT)),
}


async def nested(socket: Any, form: str) -> Any:
    return await asyncio.ensure_future(receive(socket, form))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("way", WAYS)
def test_a_message_goes_back_when_its_task_is_cancelled(pair: Any, way: str, form: str, unhurried: None) -> None:
    async def main() -> None:
        a, b = pair
        message = FORMS[form][0]
        task = WAYS[way](a, form)
        future = await cancel_when_done(a, b, message, task, form)
        with pytest.raises(asyncio.CancelledError):
            await task
        assert future.cancelled()
        for look in (future.result, future.exception):
            with pytest.raises(asyncio.CancelledError):
                look()
        with pytest.raises(asyncio.CancelledError):
            await future
        assert a.get(zmq.EVENTS) & zmq.POLLIN
        assert await a.poll(0) == zmq.POLLIN
        assert await receive(a, form) == message
        assert not a.get(zmq.EVENTS) & zmq.POLLIN
        with pytest.raises(zmq.Again):
            await a.recv(zmq.NOBLOCK)

    run(main())


@pytest.mark.parametrize("delay", range(8))
def test_wait_for_loses_nothing_whenever_its_time_ends(pair: Any, delay: int) -> None:
    async def main() -> None:
        a, b = pair
        got: list[bytes] = []
        for number in range(100):
            sent = b.send(b"%d" % number)
            for _ in range(delay % 4):
                await turns(1)
            while len(got) <= number:
                try:
                    receives = receive(a) if delay % 2 else a.recv()
                    got.append(await asyncio.wait_for(receives, [0.00001, 0.0001][delay % 2]))
                except asyncio.TimeoutError:
                    continue
            await sent
        assert got == [b"%d" % number for number in range(100)]

    run(main())


def test_who_waits_next_gets_the_message_and_pollers_hear_of_it(pair: Any) -> None:
    async def main() -> None:
        a, b = pair
        poller = za.Poller()
        poller.register(a, zmq.POLLIN)
        task, next_one = asyncio.ensure_future(receive(a)), asyncio.ensure_future(receive(a))
        await cancel_when_done(a, b, b"x", task)
        assert await next_one == b"x"
        task = asyncio.ensure_future(receive(a))
        await turns()
        await b.send(b"y")
        a.get(zmq.EVENTS)
        asyncio.get_running_loop().call_soon(task.cancel)
        await turns()
        assert await a.poll() == zmq.POLLIN
        assert await poller.poll() == [(a, zmq.POLLIN)]
        task = asyncio.ensure_future(receive(a))
        assert await task == b"y"
        polled, all_polled = a.poll(), poller.poll()
        await turns()
        assert not polled.done() and not all_polled.done()
        polled.cancel()
        all_polled.cancel()
        poller.unregister(a)

    run(main())


def test_messages_go_back_in_their_order(pair: Any, unhurried: None) -> None:
    async def main() -> None:
        a, b = pair
        tasks = [asyncio.ensure_future(receive(a)) for _ in range(3)]
        await until(lambda: waits(a) == 3)
        futures = za.pending(a, zmq.POLLIN)
        done: list[bool] = []

        def cancel() -> None:
            done.extend(future.done() for future in futures)
            for number in (2, 0, 1):
                tasks[number].cancel()

        for number in range(4):
            await b.send(b"%d" % number)
        # Each receives in a turn of its own; the last one's task runs in the turn after this.
        futures[2].add_done_callback(lambda future: None)
        a.get(zmq.EVENTS)
        while not futures[2].done():
            asyncio.get_running_loop().call_soon(lambda: futures[2].done() and not done and cancel())
            await turns(1)
        await asyncio.wait(tasks)
        taken = [task.result() for task in tasks if not task.cancelled()]
        assert tasks[2].cancelled()
        rest = [await a.recv() for _ in range(4 - len(taken))]
        assert taken + rest == [b"0", b"1", b"2", b"3"]

    run(main())


@pytest.mark.parametrize("awaitable", [False, True], ids=["plain", "awaitable"])
def test_messages_that_went_back_are_a_batch(pair: Any, awaitable: bool) -> None:
    async def main() -> None:
        a, b = pair
        calls = [asyncio.gather(a.recv(), asyncio.sleep(LIMIT)) for _ in range(3)]
        await until(lambda: waits(a) == 3)
        for number in range(3):
            await b.send(b"%d" % number)
        await until(lambda: waits(a) == 0)
        await b.send(b"3")
        for number in (2, 0, 1):
            assert calls[number].cancel()
        batch = await a.recv_many() if awaitable else zmq.Socket.shadow(a).recv_many(timeout=0)
        assert batch == [b"0", b"1", b"2", b"3"]
        await asyncio.gather(*calls, return_exceptions=True)

    run(main())


@pytest.mark.parametrize("parts", [1, 2, 7])
@pytest.mark.parametrize("whole", [False, True], ids=["frames", "message"])
def test_a_message_of_several_frames_goes_back_whole(pair: Any, parts: int, whole: bool) -> None:
    message = [b"%d" % number for number in range(parts)]

    async def main() -> None:
        a, b = pair
        task = asyncio.ensure_future(receive(a, "multipart"))
        await cancel_when_done(a, b, message, task, "multipart")
        await b.send(b"next")
        if whole:
            frames = await a.recv_multipart(copy=False)
            assert [frame.bytes for frame in frames] == message
            assert [frame.more for frame in frames] == [True] * (parts - 1) + [False]
        else:
            got = [await a.recv()]
            while a.rcvmore:
                got.append(await a.recv())
            assert got == message
        assert await a.recv_multipart() == [b"next"]
        assert not a.rcvmore

    run(main())


@pytest.mark.parametrize("whole", [False, True], ids=["frames", "message"])
def test_the_first_frame_goes_back_before_the_others(pair: Any, whole: bool) -> None:
    async def main() -> None:
        a, b = pair
        task = asyncio.ensure_future(receive(a))
        await cancel_when_done(a, b, [b"1", b"2", b"3"], task, "multipart")
        if whole:
            assert await a.recv_multipart() == [b"1", b"2", b"3"]
        else:
            assert await a.recv() == b"1" and a.rcvmore
            assert await a.recv() == b"2" and a.rcvmore
            assert await a.recv() == b"3" and not a.rcvmore
        assert await a.poll(0) == 0

    run(main())


def test_what_libzmq_knows_of_a_message_comes_back_with_it(context: Any) -> None:
    async def main() -> None:
        a, b = connect(context, zmq.PULL, zmq.PUSH, tcp=True)
        task = asyncio.ensure_future(receive(a))
        await cancel_when_done(a, b, b"x", task)
        frame = await a.recv(copy=False)
        assert frame.bytes == b"x" and frame.get("Socket-Type") == "PUSH"

    run(main())


@pytest.mark.parametrize("seen", [False, True], ids=["returned", "seen-after-all"])
def test_frames_that_were_not_copied_go_back(context: Any, seen: bool) -> None:
    message = [b"1" * 100_000, b"2"]

    async def main() -> None:
        a, b = connect(context, zmq.PULL, zmq.PUSH, tcp=True)
        await b.send_multipart(message)
        assert await a.poll(LIMIT * 1000)
        future = a.recv_multipart(copy=False)
        assert future.done() and not future.cancel() and a.get(zmq.EVENTS) & zmq.POLLIN
        frames = future.result() if seen else await a.recv_multipart(copy=False)
        assert future.cancelled() is not seen
        assert [frame.bytes for frame in frames] == message and [frame.more for frame in frames] == [True, False]
        assert not memoryview(frames[0]).readonly
        assert not a.get(zmq.EVENTS) & zmq.POLLIN

    run(main())


@pytest.mark.parametrize("module", [zmq, zmq.green], ids=["plain", "green"])
def test_a_shadow_receives_what_went_back(pair: Any, module: Any) -> None:
    a, b = pair
    other = module.Socket.shadow(a)

    async def main() -> None:
        task = asyncio.ensure_future(receive(a, "multipart"))
        await cancel_when_done(a, b, [b"1", b"2"], task, "multipart")
        assert other.poll(LIMIT * 1000) == zmq.POLLIN
        assert other.poll(LIMIT * 1000, zmq.POLLIN | zmq.POLLOUT) == zmq.POLLIN | zmq.POLLOUT
        poller = module.Poller()
        poller.register(other, zmq.POLLIN)
        assert poller.poll(LIMIT * 1000) == [(other, zmq.POLLIN)]
        assert other.recv() == b"1" and other.rcvmore and other.recv() == b"2" and not other.rcvmore
        assert other.poll(0) == 0 and poller.poll(0) == []
        poller.unregister(other)

    run(main())


def test_a_request_that_is_answered_otherwise_does_not_come_back(context: Any) -> None:
    async def main() -> None:
        rep, req = connect(context, zmq.REP, zmq.REQ)
        task = asyncio.ensure_future(receive(rep))
        await cancel_when_done(rep, req, b"1", task)
        assert await rep.recv() == b"1"
        await rep.send(b"one")
        assert await req.recv() == b"one"
        task = asyncio.ensure_future(receive(rep))
        await cancel_when_done(rep, req, b"2", task)
        await rep.send(b"not asked")
        task = asyncio.ensure_future(receive(req))
        assert await task == b"not asked"
        await req.send(b"3")
        assert await rep.recv() == b"3"
        task = asyncio.ensure_future(receive(req))
        await cancel_when_done(req, rep, b"three", task)
        await req.send(b"4")
        assert await rep.recv() == b"4"
        await rep.send(b"four")
        assert await req.recv() == b"four"

    run(main())


def test_a_future_that_was_told_of_keeps_its_message_until_another_takes_it(pair: Any, unhurried: None) -> None:
    async def main() -> None:
        a, b = pair
        await b.send(b"1")
        await b.send(b"2")
        first, second = a.recv(), a.recv()
        assert first.done() and second.done()
        assert not first.cancel() and not second.cancel()
        assert a.get(zmq.EVENTS) & zmq.POLLIN
        assert second.result() == b"2" and not second.cancelled() and not second.cancel()
        assert await a.recv() == b"1"
        assert first.cancelled()
        with pytest.raises(asyncio.CancelledError):
            await first
        assert await a.poll(0) == 0
        await b.send(b"3")
        third = a.recv()
        assert not third.cancel()
        assert await third == b"3"
        assert await a.poll(0) == 0

    run(main())


def test_a_result_that_was_seen_does_not_come_back(pair: Any) -> None:
    async def main() -> None:
        a, b = pair
        seen: list[bytes] = []

        async def look() -> None:
            future = a.recv()
            future.add_done_callback(lambda future: seen.append(future.result()))
            await future

        task = asyncio.ensure_future(look())
        await until(lambda: waits(a))
        future = za.pending(a, zmq.POLLIN)[0]
        await b.send(b"x")
        a.get(zmq.EVENTS)
        while not future.done():
            await turns(1)
        assert future.result() == b"x"
        task.cancel()
        await asyncio.wait([task])
        assert seen == [b"x"] and await a.poll(0) == 0

    run(main())


def test_a_message_that_went_back_goes_with_the_socket(pair: Any) -> None:
    async def main() -> None:
        a, b = pair
        task = asyncio.ensure_future(receive(a))
        future = await cancel_when_done(a, b, b"x", task)
        await b.send(b"y")
        late = a.recv()  # takes x
        assert not late.cancel()
        a.close()
        assert late.result() == b"x" and future.cancelled()
        with pytest.raises(zmq.ZMQError):
            await a.recv()

    run(main())


def test_a_reader_of_another_thread_gets_it_later(context: Any) -> None:
    a, b = connect(context)
    got: list[bytes] = []

    async def main() -> None:
        task = asyncio.ensure_future(receive(a))
        await cancel_when_done(a, b, b"x", task)

    async def other() -> None:
        got.append(await a.recv())

    run(main())
    thread = threading.Thread(target=run, args=(other(),))
    thread.start()
    thread.join(LIMIT)
    assert got == [b"x"]


@pytest.mark.parametrize("seed", range(8))
def test_a_storm_of_cancelled_tasks_loses_and_doubles_nothing(context: Any, seed: int) -> None:
    """A message counts when a task has it; tasks are cancelled at any moment."""
    rng = random.Random(seed)
    total = 1000

    async def main() -> None:
        a, b = connect(context, zmq.PUSH, zmq.PULL, tcp=bool(seed % 2))
        got: list[str] = []

        async def receiver() -> None:
            form = rng.choice(["frame", "multipart", "string"])
            message = await receive(b, form)
            got.append(message if form == "string" else (message[0] if form == "multipart" else message).decode())

        async def many() -> None:
            while len(got) < total:
                task = asyncio.ensure_future(receiver() if rng.random() < 0.7 else gathered())
                for _ in range(rng.choice([0, 1, 2, 3, 4, 5, 6, 8])):
                    await turns(1)
                if rng.random() < 0.2:
                    await asyncio.sleep(0.0005)
                task.cancel()
                await asyncio.wait([task])

        async def gathered() -> None:
            await asyncio.gather(receiver(), asyncio.sleep(1))

        async def sender() -> None:
            for number in range(total):
                await a.send(b"%d" % number)
                if rng.random() < 0.5:
                    await turns(rng.choice([1, 2, 3]))
                if rng.random() < 0.2:
                    b.get(zmq.EVENTS)

        await asyncio.gather(sender(), *[many() for _ in range(4)])
        assert Counter(got) == Counter(f"{number}" for number in range(total))
        assert await b.poll(0) == 0 and waits(b) == 0

    run(main())
