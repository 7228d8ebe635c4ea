"""Cython code of other projects that builds on this package."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import zmq

pytest.importorskip("Cython")

SETUP = """
    from Cython.Build import cythonize
    from setuptools import Extension, setup
    import zmq

    module = Extension(
        "forwarder",
        ["forwarder.pyx"],
        include_dirs=zmq.get_includes(),
        library_dirs=zmq.get_library_dirs(),
        runtime_library_dirs=zmq.get_library_dirs(),
        libraries=["zmq"],
    )
    setup(name="forwarder", ext_modules=cythonize([module], language_level=3))
"""

FORWARDER = """
    from zmq cimport Context, Frame, libzmq
    from zmq.core.libzmq cimport (
        ZMQ_SNDMORE, zmq_msg_close, zmq_msg_init, zmq_msg_more, zmq_msg_recv, zmq_msg_send, zmq_msg_size,
        zmq_msg_t
    )
    from zmq.core.socket cimport Socket

    # The old ways to have them.
    from zmq.backend.cython._zmq cimport Frame as SameFrame
    from zmq.core cimport context, device, message, poll, socket, tracker, version
    from zmq.core.context cimport Context as SameContext
    from zmq.core.message cimport Frame as OtherFrame
    from zmq.core.tracker cimport MessageTracker

    cdef size_t size_of(Frame frame):
        return zmq_msg_size(&frame.zmq_msg)

    def old_ways():
        cdef Frame frame = Frame(b"12345", track=True)
        cdef SameFrame same = frame
        cdef OtherFrame other = same
        cdef SameContext context = Context()
        cdef MessageTracker watch = MessageTracker(frame)
        cdef Socket pull = context.socket(libzmq.ZMQ_PULL)
        found = size_of(other), watch.done, len(watch.peers), context.handle != NULL, pull.handle != NULL
        found += poll.poll_once([pull], [libzmq.ZMQ_POLLIN], 0),
        pull.close()
        context.term()
        return found + (pull.handle == NULL,)

    cpdef int forward(Socket source, Socket target, int messages) except -1:
        '''Move messages in C; returns how many frames they had.'''
        cdef zmq_msg_t frame
        cdef int moved = 0
        cdef bint more = False
        cdef void *from_handle = source.handle
        cdef void *to_handle = target.handle
        zmq_msg_init(&frame)
        with nogil:
            while messages or more:
                if zmq_msg_recv(&frame, from_handle, 0) < 0:
                    break
                more = zmq_msg_more(&frame)
                if zmq_msg_send(&frame, to_handle, ZMQ_SNDMORE if more else 0) < 0:
                    break
                moved += 1
                if not more:
                    messages -= 1
        zmq_msg_close(&frame)
        return moved

    def run():
        cdef Context context = Context()
        cdef Frame frame = Frame(b"first")
        pairs = []
        for name in ("inproc://in", "inproc://out"):
            pair = Socket(context, libzmq.ZMQ_PAIR), Socket(context, libzmq.ZMQ_PAIR)
            pair[0].bind(name)
            pair[1].connect(name)
            pairs.append(pair)
        (a, b), (c, d) = pairs
        a.send_multipart([frame, b"second"])
        a.send(b"third")
        moved = forward(b, c, 2)
        found = moved, d.recv_multipart(), d.recv()
        for socket in (a, b, c, d):
            socket.close()
        context.term()
        return found
"""


@pytest.mark.timeout(300)
def test_a_forwarder_in_c(tmp_path: Path) -> None:
    (tmp_path / "setup.py").write_text(textwrap.dedent(SETUP))
    (tmp_path / "forwarder.pyx").write_text(textwrap.dedent(FORWARDER))
    # Cython looks for .pxd files along the path, where an installation has put the package.
    environment = {**os.environ, "CFLAGS": "-O0", "PYTHONPATH": ""}

    def run(*command: str) -> str:
        done = subprocess.run(
            [sys.executable, *command], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=240
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    run("setup.py", "build_ext", "--inplace")
    found = run("-W", "error", "-c", "import forwarder; print(forwarder.run())")
    assert found.strip() == "(3, [b'first', b'second'], b'third')"
    found = run("-W", "error", "-c", "import forwarder; print(forwarder.old_ways())")
    assert found.strip() == "(5, True, 1, True, True, [], True)"
    # It shares the libzmq that it was told of, also if it comes first.
    found = run(
        "-c", "import forwarder; from greenzmq import _doctor; print([each.level for each in _doctor.mapped()])"
    )
    assert found.strip() == "['ok']"


def test_every_compiled_module_has_declarations() -> None:
    folder = Path(zmq.__file__).parent / "core"
    compiled = [path.with_suffix(".pxd") for path in folder.rglob("*.pyx")]
    assert compiled and [path for path in compiled if not path.exists()] == []
