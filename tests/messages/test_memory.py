"""Memory: what is lent stays put, what is shared stays as it is, and what there is too little of is an error."""

from __future__ import annotations

import array
import contextlib
import ctypes
import gc
import mmap
import os
import select
import threading
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import zmq as plain
from support.front_ends import LIMIT, FrontEnd, Threads, wait_until
from support.programs import run

Pair = Callable[..., tuple[Any, Any]]

SIZE = 100_000


#: Objects whose memory moves when their size changes: how to make one, and how to change its size.
RESIZABLE: dict[str, tuple[Callable[[], Any], Callable[[Any], Any]]] = {
    "bytearray": (lambda: bytearray(SIZE), lambda data: data.extend(bytes(SIZE))),
    "cleared bytearray": (lambda: bytearray(SIZE), lambda data: data.clear()),
    "array": (lambda: array.array("B", bytes(SIZE)), lambda data: data.extend(data)),
    "mmap": (lambda: mmap.mmap(-1, SIZE), lambda data: data.close()),
}


@pytest.mark.parametrize("copy", [True, False], ids=["copied", "not copied"])
@pytest.mark.parametrize("form", ["send", "send_multipart", "Frame"])
@pytest.mark.parametrize("kind", RESIZABLE)
def test_what_is_lent_cannot_be_resized_until_it_is_given_back(
    pair: Pair, zmq: ModuleType, kind: str, form: str, copy: bool
) -> None:
    make, resize = RESIZABLE[kind]
    a, b = pair()
    data = make()
    if form == "send":
        tracker = a.send(data, copy=False, track=True)
    elif form == "send_multipart":
        tracker = a.send_multipart([b"head", data], copy=False, track=True)
    else:
        frame = zmq.Frame(data, copy=False, track=True)
        tracker = frame.tracker
        a.send(frame)
        del frame
    with pytest.raises((BufferError, ValueError)):
        resize(data)
    message = b.recv_multipart(copy=copy)
    if not copy:
        # The receiver has the sender's own memory.
        with pytest.raises((BufferError, ValueError)):
            resize(data)
    assert bytes(message[-1]) == bytes(SIZE)
    del message
    tracker.wait(LIMIT)
    resize(data)


