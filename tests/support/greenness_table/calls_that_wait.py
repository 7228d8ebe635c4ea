"""The greenness table: calls that wait, and what ends the wait."""

from __future__ import annotations

import asyncio
import importlib
import os
import pickle
from collections.abc import Callable
from typing import Any

import zmq as plain
import zmq.asyncio as zmq_asyncio
from support.greenness_table.row import LARGE, Scene, drain, fill, poller_of, waits
from zmq import DEALER, NOBLOCK, PAIR, POLLIN, POLLOUT, PULL, PUSH, ROUTER, SUB, XPUB
from zmq.eventloop.zmqstream import ZMQStream
from zmq.utils import monitor

Prepare = Callable[[Scene], tuple[Any, ...]]

#: Milliseconds, where it is a time-out that ends a wait.
TIMEOUT = 30

# What calls wait for.


def pair(**options: Any) -> Prepare:
    """Two sockets; nobody sent."""
    return lambda s: s.pair(**options)


def full(**options: Any) -> Prepare:
    """A PUSH that has no room, and its PULL."""

    def prepare(s: Scene) -> tuple[Any, Any]:
        push, pull = s.pair(PUSH, PULL, hwm=1, **options)
        fill(lambda: push.send(b"x", NOBLOCK))
        return push, pull

    return prepare


def own(s: Scene, **options: Any) -> tuple[Any, Any, Any]:
    """A context, with two sockets that are closed afterwards."""
    context = s.ending(s.zmq.Context())
    a, b = s.pair(context=context, **options)
    s.closing.callback(a.close)
    s.closing.callback(b.close)
    return context, a, b


def own_full(s: Scene) -> tuple[Any, Any, Any]:
    """The same, and the second has no room."""
    context, a, b = own(s, hwm=1)
    fill(lambda: b.send(b"x", NOBLOCK))
    return context, a, b


def unsent(linger: int = -1) -> Prepare:
    """A context with a socket that holds a message, and the address where it is waited for."""

    def prepare(s: Scene) -> tuple[Any, Any, str]:
        context, address = s.ending(s.zmq.Context()), s.address()
        return context, s.late_push(context, address, linger), address

    return prepare


def unsent_closed(linger: int = -1) -> Prepare:
    """The same, and the socket is closed."""

    def prepare(s: Scene) -> tuple[Any, ...]:
        things = unsent(linger)(s)
        things[1].close()
        return things

    return prepare


# Receiving: what is called, what is sent, what is received.

RECEIVE: dict[str, tuple[Callable[[Any], Any], list[bytes], Any]] = {
    "recv": (lambda b: b.recv(), [b"1"], b"1"),
    "recv_into": (lambda b: b.recv_into(bytearray(5)), [b"123"], 3),
    "recv_json": (lambda b: b.recv_json(), [b"[1]"], [1]),
    "recv_multipart": (lambda b: b.recv_multipart(), [b"1", b"2"], [b"1", b"2"]),
    "recv_pyobj": (lambda b: b.recv_pyobj(), [pickle.dumps((1, 2))], (1, 2)),
    "recv_serialized": (lambda b: b.recv_serialized(b"".join), [b"1", b"2"], b"12"),
    "recv_string": (lambda b: b.recv_string(), [b"\xc3\xa9"], "\xe9"),
    "recv_unicode": (lambda b: b.recv_unicode(), [b"\xc3\xa9"], "\xe9"),
}


def add_receive(name: str, receive: Callable[[Any], Any], parts: list[bytes], result: Any) -> None:
    waits(name, "", pair(), lambda s, a, b: receive(b), lambda s, a, b: a.send_multipart(parts), result)
    waits(name, "RCVTIMEO", pair(rcvtimeo=TIMEOUT), lambda s, a, b: receive(b), None, plain.Again)


def add_closed_receive(name: str, receive: Callable[[Any], Any]) -> None:
    waits(name, "closed", pair(), lambda s, a, b: receive(b), lambda s, a, b: b.close(), plain.ZMQError)


for name, received in RECEIVE.items():
    add_receive(f"Socket.{name}", *received)
for name in ("recv", "recv_into", "recv_multipart"):
    add_closed_receive(f"Socket.{name}", RECEIVE[name][0])


