"""Sockets of libzmq's draft API; skipped where libzmq was built without it."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

import zmq as plain
from support.front_ends import FrontEnd, wait_until

Pair = Callable[..., tuple[Any, Any]]

pytestmark = pytest.mark.skipif(not plain.DRAFT_API, reason="this libzmq has no draft API")


def test_a_client_waits_for_its_server(pair: Pair, zmq: ModuleType, front_end: FrontEnd) -> None:
    server, client = pair(zmq.SERVER, zmq.CLIENT)

    def serve() -> None:
        for _ in range(50):
            question = server.recv(copy=False)
            server.send(bytes(question) + b"!", routing_id=question.routing_id)

    serving = front_end.spawn(serve)
    for i in range(50):
        client.send(b"%d" % i)
        assert client.recv() == b"%d!" % i
    serving.get()


def test_a_thread_safe_socket_is_waited_for(pair: Pair, zmq: ModuleType, front_end: FrontEnd) -> None:
    server, client = pair(zmq.SERVER, zmq.CLIENT)
    client.send(b"hello")
    peer = server.recv(copy=False).routing_id
    client.rcvtimeo = 10
    with pytest.raises(zmq.Again):
        client.recv()
    client.rcvtimeo = -1
    assert client.poll(10) == 0
    receiving = front_end.spawn(client.recv)
    server.send(b"1", routing_id=peer)
    assert receiving.get() == b"1"
    polling = front_end.spawn(client.poll)
    server.send(b"2", routing_id=peer)
    assert polling.get() == zmq.POLLIN
    assert client.recv() == b"2"
    assert isinstance(client.FD, int) and client.FD == client.get(zmq.FD) == client.fileno()


def test_groups(pair: Pair, zmq: ModuleType, front_end: FrontEnd) -> None:
    radio, dish = pair(zmq.RADIO, zmq.DISH)
    dish.join("news")
    dish.rcvtimeo = 10
    # The news of the subscription takes its time.
    got: list[Any] = []

    def arrived() -> bool:
        radio.send(b"nobody listens", group="other")
        radio.send(b"1", group="news")
        try:
            got.append(dish.recv(copy=False))
        except zmq.Again:
            return False
        return True

    wait_until(front_end, arrived)
    assert got[0].bytes == b"1" and got[0].group == "news"
    dish.leave("news")
    with pytest.raises(zmq.ZMQError) as caught:
        dish.leave("news")
    assert caught.value.errno == zmq.EINVAL
    with pytest.raises(TypeError):
        dish.join(5)


def test_who_sends_to_a_client_without_room_waits(context: Any, zmq: ModuleType, front_end: FrontEnd) -> None:
    """EVENTS says that there is room whatever client a message is for."""
    server, *clients = (context.socket(kind) for kind in (zmq.SERVER, zmq.CLIENT, zmq.CLIENT))
    for socket in (server, *clients):
        socket.hwm = 2
    server.bind(f"inproc://{id(server)}")
    peers = []
    for client in clients:
        client.connect(f"inproc://{id(server)}")
        client.send(b"hello")
        peers.append(server.recv(copy=False).routing_id)
    sent = 0
    with pytest.raises(zmq.Again):
        while True:
            server.send(b"%d" % sent, zmq.NOBLOCK, routing_id=peers[0])
            sent += 1
    receiving = front_end.spawn(server.recv)
    sending = front_end.spawn(server.send, b"more", routing_id=peers[0])
    # The hub goes on, and so does who sends to another one.
    front_end.sleep(0.01)
    server.send(b"other", routing_id=peers[1])
    assert clients[1].recv() == b"other"
    assert [clients[0].recv() for _ in range(sent)] == [b"%d" % each for each in range(sent)]
    sending.get()
    assert clients[0].recv() == b"more"
    clients[1].send(b"bye")
    assert receiving.get() == b"bye"
