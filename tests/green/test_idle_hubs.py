"""What sockets leave in a hub: nothing but for those who wait, so that an idle hub goes idle."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from types import ModuleType
from typing import Any

import pytest

from support.front_ends import GreenFrontEnd, let_timers_go_off
from support.waits import WAITS, fill, serve, start
from zmq import statistics

Pair = Callable[..., tuple[Any, Any]]


def many_poller(zmq: ModuleType, socket: Any) -> Any:
    poller = zmq.Poller()
    for each in (socket, *(socket.context.socket(zmq.PULL) for _ in range(9))):
        poller.register(each, zmq.POLLIN)
    return poller


#: Waits with a long time-out, for a message that comes in time.
TIMED: dict[str, Callable[[Any, ModuleType], Callable[[], Any]]] = {
    "recv": lambda s, zmq: s.recv,
    "recv_multipart": lambda s, zmq: s.recv_multipart,
    "recv_into": lambda s, zmq: partial(s.recv_into, bytearray(9)),
    "Socket.poll": lambda s, zmq: partial(s.poll, 60_000),
    "Poller.poll": lambda s, zmq: partial(many_poller(zmq, s).poll, 60_000),
    "select": lambda s, zmq: partial(zmq.select, [s], [], [], 60),
}


@pytest.mark.parametrize("name", TIMED)
def test_a_wait_that_ends_in_time_leaves_no_timer(pair: Pair, zmq: ModuleType, green: GreenFrontEnd, name: str) -> None:
    a, b = pair(rcvtimeo=60_000)
    call = TIMED[name](b, zmq)
    green.sleep(0)
    before = green.armed()
    for _ in range(50):
        waiting = start(green, call)
        a.send(b"1")
        waiting.get()
        while b.poll(0):
            b.recv()
    let_timers_go_off(green)
    assert green.armed() <= before


def test_a_send_that_gets_room_in_time_leaves_no_timer(pair: Pair, zmq: ModuleType, green: GreenFrontEnd) -> None:
    a, b = pair(zmq.PUSH, zmq.PULL, hwm=1, sndtimeo=60_000)
    fill(a)
    green.sleep(0)
    before = green.armed()
    for _ in range(50):
        waiting = start(green, a.send, b"1")
        while b.poll(0):
            b.recv()
        waiting.get()
        fill(a)
    let_timers_go_off(green)
    assert green.armed() <= before


def test_a_tracker_that_is_done_in_time_leaves_no_timer(pair: Pair, green: GreenFrontEnd) -> None:
    a, b = pair()
    green.sleep(0)
    before = green.armed()
    for _ in range(50):
        waiting = start(green, a.send(bytes(100_000), copy=False, track=True).wait, 60)
        b.recv()
        waiting.get()
    let_timers_go_off(green)
    assert green.armed() <= before


def test_sockets_that_nobody_waits_on_arm_nothing(pair: Pair, zmq: ModuleType, green: GreenFrontEnd) -> None:
    green.sleep(0)
    before = green.armed()
    pairs = [pair() for _ in range(10)]
    poller = zmq.Poller()
    for a, b in pairs:
        poller.register(b, zmq.POLLIN)
        a.send(b"1")
        assert b.poll(0) and poller.poll(0) and b.recv() == b"1"
        assert a.send(bytes(100_000), copy=False, track=True)
        b.recv(zmq.NOBLOCK)
    assert green.armed() <= before


def test_who_is_killed_while_he_waits_for_a_later_turn_leaves_nothing_armed(pair: Pair, green: GreenFrontEnd) -> None:
    a, b = pair()

    def play() -> None:
        while True:
            a.send(b"x")
            b.recv()

    before = green.armed()
    deferred = statistics()["deferred"]
    for _ in range(20):
        player = green.spawn(play)
        # He lets others run when his slice is over.
        green.sleep(0)
        green.kill(player)
    assert statistics()["deferred"] >= deferred + 20
    let_timers_go_off(green)
    assert green.armed() <= before


@pytest.mark.parametrize("wait", WAITS)
def test_a_socket_is_watched_only_while_somebody_waits(
    pair: Pair, zmq: ModuleType, green: GreenFrontEnd, wait: str
) -> None:
    if wait == "Poller.poll of many" and not green.frees_killed:
        pytest.skip("the epoll set of a greenlet that was killed is never closed")
    socket, peer = pair(hwm=2)
    filled = fill(socket)
    call = WAITS[wait](socket, zmq)
    green.sleep(0)
    before = green.armed()
    for end in ("Timeout", "kill", "served"):
        waiting = start(green, call)
        assert green.armed() > before
        if end == "Timeout":
            with pytest.raises(green.Timeout), green.Timeout(0.001):
                call()
        if end != "served":
            green.kill(waiting)
        else:
            serve(peer, filled)
            waiting.get()
        let_timers_go_off(green)
        assert green.armed() <= before, end


def test_a_hub_of_which_all_sockets_are_idle_is_idle(green: GreenFrontEnd, zmq: ModuleType) -> None:
    """With nobody left to wake anybody, it is the framework that says so, as it does without sockets."""

    def use() -> None:
        context = zmq.Context()
        a, b = context.socket(zmq.PAIR), context.socket(zmq.PAIR)
        a.bind("inproc://idle")
        b.connect("inproc://idle")
        receiving = start(green, b.recv)
        a.send(b"1")
        assert receiving.get() == b"1"
        poller, others = zmq.Poller(), [context.socket(zmq.PULL) for _ in range(9)]
        for each in (b, *others):
            poller.register(each, zmq.POLLIN)
        with pytest.raises(green.Timeout), green.Timeout(0.005):
            poller.poll()
        green.check_idle()
        context.destroy(linger=0)

    green.thread(use).get()
