"""`Frame` and `MessageTracker`."""

from __future__ import annotations

import copy
import gc
import sys
import threading
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

import zmq as plain
from support.front_ends import LIMIT, FrontEnd

Pair = Callable[..., tuple[Any, Any]]


def test_a_frame_holds_bytes(zmq: ModuleType) -> None:
    for size in (0, 1, 33, 5000, 100_000):
        data = bytes(range(256)) * (size // 256) + bytes(size % 256)
        for frame in (zmq.Frame(data), zmq.Frame(data, copy=False), zmq.Frame(bytearray(data), copy=True)):
            assert len(frame) == size
            assert frame.bytes == bytes(frame) == bytes(frame.buffer) == data
            assert frame.bytes is frame.bytes and frame.buffer is frame.buffer
            assert memoryview(frame).nbytes == size
    assert zmq.Frame().bytes == b"" and len(zmq.Frame()) == 0
    assert zmq.Message is zmq.Frame


def test_what_is_no_frame(zmq: ModuleType) -> None:
    for nothing in ("text", 5, object(), [b"1"]):
        with pytest.raises(TypeError):
            zmq.Frame(nothing)


def test_repr(zmq: ModuleType) -> None:
    assert repr(zmq.Frame(b"short")) == "<zmq.Frame(b'short')>"
    assert "100B" in repr(zmq.Frame(bytes(100)))
    assert "2kB" in repr(zmq.Frame(bytes(2_000)))
    assert "3MB" in repr(zmq.Frame(bytes(3_000_000)))


@pytest.mark.skipif(plain.DRAFT_API, reason="this libzmq has what is refused here")
@pytest.mark.parametrize("name", ["routing_id", "group"])
def test_properties_of_drafts_are_refused(zmq: ModuleType, name: str) -> None:
    frame = zmq.Frame(b"x")
    for call in (
        lambda: frame.get(name),
        lambda: frame[name],
        lambda: getattr(frame, name),
        lambda: frame.set(name, 1),
        lambda: setattr(frame, name, 1),
    ):
        with pytest.raises(zmq.ZMQVersionError, match=name):
            call()


def test_what_a_tracker_waits_for_is_copied_with_it(pair: Pair) -> None:
    """Libzmq is done with a thing once, whoever asks."""
    a, _ = pair()
    tracker = a.send(bytes(100_000), copy=False, track=True)
    (event,) = tracker.events
    assert copy.copy(event) is copy.deepcopy(event) is event
    assert copy.deepcopy(tracker).events == {event} and tracker.peers == set()


def test_copies_share_their_memory(zmq: ModuleType) -> None:
    frame = zmq.Frame(bytes(100_000), copy=False)
    other = copy.copy(frame)
    assert other is not frame and other.bytes == frame.bytes
    del frame
    assert other.bytes == bytes(100_000)


@pytest.mark.parametrize("size", [10, 100_000])
@pytest.mark.parametrize("copied", [False, True], ids=["itself", "a copy of it"])
def test_a_deep_copy_stays_as_it_is(pair: Pair, size: int, copied: bool) -> None:
    """Also where a view that was there before can be written to."""
    a, b = pair()
    a.send_multipart([b"x" * size, b"rest"])
    frame = b.recv_multipart(copy=False)[0]
    view = frame.buffer
    assert not view.readonly
    other = copy.deepcopy(copy.copy(frame) if copied else frame)
    view[0] = ord("y")
    assert frame.bytes == b"y" + b"x" * (size - 1)
    assert other.bytes == b"x" * size and other.more
    # Nothing can be written to what nobody else has a view of.
    third = copy.deepcopy(other)
    assert third.bytes == b"x" * size
    a.send(other)
    assert b.recv() == b"x" * size


def test_a_deep_copy_shares_what_nobody_can_write_to(connected: Pair, zmq: ModuleType) -> None:
    a, b = connected()
    a.send(b"x" * 100_000)
    frame = b.recv(copy=False)
    other = copy.deepcopy(frame)
    assert frame.get(zmq.SHARED) == other.get(zmq.SHARED) == 1
    assert frame.buffer.readonly and other.buffer.readonly


def test_what_is_lent_is_held_and_let_go(pair: Pair, zmq: ModuleType) -> None:
    a, b = pair()
    data = bytes(100_000)
    before = sys.getrefcount(data)
    frame = zmq.Frame(data, copy=False, track=True)
    assert sys.getrefcount(data) > before and not frame.tracker.done
    tracker = frame.tracker
    a.send(frame, copy=False)
    del frame
    received = b.recv(copy=False)
    assert not tracker.done
    view = received.buffer
    del received
    assert view.nbytes == 100_000 and not tracker.done
    del view
    tracker.wait(LIMIT)
    gc.collect()
    assert sys.getrefcount(data) == before


def test_what_was_received_cannot_change_the_sender(pair: Pair, zmq: ModuleType) -> None:
    """Over inproc both sides have the same memory."""
    a, b = pair()
    data = bytes(100_000)
    a.send(data, copy=False)
    with pytest.raises(TypeError):
        b.recv(copy=False).buffer[0] = 1
    assert data == bytes(100_000)
    a.send(data)
    view = b.recv(copy=False).buffer
    if not view.readonly:
        view[0] = 1
    assert data == bytes(100_000)


def test_properties(connected: Pair, zmq: ModuleType) -> None:
    a, b = connected()
    a.send_multipart([b"1", b"2"])
    first, last = b.recv_multipart(copy=False)
    assert first.get(zmq.MORE) == 1 and last.get(zmq.MORE) == 0
    assert first.more and not last.more
    for unknown in ("No-Such-Property", "", "ü"):
        with pytest.raises(zmq.ZMQError) as caught:
            first.get(unknown)
        assert caught.value.errno == zmq.EINVAL
    with pytest.raises(zmq.ZMQError):
        first.get(999)
    with pytest.raises(zmq.ZMQError):
        first.set("User-Id", "me")
    assert isinstance(first, zmq.Frame)


def test_trackers(pair: Pair, zmq: ModuleType, front_end: FrontEnd) -> None:
    a, b = pair()
    frames = [zmq.Frame(bytes(100_000), copy=False, track=True) for _ in range(3)]
    tracker = zmq.MessageTracker(*frames)
    both = zmq.MessageTracker(tracker, frames[0].tracker)
    event = threading.Event()
    more = zmq.MessageTracker(event)
    assert not tracker.done and not both.done and not more.done
    for wait in (tracker.wait, both.wait, more.wait):
        with pytest.raises(zmq.NotDone):
            wait(timeout=0.01)
        with pytest.raises(zmq.NotDone):
            wait(timeout=0)
    waiting = front_end.spawn(both.wait)
    event.set()
    more.wait()
    a.send_multipart(frames, copy=False)
    frames.clear()
    b.recv_multipart()
    waiting.get()
    assert tracker.done and both.done and more.done
    with pytest.raises(TypeError):
        zmq.MessageTracker("no event")
    with pytest.raises(ValueError, match="track"):
        zmq.MessageTracker(zmq.Frame(b"untracked"))
    with pytest.raises(ValueError, match="track"):
        a.send(zmq.Frame(b"untracked"), copy=False, track=True)


SENDS: dict[str, Callable[..., Any]] = {
    "send": lambda socket, frame, **kwargs: socket.send(frame, **kwargs),
    "send_multipart": lambda socket, frame, **kwargs: socket.send_multipart([b"1", frame], **kwargs),
    "send_serialized": lambda socket, frame, **kwargs: socket.send_serialized(
        frame, lambda data: [b"1", data], **kwargs
    ),
}


@pytest.mark.parametrize("copies", [True, False])
@pytest.mark.parametrize("send", SENDS.values(), ids=SENDS)
def test_tracking_what_is_not_tracked(pair: Pair, zmq: ModuleType, send: Callable[..., Any], copies: bool) -> None:
    a, b = pair()
    a.send(b"received")
    for frame in (zmq.Frame(b"made"), b.recv(copy=False)):
        with pytest.raises(ValueError, match="Not a tracked message"):
            send(a, frame, copy=copies, track=True)
        # Nothing was sent.
        assert not b.poll(0)
        send(a, frame, copy=copies)
        assert b.recv_multipart()[-1] == frame.bytes
    tracked = zmq.Frame(b"tracked", track=True)
    assert send(a, tracked, copy=copies, track=True) is not None
    assert b.recv_multipart()[-1] == b"tracked"
