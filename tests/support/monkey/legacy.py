"""Code that was written for threads and knows of no greenlets: what the tests of monkeypatching make green.

Each wait is a generator. It opens what it needs, then yields two callables: one that waits, and one that ends the wait;
both are called at the same time, and what comes after the yield sees that all is well.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

import zmq
from zmq import Context, Frame, MessageTracker, Poller, Socket, device, proxy, proxy_steerable, select, zmq_poll
from zmq.utils.monitor import recv_monitor_message

Wait = Iterator[tuple[Callable[[], Any], Callable[[], Any]]]

BIG = bytes(100_000)
numbers = count()


class OverridingSocket(Socket):
    """One like those in the wild, which replace what everything else is made of."""

    calls = 0

    def send(self, data: Any, flags: int = 0, copy: bool = True, track: bool = False, **kwargs: Any) -> Any:
        OverridingSocket.calls += 1
        return super().send(data, flags, copy, track, **kwargs)

    def recv(self, flags: int = 0, copy: bool = True, track: bool = False) -> Any:
        OverridingSocket.calls += 1
        return super().recv(flags, copy, track)

    def getsockopt(self, option: int) -> Any:
        OverridingSocket.calls += 1
        return super().getsockopt(option)


class OverridingContext(Context):
    _socket_class = OverridingSocket
    _instance = None


class DerivedPoller(Poller):
    pass


class Plain:
    """A wait's own context, and the classes to use."""

    context_class: type[Context] = Context
    poller_class: type[Poller] = Poller

    def __init__(self) -> None:
        self.context = self.context_class()
        self.context.linger = 0
        self.sockets: list[Any] = []

    def socket(self, kind: int, **options: Any) -> Any:
        socket = self.context.socket(kind)
        self.sockets.append(socket)
        for name, value in options.items():
            setattr(socket, name, value)
        return socket

    def pair(self, one: int = zmq.PAIR, other: int = zmq.PAIR, **options: Any) -> tuple[Any, Any]:
        a, b = self.socket(one, **options), self.socket(other, **options)
        address = f"inproc://{next(numbers)}"
        a.bind(address)
        b.connect(address)
        return a, b

    def poller(self, *sockets: Any) -> Any:
        poller = self.poller_class()
        for socket in sockets:
            poller.register(socket, zmq.POLLIN)
        return poller


class Derived(Plain):
    """The same with classes that were derived from those of zmq."""

    context_class = OverridingContext
    poller_class = DerivedPoller


WAITS: dict[str, Callable[[Plain], Wait]] = {}


def wait(generator: Callable[[Plain], Wait]) -> Callable[[Plain], Wait]:
    WAITS[generator.__name__] = generator
    return generator


def receives(name: str, sends: Callable[[Any], Any], receive: Callable[[Any], Any], expected: Any) -> None:
    def generator(kit: Plain) -> Wait:
        a, b = kit.pair()
        got = []
        before = OverridingSocket.calls
        yield lambda: got.append(receive(b)), lambda: sends(a)
        assert got == [expected]
        assert OverridingSocket.calls > before or type(b) is Socket, "an overridden method was passed by"

    WAITS[name] = generator


receives("recv", lambda a: a.send(b"1"), lambda b: b.recv(), b"1")
receives("recv_frame", lambda a: a.send(b"1"), lambda b: b.recv(copy=False).bytes, b"1")
receives("recv_multipart", lambda a: a.send_multipart([b"1", b"2"]), lambda b: b.recv_multipart(), [b"1", b"2"])
receives("recv_string", lambda a: a.send_string("é"), lambda b: b.recv_string(), "é")
receives("recv_json", lambda a: a.send_json({"a": 1}), lambda b: b.recv_json(), {"a": 1})
receives("recv_pyobj", lambda a: a.send_pyobj([1]), lambda b: b.recv_pyobj(), [1])
receives("recv_into", lambda a: a.send(b"1"), lambda b: b.recv_into(bytearray(1)), 1)
receives("socket_poll", lambda a: a.send(b"1"), lambda b: b.poll(), zmq.POLLIN)


@wait
def send(kit: Plain) -> Wait:
    a, b = kit.pair(zmq.PUSH, zmq.PULL, hwm=1)
    sent = fill(a)
    yield lambda: a.send(b"last"), lambda: [b.recv() for _ in range(sent)]
    assert b.recv() == b"last"


