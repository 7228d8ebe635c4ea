"""RCVTIMEO, SNDTIMEO and the time-outs of polls: in every form of call, neither early nor late."""

from __future__ import annotations

import gc
import os
import platform
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import zmq as plain
from support.front_ends import LIMIT, FrontEnd, ThreadTask

Pair = Callable[..., tuple[Any, Any]]

RECEIVES: dict[str, Callable[[Any], Any]] = {
    "recv": lambda socket: socket.recv(),
    "recv-frame": lambda socket: socket.recv(copy=False),
    "recv_multipart": lambda socket: socket.recv_multipart(),
    "recv_into": lambda socket: socket.recv_into(bytearray(10)),
    "recv_string": lambda socket: socket.recv_string(),
    "recv_json": lambda socket: socket.recv_json(),
    "recv_pyobj": lambda socket: socket.recv_pyobj(),
    "recv_serialized": lambda socket: socket.recv_serialized(list),
}
SENDS: dict[str, Callable[[Any], Any]] = {
    "send": lambda socket: socket.send(b"1"),
    "send-lent": lambda socket: socket.send(bytes(100_000), copy=False),
    "send_multipart": lambda socket: socket.send_multipart([b"1", b"2"]),
    "send_string": lambda socket: socket.send_string("1"),
    "send_json": lambda socket: socket.send_json(1),
    "send_pyobj": lambda socket: socket.send_pyobj(1),
    "send_serialized": lambda socket: socket.send_serialized(b"1", lambda value: [value]),
}


@contextmanager
def lasting(seconds: float) -> Iterator[None]:
    """See that something takes so long, and not much longer."""
    start = time.monotonic()
    yield
    elapsed = time.monotonic() - start
    # libzmq counts whole milliseconds, and so do some event loops.
    assert elapsed > seconds - 0.0015
    assert elapsed < seconds + 1


@pytest.mark.parametrize("how", RECEIVES)
def test_rcvtimeo(pair: Pair, zmq: ModuleType, how: str) -> None:
    a, b = pair()
    b.rcvtimeo = 20
    with lasting(0.02), pytest.raises(zmq.Again):
        RECEIVES[how](b)
    b.rcvtimeo = 0
    with pytest.raises(zmq.Again):
        RECEIVES[how](b)
    b.rcvtimeo = -1
    a.send_pyobj(5) if how == "recv_pyobj" else a.send_json(5)
    RECEIVES[how](b)


@pytest.mark.parametrize("how", SENDS)
def test_sndtimeo(context: Any, zmq: ModuleType, how: str) -> None:
    push, pull = context.socket(zmq.PUSH), context.socket(zmq.PULL)
    push.sndtimeo = 20
    with lasting(0.02), pytest.raises(zmq.Again):
        SENDS[how](push)
    push.sndtimeo = 0
    with pytest.raises(zmq.Again):
        SENDS[how](push)
    push.sndtimeo = 10_000
    push.bind("inproc://sndtimeo")
    pull.connect("inproc://sndtimeo")
    SENDS[how](push)
    pull.recv_multipart()


def test_sndtimeo_at_the_high_water_mark(pair: Pair, zmq: ModuleType) -> None:
    push, pull = pair(zmq.PUSH, zmq.PULL, hwm=5, sndtimeo=30)
    sent = 0
    with lasting(0.03), pytest.raises(zmq.Again):
        while True:
            push.send_multipart([b"%d" % sent, b"rest"])
            sent += 1
    assert [int(pull.recv_multipart()[0]) for _ in range(sent)] == list(range(sent))