for frames in (1, 2):
    message = [b"1", b"2"][:frames]
    expected = [b"1"] if frames == 1 else [[b"1", b"2"]]
    waits(
        "Socket.recv_many",
        f"{frames} frames",
        pair(),
        lambda s, a, b, multipart=frames > 1: b.recv_many(multipart=multipart),
        lambda s, a, b, message=message: a.send_multipart(message),
        expected,
    )
waits("Socket.recv_many", "RCVTIMEO", pair(rcvtimeo=TIMEOUT), lambda s, a, b: b.recv_many(), None, [])
waits("Socket.recv_many", "time-out", pair(), lambda s, a, b: b.recv_many(timeout=TIMEOUT), None, [])
add_closed_receive("Socket.recv_many", lambda b: b.recv_many())


def end_context(s: Scene, context: Any, *sockets: Any) -> None:
    """Have a context terminated; it is only when its sockets are closed."""
    s.start(context.term)


def tcp(s: Scene) -> tuple[Any, Any]:
    a, b = s.socket(PAIR), s.socket(PAIR)
    b.connect(f"tcp://127.0.0.1:{a.bind_to_random_port('tcp://127.0.0.1')}")
    return a, b


waits("Socket.recv", "tcp", tcp, lambda s, a, b: b.recv(), lambda s, a, b: a.send(b"1"), b"1")
waits(
    "Socket.recv",
    "copy=False",
    pair(),
    lambda s, a, b: bytes(b.recv(copy=False)),
    lambda s, a, b: a.send(b"1"),
    b"1",
)
waits(
    "Socket.recv",
    "a shadow",
    pair(),
    lambda s, a, b: s.zmq.Socket.shadow(b.underlying).recv(),
    lambda s, a, b: a.send(b"1"),
    b"1",
)
waits("Socket.recv", "the context ends", own, lambda s, c, a, b: b.recv(), end_context, plain.ContextTerminated)

# Sending, where there is no room.

SEND: dict[str, Callable[[Any], Any]] = {
    "send": lambda a: a.send(b"1"),
    "send_json": lambda a: a.send_json([1]),
    "send_multipart": lambda a: a.send_multipart([b"1", b"2"]),
    "send_pyobj": lambda a: a.send_pyobj((1, 2)),
    "send_serialized": lambda a: a.send_serialized(b"12", lambda message: [message]),
    "send_string": lambda a: a.send_string("\xe9"),
    "send_unicode": lambda a: a.send_unicode("\xe9"),
}


def add_send(name: str, send: Callable[[Any], Any]) -> None:
    waits(name, "", full(), lambda s, a, b: send(a), lambda s, a, b: drain(b))
    waits(name, "SNDTIMEO", full(sndtimeo=TIMEOUT), lambda s, a, b: send(a), None, plain.Again)


def add_closed_send(name: str, send: Callable[[Any], Any]) -> None:
    waits(name, "closed", full(), lambda s, a, b: send(a), lambda s, a, b: a.close(), plain.ZMQError)


for name, send in SEND.items():
    add_send(f"Socket.{name}", send)
for name in ("send", "send_multipart"):
    add_closed_send(f"Socket.{name}", SEND[name])
waits("Socket.send_many", "", full(), lambda s, a, b: a.send_many([b"1", b"2"]), lambda s, a, b: drain(b), 2)
waits("Socket.send_many", "SNDTIMEO", full(sndtimeo=TIMEOUT), lambda s, a, b: a.send_many([b"1", b"2"]), None, 0)
add_closed_send("Socket.send_many", lambda a: a.send_many([b"1"]))


def unconnected(s: Scene) -> tuple[Any, Any, str]:
    push, address = s.socket(PUSH), s.address()
    push.bind(address)
    return push, s.socket(PULL), address


def full_peer(s: Scene) -> tuple[Any, Any]:
    """A ROUTER with ROUTER_MANDATORY, and its peer for which there is no room."""
    router, peer = s.pair(ROUTER, DEALER, hwm=1, routing_id=b"peer")
    router.router_mandatory = 1
    peer.send(b"hello")
    assert router.recv_multipart() == [b"peer", b"hello"]
    fill(lambda: router.send_multipart([b"peer", b"x"], NOBLOCK))
    return router, peer


