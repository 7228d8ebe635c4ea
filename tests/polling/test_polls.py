"""`Socket.poll`, `Poller`, `select` and `zmq_poll`."""

from __future__ import annotations

import os
import socket as sockets
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import pytest

from support.front_ends import FrontEnd

Pair = Callable[..., tuple[Any, Any]]


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    reader, writer = os.pipe()
    yield reader, writer
    os.close(reader)
    os.close(writer)


def test_a_socket_says_what_it_can_do(connected: Pair, zmq: ModuleType, front_end: FrontEnd) -> None:
    a, b = connected()
    both = zmq.POLLIN | zmq.POLLOUT
    assert a.poll(flags=zmq.POLLOUT) == zmq.POLLOUT and b.poll(flags=zmq.POLLOUT) == zmq.POLLOUT
    assert a.poll(0) == 0 and a.poll(0, both) == zmq.POLLOUT
    poll = front_end.spawn(b.poll)
    front_end.sleep(0.005)
    a.send(b"1")
    assert poll.get() == zmq.POLLIN
    assert b.poll(100, both) == both
    assert b.recv() == b"1" and b.poll(0) == 0


def test_a_poller_tells_which(connected: Pair, zmq: ModuleType) -> None:
    a, b = connected()
    c, d = connected()
    poller = zmq.Poller()
    for socket in (a, b, c, d):
        poller.register(socket, zmq.POLLIN)
    assert poller.poll(0) == []
    a.send(b"1")
    assert poller.poll() == [(b, zmq.POLLIN)]
    d.send(b"2")
    assert c.poll() == zmq.POLLIN
    assert dict(poller.poll()) == {b: zmq.POLLIN, c: zmq.POLLIN}
    b.recv()
    assert poller.poll() == [(c, zmq.POLLIN)]
    assert poller.poll() == [(c, zmq.POLLIN)]  # level-triggered, as long as it is there
    poller.modify(b, zmq.POLLOUT)
    assert poller.poll() == [(b, zmq.POLLOUT), (c, zmq.POLLIN)]
    poller.unregister(c)
    assert poller.poll() == [(b, zmq.POLLOUT)]
    poller.register(b, zmq.POLLIN)
    assert poller.poll(0) == []


def test_what_is_registered(pair: Pair, zmq: ModuleType, pipe: tuple[int, int]) -> None:
    a, b = pair()
    poller = zmq.Poller()
    poller.register(a)
    poller.register(b, zmq.POLLIN)
    poller.register(pipe[0], zmq.POLLIN)
    assert poller.sockets == [(a, zmq.POLLIN | zmq.POLLOUT), (b, zmq.POLLIN), (pipe[0], zmq.POLLIN)]
    assert a in poller and pipe[0] in poller and pipe[1] not in poller
    for nothing in (0, None):
        poller.register(b, zmq.POLLIN)
        poller.register(b, nothing)
        assert b not in poller
        poller.register(b, nothing)
    with pytest.raises(KeyError):
        poller.unregister(b)
    poller.unregister(pipe[0])
    assert poller.sockets == [(a, zmq.POLLIN | zmq.POLLOUT)]


class Flags:
    """An integer that is no int, as NumPy's are."""

    def __index__(self) -> int:
        return 1


def test_flags_are_integers_of_any_kind(pair: Pair, zmq: ModuleType) -> None:
    a, b = pair()
    poller = zmq.Poller()
    poller.register(b, Flags())
    a.send(b"1")
    assert poller.poll() == [(b, zmq.POLLIN)] and poller.sockets == [(b, zmq.POLLIN)]
    for wrong in (1.0, "1", b"", [zmq.POLLIN]):
        with pytest.raises(TypeError, match="combination of"):
            poller.register(b, wrong)
        with pytest.raises(TypeError, match="combination of"):
            poller.modify(a, wrong)
    assert poller.sockets == [(b, zmq.POLLIN)]


def test_where_there_is_nothing_to_wait_for(pair: Pair, zmq: ModuleType, pipe: tuple[int, int]) -> None:
    """Nothing but a time-out would end the wait."""
    a, b = pair()
    emptied, many, masked = zmq.Poller(), zmq.Poller(), zmq.Poller()
    emptied.register(b, zmq.POLLIN)
    emptied.register(pipe[0], zmq.POLLIN)
    assert emptied.poll(0) == []
    emptied.unregister(b)
    emptied.unregister(pipe[0])
    sockets = [side for _ in range(4) for side in pair()]
    for socket in sockets:
        many.register(socket, zmq.POLLIN)
    assert many.poll(0) == many.poll(0) == []
    for socket in sockets:
        many.unregister(socket)
    masked.register(b, 0)
    masked.register(pipe[0], 0)
    for poller in (zmq.Poller(), emptied, many, masked):
        assert poller.poll() == poller.poll(None) == poller.poll(-1) == []
    assert zmq.select([], [], []) == zmq.select([], [], [], -1) == ([], [], [])
    assert zmq.zmq_poll([]) == zmq.zmq_poll([], None) == zmq.zmq_poll([(a, 0), (b, 0)]) == []
    assert b.poll(flags=0) == b.poll(-1, 0) == 0
    emptied.register(a, zmq.POLLOUT)
    assert emptied.poll() == [(a, zmq.POLLOUT)]
    b.close()
    for poll in (lambda: zmq.zmq_poll([(b, 0)]), lambda: b.poll(flags=0)):
        with pytest.raises(zmq.ZMQError) as caught:
            poll()
        assert caught.value.errno == zmq.ENOTSOCK


