"""Green sockets and native threads: one clear error for two that use one socket, and threads of the library's own.

The library's threads are native whatever is monkeypatched: were one a greenlet, it would block the hub.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from functools import partial
from types import ModuleType
from typing import Any

import pytest

from support.front_ends import LIMIT, GreenFrontEnd, ThreadTask, wait_until
from support.monkey.monkeyed import EVENTLET, GEVENT, Framework, run
from support.waits import poller_of, start
from zmq.core.waiting import sweep_alarm

Pair = Callable[..., tuple[Any, Any]]

#: What another thread may try with a socket that a greenlet waits for.
USES: dict[str, Callable[[Any, ModuleType], Any]] = {
    "recv": lambda s, zmq: s.recv(),
    "recv NOBLOCK": lambda s, zmq: s.recv(zmq.NOBLOCK),
    "recv_multipart": lambda s, zmq: s.recv_multipart(),
    "recv_into": lambda s, zmq: s.recv_into(bytearray(9)),
    "send": lambda s, zmq: s.send(b"x"),
    "send NOBLOCK": lambda s, zmq: s.send(b"x", zmq.NOBLOCK),
    "send a frame": lambda s, zmq: s.send(zmq.Frame(b"x"), copy=False),
    "send_multipart": lambda s, zmq: s.send_multipart([b"x", b"y"]),
    "send_string": lambda s, zmq: s.send_string("x"),
    "poll": lambda s, zmq: s.poll(),
    "poll 0": lambda s, zmq: s.poll(0),
    "Poller.poll": lambda s, zmq: poller_of(zmq, zmq.POLLIN, s).poll(),
    "select": lambda s, zmq: zmq.select([s], [], []),
    "zmq_poll": lambda s, zmq: zmq.zmq_poll([(s, zmq.POLLIN)]),
}


@pytest.mark.parametrize("use", USES)
def test_a_second_thread_on_a_socket_gets_one_clear_error(
    pair: Pair, zmq: ModuleType, green: GreenFrontEnd, use: str
) -> None:
    a, b = pair()
    for wait in (b.recv, b.poll):
        waiting = start(green, wait)

        def refused() -> None:
            with pytest.raises(RuntimeError, match="thread"):
                USES[use](b, zmq)

        green.thread(refused).get()
        # Whoever was first is not disturbed.
        a.send(b"1")
        waiting.get()
        if b.poll(0):
            assert b.recv() == b"1"
    assert not a.poll(0)


@pytest.mark.parametrize("way", ["close", "destroy"])
@pytest.mark.parametrize("wait", ["recv", "poll", "poller of few", "poller of many"])
def test_a_second_thread_may_close(
    zmq: ModuleType, green: GreenFrontEnd, way: str, wait: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is the hub's thread that closes: no other may touch what its loop watches. It wakes up for that at once."""
    monkeypatch.setattr(sweep_alarm, "SWEEP_SECONDS", 10 * LIMIT)
    context = zmq.Context()
    socket, *others = (context.socket(zmq.PULL) for _ in range(9))
    if wait == "poller of many":
        call = poller_of(zmq, zmq.POLLIN, socket, *others).poll
    elif wait == "poller of few":
        call = poller_of(zmq, zmq.POLLIN, socket).poll
    else:
        call = getattr(socket, wait)
    waiting = start(green, call)
    if way == "destroy":
        green.thread(context.destroy, 0).get()
    else:
        green.thread(socket.close, 0).get()
    with pytest.raises(zmq.ZMQError) as caught:
        waiting.get()
    assert caught.value.errno in (zmq.ENOTSOCK, zmq.ETERM)
    assert socket.closed
    context.destroy(0)


@pytest.mark.parametrize("wait", ["recv", "poll", "send", "poller of few", "poller of many", "recv with a time-out"])
def test_who_waits_in_a_thread_that_has_ended_is_given_up(zmq: ModuleType, green: GreenFrontEnd, wait: str) -> None:
    """The socket can be closed, or waited for elsewhere."""
    context = zmq.Context()
    socket, *others = (context.socket(zmq.DEALER) for _ in range(9))
    peer = context.socket(zmq.DEALER)
    socket.bind("inproc://ended")
    kept = []

    def leave() -> None:
        if wait == "poller of many":
            call = poller_of(zmq, zmq.POLLIN, socket, *others).poll
        elif wait == "poller of few":
            call = poller_of(zmq, zmq.POLLIN, socket).poll
        elif wait == "send":
            call = partial(socket.send, b"x")
        elif wait == "recv with a time-out":
            socket.rcvtimeo = 60_000
            call = socket.recv
        else:
            call = getattr(socket, wait)
        kept.append(start(green, call))

    # Without a word to the framework, whose hub is left as it is.
    thread = ThreadTask(leave, (), {})
    wait_until(green, lambda: not thread.thread.is_alive())
    thread.get()
    assert zmq.statistics()["waiting"] == []
    peer.connect("inproc://ended")
    socket.rcvtimeo = -1
    receiving = start(green, socket.recv)
    peer.send(b"here")
    assert receiving.get() == b"here"
    assert socket.poll(0) == 0
    context.destroy(0)
    assert socket.closed and context.closed