def full_subscriber(s: Scene) -> tuple[Any, Any]:
    """An XPUB with XPUB_NODROP, and its subscriber for which there is no room."""
    publisher, subscriber = s.pair(XPUB, SUB, hwm=1)
    publisher.xpub_nodrop = 1
    subscriber.subscribe(b"")
    assert publisher.recv() == b"\x01"
    fill(lambda: publisher.send(b"x", NOBLOCK))
    return publisher, subscriber


waits(
    "Socket.send",
    "nobody is connected",
    unconnected,
    lambda s, push, pull, address: push.send(b"1"),
    lambda s, push, pull, address: pull.connect(address),
)
waits("Socket.send", "copy=False", full(), lambda s, a, b: a.send(LARGE, copy=False), lambda s, a, b: drain(b))
waits(
    "Socket.send", "the context ends", own_full, lambda s, c, a, b: b.send(b"1"), end_context, plain.ContextTerminated
)
waits("Socket.send", "XPUB_NODROP", full_subscriber, lambda s, a, b: a.send(b"1"), lambda s, a, b: drain(b))
waits(
    "Socket.send",
    "ROUTER_MANDATORY",
    full_peer,
    lambda s, a, b: [a.send(b"peer", plain.SNDMORE), a.send(b"1")],
    lambda s, a, b: drain(b),
    [None, None],
)
waits(
    "Socket.send_multipart",
    "ROUTER_MANDATORY",
    full_peer,
    lambda s, a, b: a.send_multipart([b"peer", b"1"]),
    lambda s, a, b: drain(b),
)

# Polling. Each way takes a socket or descriptor, what for, and milliseconds; it tells whether that is ready.


def poll_with_poller(s: Scene, item: Any, flags: int, timeout: float | None = None) -> bool:
    found = poller_of(s, item, flags=flags).poll(timeout)
    assert found in ([], [(item, flags)])
    return bool(found)


def poll_with_select(s: Scene, item: Any, flags: int, timeout: float | None = None) -> bool:
    wanted = [[item] if flags == flag else [] for flag in (POLLIN, POLLOUT)]
    found = s.zmq.select(*wanted, [], timeout and timeout / 1000)
    assert found in (([], [], []), (*wanted, []))
    return any(found)


def poll_with_zmq_poll(s: Scene, item: Any, flags: int, timeout: float | None = None) -> bool:
    found = s.zmq.zmq_poll([(item, flags)], timeout)
    assert found in ([], [(item, flags)])
    return bool(found)


def poll_socket(s: Scene, item: Any, flags: int, timeout: float | None = None) -> bool:
    found = item.poll(timeout, flags)
    assert found in (0, flags)
    return bool(found)


def pipe(s: Scene) -> tuple[int, int]:
    reader, writer = os.pipe()
    s.closing.callback(os.close, reader)
    s.closing.callback(os.close, writer)
    return reader, writer


def add_poll(name: str, poll: Callable[..., bool]) -> None:
    waits(name, "to receive", pair(), lambda s, a, b: poll(s, b, POLLIN), lambda s, a, b: a.send(b"1"), True)
    waits(name, "to send", full(), lambda s, a, b: poll(s, a, POLLOUT), lambda s, a, b: drain(b), True)
    waits(name, "for a time", pair(), lambda s, a, b: poll(s, b, POLLIN, TIMEOUT), None, False)
    waits(name, "closed", pair(), lambda s, a, b: poll(s, b, POLLIN), lambda s, a, b: b.close(), plain.ZMQError)
    waits(name, "the context ends", own, lambda s, c, a, b: poll(s, b, POLLIN), end_context, plain.ContextTerminated)
    if name != "Socket.poll":
        waits(name, "a descriptor", pipe, lambda s, r, w: poll(s, r, POLLIN), lambda s, r, w: os.write(w, b"1"), True)


add_poll("Poller.poll", poll_with_poller)
add_poll("select", poll_with_select)
add_poll("zmq_poll", poll_with_zmq_poll)
add_poll("Socket.poll", poll_socket)


