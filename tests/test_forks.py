"""Forks while somebody waits: a child that touches nothing has nothing to do, and its parent loses nothing."""

from __future__ import annotations

from programs import run

from front_ends import FrontEnd


def test_a_child_that_touches_nothing_uses_no_cpu_time(front_end: FrontEnd) -> None:
    """Though the bells of those who wait in its parent ring on."""
    run(
        front_end,
        """
        import os, time
        context = zmq.Context()
        pairs = []
        for i in range(12):
            pairs.append((context.socket(zmq.PAIR), context.socket(zmq.PAIR)))
            pairs[-1][0].bind(f"inproc://{i}")
            pairs[-1][1].connect(f"inproc://{i}")
        (a, b), (c, d), *rest = pairs
        poller = zmq.Poller()
        for _, socket in rest:
            poller.register(socket, zmq.POLLIN)
        tasks = [front_end.spawn(b.recv), front_end.spawn(poller.poll), front_end.spawn(d.poll)]
        front_end.sleep(0.01)
        a.send(b"rings in both")
        reader, writer = os.pipe()
        if front_end.fork() == 0:
            try:
                os.write(writer, b"begins, ")
                used = time.process_time()
                front_end.sleep(0.3)
                used = time.process_time() - used
                os.write(writer, b"spins" if used > 0.1 else b"idles")
            finally:
                os._exit(0)
        os.close(writer)
        said = os.read(reader, 99)
        # The parent goes on, and its child's descriptors are rung for by others.
        assert tasks[0].get() == b"rings in both"
        for i in range(20):
            for one, other in pairs[3:]:
                one.send(b"%d" % i)
            front_end.sleep(0.005)
        assert tasks[1].get()
        c.send(b"1")
        assert tasks[2].get() == zmq.POLLIN and d.recv() == b"1"
        assert poller.poll() == [(socket, zmq.POLLIN) for _, socket in pairs[3:]]
        for _, socket in pairs[3:]:
            assert [socket.recv() for _ in range(20)] == [b"%d" % i for i in range(20)]
        os.set_blocking(reader, False)
        while said == b"begins, ":
            try:
                said += os.read(reader, 99)
            except BlockingIOError:
                front_end.sleep(0.01)
        assert said == b"begins, idles", said
        for pair in pairs:
            for socket in pair:
                socket.close()
        context.term()
        """,
    )
