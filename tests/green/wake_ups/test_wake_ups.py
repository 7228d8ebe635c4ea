"""Wake-ups on real hubs: whoever can go on does so at once, whatever another greenlet did on the same socket.

Each test first makes somebody wait, then lets the news ring the socket's bell, and then, before the hub has run, has
somebody else operate on the socket, which may still the bell.
"""

from __future__ import annotations

import copy
import os
import random
import select
import time
from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from types import ModuleType
from typing import Any

import pytest

import zmq as plain
from support.front_ends import LIMIT, GreenFrontEnd, let_timers_go_off
from support.waits import fill, poller_of, start

pytestmark = pytest.mark.usefixtures("no_budget")

Pair = Callable[..., tuple[Any, Any]]
Operation = Callable[[Any, ModuleType], Any]

#: Seconds; less than the sweep alarm needs to find what was missed.
AT_ONCE = 2.0


def wait_for_bell(bell: int) -> None:
    """Wait until the socket has news, while the hub, and so everybody else, stands still."""
    poll = select.poll()
    poll.register(bell, select.POLLIN)
    assert poll.poll(1000 * LIMIT), "there are no news"


def used_poller(zmq: ModuleType, socket: Any) -> Any:
    """Return a poller of many sockets that was polled before, and remembers who had no news."""
    poller = poller_of(zmq, plain.POLLIN, socket, *(socket.context.socket(zmq.PULL) for _ in range(9)))
    assert poller.poll(0) == [] and poller.poll(0) == []
    return poller


def refused(zmq: ModuleType, call: Callable[[], Any]) -> None:
    with pytest.raises(zmq.Again):
        call()


#: What another greenlet may do on a socket that somebody waits to receive on: called before anybody waits, these return
#: what is called when the news has come.
OPERATIONS: dict[str, Callable[[Any, ModuleType], Callable[[], Any]]] = {
    # Polling without waiting.
    "Socket.poll": lambda s, zmq: lambda: s.poll(0),
    "Socket.poll to send": lambda s, zmq: lambda: s.poll(0, zmq.POLLOUT),
    "Poller.poll": lambda s, zmq: lambda: poller_of(zmq, plain.POLLIN, s).poll(0),
    "Poller.poll of a used one": lambda s, zmq: partial(used_poller(zmq, s).poll, 0),
    "select": lambda s, zmq: lambda: zmq.select([s], [], [], 0),
    "select to send": lambda s, zmq: lambda: zmq.select([], [s], [], 0),
    "zmq_poll": lambda s, zmq: lambda: zmq.zmq_poll([(s, zmq.POLLIN)], 0),
    # Reading EVENTS.
    "get": lambda s, zmq: lambda: s.get(zmq.EVENTS),
    "get a number": lambda s, zmq: lambda: s.get(15),
    "getsockopt": lambda s, zmq: lambda: s.getsockopt(zmq.EVENTS),
    "EVENTS": lambda s, zmq: lambda: s.EVENTS,
    "events": lambda s, zmq: lambda: s.events,
    "getattr": lambda s, zmq: lambda: getattr(s, zmq.SocketOption.EVENTS.name),
    "a copy's EVENTS": lambda s, zmq: lambda: copy.copy(s).EVENTS,
    "a shadow's poll": lambda s, zmq: lambda: zmq.Socket.shadow(s.underlying).poll(0),
    # Sending.
    "send": lambda s, zmq: lambda: s.send(b"x"),
    "send NOBLOCK": lambda s, zmq: lambda: s.send(b"x", zmq.NOBLOCK),
    "send a frame": lambda s, zmq: lambda: s.send(zmq.Frame(b"x"), copy=False),
    "send_multipart": lambda s, zmq: lambda: s.send_multipart([b"x", b"y"]),
    "send_string": lambda s, zmq: lambda: s.send_string("x", zmq.NOBLOCK),
    # What else has libzmq look at its commands.
    "bind": lambda s, zmq: lambda: s.bind(f"inproc://{id(s)}"),
    "unbind": lambda s, zmq: s.bind(f"inproc://{id(s)}").__exit__,
}


