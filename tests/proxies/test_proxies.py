"""`proxy`, `proxy_steerable` and `device`: what they relay, obey and end with."""

from __future__ import annotations

import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from types import ModuleType
from typing import Any

import pytest

import zmq as plain
from support.front_ends import LIMIT, FrontEnd, Task, ThreadTask, wait_until
from zmq.core.device import relay as relay_all

Pair = Callable[..., tuple[Any, Any]]


class Relay:
    """A steerable proxy that runs beside the test."""

    def __init__(self, front_end: FrontEnd, pair: Pair, front: Any, back: Any, capture: Any = None) -> None:
        zmq = front_end.zmq
        control, self.steer = pair(zmq.REP, zmq.REQ)
        self.task: Task = front_end.spawn(zmq.proxy_steerable, front, back, capture, control)

    def say(self, command: bytes) -> list[bytes]:
        self.steer.send(command)
        return self.steer.recv_multipart()

    def numbers(self) -> list[int]:
        return [struct.unpack("Q", frame)[0] for frame in self.say(b"STATISTICS")]

    def end(self) -> None:
        assert self.say(b"TERMINATE") == [b""]
        self.task.get()


@pytest.fixture
def relay(front_end: FrontEnd, pair: Pair) -> Iterator[Callable[..., Relay]]:
    """Start steerable proxies, and end them after the test."""
    relays: list[Relay] = []

    def start(front: Any, back: Any, capture: Any = None) -> Relay:
        relays.append(Relay(front_end, pair, front, back, capture))
        return relays[-1]

    yield start
    for each in relays:
        each.end()


def test_a_queue_relays_requests_and_replies(
    connected: Pair, relay: Callable[..., Relay], zmq: ModuleType, front_end: FrontEnd
) -> None:
    front, client = connected(zmq.ROUTER, zmq.REQ)
    back, worker = connected(zmq.DEALER, zmq.REP)
    relay(front, back)

    def work() -> None:
        for _ in range(50):
            worker.send_multipart([part.upper() for part in worker.recv_multipart()])

    task = front_end.spawn(work)
    for i in range(50):
        client.send_multipart([b"request", b"", b"%d" % i, b"x", b"y", b"z" * 5000])
        assert client.recv_multipart() == [b"REQUEST", b"", b"%d" % i, b"X", b"Y", b"Z" * 5000]
    task.get()


def test_a_forwarder_passes_subscriptions_back(
    connected: Pair, relay: Callable[..., Relay], zmq: ModuleType, front_end: FrontEnd
) -> None:
    front, pub = connected(zmq.XSUB, zmq.XPUB)
    back, sub = connected(zmq.XPUB, zmq.SUB)
    relay(front, back)
    sub.subscribe(b"a")
    assert pub.recv() == b"\x01a"
    for i in range(100):
        pub.send_multipart([b"ab"[i % 2 : i % 2 + 1], b"%d" % i])
    assert [sub.recv_multipart() for _ in range(50)] == [[b"a", b"%d" % i] for i in range(0, 100, 2)]


def test_a_streamer_keeps_the_order_and_capture_gets_a_copy(
    connected: Pair, pair: Pair, relay: Callable[..., Relay], zmq: ModuleType, front_end: FrontEnd
) -> None:
    front, push = connected(zmq.PULL, zmq.PUSH)
    back, pull = connected(zmq.PUSH, zmq.PULL)
    capture, listener = pair(zmq.PUSH, zmq.PULL)
    relay(front, back, capture)
    sender = front_end.spawn(lambda: [push.send_multipart([b"%d" % i, b"tail"]) for i in range(3000)])
    listening = front_end.spawn(lambda: [listener.recv_multipart() for _ in range(3000)])
    expected = [[b"%d" % i, b"tail"] for i in range(3000)]
    assert [pull.recv_multipart() for _ in range(3000)] == expected
    assert listening.get() == expected
    sender.get()


