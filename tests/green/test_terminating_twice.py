"""Two threads that terminate one context: libzmq is told once, as it has freed the context the second time."""

from __future__ import annotations

from pathlib import Path

import pytest

from support import PRELOAD
from support.front_ends import GreenFrontEnd
from support.programs import before_libzmq, run


def test_another_thread_terminates_it_while_a_pipe_is_made(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, green: GreenFrontEnd
) -> None:
    monkeypatch.setenv("LD_PRELOAD", before_libzmq(PRELOAD / "terminations.c", tmp_path))
    program = """
        import ctypes, os
        terminations = ctypes.c_int.in_dll(ctypes.CDLL(None), "terminations")
        context = zmq.Context()
        context.socket(zmq.PAIR).close()
        pipe = os.pipe

        def pipe_beside_another():
            os.pipe = pipe
            front_end.thread(context.term).get()
            return pipe()

        os.pipe = pipe_beside_another
        context.term()
        assert context.closed and os.pipe is pipe
        assert terminations.value == 1, terminations.value
    """
    run(green, program)
