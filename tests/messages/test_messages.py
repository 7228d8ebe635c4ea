"""Every way to send a message and every way to receive one, over every transport."""

from __future__ import annotations

import array
import json
import pickle
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

from support.front_ends import LIMIT, FrontEnd, wait_until

Pair = Callable[..., tuple[Any, Any]]

CONTENTS = [b"", b"1", bytes(range(29)), bytes(range(32)) * 2, bytes(5000), b"x" * 70_000, b"y" * 3_000_000]


@pytest.mark.parametrize("copy", [True, False])
@pytest.mark.parametrize("make", [bytes, bytearray, memoryview, lambda data: array.array("B", data)])
def test_bytes_arrive_whatever_holds_them(connected: Pair, make: Callable[[bytes], Any], copy: bool) -> None:
    a, b = connected()
    for data in CONTENTS:
        a.send(make(data), copy=copy)
        assert b.recv() == data
        b.send(make(data), copy=copy)
        frame = a.recv(copy=False)
        assert frame.bytes == data and bytes(frame.buffer) == data and len(frame) == len(data)


def test_messages_keep_their_order(connected: Pair, front_end: FrontEnd) -> None:
    a, b = connected()

    def send() -> None:
        for i in range(5000):
            a.send(b"%d" % i)

    sender = front_end.spawn(send)
    assert [int(b.recv()) for _ in range(5000)] == list(range(5000))
    sender.get()


def test_a_receive_waits_for_the_message(connected: Pair, front_end: FrontEnd) -> None:
    a, b = connected()
    for receive in (b.recv, lambda: b.recv_multipart()[0], lambda: b.recv(copy=False).bytes):
        receiver = front_end.spawn(receive)
        front_end.sleep(0.005)
        a.send(b"at last")
        assert receiver.get() == b"at last"


def test_a_send_waits_for_room(connected: Pair, zmq: ModuleType, front_end: FrontEnd) -> None:
    a, b = connected(zmq.PUSH, zmq.PULL, hwm=1, sndbuf=4096, rcvbuf=4096)
    sent = 0

    def send() -> None:
        nonlocal sent
        for i in range(200):
            a.send_multipart([b"%d" % i, bytes(50_000)])
            sent += 1

    sender = front_end.spawn(send)
    wait_until(front_end, lambda: sent >= 1)
    front_end.sleep(0.01)
    assert sent < 200
    assert [int(b.recv_multipart()[0]) for _ in range(200)] == list(range(200))
    sender.get()
    assert sent == 200


@pytest.mark.parametrize("copy", [True, False])
@pytest.mark.parametrize("count", [1, 2, 4, 5, 20, 300])
def test_multipart(connected: Pair, zmq: ModuleType, count: int, copy: bool) -> None:
    a, b = connected()
    parts = [bytes([i % 256]) * (i % 90) for i in range(count)]
    a.send_multipart(parts, copy=copy)
    assert b.recv_multipart() == parts
    b.send_multipart(iter(parts), copy=copy)
    frames = a.recv_multipart(copy=False)
    assert [frame.bytes for frame in frames] == parts
    assert [frame.more for frame in frames] == [True] * (count - 1) + [False]
    assert not a.get(zmq.RCVMORE)


def test_parts_of_many_kinds(connected: Pair, zmq: ModuleType) -> None:
    a, b = connected()
    parts = [b"bytes", bytearray(b"bytearray"), memoryview(b"view"), zmq.Frame(b"frame"), zmq.Frame(bytes(100_000))]
    for copy in (True, False):
        a.send_multipart(parts, copy=copy)
        assert b.recv_multipart() == [b"bytes", b"bytearray", b"view", b"frame", bytes(100_000)]


