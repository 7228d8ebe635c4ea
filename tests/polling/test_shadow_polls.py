"""A socket and its shadows in one poller: they have one bell, and each is heard of."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

import zmq as plain
import zmq.asyncio
import zmq.eventlet
import zmq.green
from support.front_ends import LIMIT, FrontEnd, wait_until

Pair = Callable[..., tuple[Any, Any]]

KINDS: dict[str, Any] = {
    "plain": plain.Socket,
    "gevent": zmq.green.Socket,
    "eventlet": zmq.eventlet.Socket,
    "asyncio": zmq.asyncio.Socket,
}
kinds = pytest.mark.parametrize("kind", list(KINDS), ids=[f"of {kind}" for kind in KINDS])
NEVER = plain.POLLPRI  # no socket has it


def waiting(front_end: FrontEnd, zmq: ModuleType) -> None:
    wait_until(front_end, lambda: zmq.statistics()["waiting"] or zmq.statistics()["blocked"])


def take(socket: Any) -> bytes:
    """Receive by a shadow of its own, whatever kind of socket it is."""
    return plain.Socket.shadow(socket).recv(plain.NOBLOCK)


@pytest.fixture(params=[2, 7])
def pairs(pair: Pair, request: pytest.FixtureRequest) -> list[tuple[Any, Any]]:
    """Few and many."""
    return [pair() for _ in range(request.param)]


def poll(front_end: FrontEnd, zmq: ModuleType, poller: Any, send: Callable[[], object]) -> Any:
    """Poll, and have a message come when the poll waits."""
    task = front_end.spawn(poller.poll, 1000 * LIMIT)
    waiting(front_end, zmq)
    send()
    return task.get()


@kinds
@pytest.mark.parametrize("first", ["socket", "shadow"])
def test_both_are_heard_of(
    pairs: list[tuple[Any, Any]], zmq: ModuleType, front_end: FrontEnd, kind: str, first: str
) -> None:
    one, other = pairs[0]
    shadow = KINDS[kind].shadow(other)
    both = [other, shadow] if first == "socket" else [shadow, other]
    poller = zmq.Poller()
    for socket in [both[0], *(b for _, b in pairs[1:]), both[1]]:
        poller.register(socket, zmq.POLLIN)
    for _ in range(3):
        assert poller.poll(1) == []
        assert poll(front_end, zmq, poller, lambda: one.send(b"1")) == [(socket, zmq.POLLIN) for socket in both]
        assert poller.poll() == [(socket, zmq.POLLIN) for socket in both]
        assert take(other) == b"1"


@kinds
@pytest.mark.parametrize("listens", ["socket", "shadow"])
def test_one_that_waits_for_something_else_takes_nothing_away(
    pairs: list[tuple[Any, Any]], zmq: ModuleType, front_end: FrontEnd, kind: str, listens: str
) -> None:
    one, other = pairs[0]
    shadow = KINDS[kind].shadow(other)
    listener = other if listens == "socket" else shadow
    poller = zmq.Poller()
    for socket in [*(b for _, b in pairs), shadow]:
        poller.register(socket, zmq.POLLIN if socket is listener else NEVER)
    for turn in range(3):
        # Also when the message comes before the poll.
        if turn:
            one.send(b"0")
            assert poller.poll(1000 * LIMIT) == [(listener, zmq.POLLIN)]
            assert take(other) == b"0"
        assert poller.poll(1) == []
        assert poll(front_end, zmq, poller, lambda: one.send(b"1")) == [(listener, zmq.POLLIN)]
        assert take(other) == b"1"


@kinds
def test_one_that_is_unregistered_leaves_the_bell_to_the_rest(
    pairs: list[tuple[Any, Any]], zmq: ModuleType, front_end: FrontEnd, kind: str
) -> None:
    one, other = pairs[0]
    sharing = [other, KINDS[kind].shadow(other), KINDS[kind].shadow(other)]
    poller = zmq.Poller()
    for socket in [*(b for _, b in pairs[1:]), *sharing]:
        poller.register(socket, zmq.POLLIN)
    for leaving in (*sharing, *reversed(sharing)):
        assert poller.poll(1) == []
        poller.unregister(leaving)
        rest = [(socket, zmq.POLLIN) for socket, _ in poller.sockets if socket in sharing]
        assert len(rest) == 2
        for _ in range(2):
            assert poller.poll(1) == []
            assert poll(front_end, zmq, poller, lambda: one.send(b"1")) == rest
            assert take(other) == b"1"
        poller.register(leaving, zmq.POLLIN)


@kinds
@pytest.mark.parametrize("waits", [False, True], ids=["before", "while it polls"])
def test_closing_both_is_an_error_and_leaves_the_others_alone(
    pairs: list[tuple[Any, Any]], zmq: ModuleType, front_end: FrontEnd, kind: str, waits: bool
) -> None:
    if waits and not front_end.shares_sockets:
        pytest.skip("threads may not share a socket")
    _, other = pairs[0]
    shadow = KINDS[kind].shadow(other)
    poller = zmq.Poller()
    for socket in [*(b for _, b in pairs), shadow]:
        poller.register(socket, zmq.POLLIN)
    for _ in range(3):
        assert poller.poll(1) == []
    for registered in (other, shadow):
        with pytest.raises(zmq.ZMQError) as caught:
            if waits and not other.closed:
                poll(front_end, zmq, poller, other.close)
            else:
                other.close()
                poller.poll(1000 * LIMIT)
        assert caught.value.errno == zmq.ENOTSOCK
        poller.unregister(registered)
    for a, b in pairs[1:]:
        assert poller.poll(1) == []
        assert poll(front_end, zmq, poller, lambda a=a: a.send(b"1")) == [(b, zmq.POLLIN)]
        assert b.recv() == b"1"
