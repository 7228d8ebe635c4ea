"""What went through a socket, and how its calls had to wait, is counted; the same on every front-end."""

from __future__ import annotations

import gc
import io
import json
import os
import time
from collections.abc import Callable
from contextlib import suppress
from types import ModuleType
from typing import Any

import pytest

import zmq as plain
from support.front_ends import LIMIT, FrontEnd, wait_until
from support.programs import run
from support.waits import fill
from zmq.core.waiting import counters

Pair = Callable[..., tuple[Any, Any]]
LARGE = bytes(100_000)

#: What is sent, how, how it is received; how many messages and bytes that is.
FORMS: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any], int, int]] = {
    "send": (lambda s: s.send(b"12345"), lambda s: s.recv(), 1, 5),
    "nothing": (lambda s: s.send(b""), lambda s: s.recv(), 1, 0),
    "large": (lambda s: s.send(LARGE), lambda s: s.recv(), 1, 100_000),
    "bytearray": (lambda s: s.send(bytearray(7)), lambda s: s.recv(), 1, 7),
    "lent": (lambda s: s.send(LARGE, copy=False), lambda s: s.recv(copy=False), 1, 100_000),
    "frame": (lambda s: s.send(plain.Frame(b"123")), lambda s: s.recv(copy=False), 1, 3),
    "frames one by one": (
        lambda s: (s.send(b"1", plain.SNDMORE), s.send(b"22", plain.SNDMORE), s.send(b"333")),
        lambda s: (s.recv(), s.recv(), s.recv()),
        1,
        6,
    ),
    "multipart": (lambda s: s.send_multipart([b"1", b"22"]), lambda s: s.recv_multipart(), 1, 3),
    "of many frames": (lambda s: s.send_multipart([b"1"] * 20), lambda s: s.recv_multipart(copy=False), 1, 20),
    "begun by multipart": (
        lambda s: (s.send_multipart([b"1", b"2"], plain.SNDMORE), s.send(b"3")),
        lambda s: (s.recv(), s.recv_multipart()),
        1,
        3,
    ),
    "frames in multipart": (
        lambda s: s.send_multipart([plain.Frame(b"1"), b"22"], copy=False),
        lambda s: s.recv_multipart(),
        1,
        3,
    ),
    "string": (lambda s: s.send_string("\u00e4"), lambda s: s.recv_string(), 1, 2),
    "json": (lambda s: s.send_json([1]), lambda s: s.recv_json(), 1, 3),
    "serialized": (
        lambda s: s.send_serialized("ab", lambda text: [c.encode() for c in text]),
        lambda s: s.recv_serialized(list),
        1,
        2,
    ),
    "recv_into": (lambda s: s.send(b"12345"), lambda s: s.recv_into(bytearray(3)), 1, 5),
    "send_many": (lambda s: s.send_many([b"1", bytearray(2), LARGE]), lambda s: s.recv_many(3), 3, 100_003),
    "batch": (lambda s: s.send_many([b"1"] * 9), lambda s: s.recv_many(copy=False), 9, 9),
    "batch of messages": (
        lambda s: s.send_many([[b"1", b"2"], (b"3",), [b""] * 6], multipart=True),
        lambda s: s.recv_many(3, multipart=True),
        3,
        3,
    ),
}


def moved(socket: Any) -> tuple[int, ...]:
    found = socket.counters()
    return tuple(found[key] for key in ("messages_sent", "bytes_sent", "messages_received", "bytes_received"))


def waits(socket: Any) -> tuple[int, ...]:
    found = socket.counters()
    return tuple(found[key] for key in ("send_again", "send_waits", "receive_again", "receive_waits"))


