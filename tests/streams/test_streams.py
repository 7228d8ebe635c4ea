"""`ZMQStream`: callbacks for what is received and sent, their errors, and streams that end."""

from __future__ import annotations

import asyncio
import copy
import gc
import logging
import pickle
import time
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest

pytest.importorskip("tornado")

from tornado.ioloop import IOLoop

import zmq
import zmq.asyncio
from support.awaiting import CountingSelector, until
from support.every_loop import every_loop
from support.streams import run, sockets
from zmq.eventloop import zmqstream
from zmq.eventloop._handlers import Handler
from zmq.eventloop.zmqstream import ZMQStream


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
        assert got[:4] == [[b"1"], [b"2", b""], [b"3"], [b'{"n": 4}']] and got[5] == [b"6"]
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


def test_callbacks_with_the_stream_are_taken_away(context: Any) -> None:
    """None in the place of one does so, as with those without."""

    async def main() -> None:
        a, b = (ZMQStream(socket) for socket in sockets(context))
        got: list[Any] = []
        sent: list[Any] = []
        a.on_recv_stream(lambda stream, message: got.append(message))
        b.on_send_stream(lambda stream, message, status: sent.append(message))
        b.send(b"1")
        await until(lambda: len(got) == len(sent) == 1)
        a.on_recv_stream(None)
        b.on_send_stream(None)
        assert not a.receiving()
        b.send(b"2")
        await until(lambda: a.socket.poll(0))
        assert (got, sent) == ([[b"1"]], [[b"1"]])

    assert run(main) == []


def test_what_streams_are_not_made_of_and_do_not_send(context: Any) -> None:
    async def main() -> None:
        with pytest.raises(TypeError, match=r"made of a zmq\.Socket"):
            ZMQStream(object())
        _, b = (ZMQStream(socket) for socket in sockets(context))
        with pytest.raises(TypeError, match="a str is sent, not bytes of length 6"):
            b.send_string(b"secret")
        assert not b.sending()

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

    # What a coroutine raises does not go to the loop's handler, which may end the service.
    assert [type(error) for error in run(main)] == [ArithmeticError] * (25 if kind == "plain" else 0)
    assert len([each for each in caplog.records if each.name == "tornado.general"]) == 25