def test_commands(pair: Pair, relay: Callable[..., Relay], zmq: ModuleType) -> None:
    front, a = pair()
    back, b = pair()
    steered = relay(front, back)
    for i in range(10):
        a.send(b"%d" % i)
        assert b.recv() == b"%d" % i
    b.send_multipart([b"back", b"1234"])
    assert a.recv_multipart() == [b"back", b"1234"]
    assert steered.numbers() == [10, 10, 1, 8, 1, 8, 10, 10]
    assert steered.say(b"PAUSE") == [b""]
    a.send(b"held up")
    assert steered.numbers() == [10, 10, 1, 8, 1, 8, 10, 10]
    assert not b.poll(0)
    assert steered.say(b"RESUME") == [b""]
    assert b.recv() == b"held up"


@pytest.mark.parametrize("kinds", ["PAIR PAIR", "PULL PUSH", "SUB XPUB", "DEALER DEALER", "REP REQ"])
def test_every_command_by_every_type_of_control_socket(
    pair: Pair, zmq: ModuleType, front_end: FrontEnd, kinds: str
) -> None:
    """Those that only receive do as they are told, and give no answer."""
    front, a = pair()
    back, b = pair()
    own, other = (getattr(zmq, kind) for kind in kinds.split())
    steer, control = pair(other, own)
    if own == zmq.SUB:
        control.subscribe(b"")
        assert steer.recv() == b"\x01"
    answers = {"PULL": [], "SUB": [], "REP": ["STATISTICS", "PAUSE", "RESUME", "TERMINATE"]}.get(
        kinds.split()[0], ["STATISTICS"]
    )
    task = front_end.spawn(zmq.proxy_steerable, front, back, None, control)

    def say(command: str) -> None:
        steer.send(command.encode())
        if command in answers:
            assert len(steer.recv_multipart()) == (8 if command == "STATISTICS" else 1)

    for i in range(5):
        say("PAUSE")
        say("STATISTICS")
        a.send(b"%d" % i)
        say("RESUME")
        assert b.recv() == b"%d" % i
    say("TERMINATE")
    task.get()


def test_an_unknown_command_is_an_error(pair: Pair, zmq: ModuleType, front_end: FrontEnd) -> None:
    front, a = pair()
    back, b = pair()
    control, steer = pair()
    task = front_end.spawn(zmq.proxy_steerable, front, back, None, control)
    steer.send(b"STOP")
    with pytest.raises(ValueError, match="TERMINATE"):
        task.get()
    a.send(b"1")
    assert front.recv() == b"1"
    back.send(b"2")
    assert b.recv() == b"2"


@pytest.mark.parametrize("form", ["proxy", "device"])
def test_the_end_of_the_context_ends_it(zmq: ModuleType, front_end: FrontEnd, ledger: None, form: str) -> None:
    context = zmq.Context()
    front, back, client = context.socket(zmq.PULL), context.socket(zmq.PUSH), context.socket(zmq.PUSH)
    front.bind("inproc://front")
    back.bind("inproc://back")
    sink = context.socket(zmq.PULL)
    sink.connect("inproc://back")
    client.connect("inproc://front")
    if form == "proxy":
        task = front_end.spawn(zmq.proxy, front, back)
    else:
        task = front_end.spawn(zmq.device, zmq.STREAMER, front, back)
    client.send(b"1")
    assert sink.recv() == b"1"
    client.close()
    sink.close()
    ending = front_end.spawn(context.term)
    with pytest.raises(zmq.ContextTerminated):
        task.get()
    front.close()
    back.close()
    ending.get()


