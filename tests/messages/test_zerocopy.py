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

from support.front_ends import LIMIT, FrontEnd, Threads, wait_until
from zmq.core.native_threads import NativeSignal

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


@pytest.mark.parametrize("copy", [True, False], ids=["copied", "not copied"])
def test_an_array_in_the_order_of_fortran_is_sent_as_it_lies(pair: Pair, zmq: ModuleType, copy: bool) -> None:
    numpy = pytest.importorskip("numpy")
    a, b = pair()
    array = numpy.asfortranarray(numbers())
    sent = array.tobytes("A")
    assert sent != array.tobytes() == numbers().tobytes()
    for send in (
        lambda: a.send(array, copy=copy),
        lambda: a.send_multipart([array, b""], copy=copy),
        lambda: a.send_many([array], copy=copy),
        lambda: a.send(zmq.Frame(array, copy=copy)),
    ):
        send()
        frame = b.recv_multipart(copy=False)[0]
        assert frame.bytes == sent
        assert (address(frame) == array.ctypes.data) is not copy


def test_an_array_in_the_order_of_fortran_is_received_into_as_it_lies(pair: Pair) -> None:
    numpy = pytest.importorskip("numpy")
    a, b = pair()
    array = numpy.zeros((2, 3), "u1", order="F")
    a.send(bytes(range(6)))
    assert b.recv_into(array) == 6
    assert array.tolist() == [[0, 2, 4], [1, 3, 5]]


@pytest.mark.parametrize("copy", [True, False], ids=["copied", "not copied"])
def test_what_is_not_contiguous_is_refused(pair: Pair, zmq: ModuleType, copy: bool) -> None:
    a, b = pair()
    data = memoryview(bytearray(2 * SIZE))[::2]
    for call in (
        lambda: a.send(data, copy=copy),
        lambda: a.send_multipart([b"head", data], copy=copy),
        lambda: zmq.Frame(data, copy=copy),
        lambda: b.recv_into(data, flags=zmq.NOBLOCK),
    ):
        with pytest.raises(BufferError, match="not contiguous"):
            call()
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


def test_a_finalizer_that_takes_long_holds_up_no_other_memory(pair: Pair) -> None:
    """Of two that came back the first is being released in another thread, which is in that object's finalizer."""
    begun, go_on = NativeSignal(), NativeSignal()

    class Slow(bytearray):
        def __del__(self) -> None:
            begun.set()
            go_on.wait(LIMIT)

    a, b = pair()
    data = bytearray(SIZE)
    tracker = a.send(data, copy=False, track=True)
    a.send(Slow(SIZE), copy=False)
    frames = [b.recv(copy=False), b.recv(copy=False)]
    frames.reverse()
    # From its end on, and nothing of Python runs between the two: the slow one comes back last, and is released first.
    frames.clear()
    try:
        begun.wait(LIMIT)
        assert begun.is_set and tracker.done
        data.append(1)
    finally:
        go_on.set()


@pytest.mark.parametrize("what", ["lend", "done"])
def test_finalizers_that_lend_do_not_call_one_another(pair: Pair, zmq: ModuleType, what: str) -> None:
    """No stack is deep enough for all of them, where many came back at once."""
    count = 50
    a, b = pair(hwm=0)
    trackers: list[Any] = []
    here = threading.local()
    depths: list[int] = []
    found: list[bool] = []

    class Using(bytearray):
        def __del__(self) -> None:
            here.depth = getattr(here, "depth", 0) + 1
            if what == "lend":
                zmq.Frame(bytes(SIZE), copy=False)
            else:
                # That of another one, which came back with it.
                found.append(trackers[-1].done)
            depths.append(here.depth)
            here.depth -= 1

    for _ in range(count):
        trackers.append(a.send(Using(SIZE), copy=False, track=True))
    data = bytearray(SIZE)
    trackers.append(a.send(data, copy=False, track=True))
    frames = [b.recv(copy=False) for _ in range(count + 1)]
    # From its end on: the memory without a finalizer comes back first, and is released last.
    frames.clear()
    assert trackers[-1].done
    data.append(1)
    wait_until(Threads(), lambda: len(depths) == count)
    assert set(depths) == {1}
    assert all(found)


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