def many(s: Scene) -> tuple[Any, ...]:
    pairs = [s.pair() for _ in range(10)]
    poller = poller_of(s, *(b for _, b in pairs))
    assert poller.poll(0) == []
    return poller, *pairs[7]


waits(
    "Poller.poll",
    "many sockets",
    many,
    lambda s, poller, a, b: poller.poll() == [(b, POLLIN)],
    lambda s, poller, a, b: a.send(b"1"),
    True,
)

# Ending contexts.


def open_socket(s: Scene) -> tuple[Any, Any]:
    context = s.zmq.Context()
    return context, s.socket(PULL, context)


def deliver(s: Scene, context: Any, push: Any, address: str) -> None:
    s.receive_late(address)


def term_too(s: Scene, context: Any, push: Any, address: str) -> None:
    s.start(context.term)
    s.receive_late(address)


def leave_context(s: Scene, context: Any, *_: Any) -> None:
    with context:
        pass


def term(s: Scene, context: Any, *_: Any) -> None:
    context.term()


waits("Context.term", "a socket is open", open_socket, term, lambda s, context, socket: socket.close())
waits("Context.term", "a message is not sent", unsent_closed(), term, deliver)
waits("Context.term", "others wait for it too", unsent_closed(), term, term_too)
waits("Context.term", "LINGER", unsent_closed(TIMEOUT), term, None)
waits("Context.destroy", "a message is not sent", unsent(), lambda s, context, *_: context.destroy(), deliver)
waits("Context.destroy", "linger", unsent(), lambda s, context, *_: context.destroy(linger=TIMEOUT), None)
waits("Context.__exit__", "a message is not sent", unsent_closed(), leave_context, deliver)

# Relaying.


def own_capture(s: Scene) -> tuple[Any, ...]:
    things = own(s)
    capture = s.socket(PUSH, things[0])
    s.closing.callback(capture.close)
    return *things, capture


RELAY: dict[str, Callable[..., Any]] = {
    "device": lambda s, c, a, b: s.zmq.device(plain.QUEUE, a, b),
    "proxy": lambda s, c, a, b: s.zmq.proxy(a, b),
    "proxy_steerable": lambda s, c, a, b: s.zmq.proxy_steerable(a, b),
}

for name, relay in RELAY.items():
    waits(name, "the context ends", own, relay, end_context, plain.ContextTerminated)
waits(
    "proxy",
    "capture",
    own_capture,
    lambda s, c, a, b, capture: s.zmq.proxy(a, b, capture),
    end_context,
    plain.ContextTerminated,
)
waits(
    "proxy_steerable",
    "TERMINATE",
    lambda s: (*s.pair(), *s.pair()),
    lambda s, a, b, control, steer: s.zmq.proxy_steerable(a, b, None, control),
    lambda s, a, b, control, steer: steer.send(b"TERMINATE"),
)

# Trackers.


def tracked(track: Callable[[Scene, Any], Any]) -> Prepare:
    """A tracker of what was sent, and the socket that has not received it."""

    def prepare(s: Scene) -> tuple[Any, Any]:
        a, b = s.pair()
        return track(s, a), b

    return prepare


def track_send(s: Scene, a: Any) -> Any:
    return a.send(LARGE, copy=False, track=True)


def track_frames(s: Scene, a: Any) -> Any:
    return a.send_multipart([LARGE, b"small", LARGE], copy=False, track=True)


def track_frame(s: Scene, a: Any) -> Any:
    frame = s.zmq.Frame(LARGE, track=True)
    return a.send(frame, copy=False) and s.zmq.MessageTracker(frame)


def track_event(s: Scene, a: Any) -> Any:
    frame = s.zmq.Frame(LARGE, track=True)
    return a.send(frame, copy=False) and s.zmq.MessageTracker(frame.tracker_event)


def track_trackers(s: Scene, a: Any) -> Any:
    return s.zmq.MessageTracker(track_send(s, a), track_send(s, a))


for case, track in (
    ("of a send", track_send),
    ("of several frames", track_frames),
    ("of a Frame", track_frame),
    ("of other trackers", track_trackers),
    ("of the event of a Frame", track_event),
):
    waits(
        "MessageTracker.wait",
        f"{case}, for a time",
        tracked(track),
        lambda s, tracker, b: tracker.wait(TIMEOUT / 1000),
        None,
        plain.NotDone,
    )
    waits("MessageTracker.wait", case, tracked(track), lambda s, tracker, b: tracker.wait(), lambda s, _, b: drain(b))

