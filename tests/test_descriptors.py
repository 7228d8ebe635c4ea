"""Any number of descriptors: sockets whose bells lie beyond what select() can count."""

from __future__ import annotations

import pytest
from programs import run

from front_ends import FrontEnd


@pytest.mark.parametrize("transport", ["inproc", "tcp"])
def test_more_descriptors_than_select_can_count(front_end: FrontEnd, transport: str) -> None:
    if not front_end.counts_past_1023:
        pytest.skip("the hub waits with select()")
    run(
        front_end,
        f"""
        import os, resource
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if hard != resource.RLIM_INFINITY and hard < 2000:
            raise SystemExit("this system does not let a process have so many")
        resource.setrlimit(resource.RLIMIT_NOFILE, (2000, hard))
        front_end.sleep(0.001)
        held = [os.dup(0) for _ in range(1100)]
        context = zmq.Context()
        a, b, full = context.socket(zmq.PAIR), context.socket(zmq.PAIR), context.socket(zmq.PUSH)
        a.bind("tcp://127.0.0.1:*" if {transport!r} == "tcp" else "inproc://x")
        b.connect(a.get_string(zmq.LAST_ENDPOINT))
        others = [context.socket(zmq.PULL) for _ in range(9)]
        reader, writer = os.pipe()
        assert min(a.fileno(), b.fileno(), reader) > 1023

        def poller_of(*sockets):
            poller = zmq.Poller()
            for socket in sockets:
                poller.register(socket, zmq.POLLIN)
            return poller

        few, many, native = poller_of(b, others[0]), poller_of(b, *others), poller_of(b, reader)
        for poller in (few, many, native):
            assert poller.poll(1) == []
        assert zmq.select([b], [], [], 0.001) == ([], [], [])
        assert b.poll(1) == 0
        for wait, result in (
            (b.poll, zmq.POLLIN),
            (few.poll, [(b, zmq.POLLIN)]),
            (many.poll, [(b, zmq.POLLIN)]),
            (native.poll, [(b, zmq.POLLIN)]),
            (lambda: zmq.select([b], [], []), ([b], [], [])),
            (lambda: zmq.zmq_poll([(b, zmq.POLLIN)]), [(b, zmq.POLLIN)]),
        ):
            task = front_end.spawn(wait)
            front_end.sleep(0.005)
            a.send(b"1")
            assert task.get() == result
            assert b.recv() == b"1"
        os.write(writer, b"1")
        assert native.poll() == [(reader, zmq.POLLIN)]
        task = front_end.spawn(b.recv)
        front_end.sleep(0.005)
        a.send(b"2")
        assert task.get() == b"2"
        tracker = a.send(bytes(100_000), copy=False, track=True)
        task = front_end.spawn(tracker.wait)
        front_end.sleep(0.005)
        b.recv()
        task.get()
        for poller in (few, many, native):
            del poller
        del few, many, native
        for socket in (a, b, full, *others):
            socket.close()
        context.term()
        """,
    )
