"""What a caller hands over may change while it is used: buffers, lists and frames."""

from __future__ import annotations

import asyncio
import gc
import sys
import threading
import time
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

import zmq as plain
from support.front_ends import LIMIT, FrontEnd, wait_until
from zmq.asyncio import Context

Pair = Callable[..., tuple[Any, Any]]

SIZE = 100_000


@pytest.mark.parametrize("end", ["a message", "cancelled", "a time-out", "closed"])
def test_a_buffer_stays_what_it_is_while_asyncio_receives_into_it(end: str) -> None:
    async def main() -> None:
        with Context() as context, context.socket(plain.PAIR) as a, context.socket(plain.PAIR) as b:
            a.bind("inproc://x")
            b.connect("inproc://x")
            buffer = bytearray(SIZE)
            if end == "a time-out":
                b.rcvtimeo = 20
            future = b.recv_into(buffer, nbytes=SIZE)
            with pytest.raises(BufferError):
                del buffer[16:]
            if end == "a message":
                await a.send(b"A" * SIZE)
                assert await future == SIZE
            elif end == "cancelled":
                future.cancel()
            elif end == "closed":
                b.close()
            with pytest.raises(plain.Again if end == "a time-out" else asyncio.CancelledError):
                if end == "a message":
                    raise asyncio.CancelledError
                await future
            buffer.clear()

    asyncio.run(main())


def test_a_buffer_that_asyncio_dropped_with_its_loop_is_free() -> None:
    buffer = bytearray(SIZE)

    async def main() -> None:
        socket.recv_into(buffer)
        await asyncio.sleep(0)

    with Context() as context, context.socket(plain.PULL) as socket:
        asyncio.run(main())
    gc.collect()
    buffer.clear()


def is_held(buffer: bytearray) -> bool:
    try:
        buffer.pop()
        buffer.append(0)
    except BufferError:
        return True
    return False


def test_a_buffer_stays_what_it_is_while_it_is_received_into(front_end: FrontEnd, pair: Pair) -> None:
    a, b = pair()
    buffer = bytearray(SIZE)
    task = front_end.spawn(b.recv_into, buffer)
    wait_until(front_end, lambda: is_held(buffer))
    a.send(b"A" * SIZE)
    assert task.get() == SIZE
    buffer.clear()


@pytest.mark.parametrize("copy", [True, False])
def test_a_list_that_is_emptied_while_it_is_sent(context: Any, zmq: ModuleType, copy: bool) -> None:
    class Shrinking(zmq.Frame):  # type: ignore[name-defined, misc]
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            message.clear()

    class Sender(zmq.Socket):  # type: ignore[name-defined, misc]
        _frame_class = Shrinking

    class Data(bytearray):
        def __buffer__(self, flags: int) -> memoryview:
            message.clear()
            return super().__buffer__(flags)  # type: ignore[misc]

    a, b = context.socket(zmq.PAIR, socket_class=Sender), context.socket(zmq.PAIR)
    a.bind("inproc://changing")
    b.connect("inproc://changing")
    message: list[Any] = []
    for send in (
        lambda: a.send_many([message], copy=copy, multipart=True),
        lambda: a.send_multipart(message, copy=copy),
    ):
        message[:] = [Data(SIZE), Data(SIZE), b"z" * 10]
        send()
        assert [len(part) for part in b.recv_multipart()] == [SIZE, SIZE, 10]


def test_a_list_that_another_thread_changes_while_it_is_sent() -> None:
    """What is copied without the GIL is held by the call."""
    with plain.Context() as context, context.socket(plain.PUSH) as push, context.socket(plain.PULL) as pull:
        push.bind("inproc://x")
        pull.connect("inproc://x")
        message: list[Any] = [None]
        over = threading.Event()
        started = threading.Event()

        def change() -> None:
            while not over.is_set():
                started.wait()
                # While this thread runs the other one is copying.
                message[0] = b"q"
                message.clear()
                message.append(b"q")
                started.clear()

        thread = threading.Thread(target=change)
        thread.start()
        end = time.monotonic() + 1
        try:
            while time.monotonic() < end:
                message[:] = [b"A" * (4 << 20)]
                started.set()
                try:
                    push.send_many([message], multipart=True)
                except ValueError:
                    # It was empty at that moment.
                    continue
                assert pull.recv() in (b"A" * (4 << 20), b"q")
        finally:
            over.set()
            started.set()
            thread.join(LIMIT)


def test_frames_that_two_threads_send_at_once_keep_their_count() -> None:
    """libzmq begins to count the references to a message when it is first copied, which only one thread may do."""
    count = 200
    barrier = threading.Barrier(2)
    frames: list[Any] = []
    wrong: list[bytes] = []
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    end = time.monotonic() + 1.5
    with plain.Context() as context:

        def send(first: bool, push: Any, pull: Any) -> None:
            while True:
                if first:
                    frames[:] = [plain.Frame(b"%08d" % number * 12) for number in range(count)]
                    if time.monotonic() > end:
                        frames.clear()
                barrier.wait(LIMIT)
                if not frames:
                    return
                push.send_multipart([*frames, bytes(1 << 20)])
                barrier.wait(LIMIT)
                if first:
                    frames[:] = [None]
                parts = pull.recv_multipart(copy=False)
                wrong.extend(bytes(part) for n, part in enumerate(parts[:-1]) if bytes(part) != b"%08d" % n * 12)
                barrier.wait(LIMIT)

        sockets, threads = [], []
        for first in (True, False):
            push, pull = context.socket(plain.PAIR), context.socket(plain.PAIR)
            push.bind(f"inproc://{first}")
            pull.connect(f"inproc://{first}")
            sockets += [push, pull]
            threads.append(threading.Thread(target=send, args=(first, push, pull)))
        try:
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(LIMIT)
        finally:
            sys.setswitchinterval(before)
            for socket in sockets:
                socket.close(0)
    assert not wrong


def test_a_frame_that_is_made_while_it_is_being_made(zmq: ModuleType) -> None:
    class Threshold(int):
        def __gt__(self, other: int) -> bool:
            frame.__init__(data, copy=False)
            return False

    data = bytearray(b"data")
    frame = zmq.Frame.__new__(zmq.Frame)
    with pytest.raises(RuntimeError):
        frame.__init__(data, copy_threshold=Threshold(1))
    assert frame.bytes == b"data"


def test_a_threshold_that_raises_leaves_the_buffer_free(
    pair: Pair, zmq: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Threshold:
        def __index__(self) -> int:
            raise KeyError

        __int__ = __index__

    a, _ = pair()
    monkeypatch.setattr(zmq, "COPY_THRESHOLD", Threshold())
    data = bytearray(10)
    for call in (lambda: a.send(data, copy=False), lambda: a.send_multipart([data], copy=False)):
        with pytest.raises((KeyError, TypeError)):
            call()
    data.clear()