# What is built on these.


def monitored(s: Scene) -> tuple[Any, Any]:
    socket = s.socket(PULL)
    return socket, socket.get_monitor_socket(plain.EVENT_LISTENING)


def decorators(s: Scene) -> Any:
    return importlib.import_module(f"{s.zmq.__name__}.decorators")


def receive_from(s: Scene, address: str) -> Any:
    def receive(context: Any, pull: Any) -> Any:
        pull.connect(address)
        return pull.recv()

    return decorators(s).socket(PULL)(receive)(s.context)


def send_late(s: Scene, address: str) -> None:
    decorators(s).context()(lambda context: s.late_push(context, address).close())()


waits(
    "utils.monitor.recv_monitor_message",
    "",
    monitored,
    lambda s, socket, events: monitor.recv_monitor_message(events)["event"],
    lambda s, socket, events: socket.bind_to_random_port("tcp://127.0.0.1"),
    plain.EVENT_LISTENING,
)
waits(
    "decorators.socket",
    "",
    unconnected,
    lambda s, push, pull, address: receive_from(s, address),
    lambda s, push, pull, address: push.send(b"1"),
    b"1",
)
waits(
    "decorators.context",
    "a message is not sent",
    lambda s: (s.address(),),
    lambda s, address: send_late(s, address),
    lambda s, address: s.receive_late(address),
)

# Event loops.


def streams(s: Scene) -> tuple[Any, Any, Any]:
    loop = importlib.import_module(f"{s.zmq.__name__}.eventloop.ioloop").IOLoop(make_current=False)
    s.closing.callback(loop.close, all_fds=True)
    return (loop, *s.pair())


def run_stream(loop: Any, socket: Any) -> Any:
    """Run a loop until a stream has received a message."""
    stream = ZMQStream(socket, loop)

    async def main() -> Any:
        received = loop.asyncio_loop.create_future()
        stream.on_recv(received.set_result)
        return await received

    try:
        return loop.run_sync(main)
    finally:
        stream.stop_on_recv()


waits(
    "eventloop.ioloop.IOLoop",
    "runs",
    streams,
    lambda s, loop, a, b: run_stream(loop, a),
    lambda s, loop, a, b: b.send(b"1"),
    [b"1"],
)


def futures(s: Scene) -> tuple[Any, Any, Any]:
    module = importlib.import_module(f"{s.zmq.__name__}.eventloop.ioloop")
    loop = getattr(module, "EventLoop", asyncio.SelectorEventLoop)()  # plain `zmq` needs none of its own
    s.closing.callback(loop.close)
    return (loop, *s.pair())


async def receive_once(socket: Any) -> Any:
    return await zmq_asyncio.Socket.shadow(socket).recv()


def complete(loop: Any, coroutine: Any) -> Any:
    task = loop.create_task(coroutine)
    try:
        return loop.run_until_complete(task)
    finally:
        task.cancel()
        loop.run_until_complete(asyncio.wait([task]))


def run_until_received(loop: Any, socket: Any) -> Any:
    """Run a loop of asyncio's until a socket has received a message."""

    async def main() -> None:
        received.append(await shadow.recv())
        loop.stop()

    received: list[bytes] = []
    shadow = zmq_asyncio.Socket.shadow(socket)
    task = loop.create_task(main())
    try:
        loop.run_forever()
        return received
    finally:
        task.cancel()
        loop.run_until_complete(asyncio.wait([task]))


waits(
    "eventloop.ioloop.EventLoop.run_forever",
    "",
    futures,
    lambda s, loop, a, b: run_until_received(loop, a),
    lambda s, loop, a, b: b.send(b"1"),
    [b"1"],
)
waits(
    "eventloop.ioloop.EventLoop.run_until_complete",
    "",
    futures,
    lambda s, loop, a, b: complete(loop, receive_once(a)),
    lambda s, loop, a, b: b.send(b"1"),
    b"1",
)
