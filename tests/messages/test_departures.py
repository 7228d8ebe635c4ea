"""A peer leaves between any two frames of a message, in the midst of the one call that sends it."""

from __future__ import annotations

from pathlib import Path

import pytest

from support import PRELOAD
from support.front_ends import FrontEnd
from support.programs import before_libzmq, run

#: How a message of four frames is sent.
SENDS = {
    "send_multipart": "sender.send_multipart(MESSAGE)",
    "copy=False": "sender.send_multipart([zmq.Frame(frame) for frame in MESSAGE], copy=False)",
    "send_many": "sender.send_many([MESSAGE], multipart=True)",
    "NOBLOCK": "sender.send_multipart(MESSAGE, zmq.NOBLOCK)",
}


@pytest.mark.parametrize("kind", ["PUSH", "DEALER"])
@pytest.mark.parametrize("way", SENDS)
def test_a_message_is_whole_whoever_leaves(
    front_end: FrontEnd, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, way: str, kind: str
) -> None:
    """Whichever of two peers leaves, before whichever frame: nobody gets a part, and the other one what comes later."""
    monkeypatch.setenv("LD_PRELOAD", before_libzmq(PRELOAD / "departures.c", tmp_path))
    program = f"""
        import ctypes
        library = ctypes.CDLL(None)
        library.zmq_socket.restype = ctypes.c_void_p
        MESSAGE, LAST = [b"1", b"2", b"3", b"4"], [b"5", b"6"]
        context = zmq.Context()

        def received(peer):
            found = []
            while True:
                buffer, more, size = ctypes.create_string_buffer(16), ctypes.c_int(), ctypes.c_size_t(4)
                length = library.zmq_recv(peer, buffer, 16, zmq.NOBLOCK)
                if length < 0:
                    return found
                found.append(buffer.raw[:length])

        departed = partly = 0
        for number in range(1, 6):
            for leaves in (0, 1):
                sender = context.socket(zmq.{kind})
                peers = []
                for i in range(2):
                    # Made by hand, so that nobody else closes it.
                    peer = library.zmq_socket(ctypes.c_void_p(context.underlying), zmq.{kind.replace("PUSH", "PULL")})
                    peers.append(ctypes.c_void_p(peer))
                    address = f"inproc://departures-{{number}}-{{leaves}}-{{i}}"
                    assert library.zmq_bind(peers[i], address.encode()) == 0
                    sender.connect(address)
                library.depart_before(ctypes.c_void_p(sender.underlying), peers[leaves], number)
                {SENDS[way]}
                has_left = library.departures_left() == 0
                departed += has_left
                sender.send_multipart(LAST)
                sender.send_multipart(LAST)
                left = peers[1 - leaves : 2 - leaves] if has_left else peers
                found = [frame for peer in left for frame in received(peer)]
                # The message may have been given to the one that left, as a whole.
                texts = b"".join(found)
                assert texts.replace(b"1234", b"", 1) in (b"56", b"5656"), (number, leaves, found)
                partly += b"1234" in texts
                for peer in left:
                    library.zmq_close(peer)
                sender.close()
        assert departed >= 8 and partly >= 4, (departed, partly)
        context.destroy(0)
    """
    run(front_end, program)
