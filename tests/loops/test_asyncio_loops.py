"""The loops in which sockets of `zmq.asyncio` wait: one after the other, several at once, and idle ones."""

from __future__ import annotations

import asyncio
import socket as native
import threading
from typing import Any

import pytest

import zmq
import zmq.asyncio as za
import zmq.green
from support.awaiting import CountingSelector, as_if_no_loop_ran, connect, run, turns, until
from support.front_ends import LIMIT
from zmq.core.futures import loop_hub


def test_sockets_are_made_outside_a_loop(ledger: None) -> None:
    with za.Context() as context:
        a, b = connect(context)

        async def main() -> None:
            received = a.recv()
            await b.send(b"x")
            assert await received == b"x"

        run(main())
        a.close()
        b.close()


@pytest.mark.parametrize("left", [False, True], ids=["nothing-waits", "a-call-still-waits"])
def test_loops_one_after_the_other_use_one_socket(pair: Any, left: bool) -> None:
    a, b = pair
    for number in range(3):

        async def main(number: int = number) -> None:
            received = a.recv()
            await asyncio.sleep(0.01)
            await b.send(b"%d" % number)
            assert await received == b"%d" % number
            if left:
                a.recv()
                a.poll()
                await asyncio.sleep(0.01)

        loop = asyncio.new_event_loop()
        loop.run_until_complete(asyncio.wait_for(main(), LIMIT))
        loop.close()
    a.close()


@pytest.mark.parametrize("number", [1, 6], ids=["few", "many"])
def test_loops_one_after_the_other_use_one_poller(context: Any, number: int) -> None:
    pairs = [connect(context) for _ in range(number)]
    poller = za.Poller()
    for a, _ in pairs:
        poller.register(a, zmq.POLLIN)
    for _ in range(3):

        async def main() -> None:
            polled = poller.poll(LIMIT * 1000)
            await asyncio.sleep(0.01)
            await pairs[0][1].send(b"x")
            assert await polled == [(pairs[0][0], zmq.POLLIN)]
            assert await pairs[0][0].recv() == b"x"
            poller.poll()  # still waits when the loop is closed
            await asyncio.sleep(0.01)

        loop = asyncio.new_event_loop()
        loop.run_until_complete(asyncio.wait_for(main(), LIMIT))
        loop.close()
    for a, _ in pairs:
        poller.unregister(a)


def test_a_loop_that_has_stopped_gives_a_socket_up_to_one_that_runs(pair: Any) -> None:
    a, b = pair
    one, other = asyncio.new_event_loop(), asyncio.new_event_loop()

    async def receive() -> Any:
        return a.recv()

    async def received() -> None:
        future = a.recv()
        await asyncio.sleep(0)
        await b.send(b"other")
        assert await future == b"other"

    future = one.run_until_complete(receive())
    assert not future.done()
    other.run_until_complete(received())
    assert future.cancelled()
    one.run_until_complete(asyncio.sleep(0))
    one.close()
    other.close()


def test_two_loops_of_a_thread_that_run_do_not_share_a_socket(pair: Any) -> None:
    a, _ = pair
    one, other = asyncio.new_event_loop(), asyncio.new_event_loop()

    async def receive() -> None:
        future = a.recv()
        with as_if_no_loop_ran(), pytest.raises(RuntimeError, match="another event loop"):
            other.run_until_complete(received())
        assert not future.done()
        future.cancel()

    async def received() -> None:
        await a.recv()

    one.run_until_complete(receive())
    one.close()
    other.close()


@pytest.mark.parametrize("number", [0, 1, 6], ids=["native", "few", "many"])
@pytest.mark.parametrize("runs", [False, True], ids=["stopped", "runs"])
def test_a_poller_in_two_loops_of_a_thread(context: Any, number: int, runs: bool) -> None:
    """Refused while both run; a loop that was stopped gives it up."""
    poller = za.Poller()
    one_end, other_end = native.socketpair()
    sockets = [connect(context)[0] for _ in range(number)] or [one_end]
    for socket in sockets:
        poller.register(socket, zmq.POLLIN)
    one, other = asyncio.new_event_loop(), asyncio.new_event_loop()

    async def poll() -> Any:
        future = poller.poll(LIMIT * 1000)
        if runs:
            with as_if_no_loop_ran(), pytest.raises(RuntimeError, match="another event loop"):
                other.run_until_complete(polled())
            future.cancel()
        return future

    async def polled() -> Any:
        return await poller.poll(10)

    future = one.run_until_complete(poll())
    one.run_until_complete(asyncio.sleep(0))
    assert other.run_until_complete(polled()) == []
    assert future.cancelled()
    one.run_until_complete(asyncio.sleep(0))
    one.close()
    other.close()
    one_end.close()
    other_end.close()
    for socket in sockets:
        poller.unregister(socket)


