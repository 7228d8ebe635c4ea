"""Handlers of signals that raise in the midst of a framework's hub: what they raise is not lost, nor is a wake-up."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from test_trampoline import World, world

import zmq
from support.fake_hub import FakeHub, Timer, Watcher, spawn
from support.front_ends import GreenFrontEnd
from support.programs import run
from zmq.core.waiting.hub import Shield

# A fixture of theirs.
__all__ = ["world"]


class Interrupt(BaseException):
    """What the handler raises."""


class Interrupted:
    """A function that a signal interrupts once, before it does anything or when it is done."""

    def __init__(self, function: Callable[..., Any], before: bool) -> None:
        self.function, self.before, self.left = function, before, 1

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        raising, self.left = self.left, 0
        if raising and self.before:
            raise Interrupt
        result = self.function(*args, **kwargs)
        if raising:
            raise Interrupt
        return result


#: Whose functions are called where nothing can be raised: when somebody is woken, leaves, and when the hub tidies up.
POINTS: dict[str, Callable[[FakeHub], Any]] = {
    "call_soon": lambda hub: hub,
    "cancel": lambda hub: Timer,
    "stop": lambda hub: Watcher,
}


@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
@pytest.mark.parametrize("how", ["recv", "poll", "many"])
@pytest.mark.parametrize("point", POINTS)
def test_what_cannot_be_raised_there_reaches_the_main_greenlet(
    world: World, monkeypatch: pytest.MonkeyPatch, point: str, how: str, before: bool
) -> None:
    """Whoever waits goes on as if nothing had been raised. The hub of the test is its main greenlet."""
    hub = world.hub
    a, b = world.pair()
    b.rcvtimeo = 60_000
    poller = world.Poller()
    for socket in (b, *(world.socket(zmq.PULL) for _ in range(6))):
        poller.register(socket, zmq.POLLIN)
    waits = {"recv": b.recv, "poll": lambda: b.poll(60_000), "many": lambda: poller.poll(60_000)}
    task = spawn(waits[how])
    hub.settle()
    # Somebody else, so that more than one is woken.
    other = spawn(b.poll, 60_000)
    interrupted = Interrupted(getattr(POINTS[point](hub), point), before)
    raised = 0
    with monkeypatch.context() as patch:
        patch.setattr(POINTS[point](hub), point, lambda *args: interrupted(*args))
        a.send(b"1")
        a.send(b"2")
        for _ in range(2):
            try:
                hub.settle()
            except Interrupt:
                raised += 1
        hub.settle()
    assert [each.error for each in (task, other) if not each.done or each.error] == []
    assert (interrupted.left, raised) == (0, 1)
    assert hub.armed == [] and hub.timers == []


@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
@pytest.mark.parametrize("name", ["call_at", "start"])
def test_who_began_to_wait_when_it_was_interrupted_waits_no_more(
    world: World, monkeypatch: pytest.MonkeyPatch, name: str, before: bool
) -> None:
    """There it is raised in whoever waits, and nothing stays armed."""
    hub = world.hub
    _, b = world.pair()
    owner = hub if name == "call_at" else Watcher
    with monkeypatch.context() as patch:
        interrupted = Interrupted(getattr(owner, name), before)
        patch.setattr(owner, name, lambda *args: interrupted(*args))
        task = spawn(b.poll, -1)
        hub.settle()
    assert isinstance(task.error, Interrupt)
    assert hub.armed == []
    # As if nothing had been.
    task = spawn(b.poll, -1)
    assert len(hub.armed) == 1 and not task.done
    task.throw(Interrupt)
    hub.settle()
    assert hub.armed == []
    hub.timers.clear()


def test_what_is_raised_where_nothing_may_be_reaches_the_main_greenlet(world: World) -> None:
    """And the framework is asked again for what it owes; but what ends its hub passes."""
    hub = world.hub

    def fail(error: BaseException) -> None:
        raise error

    shield = Shield(hub, fail, (EOFError,))
    shield(Interrupt())
    with pytest.raises(Interrupt):
        hub.settle()
    hub.settle()
    with pytest.raises(EOFError):
        shield(EOFError())
    hub.settle()
    assert hub.armed == [] and hub.timers == []


def test_a_hub_that_is_interrupted_anywhere_loses_nobody(green: GreenFrontEnd) -> None:
    """Handlers raise in the hub while it wakes those whose time is over and those who only let it run."""
    if not green.stands_handlers:
        pytest.skip("the framework would break")
    run(
        green,
        """
        import importlib, signal, time

        get_hub = importlib.import_module(zmq.__name__ + ".hub").get_hub
        hits = 0

        def handler(*args):
            global hits
            if armed and get_hub().is_current():
                hits += 1
                raise KeyboardInterrupt

        armed = False
        signal.signal(signal.SIGALRM, handler)
        zmq.set_budget(1e-6)
        context = zmq.Context()
        counts = [0] * 4
        stop = False

        def repeat(number, call):
            while not stop:
                try:
                    call()
                    counts[number] += 1
                except zmq.Again:
                    counts[number] += 1

        pub, pull, other, router = (context.socket(kind) for kind in (zmq.PUB, zmq.PULL, zmq.PULL, zmq.PULL))
        pull.rcvtimeo = 1
        poller = zmq.Poller()
        for _ in range(6):
            poller.register(context.socket(zmq.PULL), zmq.POLLIN)
        calls = (lambda: pub.send(b""), pull.recv, lambda: other.poll(1), lambda: poller.poll(1))
        tasks = [front_end.spawn(repeat, number, call) for number, call in enumerate(calls)]
        # What is raised in the first lines of gevent's hub ends it.
        front_end.sleep(0)
        end = time.monotonic() + 2
        signal.setitimer(signal.ITIMER_REAL, 0.001, 0.0007)
        while time.monotonic() < end:
            try:
                armed = True
                front_end.sleep(0.01)
            except KeyboardInterrupt:
                pass
            armed = False
        signal.setitimer(signal.ITIMER_REAL, 0)
        before = list(counts)
        end = time.monotonic() + 5
        while not all(now > then for now, then in zip(counts, before)) and time.monotonic() < end:
            try:
                front_end.sleep(0.01)
            except KeyboardInterrupt:
                # The last one, which was put off until the hub could raise it here.
                pass
        assert all(now > then for now, then in zip(counts, before)), (before, counts)
        assert hits > 10, hits
        stop = True
        for task in tasks:
            task.get()
        assert zmq.statistics()["missed"] == 0
        context.destroy(0)
        """,
        quiet=False,
    )


def test_eventlet_s_own_warning_is_not_shown_for_our_import() -> None:
    command = [sys.executable, "-W", "error", "-c", "import os; del os.environ['EVENTLET_TESTS']; import zmq.eventlet"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
