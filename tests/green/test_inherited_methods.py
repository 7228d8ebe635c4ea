"""The methods that are called for each message are a green class's own, and yet those that it inherits."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
from collections.abc import Callable
from functools import partial
from types import MethodDescriptorType
from typing import Any
from unittest import mock

import pytest

import zmq as plain
import zmq.asyncio as za
import zmq.eventloop.future
from support.front_ends import GreenFrontEnd
from zmq.core.futures import AwaitedSocket

Pair = Callable[..., tuple[Any, Any]]
NAMES = ("send", "recv", "send_multipart", "recv_multipart")


@pytest.mark.parametrize("name", NAMES)
def test_they_look_like_those_that_are_inherited(green: GreenFrontEnd, name: str) -> None:
    own, method = vars(green.zmq.Socket)[name], getattr(plain.Socket, name)
    # The interpreter specializes calls of these alone.
    assert isinstance(own, MethodDescriptorType) and own.__objclass__ is green.zmq.Socket
    assert (own.__name__, own.__qualname__, own.__doc__) == (method.__name__, method.__qualname__, method.__doc__)
    assert inspect.signature(own) == inspect.signature(method)


def test_what_is_put_in_their_place_is_called(green: GreenFrontEnd, pair: Pair) -> None:
    a, b = pair()
    original, calls = plain.Socket.send, []

    def send(self: Any, *args: Any, **kwargs: Any) -> Any:
        calls.append((self, args, kwargs))
        return original(self, *args, **kwargs)

    for _ in range(2):
        with mock.patch.object(plain.Socket, "send", send):
            a.send(b"1", plain.NOBLOCK, copy=False)
        a.send(b"2")
        assert [b.recv(), b.recv()] == [b"1", b"2"]
        assert calls.pop() == (a, (b"1", plain.NOBLOCK), {"copy": False}) and not calls


def test_a_stand_in_that_takes_no_self_gets_none(green: GreenFrontEnd, pair: Pair) -> None:
    a, _ = pair()
    with mock.patch.object(plain.Socket, "recv", return_value=b"mocked") as recv:
        assert a.recv(flags=plain.NOBLOCK) == b"mocked"
    recv.assert_called_once_with(flags=plain.NOBLOCK)
    with mock.patch.object(plain.Socket, "recv", staticmethod(lambda *args: args)):
        assert a.recv(1, 2) == (1, 2)
    with pytest.raises(plain.Again):
        a.recv(plain.NOBLOCK)


def test_other_changes_of_the_class_change_nothing(green: GreenFrontEnd, pair: Pair) -> None:
    a, b = pair()
    for number in range(3):
        plain.Socket.something = number
        try:
            a.send(b"1")
            assert b.recv() == b"1"
        finally:
            del plain.Socket.something


def test_what_a_subclass_replaces_is_its_own(green: GreenFrontEnd, context: Any) -> None:
    class Own(green.zmq.Socket):  # type: ignore[name-defined, misc]
        def send(self, data: bytes, *args: Any, **kwargs: Any) -> Any:
            return super().send(b"own " + data, *args, **kwargs)

    a, b = context.socket(plain.PAIR, socket_class=Own), context.socket(plain.PAIR)
    a.bind("inproc://own")
    b.connect("inproc://own")
    a.send_multipart([b"1", b"2"])
    assert b.recv_multipart() == [b"own 1", b"own 2"]


def test_what_comes_between_is_called(green: GreenFrontEnd, context: Any) -> None:
    class Mixin(plain.Socket):
        def send(self, data: bytes, *args: Any, **kwargs: Any) -> Any:
            return super().send(b"mixed " + data, *args, **kwargs)

    class Both(green.zmq.Socket, Mixin):  # type: ignore[name-defined, misc]
        pass

    a, b = context.socket(plain.PAIR, socket_class=Both), context.socket(plain.PAIR)
    a.bind("inproc://between")
    b.connect("inproc://between")
    for _ in range(2):
        a.send(b"1")
        b.send(b"2")
        assert (b.recv(), a.recv()) == (b"mixed 1", b"2")
    a.send_multipart([b"1", b"2"])
    assert b.recv_multipart() == [b"mixed 1", b"mixed 2"]


@pytest.mark.parametrize(
    ("socket_class", "base"),
    [(za.Socket, AwaitedSocket), (zmq.eventloop.future.Socket, za.Socket)],
    ids=["asyncio", "tornado"],
)
def test_awaited_ones_too(socket_class: Any, base: Any) -> None:
    for name in NAMES:
        assert vars(socket_class)[name].__objclass__ is socket_class
    context: Any = plain.Context()
    socket = socket_class(context, plain.PAIR)
    with mock.patch.object(base, "recv", lambda self: self):
        assert socket.recv() is socket
    socket.close(0)
    context.term()


#: What a socket with a hub or an event loop has of its own; all else is that of `zmq.Socket`, as it is with PyZMQ.
OF_THEIR_OWN = {*NAMES, "recv_into", "poll", "send_many", "recv_many", "get", "close"}


def others() -> list[str]:
    return [name for name, method in vars(plain.Socket).items() if callable(method) and name not in OF_THEIR_OWN]


def test_all_other_methods_are_inherited(green: GreenFrontEnd) -> None:
    """So that who replaces one in the plain class, as tests of programs do, has replaced it everywhere."""
    names = [name for name in others() if not name.startswith("_")]
    assert {"recv_json", "send_json", "recv_string", "recv_pyobj", "recv_serialized", "bind", "setsockopt"} < {*names}
    for cls in (green.zmq.Socket, za.Socket, zmq.eventloop.future.Socket):
        assert [name for name in names if getattr(cls, name) is not getattr(plain.Socket, name)] == []


CONVERSIONS: dict[str, tuple[Any, ...]] = {
    "send_string": ("text",),
    "send_json": ([1],),
    "send_pyobj": ([1],),
    "send_serialized": ([b"1"], list),
    "recv_string": (),
    "recv_json": (),
    "recv_pyobj": (),
    "recv_serialized": (list,),
}


@pytest.mark.parametrize("name", CONVERSIONS)
@pytest.mark.parametrize("place", ["zmq.Socket", "zmq.sugar.socket.Socket", "zmq.core.socket.Socket"])
def test_a_conversion_that_is_replaced(green: GreenFrontEnd, context: Any, name: str, place: str) -> None:
    async def awaited() -> Any:
        with za.Context() as own, own.socket(plain.PAIR) as socket:
            return getattr(socket, name)(*CONVERSIONS[name])

    with mock.patch(f"{place}.{name}", return_value="mocked") as replaced:
        assert getattr(context.socket(plain.PAIR), name)(*CONVERSIONS[name]) == "mocked"
        assert asyncio.run(awaited()) == "mocked"
    assert replaced.call_args_list == [mock.call(*CONVERSIONS[name])] * 2


class OwnReceives(za.Socket):
    """A subclass may count what it receives, or change it."""

    def recv(self, *args: Any, **kwargs: Any) -> Any:
        self.__dict__.setdefault("heard", []).append((args, kwargs))
        return super().recv(*args, **kwargs)

    async def recv_multipart(self, *args: Any, **kwargs: Any) -> Any:  # type: ignore[override]
        self.__dict__.setdefault("heard", []).append((args, kwargs))
        return await super().recv_multipart(*args, **kwargs)


async def converse(a: za.Socket, b: za.Socket) -> None:
    """Send and receive by every conversion."""
    await a.send_string("tëxt")
    assert await b.recv_string() == "tëxt"
    await a.send("tëxt".encode("utf-16"))
    assert await b.recv_string(encoding="utf-16") == "tëxt"
    await a.send_json([1])
    assert await b.recv_json() == [1]
    await a.send_json(1)
    assert await b.recv_json(parse_int=float) == 1.0
    await a.send_pyobj({1})
    assert await b.recv_pyobj() == {1}
    await a.send_serialized([b"1", b"2"], list)
    assert await b.recv_serialized(len) == 2
    await a.send_multipart([b"1", b"2"])
    assert [bytes(frame) for frame in await b.recv_serialized(list, copy=False)] == [b"1", b"2"]


@pytest.mark.parametrize("how", ["a subclass", "its class", "the class below", "the socket"])
def test_conversions_receive_by_what_was_put_in_the_place_of_recv(how: str) -> None:
    heard: list[Any] = []

    def noted(method: Callable[..., Any]) -> Callable[..., Any]:
        def note(socket: Any, *args: Any, **kwargs: Any) -> Any:
            heard.append((args, kwargs))
            return method(socket, *args, **kwargs)

        return note

    async def run() -> None:
        with za.Context() as context, context.socket(plain.PAIR) as a:
            kind = OwnReceives if how == "a subclass" else za.Socket
            with context.socket(plain.PAIR, socket_class=kind) as b:
                a.bind("inproc://own")
                b.connect("inproc://own")
                with contextlib.ExitStack() as stack:
                    for name in ("recv", "recv_multipart"):
                        place: Any = {"its class": za.Socket, "the class below": AwaitedSocket}.get(how)
                        if place is not None:
                            stack.enter_context(mock.patch.object(place, name, noted(getattr(place, name))))
                        elif how == "the socket":
                            setattr(b, name, partial(noted(getattr(za.Socket, name)), b))
                    await converse(a, b)
                if how == "a subclass":
                    heard.extend(b.heard)
                else:
                    vars(b).clear()
                    await converse(a, b)

    asyncio.run(run())
    text, other, copies = ((), {"flags": 0}), ((0,), {}), [((), {"flags": 0, "copy": copy}) for copy in (True, False)]
    assert heard == [text] * 2 + [other] * 3 + copies


def test_a_conversion_that_is_cancelled_leaves_the_message() -> None:
    async def run() -> None:
        with za.Context() as context, context.socket(plain.PAIR) as a:
            b = context.socket(plain.PAIR, socket_class=OwnReceives)
            a.bind("inproc://own")
            b.connect("inproc://own")
            waiting = b.recv_json()
            await asyncio.sleep(0)
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
            await a.send_json([1])
            assert await b.recv_json() == [1]
            b.close()

    asyncio.run(run())