@pytest.mark.parametrize("kind", ["plain", "coroutine"])
def test_an_exception_after_a_send_is_reported_and_loses_nothing(
    context: Any, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
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

    assert [type(error) for error in run(main)] == [ArithmeticError] * (50 if kind == "plain" else 0)
    assert len([each for each in caplog.records if each.name == "tornado.general"]) == 50


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


@pytest.mark.parametrize("limit", [None, 0, 2])
@pytest.mark.parametrize("flag", [zmq.POLLIN, zmq.POLLIN | zmq.POLLOUT])
def test_flush_drops_what_no_callback_is_there_for(context: Any, flag: int, limit: int | None) -> None:
    async def main() -> None:
        a, b = sockets(context)
        stream = ZMQStream(a)
        got: list[Any] = []
        for number in range(5):
            b.send(b"%d" % number)
        assert stream.flush(zmq.POLLOUT) == 0 == stream.flush(0)
        assert stream.flush(flag, limit) == (limit or 5)
        stream.on_recv(got.append)
        b.send(b"new")
        await until(lambda: got and got[-1] == [b"new"])
        assert got == [[b"%d" % number] for number in range(limit or 5, 5)] + [[b"new"]]
        # Also once the callback has gone away in its midst.
        stream.on_recv(lambda message: (got.append(message), stream.stop_on_recv()))
        b.send(b"last")
        b.send(b"dropped")
        assert stream.flush(flag) == 2 and got[-1] == [b"last"] and not a.poll(0)
        stream.close()

    assert run(main) == []


@pytest.mark.parametrize("how", ["stream", "socket"])
def test_flush_ends_where_a_callback_closes(context: Any, how: str, caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        a, b = sockets(context)
        stream = ZMQStream(a)
        got: list[Any] = []
        stream.on_recv(lambda message: (got.append(message), (stream if how == "stream" else a).close()))
        b.send(b"1")
        b.send(b"2")
        assert stream.flush() == 1 and got == [[b"1"]]
        if how == "socket":
            with pytest.warns(RuntimeWarning, match="after closing socket"):
                stream.close()
        assert not [record for record in caplog.records if "Error" in record.message]

    assert run(main) == []


KEYWORDS: dict[str, tuple[Callable[..., Any], Callable[[Any], Any], Any]] = {
    "send": (lambda stream, **k: stream.send(b"x", **k), lambda socket: socket.recv(), b"x"),
    "send_multipart": (
        lambda stream, **k: stream.send_multipart([b"x", b"y"], **k),
        lambda socket: socket.recv_multipart(),
        [b"x", b"y"],
    ),
    "send_string": (lambda stream, **k: stream.send_string("ü", **k), lambda socket: socket.recv_string(), "ü"),
    "send_unicode": (lambda stream, **k: stream.send_unicode("ü", **k), lambda socket: socket.recv_string(), "ü"),
    "send_json": (lambda stream, **k: stream.send_json([1], **k), lambda socket: socket.recv_json(), [1]),
    "send_pyobj": (lambda stream, **k: stream.send_pyobj({1}, **k), lambda socket: socket.recv_pyobj(), {1}),
    "send_serialized": (
        lambda stream, **k: stream.send_serialized("x", lambda text: [text.encode()], **k),
        lambda socket: socket.recv(),
        b"x",
    ),
}


@pytest.mark.parametrize("form", KEYWORDS)
def test_every_form_takes_what_send_takes(context: Any, form: str) -> None:
    send, receive, message = KEYWORDS[form]

    async def main() -> None:
        a, b = sockets(context)
        stream = ZMQStream(a)
        statuses: list[Any] = []
        for keywords in ({"copy": False}, {"copy": False, "track": True}, {"flags": zmq.NOBLOCK, "copy": True}):
            send(stream, callback=lambda message, status: statuses.append(status), **keywords)
            assert stream.flush() == 1 and receive(b) == message
        assert [isinstance(status, zmq.MessageTracker) for status in statuses] == [True, True, False]
        send(stream, routing_id=1)  # of sockets that are not this one's type: the error says that it came so far
        stream.flush()
        assert isinstance(statuses[-1], (zmq.ZMQError, zmq.ZMQVersionError, TypeError)), statuses
        stream.close()

    assert run(main) == []


def test_json_is_made_as_asked(context: Any) -> None:
    async def main() -> None:
        a, b = sockets(context)
        stream = ZMQStream(a)
        stream.send_json({"b": 1, "a": 2}, sort_keys=True, copy=False)
        stream.flush()
        assert b.recv() == b'{"a": 2, "b": 1}'
        with pytest.raises(TypeError):
            stream.send_json(1, nonsense=True)
        assert not stream.sending()
        stream.close()

    assert run(main) == []


def test_a_callback_that_waits_is_not_collected(context: Any) -> None:
    async def main() -> None:
        a, b = sockets(context)
        stream = ZMQStream(a)
        ends: list[str] = []

        async def callback(message: list[bytes]) -> None:
            try:
                # Nobody but the coroutine itself holds what it waits for.
                await asyncio.get_running_loop().create_future()
            finally:
                ends.append("ended")

        stream.on_recv(callback)
        b.send(b"x")
        await until(lambda: zmqstream.tasks)
        await asyncio.sleep(0)
        gc.collect()
        assert not ends
        for task in list(zmqstream.tasks):
            task.cancel()
        await until(lambda: ends and not zmqstream.tasks)
        stream.close()

    assert run(main) == []


def test_an_exception_of_a_coroutine_is_logged_once(context: Any, caplog: pytest.LogCaptureFixture) -> None:
    """And ends no service whose loop has a handler that stops it."""

    async def main() -> None:
        a, b = sockets(context)
        stream = ZMQStream(a)

        async def callback(message: list[bytes]) -> None:
            raise ArithmeticError(message[0].decode())

        stream.on_recv(callback)
        for number in range(3):
            b.send(b"%d" % number)
        await until(lambda: caplog.text.count("Uncaught exception in ZMQStream callback") == 3)
        await until(lambda: not zmqstream.tasks)
        stream.close()

    assert run(main) == []
    assert [caplog.text.count(f"ArithmeticError: {number}") for number in range(3)] == [1, 1, 1]


def test_objects_are_pickled_as_short_as_can_be(context: Any) -> None:
    async def main() -> None:
        a, b = sockets(context)
        stream = ZMQStream(a)
        stream.send_pyobj([1])
        await until(lambda: not stream.sending())
        assert b.recv() == pickle.dumps([1], -1)
        stream.close()
        b.close()

    assert run(main) == []


# Floods.


def test_callbacks_that_take_long_let_others_have_their_turn(context: Any) -> None:
    async def main() -> None:
        a, b = sockets(context)
        stream = ZMQStream(a)
        clock = [0.0]
        turns: list[int] = []
        got: list[int] = []

        def callback(message: list[bytes]) -> None:
            got.append(1)
            clock[0] += 2 * zmq.get_budget()

        for _ in range(20):
            b.send(b"x")
        stream.on_recv(callback)
        before, zmqstream.monotonic = zmqstream.monotonic, lambda: clock[0]
        try:
            while len(got) < 20:
                turns.append(len(got))
                await asyncio.sleep(0)
        finally:
            zmqstream.monotonic = before
        assert max(later - earlier for earlier, later in pairwise(turns)) == 1
        stream.close()

    assert run(main) == []


@pytest.mark.parametrize("receive", [True, False], ids=["on_recv", "flush"])
def test_an_error_of_the_socket_calls_on_err(context: Any, caplog: pytest.LogCaptureFixture, receive: bool) -> None:
    async def main() -> None:
        a, b = sockets(context, zmq.PUSH, zmq.PULL)
        stream = ZMQStream(a)
        errors: list[int] = []
        stream.on_err(lambda: errors.append(1))
        if receive:
            stream.on_recv(print)  # a PUSH never receives
        for number in range(10):
            stream.send(b"%d" % number)
            assert stream.flush() == 1 and b.recv() == b"%d" % number
        stream.stop_on_err()
        stream.close()
        assert errors == [1] * receive == [1 for record in caplog.records if "RECV Error" in record.message]

    assert run(main) == []


def test_what_cannot_be_sent_is_reported_once_whatever_the_callbacks_do(
    context: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL)

    async def main() -> None:
        a, b = sockets(context)
        stream = ZMQStream(a)
        called: list[Any] = []

        def on_err() -> None:
            called.append("error")
            raise ArithmeticError

        stream.on_err(on_err)
        stream.on_send(lambda message, status: called.append((message, status)))
        stream.send("no bytes")
        stream.send(b"x")
        await until(lambda: not stream.sending())
        assert called == ["error", ([b"x"], None)] and b.recv() == b"x"
        stream.on_err(lambda: called.append("error"))
        stream.send("no bytes")
        await until(lambda: not stream.sending())
        assert called[2] == "error" and isinstance(called[3][1], TypeError)
        stream.close()

    assert [type(error) for error in run(main)] == [ArithmeticError]


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
        assert stream.socket is None and stream.closed()
        b.close()

    assert run(main) == []


USES: dict[str, Callable[[Any], Any]] = {
    "send": lambda stream: stream.send(b"x"),
    "send_multipart": lambda stream: stream.send_multipart([b"x"]),
    "send_string": lambda stream: stream.send_string("x"),
    "send_unicode": lambda stream: stream.send_unicode("x"),
    "send_json": lambda stream: stream.send_json(1),
    "send_pyobj": lambda stream: stream.send_pyobj(1),
    "send_serialized": lambda stream: stream.send_serialized(1, lambda number: [b"x"]),
    "on_recv": lambda stream: stream.on_recv(print),
    "on_recv_stream": lambda stream: stream.on_recv_stream(print),
    "stop_on_recv": lambda stream: stream.stop_on_recv(),
    "on_send": lambda stream: stream.on_send(print),
    "on_send_stream": lambda stream: stream.on_send_stream(print),
    "stop_on_send": lambda stream: stream.stop_on_send(),
    "flush": lambda stream: stream.flush(),
}


@pytest.mark.parametrize("how", ["stream", "socket"])
@pytest.mark.parametrize("use", USES)
def test_a_closed_stream_is_an_error_of_the_system(context: Any, use: str, how: str) -> None:
    async def main() -> None:
        (socket,) = sockets(context)[:1]
        stream = ZMQStream(socket)
        (stream if how == "stream" else socket).close()
        with pytest.raises(OSError, match="closed") as caught:
            USES[use](stream)
        error = caught.value
        assert isinstance(error, zmq.ZMQError) and error.errno == zmq.ENOTSOCK
        for copied in (copy.copy(error), pickle.loads(pickle.dumps(error))):
            assert (type(copied), copied.errno, str(copied)) == (type(error), error.errno, str(error))
        assert not stream.sending()
        if how == "stream":
            assert stream.socket is None and stream.closed()
            stream.close()
        else:
            with pytest.warns(RuntimeWarning, match="after closing socket"):
                stream.close()

    assert run(main) == []


def test_the_close_callback_sees_a_closed_stream(context: Any) -> None:
    async def main() -> None:
        a, _ = sockets(context)
        stream = ZMQStream(a)
        seen: list[Any] = []

        async def later() -> None:
            seen.append("later")

        stream.set_close_callback(lambda: (seen.append((stream.closed(), stream.socket, a.closed)), stream.close()))
        stream.close()
        assert seen == [(True, None, True)]
        stream = ZMQStream(sockets(context)[0])
        stream.set_close_callback(later)
        stream.close()
        await until(lambda: seen[1:] == ["later"])

    assert run(main) == []


def test_a_coroutine_that_nobody_can_run_any_more_is_dropped(context: Any, recwarn: pytest.WarningsRecorder) -> None:
    streams: list[Any] = []

    async def callback() -> None:
        raise AssertionError("nobody runs it")

    async def main() -> None:
        streams.append(ZMQStream(sockets(context)[0]))
        streams[0].set_close_callback(callback)

    assert run(main) == []
    streams[0].close()
    gc.collect()
    assert not [warning for warning in recwarn if "never awaited" in str(warning.message)]


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


@every_loop
@pytest.mark.parametrize("then", ["waits", "stops", "closes the stream"])
@pytest.mark.filterwarnings("ignore:.*after closing socket:RuntimeWarning")
def test_a_socket_closed_under_its_stream_is_told_who_waits_for_it(
    context: Any, new_loop: Callable[[], Any], caplog: pytest.LogCaptureFixture, then: str
) -> None:
    """A program that ends may close its sockets after its loop has stopped."""
    loop = new_loop()
    a, b = sockets(context)
    stream = ZMQStream(a, loop)
    stream.on_recv(print)

    async def turns() -> None:
        for _ in range(3):
            await asyncio.sleep(0)

    async def rob() -> None:
        a.close()
        if then == "closes the stream":
            stream.close()
        await turns()

    if then == "stops":
        loop.run_until_complete(turns())
        a.close()
    else:
        loop.run_until_complete(rob())
    told = [record.getMessage() for record in caplog.records if record.name.startswith("tornado")]
    stream.close()
    b.close()
    loop.close()
    assert ["attached to a closed socket" in each for each in told] == [True] * (then == "waits")


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
        address = "inproc://slow"
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


@pytest.mark.parametrize("listens", [True, False], ids=["listening", "idle"])
def test_a_loop_that_closes_its_descriptors_closes_its_streams(listens: bool) -> None:
    context = zmq.Context()
    loop = IOLoop(make_current=False)
    stream, other = (ZMQStream(context.socket(zmq.PULL), loop) for _ in range(2))
    closed: list[str] = []
    for each, name in ((stream, "stream"), (other, "other")):
        each.set_close_callback(lambda name=name: closed.append(name))
        if listens:
            each.on_recv(print)
    socket = stream.socket
    other.close()
    loop.close(all_fds=True)
    assert stream.closed() and socket.closed and closed == ["other", "stream"]
    context.term()


@pytest.mark.parametrize("how", ["closes", "drops"])
@pytest.mark.parametrize("first", [0, 1, 2])
@pytest.mark.parametrize("other", [0, 1, 2])
def test_a_stream_that_ends_with_its_loop_ends_others(other: int, first: int, how: str) -> None:
    """In its close callback, which runs while the loop goes through its descriptors, in whatever order."""
    context = zmq.Context()
    loop = IOLoop(make_current=False)
    streams = [ZMQStream(context.socket(zmq.PULL), loop) for _ in range(3)]
    made = list(streams)
    kept = [stream.socket for stream in streams]
    ended: list[int] = []

    def end() -> None:
        ended.append(first)
        if how == "closes":
            streams[other].close()
        else:
            # Nobody else has it.
            streams[other] = made[other] = None
            gc.collect()

    streams[first].set_close_callback(end)
    loop.close(all_fds=True)
    assert ended == [first] and loop.handlers == {}
    if how == "closes":
        assert all(stream.closed() for stream in streams)
    for socket in kept:
        socket.close()
    context.term()


@pytest.mark.parametrize("order", ["stream first", "socket first"])
def test_a_stream_that_ends_with_its_loop_closes_sockets_of_tasks(order: str) -> None:
    from zmq.eventloop import future

    context = future.Context()
    loop = IOLoop(make_current=False)
    push, pull = context.socket(zmq.PUSH), context.socket(zmq.PULL)
    push.bind("inproc://of-tasks")
    pull.connect("inproc://of-tasks")

    async def use() -> None:
        await push.send(b"x")
        assert await pull.recv() == b"x"

    def listen() -> Any:
        stream = ZMQStream(zmq.Socket(context, zmq.PULL), loop)
        stream.set_close_callback(lambda: (push.close(), pull.close()))
        return stream

    stream = listen() if order == "stream first" else None
    loop.run_sync(use)
    stream = stream or listen()
    assert {handler.owner() for handler, _ in loop.handlers.values() if isinstance(handler, Handler)} >= {push, pull}
    loop.close(all_fds=True)
    assert stream.closed() and push.closed and pull.closed and loop.handlers == {}
    context.term()


def test_a_stream_that_is_dropped_leaves_nothing_in_its_loop() -> None:
    context = zmq.Context()
    loop = IOLoop(make_current=False)
    before = dict(loop.handlers)
    stream = ZMQStream(context.socket(zmq.PULL), loop)
    assert len(loop.handlers) == len(before) + 1
    with pytest.warns(ResourceWarning):
        del stream
        gc.collect()
    assert loop.handlers == before
    context.term()
    loop.close()
