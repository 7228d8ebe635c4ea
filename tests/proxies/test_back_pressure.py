"""Proxies whose peers do not receive: what waits is bounded, held up is one direction only, and nothing is lost."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import pytest

from support.device_ways import fill
from support.front_ends import FrontEnd, Task

Pair = Callable[..., tuple[Any, Any]]

HWM = 20
SIZE = 20_000
#: So many messages may be in the kernel's buffers, and on their way in or out of them, between two sockets.
UNDERWAY = {"inproc": 0, "ipc": 40, "tcp": 40}
ENOUGH = 1000

#: What the peer of the front end and the front end are, and so at the back.
TYPES = {
    "PUSH-PULL": ("PUSH", "PULL", "PUSH", "PULL"),
    "DEALER-ROUTER": ("DEALER", "ROUTER", "DEALER", "ROUTER"),
    "PAIR": ("PAIR", "PAIR", "PAIR", "PAIR"),
}


@pytest.fixture
def proxy(front_end: FrontEnd) -> Iterator[Callable[..., None]]:
    """Start proxies, and end them after the test."""
    running: list[tuple[Any, Task]] = []

    def start(front: Any, *more: Any) -> None:
        running.append((front, front_end.spawn(front_end.zmq.proxy, front, *more)))

    yield start
    for front, task in running:
        front.close()
        with pytest.raises(front_end.zmq.ZMQError) as caught:
            task.get()
        assert caught.value.errno == front_end.zmq.ENOTSOCK


@pytest.fixture(params=TYPES)
def chain(request: pytest.FixtureRequest, connected: Pair, zmq: ModuleType) -> Any:
    """Front, back and their peers; all with small buffers."""
    sender, front_type, back_type, receiver = (getattr(zmq, name) for name in TYPES[request.param])
    small = {"hwm": HWM, "sndbuf": SIZE, "rcvbuf": SIZE}
    front, client = connected(front_type, sender, **small)
    back, worker = connected(back_type, receiver, **small)
    return front, back, client, worker


def numbers(socket: Any, count: int) -> list[int]:
    return [int(socket.recv_multipart()[-1]) for _ in range(count)]


def test_what_waits_is_bounded_by_the_high_water_marks(
    chain: Any, proxy: Callable[..., None], front_end: FrontEnd, transport: str
) -> None:
    front, back, client, worker = chain
    proxy(front, back)
    sent = fill(front_end, client, ENOUGH, SIZE)
    assert 2 * HWM <= sent <= 4 * HWM + 1 + 2 * UNDERWAY[transport]
    assert numbers(worker, sent) == list(range(sent))
    # Once more: nothing of what was held up is counted for ever.
    again = fill(front_end, client, ENOUGH, SIZE)
    assert 2 * HWM <= again <= 4 * HWM + 1 + 2 * UNDERWAY[transport]
    assert numbers(worker, again) == list(range(again))
    assert not worker.poll(0)


def test_what_waits_for_a_capture_socket_is_bounded_too(
    chain: Any, connected: Pair, proxy: Callable[..., None], front_end: FrontEnd, zmq: ModuleType, transport: str
) -> None:
    front, back, client, worker = chain
    capture, listener = connected(zmq.PUSH, zmq.PULL, hwm=HWM, sndbuf=SIZE, rcvbuf=SIZE)
    proxy(front, back, capture)
    received = []

    def receive() -> None:
        while not received or received[-1] != ENOUGH:
            received.append(int(worker.recv_multipart()[-1]))

    receiving = front_end.spawn(receive)
    sent = fill(front_end, client, ENOUGH, SIZE)
    assert 2 * HWM <= sent <= 4 * HWM + 1 + 2 * UNDERWAY[transport]
    assert numbers(listener, sent) == list(range(sent))
    client.send(b"%d" % ENOUGH)
    receiving.get()
    assert received == [*range(sent), ENOUGH]
    assert numbers(listener, 1) == [ENOUGH]


def test_a_side_that_is_full_does_not_hold_up_the_other_direction(
    connected: Pair, proxy: Callable[..., None], front_end: FrontEnd, zmq: ModuleType
) -> None:
    """The worker receives no requests, yet what it has to say arrives, as much as it likes."""
    small = {"hwm": HWM, "sndbuf": SIZE, "rcvbuf": SIZE}
    front, client = connected(zmq.DEALER, zmq.DEALER, **small)
    back, worker = connected(zmq.DEALER, zmq.DEALER, **small)
    proxy(front, back)
    sent = fill(front_end, client, ENOUGH, SIZE)
    for i in range(500):
        worker.send(b"%d" % i)
        assert client.recv() == b"%d" % i
    # Some more may have room now, or not; what was sent comes in order.
    assert numbers(worker, sent) == list(range(sent))


def test_replies_to_one_who_does_not_receive_wait_for_him(
    connected: Pair, proxy: Callable[..., None], front_end: FrontEnd, zmq: ModuleType, transport: str
) -> None:
    """A ROUTER with ROUTER_MANDATORY drops nothing. Requests pass meanwhile, also his."""
    small = {"hwm": HWM, "sndbuf": SIZE, "rcvbuf": SIZE}
    front, client = connected(zmq.ROUTER, zmq.DEALER, **small)
    front.router_mandatory = 1
    back, worker = connected(zmq.DEALER, zmq.DEALER, **small)
    proxy(front, back)
    client.send(b"hello")
    name, _ = worker.recv_multipart()

    class Replying:
        context = worker.context

        def send(self, data: bytes, flags: int) -> None:
            worker.send_multipart([name, data], flags)

    sent = fill(front_end, Replying(), ENOUGH, SIZE)
    assert 2 * HWM <= sent <= 4 * HWM + 1 + 2 * UNDERWAY[transport]
    for i in range(500):
        client.send(b"%d" % i)
        assert worker.recv_multipart() == [name, b"%d" % i]
    assert numbers(client, sent) == list(range(sent))
    assert not client.poll(0)


def test_a_peer_that_leaves_takes_only_what_was_on_its_way_to_it(
    context: Any, proxy: Callable[..., None], front_end: FrontEnd, zmq: ModuleType
) -> None:
    """What waits in the front end goes to the next."""
    front, back, client = (context.socket(kind) for kind in (zmq.PULL, zmq.PUSH, zmq.PUSH))
    for socket in (front, back, client):
        socket.hwm = HWM
    front.bind("inproc://front")
    back.bind("inproc://back")
    client.connect("inproc://front")
    first, second = context.socket(zmq.PULL), context.socket(zmq.PULL)
    for socket in (first, second):
        socket.hwm = HWM
    first.connect("inproc://back")
    proxy(front, back)
    sent = fill(front_end, client, ENOUGH)
    assert 2 * HWM <= sent <= 4 * HWM + 1
    first.close()
    second.connect("inproc://back")
    assert numbers(second, sent - 2 * HWM) == list(range(2 * HWM, sent))
