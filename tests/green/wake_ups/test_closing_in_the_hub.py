"""A socket is closed in the midst of what a hub runs for a wait that begins, as a signal's handler or a finalizer may.

Frameworks have hubs in Python, so that this can come wherever one of their methods is called: before the watcher is
there, while it is armed, while a timer is set. Each call in turn closes the socket here. Who was about to wait is told.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest

import zmq
from support import fake_hub
from support.acting import Acting
from support.fake_hub import FakeHub, Killed, green, spawn
from zmq.core.futures import Listener
from zmq.core.waiting import sweep_alarm
from zmq.core.waiting.budget import get_budget, set_budget


class ClosingHub(Acting, FakeHub):
    def __init__(self) -> None:
        super().__init__()
        # Those that the base was given.
        self.watcher = partial(self.act, self.watcher)  # type: ignore[method-assign]
        self.call_soon = partial(self.act, self.call_soon)  # type: ignore[method-assign]

    def call_at(self, deadline: float, callback: Callable[[], object], keep: bool = True) -> Any:
        return self.act(super().call_at, deadline, callback, keep)


class ActingWatcher(fake_hub.Watcher):
    hub: ClosingHub

    def start(self, callback: Callable[[], object]) -> None:
        # A framework's code may be in the midst of arming what is closed there.
        self.hub.act(self.arm, callback)

    def arm(self, callback: Callable[[], object]) -> None:
        if self.callback is None:
            self.callback = callback
            self.hub.armed.append(self)

    def close(self) -> None:
        if not self.closed:
            self.closed = True
            self.hub.closed += 1
        self.stop()


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[ClosingHub]:
    monkeypatch.setattr(fake_hub, "Watcher", ActingWatcher)
    budget, missed = get_budget(), sweep_alarm.missed()
    set_budget(0)
    hub = ClosingHub()
    yield hub
    set_budget(budget)
    assert hub.armed == [] and [timer for timer in hub.timers if timer.keep] == []
    assert sweep_alarm.missed() == missed


def end(hub: ClosingHub, context: Any) -> None:
    ended = spawn(context.destroy, 0)
    hub.settle_until(lambda: ended.done)
    assert ended.error is None and hub.armed == []


def full(context: Any, number: int) -> tuple[Any, Any]:
    """Return a socket without messages and without room, and its peer."""
    socket, peer = context.socket(zmq.PAIR), context.socket(zmq.PAIR)
    socket.hwm = peer.hwm = 1
    socket.bind(f"inproc://{number}")
    peer.connect(f"inproc://{number}")
    try:
        while True:
            socket.send(b"full", zmq.NOBLOCK)
    except zmq.Again:
        return socket, peer


def polled(socket: Any, poller: Any, others: int) -> Callable[[], Any]:
    poller.register(socket, zmq.POLLIN)
    for _ in range(others):
        poller.register(socket.context.socket(zmq.PULL), zmq.POLLIN)
    # From the second on it keeps an epoll set, if it has many.
    poller.poll(0)
    poller.poll(0)
    return lambda: poller.poll(5000)


CALLS: dict[str, Callable[[Any, Any], Callable[[], Any]]] = {
    "recv": lambda socket, poller: socket.recv,
    "recv_multipart with RCVTIMEO": lambda socket, poller: (socket.set(zmq.RCVTIMEO, 5000), socket.recv_multipart)[1],
    "send": lambda socket, poller: lambda: socket.send(b"x"),
    "send_multipart with SNDTIMEO": lambda socket, poller: (
        socket.set(zmq.SNDTIMEO, 5000),
        lambda: socket.send_multipart([b"x", b"y"]),
    )[1],
    "poll": lambda socket, poller: socket.poll,
    "poll with a time-out": lambda socket, poller: lambda: socket.poll(5000),
    "few": lambda socket, poller: polled(socket, poller, 0),
    "many": lambda socket, poller: polled(socket, poller, 6),
}


@pytest.mark.parametrize("before", [True, False], ids=["before", "behind"])
@pytest.mark.parametrize("beside", [None, "recv"], ids=["alone", "beside another"])
@pytest.mark.parametrize("name", CALLS)
def test_a_wait_whose_socket_is_closed_as_it_begins(
    hub: ClosingHub, name: str, beside: str | None, before: bool
) -> None:
    Context, _, Poller = green(hub)
    number = tried = 0
    while number == tried:
        number += 1
        context = Context()
        context.linger = 0
        socket, _peer = full(context, number)
        call = CALLS[name](socket, Poller())
        # Whatever the hub was told before.
        other = spawn(socket.recv) if beside else None
        hub.settle()
        hub.countdown, hub.before, hub.action = number, before, socket.close
        task = spawn(call)
        tried += hub.countdown == 0
        hub.countdown = 0
        hub.settle()
        if socket.closed:
            assert task.done, (name, number)
            assert isinstance(task.error, zmq.ZMQError) and task.error.errno == zmq.ENOTSOCK, (number, task.error)
            assert other is None or (other.done and isinstance(other.error, zmq.ZMQError))
        elif not task.done:
            task.throw(Killed)
            if other is not None:
                other.throw(Killed)
        for timer in [timer for timer in hub.timers if not timer.keep]:
            hub.expire(timer)
        end(hub, context)
    # It came to something.
    assert number > 1 or beside


@pytest.mark.parametrize("how", ["closed", "unsubscribed", "disarmed"])
def test_who_is_told_that_a_bell_rang_may_end_that(hub: ClosingHub, how: str) -> None:
    """The stream that hears of it may run any code."""
    Context, _, _ = green(hub)
    context = Context()
    context.linger = 0
    socket, peer = context.socket(zmq.PAIR), context.socket(zmq.PAIR)
    socket.bind("inproc://1")
    peer.connect("inproc://1")
    told: list[int] = []

    def changed() -> None:
        told.append(1)
        {"closed": socket.close, "unsubscribed": listener.close, "disarmed": listener.disarm}[how]()

    listener = Listener(socket, lambda: hub, changed, lambda: None)
    listener.arm(zmq.POLLIN)
    peer.send(b"1")
    assert hub.fire()
    assert told and hub.armed == [] and socket.closed == (how == "closed")
    listener.close()
    end(hub, context)
