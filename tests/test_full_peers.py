"""Peers without room of which EVENTS tells nothing: who waits for one uses no CPU time, and goes on when it has."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import pytest

import zmq as plain
from front_ends import FrontEnd
from zmq.core.waiting.trampoline import statistics

Pair = Callable[..., tuple[Any, Any]]

#: Seconds for which somebody waits in vain.
WHILE = 0.15


def fill(send: Callable[[], Any]) -> None:
    """Send until there is no room."""
    with pytest.raises(plain.Again):
        while True:
            send()


@contextmanager
def idle() -> Iterator[None]:
    """See that meanwhile hardly any CPU time is used, in whatever thread."""
    began, used = time.monotonic(), time.process_time()
    yield
    elapsed, used = time.monotonic() - began, time.process_time() - used
    assert elapsed >= WHILE * 0.9, "nobody waited"
    # Spinning takes all of it.
    assert used < 0.4 * elapsed


def full_router(pair: Pair, zmq: ModuleType) -> tuple[Any, Any, Callable[[], Any]]:
    """Return a ROUTER, a peer of its that has no room beside one that has, and what it sends to that peer."""
    router, peer = pair(zmq.ROUTER, zmq.DEALER, hwm=1, routing_id=b"peer")
    router.router_mandatory = 1
    other = router.context.socket(zmq.DEALER)
    other.connect(router.get_string(zmq.LAST_ENDPOINT))
    for dealer in (peer, other):
        dealer.send(b"hello")
        router.recv_multipart()
    fill(lambda: router.send_multipart([b"peer", b"fill"], zmq.NOBLOCK))
    assert router.poll(0, zmq.POLLOUT) == zmq.POLLOUT
    return router, peer, lambda: router.send_multipart([b"peer", b"late"])


def full_publisher(pair: Pair, zmq: ModuleType) -> tuple[Any, Any, Callable[[], Any]]:
    """Return an XPUB that drops nothing, a subscriber that has no room, and what it publishes."""
    publisher, subscriber = pair(zmq.XPUB, zmq.SUB, hwm=1)
    publisher.xpub_nodrop = 1
    subscriber.subscribe(b"")
    assert publisher.recv() == b"\x01"
    fill(lambda: publisher.send(b"fill", zmq.NOBLOCK))
    return publisher, subscriber, lambda: publisher.send(b"late")


MAKE = {"ROUTER_MANDATORY": full_router, "XPUB_NODROP": full_publisher}


@pytest.mark.parametrize("make", MAKE)
def test_a_sender_waits_without_spinning(pair: Pair, zmq: ModuleType, front_end: FrontEnd, make: str) -> None:
    """Until its time is over; and the next one until there is room."""
    sender, peer, send = MAKE[make](pair, zmq)
    sender.sndtimeo = int(1000 * WHILE)
    with idle(), pytest.raises(zmq.Again):
        send()
    sender.sndtimeo = -1
    sending = front_end.spawn(send)
    front_end.sleep(0.01)
    while peer.recv() != b"late":
        pass
    sending.get()
    assert not peer.poll(0)


@pytest.mark.parametrize("make", MAKE)
def test_others_use_the_socket_meanwhile(pair: Pair, zmq: ModuleType, front_end: FrontEnd, make: str) -> None:
    """Somebody who looks at EVENTS again and again keeps no sender awake."""
    if not front_end.shares_sockets:
        pytest.skip("a plain socket is for one thread at a time")
    sender, peer, send = MAKE[make](pair, zmq)
    sending = front_end.spawn(send)
    front_end.sleep(0)
    tried = statistics()["vain"]
    for _ in range(25):
        front_end.sleep(WHILE / 25)
        sender.get(zmq.EVENTS)
    # CPU time does not tell: eventlet's "poll" spins for the last part of a millisecond of every timer.
    assert 0 < statistics()["vain"] - tried <= 4 * 25
    while peer.recv() != b"late":
        pass
    sending.get()


def test_a_proxy_waits_without_spinning(pair: Pair, zmq: ModuleType, front_end: FrontEnd) -> None:
    """While one peer of its ROUTER has no room for what the workers send it."""
    front, client = pair(zmq.ROUTER, zmq.DEALER, hwm=1, routing_id=b"peer")
    front.router_mandatory = 1
    back, worker = pair(zmq.DEALER, zmq.DEALER)
    control, steer = pair()
    client.send(b"hello")
    proxy = front_end.spawn(zmq.proxy_steerable, front, back, None, control)
    name, _ = worker.recv_multipart()
    for i in range(10):
        worker.send_multipart([name, b"%d" % i])
    with idle():
        front_end.sleep(WHILE)
    assert [client.recv() for _ in range(10)] == [b"%d" % i for i in range(10)]
    steer.send(b"TERMINATE")
    proxy.get()
