"""What only gevent has: its own errors, where nobody can run or nobody is left who could."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any

import gevent
import pytest
from gevent.event import Event
from gevent.exceptions import BlockingSwitchOutError, LoopExit

import zmq.green
from support.front_ends import GreenFrontEnd, wait_until
from support.on_gevent import Gevent
from support.programs import run
from support.waits import WAITS, fill, start

Pair = Callable[..., tuple[Any, Any]]


pytestmark = pytest.mark.parametrize("green", [Gevent()], ids=["gevent"], indirect=True)


@pytest.mark.parametrize("wait", ["recv", "send", "Socket.poll", "Poller.poll", "Poller.poll of many"])
def test_to_wait_in_the_hub_is_a_blocking_switch_out(green: GreenFrontEnd, pair: Pair, wait: str) -> None:
    socket, _ = pair(hwm=2)
    fill(socket)
    call = WAITS[wait](socket, zmq.green)
    errors: list[BaseException] = []

    def callback() -> None:
        try:
            call()
        except BaseException as error:
            errors.append(error)

    gevent.get_hub().loop.run_callback(callback)
    wait_until(green, lambda: errors)
    assert type(errors[0]) is BlockingSwitchOutError


def test_the_loop_exits_when_nobody_is_left_who_waits_for_a_socket(green: GreenFrontEnd, pair: Pair) -> None:
    """Who waits for what nobody can bring any more is told so then, and not before."""
    a, b = pair()
    heard: list[bytes] = []

    def use() -> None:
        receiving = start(green, lambda: heard.append(b.recv()))
        # Nobody else is there; that one may bring it.
        with pytest.raises(gevent.Timeout), gevent.Timeout.start_new(0.05, ref=False):
            Event().wait()
        a.send(b"1")
        with pytest.raises(LoopExit):
            Event().wait()
        assert heard == [b"1"]
        receiving.get()

    green.thread(use).get()


class Interrupt(BaseException):
    """What the handler of a signal raises."""


def failing(*_: object) -> None:
    raise ValueError("shown")


#: What gevent calls in the hub and shows the errors of: watchers, but for callbacks.
CALLED: dict[str, Callable[[Any, int], Any]] = {
    "callback": lambda loop, fd: None,
    "timer": lambda loop, fd: loop.timer(0),
    "io": lambda loop, fd: loop.io(fd, 2),
}


@pytest.mark.parametrize("again", [False, True], ids=["once", "again"])
@pytest.mark.parametrize("called", CALLED)
def test_an_error_whose_report_is_interrupted_breaks_nothing(
    green: GreenFrontEnd, pair: Pair, monkeypatch: pytest.MonkeyPatch, called: str, again: bool
) -> None:
    """The handler of a signal raises while gevent shows an error, and while it shows what that raised."""
    a, b = pair()
    receiving = start(green, b.recv)
    raised: list[str] = []

    def interrupt(where: str) -> None:
        if where not in raised:
            raised.append(where)
            raise Interrupt(where)

    class Stream:
        """Where gevent's loop in C writes what comes out of the reports of errors."""

        def write(self, text: str) -> None:
            interrupt("stream")

    loop = gevent.get_hub().loop
    reader, writer = os.pipe()
    watcher = CALLED[called](loop, writer)
    with monkeypatch.context() as patch:
        patch.setattr(gevent.get_hub(), "print_exception", lambda *_: interrupt("report"))
        if again:
            patch.setattr(sys, "stderr", Stream())
        if watcher is None:
            loop.run_callback(failing)
        else:
            watcher.start(failing)
        with pytest.raises(Interrupt, match="report"):
            for _ in range(10):
                # Timers are the next thing that the loop calls.
                green.sleep(0.001)
    if watcher is not None:
        watcher.stop()
        watcher.close()
    os.close(reader)
    os.close(writer)
    a.send(b"1")
    assert receiving.get() == b"1"
    assert raised == ["report"]


#: How programs begin that wait in the ways of `WAITS`.
PAIR = """
        import contextlib, sys
        from support.waits import WAITS, fill, serve, start

        context = zmq.Context()
        socket, peer = context.socket(zmq.PAIR), context.socket(zmq.PAIR)
        socket.hwm = peer.hwm = 2
        socket.bind("inproc://pair")
        peer.connect("inproc://pair")
"""