def test_memory_can_be_resized_as_soon_as_its_tracker_is_done(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """libzmq's thread, which gives it back, is held in the midst of that: where it wakes those who wait for it."""
    make = os.pipe
    #: What a thread that waits for the tracker reads, and what libzmq's thread writes to for it, which is not the same.
    asleep, alarms = [make(), make()], [make(), make()]
    numbers = iter(range(2))

    def pipe() -> tuple[int, int]:
        if threading.current_thread().name != "waiter":
            return make()
        number = next(numbers)
        return os.dup(asleep[number][0]), os.dup(alarms[number][1])

    monkeypatch.setattr(os, "pipe", pipe)
    # The one that begins to wait first is woken last, and of that libzmq's thread can't be done.
    os.set_blocking(alarms[0][1], False)
    full = 0
    with contextlib.suppress(BlockingIOError):
        while True:
            full += os.write(alarms[0][1], bytes(1))
    os.set_blocking(alarms[0][1], True)
    data = bytearray(SIZE)
    with plain.Context() as context, context.socket(plain.PUSH) as a, context.socket(plain.PULL) as b:
        # Nobody listens yet, and whatever is not inproc libzmq's own thread gives back.
        a.connect(f"ipc://{tmp_path}/socket")
        tracker = a.send(data, copy=False, track=True)
        waiters = []
        for number in range(2):
            waiters.append(threading.Thread(target=tracker.wait, args=(LIMIT,), name="waiter"))
            waiters[-1].start()
            wait_until(Threads(), lambda number=number: len(plain.statistics()["blocked"]) > number)
        b.bind(f"ipc://{tmp_path}/socket")
        try:
            assert select.select([alarms[1][0]], [], [], LIMIT)[0]
            if tracker.done:
                data.extend(b"more")
        finally:
            os.read(alarms[0][0], full)
        assert len(b.recv()) == SIZE
        wait_until(Threads(), lambda: tracker.done)
        data.extend(b"more")
        for _, writer in asleep:
            os.write(writer, b"x")
        for waiter in waiters:
            waiter.join()
    for ends in asleep + alarms:
        for end in ends:
            os.close(end)


@pytest.mark.parametrize("form", ["recv", "recv_multipart", "passed on", "copied"])
def test_what_was_received_cannot_be_written_to_where_others_have_it(pair: Pair, form: str) -> None:
    """Over inproc the frame that is received is the sender's own memory."""
    a, b = pair()
    data = bytes(SIZE)
    a.send_multipart([b"head", data], copy=False)
    if form == "recv":
        b.recv()
        frame = b.recv(copy=False)
    else:
        frame = b.recv_multipart(copy=False)[1]
    if form == "passed on":
        b.send(frame, copy=False)
        frame = a.recv(copy=False)
    elif form == "copied":
        frame = frame.fast_copy()
    for view in (frame.buffer, memoryview(frame)):
        assert view.readonly
        with pytest.raises(TypeError):
            view[0] = 1
    with pytest.raises(TypeError):
        (ctypes.c_char * SIZE).from_buffer(frame)
    with pytest.raises((ValueError, BufferError)):
        pytest.importorskip("numpy").frombuffer(frame, dtype="u1")[0] = 1
    assert data == bytes(SIZE)


def test_memory_that_another_thread_resizes_while_it_is_copied(front_end: FrontEnd) -> None:
    run(
        front_end,
        """
        import threading
        SIZE = 4_000_000
        contents = b"x" * SIZE
        context = zmq.Context()
        a, b = context.socket(zmq.PAIR), context.socket(zmq.PAIR)
        a.bind("inproc://x")
        b.connect("inproc://x")
        data = bytearray(contents)
        refused = changed = 0
        done = False

        def resize():
            global refused, changed
            while not done:
                try:
                    data.clear()
                    data.extend(contents)
                    changed += 1
                except BufferError:
                    refused += 1

        thread = threading.Thread(target=resize)
        thread.start()
        while refused < 3 or changed < 3:
            for send in (a.send, lambda data: a.send_multipart([data])):
                send(data)
                got = b.recv()
                assert got in (contents, b""), len(got)
        done = True
        thread.join()
        a.close(); b.close(); context.term()
        """,
    )


@pytest.mark.parametrize("size", [10, SIZE])
def test_memory_that_changes_while_its_sender_waits(
    pair: Pair, zmq: ModuleType, front_end: FrontEnd, size: int
) -> None:
    """What is sent by copying was copied when the call was made."""
    a, b = pair(zmq.PUSH, zmq.PULL, hwm=1)
    filled = 0
    with pytest.raises(zmq.Again):
        while True:
            a.send(b"fill", zmq.NOBLOCK)
            filled += 1
    data = bytearray(b"x" * size)
    began: list[bool] = []

    def send() -> None:
        began.append(True)
        a.send_multipart([data, data])

    sending = front_end.spawn(send)
    wait_until(front_end, lambda: began)
    front_end.sleep(0.01)
    data[:] = b"y" * size
    try:
        data.clear()
    except BufferError:
        # It is held, and was copied nevertheless.
        assert len(data) == size
    assert [b.recv() for _ in range(filled)] == [b"fill"] * filled
    assert b.recv_multipart() == [b"x" * size] * 2
    sending.get()


def test_freeing_a_frame_is_always_silent(pair: Pair, zmq: ModuleType) -> None:
    """In whatever state it is; pytest makes an error of what a destructor raises."""
    a, b = pair()
    frames = [
        zmq.Frame.__new__(zmq.Frame),
        zmq.Frame(),
        zmq.Frame(b"1"),
        zmq.Frame(bytes(SIZE), copy=False, track=True),
    ]
    for nothing in ("text", 5, memoryview(bytearray(9))[::2]):
        frames.append(zmq.Frame.__new__(zmq.Frame))
        with pytest.raises((TypeError, BufferError)):
            frames[-1].__init__(nothing)
    for frame in frames[1:4]:
        a.send(frame, copy=False)
        frames.append(b.recv(copy=False))
    views = [frame.buffer for frame in frames]
    copies = [frame.fast_copy() for frame in frames[1:]]
    a.close()
    b.close()
    del frame
    for things in (frames, copies):
        things.clear()
        gc.collect()
    assert sorted(len(view) for view in views)[-1] == SIZE
    views.clear()
    gc.collect()


def test_a_relay_frees_what_it_cannot_deliver(pair: Pair, zmq: ModuleType, front_end: FrontEnd) -> None:
    front, client = pair(zmq.ROUTER, zmq.DEALER)
    front.router_mandatory = 1
    back, worker = pair(zmq.DEALER, zmq.DEALER)
    control, steer = pair(zmq.REP, zmq.REQ)
    proxy = front_end.spawn(zmq.proxy_steerable, front, back, None, control)
    trackers = [worker.send_multipart([b"nobody", bytes(SIZE)], copy=False, track=True) for _ in range(20)]
    for tracker in trackers:
        tracker.wait(LIMIT)
    client.send(b"still there?")
    assert worker.recv_multipart()[1] == b"still there?"
    steer.send(b"TERMINATE")
    assert steer.recv() == b""
    proxy.get()
