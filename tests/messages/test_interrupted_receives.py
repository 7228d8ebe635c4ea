"""A signal that comes in the midst of a message: the message is received as a whole all the same."""

from __future__ import annotations

from pathlib import Path

import pytest

from support import PRELOAD
from support.front_ends import FrontEnd
from support.programs import before_libzmq, run

RECEIVES = {
    "recv_multipart": "b.recv_multipart()",
    "copy=False": "[bytes(frame) for frame in b.recv_multipart(copy=False)]",
    "recv_many": "b.recv_many(1, multipart=True)[0]",
    "NOBLOCK": "b.recv_multipart(zmq.NOBLOCK)",
}


@pytest.mark.parametrize("how", RECEIVES)
def test_a_message_is_whole_whenever_a_signal_comes(
    front_end: FrontEnd, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, how: str
) -> None:
    monkeypatch.setenv("LD_PRELOAD", before_libzmq(PRELOAD / "interrupted.c", tmp_path))
    run(
        front_end,
        f"""
        import ctypes
        library = ctypes.CDLL(None)
        MESSAGE = [b"%d" % number for number in range(12)]
        context = zmq.Context()
        a, b = context.socket(zmq.PAIR), context.socket(zmq.PAIR)
        a.bind("inproc://x")
        b.connect("inproc://x")
        for number in range(1, 13):
            a.send_multipart(MESSAGE)
            library.interrupt_at(number)
            assert {RECEIVES[how]} == MESSAGE
            assert library.interruptions_left() == 0
            assert not b.poll(0)
        context.destroy(0)
        """,
    )