@pytest.mark.parametrize("name", OPERATIONS)
def test_a_receiver_wakes_though_another_operates_first(
    connected: Pair, zmq: ModuleType, front_end: GreenFrontEnd, name: str
) -> None:
    a, b = connected()
    operate = OPERATIONS[name](b, zmq)
    bell = b.fileno()
    a.send(b"hello")
    assert b.recv() == b"hello"
    receiver = start(front_end, b.recv)
    a.send(b"news")
    wait_for_bell(bell)
    began = time.monotonic()
    operate()
    assert receiver.get() == b"news"
    assert time.monotonic() - began < AT_ONCE


#: Ways of waiting for a message: what is called, and what it returns when there is one.
WAITS: dict[str, tuple[Callable[[Any, ModuleType], Callable[[], Any]], Callable[[Any, ModuleType], Any]]] = {
    "recv_multipart": (lambda s, zmq: s.recv_multipart, lambda s, zmq: [b"news"]),
    "recv_into": (lambda s, zmq: lambda: s.recv_into(bytearray(9)), lambda s, zmq: 4),
    "recv a frame": (lambda s, zmq: lambda: bytes(s.recv(copy=False)), lambda s, zmq: b"news"),
    "recv_string": (lambda s, zmq: s.recv_string, lambda s, zmq: "news"),
    "Socket.poll": (lambda s, zmq: partial(s.poll, 10_000), lambda s, zmq: zmq.POLLIN),
    "Poller.poll": (
        lambda s, zmq: partial(poller_of(zmq, plain.POLLIN, s).poll, 10_000),
        lambda s, zmq: [(s, zmq.POLLIN)],
    ),
    "Poller.poll of a used one": (
        lambda s, zmq: partial(used_poller(zmq, s).poll, 10_000),
        lambda s, zmq: [(s, zmq.POLLIN)],
    ),
    "select": (lambda s, zmq: lambda: zmq.select([s], [], [], 10), lambda s, zmq: ([s], [], [])),
    "zmq_poll": (lambda s, zmq: lambda: zmq.zmq_poll([(s, zmq.POLLIN)], 10_000), lambda s, zmq: [(s, zmq.POLLIN)]),
}


@pytest.mark.parametrize("name", ["Socket.poll", "Poller.poll", "EVENTS", "send", "send_multipart"])
@pytest.mark.parametrize("wait", WAITS)
def test_whoever_waits_for_a_message_hears_of_it(
    pair: Pair, zmq: ModuleType, front_end: GreenFrontEnd, wait: str, name: str
) -> None:
    a, b = pair()
    operate = OPERATIONS[name](b, zmq)
    bell = b.fileno()
    make, result = WAITS[wait]
    waiting = start(front_end, make(b, zmq))
    a.send(b"news")
    wait_for_bell(bell)
    began = time.monotonic()
    operate()
    assert waiting.get() == result(b, zmq)
    assert time.monotonic() - began < AT_ONCE


#: Receives that find nothing.
RECEIVES: dict[str, Operation] = {
    "recv": lambda s, zmq: s.recv(zmq.NOBLOCK),
    "recv a frame": lambda s, zmq: s.recv(zmq.NOBLOCK, copy=False),
    "recv_multipart": lambda s, zmq: s.recv_multipart(zmq.NOBLOCK),
    "recv_into": lambda s, zmq: s.recv_into(bytearray(9), flags=zmq.NOBLOCK),
    "recv_string": lambda s, zmq: s.recv_string(zmq.NOBLOCK),
    "recv_json": lambda s, zmq: s.recv_json(zmq.NOBLOCK),
    "recv_pyobj": lambda s, zmq: s.recv_pyobj(zmq.NOBLOCK),
    "recv_serialized": lambda s, zmq: s.recv_serialized(list, zmq.NOBLOCK),
}


