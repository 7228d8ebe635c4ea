"""Monitored queues: who can write to whom through them, and what the third socket hears."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from errno import EBUSY
from types import ModuleType
from typing import Any

import pytest

from support.device_ways import EVERY_WAY, LOOPBACK, Way, fill, ways_of
from support.front_ends import FrontEnd, Task, wait_until

Pair = Callable[..., tuple[Any, Any]]


@pytest.fixture(params=EVERY_WAY, ids=str)
def way(request: pytest.FixtureRequest, ledger: None) -> Iterator[Way]:
    with request.param as way:
        yield way


@pytest.fixture
def queue(front_end: FrontEnd) -> Iterator[Callable[..., None]]:
    """Run the function `monitored_queue`, until its first socket is closed."""
    running: list[tuple[Any, Task]] = []

    def start(front: Any, *more: Any) -> None:
        task = front_end.spawn(front_end.zmq.devices.monitored_queue, front, *more)
        running.append((front, task))

    yield start
    for front, task in running:
        front.close()
        with pytest.raises(front_end.zmq.ZMQError) as caught:
            task.get()
        assert caught.value.errno == front_end.zmq.ENOTSOCK


def routers(way: Way, *prefixes: bytes) -> tuple[Any, Any, Any]:
    """Return Alice, who is at one ROUTER of a queue, Bob, who is at the other, and who hears all."""
    zmq = way.zmq
    device = way.make("MonitoredQueue", zmq.ROUTER, zmq.ROUTER, zmq.PUSH, *prefixes)
    alice = way.peer(zmq.DEALER, device.bind_in_to_random_port(LOOPBACK), identity=b"Alice")
    bob = way.peer(zmq.DEALER, device.bind_out_to_random_port(LOOPBACK), identity=b"Bob")
    listener = way.peer(zmq.PULL, device.bind_mon_to_random_port(LOOPBACK))
    way.start(device)
    # Neither may write before the other is known.
    for peer in (alice, bob):
        heard = False
        while not heard:
            peer.send_multipart([b"nobody", b"hello"])
            heard = listener.recv_multipart()[-1] == b"hello"
    return alice, bob, listener


def test_peers_of_two_routers_write_to_each_other(way: Way) -> None:
    """The name of who gets it comes in, the name of who sent it goes out; the copy is what goes out."""
    alice, bob, listener = routers(way)
    for text in ([b"1"], [b""], [b"many", b"", b"frames", b"5", b"6"]):
        alice.send_multipart([b"Bob", *text])
        assert bob.recv_multipart() == [b"Alice", *text]
        assert listener.recv_multipart() == [b"in", b"Bob", b"Alice", *text]
        bob.send_multipart([b"Alice", *text])
        assert alice.recv_multipart() == [b"Bob", *text]
        assert listener.recv_multipart() == [b"out", b"Alice", b"Bob", *text]


def test_prefixes(way: Way) -> None:
    alice, bob, listener = routers(way, b"", b"x" * 300)
    alice.send_multipart([b"Bob", b"1"])
    assert bob.recv_multipart() == [b"Alice", b"1"]
    assert listener.recv_multipart() == [b"", b"Bob", b"Alice", b"1"]
    bob.send_multipart([b"Alice", b"2"])
    assert alice.recv_multipart() == [b"Bob", b"2"]
    assert listener.recv_multipart() == [b"x" * 300, b"Alice", b"Bob", b"2"]


@pytest.mark.parametrize("prefixes", [("in",), (b"in", None), (b"in", "out"), (1, 2)])
def test_prefixes_are_bytes(front_end: FrontEnd, pair: Pair, prefixes: tuple[Any, ...]) -> None:
    zmq = front_end.zmq
    for way in ways_of("", "Thread", "Process", "Green"):
        with pytest.raises(TypeError):
            way.make("MonitoredQueue", zmq.PULL, zmq.PUSH, zmq.PUB, *prefixes)
    (a, b), (c, _) = pair(), pair()
    with pytest.raises(TypeError):
        zmq.devices.monitored_queue(a, b, c, *prefixes)


def test_two_names_change_places_between_two_routers_only(
    pair: Pair, queue: Callable[..., None], zmq: ModuleType
) -> None:
    front, client = pair(zmq.ROUTER, zmq.DEALER)
    back, worker = pair(zmq.DEALER, zmq.DEALER)
    monitor, listener = pair()
    queue(front, back, monitor)
    client.send_multipart([b"1", b"2"])
    name, *question = worker.recv_multipart()
    assert question == [b"1", b"2"]
    assert listener.recv_multipart() == [b"in", name, b"1", b"2"]
    worker.send_multipart([name, b"3", b"4"])
    assert client.recv_multipart() == [b"3", b"4"]
    assert listener.recv_multipart() == [b"out", name, b"3", b"4"]


def test_what_two_routers_could_not_pass_on_goes_back_as_it_came(
    context: Any, pair: Pair, zmq: ModuleType, front_end: FrontEnd
) -> None:
    """Also where it went back once before; it is copied once."""
    front, alice = pair(zmq.ROUTER, zmq.DEALER, identity=b"Alice")
    back, bob = pair(zmq.ROUTER, zmq.DEALER, identity=b"Bob", hwm=1)
    back.router_mandatory = 1
    carol = context.socket(zmq.DEALER)
    carol.connect(back.last_endpoint)
    for peer in (bob, carol):
        # There is room for somebody, so that the queue takes what is there.
        peer.send(b"hello")
        assert back.recv_multipart()[1] == b"hello"
    with pytest.raises(zmq.Again):
        while True:
            back.send_multipart([b"Bob", b"full"], zmq.NOBLOCK)
    alice.send_multipart([b"Bob", b"1", b"2"])
    copies = []
    for _ in range(2):
        monitor, listener = pair(zmq.PUSH, zmq.PULL)
        task = front_end.spawn(zmq.devices.monitored_queue, front, back, monitor)
        if not copies:
            copies.append(listener.recv_multipart())
        wait_until(front_end, lambda: is_owned(zmq, front))
        monitor.close()
        with pytest.raises(zmq.ZMQError):
            task.get()
        assert not listener.poll(0)
    assert copies == [[b"in", b"Bob", b"Alice", b"1", b"2"]]
    assert front.recv_multipart(zmq.NOBLOCK) == [b"Alice", b"Bob", b"1", b"2"]
    assert not front.poll(0)


def is_owned(zmq: ModuleType, socket: Any) -> bool:
    try:
        socket.poll(0)
    except zmq.ZMQError as error:
        return error.errno == EBUSY
    return False


def test_requests_and_replies(pair: Pair, queue: Callable[..., None], zmq: ModuleType, front_end: FrontEnd) -> None:
    front, client = pair(zmq.ROUTER, zmq.REQ)
    back, worker = pair(zmq.DEALER, zmq.REP)
    monitor, listener = pair(zmq.PUB, zmq.SUB)
    listener.subscribe(b"out")
    queue(front, back, monitor, b"in", b"out")

    def work() -> None:
        for _ in range(50):
            worker.send_multipart([b"re", *worker.recv_multipart()])

    working = front_end.spawn(work)
    for i in range(50):
        client.send_multipart([b"%d" % i, b"", b"x"])
        assert client.recv_multipart() == [b"re", b"%d" % i, b"", b"x"]
    working.get()
    # Who subscribes to one direction hears of no other.
    heard = [listener.recv_multipart() for _ in range(50)]
    assert [(frames[0], frames[3:]) for frames in heard] == [(b"out", [b"re", b"%d" % i, b"", b"x"]) for i in range(50)]
    assert not listener.poll(0)


def test_a_monitor_that_does_not_listen_holds_up_the_queue(
    pair: Pair, queue: Callable[..., None], zmq: ModuleType, front_end: FrontEnd
) -> None:
    """It gets every message: the queue waits for it, and loses nothing."""
    front, push = pair(zmq.PULL, zmq.PUSH, hwm=3)
    back, pull = pair(zmq.PUSH, zmq.PULL)
    monitor, listener = pair(zmq.PUSH, zmq.PULL, hwm=3)
    queue(front, back, monitor)
    sent = fill(front_end, push, 100)
    # So many wait on the way to the queue, and as many on the way to the monitor.
    assert 6 < sent <= 6 + 6 + 1
    for i in range(sent):
        assert listener.recv_multipart() == [b"in", b"%d" % i]
    assert [pull.recv() for _ in range(sent)] == [b"%d" % i for i in range(sent)]
    push.send(b"more")
    assert pull.recv() == b"more"
