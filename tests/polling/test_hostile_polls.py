"""Arguments of polls whose methods change the world: nothing crashes, waits for what is gone or loses anything."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import pytest

from support.front_ends import LIMIT

Pair = Callable[..., tuple[Any, Any]]
AT_ONCE = 2.0


class Number:
    """A number that does something when it is asked for."""

    def __init__(self, number: int, act: Callable[[], object]) -> None:
        self.number, self.act = int(number), act

    def __index__(self) -> int:
        self.act()
        return self.number

    __int__ = __index__

    def __float__(self) -> float:
        return float(self.__index__())

    def __or__(self, other: int) -> int:
        return self.__index__() | other

    __ror__ = __or__


class File:
    """A descriptor that does something when it is asked for."""

    def __init__(self, fd: int, act: Callable[[], object]) -> None:
        self.fd, self.act = fd, act

    def fileno(self) -> int:
        self.act()
        return self.fd


@pytest.fixture
def fd() -> Iterator[int]:
    """Give a descriptor that is never readable."""
    reader, writer = os.pipe()
    yield reader
    os.close(reader)
    os.close(writer)


@pytest.fixture(autouse=True)
def at_once() -> Iterator[None]:
    """See that nothing waits."""
    begun = time.monotonic()
    yield
    assert time.monotonic() - begun < AT_ONCE


@pytest.mark.parametrize("others", [0, 6])
@pytest.mark.parametrize("how", ["events", "fileno", "timeout", "iterator"])
def test_zmq_poll_of_a_socket_that_its_arguments_close(
    pair: Pair, zmq: ModuleType, fd: int, how: str, others: int
) -> None:
    socket = pair()[1]
    more = [(b, zmq.POLLIN) for _, b in (pair() for _ in range(others))]
    act = socket.close

    def items() -> Iterator[Any]:
        yield socket, zmq.POLLIN
        if how == "iterator":
            act()
        yield File(fd, act if how == "fileno" else int), Number(zmq.POLLIN, act if how == "events" else int)
        yield from more

    with pytest.raises(zmq.ZMQError) as caught:
        zmq.zmq_poll(items(), Number(1000 * int(LIMIT), act if how == "timeout" else int))
    assert caught.value.errno == zmq.ENOTSOCK


def test_pairs_that_are_emptied(pair: Pair, zmq: ModuleType, fd: int) -> None:
    """Whose sockets nobody else holds."""
    a, b = pair()
    a.send(b"1")

    def empty() -> None:
        for each in pairs[:-1]:
            each.clear()
        pairs.clear()

    pairs: list[list[Any]] = [[b, zmq.POLLIN], [zmq.Socket.shadow(b), zmq.POLLIN]]
    pairs.append([File(fd, empty), zmq.POLLIN])
    assert [(type(socket), events) for socket, events in zmq.zmq_poll(pairs, 1000 * LIMIT)] == [
        (type(b), zmq.POLLIN),
        (zmq.Socket, zmq.POLLIN),
    ]


@pytest.mark.parametrize("argument", ["timeout", "flags"])
def test_poll_of_a_socket_that_its_arguments_close(pair: Pair, zmq: ModuleType, argument: str) -> None:
    socket = pair()[1]
    arguments = {"timeout": 1000 * LIMIT, "flags": zmq.POLLIN}
    arguments[argument] = Number(int(arguments[argument]), socket.close)
    with pytest.raises(zmq.ZMQError) as caught:
        socket.poll(**arguments)
    assert caught.value.errno == zmq.ENOTSOCK


@pytest.mark.parametrize("others", [0, 6])
def test_a_descriptor_that_changes_its_poller_when_it_is_asked_for(
    pair: Pair, zmq: ModuleType, fd: int, others: int
) -> None:
    a, b = pair()
    c, d = pair()
    pairs = [pair() for _ in range(others)]
    a.send(b"1")
    c.send(b"2")
    acts: list[Callable[[], object]] = [
        lambda: poller.unregister(b),
        lambda: poller.register(b, zmq.POLLIN),
        lambda: (poller.unregister(b), poller.register(b, zmq.POLLIN)),
        lambda: poller.poll(0),
        lambda: [poller.unregister(socket) for socket, _ in poller.sockets if socket is not file],
        lambda: [poller.register(socket, zmq.POLLIN) for socket in (b, d)],
        lambda: (poller.unregister(file), poller.register(file, zmq.POLLIN)),
        lambda: [poller.register(other, zmq.POLLIN) for _, other in pairs],
    ]
    busy = False

    def act() -> None:
        nonlocal busy
        if acts and not busy:
            busy = True
            acts.pop(0)()
            busy = False

    file = File(fd, act)
    poller = zmq.Poller()
    poller.register(b, zmq.POLLIN)
    poller.register(file, zmq.POLLIN)
    poller.register(d, zmq.POLLIN)
    while acts:
        poller.poll(1)
    for socket in (b, d):
        poller.register(socket, zmq.POLLIN)
    assert dict(poller.poll()) == {b: zmq.POLLIN, d: zmq.POLLIN}
    assert b.recv() == b"1" and d.recv() == b"2"
    assert poller.poll(1) == []
    for one, other in [(a, b), (c, d), *pairs]:
        one.send(b"3")
        assert poller.poll(1000 * LIMIT if other in poller else 1) == [(other, zmq.POLLIN)] * (other in poller)
        other.recv()


@pytest.mark.parametrize("others", [0, 6])
def test_a_descriptor_that_takes_what_a_socket_has(pair: Pair, zmq: ModuleType, fd: int, others: int) -> None:
    """Sockets are looked at last: what is said of them is still so."""
    a, b = pair()
    poller = zmq.Poller()
    for socket in [b, *(pair()[1] for _ in range(others))]:
        poller.register(socket, zmq.POLLIN)
    poller.register(File(fd, lambda: b.poll(0) and b.recv()), zmq.POLLIN)
    for _ in range(3):
        a.send(b"1")
        assert poller.poll(1) == []


def test_select_of_lists_that_change(pair: Pair, zmq: ModuleType, fd: int) -> None:
    a, b = pair()
    a.send(b"1")

    class Key(File):
        def __hash__(self) -> int:
            readers.clear()
            writers.clear()
            return 1

        def __eq__(self, other: object) -> bool:
            readers.append(other)
            return self is other

    readers: list[Any] = [Key(fd, int), Key(fd, int), b]
    writers: list[Any] = [a, Key(fd, int)]
    assert zmq.select(readers, writers, [], LIMIT) == ([b], [a], [])


@pytest.mark.parametrize("bad", ["fileno", "events", "hash"])
def test_an_argument_that_raises_leaves_everything_as_it_was(pair: Pair, zmq: ModuleType, fd: int, bad: str) -> None:
    a, b = pair()

    def fail() -> None:
        raise LookupError(bad)

    class Unhashable(File):
        def __hash__(self) -> int:
            fail()
            return 0

    poller = zmq.Poller()
    poller.register(b, zmq.POLLIN)
    assert poller.poll(1) == []
    item = Unhashable(fd, int) if bad == "hash" else File(fd, fail if bad == "fileno" else int)
    if bad == "events":
        with pytest.raises(LookupError):
            zmq.zmq_poll([(b, zmq.POLLIN), (item, Number(1, fail))], 0)
    else:
        with pytest.raises(LookupError):
            poller.register(item, zmq.POLLIN)
            poller.poll(0)
        if bad == "fileno":
            poller.unregister(item)
        with pytest.raises(LookupError):
            zmq.select([b, item], [], [], 0)
    assert poller.sockets == [(b, zmq.POLLIN)]
    a.send(b"1")
    assert poller.poll() == [(b, zmq.POLLIN)]