def test_polls_keep_their_time(pair: Pair, zmq: ModuleType) -> None:
    a, b = pair()
    poller = zmq.Poller()
    poller.register(b, zmq.POLLIN)
    with lasting(0.03):
        assert b.poll(30) == 0
    with lasting(0.03):
        assert poller.poll(30) == []
    with lasting(0.03):
        assert zmq.select([b], [], [], 0.03) == ([], [], [])
    with lasting(0.03):
        assert zmq.zmq_poll([(b, zmq.POLLIN)], 30) == []
    with lasting(0):
        assert b.poll(0) == 0 and poller.poll(0) == [] and zmq.select([b], [], [], 0) == ([], [], [])
    # Also where there is nothing to wait for.
    with lasting(0.02):
        assert zmq.Poller().poll(20) == []
    with lasting(0.02):
        assert zmq.select([], [], [], 0.02) == ([], [], [])
    with lasting(0.02):
        assert zmq.zmq_poll([], 20) == []
    with lasting(0.02):
        assert b.poll(20, 0) == 0
    with lasting(0.0155):
        assert b.poll(15.5) == 0
    a.send(b"1")
    with lasting(0):
        assert b.poll(60_000) == zmq.POLLIN and poller.poll() == [(b, zmq.POLLIN)]


def ways_to_wait(zmq: ModuleType, socket: Any, timeout: float | None) -> list[Callable[[], Any]]:
    """Return functions that wait until there is a message, in milliseconds or, `select`, in seconds."""
    poller = zmq.Poller()
    poller.register(socket, zmq.POLLIN)
    return [
        lambda: socket.poll(timeout) == zmq.POLLIN,
        lambda: poller.poll(timeout) == [(socket, zmq.POLLIN)],
        lambda: zmq.zmq_poll([(socket, zmq.POLLIN)], timeout) == [(socket, zmq.POLLIN)],
        lambda: zmq.select([socket], [], [], timeout) == ([socket], [], []),
    ]


#: Whether the system tells of a thread which call it waits in; other machines have other calls.
TELLS_CALLS = Path("/proc/self/syscall").exists() and platform.machine() == "x86_64"
#: Milliseconds: more than eleven days.
LONG = 1_000_000_000


def system_call(task: ThreadTask) -> list[int]:
    """Return the arguments of the system call in which a thread waits; none while it runs."""
    told = Path(f"/proc/self/task/{task.thread.native_id}/syscall").read_text().split()
    # Before them its number, behind them the stack pointer and where it was made.
    return [int(number, 16) & 0xFFFFFFFF for number in told[1:-2]]


@pytest.mark.skipif(not TELLS_CALLS, reason="how a system call is asked to wait nobody tells, or it is another thing")
@pytest.mark.parametrize("how", ["recv", "send", "recv_many", "poll", "Poller", "zmq_poll", "select"])
def test_the_system_is_asked_to_wait_for_as_long_as_was_said(how: str) -> None:
    """And not for a thousandth less or more: a thread, which makes one system call to wait."""
    with plain.Context() as context, context.socket(plain.DEALER) as socket:
        socket.linger, socket.rcvtimeo, socket.sndtimeo = 0, LONG, LONG
        socket.bind("inproc://waits")
        poller = plain.Poller()
        poller.register(socket, plain.POLLIN)
        calls: dict[str, Callable[[], Any]] = {
            "recv": socket.recv,
            "send": lambda: socket.send(b"x"),
            "recv_many": lambda: socket.recv_many(timeout=LONG),
            "poll": lambda: socket.poll(LONG),
            "Poller": lambda: poller.poll(LONG),
            "zmq_poll": lambda: plain.zmq_poll([(socket, plain.POLLIN)], LONG),
            "select": lambda: plain.select([socket], [], [], LONG / 1000),
        }
        task = ThreadTask(calls[how], (), {})
        end = time.monotonic() + LIMIT
        while not any(LONG - 1000 * LIMIT < number <= LONG for number in system_call(task)):
            assert time.monotonic() < end, system_call(task)
            time.sleep(0.001)
        with context.socket(plain.DEALER) as other:
            other.linger = 0
            other.connect("inproc://waits")
            other.send(b"x")
            task.get()


