"""`eventlet.green.zmq`: replaced by ours where a program asks for that, and else unmodified on top of us."""

from __future__ import annotations

import pytest

from support.monkey.monkeyed import EVENTLET, Framework, run

#: Everything that waits and that `eventlet.green.zmq` knows nothing of, or does in its own way.
USE = """
def use(zmq):
    with zmq.Context() as context, context.socket(zmq.PAIR) as a, context.socket(zmq.PAIR) as b:
        a.bind("inproc://pair")
        b.connect("inproc://pair")
        assert green.beside(b.recv, lambda: a.send(b"1")) == b"1"
        assert green.beside(b.recv_multipart, lambda: a.send_multipart([b"1", b"2"])) == [b"1", b"2"]
        assert green.beside(b.recv_json, lambda: a.send_json([1])) == [1]
        assert green.beside(b.poll, lambda: a.send(b"2")) == zmq.POLLIN
        poller = zmq.Poller()
        poller.register(b, zmq.POLLIN)
        assert poller.poll(0) == [(b, zmq.POLLIN)] and b.recv() == b"2" and poller.poll(0) == []
        assert green.beside(poller.poll, lambda: a.send(b"3")) == [(b, zmq.POLLIN)]
        assert zmq.select([b], [], [], 0)[0] == [b] and b.recv() == b"3"
        b.rcvtimeo = 20
        try:
            b.recv()
        except zmq.Again:
            pass
        else:
            raise AssertionError("no time-out")
"""

WAYS = {
    "from": "from eventlet.green import zmq as installed",
    "import": "import eventlet.green.zmq; installed = eventlet.green.zmq",
    "as": "import eventlet.green.zmq as installed",
    "by name": "import importlib; installed = importlib.import_module('eventlet.green.zmq')",
}


@pytest.fixture(params=[EVENTLET], ids=["eventlet"])
def framework(request: pytest.FixtureRequest) -> Framework:
    return request.param


@pytest.mark.parametrize("imported", ["before", "after"])
@pytest.mark.parametrize("way", WAYS)
def test_eventlet_green_zmq_is_ours_after_it_was_installed(framework: Framework, way: str, imported: str) -> None:
    """Also where it was imported before; installing it twice changes nothing."""
    run(
        framework,
        USE,
        WAYS[way] if imported == "before" else "",
        """
        import zmq.eventlet
        zmq.eventlet.install()
        zmq.eventlet.install()
        """,
        WAYS[way],
        """
        assert installed is zmq.eventlet
        assert sys.modules["eventlet.green.zmq"] is zmq.eventlet
        use(installed)
        """,
    )


def test_what_was_imported_from_eventlet_green_zmq_before_goes_on(framework: Framework) -> None:
    """Its module has our names from then on, its sockets and contexts stay what they were."""
    run(
        framework,
        USE,
        """
        import eventlet
        from eventlet.green import zmq as old
        from eventlet.green.zmq import Context, Socket
        import zmq.eventlet

        context = Context()
        a, b = context.socket(old.PAIR), context.socket(old.PAIR)
        a.bind("inproc://pair")
        b.connect("inproc://pair")
        waiting = green.spawn(b.recv)
        green.sleep(0)
        zmq.eventlet.install()
        assert old.Socket is zmq.eventlet.Socket and old.Context is zmq.eventlet.Context
        assert old.Poller is zmq.eventlet.Poller and old.select is zmq.eventlet.select
        use(old)
        a.send(b"1")
        assert green.join(waiting) == [b"1"]
        assert green.beside(b.recv_multipart, lambda: a.send_multipart([b"2", b"3"])) == [b"2", b"3"]
        for socket in (a, b):
            assert type(socket) is Socket
            socket.close()
        # A context of theirs makes sockets of ours now.
        with context.socket(old.PAIR) as c, context.socket(old.PAIR) as d:
            c.bind("inproc://other")
            d.connect("inproc://other")
            assert green.beside(d.recv, lambda: c.send(b"4")) == b"4"
        context.term()
        """,
    )