@pytest.mark.parametrize("name", RECEIVES)
@pytest.mark.parametrize("to_poll", [False, True], ids=["send", "poll"])
def test_a_sender_wakes_though_another_receives_in_vain(
    pair: Pair, zmq: ModuleType, front_end: GreenFrontEnd, name: str, to_poll: bool
) -> None:
    a, b = pair(hwm=1)
    bell = a.fileno()
    filled = fill(a)
    sender = start(front_end, *((a.poll, 10_000, zmq.POLLOUT) if to_poll else (a.send, b"late")))
    a.poll(0)
    for _ in range(filled):
        b.recv(zmq.NOBLOCK)
    wait_for_bell(bell)
    began = time.monotonic()
    refused(zmq, lambda: RECEIVES[name](a, zmq))
    assert sender.get() == (zmq.POLLOUT if to_poll else None)
    assert time.monotonic() - began < AT_ONCE
    if not to_poll:
        assert b.recv() == b"late"


#: Sends that find no room.
SENDS: dict[str, Operation] = {
    "send": lambda s, zmq: s.send(b"x", zmq.NOBLOCK),
    "send a frame": lambda s, zmq: s.send(zmq.Frame(b"x"), zmq.NOBLOCK, copy=False),
    "send_multipart": lambda s, zmq: s.send_multipart([b"x", b"y"], zmq.NOBLOCK),
    "send_string": lambda s, zmq: s.send_string("x", zmq.NOBLOCK),
    "send_json": lambda s, zmq: s.send_json(1, zmq.NOBLOCK),
    "send_pyobj": lambda s, zmq: s.send_pyobj(1, zmq.NOBLOCK),
    "send_serialized": lambda s, zmq: s.send_serialized(1, lambda _: [b"x"], zmq.NOBLOCK),
}


@pytest.mark.parametrize("name", SENDS)
@pytest.mark.parametrize("to_poll", [False, True], ids=["recv", "poll"])
def test_a_receiver_wakes_though_another_sends_in_vain(
    pair: Pair, zmq: ModuleType, front_end: GreenFrontEnd, name: str, to_poll: bool
) -> None:
    a, b = pair(hwm=1)
    bell = b.fileno()
    fill(b)
    receiver = start(front_end, *((b.poll, 10_000) if to_poll else (b.recv,)))
    a.send(b"news")
    wait_for_bell(bell)
    began = time.monotonic()
    refused(zmq, lambda: SENDS[name](b, zmq))
    assert receiver.get() == (zmq.POLLIN if to_poll else b"news")
    assert time.monotonic() - began < AT_ONCE


def test_senders_without_room_take_turns(connected: Pair, zmq: ModuleType, front_end: GreenFrontEnd) -> None:
    """First come, first served, and the frames of one message stay together."""
    a, b = connected(zmq.PUSH, zmq.PULL, hwm=1, sndbuf=4096, rcvbuf=4096)
    numbers = [b"%d" % i for i in range(20)]
    bulk = bytes(500_000)
    a.send_multipart([b"first", bulk])
    senders = [front_end.spawn(a.send_multipart, [number, bulk, number]) for number in numbers]
    assert b.recv_multipart() == [b"first", bulk]
    for number in numbers:
        assert b.recv_multipart() == [number, bulk, number]
    for sender in senders:
        sender.get()


