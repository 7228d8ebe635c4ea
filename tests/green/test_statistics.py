"""What `statistics` tells of those who wait, to whoever has to find out why a service stands still."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

from support.front_ends import GreenFrontEnd, Task, wait_until
from support.waits import poller_of, start

Pair = Callable[..., tuple[Any, Any]]


def entry(zmq: ModuleType) -> dict[str, Any]:
    (found,) = zmq.statistics()["waiting"]
    return found  # type: ignore[no-any-return]


def end(green: GreenFrontEnd, zmq: ModuleType, waiting: Task) -> None:
    green.kill(waiting)
    assert zmq.statistics()["waiting"] == []


SOCKET_WAITS: dict[str, tuple[str, Callable[[Any, ModuleType], Any]]] = {
    "recv": ("POLLIN", lambda s, zmq: s.recv()),
    "recv_multipart": ("POLLIN", lambda s, zmq: s.recv_multipart()),
    "poll": ("POLLIN", lambda s, zmq: s.poll()),
    "poll to send": ("POLLOUT", lambda s, zmq: s.poll(None, zmq.POLLOUT)),
    "send": ("POLLOUT", lambda s, zmq: s.send(b"x")),
}


@pytest.mark.parametrize("name", SOCKET_WAITS)
def test_who_waits_for_a_socket(green: GreenFrontEnd, zmq: ModuleType, context: Any, name: str) -> None:
    socket = context.socket(zmq.DEALER)
    events, call = SOCKET_WAITS[name]
    waiting = start(green, call, socket, zmq)
    green.sleep(0.005)
    found = entry(zmq)
    assert found["waits_for"] is socket and found["fd"] == socket.fileno()
    assert found["events"] == getattr(zmq, events) and found["route"] is None
    assert 0.004 < found["seconds"] < 60
    end(green, zmq, waiting)


def test_for_which_peer_somebody_waits(green: GreenFrontEnd, zmq: ModuleType, pair: Pair) -> None:
    router, dealer = pair(zmq.ROUTER, zmq.DEALER, hwm=1, routing_id=b"peer")
    router.router_mandatory = 1
    dealer.send(b"hello")
    router.recv_multipart()
    with pytest.raises(zmq.Again):
        while True:
            router.send_multipart([b"peer", b"fill"], zmq.NOBLOCK)
    waiting = start(green, router.send_multipart, [b"peer", b"late"])
    assert entry(zmq)["route"] == b"peer"
    end(green, zmq, waiting)


@pytest.mark.parametrize("others", [1, 20])
def test_who_polls_many(green: GreenFrontEnd, zmq: ModuleType, context: Any, others: int) -> None:
    sockets = [context.socket(zmq.PULL) for _ in range(others)]
    for call in (poller_of(zmq, zmq.POLLIN, *sockets).poll, lambda: zmq.select(sockets, [], [])):
        waiting = start(green, call)
        found = entry(zmq)
        assert found["waits_for"] == sockets and found["fd"] is None and found["seconds"] >= 0
        end(green, zmq, waiting)


def test_who_waits_for_the_end_of_a_context(green: GreenFrontEnd, zmq: ModuleType) -> None:
    context = zmq.Context()
    socket = context.socket(zmq.PULL)
    waiting = start(green, context.term)
    assert entry(zmq)["waits_for"] is context
    socket.close()
    waiting.get()
    assert zmq.statistics()["waiting"] == []


def test_who_relays(green: GreenFrontEnd, zmq: ModuleType, context: Any) -> None:
    sockets = [context.socket(zmq.PULL), context.socket(zmq.PUSH)]
    waiting = start(green, zmq.proxy, *sockets)
    assert entry(zmq)["waits_for"] == sockets
    end(green, zmq, waiting)


def test_who_waits_for_what_was_lent(green: GreenFrontEnd, zmq: ModuleType, pair: Pair) -> None:
    push, pull = pair(zmq.PUSH, zmq.PULL)
    tracker = push.send(bytes(100_000), copy=False, track=True)
    waiting = start(green, tracker.wait)
    assert entry(zmq)["seconds"] >= 0
    pull.recv()
    waiting.get()
    wait_until(green, lambda: zmq.statistics()["waiting"] == [])