@pytest.mark.parametrize("patched", ["", "before", "after"])
def test_eventlet_green_zmq_runs_unmodified_on_top_of_us(framework: Framework, patched: str) -> None:
    """Patched or not, sending and receiving wait in the hub; and where the program is patched, so does polling."""
    run(
        framework,
        'if sys.argv[1] == "before": green.monkey.patch_all()',
        """
        from eventlet.green import zmq
        context = zmq.Context()
        a, b = context.socket(zmq.PAIR), context.socket(zmq.PAIR)
        assert type(a).__module__ == "eventlet.green.zmq"
        a.bind("inproc://pair")
        b.connect("inproc://pair")
        """,
        'if sys.argv[1] == "after": green.monkey.patch_all()',
        """
        for send, receive, message in [
            ("send", "recv", b"1"), ("send_multipart", "recv_multipart", [b"1", b"2"]),
            ("send_string", "recv_string", "é"), ("send_json", "recv_json", [1]), ("send_pyobj", "recv_pyobj", {1: 2}),
        ]:
            assert green.beside(getattr(b, receive), lambda: getattr(a, send)(message)) == message
        several = [green.spawn(b.recv) for _ in range(5)]
        green.sleep(0)
        for number in range(5):
            a.send(b"%d" % number)
        assert green.join(*several) == [b"0", b"1", b"2", b"3", b"4"]

        push, pull = context.socket(zmq.PUSH), context.socket(zmq.PULL)
        push.hwm = pull.hwm = 1
        push.bind("inproc://push")
        pull.connect("inproc://push")
        sent = 0
        while push.getsockopt(zmq.EVENTS) & zmq.POLLOUT:
            push.send(b"x", zmq.NOBLOCK)
            sent += 1
        green.beside(lambda: push.send_multipart([b"la", b"st"]), lambda: [pull.recv() for _ in range(sent)])
        assert pull.recv_multipart() == [b"la", b"st"]

        poller = zmq.Poller()
        poller.register(b, zmq.POLLIN)
        assert poller.poll(0) == [] and b.poll(0) == 0
        if sys.argv[1]:
            assert green.beside(poller.poll, lambda: a.send(b"1")) == [(b, zmq.POLLIN)]
            assert b.recv() == b"1"
            assert green.beside(b.poll, lambda: a.send(b"2")) == zmq.POLLIN
        else:
            a.send(b"2")
        assert poller.poll(20_000) == [(b, zmq.POLLIN)] and b.poll(20_000) == zmq.POLLIN
        assert b.recv() == b"2"
        waiting = green.spawn(b.recv)
        green.sleep(0)
        assert b.poll(0) == 0 and poller.poll(0) == []
        a.send(b"3")
        assert green.join(waiting) == [b"3"]
        for socket in (a, b, push, pull):
            socket.close()
        context.term()
        """,
        arguments=(patched,),
    )


def test_the_names_of_arguments(framework: Framework) -> None:
    """It calls what is sent `msg`, where PyZMQ calls it `data`."""
    run(
        framework,
        """
        import inspect
        import zmq.eventlet as zmq

        class Own(zmq.Socket):
            pass

        for kind in (None, Own):
            with zmq.Context() as context:
                with context.socket(zmq.PAIR, socket_class=kind) as a, context.socket(zmq.PAIR) as b:
                    a.bind("inproc://names")
                    b.connect("inproc://names")
                    big = bytes(100_000)
                    assert a.send(msg=b"1") is a.send(data=b"1") is a.send(b"1") is None
                    assert not a.send(msg=big, flags=0, copy=False, track=True).done
                    assert not a.send(track=True, msg=zmq.Frame(big, track=True)).done
                    a.send(msg=b"2", flags=zmq.SNDMORE)
                    a.send(msg=bytearray(b"3"))
                    assert [b.recv_multipart() for _ in range(6)] == [[b"1"]] * 3 + [[big]] * 2 + [[b"2", b"3"]]
                    for wrong in (dict(), dict(msg=None), dict(data=None), dict(msg="text"), dict(message=b"1")):
                        try:
                            a.send(**wrong)
                        except TypeError:
                            pass
                        else:
                            raise AssertionError(wrong)
        assert [*inspect.signature(zmq.Socket.send).parameters] == [
            "self", "data", "flags", "copy", "track", "routing_id", "group"
        ]
        """,
    )