@pytest.mark.parametrize("wait", ["recv", "poll", "send"])
def test_what_another_thread_closes_is_closed_though_the_hubs_thread_ends(
    zmq: ModuleType, green: GreenFrontEnd, wait: str
) -> None:
    """It was to be closed by that thread, whose hub does not come to it any more."""
    context = zmq.Context()
    context.linger = 0
    socket = context.socket(zmq.DEALER)
    port = socket.bind_to_random_port("tcp://127.0.0.1")
    parked, closed = threading.Event(), threading.Event()
    kept = []

    def leave() -> None:
        kept.append(start(green, partial(socket.send, b"x") if wait == "send" else getattr(socket, wait)))
        parked.set()
        # No hub runs here: the thread is blocked, and ends.
        closed.wait(LIMIT)

    thread = ThreadTask(leave, (), {})
    parked.wait(LIMIT)
    socket.close()
    closed.set()
    wait_until(green, lambda: not thread.thread.is_alive())
    thread.get()

    def is_free() -> bool:
        with context.socket(zmq.DEALER) as other:
            try:
                other.bind(f"tcp://127.0.0.1:{port}")
            except zmq.ZMQError:
                return False
        return True

    # libzmq's reaper lets go of it.
    wait_until(green, is_free)
    context.term()


def test_who_polls_a_descriptor_in_a_thread_that_has_ended_is_given_up(zmq: ModuleType, green: GreenFrontEnd) -> None:
    """Alone or beside a socket; both can be polled elsewhere."""
    context = zmq.Context()
    socket, peer = context.socket(zmq.PAIR), context.socket(zmq.PAIR)
    socket.bind("inproc://ended")
    peer.connect("inproc://ended")
    reader, writer = os.pipe()
    kept = []

    def leave() -> None:
        kept.append(start(green, poller_of(zmq, zmq.POLLIN, socket, reader).poll))
        kept.append(start(green, poller_of(zmq, zmq.POLLIN, reader).poll))
        wait_until(green, lambda: len(zmq.statistics()["waiting"]) == 2)

    thread = ThreadTask(leave, (), {})
    wait_until(green, lambda: not thread.thread.is_alive())
    thread.get()
    assert zmq.statistics()["waiting"] == []
    peer.send(b"x")
    os.write(writer, b"x")
    elsewhere = poller_of(zmq, zmq.POLLIN, socket, reader)
    assert dict(elsewhere.poll(1000 * LIMIT)) == {socket: zmq.POLLIN, reader: zmq.POLLIN}
    assert socket.recv() == b"x"
    os.close(reader)
    os.close(writer)
    context.destroy(0)


def test_a_second_thread_on_a_poller_gets_the_same_error(pair: Pair, zmq: ModuleType, green: GreenFrontEnd) -> None:
    a, b = pair()
    for others in (0, 9):
        poller = poller_of(zmq, zmq.POLLIN, b, *(b.context.socket(zmq.PULL) for _ in range(others)))
        waiting = start(green, poller.poll)

        def refused() -> None:
            with pytest.raises(RuntimeError, match="thread"):
                poller.poll()  # noqa: B023

        green.thread(refused).get()
        a.send(b"1")
        assert waiting.get() == [(b, zmq.POLLIN)]
        assert b.recv() == b"1"


def test_a_socket_nobody_waits_for_may_change_threads(pair: Pair, green: GreenFrontEnd) -> None:
    """It waits in the hub of the thread that waits, to and fro."""
    a, b = pair()
    for i in range(3):
        receiving = start(green, b.recv)
        a.send(b"%d" % i)
        assert receiving.get() == b"%d" % i

        def there() -> bytes:
            receiving = start(green, b.recv)
            a.send(b"there")
            return receiving.get()

        assert green.thread(there).get() == b"there"


@pytest.fixture(params=[GEVENT, EVENTLET], ids=lambda framework: framework.name)
def framework(request: pytest.FixtureRequest) -> Framework:
    return request.param


@pytest.mark.parametrize("before", ["", "lend()"], ids=["first used after", "used before"])
def test_what_is_lent_comes_back_though_threads_are_patched(framework: Framework, before: str) -> None:
    run(
        framework,
        f"""
        import threading
        import zmq
        plain = zmq

        def lend(zmq=zmq):
            with zmq.Context() as context, context.socket(zmq.PUSH) as push, context.socket(zmq.PULL) as pull:
                push.bind("inproc://lend")
                pull.connect("inproc://lend")
                trackers = [push.send(bytes(1_000_000), copy=False, track=True) for _ in range(10)]
                for _ in trackers:
                    pull.recv()
                for tracker in trackers:
                    tracker.wait(20)
                    assert tracker.done

        def let_others_run():
            over = []
            green.beside(lambda: green.wait_until(lambda: over), lambda: over.append(True))

        {before}
        green.patch_world()
        for use in (lambda: lend(green.zmq), lend):
            use()
            let_others_run()
        green.monkey.patch_all()
        lend()
        let_others_run()
        """,
    )


def test_the_threads_of_proxies_and_endings_are_native_though_threads_are_patched(framework: Framework) -> None:
    run(
        framework,
        """
        green.patch_world()
        zmq = green.zmq
        context = zmq.Context()
        sockets = [context.socket(zmq.PAIR) for _ in range(4)]
        front, a, back, b = sockets
        for i, (one, other) in enumerate([(front, a), (back, b)]):
            one.bind(f"inproc://{i}")
            other.connect(f"inproc://{i}")
        a.send(b"first")
        before = monkeyed.native_threads()

        def relay():
            try:
                zmq.proxy(front, back)
            except zmq.ContextTerminated:
                return "terminated"

        proxy = green.spawn(relay)
        assert b.recv() == b"first"
        added = monkeyed.native_threads() - before
        assert len(added) == 1, added
        # With a greenlet that never lets others run, messages are relayed all the same.
        import time
        a.send(b"beside")
        end = time.monotonic() + 20
        while not b.poll(0):
            assert time.monotonic() < end
        assert b.recv() == b"beside"
        ending = green.spawn(context.term)
        assert green.join(proxy) == ["terminated"]
        assert monkeyed.native_threads() - before, "a greenlet waits for libzmq"
        for socket in sockets:
            socket.close()
        green.join(ending)
        assert context.closed
        """,
    )