def test_frame_by_frame(connected: Pair, zmq: ModuleType) -> None:
    a, b = connected()
    a.send(b"1", zmq.SNDMORE)
    a.send_multipart([b"2", b"3"], zmq.SNDMORE)
    with pytest.raises(zmq.Again):
        b.recv(zmq.NOBLOCK)
    a.send(b"4")
    assert b.recv() == b"1" and b.rcvmore
    assert b.recv(copy=False).bytes == b"2" and b.RCVMORE
    assert b.recv_multipart() == [b"3", b"4"] and not b.get(zmq.RCVMORE)
    a.send_multipart([b"5", b"6"])
    assert b.recv() == b"5"
    # The rest of a message is a message to whoever receives it whole.
    assert b.recv_multipart() == [b"6"]


def test_a_received_frame_can_be_sent_on(connected: Pair, zmq: ModuleType) -> None:
    a, b = connected()
    for data in CONTENTS:
        a.send(data)
        frame = b.recv(copy=False)
        b.send(frame, copy=False)
        b.send(frame)
        assert a.recv() == data and a.recv() == data
        assert frame.bytes == data


def test_recv_into(connected: Pair) -> None:
    a, b = connected()
    a.send(b"0123456789")
    buffer = bytearray(16)
    assert b.recv_into(buffer) == 10
    assert buffer == b"0123456789" + bytes(6)
    a.send(b"abcdefghij")
    assert b.recv_into(buffer, nbytes=3) == 10
    assert buffer == b"abc3456789" + bytes(6)
    a.send(b"k" * 100)
    assert b.recv_into(memoryview(buffer)[2:4]) == 100
    assert buffer == b"abkk456789" + bytes(6)
    a.send(b"")
    assert b.recv_into(buffer) == 0
    numbers = array.array("i", [0, 0])
    a.send(array.array("i", [7, 8]))
    assert b.recv_into(numbers) == 8
    assert list(numbers) == [7, 8]


def test_strings(connected: Pair) -> None:
    a, b = connected()
    for text in ("", "ascii", "grün, 緑, 🟢", "x" * 100_000):
        a.send_string(text)
        assert b.recv_string() == text
        a.send_unicode(text, encoding="utf-16")
        assert b.recv_unicode(encoding="utf-16") == text


def test_json(connected: Pair) -> None:
    a, b = connected()
    for value in ({"a": [1, 2.5, None, "ü"]}, [], "text", 7, None):
        a.send_json(value)
        assert b.recv_json() == value
    a.send_json({"b": 1, "a": 2}, sort_keys=True)
    assert json.loads(b.recv()) == {"a": 2, "b": 1}
    a.send_json(1.5)
    assert b.recv_json(parse_float=str) == "1.5"