@pytest.mark.parametrize("waits_for", ["a command", "room", "room to capture"])
def test_the_end_of_the_context_of_a_socket_that_it_does_not_ask(
    zmq: ModuleType, front_end: FrontEnd, ledger: None, waits_for: str
) -> None:
    """What the loop waits for comes from sockets of another context, which goes on."""
    context, other = zmq.Context(), zmq.Context()
    front = context.socket(zmq.PULL)
    back = (other if waits_for == "room" else context).socket(zmq.PUSH)
    capture = other.socket(zmq.PUSH if waits_for == "room to capture" else zmq.PUB)
    control, steer = other.socket(zmq.REP), other.socket(zmq.REQ)
    control.bind("inproc://control")
    steer.connect("inproc://control")
    task = front_end.spawn(zmq.proxy_steerable, front, back, capture, control)
    for command in (b"STATISTICS", b"PAUSE" if waits_for == "a command" else b"RESUME", b"STATISTICS"):
        steer.send(command)
        steer.recv_multipart()
    ending = front_end.spawn(context.term)
    with pytest.raises(zmq.ContextTerminated):
        task.get()
    for socket in (front, back, capture, control, steer):
        socket.close()
    ending.get()
    other.term()


def test_a_reply_that_cannot_be_delivered_is_dropped(pair: Pair, relay: Callable[..., Relay], zmq: ModuleType) -> None:
    front, client = pair(zmq.ROUTER, zmq.DEALER)
    front.router_mandatory = 1
    back, worker = pair(zmq.DEALER, zmq.DEALER)
    relay(front, back)
    worker.send_multipart([b"nobody", b"lost"])
    client.send(b"ask")
    name, question = worker.recv_multipart()
    worker.send_multipart([name, question + b"ed"])
    assert client.recv() == b"asked"


def test_a_side_that_is_full_does_not_stop_the_other(
    pair: Pair, relay: Callable[..., Relay], zmq: ModuleType, front_end: FrontEnd
) -> None:
    front, a = pair(hwm=5)
    back, b = pair(hwm=5)
    steered = relay(front, back)
    accepted = 0

    def full() -> bool:
        """Tell whether nothing more gets in, with what the proxy moved in mind."""
        nonlocal accepted
        try:
            while True:
                a.send(b"%d" % accepted, zmq.NOBLOCK)
                accepted += 1
        except zmq.Again:
            moved = steered.numbers()[0]
            return moved == steered.numbers()[0] and not a.poll(0, zmq.POLLOUT)

    wait_until(front_end, full)
    # b has received nothing; what it sends arrives all the same, and as much as it likes.
    for i in range(100):
        b.send(b"back %d" % i)
        assert a.recv() == b"back %d" % i
    assert accepted <= 20
    assert [b.recv() for _ in range(accepted)] == [b"%d" % i for i in range(accepted)]


def test_a_mandatory_router_whose_peer_is_full_holds_up_one_direction_only(
    pair: Pair, relay: Callable[..., Relay], zmq: ModuleType, front_end: FrontEnd
) -> None:
    front, slow = pair(zmq.ROUTER, zmq.DEALER, hwm=2)
    front.router_mandatory = 1
    # Another peer has room: EVENTS says POLLOUT, and sending to the slow one meets EAGAIN all the same.
    idle = front.context.socket(zmq.DEALER)
    idle.connect(front.get_string(zmq.LAST_ENDPOINT))
    back, worker = pair(zmq.DEALER, zmq.DEALER)
    capture, listener = pair(zmq.PUSH, zmq.PULL)
    relay(front, back, capture)
    slow.send(b"hello")
    name, _ = worker.recv_multipart()
    for i in range(20):
        worker.send_multipart([name, b"%d" % i])
    slow.send(b"more")
    assert worker.recv_multipart() == [name, b"more"]
    assert [slow.recv() for _ in range(20)] == [b"%d" % i for i in range(20)]
    # Every message was captured once, however often it was tried.
    captured = [listener.recv_multipart()[1] for _ in range(22)]
    assert sorted(captured) == sorted([b"hello", b"more", *(b"%d" % i for i in range(20))])
    assert not listener.poll(0)


