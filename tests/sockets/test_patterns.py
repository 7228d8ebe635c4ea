"""The messaging patterns of 0MQ, each over every transport."""

from __future__ import annotations

import socket as sockets
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

from support.front_ends import FrontEnd, wait_until

Pair = Callable[..., tuple[Any, Any]]


def test_request_and_reply(connected: Pair, zmq: ModuleType, front_end: FrontEnd) -> None:
    rep, req = connected(zmq.REP, zmq.REQ)

    def serve() -> None:
        for _ in range(100):
            rep.send_multipart([part[::-1] for part in rep.recv_multipart()])

    server = front_end.spawn(serve)
    for i in range(100):
        req.send_multipart([b"request", b"%d" % (1000 + i)])
        assert req.recv_multipart() == [b"tseuqer", (b"%d" % (1000 + i))[::-1]]
    server.get()


def test_a_request_out_of_turn_is_refused(connected: Pair, zmq: ModuleType) -> None:
    rep, req = connected(zmq.REP, zmq.REQ)
    with pytest.raises(zmq.ZMQError) as caught:
        req.recv()
    assert caught.value.errno == zmq.EFSM
    req.send(b"1")
    with pytest.raises(zmq.ZMQError) as caught:
        req.send(b"2")
    assert caught.value.errno == zmq.EFSM
    with pytest.raises(zmq.ZMQError) as caught:
        rep.send(b"3")
    assert caught.value.errno == zmq.EFSM
    assert rep.recv() == b"1"
    rep.send(b"4")
    assert req.recv() == b"4"


def test_a_router_knows_its_dealers(connected: Pair, zmq: ModuleType, front_end: FrontEnd) -> None:
    router, first = connected(zmq.ROUTER, zmq.DEALER)
    dealers = [first]
    for i in range(9):
        dealers.append(router.context.socket(zmq.DEALER))
        dealers[-1].routing_id = b"dealer-%d" % i
        dealers[-1].connect(router.get_string(zmq.LAST_ENDPOINT))

    def serve() -> None:
        for _ in range(200):
            router.send_multipart(router.recv_multipart())

    def ask(number: int, dealer: Any) -> None:
        for i in range(20):
            dealer.send_multipart([b"%d" % number, b"%d" % i])
            assert dealer.recv_multipart() == [b"%d" % number, b"%d" % i]

    server = front_end.spawn(serve)
    tasks = [front_end.spawn(ask, number, dealer) for number, dealer in enumerate(dealers)]
    for task in (server, *tasks):
        task.get()


def test_a_mandatory_router_says_who_is_not_there(connected: Pair, zmq: ModuleType) -> None:
    router, dealer = connected(zmq.ROUTER, zmq.DEALER)
    router.send_multipart([b"nobody", b"dropped"])
    router.router_mandatory = 1
    with pytest.raises(zmq.ZMQError) as caught:
        router.send_multipart([b"nobody", b"refused"])
    assert caught.value.errno == zmq.EHOSTUNREACH
    dealer.send(b"1")
    peer, message = router.recv_multipart()
    router.send_multipart([peer, message + b"2"])
    assert dealer.recv() == b"12"


def test_publish_and_subscribe(connected: Pair, zmq: ModuleType) -> None:
    xpub, sub = connected(zmq.XPUB, zmq.SUB)
    sub.subscribe("yes")
    sub.subscribe(b"also")
    assert sorted((xpub.recv(), xpub.recv())) == [b"\x01also", b"\x01yes"]
    xpub.send_multipart([b"no", b"1"])
    xpub.send_multipart([b"yes!", b"2"])
    xpub.send_multipart([b"also", b"3"])
    assert sub.recv_multipart() == [b"yes!", b"2"]
    assert sub.recv_multipart() == [b"also", b"3"]
    sub.unsubscribe("yes")
    assert xpub.recv() == b"\x00yes"
    xpub.send(b"yes")
    xpub.send(b"also")
    assert sub.recv() == b"also"


def test_xsub_subscribes_by_message(connected: Pair, zmq: ModuleType) -> None:
    xpub, xsub = connected(zmq.XPUB, zmq.XSUB)
    xsub.send(b"\x01topic")
    assert xpub.recv() == b"\x01topic"
    xpub.send(b"topic 1")
    assert xsub.recv() == b"topic 1"


def test_many_subscribers_hear_all(connected: Pair, zmq: ModuleType, front_end: FrontEnd) -> None:
    xpub, first = connected(zmq.XPUB, zmq.SUB, hwm=0)
    subs = [first] + [xpub.context.socket(zmq.SUB) for _ in range(9)]
    xpub.xpub_verbose = 1
    for sub in subs[1:]:
        sub.hwm = 0
        sub.connect(xpub.get_string(zmq.LAST_ENDPOINT))
    for sub in subs:
        sub.subscribe("")
    for _ in subs:
        assert xpub.recv() == b"\x01"

    def listen(sub: Any) -> list[int]:
        return [int(sub.recv()) for _ in range(500)]

    tasks = [front_end.spawn(listen, sub) for sub in subs]
    for i in range(500):
        xpub.send(b"%d" % i)
    for task in tasks:
        assert task.get() == list(range(500))