@wait
def send_multipart(kit: Plain) -> Wait:
    a, b = kit.pair(zmq.PUSH, zmq.PULL, hwm=1)
    sent = fill(a)
    yield lambda: a.send_multipart([b"la", b"st"]), lambda: [b.recv() for _ in range(sent)]
    assert b.recv_multipart() == [b"la", b"st"]


def fill(socket: Any) -> int:
    """Send until there is no room; return how many messages."""
    for sent in count():
        try:
            socket.send(b"x", zmq.NOBLOCK)
        except zmq.Again:
            return sent
    raise AssertionError


@wait
def poller(kit: Plain) -> Wait:
    a, b = kit.pair()
    poller = kit.poller(b)
    assert poller.poll(0) == []
    got: list[Any] = []
    yield lambda: got.extend(poller.poll()), lambda: a.send(b"1")
    assert got == [(b, zmq.POLLIN)]
    assert b.recv() == b"1"
    assert poller.poll(0) == []


@wait
def poller_of_many(kit: Plain) -> Wait:
    pairs = [kit.pair() for _ in range(20)]
    poller = kit.poller(*(b for _, b in pairs))
    assert poller.poll(0) == []
    got: list[Any] = []
    yield lambda: got.extend(poller.poll()), lambda: pairs[7][0].send(b"1")
    assert got == [(pairs[7][1], zmq.POLLIN)]


@wait
def poller_of_a_descriptor(kit: Plain) -> Wait:
    _, b = kit.pair()
    reader, writer = os.pipe()
    poller = kit.poller(b, reader)
    got: list[Any] = []
    yield lambda: got.extend(poller.poll(20_000)), lambda: os.write(writer, b"x")
    assert got == [(reader, zmq.POLLIN)]
    os.close(reader)
    os.close(writer)


@wait
def selecting(kit: Plain) -> Wait:
    a, b = kit.pair()
    got = []
    yield lambda: got.append(select([b], [], [])), lambda: a.send(b"1")
    assert got == [([b], [], [])]


@wait
def polling_once(kit: Plain) -> Wait:
    a, b = kit.pair()
    got: list[Any] = []
    yield lambda: got.extend(zmq_poll([(b, zmq.POLLIN)], 20_000)), lambda: a.send(b"1")
    assert got == [(b, zmq.POLLIN)]


@wait
def tracker(kit: Plain) -> Wait:
    a, b = kit.pair()
    tracker = a.send(BIG, copy=False, track=True)
    yield lambda: tracker.wait(20), b.recv
    assert tracker.done


@wait
def tracker_of_trackers(kit: Plain) -> Wait:
    a, b = kit.pair()
    frame = Frame(BIG, track=True)
    both = MessageTracker(frame, a.send(BIG, copy=False, track=True))
    a.send(frame, copy=False)
    del frame
    yield both.wait, lambda: (b.recv(), b.recv())
    assert both.done


def relay(kit: Plain, how: Callable[[Any, Any], None]) -> Wait:
    front, a = kit.pair()
    back, b = kit.pair()
    got = []

    def use_and_end() -> None:
        a.send_multipart([b"there", b"1"])
        got.append(b.recv_multipart())
        b.send(b"back")
        got.append(a.recv())
        a.close()
        b.close()
        kit.context.term()

    def run() -> None:
        try:
            how(front, back)
        except zmq.ContextTerminated:
            got.append("terminated")
        front.close()
        back.close()

    yield run, use_and_end
    assert got == [[b"there", b"1"], b"back", "terminated"]
    assert kit.context.closed


@wait
def proxying(kit: Plain) -> Wait:
    return relay(kit, proxy)


@wait
def device_of_two(kit: Plain) -> Wait:
    return relay(kit, lambda front, back: device(zmq.QUEUE, front, back))


@wait
def steerable_proxy(kit: Plain) -> Wait:
    front, a = kit.pair()
    back, b = kit.pair()
    control, steering = kit.pair()
    got = []

    def use_and_end() -> None:
        a.send(b"1")
        got.append(b.recv())
        steering.send(b"TERMINATE")

    yield lambda: proxy_steerable(front, back, None, control), use_and_end
    assert got == [b"1"]


@wait
def term(kit: Plain) -> Wait:
    a, b = kit.pair()
    a.close()
    yield kit.context.term, b.close
    assert kit.context.closed


