"""What only gevent has: its own errors, where nobody can run or nobody is left who could."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gevent
import pytest
from gevent.event import Event
from gevent.exceptions import BlockingSwitchOutError, LoopExit

import zmq.green
from support.front_ends import Gevent, GreenFrontEnd, wait_until
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