def test_a_stream_speaks_with_anybody(context: Any, zmq: ModuleType, front_end: FrontEnd) -> None:
    stream = context.socket(zmq.STREAM)
    port = stream.bind_to_random_port("tcp://127.0.0.1")
    with sockets.create_connection(("127.0.0.1", port)) as plain:
        peer, nothing = stream.recv_multipart()
        assert nothing == b""
        plain.sendall(b"hello")
        assert stream.recv_multipart() == [peer, b"hello"]
        stream.send_multipart([peer, b"welcome"])
        assert plain.recv(7) == b"welcome"
    assert stream.recv_multipart() == [peer, b""]


def test_a_peer_that_goes_and_comes_back(context: Any, zmq: ModuleType, front_end: FrontEnd) -> None:
    push = context.socket(zmq.PUSH)
    push.reconnect_ivl = 1
    first = context.socket(zmq.PULL)
    port = first.bind_to_random_port("tcp://127.0.0.1")
    push.connect(f"tcp://127.0.0.1:{port}")
    push.send(b"1")
    assert first.recv() == b"1"
    first.close()
    second = context.socket(zmq.PULL)

    def bound() -> bool:
        try:
            second.bind(f"tcp://127.0.0.1:{port}")
        except zmq.ZMQError as error:
            assert error.errno == zmq.EADDRINUSE
            return False
        return True

    # libzmq lets the address go a moment later.
    wait_until(front_end, bound)

    def arrived() -> int:
        # What was sent before libzmq noticed that the peer went is gone with it.
        push.send(b"2")
        return second.poll(0)

    wait_until(front_end, arrived)
    assert second.recv() == b"2"


def test_an_address_of_inproc_is_free_when_its_socket_is_closed(context: Any, zmq: ModuleType) -> None:
    """Before libzmq's own thread has closed it; and what was sent by it still arrives."""
    for number in range(200):
        push, pull = context.socket(zmq.PUSH), context.socket(zmq.PULL)
        push.bind("inproc://again")
        push.bind(f"inproc://other-{number}")
        pull.connect("inproc://again")
        push.send(b"%d" % number)
        push.close()
        assert pull.recv() == b"%d" % number
        pull.close()


def test_a_proxy_by_hand(connected: Pair, zmq: ModuleType, front_end: FrontEnd) -> None:
    """A broker between REQ and REP sockets that polls both of its sides."""
    router, client = connected(zmq.ROUTER, zmq.REQ)
    dealer, worker = connected(zmq.DEALER, zmq.REP)

    def relay() -> None:
        poller = zmq.Poller()
        poller.register(router, zmq.POLLIN)
        poller.register(dealer, zmq.POLLIN)
        passed = 0
        while passed < 200:
            for socket, _ in poller.poll():
                other = dealer if socket is router else router
                other.send_multipart(socket.recv_multipart())
                passed += 1

    def work() -> None:
        for _ in range(100):
            worker.send(worker.recv().upper())

    tasks = [front_end.spawn(relay), front_end.spawn(work)]
    for i in range(100):
        client.send(b"request %d" % i)
        assert client.recv() == b"REQUEST %d" % i
    for task in tasks:
        task.get()


def test_curve(context: Any, zmq: ModuleType) -> None:
    if not zmq.has("curve"):
        pytest.skip("this libzmq has no CURVE")
    public, secret = zmq.curve_keypair()
    assert zmq.curve_public(secret) == public
    server, client = context.socket(zmq.PULL), context.socket(zmq.PUSH)
    server.curve_server = True
    server.curve_publickey, server.curve_secretkey = public, secret
    client.curve_serverkey = public
    client.curve_publickey, client.curve_secretkey = zmq.curve_keypair()
    port = server.bind_to_random_port("tcp://127.0.0.1")
    client.connect(f"tcp://127.0.0.1:{port}")
    client.send(b"sealed")
    frame = server.recv(copy=False)
    assert frame.bytes == b"sealed" and frame.get("Socket-Type") == "PUSH"


def test_a_monitor_tells_of_connections(context: Any, zmq: ModuleType) -> None:
    push = context.socket(zmq.PUSH)
    monitor = push.get_monitor_socket(zmq.EVENT_LISTENING | zmq.EVENT_ACCEPTED | zmq.EVENT_MONITOR_STOPPED)
    assert push.get_monitor_socket() is monitor
    port = push.bind_to_random_port("tcp://127.0.0.1")
    event, address = monitor.recv_multipart()
    assert int.from_bytes(event[:2], "little") == zmq.EVENT_LISTENING and address.endswith(b":%d" % port)
    pull = context.socket(zmq.PULL)
    pull.connect(f"tcp://127.0.0.1:{port}")
    event, _ = monitor.recv_multipart()
    assert int.from_bytes(event[:2], "little") == zmq.EVENT_ACCEPTED
    push.disable_monitor()
    # What happened before can still be received, to the last event.
    while int.from_bytes(event[:2], "little") != zmq.EVENT_MONITOR_STOPPED:
        event, _ = monitor.recv_multipart()
    monitor.close()
