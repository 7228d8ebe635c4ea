"""Sockets for tornado's coroutines, and the old names of its loop."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Iterator
from itertools import count, pairwise
from typing import Any

import pytest

pytest.importorskip("tornado")

from tornado import gen
from tornado.ioloop import IOLoop

import zmq
from support.front_ends import FRONT_ENDS, LIMIT, wait_until
from zmq.eventloop import future, ioloop

numbers = count()


@pytest.fixture
def loop(ledger: None) -> Iterator[Any]:
    loop = IOLoop(make_current=False)
    yield loop
    loop.close()


@pytest.fixture
def context(loop: Any) -> Iterator[Any]:
    context = future.Context()
    yield context
    context.destroy(linger=0)


def connect(context: Any) -> Any:
    a, b = context.socket(zmq.PAIR), context.socket(zmq.PAIR)
    address = f"inproc://tornado-{next(numbers)}"
    a.bind(address)
    b.connect(address)
    return a, b


def test_coroutines_of_both_kinds_wait(loop: Any, context: Any) -> None:
    a, b = connect(context)
    poller = future.Poller()
    poller.register(a, zmq.POLLIN)

    @gen.coroutine  # type: ignore[untyped-decorator]
    def generator() -> Any:
        received, polled = a.recv_json(), poller.poll()
        yield gen.sleep(0.01)
        assert not received.done() and not polled.done()
        yield b.send_json([1])
        assert (yield received) == [1]
        polled.cancel()
        yield gen.sleep(0)

    async def coroutine() -> None:
        polled = a.poll(LIMIT * 1000)
        await asyncio.sleep(0.01)
        await b.send_multipart([b"1", b"2"])
        assert await polled == zmq.POLLIN
        assert await poller.poll() == [(a, zmq.POLLIN)]
        assert await a.recv_multipart() == [b"1", b"2"]
        with pytest.raises(gen.TimeoutError):
            await gen.with_timeout(loop.time() + 0.01, a.recv(), quiet_exceptions=future.CancelledError)

    loop.run_sync(generator, timeout=LIMIT)
    loop.run_sync(coroutine, timeout=LIMIT)
    a.close()
    assert poller.sockets == [(a, zmq.POLLIN)]


def test_what_need_not_wait_lets_callbacks_have_their_turn(loop: Any, context: Any) -> None:
    a, b = connect(context)
    ran: list[int] = []
    calls = 0

    def others() -> None:
        ran.append(calls)
        loop.add_callback(others)

    async def main() -> None:
        nonlocal calls
        loop.add_callback(others)
        while calls < 1000:
            await a.send(b"x")
            assert await b.recv() == b"x"
            calls += 1

    before = zmq.get_budget()
    zmq.set_budget(1e-9)
    try:
        loop.run_sync(main, timeout=LIMIT)
    finally:
        zmq.set_budget(before)
    a.close()
    b.close()
    assert len(ran) >= 5 and max(after - earlier for earlier, after in pairwise([*ran, calls])) <= 200


def test_a_loop_that_closes_its_descriptors_closes_the_sockets(ledger: None) -> None:
    loop = IOLoop(make_current=False)
    with future.Context() as context:
        a, b = connect(context)

        async def main() -> None:
            await b.send(b"x")
            assert await a.recv() == b"x"

        loop.run_sync(main, timeout=LIMIT)
        loop.close(all_fds=True)
        assert a.closed and b.closed


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_a_socket_that_is_dropped_leaves_nothing_in_its_loop(ledger: None) -> None:
    """A coroutine that makes, uses and drops one for each request."""
    loop = IOLoop(make_current=False)
    with future.Context() as context:

        async def main() -> None:
            a, b = connect(context)
            await b.send(b"x")
            assert await a.recv() == b"x"
            dropped.append(weakref.ref(a))
            del a, b

        dropped: list[Any] = []
        before = dict(loop.handlers)
        for _ in range(3):
            loop.run_sync(main, timeout=LIMIT)
        wait_until(FRONT_ENDS[0], lambda: gc.collect() is not None and not any(each() for each in dropped))
        assert loop.handlers == before
    loop.close(all_fds=True)


def test_several_sockets_for_one_handle(loop: Any, context: Any) -> None:
    """And one that has the number of what another object closed."""

    async def main() -> None:
        a, b = connect(context)
        shadow = future.Socket.shadow(a)
        for receiver in (a, shadow, a):
            await b.send(b"x")
            assert await receiver.recv() == b"x"
        zmq.Socket.shadow(a.underlying)
        number = a.fileno()
        a.close()
        b.close()
        others: list[Any] = []
        # As soon as libzmq has closed it.
        while not any(number == socket.fileno() for pair in others for socket in pair):
            others.append(connect(context))
            for _ in range(2):
                await others[-1][0].send(b"y")
                assert await others[-1][1].recv() == b"y"
        for pair in others:
            for socket in pair:
                socket.close()

    loop.run_sync(main, timeout=LIMIT)


@pytest.mark.parametrize("which", [0, 1])
def test_a_loop_that_closes_its_descriptors_closes_a_socket_that_is_closed_meanwhile(ledger: None, which: int) -> None:
    """By what the loop closes before it, or after."""
    loop = IOLoop(make_current=False)
    with future.Context() as context:
        sockets = connect(context)

        class Descriptor:
            """Some other thing with a descriptor, which closes one of the sockets when it is closed."""

            def fileno(self) -> int:
                return -5

            def close(self) -> None:
                sockets[which].close()

        async def main() -> None:
            await sockets[0].send(b"x")
            loop.add_handler(Descriptor(), lambda fd, events: None, 0)
            assert await sockets[1].recv() == b"x"

        loop.run_sync(main, timeout=LIMIT)
        assert len(loop.handlers) >= 3
        loop.close(all_fds=True)
        assert [socket.closed for socket in sockets] == [True, True] and loop.handlers == {}


def test_a_context_of_a_loop_warns_and_works(loop: Any, ledger: None) -> None:
    """A keyword of old programs: the sockets use the loop that runs."""

    async def main() -> None:
        a, b = connect(context)
        received = a.recv()
        await b.send(b"x")
        assert await received == b"x" and received.get_loop() is asyncio.get_running_loop()
        a.close()
        b.close()

    with pytest.warns(DeprecationWarning, match=r"Context\(io_loop\) is deprecated") as caught:
        context = future.Context(io_loop=loop)
    assert [warning.filename for warning in caught] == [__file__]
    assert type(context) is future.Context and not context.closed
    loop.run_sync(main, timeout=LIMIT)
    context.term()
    with pytest.warns(DeprecationWarning, match="io_loop"):
        context = future.Context(2, io_loop=loop)
    assert context.io_threads == 2
    loop.run_sync(main, timeout=LIMIT)
    context.term()
    # Without the keyword it does not warn.
    future.Context(io_loop=None).term()


def test_the_package_has_the_loop_too(ledger: None) -> None:
    import zmq.eventloop
    from zmq.eventloop import IOLoop as same

    assert same is IOLoop is zmq.eventloop.IOLoop and zmq.eventloop.__all__ == ["IOLoop"]
    with pytest.raises(AttributeError, match="no_such_name"):
        zmq.eventloop.no_such_name  # noqa: B018


@pytest.mark.filterwarnings("ignore:get_new_ioloop is deprecated:DeprecationWarning")
def test_a_test_case_of_tornados_takes_the_old_loop(ledger: None) -> None:
    from tornado.testing import AsyncTestCase, gen_test

    from zmq.eventloop.zmqstream import ZMQStream

    class Case(AsyncTestCase):
        def get_new_ioloop(self) -> IOLoop:
            return ioloop.ZMQIOLoop(make_current=False)

        @gen_test  # type: ignore[untyped-decorator]
        def runTest(self) -> Any:
            with zmq.Context() as context, context.socket(zmq.PAIR) as socket:
                stream = ZMQStream(socket, self.io_loop)
                assert ZMQStream.on_recv(stream, print) is None and stream.io_loop is IOLoop.current()
                yield gen.sleep(0)
                stream.close()

    result = Case().run()
    assert result is not None and not result.errors + result.failures, result.errors


def test_old_names_are_those_of_tornado(ledger: None) -> None:
    assert ioloop.ZMQIOLoop is ioloop.IOLoop is IOLoop
    with pytest.warns(DeprecationWarning, match="nothing to install"):
        ioloop.install()