@pytest.mark.parametrize("position", [0, 1, 2])
@pytest.mark.parametrize("how", ["Timeout", "kill", "RCVTIMEO"])
def test_one_of_three_receivers_gives_up(
    pair: Pair, zmq: ModuleType, front_end: GreenFrontEnd, how: str, position: int
) -> None:
    a, b = pair()
    gone: list[str] = []

    def give_up() -> None:
        timeout = front_end.Timeout(0.02) if how == "Timeout" else nullcontext()
        try:
            with timeout:
                b.recv()
        except zmq.Again:
            gone.append("RCVTIMEO")
        except BaseException as error:
            gone.append("Timeout" if error is timeout else "kill")

    tasks = []
    for i in range(3):
        b.rcvtimeo = 20 if how == "RCVTIMEO" and i == position else -1
        tasks.append(start(front_end, give_up if i == position else b.recv))
    leaving = tasks.pop(position)
    if how == "kill":
        front_end.kill(leaving)
    else:
        leaving.get()
    assert gone == [how]
    b.rcvtimeo = -1
    tasks.append(start(front_end, b.recv))
    for number in (b"1", b"2", b"3"):
        a.send(number)
    assert [task.get() for task in tasks] == [b"1", b"2", b"3"]


# Several who poll, and pollers that change meanwhile.


def test_everybody_who_polls_hears_of_one_message(pair: Pair, zmq: ModuleType, front_end: GreenFrontEnd) -> None:
    """Polling takes nothing away."""
    a, b = pair()
    polls = [
        (front_end.spawn(make(b, zmq)), result(b, zmq))
        for name, (make, result) in WAITS.items()
        if not name.startswith("recv")
        for _ in range(3)
    ]
    front_end.sleep(0.005)
    a.send(b"news")
    began = time.monotonic()
    for poll, result in polls:
        assert poll.get() == result
    assert time.monotonic() - began < AT_ONCE
    assert b.recv() == b"news"


