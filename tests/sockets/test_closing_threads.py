"""A thread that closes a socket while another is about to wait for it, which must hear of it however long it takes."""

from __future__ import annotations

from pathlib import Path

import pytest

from support import PRELOAD
from support.front_ends import Threads
from support.programs import before_libzmq, run

#: How a thread waits for `socket`. A poller has a set of bells when it is used a second time.
WAITS = {
    "recv": "socket.recv()",
    "send": "sender.send(b'x')",
    "poll": "socket.poll()",
    "zmq_poll": "zmq.zmq_poll([(socket, zmq.POLLIN)], -1)",
    "set of bells": "poller.poll()",
}


@pytest.mark.parametrize("way", WAITS)
def test_a_close_while_a_wait_begins(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, way: str) -> None:
    """What wakes the waiting thread takes long to make; that another thread closes the socket meanwhile is not lost."""
    monkeypatch.setenv("LD_PRELOAD", before_libzmq(PRELOAD / "eventfds.c", tmp_path))
    program = f"""
        import ctypes, threading, time
        library = ctypes.CDLL(None)
        takes_ms, begun = (ctypes.c_int.in_dll(library, name) for name in ("eventfd_takes_ms", "eventfds_begun"))
        context = zmq.Context()
        sockets = [context.socket(zmq.PULL) for _ in range(7)]
        socket, sender = sockets[0], context.socket(zmq.PUSH)
        poller = zmq.Poller()
        for each in sockets:
            poller.register(each, zmq.POLLIN)
        for _ in range(2):
            poller.poll(0)
        ended = []

        def wait():
            try:
                {WAITS[way]}
            except zmq.ZMQError as error:
                ended.append(error.errno)

        takes_ms.value = 300
        thread = threading.Thread(target=wait, daemon=True)
        thread.start()
        while not begun.value:
            time.sleep(0.001)
        closed = time.monotonic()
        for each in (socket, sender):
            each.close()
        thread.join(20)
        assert ended == [zmq.ENOTSOCK], ended
        # Not by the alarm for what was missed.
        assert time.monotonic() - closed < 2
        takes_ms.value = 0
        context.destroy(0)
    """
    run(Threads(), program)


@pytest.mark.parametrize("way", WAITS)
def test_a_close_while_the_main_thread_waits_for_the_first_time(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, way: str
) -> None:
    """Whether it is the one that runs the handlers of signals it finds out then, without the GIL."""
    monkeypatch.setenv("LD_PRELOAD", before_libzmq(PRELOAD / "eventfds.c", tmp_path))
    program = f"""
        import ctypes, os, threading, time
        library = ctypes.CDLL(None)
        takes_ms, begun = (ctypes.c_int.in_dll(library, name) for name in ("fstat_takes_ms", "eventfds_begun"))
        context = zmq.Context()
        sockets = [context.socket(zmq.PULL) for _ in range(7)]
        socket, sender = sockets[0], context.socket(zmq.PUSH)
        poller = zmq.Poller()
        for each in sockets:
            poller.register(each, zmq.POLLIN)
        for _ in range(2):
            poller.poll(0)
        closed = []

        def close():
            while not begun.value:
                time.sleep(0.001)
            for each in (socket, sender):
                each.close()
            # Nothing rings there any more, and the numbers are others'.
            os.pipe()
            closed.append(time.monotonic())

        takes_ms.value = 300
        thread = threading.Thread(target=close, daemon=True)
        thread.start()
        try:
            {WAITS[way]}
            raise AssertionError("it came to its end")
        except zmq.ZMQError as error:
            assert error.errno == zmq.ENOTSOCK, error
        # Not by the alarm for what was missed.
        assert closed and time.monotonic() - closed[0] < 2
        takes_ms.value = 0
        context.destroy(0)
    """
    run(Threads(), program)