@pytest.mark.parametrize("timeout", [None, -1, -2, -1000, -0.5, -1.0, -(2**70), float("-inf")])
def test_none_and_all_that_is_negative_wait_for_ever(
    pair: Pair, zmq: ModuleType, front_end: FrontEnd, timeout: float | None
) -> None:
    """A program whose time-outs are seconds says ``poll(1000 * timeout)``, and -1 where there is none."""
    a, b = pair()
    for wait in ways_to_wait(zmq, b, timeout):
        waiting = front_end.spawn(wait)
        front_end.sleep(0.01)
        a.send(b"1")
        assert waiting.get()
        assert wait() and b.recv() == b"1"
    waiting = front_end.spawn(lambda: b.recv_many(timeout=-1 if timeout is None else timeout))
    front_end.sleep(0.01)
    a.send(b"2")
    assert waiting.get() == [b"2"]


@pytest.mark.parametrize(("timeout", "error"), [(float("nan"), ValueError), ("1", TypeError), (b"", TypeError)])
def test_a_time_out_that_is_no_number_is_refused(
    pair: Pair, zmq: ModuleType, timeout: Any, error: type[Exception]
) -> None:
    a, b = pair()
    a.send(b"usable")
    for wait in [*ways_to_wait(zmq, b, timeout), lambda: b.recv_many(timeout=timeout)]:
        with pytest.raises(error):
            wait()
    assert b.poll() == zmq.POLLIN and b.recv() == b"usable"


def test_a_negative_rcvtimeo_is_refused(pair: Pair, zmq: ModuleType) -> None:
    a, b = pair()
    for option in (zmq.RCVTIMEO, zmq.SNDTIMEO):
        with pytest.raises(zmq.ZMQError, match="-2") as caught:
            b.set(option, -2)
        assert caught.value.errno == zmq.EINVAL
        assert b.get(option) == -1
    a.send(b"usable")
    assert b.recv() == b"usable"


@pytest.mark.parametrize("timeout", [float("inf"), 2.0**63, 1e300])
def test_a_time_out_that_never_comes(pair: Pair, zmq: ModuleType, front_end: FrontEnd, timeout: float) -> None:
    """It is none: nobody returns before there is something, and nobody spins until then."""
    a, b = pair()
    reader, writer = os.pipe()
    ended: list[Any] = []

    def begin(call: Callable[..., Any], *args: Any) -> Any:
        def run() -> Any:
            try:
                return call(*args)
            finally:
                ended.append(call)

        return front_end.spawn(run)

    polls: dict[str, Callable[[], Any]] = {
        "Socket.poll": lambda: b.poll(timeout),
        "zmq_poll": lambda: plain_or(zmq).zmq_poll([(b, zmq.POLLIN)], timeout),
        "Poller of a socket": lambda: poller_of(b).poll(timeout),
        "Poller of a descriptor": lambda: poller_of(reader).poll(timeout),
        "Poller of both": lambda: poller_of(b, reader).poll(timeout),
        "select": lambda: zmq.select([b], [], [], timeout),
        "recv_many": lambda: b.recv_many(timeout=timeout),
    }

    def poller_of(*sockets: Any) -> Any:
        poller = zmq.Poller()
        for socket in sockets:
            poller.register(socket, zmq.POLLIN)
        return poller

    def plain_or(package: Any) -> Any:
        return package if hasattr(package, "zmq_poll") else plain

    for name, call in polls.items():
        # A collection of all that the tests have left would take as long.
        gc.disable()
        used = time.process_time()
        task = begin(call)
        front_end.sleep(0.05)
        used = time.process_time() - used
        gc.enable()
        assert used < 0.04 and call not in ended, name
        if "descriptor" in name:
            os.write(writer, b"1")
        else:
            a.send(b"1")
        assert task.get(), name
        if "descriptor" in name:
            os.read(reader, 1)
        elif name != "recv_many":
            assert b.recv() == b"1"
    data = bytearray(100_000)
    tracker = a.send(data, copy=False, track=True)
    task = begin(tracker.wait, timeout)
    front_end.sleep(0.02)
    assert tracker.wait not in ended
    b.recv()
    task.get()
    os.close(reader)
    os.close(writer)
