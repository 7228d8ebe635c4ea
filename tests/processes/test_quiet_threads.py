"""Native threads that run no Python, libzmq's and the package's own: no signal comes to one, not even as it begins.

Where Python's handler in C runs in another native thread, a main thread that computes learns nothing of the signal.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from textwrap import dedent

import pytest

from support import PRELOAD
from support.front_ends import FrontEnd
from support.programs import before_libzmq, run

pytestmark = [
    pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler"),
    pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="needs LD_PRELOAD"),
]

BEGIN = """
import ctypes
library = ctypes.CDLL(None)
library.zmq_ctx_new.restype = ctypes.c_void_p

def started():
    assert ctypes.c_int.in_dll(library, "disturbed").value == 0
    return ctypes.c_int.in_dll(library, "started").value
"""

#: What starts threads, and at least how many.
PROGRAMS = {
    "the first socket of a context": (2, "zmq.Context().socket(zmq.PULL)"),
    "the first socket of a context of many": (9, "zmq.Context(io_threads=8).socket(zmq.PULL)"),
    "the first socket of another's context": (2, "zmq.Context.shadow(library.zmq_ctx_new()).socket(zmq.PULL)"),
    "memory that is lent": (3, "zmq.Context().socket(zmq.PUB).send(bytes(100_000), copy=False)"),
    "a context that is dropped": (
        3,
        """
        import gc
        context = zmq.Context()
        context.socket(zmq.PULL).close()
        del context
        gc.collect()
        """,
    ),
    "a context that is terminated": (2, "context = zmq.Context(); context.socket(zmq.PULL).close(); context.term()"),
    "a monitor that ends first": (
        3,
        """
        socket = zmq.Context().socket(zmq.PULL)
        socket.get_monitor_socket().close()
        socket.bind("tcp://127.0.0.1:*")
        """,
    ),
}


@pytest.fixture(autouse=True)
def counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LD_PRELOAD", before_libzmq(PRELOAD / "masks.c", tmp_path))


@pytest.mark.parametrize("what", PROGRAMS)
def test_no_signal_comes_to_threads_that_begin(front_end: FrontEnd, what: str) -> None:
    least, program = PROGRAMS[what]
    run(front_end, f"{BEGIN}\n{dedent(program)}\nassert started() >= {least}, started()", quiet=False)


def test_nor_to_those_of_a_proxy(front_end: FrontEnd) -> None:
    program = """
        context = zmq.Context()
        frontend, backend, control = (context.socket(kind) for kind in (zmq.PULL, zmq.PUSH, zmq.PAIR))
        frontend.bind("inproc://in")
        backend.bind("inproc://out")
        control.bind("inproc://control")
        before = started()
        proxy = front_end.spawn(zmq.proxy_steerable, frontend, backend, None, control)
        steer = context.socket(zmq.PAIR)
        steer.connect("inproc://control")
        steer.send(b"TERMINATE")
        proxy.get()
        assert started() >= before + (front_end.name != "threads"), started()
        context.destroy(linger=0)
    """
    run(front_end, BEGIN + dedent(program))