@pytest.mark.parametrize("watched", [False, True], ids=["", "watched"])
@pytest.mark.parametrize("form", FORMS)
def test_every_form_counts_what_it_moved(zmq: ModuleType, pair: Pair, form: str, watched: bool) -> None:
    send, receive, messages, size = FORMS[form]
    a, b = pair()
    shadows = [socket.__copy__() for socket in (a, b)] if watched else []
    for times in (1, 2):
        send(a)
        receive(b)
        assert moved(a) == (times * messages, times * size, 0, 0)
        assert moved(b) == (0, 0, times * messages, times * size)
    assert waits(a) == waits(b) == (0, 0, 0, 0)
    assert [shadow.counters() for shadow in shadows] == [socket.counters() for socket in (a, b)][: len(shadows)]


@pytest.mark.parametrize("form", FORMS)
def test_every_form_counts_what_it_moved_after_a_wait(
    front_end: FrontEnd, zmq: ModuleType, pair: Pair, form: str
) -> None:
    send, receive, messages, size = FORMS[form]
    if form in ("send_many", "batch", "batch of messages"):
        pytest.skip("such a receive ends with what is there")
    a, b = pair()
    task = front_end.spawn(receive, b)
    wait_until(front_end, lambda: somebody_waits(zmq))
    send(a)
    task.get()
    assert moved(b) == (0, 0, messages, size)
    assert waits(b) == (0, 0, 0, 1)


def somebody_waits(zmq: ModuleType) -> bool:
    found = zmq.statistics()
    return bool(found["waiting"] or found["blocked"])


def test_how_long_calls_waited(front_end: FrontEnd, zmq: ModuleType, pair: Pair) -> None:
    a, b = pair()
    longest = total = 0.0
    for times in (1, 2):
        begun = time.monotonic()
        task = front_end.spawn(b.recv)
        wait_until(front_end, lambda: somebody_waits(zmq))
        seen = time.monotonic()
        front_end.sleep(0.01 / times)
        at_least = time.monotonic() - seen
        # It counts when it has ended.
        assert b.counters()["receive_waits"] == times - 1
        a.send(b"x")
        task.get()
        at_most = time.monotonic() - begun
        found = b.counters()
        assert found["receive_waits"] == times
        this = found["receive_wait_seconds"] - total
        assert at_least <= this <= at_most
        longest, total = max(longest, this), found["receive_wait_seconds"]
        assert found["longest_receive_wait"] == pytest.approx(longest)
    assert a.counters()["receive_waits"] == b.counters()["send_waits"] == 0


#: What raises `Again`, whether after a wait, and of which way.
AGAIN: dict[str, tuple[Callable[[Any], Any], tuple[int, ...]]] = {
    "recv": (lambda s: s.recv(plain.NOBLOCK), (0, 0, 1, 0)),
    "recv frame": (lambda s: s.recv(plain.NOBLOCK, copy=False), (0, 0, 1, 0)),
    "recv_multipart": (lambda s: s.recv_multipart(plain.NOBLOCK), (0, 0, 1, 0)),
    "recv_into": (lambda s: s.recv_into(bytearray(1), flags=plain.NOBLOCK), (0, 0, 1, 0)),
    "recv_many": (lambda s: s.recv_many(flags=plain.NOBLOCK) or None, (0, 0, 0, 0)),
    "send": (lambda s: s.send(b"x", plain.NOBLOCK), (1, 0, 0, 0)),
    "send large": (lambda s: s.send(LARGE, plain.NOBLOCK), (1, 0, 0, 0)),
    "send_multipart": (lambda s: s.send_multipart([b"1", b"2"], plain.NOBLOCK), (1, 0, 0, 0)),
    "send_many": (lambda s: s.send_many([b"1"], plain.NOBLOCK) or None, (0, 0, 0, 0)),
    "recv in time": (lambda s: s.recv(), (0, 0, 1, 1)),
    "recv_multipart in time": (lambda s: s.recv_multipart(), (0, 0, 1, 1)),
    "recv_many in time": (lambda s: s.recv_many(timeout=5) or None, (0, 0, 0, 1)),
    "send in time": (lambda s: s.send(b"x"), (1, 1, 0, 0)),
    "send_multipart in time": (lambda s: s.send_multipart([b"1", b"2"]), (1, 1, 0, 0)),
    "send_many in time": (lambda s: s.send_many([b"1"]) or None, (0, 1, 0, 0)),
}


