"""`ZMQStream`: callbacks for what is received and sent, their errors, and streams that end."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

import pytest

pytest.importorskip("tornado")

from test_asyncio import CountingSelector, until

import zmq
from front_ends import LIMIT
from zmq.eventloop.zmqstream import ZMQStream

numbers = count()


@pytest.fixture
def context(ledger: None) -> Iterator[Any]:
    context = zmq.Context()
    yield context
    context.destroy(linger=0)


def sockets(context: Any, one: int = zmq.DEALER, other: int = zmq.DEALER, **options: Any) -> Any:
    a, b = context.socket(one), context.socket(other)
    for socket in (a, b):
        socket.linger = 0
        for name, value in options.items():
            setattr(socket, name, value)
    address = f"inproc://streams-{next(numbers)}"
    a.bind(address)
    b.connect(address)
    return a, b


def run(main: Callable[[], Any], loop: Any = None) -> list[Any]:
    """Run a coroutine function; return what was reported to the loop's exception handler."""
    reported: list[Any] = []
    loop = loop or asyncio.new_event_loop()
    loop.set_exception_handler(lambda loop, context: reported.append(context.get("exception")))
    try:
        loop.run_until_complete(asyncio.wait_for(main(), LIMIT))
    finally:
        loop.close()
    return reported


def test_every_kind_of_send_and_receive(context: Any) -> None:
    async def main() -> None:
        a, b = (ZMQStream(socket) for socket in sockets(context))
        got: list[Any] = []
        sent: list[Any] = []
        a.on_recv(got.append)
        b.on_send_stream(lambda stream, message, status: sent.append((stream, message, status)))
        b.send(b"1")
        b.send_multipart([b"2", b""])
        b.send_string("3")
        b.send_json({"n": 4})
        b.send_pyobj(5)
        b.send_serialized("6", lambda text: [text.encode()])
        assert b.sending() and a.receiving() and not a.sending()
        await until(lambda: len(got) == len(sent) == 6)
        assert got[:4] == [[b"1"], [b"2", b""], [b"3"], [b'{"n":4}']] and got[5] == [b"6"]
        assert [stream for stream, _, _ in sent] == [b] * 6 and [message for _, message, _ in sent] == got
        a.on_recv_stream(lambda stream, message: got.append((stream, message)), copy=False)
        b.stop_on_send()
        b.send(b"7", copy=False, track=True)
        await until(lambda: len(got) == 7)
        assert got[6][0] is a and isinstance(got[6][1][0], zmq.Frame) and len(sent) == 6
        a.stop_on_recv()
        assert not a.receiving()
        b.send(b"8", callback=lambda message, status: sent.append(message))
        await until(lambda: len(sent) == 7)
        assert a.socket.recv() == b"8"
        a.close()
        b.close()

    assert run(main) == []


def test_ten_thousand_messages_come_in_order_through_several_streams(context: Any) -> None:
    async def main() -> None:
        pairs = [[ZMQStream(socket) for socket in sockets(context, zmq.PUSH, zmq.PULL)] for _ in range(4)]
        got: list[list[int]] = [[] for _ in pairs]
        for (push, pull), numbers in zip(pairs, got, strict=True):
            pull.on_recv(lambda message, numbers=numbers: numbers.append(int(message[0])))
            for number in range(2500):
                push.send(b"%d" % number)
        await until(lambda: sum(map(len, got)) == 10_000)
        assert got == [list(range(2500))] * 4
        for pair in pairs:
            for stream in pair:
                stream.close()

    assert run(main) == []


@pytest.mark.parametrize("kind", ["plain", "coroutine"])
def test_an_exception_in_a_callback_is_reported_and_loses_nothing(
    context: Any, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL)

    async def main() -> None:
        a, b = sockets(context)
        stream = ZMQStream(a)
        got: list[bytes] = []

        def callback(message: list[bytes]) -> None:
            got.append(message[0])
            if int(message[0]) % 2:
                raise ArithmeticError(message[0])

        async def coroutine(message: list[bytes]) -> None:
            await asyncio.sleep(0)
            callback(message)

        stream.on_recv(callback if kind == "plain" else coroutine)
        for number in range(50):
            b.send(b"%d" % number)
        await until(lambda: len(got) == 50)
        assert got == [b"%d" % number for number in range(50)]
        await asyncio.sleep(0.01)
        stream.close()
        b.close()

    reported = run(main)
    assert [type(error) for error in reported] == [ArithmeticError] * 25


@pytest.mark.parametrize("kind", ["plain", "coroutine"])
def test_an_exception_after_a_send_is_reported_and_loses_nothing(
    context: Any, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL)

    async def main() -> None:
        a, b = sockets(context)
        stream = ZMQStream(a)
        sent: list[bytes] = []

        def callback(message: list[bytes], status: Any) -> None:
            sent.append(message[0])
            raise ArithmeticError(message[0])

        async def coroutine(message: list[bytes], status: Any) -> None:
            callback(message, status)

        stream.on_send(callback if kind == "plain" else coroutine)
        for number in range(50):
            stream.send(b"%d" % number)
        await until(lambda: len(sent) == 50)
        assert sent == [b.recv() for _ in range(50)] == [b"%d" % number for number in range(50)]
        await asyncio.sleep(0.01)
        stream.close()
        b.close()

    assert [type(error) for error in run(main)] == [ArithmeticError] * 50