def test_async_with_closes_and_lets_others_run(ledger: None) -> None:
    async def main() -> None:
        ticks: list[int] = []

        async def tick() -> None:
            while True:
                ticks.append(1)
                await asyncio.sleep(0.001)

        async with za.Context() as context:
            async with context.socket(zmq.PAIR) as a:
                a.bind("tcp://127.0.0.1:*")
                async with context.socket(zmq.PAIR) as b:
                    b.connect(a.last_endpoint)
                    await b.send(b"x")
                    assert await a.recv() == b"x"
                assert b.closed
            assert a.closed and not context.closed
            # Lingers: its peer is not there.
            with context.socket(zmq.PUSH) as push:
                push.linger = 100
                push.connect("tcp://127.0.0.1:9")
                await push.send(b"x")
            ticker = asyncio.ensure_future(tick())
        assert context.closed and len(ticks) > 5
        ticker.cancel()
        with pytest.warns(ResourceWarning, match="unclosed"):
            async with za.Context() as context:
                left = context.socket(zmq.PAIR)
        assert left.closed and context.closed

    run(main())


def test_a_socket_that_another_thread_waits_for_is_refused(pair: Any) -> None:
    a, _ = pair
    waiting, done = threading.Event(), threading.Event()

    async def main() -> None:
        received = a.recv()
        waiting.set()
        while not done.is_set():
            await asyncio.sleep(0.001)
        received.cancel()

    thread = threading.Thread(target=run, args=(main(),))
    thread.start()
    try:
        assert waiting.wait(LIMIT)

        async def other() -> None:
            with pytest.raises(RuntimeError, match="another thread"):
                await a.recv()

        run(other())
    finally:
        done.set()
        thread.join(LIMIT)
    assert not thread.is_alive()


@pytest.mark.parametrize("tcp", [False, True], ids=["inproc", "tcp"])
def test_loops_of_several_threads_talk_to_each_other(context: Any, tcp: bool) -> None:
    """Each thread has a loop: a client, or a server whose tasks share a socket and a poller."""
    pairs = [connect(context, zmq.DEALER, zmq.ROUTER, tcp) for _ in range(3)]
    results: list[list[int]] = []

    async def ask(socket: Any) -> None:
        answers = []
        for number in range(200):
            await socket.send(b"%d" % number)
            answers.append(int(await socket.recv()))
        results.append(answers)

    async def answer(socket: Any) -> None:
        poller = za.Poller()
        poller.register(socket, zmq.POLLIN)
        served = 0

        async def serve() -> None:
            nonlocal served
            while served < 200:
                await poller.poll(20)
                try:
                    message = await socket.recv_multipart(zmq.NOBLOCK)
                except zmq.Again:
                    continue
                served += 1
                await socket.send_multipart(message)

        await asyncio.gather(serve(), serve())
        poller.unregister(socket)

    mains = [main for a, b in pairs for main in (ask(a), answer(b))]
    threads = [threading.Thread(target=run, args=(main,)) for main in mains]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LIMIT)
    assert not any(thread.is_alive() for thread in threads)
    assert results == [list(range(200))] * 3


def test_an_await_that_need_not_wait_does_not_visit_the_loop(pair: Any, unhurried: None) -> None:
    a, b = pair
    selector = CountingSelector()
    loop = asyncio.SelectorEventLoop(selector)

    async def main() -> None:
        poller = za.Poller()
        poller.register(a, zmq.POLLIN)
        before = selector.looks
        for _ in range(100):
            await b.send(b"x")
            assert await a.poll() == zmq.POLLIN
            assert await poller.poll() == [(a, zmq.POLLIN)]
            assert await a.recv() == b"x"
            await b.send_json(1)
            assert await a.recv_json() == 1
        assert selector.looks == before
        poller.unregister(a)

    loop.run_until_complete(asyncio.wait_for(main(), LIMIT))
    loop.close()


