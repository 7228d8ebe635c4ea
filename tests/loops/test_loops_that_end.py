"""Who waits is bound to an event loop, and that to no thread: loops move, stop, are closed and dropped.

Nothing of that keeps a socket from being closed or collected, and no message is lost by it.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import socket as native
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import uvloop
from tornado.ioloop import IOLoop

import zmq
import zmq.asyncio as za
from support.front_ends import LIMIT
from zmq.core.waiting.trampoline import _set_trusted_after
from zmq.eventloop.zmqstream import ZMQStream

# What it opens for the whole process does not look like a leak then.
uvloop.new_event_loop().close()

pytestmark = [
    pytest.mark.usefixtures("ledger"),
    # A task whose loop is gone is said to be pending; an unclosed loop, to be unclosed.
    pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"),
]

LOOPS: dict[str, Callable[[], Any]] = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


#: Native sockets, which stay open until the test ends.
kept: list[native.socket] = []


@pytest.fixture(params=LOOPS)
def new_loop(request: pytest.FixtureRequest) -> Iterator[Callable[[], Any]]:
    level = logging.getLogger("asyncio").level
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)
    yield LOOPS[request.param]
    while kept:
        kept.pop().close()
    logging.getLogger("asyncio").setLevel(level)


def in_thread(function: Callable[[], Any]) -> None:
    """Call a function in another thread, and wait until that has ended."""
    errors: list[BaseException] = []

    def run() -> None:
        try:
            function()
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(LIMIT)
    assert not thread.is_alive(), "the thread still runs"
    if errors:
        raise errors[0]


def connect(context: Any, kind: int = zmq.DEALER, peer: int = zmq.DEALER) -> tuple[Any, Any]:
    one, other = context.socket(kind), zmq.Socket(context, peer)
    address = f"inproc://{id(one)}"
    one.bind(address)
    other.connect(address)
    return one, other


async def begin(way: str, one: Any, others: list[Any]) -> Any:
    """Begin to wait in a loop; return what tells the message."""
    if way == "recv":
        return one.recv()
    if way == "task":
        return asyncio.ensure_future(await_it(one.recv()))
    if way == "poll":
        return one.poll()
    poller = za.Poller()
    for each in [one, *(others if way == "poller of many" else [])]:
        poller.register(each, zmq.POLLIN)
    if way == "poller with a descriptor":
        kept.extend(native.socketpair())
        poller.register(kept[-1], zmq.POLLIN)
    return poller.poll()


async def await_it(future: Any) -> Any:
    return await future


WAYS = ["recv", "task", "poll", "poller of few", "poller of many", "poller with a descriptor"]


@pytest.mark.parametrize("way", WAYS)
def test_a_loop_is_filled_in_one_thread_and_run_in_others(new_loop: Callable[[], Any], way: str) -> None:
    with za.Context() as context:
        one, peer = connect(context)
        others = [context.socket(zmq.PULL) for _ in range(6)]
        loop = new_loop()
        future = loop.run_until_complete(begin(way, one, others))

        async def expect() -> Any:
            return await asyncio.wait_for(asyncio.shield(future), LIMIT)

        def wait_in_vain() -> None:
            with pytest.raises(asyncio.TimeoutError):
                loop.run_until_complete(asyncio.wait_for(asyncio.shield(future), 0.01))

        in_thread(wait_in_vain)
        # The message comes while the loop runs nowhere, or while it runs in yet another thread.
        sender = threading.Timer(0.01, peer.send, (b"x",))
        sender.start()
        found: list[Any] = []
        in_thread(lambda: found.append(loop.run_until_complete(expect())))
        sender.join()
        if way in ("recv", "task"):
            assert found == [b"x"]
        else:
            assert found == [zmq.POLLIN if way == "poll" else [(one, zmq.POLLIN)]]
        loop.close()
        peer.close(0)
        for each in (one, *others):
            each.close(0)


@pytest.mark.parametrize("way", ["recv", "task", "poll", "poller of few", "poller of many"])
def test_a_loop_takes_over_what_another_one_was_told_of_and_stopped(new_loop: Callable[[], Any], way: str) -> None:
    """The bell is still then: who queues behind those of the first loop has to look."""
    with za.Context() as context:
        one, peer = connect(context)
        others = [context.socket(zmq.PULL) for _ in range(6)]
        first, second = new_loop(), new_loop()
        left = first.run_until_complete(begin(way, one, others))
        if way == "task":
            first.run_until_complete(asyncio.sleep(0))
        peer.send(b"x")
        zmq.Socket.shadow(one).poll(0)

        async def receive() -> Any:
            return await asyncio.wait_for(one.recv(), LIMIT)

        assert second.run_until_complete(receive()) == b"x"
        left.cancel()
        first.run_until_complete(asyncio.sleep(0))
        for loop in (first, second):
            loop.close()
        peer.close(0)
        for each in (one, *others):
            each.close(0)


@pytest.mark.parametrize("how", ["closed", "stopped"])
@pytest.mark.parametrize("closer", ["same thread", "other thread"])
@pytest.mark.parametrize("end", ["close", "destroy"])
@pytest.mark.parametrize("way", WAYS)
def test_closing_after_the_loop_is_gone(new_loop: Callable[[], Any], way: str, how: str, closer: str, end: str) -> None:
    context = za.Context()
    one, peer = connect(context)
    others = [context.socket(zmq.PULL) for _ in range(6)]
    loop = new_loop()
    futures: list[Any] = []
    in_thread(lambda: futures.append(loop.run_until_complete(begin(way, one, others))))
    if how == "closed":
        loop.close()

    def finish() -> None:
        peer.close(0)
        if end == "destroy":
            context.destroy(linger=0)
        else:
            for each in (one, *others):
                each.close(linger=0)
            context.term()

    if closer == "same thread":
        finish()
    else:
        in_thread(finish)
    assert one.closed and context.closed
    if how == "stopped":
        # The poll of a socket that was closed raises, everything else is cancelled.
        loop.run_until_complete(asyncio.sleep(0))
        loop.run_until_complete(asyncio.sleep(0))
        assert futures[0].done()
        futures[0].cancelled() or futures[0].exception()
        loop.close()
    elif way != "task":
        assert futures[0].cancelled()


@pytest.mark.parametrize("end", ["close", "destroy"])
@pytest.mark.parametrize("way", WAYS)
def test_another_thread_closes_while_the_loop_runs(new_loop: Callable[[], Any], way: str, end: str) -> None:
    """Whoever waits hears of it at once, and libzmq's socket is closed in the loop's own thread."""
    context = za.Context()
    one, peer = connect(context)
    others = [context.socket(zmq.PULL) for _ in range(6)]
    waiting = threading.Event()
    ended: list[BaseException] = []

    async def wait() -> None:
        future = await begin(way, one, others)
        asyncio.get_running_loop().call_later(0.01, waiting.set)
        try:
            await asyncio.wait_for(future, LIMIT)
        except BaseException as error:
            ended.append(error)

    loop = new_loop()
    thread = threading.Thread(target=loop.run_until_complete, args=(wait(),))
    thread.start()
    assert waiting.wait(LIMIT)
    peer.close(0)
    if end == "destroy":
        context.destroy(linger=0)
    else:
        for each in (one, *others):
            each.close(linger=0)
        context.term()
    thread.join(LIMIT)
    assert context.closed and one.closed and len(ended) == 1
    assert not isinstance(ended[0], TimeoutError), ended
    loop.close()


@pytest.mark.parametrize("way", WAYS)
def test_what_is_dropped_with_its_loop_is_collected(new_loop: Callable[[], Any], way: str) -> None:
    with zmq.Context() as context:

        def use() -> None:
            async def main() -> None:
                one, *others = (za.Socket(context, zmq.PULL) for _ in range(7))
                future = await begin(way, one, others)
                await asyncio.sleep(0)
                del future

            loop = new_loop()
            loop.run_until_complete(main())
            loop.close()
            while kept:
                kept.pop().close()

        use()
        gc.collect()
        end = time.monotonic() + LIMIT
        before = len(os.listdir("/proc/self/fd"))
        for _ in range(5):
            use()
        gc.collect()
        while len(os.listdir("/proc/self/fd")) > before and time.monotonic() < end:
            time.sleep(0.005)
        assert len(os.listdir("/proc/self/fd")) <= before


def test_what_waits_in_a_closed_loop_that_is_kept_is_collected(new_loop: Callable[[], Any]) -> None:
    """A policy keeps the loop of its thread, and others may."""
    with zmq.Context() as context:
        loop = new_loop()

        async def main() -> None:
            socket = za.Socket(context, zmq.PULL)
            socket.recv()
            stream = ZMQStream(context.socket(zmq.PULL))
            stream.on_recv(print)
            await asyncio.sleep(0)

        loop.run_until_complete(main())
        loop.close()
        gc.collect()
        assert len(context._sockets) == 0
        del loop


@pytest.mark.parametrize("made", ["before the loop", "with a message to send", "while it runs"])
def test_a_stream_whose_loop_runs_in_another_thread(made: str) -> None:
    """It is set up here, calls back there, and is closed here once the loop has stopped."""
    context = zmq.Context()
    one, peer = connect(context)
    loop = IOLoop(make_current=False)
    received: list[bytes] = []
    seen = threading.Event()

    def answer(message: list[bytes]) -> None:
        received.append(message[0])
        stream.send(message[0].upper())
        if len(received) == 3:
            seen.set()

    def set_up() -> None:
        nonlocal stream
        stream = ZMQStream(one, loop)
        stream.on_recv(answer)
        if made == "with a message to send":
            stream.send(b"before")

    stream: Any = None
    if made != "while it runs":
        set_up()
    peer.send(b"early")
    thread = threading.Thread(target=loop.start)
    thread.start()
    running = threading.Event()
    loop.add_callback(running.set)
    assert running.wait(LIMIT)
    if made == "while it runs":
        set_up()
    peer.send(b"one")
    peer.send(b"two")
    assert seen.wait(LIMIT)
    expected = [b"before"] * (made == "with a message to send") + [b"EARLY", b"ONE", b"TWO"]
    peer.rcvtimeo = int(LIMIT * 1000)
    assert [peer.recv() for _ in expected] == expected
    assert received == [b"early", b"one", b"two"]
    loop.add_callback(loop.stop)
    thread.join(LIMIT)
    stream.close()
    peer.close()
    context.term()
    loop.close()


def test_a_stream_that_is_closed_here_while_its_loop_runs_there() -> None:
    context = zmq.Context()
    one, peer = connect(context)
    loop = IOLoop(make_current=False)
    stream = ZMQStream(one, loop)
    stream.on_recv(print)
    running = threading.Event()
    loop.add_callback(running.set)
    thread = threading.Thread(target=loop.start)
    thread.start()
    assert running.wait(LIMIT)
    stream.close()
    peer.close()
    in_thread(context.term)
    loop.add_callback(loop.stop)
    thread.join(LIMIT)
    loop.close()


def test_a_stream_goes_on_when_its_loop_runs_again_after_another_one_received() -> None:
    context = za.Context()
    one, peer = connect(context)
    loop = IOLoop(make_current=False)
    received: list[bytes] = []
    with pytest.warns(RuntimeWarning, match="shadow"):
        stream = ZMQStream(one, loop)
    stream.on_recv(lambda message: (received.append(message[0]), loop.stop()))

    async def borrow() -> bytes:
        future = one.recv()
        peer.send(b"borrowed")
        return await future  # type: ignore[no-any-return]

    assert asyncio.run(borrow()) == b"borrowed"
    peer.send(b"streamed")
    loop.call_later(LIMIT, loop.stop)
    loop.start()
    assert received == [b"streamed"]
    stream.close()
    peer.close()
    context.term()
    loop.close()


def test_who_ran_a_loop_before_is_in_another_thread_once_it_runs_elsewhere() -> None:
    """Also where nothing has happened in the loop since, by which it would have been seen there."""
    runs, over = threading.Event(), threading.Event()
    with za.Context() as context, context.socket(zmq.PAIR) as one, context.socket(zmq.PAIR) as other:
        poller = za.Poller()
        poller.register(other, zmq.POLLIN)

        async def begin() -> list[Any]:
            return [one.recv(), poller.poll()]

        async def poll() -> None:
            await poller.poll(0)

        def stay() -> None:
            runs.set()
            assert over.wait(LIMIT)

        loop, here = asyncio.new_event_loop(), asyncio.new_event_loop()
        waiting = loop.run_until_complete(begin())
        loop.call_soon(stay)
        loop.call_soon(loop.stop)
        thread = threading.Thread(target=loop.run_forever)
        thread.start()
        try:
            assert runs.wait(LIMIT)
            with pytest.raises(RuntimeError, match="another thread"):
                zmq.Socket.shadow(one).recv(zmq.NOBLOCK)
            with pytest.raises(RuntimeError, match="another thread"):
                here.run_until_complete(poll())
        finally:
            over.set()
            thread.join(LIMIT)
        # Now it runs nowhere.
        with pytest.raises(zmq.Again):
            zmq.Socket.shadow(one).recv(zmq.NOBLOCK)
        for future in waiting:
            future.cancel()
        for each in (loop, here):
            each.close()


def test_two_who_talk_without_their_bells_go_on_in_another_thread() -> None:
    """Who waits without having looked is looked after by the loop, wherever it turns next."""
    trusted_after = _set_trusted_after(1)
    try:
        with za.Context() as context, context.socket(zmq.PAIR) as one, context.socket(zmq.PAIR) as other:
            one.bind("inproc://talk")
            other.connect("inproc://talk")

            async def play(socket: Any) -> None:
                for _ in range(20):
                    await socket.send(await socket.recv())

            def turn() -> None:
                loop.call_soon(loop.stop)
                loop.run_forever()

            loop = asyncio.new_event_loop()
            players = [loop.create_task(play(socket)) for socket in (one, other)]
            turn()
            zmq.Socket.shadow(one).send(b"ball")
            for number in range(300):
                if number % 3:
                    turn()
                else:
                    in_thread(turn)
            assert all(player.done() for player in players), "a message and who waits for it do not meet"
            loop.close()
    finally:
        _set_trusted_after(trusted_after)
