"""The methods that are called for each message are a green class's own, and yet those that it inherits."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from types import MethodDescriptorType
from typing import Any
from unittest import mock

import pytest

import zmq as plain
import zmq.asyncio
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
    [(zmq.asyncio.Socket, AwaitedSocket), (zmq.eventloop.future.Socket, zmq.asyncio.Socket)],
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
