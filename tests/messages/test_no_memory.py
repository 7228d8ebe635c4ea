"""Too little memory: whatever allocation fails inside a call, the call raises MemoryError and the socket is in step."""

from __future__ import annotations

import ctypes
import errno
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from support import PRELOAD
from support.front_ends import FrontEnd
from support.programs import before_libzmq, run

Pair = Callable[..., tuple[Any, Any]]

#: Larger than any memory. Nobody gets to read it: it is its copy that there is no memory for.
HUGE = (ctypes.c_char * (1 << 46)).from_address(4096)


@pytest.mark.parametrize(
    "parts",
    [[HUGE], [b"head", HUGE], [b"1", b"2", b"3", b"4", b"5", HUGE, b"7"]],
    ids=["one", "the last of two", "in the midst of many"],
)
def test_a_part_that_cannot_be_copied(pair: Pair, zmq: ModuleType, parts: list[Any]) -> None:
    a, b = pair()
    sends = [lambda: a.send_multipart(parts)] + [lambda: a.send(parts[0])] * (len(parts) == 1)
    for send in sends:
        with pytest.raises((MemoryError, zmq.ZMQError)) as caught:
            send()
        assert caught.type is MemoryError or caught.value.errno == errno.ENOMEM
        assert not b.poll(0)
        a.send_multipart([b"the", b"next"])
        assert b.recv_multipart() == [b"the", b"next"]


def test_a_frame_that_cannot_be_made(front_end: FrontEnd) -> None:
    run(
        front_end,
        """
        import ctypes
        huge = (ctypes.c_char * (1 << 46)).from_address(4096)
        for _ in range(3):
            try:
                zmq.Frame(huge, copy=True)
            except (MemoryError, zmq.ZMQError):
                pass
            else:
                raise AssertionError("there was memory")
        """,
    )


def test_a_batch_loses_nothing(front_end: FrontEnd) -> None:
    """A message for which there is no memory stays there, and those before it are returned."""
    pytest.importorskip("_testcapi")
    run(
        front_end,
        """
        import _testcapi

        zmq.set_budget(0)  # nobody has to have a turn meanwhile: a hub has no memory either
        with zmq.Context() as context, context.socket(zmq.PAIR) as a, context.socket(zmq.PAIR) as b:
            a.bind("inproc://x")
            b.connect("inproc://x")
            for multipart in (False, True):
                sent = [[b"%d" % i, b"x" * i][: 1 + multipart] for i in range(20)]
                raised = short = 0
                for n in range(200):
                    a.send_many(sent, multipart=True)
                    b.poll(0)
                    batch = []
                    _testcapi.set_nomemory(n, n + 1)
                    try:
                        batch = b.recv_many(multipart=multipart)
                    except MemoryError:
                        raised += 1
                    finally:
                        _testcapi.remove_mem_hooks()
                    short += 0 < len(batch) < len(sent)
                    got = [message if multipart else [message] for message in batch]
                    while b.poll(0):
                        got.append(b.recv_multipart())
                    assert got == sent, (n, got)
                assert raised and short, (raised, short)
        """,
    )


PROGRAM = """
    import _testcapi
    import pickle
    from zmq.utils import jsonapi  # not when there is no memory for it

    zmq.set_budget(0)

    context = zmq.Context()
    a, b = context.socket(zmq.PAIR), context.socket(zmq.PAIR)
    a.bind("inproc://x")
    b.connect("inproc://x")
    large, room = bytes(100_000), bytearray(10)
    tail = [b"%d" % i for i in range(8)]
    number = 0
    a.poll(0)
    b.poll(0)

    def new_poller(*others):
        poller = zmq.Poller()
        for socket in (b, *others):
            poller.register(socket, zmq.POLLIN)
        return poller

    others = [context.socket(zmq.PULL) for _ in range(8)]
    few, many = new_poller(a), new_poller(a, *others)
    # How many frames are there for the call, and the call.
    calls = {CALLS}

    def drain():
        # What is there are whole messages.
        got = []
        while b.poll(0):
            head, *rest = b.recv_multipart()
            assert rest in ([], [b"x", b"y", b"z", b"end"], [large, b"end"], tail), rest
            got.append(head)
        return got

    failures = 0
    for name, (frames, call) in calls.items():
        passed = n = 0
        while passed < 5:
            number += 1
            # From now on the pollers look where a bell rings, and nowhere else.
            assert few.poll(0) == many.poll(0) == []
            if frames:
                a.send_multipart([b"%d" % number, *tail][:frames])
            error = result = None
            _testcapi.set_nomemory(n, n + 1)
            try:
                result = call()
            except MemoryError as caught:
                error = caught
            finally:
                _testcapi.remove_mem_hooks()
            failures += error is not None
            passed += error is None
            n += 1
            # Before the next message rings the bell once more.
            ready = many.poll(0)
            got = drain()
            assert len(got) <= 1, name
            assert ready == [(b, zmq.POLLIN)] * len(got), (name, n)
            a.send_multipart([b"%d" % -number, b"x", b"y", b"z", b"end"])
            for poller in (few, many):
                assert poller.poll(1000) == [(b, zmq.POLLIN)], (name, n)
            assert b.recv_multipart() == [b"%d" % -number, b"x", b"y", b"z", b"end"], (name, n)
            assert n < 1000
    assert failures > 10, failures
    del result, call, error, few, many, poller
    calls.clear()
    context.destroy(linger=0)
"""