#: What another greenlet may do with a poller of a socket, for which there is room, while somebody polls to receive.
CHANGES: dict[str, Callable[[Any, Any, ModuleType], Any]] = {
    "modify": lambda poller, s, zmq: poller.modify(s, zmq.POLLIN | zmq.POLLOUT),
    "register": lambda poller, s, zmq: poller.register(s, zmq.POLLOUT),
    "unregister and register": lambda poller, s, zmq: (poller.unregister(s), poller.register(s, zmq.POLLOUT)),
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("used", [False, True], ids=["few", "many, used before"])
def test_a_change_of_a_poller_reaches_who_polls(
    pair: Pair, zmq: ModuleType, front_end: GreenFrontEnd, used: bool, change: str
) -> None:
    _, b = pair()
    poller = used_poller(zmq, b) if used else poller_of(zmq, plain.POLLIN, b)
    polls = [start(front_end, poller.poll, 10_000) for _ in range(2)]
    front_end.sleep(0.002)
    began = time.monotonic()
    CHANGES[change](poller, b, zmq)
    for poll in polls:
        assert poll.get() == [(b, zmq.POLLOUT)]
    assert time.monotonic() - began < AT_ONCE


@pytest.mark.parametrize("more", [0, 9], ids=["alone", "with others"])
@pytest.mark.parametrize("early", [True, False], ids=["has news", "gets news"])
@pytest.mark.parametrize("used", [False, True], ids=["few", "many, used before"])
def test_who_polls_hears_of_what_is_registered_meanwhile(
    pair: Pair, zmq: ModuleType, front_end: GreenFrontEnd, used: bool, early: bool, more: int
) -> None:
    """A socket, or a descriptor; also when with it they become so many that they are watched as one."""
    _, b = pair()
    c, d = pair()
    reader, writer = os.pipe()
    for item, tell, hush in (
        (d, lambda: c.send(b"news"), d.recv),
        (reader, lambda: os.write(writer, b"news"), lambda: os.read(reader, 4)),
    ):
        poller = used_poller(zmq, b) if used else poller_of(zmq, plain.POLLIN, b)
        # What the first has begun to watch, the second, who comes at once, need not watch again.
        polls = [start(front_end, poller.poll, 10_000)]
        if early:
            tell()
        began = time.monotonic()
        poller.register(item, zmq.POLLIN)
        for _ in range(more):
            poller.register(pair()[0], zmq.POLLIN)
        polls.append(front_end.spawn(poller.poll, 10_000))
        if not early:
            front_end.sleep(0.002)
            tell()
        for poll in polls:
            assert poll.get() == [(item, zmq.POLLIN)]
        assert time.monotonic() - began < AT_ONCE
        hush()
    os.close(reader)
    os.close(writer)


@pytest.mark.parametrize("poller_first", [True, False])
@pytest.mark.parametrize("poll", ["Socket.poll", "Poller.poll"])
def test_who_polls_hears_of_what_a_receiver_takes(
    connected: Pair, zmq: ModuleType, front_end: GreenFrontEnd, poll: str, poller_first: bool
) -> None:
    """Each message is taken at once by another greenlet, which waits for it as well."""
    a, b = connected()
    poller = poller_of(zmq, plain.POLLIN, b)
    calls = {"Socket.poll": lambda: b.poll(), "Poller.poll": lambda: poller.poll()}
    for number in range(5):
        waits = [calls[poll], b.recv]
        tasks = [start(front_end, wait) for wait in (waits if poller_first else waits[::-1])]
        a.send(b"%d" % number)
        found = [task.get() for task in tasks]
        assert found[not poller_first] and found[poller_first] == b"%d" % number


def test_the_last_who_polls_leaves_nothing_armed(context: Any, zmq: ModuleType, front_end: GreenFrontEnd) -> None:
    """Though there were few sockets when the first began, each watched by itself, and then many, watched as one."""
    first, *rest = [context.socket(zmq.PULL) for _ in range(12)]
    front_end.sleep(0)
    before = front_end.armed()
    for _ in range(2):
        poller = poller_of(zmq, plain.POLLIN, first)
        polls = [start(front_end, poller.poll)]
        for socket in rest:
            poller.register(socket, zmq.POLLIN)
        polls.append(start(front_end, poller.poll))
        for socket in rest[:-1]:
            poller.unregister(socket)
        polls.append(start(front_end, poller.poll))
        random.Random(5).shuffle(polls)
        for poll in polls:
            front_end.kill(poll)
        let_timers_go_off(front_end)
        assert front_end.armed() <= before


@pytest.mark.parametrize("used", [False, True], ids=["few", "many, used before"])
def test_who_polls_does_not_hear_of_what_was_unregistered_meanwhile(
    pair: Pair, zmq: ModuleType, front_end: GreenFrontEnd, used: bool
) -> None:
    a, b = pair()
    c, d = pair()
    poller = used_poller(zmq, b) if used else poller_of(zmq, plain.POLLIN, b)
    poller.register(d, zmq.POLLIN)
    poll = start(front_end, poller.poll, 10_000)
    front_end.sleep(0.002)
    poller.unregister(b)
    a.send(b"1")
    front_end.sleep(0.002)
    c.send(b"2")
    assert poll.get() == [(d, zmq.POLLIN)]


@pytest.mark.parametrize("count", [3, 30])
def test_a_poller_tells_of_a_message_until_it_is_taken(
    pair: Pair, zmq: ModuleType, front_end: GreenFrontEnd, count: int
) -> None:
    """In any order, sent before or while somebody polls. Chance decides, from a fixed seed."""
    pairs = [pair() for _ in range(count)]
    poller = poller_of(zmq, plain.POLLIN, *(b for _, b in pairs))
    dice = random.Random(3)
    for i in range(300):
        a, b = dice.choice(pairs)
        poll = start(front_end, poller.poll, 10_000) if i % 2 else None
        a.send(b"%d" % i)
        if poll is not None:
            assert poll.get() == [(b, zmq.POLLIN)]
        for timeout in (10_000, 0, 0):
            assert poller.poll(timeout) == [(b, zmq.POLLIN)]
        assert b.recv() == b"%d" % i
        assert poller.poll(0) == []
