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
