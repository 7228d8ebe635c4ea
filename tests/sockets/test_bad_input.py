"""What is wrong gets a clear exception, nothing leaks, and the socket stays usable."""

from __future__ import annotations

import array
import asyncio
import errno
from collections.abc import Callable, Iterator
from pickle import PicklingError
from types import ModuleType
from typing import Any

import pytest

import zmq as plain
import zmq.asyncio as za
from zmq.core._text import encode, without_user
from zmq.core.error import InterruptedSystemCall, error_for

Pair = Callable[..., tuple[Any, Any]]


@pytest.fixture
def usable(pair: Pair, zmq: ModuleType) -> Iterator[tuple[Any, Any]]:
    """Give a pair of sockets, and see that it works afterwards as if nothing had happened."""
    a, b = pair()
    yield a, b
    a.send_multipart([b"still", b"usable"])
    assert b.recv_multipart() == [b"still", b"usable"]
    with pytest.raises(zmq.Again):
        b.recv(zmq.NOBLOCK)


def test_a_str_is_no_message(usable: tuple[Any, Any]) -> None:
    a, _ = usable
    for send in (
        lambda: a.send("text"),
        lambda: a.send("text", copy=False),
        lambda: a.send("text", 2),
    ):
        with pytest.raises(TypeError, match="send_string"):
            send()


@pytest.mark.parametrize("nothing", [None, 5, 1.5, ["list"], object()])
def test_what_has_no_buffer(usable: tuple[Any, Any], nothing: Any) -> None:
    a, b = usable
    for copy in (True, False):
        with pytest.raises(TypeError):
            a.send(nothing, copy=copy)
        with pytest.raises(TypeError, match="Frame 1"):
            a.send_multipart([b"0", nothing], copy=copy)
    with pytest.raises(TypeError):
        b.recv_into(nothing)


def test_multipart_that_is_none(usable: tuple[Any, Any]) -> None:
    a, _ = usable
    with pytest.raises(TypeError):
        a.send_multipart(5)
    with pytest.raises(TypeError, match="Frame 0"):
        a.send_multipart("text")
    with pytest.raises(IndexError, match="at least one"):
        a.send_multipart([])


def test_buffers_that_are_not_contiguous(usable: tuple[Any, Any], zmq: ModuleType) -> None:
    a, b = usable
    gaps = memoryview(bytearray(100))[::3]
    for copy in (True, False):
        with pytest.raises(BufferError):
            a.send(gaps, copy=copy)
        with pytest.raises(BufferError):
            a.send_multipart([b"0", gaps], copy=copy)
    with pytest.raises(BufferError):
        zmq.Frame(gaps)
    a.send(b"kept")
    with pytest.raises(BufferError):
        b.recv_into(gaps)
    assert b.recv() == b"kept"


@pytest.mark.parametrize("readonly", [b"bytes", memoryview(b"view")])
def test_receiving_into_what_is_read_only(usable: tuple[Any, Any], readonly: Any) -> None:
    a, b = usable
    a.send(b"kept")
    with pytest.raises(BufferError):
        b.recv_into(readonly)
    assert b.recv() == b"kept"


def test_receiving_more_than_the_buffer_has(usable: tuple[Any, Any]) -> None:
    a, b = usable
    a.send(b"kept")
    for nbytes in (-1, 11):
        with pytest.raises(ValueError, match=str(nbytes)):
            b.recv_into(bytearray(10), nbytes=nbytes)
    assert b.recv() == b"kept"


def test_a_buffer_is_free_again_after_a_refusal(usable: tuple[Any, Any], zmq: ModuleType) -> None:
    """An export that was kept would forbid to resize the object for ever."""
    a, b = usable
    data, items = bytearray(10), array.array("B", bytes(10))
    for held in (data, items):
        with pytest.raises(TypeError):
            a.send_multipart([held, None])
        with pytest.raises(zmq.Again):
            b.recv_into(held, flags=zmq.NOBLOCK)
        with pytest.raises(TypeError):
            a.send(held, "flags")
        a.send(held)
        b.recv()
    data.append(1)
    items.append(1)