@pytest.mark.parametrize("wait", WAITS)
def test_who_was_given_up_with_its_hub_may_be_switched_to(green: GreenFrontEnd, wait: str) -> None:
    """The hub was destroyed, and others use the socket: the wait ends, with or without an error; nothing crashes."""
    if "libuv" in type(gevent.get_hub().loop).__module__:
        pytest.skip("on libuv gevent hangs where it destroys a hub in which a descriptor is watched")
    run(
        green,
        PAIR
        + """
        from greenlet import getcurrent

        filled = fill(socket)
        waiting = start(front_end, WAITS[sys.argv[1]](socket, zmq))
        front_end.end_hub()
        serve(peer, filled)
        assert socket.recv(zmq.NOBLOCK) == b"1"
        peer.send(b"2")
        assert socket.recv() == b"2"
        # Whatever ends it comes here.
        waiting.greenlet.parent = getcurrent()
        with contextlib.suppress(Exception):
            waiting.greenlet.switch()
        context.destroy(linger=0)
        """,
        wait,
    )


@pytest.mark.parametrize("wait", [*WAITS, "term", "yield"])
def test_in_a_hub_that_has_ended_nobody_waits_for_ever(green: GreenFrontEnd, wait: str) -> None:
    """What is raised in its first lines ends gevent's hub, and a switch to it comes back at once."""
    run(
        green,
        PAIR
        + """
        import gevent, signal

        socket.send(b"1")
        peer.send(b"2")
        assert (socket.recv(), peer.recv()) == (b"2", b"1")
        fill(socket)

        def give_out():
            while True:
                peer.send(b"3")
                socket.recv()

        call = {"term": context.term, "yield": give_out}.get(sys.argv[1]) or WAITS[sys.argv[1]](socket, zmq)
        with contextlib.suppress(KeyboardInterrupt):
            gevent.get_hub().throw(KeyboardInterrupt)
        signal.alarm(20)
        for _ in range(2):
            try:
                call()
            except RuntimeError as error:
                assert "The hub in which this call waits has ended" in str(error), error
            else:
                raise AssertionError("it did not wait")
        assert zmq.statistics()["waiting"] == []
        # Who asks gevent for another hub can wait again.
        gevent.get_hub().destroy()
        if sys.argv[1] != "term":
            while peer.poll(0):
                peer.recv(zmq.NOBLOCK)
            gevent.spawn_later(0.001, peer.send, b"4")
            while socket.recv() != b"4":
                pass
        context.destroy(linger=0)
        """,
        wait,
    )


@pytest.mark.parametrize("destroy_loop", [False, True], ids=["the loop stays", "its loop too"])
@pytest.mark.parametrize("parked", [False, True], ids=["nobody waits", "somebody waits"])
def test_hubs_that_are_destroyed_leave_nothing(green: GreenFrontEnd, destroy_loop: bool, parked: bool) -> None:
    """Another hub is made in the same thread, again and again; sockets are used on in each."""
    if parked and "libuv" in type(gevent.get_hub().loop).__module__:
        pytest.skip("on libuv gevent hangs where it destroys a hub in which a descriptor is watched")
    run(
        green,
        PAIR
        + """
        import gc, os, gevent
        from zmq.core.waiting.hub import living_hubs

        destroy_loop, parked = (each == "True" for each in sys.argv[1:])
        given_up = []

        def use():
            receiving = gevent.spawn(socket.recv)
            peer.send(b"1")
            assert receiving.get(timeout=20) == b"1"
            if parked:
                idle = context.socket(zmq.PAIR)
                given_up.append((idle, gevent.spawn(idle.recv)))
                gevent.sleep(0)
            hub = zmq.hub.get_hub()
            assert hub.is_alive()
            gevent.get_hub().destroy(destroy_loop=destroy_loop)
            assert not hub.is_alive()
            assert zmq.statistics()["waiting"] == []

        def opened():
            gc.collect()
            return len(os.listdir("/proc/self/fd")) - len(given_up)

        def without():
            gevent.sleep(0.001)
            gevent.get_hub().destroy(destroy_loop=destroy_loop)

        use()
        before = opened()
        for _ in range(10):
            without()
        own = opened() - before
        before = opened()
        for _ in range(10):
            use()
        # gevent itself may leave something.
        assert opened() - before <= own, (opened() - before, own)
        assert not living_hubs()
        context.destroy(linger=0)
        """,
        str(destroy_loop),
        str(parked),
    )
