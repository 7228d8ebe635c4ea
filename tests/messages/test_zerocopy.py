"""Zero copy: what is sent is the object's own memory, and it comes back as soon as libzmq is done with it."""

from __future__ import annotations

import array
import ctypes
import gc
import mmap
import subprocess
import sys
import textwrap
import threading
import time
import weakref
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from support.front_ends import FrontEnd

Pair = Callable[..., tuple[Any, Any]]

SIZE = 1 << 20


class Buffer(ctypes.Structure):
    """The start of a Py_buffer."""

    _fields_ = (("buf", ctypes.c_void_p), ("rest", ctypes.c_char * 200))


def address(data: Any) -> int:
    """Return where an object has its memory."""
    view = Buffer()
    ctypes.pythonapi.PyObject_GetBuffer(ctypes.py_object(data), ctypes.byref(view), 0)
    found = view.buf
    ctypes.pythonapi.PyBuffer_Release(ctypes.byref(view))
    return found


def numbers() -> Any:
    numpy = pytest.importorskip("numpy")
    return numpy.arange(SIZE // 8).reshape(256, -1)


@pytest.mark.parametrize(
    "make",
    [
        lambda: bytes(SIZE),
        lambda: bytearray(SIZE),
        lambda: memoryview(bytearray(2 * SIZE))[100 : 100 + SIZE],
        lambda: memoryview(bytes(2 * SIZE))[100 : 100 + SIZE],
        lambda: array.array("d", range(SIZE // 8)),
        lambda: mmap.mmap(-1, SIZE),
        numbers,
    ],
    ids=["bytes", "bytearray", "memoryview", "read-only memoryview", "array", "mmap", "numpy"],
)
def test_the_receiver_sees_the_memory_of_the_sender(pair: Pair, make: Callable[[], Any]) -> None:
    a, b = pair()
    data = make()
    a.send(data, copy=False)
    a.send_multipart([b"small", data], copy=False)
    frame = b.recv(copy=False)
    assert address(frame) == address(data)
    assert frame.bytes == bytes(memoryview(data).cast("B") if memoryview(data).ndim == 1 else data.tobytes())
    small, frame = b.recv_multipart(copy=False)
    assert small.bytes == b"small" and address(frame) == address(data)


def test_what_is_not_contiguous_is_refused(pair: Pair) -> None:
    a, b = pair()
    with pytest.raises(BufferError):
        a.send(memoryview(bytearray(2 * SIZE))[::2], copy=False)
    a.send(b"1")
    assert b.recv() == b"1"


class Tracked(bytearray):
    """Memory that tells when it is gone."""


def test_it_is_released_though_the_program_makes_no_further_call(pair: Pair) -> None:
    a, b = pair()
    took = []
    for _ in range(5):
        gone = threading.Event()
        data = Tracked(SIZE)
        weakref.finalize(data, gone.set)
        tracker = a.send(data, copy=False, track=True)
        del data
        frame = b.recv(copy=False)
        assert not tracker.done and not gone.is_set()
        began = time.monotonic()
        del frame
        assert gone.wait(10)
        took.append(time.monotonic() - began)
        assert tracker.done
    # On a machine that is busy with other things one of them may be late.
    assert min(took) < 0.1


def test_no_thread_of_python_stands_behind_it(pair: Pair) -> None:
    before = threading.enumerate()
    a, b = pair()
    for _ in range(10):
        a.send(bytes(SIZE), copy=False)
        b.recv(copy=False)
    assert threading.enumerate() == before


def resident() -> int:
    """Return how many bytes of this process are in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * mmap.PAGESIZE


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs /proc")
@pytest.mark.parametrize("receive", [{"copy": True}, {"copy": False}], ids=["copied", "not copied"])
def test_many_large_sends_leave_no_growth(pair: Pair, receive: dict[str, bool]) -> None:
    a, b = pair()

    def exchange(count: int) -> int:
        for i in range(count):
            data = bytearray(SIZE)
            data[0] = i & 255
            a.send(data, copy=False)
            message = b.recv(**receive)
            assert len(message) == SIZE
        del message, data
        gc.collect()
        return resident()

    before = exchange(1000)
    # Half a message for every thousand would be seen.
    assert exchange(10_000) - before < 20 * SIZE


def test_a_large_queue_is_given_back(pair: Pair, front_end: FrontEnd) -> None:
    a, b = pair(hwm=0)
    trackers = []
    for i in range(200):
        trackers.append(a.send_multipart([b"head", bytearray(SIZE // 16), b"%d" % i], copy=False, track=True))
    assert not any(tracker.done for tracker in trackers)
    for i in range(200):
        assert b.recv_multipart()[2] == b"%d" % i
    for tracker in trackers:
        tracker.wait(10)
        assert tracker.done


def test_the_io_thread_never_wants_the_interpreter(zmq: ModuleType) -> None:
    """While the interpreter's lock is held by somebody who waits for the peer, messages leave and are freed."""
    program = f"""
        import ctypes, os, sys
        import {zmq.__name__} as zmq
        reader, writer = os.pipe()
        ready, address = os.pipe()
        child = os.fork()
        if child == 0:
            context = zmq.Context()
            pull = context.socket(zmq.PULL)
            port = pull.bind_to_random_port("tcp://127.0.0.1")
            os.write(address, b"%d" % port)
            for _ in range(20):
                pull.recv()
            os.write(writer, b"x")
            pull.close()
            context.term()
            os._exit(0)
        context = zmq.Context()
        push = context.socket(zmq.PUSH)
        push.connect(f"tcp://127.0.0.1:{{int(os.read(ready, 100))}}")
        for _ in range(20):
            push.send(bytes({SIZE}), copy=False)
        # Functions of a PyDLL keep the lock.
        byte = ctypes.create_string_buffer(1)
        assert ctypes.PyDLL(None).read(reader, byte, 1) == 1
        push.close()
        context.term()
        os.waitpid(child, 0)
    """
    command = [sys.executable, "-X", "faulthandler", "-c", textwrap.dedent(program)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=50)
    assert done.returncode == 0, done.stderr