def test_a_descriptor_is_waited_for_though_nothing_is_asked(zmq: ModuleType, front_end: FrontEnd) -> None:
    """Errors are reported unasked."""
    reader, writer = os.pipe()
    poll = front_end.spawn(zmq.zmq_poll, [(writer, 0)])
    front_end.sleep(0.005)
    os.close(reader)
    assert poll.get() == [(writer, zmq.POLLERR)]
    os.close(writer)


def test_descriptors_beside_sockets(
    connected: Pair, zmq: ModuleType, front_end: FrontEnd, pipe: tuple[int, int]
) -> None:
    a, b = connected()
    reader, writer = pipe
    poller = zmq.Poller()
    poller.register(b, zmq.POLLIN)
    poller.register(reader, zmq.POLLIN)
    one, other = sockets.socketpair()
    with one, other:
        poller.register(other, zmq.POLLIN)
        for write, ready in (
            (lambda: os.write(writer, b"1"), reader),
            (lambda: one.send(b"1"), other.fileno()),
            (lambda: a.send(b"1"), b),
        ):
            poll = front_end.spawn(poller.poll)
            front_end.sleep(0.005)
            write()
            assert poll.get() == [(ready, zmq.POLLIN)]
            {reader: lambda: os.read(reader, 1), b: b.recv}.get(ready, lambda: other.recv(1))()
        assert zmq.select([reader, b, other], [writer, one], [], 1) == ([], [writer, one.fileno()], [])


def test_select(pair: Pair, zmq: ModuleType) -> None:
    a, b = pair()
    assert zmq.select([a, b], [a, b], []) == ([], [a, b], [])
    a.send(b"1")
    assert zmq.select([a, b], [], []) == ([b], [], [])
    assert zmq.select((a, b), (b,), ()) == ([b], [b], [])


@pytest.mark.parametrize("count", [3, 5, 60])
def test_a_poller_over_many_hears_every_one(pair: Pair, zmq: ModuleType, front_end: FrontEnd, count: int) -> None:
    pairs = [pair() for _ in range(count)]
    poller = zmq.Poller()
    for _, b in pairs:
        poller.register(b, zmq.POLLIN)
    for turn in range(3):
        for a, b in pairs:
            poll = front_end.spawn(poller.poll)
            if turn:
                front_end.sleep(0.001)
            a.send(b"1")
            assert poll.get() == [(b, zmq.POLLIN)]
            b.recv()
    for a, _ in pairs:
        a.send(b"1")
    # In the order in which they were registered.
    assert poller.poll() == [(b, zmq.POLLIN) for _, b in pairs]


def test_a_closed_socket_in_a_poller(pair: Pair, zmq: ModuleType) -> None:
    a, b = pair()
    poller = zmq.Poller()
    poller.register(b, zmq.POLLIN)
    b.close()
    for poll in (poller.poll, lambda: zmq.zmq_poll([(b, zmq.POLLIN)]), lambda: zmq.select([b], [], [])):
        with pytest.raises(zmq.ZMQError) as caught:
            poll()
        assert caught.value.errno == zmq.ENOTSOCK
    poller.unregister(b)
    poller.register(a, zmq.POLLIN)
    assert poller.poll(0) == []


@pytest.mark.parametrize("number", ["3", None, 2.0])
def test_a_descriptor_is_a_number(number: object, zmq: ModuleType) -> None:
    class Odd:
        def fileno(self) -> object:
            return number

    poller = zmq.Poller()
    poller.register(Odd(), zmq.POLLIN)
    with pytest.raises(TypeError, match="not a descriptor"):
        poller.poll(0)


def test_an_object_that_was_closed_is_passed_by(pair: Pair, zmq: ModuleType) -> None:
    """And polled again, once it has a descriptor."""
    a, b = pair()
    number = -1

    class Opened:
        def fileno(self) -> int:
            return number

    opened = Opened()
    reader, writer = os.pipe()
    try:
        poller = zmq.Poller()
        poller.register(b, zmq.POLLIN)
        poller.register(opened, zmq.POLLIN)
        assert poller.poll(0) == poller.poll(1) == []
        a.send(b"1")
        assert poller.poll() == [(b, zmq.POLLIN)]
        assert zmq.select([opened, b], [], [opened], 1) == ([b], [], [])
        b.recv()
        os.write(writer, b"x")
        assert poller.poll(0) == []
        number = reader
        assert poller.poll() == [(reader, zmq.POLLIN)]
        number = -1
        assert poller.poll(1) == []
    finally:
        os.close(reader)
        os.close(writer)


def test_what_cannot_be_polled_is_refused(pair: Pair, zmq: ModuleType) -> None:
    a, b = pair()
    poller = zmq.Poller()
    for nothing, error in (
        (object(), TypeError),
        ("a", TypeError),
        (None, TypeError),
        (2.5, TypeError),
        (-1, ValueError),
    ):
        # A program's test may register a stand-in for a socket.
        poller.register(b, zmq.POLLIN)
        poller.register(nothing, zmq.POLLIN)
        assert nothing in poller
        with pytest.raises(error, match=r"fileno|-1"):
            poller.poll(0)
        poller.unregister(nothing)
        assert poller.poll(0) == []
        poller.unregister(b)
    for nothing in (object(), "a", None, 2.5):
        with pytest.raises(TypeError, match="fileno"):
            zmq.zmq_poll([(nothing, zmq.POLLIN)], 0)
        with pytest.raises(TypeError, match="fileno"):
            zmq.select([nothing], [], [], 0)
    with pytest.raises(TypeError, match="POLLIN"):
        poller.register(a, "in")
    with pytest.raises(TypeError):
        poller.poll("soon")
    assert poller.sockets == []
    poller.register(b, zmq.POLLIN)
    a.send(b"usable")
    assert poller.poll() == [(b, zmq.POLLIN)]