CALLS = """{
    "send": (0, lambda: a.send(b"%d" % number)),
    "send NOBLOCK": (0, lambda: a.send(b"%d" % number, zmq.NOBLOCK)),
    "send a frame": (0, lambda: a.send(zmq.Frame(b"%d" % number), copy=False)),
    "send_string": (0, lambda: a.send_string(str(number))),
    "send_json": (0, lambda: a.send_json(number)),
    "send_pyobj": (0, lambda: a.send_pyobj(number, 0)),
    "send_multipart": (0, lambda: a.send_multipart([b"%d" % number, b"x", bytearray(b"y"), zmq.Frame(b"z"), b"end"])),
    "send_multipart, lent": (0, lambda: a.send_multipart([b"%d" % number, large, b"end"], copy=False, track=True)),
    "recv": (1, lambda: b.recv()),
    "recv a frame": (1, lambda: b.recv(copy=False)),
    "recv_into": (1, lambda: b.recv_into(room)),
    "recv_string": (1, lambda: b.recv_string()),
    "recv_json": (1, lambda: b.recv_json()),
    "recv_multipart": (9, lambda: b.recv_multipart()),
    "recv_multipart, frames": (9, lambda: b.recv_multipart(copy=False)),
    "send_many": (0, lambda: a.send_many([b"%d" % number])),
    "send_many, multipart": (0, lambda: a.send_many([[b"%d" % number, large, b"end"]], multipart=True)),
    "recv_many": (1, lambda: b.recv_many()),
    "recv_many, frames": (1, lambda: b.recv_many(copy=False)),
    "recv_many, multipart": (9, lambda: b.recv_many(multipart=True)),
    "Socket.poll": (1, lambda: b.poll(0)),
    "get": (0, lambda: b.get(zmq.EVENTS)),
    "set": (0, lambda: b.set(zmq.LINGER, 0)),
    "attributes": (0, lambda: (b.events, b.linger, b.rcvmore, b.last_endpoint, repr(b))),
}"""

POLLS = """{
    "Poller.poll": (1, lambda: few.poll(0)),
    "Poller.poll of many": (1, lambda: many.poll(0)),
    "Poller": (1, lambda: new_poller(a).poll(0)),
    "select": (1, lambda: zmq.select([b], [], [], 0)),
    "zmq_poll": (1, lambda: zmq.zmq_poll([(b, zmq.POLLIN)], 0)),
}"""


@pytest.mark.parametrize("calls", [CALLS, POLLS], ids=["calls", "polls"])
def test_the_nth_allocation_fails(front_end: FrontEnd, calls: str) -> None:
    """For every n up to the one that is never reached. Calls that need not wait: a hub has no memory either."""
    if front_end.shares_sockets and calls is POLLS:
        pytest.skip("a poller in a hub says on stderr that it could not forget a socket for want of memory")
    pytest.importorskip("_testcapi")
    if sys.version_info[:2] == (3, 12):
        # json.dumps alone crashes: making a function there does, when there is no memory for it.
        calls = "\n".join(line for line in calls.split("\n") if "json" not in line)
    run(front_end, PROGRAM.replace("{CALLS}", calls.replace("\n", "\n    ")))


@pytest.mark.parametrize(
    "receive", ["b.recv_multipart()", "b.recv_multipart(copy=False)", "b.recv_many(1, multipart=True)"]
)
def test_no_room_for_the_frames_of_a_message(
    front_end: FrontEnd, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, receive: str
) -> None:
    """There is room for some, and then for twice as many. The message is lost; the next receive begins with another."""
    monkeypatch.setenv("LD_PRELOAD", before_libzmq(PRELOAD / "no_memory.c", tmp_path))
    run(
        front_end,
        f"""
        import ctypes
        library = ctypes.CDLL(None)
        frame = 64
        context = zmq.Context()
        a, b = context.socket(zmq.PAIR), context.socket(zmq.PAIR)
        a.bind("inproc://x")
        b.connect("inproc://x")
        failed = 0
        for room in (2, 4, 8, 16, 32, 64):
            a.send_multipart([b"%d" % number for number in range(40)])
            a.send_multipart([b"next", b"message"])
            library.no_memory_for(ctypes.c_size_t(2 * room * frame))
            try:
                {receive}
            except (MemoryError, zmq.ZMQError) as error:
                assert isinstance(error, MemoryError) or error.errno == 12, error
                failed += 1
            library.no_memory_for(ctypes.c_size_t(0))
            assert b.recv_multipart() == [b"next", b"message"]
        assert failed >= 2, failed
        context.destroy(0)
        """,
    )
