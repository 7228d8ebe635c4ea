"""What a poller keeps and how many sockets a poll looks at: those of which something was heard, of all registered."""

from __future__ import annotations

import gc
import os
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from support import PRELOAD
from support.front_ends import FrontEnd
from support.programs import before_libzmq, run


@pytest.mark.parametrize("waits", [False, True], ids=["finds", "waits"])
def test_quiet_sockets_are_not_looked_at(
    front_end: FrontEnd, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, waits: bool
) -> None:
    """Each look asks the system at least once. Those that were busy before are quiet again, too."""
    if waits and os.environ.get("EVENTLET_HUB") == "poll":
        pytest.skip("this hub of eventlet's polls all the time as long as less than a millisecond is left")
    monkeypatch.setenv("LD_PRELOAD", before_libzmq(PRELOAD / "looks.c", tmp_path))
    program = f"""
        import ctypes
        polls = ctypes.CDLL(None).polls_of_this_thread
        context = zmq.Context()
        poller, readers, writers = zmq.Poller(), [], []
        for number in range(60):
            reader, writer = context.socket(zmq.PAIR), context.socket(zmq.PAIR)
            reader.bind(f"inproc://{{number}}")
            writer.connect(f"inproc://{{number}}")
            readers.append(reader)
            writers.append(writer)
            poller.register(reader, zmq.POLLIN)

        def looks(number):
            # Polls of this thread, less what the send and the receive take.
            if {waits}:
                task = front_end.spawn(lambda: (front_end.sleep(0.002), writers[number].send(b"x")))
            else:
                writers[number].send(b"x")
            before = polls()
            assert poller.poll(20_000) == [(readers[number], zmq.POLLIN)]
            counted = polls() - before
            assert readers[number].recv() == b"x"
            if {waits}:
                task.get()
            return counted

        for _ in range(2):
            assert poller.poll(1) == []
            for number in range(60):
                looks(number)
            for writer in writers:
                writer.send(b"x")
            assert len(poller.poll(20_000)) == 60
            for reader in readers:
                reader.recv()
            assert poller.poll(1) == []
            counted = [looks(number) for number in range(5, 25)]
            # Beside the one that is ready: the one that was before.
            assert max(counted) < 20, counted
        context.destroy(0)
    """
    run(front_end, program)


def test_nothing_is_kept_of_sockets_that_were_taken_out(context: Any, zmq: ModuleType) -> None:
    sockets = [context.socket(zmq.PULL) for _ in range(200)]

    def poll_all() -> Any:
        poller = zmq.Poller()
        for socket in sockets:
            poller.register(socket, zmq.POLLIN)
        assert poller.poll(1) == []
        assert poller.poll(1) == []
        for socket in sockets:
            poller.unregister(socket)
        return poller

    # What the sockets and the hub make for their first wait stays.
    poll_all()
    gc.collect()
    before = len(gc.get_objects())
    poller = poll_all()
    gc.collect()
    assert len(gc.get_objects()) - before < 100
    assert poller.poll(0) == []