def test_one_socket_gets_back_what_it_sent(pair: Pair, zmq: ModuleType, front_end: FrontEnd, ledger: None) -> None:
    context = zmq.Context()
    echo, client = context.socket(zmq.ROUTER), context.socket(zmq.DEALER)
    echo.bind("inproc://echo")
    client.connect("inproc://echo")
    task = front_end.spawn(zmq.device, zmq.QUEUE, echo)
    for i in range(10):
        client.send_multipart([b"%d" % i, b""])
        assert client.recv_multipart() == [b"%d" % i, b""]
    client.close()
    ending = front_end.spawn(context.term)
    with pytest.raises(zmq.ContextTerminated):
        task.get()
    echo.close()
    ending.get()


@pytest.mark.parametrize("kinds", ["PULL PULL", "PUSH PUSH", "SUB PULL", "PUB PUSH"])
def test_sockets_between_which_nothing_can_pass(context: Any, zmq: ModuleType, kinds: str) -> None:
    front, back = (context.socket(getattr(zmq, kind)) for kind in kinds.split())
    for call in (zmq.proxy, zmq.proxy_steerable, lambda *ends: zmq.device(zmq.QUEUE, *ends)):
        for ends in ((front, back), (back, front)):
            with pytest.raises(zmq.ZMQError, match="nothing can pass") as caught:
                call(*ends)
            assert caught.value.errno == zmq.EINVAL


def test_a_capture_socket_that_cannot_send_and_a_control_socket_that_cannot_receive(
    context: Any, pair: Pair, zmq: ModuleType
) -> None:
    (front, a), (back, b) = pair(), pair()
    for kind in (zmq.PULL, zmq.SUB):
        for call in (zmq.proxy, zmq.proxy_steerable, zmq.monitored_queue):
            with pytest.raises(zmq.ZMQError, match="can't send") as caught:
                call(front, back, context.socket(kind))
            assert caught.value.errno == zmq.EINVAL
    for kind in (zmq.PUSH, zmq.PUB):
        with pytest.raises(zmq.ZMQError, match="can't receive") as caught:
            zmq.proxy_steerable(front, back, None, context.socket(kind))
        assert caught.value.errno == zmq.EINVAL
    # They are free.
    a.send(b"1")
    assert front.recv() == b"1"
    b.send(b"2")
    assert back.recv() == b"2"


def test_bad_arguments(pair: Pair, zmq: ModuleType) -> None:
    a, b = pair()
    for call in (
        lambda: zmq.proxy(a, None),
        lambda: zmq.proxy(a, "b"),
        lambda: zmq.proxy_steerable(a, b, 1),
        lambda: zmq.device(zmq.QUEUE, None, b),
    ):
        with pytest.raises(TypeError):
            call()
    with pytest.raises(ValueError):
        zmq.device(99, a, b)
    b.close()
    for call in (lambda: zmq.proxy(a, b), lambda: zmq.proxy(a, a, b), lambda: zmq.proxy_steerable(a, a, None, b)):
        with pytest.raises(zmq.ZMQError) as caught:
            call()
        assert caught.value.errno == zmq.ENOTSOCK


def test_two_sockets_are_enough_for_a_relay(zmq: ModuleType, pair: Pair) -> None:
    """What is left out is as it is for proxies."""
    front, back = pair()
    back.close()
    with pytest.raises(zmq.ZMQError):
        relay_all(front, back)
    with pytest.raises(TypeError):
        relay_all(front)


def test_a_socket_is_closed_though_its_proxy_is_begun_again() -> None:
    """Who runs a proxy as long as its sockets are open learns of a close only when it has happened."""
    for number in range(30):
        context = plain.Context()
        context.linger = 0
        front, back = context.socket(plain.PULL), context.socket(plain.PUSH)
        front.bind(f"inproc://front-{number}")
        back.bind(f"inproc://back-{number}")
        begun = threading.Event()

        def supervise(front: Any = front, back: Any = back, begun: threading.Event = begun) -> None:
            while not front.closed and not back.closed:
                begun.set()
                with suppress(plain.ZMQError):
                    plain.proxy(front, back)

        thread = ThreadTask(supervise, (), {})
        assert begun.wait(LIMIT)
        front.close()
        back.close()
        thread.get()
        ending = ThreadTask(context.term, (), {})
        ending.get()