def test_nothing_stays_registered_with_the_loop(pair: Any) -> None:
    a, b = pair
    selector = CountingSelector()
    loop = asyncio.SelectorEventLoop(selector)
    before = len(selector.get_map())

    async def main() -> None:
        received, polled = a.recv(), a.poll()
        await asyncio.sleep(0.01)
        assert len(selector.get_map()) > before
        await b.send(b"x")
        await received
        polled.cancel()
        await until(lambda: len(selector.get_map()) == before)
        looks = selector.looks
        await asyncio.sleep(0.05)
        assert selector.looks <= looks + 3

    loop.run_until_complete(asyncio.wait_for(main(), LIMIT))
    assert len(selector.get_map()) == before
    loop.close()


def test_a_bell_that_rings_while_nobody_waits_does_not_turn_the_loop(
    pair: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is watched still, and nobody stills it."""
    monkeypatch.setattr(loop_hub, "LINGER", 1000)
    a, b = pair
    selector = CountingSelector()
    loop = asyncio.SelectorEventLoop(selector)

    async def main() -> None:
        for message in (b"1", b"2"):
            received = a.recv()
            await turns()
            watched = len(selector.get_map())
            await b.send(message)
            assert await received == message
            # One that finds nothing has the next message ring the bell.
            assert isinstance(a.recv(zmq.NOBLOCK).exception(), zmq.Again)
            await b.send(b"-")
            looks = selector.looks
            await asyncio.sleep(0.05)
            assert selector.looks <= looks + 4
            assert len(selector.get_map()) == watched - 1
            assert await a.recv() == b"-"

    loop.run_until_complete(asyncio.wait_for(main(), LIMIT))
    loop.close()


def test_an_idle_receive_lets_the_loop_sleep(pair: Any) -> None:
    a, _ = pair
    selector = CountingSelector()
    loop = asyncio.SelectorEventLoop(selector)

    async def main() -> None:
        received = a.recv()
        await asyncio.sleep(0.01)
        looks = selector.looks
        await asyncio.sleep(0.1)
        assert selector.looks <= looks + 3
        received.cancel()

    loop.run_until_complete(asyncio.wait_for(main(), LIMIT))
    loop.close()


@pytest.fixture
def uvloop() -> Any:
    module = pytest.importorskip("uvloop")
    module.new_event_loop().close()  # what the first one opens stays open
    return module


def test_a_loop_of_uvloop_serves(uvloop: Any, pair: Any) -> None:
    a, b = pair

    async def main() -> None:
        polled = a.poll()
        await asyncio.sleep(0.01)
        await b.send(b"x")
        assert await polled == zmq.POLLIN
        assert await a.recv() == b"x"
        a.rcvtimeo = 10
        with pytest.raises(zmq.Again):
            await a.recv()
        tasks = asyncio.gather(*[b.send(b"%d" % number) for number in range(500)])
        assert [await a.recv() for _ in range(500)] == [b"%d" % number for number in range(500)]
        await tasks

    loop = uvloop.new_event_loop()
    loop.run_until_complete(asyncio.wait_for(main(), LIMIT))
    loop.close()


def test_the_loop_can_be_said(ledger: None) -> None:
    """As programs for old versions of PyZMQ do; it is used then, whichever runs."""
    loop = asyncio.new_event_loop()
    with za.Context() as context, zmq.Context() as plain_context:
        with pytest.warns(DeprecationWarning, match="io_loop"):
            socket = za.Socket(context, zmq.PULL, loop)
        with plain_context.socket(zmq.PULL) as original, pytest.warns(DeprecationWarning, match="io_loop"):
            shadow = za.Socket.from_socket(original, io_loop=loop)
        for each in (socket, shadow):
            assert each._get_loop() is loop
        socket.close()
    loop.close()


def test_who_waits_is_listed(pair: Any) -> None:
    """Under the names that PyZMQ has for that."""

    async def main() -> None:
        _, b = pair
        assert b._recv_futures == b._send_futures == []
        receives = [b.recv(), b.poll(flags=zmq.POLLIN)]
        assert list(b._recv_futures) == receives and not b._send_futures
        for each in receives:
            each.cancel()

    run(main())


def test_what_old_programs_call_is_there() -> None:
    with pytest.warns(DeprecationWarning, match="nothing to install"):
        za.install()
    with pytest.warns(DeprecationWarning, match="any event loop"):
        loop = za.ZMQEventLoop()
    assert loop.run_until_complete(asyncio.sleep(0, 5)) == 5
    loop.close()