@pytest.mark.parametrize("watched", [False, True], ids=["", "watched"])
@pytest.mark.parametrize("call", AGAIN)
def test_calls_that_raise_again(zmq: ModuleType, context: Any, call: str, watched: bool) -> None:
    function, expected = AGAIN[call]
    socket = context.socket(zmq.DEALER)
    shadow = socket.__copy__() if watched else None
    socket.rcvtimeo = socket.sndtimeo = 5
    with suppress(zmq.Again):
        assert function(socket) is None
    assert waits(socket) == expected
    assert moved(socket) == (0, 0, 0, 0)
    assert shadow is None or shadow.counters() == socket.counters()


def test_a_time_out_of_zero_is_no_wait(zmq: ModuleType, context: Any) -> None:
    socket = context.socket(zmq.DEALER, name="quick")
    socket.rcvtimeo = socket.sndtimeo = 0
    for call in (socket.recv, lambda: socket.send(b"x")):
        with pytest.raises(zmq.Again):
            call()
    assert waits(socket) == (1, 0, 1, 0)


def test_sends_that_wait(front_end: FrontEnd, zmq: ModuleType, pair: Pair) -> None:
    a, b = pair(hwm=1)
    filled = fill(a)
    assert waits(a) == (1, 0, 0, 0) and moved(a)[0] == filled
    task = front_end.spawn(a.send_multipart, [b"1", b"2"])
    wait_until(front_end, lambda: somebody_waits(zmq))
    for _ in range(filled):
        b.recv()
    task.get()
    assert waits(a) == (1, 1, 0, 0) and moved(a) == (filled + 1, 4 * filled + 2, 0, 0)


def test_polls_are_no_waits(zmq: ModuleType, context: Any) -> None:
    socket = context.socket(zmq.DEALER)
    assert not socket.poll(1) and not zmq.select([socket], [], [], 0.001)[0]
    poller = zmq.Poller()
    poller.register(socket, zmq.POLLIN)
    assert poller.poll(1) == []
    assert set(socket.counters().values()) == {0, None}


def test_what_a_proxy_moves(front_end: FrontEnd, zmq: ModuleType, context: Any, pair: Pair) -> None:
    client, front = pair(zmq.DEALER, zmq.ROUTER, routing_id=b"me")
    worker, back = pair(zmq.DEALER, zmq.DEALER)
    heard, capture = pair(zmq.PULL, zmq.PUSH)
    steering, control = pair(zmq.PAIR, zmq.PAIR)
    task = front_end.spawn(zmq.proxy_steerable, front, back, capture, control)
    client.send(b"ask")
    assert worker.recv_multipart() == [b"me", b"ask"]
    worker.send_multipart([b"me", b"answer"])
    assert client.recv() == b"answer"
    assert [heard.recv_multipart() for _ in range(2)]
    steering.send(b"STATISTICS")
    assert len(steering.recv_multipart()) == 8
    steering.send(b"TERMINATE")
    task.get()
    assert moved(front) == (1, 8, 1, 5)
    assert moved(back) == (1, 5, 1, 8)
    assert moved(capture) == (2, 13, 0, 0)
    assert moved(control) == (1, 64, 2, 19)


def test_a_message_that_comes_back_is_counted_once(zmq: ModuleType, pair: Pair) -> None:
    a, b = pair()
    a.send_multipart([b"1", b"2"])
    with pytest.raises(ValueError, match="frames"):
        b.recv_many()
    assert moved(b) == (0, 0, 1, 2)
    assert b.recv() == b"1" and b.recv() == b"2"
    assert moved(b) == (0, 0, 1, 2)