class Point(json.JSONDecoder):
    """Decodes nothing but points."""

    def __init__(self, scale: int = 1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.scale = scale

    def decode(self, s: str) -> Any:  # type: ignore[override]
        found = super().decode(s)
        return self.scale * complex(found["x"], found["y"])


def test_json_by_a_decoder_of_ones_own(pair: Pair) -> None:
    """It has nothing to decode but the message; and what is wrong with its arguments is said before one is taken."""
    a, b = pair()
    for kwargs, expected in (({}, 1 + 2j), ({"scale": 2, "object_hook": None}, 2 + 4j), ({"parse_int": float}, 1 + 2j)):
        a.send_json({"x": 1, "y": 2})
        assert b.recv_json(cls=Point, **kwargs) == expected
    a.send_json({"x": 1, "y": 2})
    for cls in (Point, json.JSONDecoder, None):
        with pytest.raises(TypeError):
            b.recv_json(cls=cls, nothing=1)
    assert b.recv_json(cls=None) == {"x": 1, "y": 2}


def test_python_objects(connected: Pair) -> None:
    a, b = connected()
    for value in ({1, 2}, None, [range(3), b"x"], "x" * 100_000):
        a.send_pyobj(value)
        assert b.recv_pyobj() == value
        a.send_pyobj(value, protocol=2)
        assert b.recv_pyobj() == value
    for send, protocol in (
        (lambda: a.send_pyobj({1}), pickle.DEFAULT_PROTOCOL),
        (lambda: a.send_pyobj({1}, 0, -1), pickle.HIGHEST_PROTOCOL),
        (lambda: a.send_pyobj({1}, 0, 3), 3),
    ):
        send()
        assert b.recv() == pickle.dumps({1}, protocol)


def test_serialized(connected: Pair) -> None:
    a, b = connected()
    a.send_serialized({"x": 1}, lambda value: [key.encode() + b"=%d" % number for key, number in value.items()] * 2)
    assert b.recv_serialized(lambda frames: b"&".join(frames)) == b"x=1&x=1"
    a.send_serialized(b"y", lambda value: [value], copy=False)
    assert b.recv_serialized(lambda frames: frames[0].bytes, copy=False) == b"y"


def test_a_tracker_tells_when_libzmq_is_done(connected: Pair, zmq: ModuleType) -> None:
    a, b = connected()
    data = bytes(500_000)
    tracker = a.send(data, copy=False, track=True)
    assert isinstance(tracker, zmq.MessageTracker)
    assert b.recv() == data
    tracker.wait(LIMIT)
    assert tracker.done
    tracker = a.send_multipart([data, b"small", data], copy=False, track=True)
    assert b.recv_multipart() == [data, b"small", data]
    tracker.wait(LIMIT)
    assert tracker.done
    # What was copied is done at once.
    assert a.send(b"small", copy=False, track=True).done
    assert a.send(b"small", copy=True, track=True) is None
    assert b.recv(copy=False, track=True).tracker.done
    assert b.recv() == b"small"


def test_what_sends_return(pair: Pair, zmq: ModuleType) -> None:
    a, _ = pair()
    big = bytes(100_000)
    done = zmq._FINISHED_TRACKER
    tracked = zmq.Frame(big, track=True)
    assert a.send(b"1") is a.send(big) is a.send_multipart([b"1", big]) is a.send(zmq.Frame(b"1")) is None
    assert a.send(b"1", copy=False) is a.send_multipart([b"1"], copy=False) is done
    assert a.send(big, copy=False) is a.send_multipart([big, b"1"], copy=False) is None
    assert a.send(tracked) is a.send(tracked, copy=False) is tracked.tracker
    assert a.send(tracked, track=True) is tracked.tracker
    assert not a.send_multipart([b"1", tracked]).done
    assert not a.send(big, copy=False, track=True).done
    assert not a.send_multipart([big, b"1"], copy=False, track=True).done


def test_a_lent_object_is_held_until_it_left_and_given_back_then(
    pair: Pair, zmq: ModuleType, front_end: FrontEnd
) -> None:
    a, b = pair()
    data = bytearray(100_000)
    tracker = a.send(data, copy=False, track=True)
    assert not tracker.done
    with pytest.raises(zmq.NotDone):
        tracker.wait(0.01)
    with pytest.raises(BufferError):
        data.append(1)
    frame = b.recv(copy=False)
    assert frame.buffer.readonly
    with pytest.raises(BufferError):
        data.append(1)
    del frame
    tracker.wait(LIMIT)
    data.append(1)


def test_a_whole_message_or_nothing(pair: Pair, zmq: ModuleType) -> None:
    """What can't be sent leaves no part of a message behind."""
    a, b = pair()

    def broken() -> Any:
        yield b"1"
        raise KeyError("no second part")

    with pytest.raises(KeyError):
        a.send_multipart(broken())
    for parts in ([b"1", "text"], [b"1", 5], [b"1", None], [b"1", memoryview(bytes(10))[::2]]):
        with pytest.raises((TypeError, BufferError)):
            a.send_multipart(parts)
    a.send_multipart([b"the", b"next"])
    assert b.recv_multipart() == [b"the", b"next"]
    with pytest.raises(zmq.Again):
        b.recv(zmq.NOBLOCK)


@pytest.mark.parametrize("receive", ["recv", "recv_multipart", "recv_string", "recv_json", "recv_pyobj"])
def test_noblock_without_a_message(pair: Pair, zmq: ModuleType, receive: str) -> None:
    a, b = pair()
    with pytest.raises(zmq.Again) as caught:
        getattr(b, receive)(zmq.NOBLOCK)
    assert caught.value.errno == zmq.EAGAIN
    with pytest.raises(zmq.Again):
        getattr(b, receive)(flags=zmq.DONTWAIT)
    with pytest.raises(zmq.Again):
        b.recv_into(bytearray(1), flags=zmq.NOBLOCK)
    assert not a.poll(0)


@pytest.mark.parametrize("send", ["send", "send_multipart", "send_string", "send_json", "send_pyobj"])
def test_noblock_without_room(context: Any, zmq: ModuleType, send: str) -> None:
    push = context.socket(zmq.PUSH)
    values = {"send_string": "text", "send_multipart": [b"a", b"b"]}
    with pytest.raises(zmq.Again):
        getattr(push, send)(values.get(send, b"{}" if send == "send" else 1), zmq.NOBLOCK)


def test_a_subclass_that_replaces_send_and_recv_is_heard(context: Any, zmq: ModuleType) -> None:
    """Whole messages go through them frame by frame, and so do all the other forms."""
    calls: list[str] = []

    class Loud(zmq.Socket):
        def send(self, data: Any, flags: int = 0, *args: Any, **kwargs: Any) -> Any:
            calls.append("send")
            return super().send(data, flags, *args, **kwargs)

        def recv(self, flags: int = 0, *args: Any, **kwargs: Any) -> Any:
            calls.append("recv")
            return super().recv(flags, *args, **kwargs)

    a, b = context.socket(zmq.PAIR, socket_class=Loud), context.socket(zmq.PAIR, socket_class=Loud)
    a.bind("inproc://loud")
    b.connect("inproc://loud")
    a.send_multipart([b"1", b"2", b"3"])
    assert b.recv_multipart() == [b"1", b"2", b"3"]
    assert calls == ["send"] * 3 + ["recv"] * 3
    a.send_string("4")
    a.send_json(5)
    a.send_pyobj(6)
    assert (b.recv_string(), b.recv_json(), b.recv_pyobj()) == ("4", 5, 6)
    assert calls == ["send"] * 3 + ["recv"] * 3 + ["send"] * 3 + ["recv"] * 3


def test_a_subclass_that_takes_flags_by_their_name_alone(context: Any, zmq: ModuleType) -> None:
    class Named(zmq.Socket):  # type: ignore[name-defined, misc]
        def send(self, data: Any, **kwargs: Any) -> Any:
            return super().send(data, **kwargs)

        def recv(self, **kwargs: Any) -> Any:
            return super().recv(**kwargs)

    a, b = context.socket(zmq.PAIR, socket_class=Named), context.socket(zmq.PAIR, socket_class=Named)
    a.bind("inproc://named")
    b.connect("inproc://named")
    a.send_string("1", zmq.SNDMORE)
    a.send_json(2, zmq.SNDMORE)
    a.send_pyobj(3)
    assert (b.recv_string(), b.recv(), pickle.loads(b.recv())) == ("1", b"2", 3)
    assert a.send_many([b"4", b"5"]) == 2
    assert b.recv_many() == [b"4", b"5"]
    with pytest.raises(zmq.Again):
        b.recv_string(zmq.NOBLOCK)


def test_several_sockets_share_the_work(connected: Pair, zmq: ModuleType, front_end: FrontEnd) -> None:
    """PULL sockets on one PUSH get every message exactly once."""
    push, pull = connected(zmq.PUSH, zmq.PULL)
    others = [push.context.socket(zmq.PULL) for _ in range(3)]
    for other in others:
        other.connect(push.get_string(zmq.LAST_ENDPOINT))
    got: list[int] = []
    ended: list[Any] = []

    def receive(socket: Any) -> None:
        while (message := socket.recv()) != b"end":
            got.append(int(message))
        ended.append(socket)

    tasks = [front_end.spawn(receive, socket) for socket in (pull, *others)]
    for i in range(4000):
        push.send(b"%d" % i)

    def all_ended() -> bool:
        # Who connected late may not be in the first turn.
        push.send(b"end")
        return len(ended) == len(tasks)

    wait_until(front_end, all_ended)
    for task in tasks:
        task.get()
    assert sorted(got) == list(range(4000))