def test_flags_that_are_no_flags(usable: tuple[Any, Any]) -> None:
    a, b = usable
    for use in (lambda: a.send(b"1", "now"), lambda: b.recv("now"), lambda: b.recv_multipart(b"")):
        with pytest.raises(TypeError):
            use()


def test_arguments_that_do_not_exist(usable: tuple[Any, Any], zmq: ModuleType) -> None:
    a, b = usable
    for use in (
        lambda: a.send(b"1", no_such=1),
        lambda: a.send_multipart([b"1"], no_such=1),
        lambda: a.send_string("1", no_such=1),
        lambda: b.recv(no_such=1),
        lambda: zmq.Context(no_such=1),
        lambda: a.context.socket(zmq.PAIR, no_such=1),
    ):
        with pytest.raises(TypeError):
            use()


def test_strings_that_are_none(usable: tuple[Any, Any]) -> None:
    a, b = usable
    with pytest.raises(TypeError, match="send for bytes"):
        a.send_string(b"bytes")
    with pytest.raises(UnicodeEncodeError):
        a.send_string("ü", encoding="ascii")
    with pytest.raises(LookupError):
        a.send_string("u", encoding="no such encoding")
    a.send(b"\xff")
    with pytest.raises(UnicodeDecodeError):
        b.recv_string()
    with pytest.raises(TypeError):
        a.send_json(object())
    with pytest.raises((TypeError, AttributeError, PicklingError)):
        a.send_pyobj(lambda: None)


def test_what_draft_sockets_need(usable: tuple[Any, Any], zmq: ModuleType) -> None:
    a, _ = usable
    if zmq.DRAFT_API:
        pytest.skip("this libzmq has its draft API")
    for use in (
        lambda: a.join("group"),
        lambda: a.leave("group"),
        lambda: a.send(b"1", group="group"),
        lambda: a.send(b"1", routing_id=5),
        lambda: zmq.Frame(b"1").group,
        lambda: zmq.Frame(b"1").routing_id,
    ):
        with pytest.raises(zmq.ZMQVersionError, match="draft"):
            use()


def test_the_class_of_an_error_is_that_of_its_number() -> None:
    for number, kind in {
        plain.EAGAIN: plain.Again,
        plain.ETERM: plain.ContextTerminated,
        errno.EINTR: InterruptedSystemCall,
        plain.EFSM: plain.ZMQError,
    }.items():
        error = error_for(number)
        assert type(error) is kind and error.errno == number and str(error)
        assert str(error_for(number, "why")).startswith("why")


@pytest.mark.parametrize("seconds", [-1, float("nan")])
def test_a_budget_is_no_less_than_nothing(seconds: float, zmq: ModuleType) -> None:
    before = plain.get_budget()
    with pytest.raises(ValueError, match="0 or more"):
        plain.set_budget(seconds)
    assert plain.get_budget() == before


def test_an_encoding_with_an_error_of_its_own(usable: tuple[Any, Any]) -> None:
    """The text is not in the error."""
    a, _ = usable
    with pytest.raises(UnicodeError) as caught:
        a.send_string("a secret", encoding="undefined")
    assert "undefined" in str(caught.value) and "secret" not in str(caught.value)


#: Receives whose arguments are wrong, which only the message would need.
WRONG_RECEIVES: dict[str, Callable[[Any], Any]] = {
    "no encoding": lambda socket: socket.recv_string(encoding="nonsense"),
    "no encoding of text": lambda socket: socket.recv_string(encoding="hex"),
    "an encoding that is no str": lambda socket: socket.recv_string(encoding=5),
    "no argument of json": lambda socket: socket.recv_json(nonsense=1),
    "no function": lambda socket: socket.recv_serialized(None),
}


@pytest.mark.parametrize("how", WRONG_RECEIVES)
def test_a_message_is_not_taken_for_arguments_that_are_wrong(usable: tuple[Any, Any], how: str) -> None:
    a, b = usable
    a.send(b'"kept"')
    for _ in range(2):
        with pytest.raises((LookupError, TypeError)):
            WRONG_RECEIVES[how](b)
    assert b.recv_json(parse_float=str) == "kept"