def test_a_message_that_was_dropped_was_not_sent(zmq: ModuleType, pair: Pair) -> None:
    # Where libzmq drops it itself, as a PUSH does, it has taken it.
    a, b = pair()
    a.send(b"12", zmq.SNDMORE)
    leave(b, a)
    a.send(b"345", zmq.SNDMORE)
    a.send_multipart([b"6", b"7"])
    assert moved(a) == (0, 2, 0, 0) and waits(a) == (0, 0, 0, 0)


def leave(peer: Any, sender: Any) -> None:
    """Close a peer, and wait until the sender has agreed to the end of the pipe."""
    fd = peer.fileno()
    peer.close()
    end = time.monotonic() + LIMIT
    with suppress(OSError):
        while os.fstat(fd):
            assert time.monotonic() < end
            sender.get(plain.EVENTS)


def test_subclasses_count_each_frame_once(zmq: ModuleType, context: Any) -> None:
    class Loud(zmq.Socket):  # type: ignore[name-defined, misc]
        def send(self, *args: Any, **kwargs: Any) -> Any:
            return super().send(*args, **kwargs)

        def recv(self, *args: Any, **kwargs: Any) -> Any:
            return super().recv(*args, **kwargs)

    a, b = (context.socket(zmq.PAIR, socket_class=Loud) for _ in range(2))
    a.bind("inproc://loud")
    b.connect("inproc://loud")
    a.send_multipart([b"1", b"22"])
    assert a.send_many([b"1", b"2"]) == 2
    assert b.recv_multipart() == [b"1", b"22"] and b.recv_many(2) == [b"1", b"2"]
    assert moved(a)[:2] == moved(b)[2:] == (3, 5)


def test_counters_are_plain_and_stay(zmq: ModuleType, pair: Pair) -> None:
    a, _ = pair()
    a.send(b"x")
    shadow = zmq.Socket.shadow(a.underlying)
    assert shadow.counters() == a.counters()
    shadow.send(b"y")
    found = a.counters()
    assert json.loads(json.dumps(found)) == found and found["messages_sent"] == 2
    (shown,) = [each for each in zmq.statistics(objects=True)["sockets"] if each["socket"] is a]
    assert shown["counters"] == found
    a.close()
    assert a.counters() == shadow.counters() == found


@pytest.mark.parametrize("own", [None, {"jobs": 0}, lambda: {"jobs": 0}])
def test_something_else_of_that_name_is_in_nobodys_way(zmq: ModuleType, context: Any, own: Any) -> None:
    class Counting(zmq.Socket):  # type: ignore[misc,name-defined]
        counters = None

    socket = Counting(context, zmq.PUSH)
    if own is not None:
        socket.counters = own
    (shown,) = [each for each in zmq.statistics(objects=True)["sockets"] if each["socket"] is socket]
    assert shown["counters"] == zmq.Socket.counters(socket) and shown["counters"]["messages_sent"] == 0
    text = io.StringIO()
    zmq.dump(text)
    assert "failed:" not in text.getvalue()
    socket.close()


def test_a_dump_has_them(front_end: FrontEnd, zmq: ModuleType, context: Any) -> None:
    socket = context.socket(zmq.DEALER, name=f"dumped of {zmq.__name__}")
    socket.watch_peers()
    socket.rcvtimeo = 1
    with pytest.raises(zmq.Again):
        socket.recv()
    shown = io.StringIO()
    zmq.dump(shown)
    lines = shown.getvalue().splitlines()
    (place,) = [number for number, line in enumerate(lines) if line.startswith(f"DEALER {socket.name!r}, ")]
    waited = socket.counters()["longest_receive_wait"]
    assert lines[place + 1] == (
        "    sent 0 messages of 0 bytes; received 0 messages of 0 bytes, waited 1 times, "
        f"{waited:.3f} s at most, gave up 1 times; connected 0, accepted 0, ready 0, disconnected 0, refused none"
    )