def test_flush_minds_its_direction_and_its_limit(context: Any) -> None:
    async def main() -> None:
        a, b = sockets(context)
        stream = ZMQStream(a)
        got: list[Any] = []
        stream.on_recv(got.append)
        for number in range(10):
            b.send(b"%d" % number)
            stream.send(b"back")
        assert stream.flush(zmq.POLLOUT) == 10 and not stream.sending() and got == []
        assert stream.flush(zmq.POLLIN, limit=3) == 3 == len(got)
        stream.send(b"back")
        assert stream.flush() == 8 and len(got) == 10
        assert stream.flush() == 0
        stream.close()
        b.close()

    assert run(main) == []


def test_an_error_of_the_socket_calls_on_err(context: Any, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL)

    async def main() -> None:
        socket = context.socket(zmq.REQ)
        stream = ZMQStream(socket)
        errors: list[int] = []
        stream.on_err(lambda: errors.append(1))
        stream.on_recv(print)  # a REQ must send first
        await until(lambda: errors)
        stream.stop_on_err()
        stream.close()

    assert run(main) == []


def test_a_stream_is_closed_from_its_own_callback(context: Any) -> None:
    async def main() -> None:
        a, b = sockets(context)
        stream = ZMQStream(a)
        got: list[Any] = []
        stream.set_close_callback(lambda: got.append("closed"))

        def callback(message: list[bytes]) -> None:
            got.append(message)
            stream.close()

        stream.on_recv(callback)
        b.send(b"1")
        b.send(b"2")
        await until(stream.closed)
        await asyncio.sleep(0.01)
        assert got == [[b"1"], "closed"] and a.closed
        stream.close()
        for call in (lambda: stream.send(b"x"), lambda: stream.on_recv(print), stream.flush):
            with pytest.raises(zmq.ZMQError, match="closed") as caught:
                call()
            assert caught.value.errno == zmq.ENOTSOCK
        b.close()

    assert run(main) == []


def test_a_socket_closed_under_its_stream(context: Any) -> None:
    async def main() -> None:
        a, b = sockets(context)
        stream = ZMQStream(a)
        stream.on_recv(print)
        a.close()
        with pytest.raises(zmq.ZMQError, match="closed"):
            stream.send(b"x")
        with pytest.warns(RuntimeWarning, match="after closing socket"):
            assert stream.closed()
        b.close()

    assert run(main) == []


def test_a_stream_of_a_closed_loop_refuses_and_its_socket_lives(
    context: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    a, b = sockets(context)
    streams: list[Any] = []

    async def main() -> None:
        streams.append(ZMQStream(a))
        streams[0].on_recv(print)

    run(main)
    with pytest.raises(RuntimeError, match="closed"):
        streams[0].send(b"x")
    stream = streams[0]
    for call in (
        lambda: stream.on_recv(print),
        lambda: stream.on_send(print),
        lambda: stream.send_json(1),
        stream.flush,
    ):
        with pytest.raises(RuntimeError, match="loop of this stream is closed"):
            call()
    b.send(b"y")
    assert a.recv() == b"y"
    stream.stop_on_recv()
    assert not stream.receiving() and not stream.sending()
    stream.close()
    b.close()
    # Nor does a later call on the socket report anything.
    assert capsys.readouterr().err == ""


def test_events_read_by_others_do_not_swallow_the_news(context: Any) -> None:
    async def main() -> None:
        a, b = sockets(context)
        stream = ZMQStream(a)
        got: list[Any] = []
        stream.on_recv(got.append)
        for number in range(100):
            await asyncio.sleep(0)
            b.send(b"x")
            assert a.get(zmq.EVENTS) & zmq.POLLIN
            a.poll(0)
            await until(lambda number=number: len(got) == number + 1)
        stream.close()
        b.close()

    assert run(main) == []


class Slow(zmq.Socket):  # type: ignore[type-arg]
    """Lets a message come just before a send is tried."""

    before: list[Callable[[], object]] = []  # noqa: RUF012

    def send_multipart(self, *args: Any, **kwargs: Any) -> Any:
        while self.before:
            self.before.pop()()
        return super().send_multipart(*args, **kwargs)


def test_a_send_in_vain_does_not_swallow_the_news(context: Any) -> None:
    async def main() -> None:
        a, b = Slow(context, zmq.DEALER), context.socket(zmq.DEALER)
        a.linger, a.sndhwm, b.rcvhwm = 0, 1, 1
        address = f"inproc://streams-{next(numbers)}"
        a.bind(address)
        b.connect(address)
        stream = ZMQStream(a)
        got: list[Any] = []
        stream.on_recv(got.append)
        for _ in range(5):
            stream.send(b"x")
        await asyncio.sleep(0.05)
        assert stream.sending()

        def come() -> None:
            b.send(b"news")
            time.sleep(0.02)  # so that the send looks into the mailbox

        Slow.before.append(come)
        stream.send(b"y")
        await until(lambda: got)
        assert got == [[b"news"]]
        stream.close()
        b.close()

    assert run(main) == []


@pytest.mark.parametrize("sending", [False, True], ids=["receiving", "without-room"])
def test_an_idle_stream_does_not_spin(context: Any, sending: bool) -> None:
    selector = CountingSelector()

    async def main() -> None:
        socket = context.socket(zmq.DEALER)
        stream = ZMQStream(socket)
        stream.on_recv(print)
        if sending:
            stream.send(b"nobody is there")
        await asyncio.sleep(0.02)
        looks = selector.looks
        await asyncio.sleep(0.2)
        assert selector.looks <= looks + 5
        stream.close(linger=0)

    assert run(main, asyncio.SelectorEventLoop(selector)) == []