@pytest.mark.parametrize("how", WRONG_RECEIVES)
def test_nor_is_it_in_a_loop(how: str) -> None:
    async def main() -> None:
        with za.Context() as context, context.socket(plain.PAIR) as a, context.socket(plain.PAIR) as b:
            a.bind("inproc://x")
            b.connect("inproc://x")
            await a.send(b'"kept"')
            for _ in range(2):
                with pytest.raises((LookupError, TypeError)):
                    await WRONG_RECEIVES[how](b)
            assert await b.recv_json(parse_float=str) == "kept"

    asyncio.run(main())


def test_an_error_describes_what_it_does_not_show() -> None:
    assert without_user(5) == "int"
    with pytest.raises(UnicodeError, match=r"^str of length 8 .*'undefined'$"):
        encode("a secret", "undefined")


@pytest.mark.parametrize("part", ["text", 5, None])
def test_parts_of_a_class_with_its_own_send(context: Any, zmq: ModuleType, part: object) -> None:
    """All are looked at before the first is sent."""
    sent = []

    class Own(zmq.Socket):  # type: ignore[name-defined, misc]
        def send(self, *args: Any, **kwargs: Any) -> Any:
            sent.append(args)
            return super().send(*args, **kwargs)

    socket = Own(context, zmq.PUSH)
    with pytest.raises(TypeError, match="1"):
        socket.send_multipart([b"first", part])
    socket.close()
    assert sent == []


def test_errors_know_what_they_are(zmq: ModuleType) -> None:
    assert issubclass(zmq.Again, zmq.ZMQError) and issubclass(zmq.ContextTerminated, zmq.ZMQError)
    assert issubclass(zmq.ZMQError, zmq.ZMQBaseError) and issubclass(zmq.ZMQBindError, zmq.ZMQBaseError)
    assert zmq.error.Again is zmq.Again
    error = zmq.ZMQError(zmq.EINVAL)
    assert error.errno == zmq.EINVAL and error.strerror == str(error) == zmq.strerror(zmq.EINVAL)
    assert str(zmq.ZMQError(zmq.EINVAL, "in other words")) == "in other words"
    assert zmq.Again().errno == zmq.EAGAIN and zmq.ContextTerminated().errno == zmq.ETERM


def test_methods_refuse_objects_of_other_classes(zmq: ModuleType) -> None:
    for cls in (zmq.Context, zmq.Socket, zmq.Frame):
        for name in dir(cls):
            method = getattr(cls, name)
            if name.startswith("_") or not callable(method) or getattr(method, "__self__", None) is not None:
                continue
            for other in (None, [], 1, object(), cls):
                with pytest.raises(TypeError):
                    method(other)


def test_objects_that_were_never_made(zmq: ModuleType) -> None:
    frame = zmq.Frame.__new__(zmq.Frame)
    assert frame.bytes == b"" and len(frame) == 0 and bytes(frame.buffer) == b""
    socket = zmq.Socket.__new__(zmq.Socket)
    assert socket.closed
    context = zmq.Context.__new__(zmq.Context)
    assert context.closed and "socket" in dir(context)
    zmq.Poller.__new__(zmq.Poller)
    for use in (
        lambda: socket.send(b"1"),
        lambda: socket.recv(),
        lambda: socket.poll(0),
        lambda: zmq.proxy(socket, socket),
        lambda: context.socket(zmq.PUSH),
        lambda: zmq.Socket(context, zmq.PUSH),
    ):
        with pytest.raises(zmq.ZMQError):
            use()
    with pytest.raises(RuntimeError):
        context.get(zmq.IO_THREADS)


def test_what_is_no_address(zmq: ModuleType) -> None:
    for number in (1, True, 4095):
        for cls in (zmq.Context, zmq.Socket):
            with pytest.raises(zmq.ZMQError):
                cls.shadow(number)
    for other in (-1, 2**64):
        with pytest.raises(OverflowError):
            zmq.Context.shadow(other)
    for other in ("x", 1.5, [], object()):
        with pytest.raises((TypeError, ValueError)):
            zmq.Socket.shadow(other)