# Totals.


def total(zmq: ModuleType, name: str | None) -> int:
    return sum(found["messages_sent"] for (_, named), found in counters.totals().items() if named == name)


def test_totals_outlive_sockets_and_names(zmq: ModuleType, pair: Pair) -> None:
    name, other = (f"{zmq.__name__} {number}" for number in (1, 2))
    a, b = pair()
    a.name = name
    shadow = a.__copy__()
    a.send(b"1")
    shadow.send(b"2")
    assert total(zmq, name) == 2
    a.name = other
    assert (total(zmq, name), total(zmq, other)) == (2, 0)
    a.send(b"3")
    assert (total(zmq, name), total(zmq, other)) == (2, 1)
    a.context._kept.clear()
    a.close()
    assert (total(zmq, name), total(zmq, other)) == (2, 1)
    b.close()
    del a, b, shadow
    gc.collect()
    assert (total(zmq, name), total(zmq, other)) == (2, 1)


COLLECTED = """
import gc
from zmq.core.waiting import counters

context = zmq.Context()
sockets = [context.socket(zmq.PUSH, name=f"there {number}") for number in range(40)]
for number in range(40):
    context.socket(zmq.PUSH, name=f"gone {number}").close()
pull = context.socket(zmq.PULL)
pull.bind("inproc://pull")
waiting = front_end.spawn(context.socket(zmq.PAIR).recv)

class Cycle:
    # To be collected, with a socket that has sent something.
    def __init__(self):
        self.me = self
        self.socket = context.socket(zmq.PUSH, name="gone 0")
        self.socket.connect("inproc://pull")
        self.socket.send(b"x")
        pull.recv()
        self.socket.close()

def sent():
    assert zmq.statistics()["sockets"]
    return sum(found["messages_sent"] for (_, name), found in counters.totals().items() if name == "gone 0")

try:
    for objects in range(700):
        gc.set_threshold(0)
        gc.collect()
        Cycle()
        # The collector runs when so many objects more were made than are gone.
        gc.set_threshold(gc.get_count()[0] + objects, 1000, 1000)
        assert sent() == objects + 1
finally:
    gc.set_threshold(700, 10, 10)
context.destroy(linger=0)
with contextlib.suppress(zmq.ZMQError):
    waiting.get()
"""


def test_totals_hold_whenever_sockets_are_collected(front_end: FrontEnd) -> None:
    """To CPython 3.11 the collector runs whenever an object is made, as the totals are."""
    run(front_end, "import contextlib, os\n" + COLLECTED)


PROGRAM = """
import os
from zmq.core.waiting import counters

def totals():
    return {key: each["messages_sent"] for key, each in counters.totals().items() if each["messages_sent"]}

context = zmq.Context()
push = context.socket(zmq.PUSH, name="early")
push.bind("inproc://pull")
pull = context.socket(zmq.PULL)
pull.connect("inproc://pull")
push.send(b"x")
"""


def test_names_without_number_share_a_total(front_end: FrontEnd) -> None:
    run(
        front_end,
        PROGRAM
        + """
for number in range(counters.MOST_NAMES + 10):
    push.name = f"number {number}"
    push.send(b"x")
found = totals()
# "early" was the first of them.
assert len(found) == counters.MOST_NAMES + 1
assert found[zmq.PUSH, counters.OTHERS] == 11
push.name = "number 0"
push.send(b"x")
assert totals()[zmq.PUSH, "number 0"] == 2
""",
    )


def test_a_forked_child_begins_with_nothing(front_end: FrontEnd) -> None:
    run(
        front_end,
        PROGRAM
        + """
push.name = "late"
assert totals() == {(zmq.PUSH, "early"): 1}
child = front_end.fork()
if child == 0:
    assert totals() == {}
    push = None
    assert totals() == {}
    os._exit(7)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
assert totals() == {(zmq.PUSH, "early"): 1}
""",
    )
