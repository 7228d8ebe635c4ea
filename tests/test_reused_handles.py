"""A socket that was closed behind the package's back: libzmq gives its handle to the next one."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from programs import before_libzmq, run

from front_ends import FRONT_ENDS, FrontEnd

HERE = Path(__file__).parent
HAND_ON = """
        import ctypes, sys
        hand_on = ctypes.CDLL(None).hand_on
        hand_on.argtypes = [ctypes.c_void_p]
"""


pytestmark = [
    pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler"),
    pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="needs LD_PRELOAD"),
]


@pytest.fixture(autouse=True)
def handed_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LD_PRELOAD", before_libzmq(HERE / "handed_on.c", tmp_path))


def test_who_had_it_leaves_the_next_one_alone(front_end: FrontEnd) -> None:
    program = """
        context = zmq.Context()
        closed = context.socket(zmq.PULL)
        shadow = zmq.Socket.shadow(closed.underlying)
        shadow.poll(1)
        hand_on(closed.underlying)
        new = context.socket(zmq.PULL)
        for socket in (shadow, closed):
            assert socket.closed and socket.underlying == 0 and socket not in context._sockets
            for call in (socket.recv, lambda: socket.poll(1), lambda: zmq.zmq_poll([(socket, zmq.POLLIN)], 1)):
                try:
                    call()
                except zmq.ZMQError as error:
                    assert error.errno == zmq.ENOTSOCK
                else:
                    raise AssertionError("it does as if it had a handle")
            socket.close()
        assert not new.closed and new in context._sockets
        new.bind("inproc://new")
        context.destroy()
    """
    run(front_end, HAND_ON + program)


def test_a_loop_that_watches_it_elsewhere_does_not_close_the_next_one() -> None:
    program = f"""
        sys.path.insert(0, {str(HERE / "green")!r})
        from fake_hub import FakeLoop, green, spawn

        loop = FakeLoop()
        context = green(loop)[0]()
        closed = context.socket(zmq.PULL)
        task = spawn(closed.recv)
        here, loop.runner = loop.runner, 0
        hand_on(closed.underlying)
        new = context.socket(zmq.PULL)
        loop.runner = here
        loop.settle()
        assert task.error.errno == zmq.ENOTSOCK and not loop.armed
        assert closed.closed and not new.closed
        new.bind("inproc://new")
        ended = spawn(context.destroy)
        loop.settle_until(lambda: ended.done)
    """
    run(FRONT_ENDS[0], HAND_ON + program)