@wait
def term_that_lingers(kit: Plain) -> Wait:
    address = f"ipc://legacy-{next(numbers)}"
    push = kit.socket(zmq.PUSH, linger=-1, reconnect_ivl=10)
    push.connect(address)
    push.send(b"1")
    push.close()
    other = Plain()
    got = []

    def listen() -> None:
        pull = other.socket(zmq.PULL)
        pull.bind(address)
        got.append(pull.recv())

    yield kit.context.term, listen
    assert got == [b"1"]
    other.context.destroy()


@wait
def destroy_that_lingers(kit: Plain) -> Wait:
    address = f"ipc://legacy-{next(numbers)}"
    push = kit.socket(zmq.PUSH, linger=-1, reconnect_ivl=10)
    push.connect(address)
    push.send(b"1")
    other = Plain()
    pull = other.socket(zmq.PULL)
    yield kit.context.destroy, lambda: pull.bind(address)
    assert pull.recv() == b"1"
    other.context.destroy()


@wait
def monitor(kit: Plain) -> Wait:
    socket = kit.socket(zmq.REP)
    events = socket.get_monitor_socket(zmq.EVENT_LISTENING)
    got: list[Any] = []
    yield lambda: got.append(recv_monitor_message(events)), lambda: socket.bind("tcp://127.0.0.1:*")
    assert got[0]["event"] == zmq.EVENT_LISTENING
    socket.disable_monitor()


class Authenticator:
    """Answers those who ask whether a client may connect, in a thread that the caller talks to over inproc PAIR."""

    def __init__(self, context: Any, poller_class: type[Poller]) -> None:
        self.context = context
        self.poller_class = poller_class
        self.pipe = context.socket(zmq.PAIR)
        self.address = f"inproc://authenticator-{next(numbers)}"
        self.pipe.bind(self.address)
        self.thread = threading.Thread(target=self.run)
        self.asked: list[bytes] = []

    def start(self) -> None:
        self.thread.start()
        assert self.pipe.recv() == b"ready"

    def allow(self, name: bytes) -> None:
        self.pipe.send_multipart([b"allow", name])
        assert self.pipe.recv() == b"done"

    def stop(self) -> None:
        self.pipe.send(b"stop")
        self.thread.join()
        self.pipe.close()

    def run(self) -> None:
        pipe, handler = self.context.socket(zmq.PAIR), self.context.socket(zmq.REP)
        pipe.connect(self.address)
        handler.bind("inproc://zeromq.zap.01")
        poller = self.poller_class()
        poller.register(pipe, zmq.POLLIN)
        poller.register(handler, zmq.POLLIN)
        allowed = set()
        pipe.send(b"ready")
        while True:
            ready = dict(poller.poll())
            if handler in ready:
                version, number, _domain, _address, _identity, _mechanism, name, _password = handler.recv_multipart()
                self.asked.append(name)
                status = b"200" if name in allowed else b"400"
                handler.send_multipart([version, number, status, b"", name, b""])
            if pipe in ready:
                command = pipe.recv_multipart()
                if command == [b"stop"]:
                    break
                allowed.add(command[1])
                pipe.send(b"done")
        pipe.close()
        handler.close()


@wait
def authenticator(kit: Plain) -> Wait:
    helper = Authenticator(kit.context, kit.poller_class)
    server, client = kit.socket(zmq.REP, plain_server=True), kit.socket(zmq.REQ)
    client.plain_username, client.plain_password = b"anna", b"secret"
    server.bind("tcp://127.0.0.1:*")

    def ask() -> None:
        helper.start()
        helper.allow(b"anna")
        client.connect(server.get_string(zmq.LAST_ENDPOINT))
        client.send(b"hello")
        assert server.recv() == b"hello"
        server.send(b"welcome")

    yield lambda: client.poll(), ask
    assert client.recv() == b"welcome"
    assert helper.asked == [b"anna"]
    helper.stop()


@wait
def other_thread(kit: Plain) -> Wait:
    """A thread that receives, and the main thread that waits for it to end."""
    a, b = kit.pair()
    got = []
    thread = threading.Thread(target=lambda: got.append(b.recv()))

    def join() -> None:
        thread.start()
        thread.join()

    yield join, lambda: a.send(b"1")
    assert got == [b"1"]
