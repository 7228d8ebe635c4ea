"""How often a plain thread that waits asks the system for news: little more often than libzmq itself does."""

from __future__ import annotations

from pathlib import Path

import pytest

from support import PRELOAD
from support.front_ends import Threads
from support.programs import before_libzmq, run

#: What waits, and what ends that; how often it polls at most. An attempt in vain looks once for commands, a wait is one
#: call, and the attempt after it looks until there are none. A send that finds no room reads EVENTS too.
WAITS = {
    "recv": ("reader.recv()", "writer.send(b'x')", 4),
    "recv_multipart": ("reader.recv_multipart()", "writer.send(b'x')", 4),
    "recv with a time-out": ("reader.recv()", "writer.send(b'x')", 4),
    "send": ("writer.send(b'x')", "reader.recv()", 6),
}


@pytest.mark.parametrize("way", WAITS)
def test_a_wait_of_a_thread(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, way: str) -> None:
    monkeypatch.setenv("LD_PRELOAD", before_libzmq(PRELOAD / "looks.c", tmp_path))
    waits, ends, most = WAITS[way]
    program = f"""
        import ctypes, threading, time
        polls = ctypes.CDLL(None).polls_of_this_thread
        context = zmq.Context()
        reader, writer = context.socket(zmq.PAIR), context.socket(zmq.PAIR)
        reader.hwm = writer.hwm = 1
        reader.rcvtimeo = {60_000 if "time-out" in way else -1}
        reader.bind("inproc://looks")
        writer.connect("inproc://looks")
        if {"send" in waits}:
            # Until there is no room.
            while writer.poll(0, zmq.POLLOUT):
                writer.send(b"x")
        counted = []

        def wait():
            for _ in range(20):
                before = polls()
                {waits}
                counted.append(polls() - before)

        thread = threading.Thread(target=wait)
        thread.start()
        for i in range(20):
            deadline = time.monotonic() + 20
            while len(counted) <= i:
                assert time.monotonic() < deadline, counted
                if zmq.statistics()["blocked"]:
                    {ends}
                    while len(counted) <= i and time.monotonic() < deadline:
                        time.sleep(0.001)
                time.sleep(0.001)
        thread.join(20)
        # The first one hears of the connection too.
        del counted[0]
        assert max(counted) <= {most} and min(counted) > 0, counted
        context.destroy(0)
    """
    run(Threads(), program)


@pytest.mark.parametrize("way", ["recv", "send", "close"])
def test_what_python_code_does_before_the_wait_is_seen(way: str) -> None:
    """After the attempt in vain a finalizer or a handler uses the socket, and takes the bell; or it closes it."""
    results = {"recv": 'b"2"', "send": "None", "close": "zmq.ENOTSOCK"}
    program = f"""
        import os, time
        context = zmq.Context()
        reader, writer = context.socket(zmq.PAIR), context.socket(zmq.PAIR)
        reader.hwm = writer.hwm = 2
        reader.bind("inproc://before")
        writer.connect("inproc://before")
        acts = [lambda: writer.send(b"1"), lambda: writer.send(b"2"), lambda: reader.recv()]
        if {way!r} == "send":
            while writer.poll(0, zmq.POLLOUT):
                writer.send(b"x")
            acts = [lambda: reader.recv() and None for _ in range(4)] + [lambda: writer.poll(0, zmq.POLLOUT)]
        if {way!r} == "close":
            # What is opened next gets the number of the descriptor that would be watched.
            acts = [lambda: reader.close(0), *[os.pipe] * 4]
        monotonic = time.monotonic

        def runs():
            while acts:
                acts.pop(0)()
            return monotonic()

        time.monotonic = runs
        try:
            found = {'writer.send(b"x")' if way == "send" else "reader.recv()"}
        except zmq.ZMQError as error:
            found = error.errno
        time.monotonic = monotonic
        assert found == {results[way]} and not acts
        context.destroy(0)
    """
    run(Threads(), program)
