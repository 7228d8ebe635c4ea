"""What takes long is logged: waits, contexts that do not end, a lack of room, hubs that do not run."""

from __future__ import annotations

import asyncio
import logging
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest

import zmq as plain
import zmq.asyncio as za
from support import programs
from support.front_ends import FrontEnd, Threads, wait_until
from zmq.core.inspection import watch
from zmq.core.inspection.watch import Watch


@pytest.fixture(autouse=True)
def off() -> Iterator[None]:
    yield
    plain.set_slow_wait(None)
    plain.set_slow_hub(None)


def texts(looking: Watch) -> list[str]:
    return [text for text, _ in looking.look(time.monotonic())]


def waited() -> list[float]:
    """Return for how long each of those waits that wait."""
    found = plain.statistics()
    return [wait["seconds"] for wait in [*found["waiting"], *found["blocked"]]]


def waits(number: int = 1) -> bool:
    return len(waited()) == number


def test_a_slow_wait_is_told_once(front_end: FrontEnd, zmq: ModuleType, context: Any) -> None:
    orders, client = context.socket(zmq.PULL, name="orders"), context.socket(zmq.PUSH)
    orders.bind("inproc://orders")
    client.connect("inproc://orders")

    def serve_twice() -> None:
        orders.recv()
        orders.recv()

    looking, patient = Watch(wait=1e-9), Watch(wait=60)
    task = front_end.spawn(serve_twice)
    wait_until(front_end, waits)
    (text,) = texts(looking)
    assert " s (receive): PULL 'orders' bound to inproc://orders, at File " in text and "in " in text
    assert "serve_twice" in text and "thread" in text
    assert texts(looking) == [] and texts(patient) == []
    lasts = waited()[0]
    began = time.monotonic() - lasts
    # Longer ago than two looks at the same wait may disagree.
    wait_until(front_end, lambda: waited()[0] > lasts + 0.05)
    client.send(b"1")

    def waits_anew() -> bool:
        now = time.monotonic()
        return any(now - seconds > began + 0.04 for seconds in waited())

    wait_until(front_end, waits_anew)
    (again,) = texts(looking)
    assert "PULL 'orders'" in again
    client.send(b"2")
    task.get()
    assert texts(looking) == []


def test_a_task_that_waits_for_long_is_told(ledger: None) -> None:
    async def serve(socket: Any) -> None:
        await socket.recv()

    async def program() -> None:
        with za.Context() as context, context.socket(plain.PULL, name="jobs") as socket:
            task = asyncio.create_task(serve(socket), name="worker")
            while not waits():
                await asyncio.sleep(0)
            (text,) = texts(Watch(wait=1e-9))
            assert (
                text.startswith("Task 'worker' at ")
                and "PULL 'jobs'" in text
                and "in serve" in text.replace("test_a_task_that_waits_for_long_is_told.<locals>.", "")
            )
            task.cancel()
            await asyncio.wait([task])

    asyncio.run(program())


def test_what_holds_up_the_end_of_a_context_is_named(front_end: FrontEnd, zmq: ModuleType, ledger: None) -> None:
    context = zmq.Context(name="shop")
    forgotten, other = context.socket(zmq.PULL, name="forgotten"), context.socket(zmq.PUSH)
    other.close()
    task = front_end.spawn(context.term)
    wait_until(front_end, waits)
    (text,) = texts(Watch(wait=1e-9))
    assert text.startswith("Context 'shop': term() is held up for ") and text.endswith(
        " s by open sockets: PULL 'forgotten'"
    )
    forgotten.close()
    task.get()


def test_a_lack_of_room_is_told(
    front_end: FrontEnd, zmq: ModuleType, context: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    push = context.socket(zmq.PUSH, name="jobs")
    push.sndhwm = 7

    def send() -> None:
        with pytest.raises(zmq.ZMQError):
            push.send(b"1")

    task = front_end.spawn(send)
    wait_until(front_end, waits)
    looking = Watch(wait=3600)
    assert texts(looking) == []
    monkeypatch.setattr(watch, "HWM_SECONDS", 1e-9)
    (text,) = texts(looking)
    assert text.startswith("PUSH 'jobs': no room to send for ") and "SNDHWM=7" in text
    assert texts(looking) == []
    push.close()
    task.get()


def test_who_receives_lacks_no_room(
    front_end: FrontEnd, zmq: ModuleType, pair: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    a, b = pair()
    task = front_end.spawn(a.recv)
    wait_until(front_end, waits)
    monkeypatch.setattr(watch, "HWM_SECONDS", 1e-9)
    assert texts(Watch(wait=3600)) == []
    b.send(b"x")
    assert task.get() == b"x"


def test_a_place_is_told_where_it_is_known() -> None:
    place = {"file": "program.py", "line": 5, "function": "main"}
    assert Watch().place(place) == ', at File "program.py", line 5, in main'
    assert Watch().place({**place, "file": None}) == ""


def test_where_no_hub_runs_it_is_logged_here(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """Though the locks of logging are a framework's: nobody can have them."""
    monkeypatch.setattr(watch, "takes_green_locks", lambda: True)
    monkeypatch.setattr(watch, "living_hubs", list)
    watch.tell("a text", None)
    assert [record.getMessage() for record in caplog.records] == ["a text"]


@pytest.mark.parametrize("call", ["run(zmq.green, gevent)", "run(zmq.eventlet, eventlet)"])
def test_a_hub_that_does_not_run_is_told_with_who_keeps_it(call: str) -> None:
    programs.run(
        Threads(),
        """
        import time
        import eventlet, gevent
        import zmq.eventlet, zmq.green
        from zmq.core.inspection.watch import Watch
        def compute(looking, now):
            return [text for text, _ in looking.look(now)]
        def run(module, framework):
            looking = Watch(hub=0.5)
            module.select([], [], [], 0.001)
            with module.Context() as context, context.socket(module.PAIR) as socket:
                socket.poll(1)
                assert compute(looking, 100.0) == []      # asked
                assert compute(looking, 100.4) == []      # not long yet
                (text,) = compute(looking, 100.6)
                assert " did not run for 0.600 s; it is kept" in text and "in compute" in text, text
                assert compute(looking, 100.7) == []      # told
                end = time.monotonic() + 20
                while not all(asked.answered for asked in looking.asked.values()) and time.monotonic() < end:
                    framework.sleep(0.001)
                (text,) = compute(looking, 101.0)
                assert "runs again, after 1.000 s" in text, text
                while not all(asked.answered for asked in looking.asked.values()) and time.monotonic() < end:
                    framework.sleep(0.001)
                assert compute(looking, 101.1) == []
        run(zmq.FRAMEWORK)
        """.replace("run(zmq.FRAMEWORK)", call),
    )


def test_a_loop_that_does_not_run_is_told(ledger: None) -> None:
    async def program() -> None:
        looking = Watch(hub=0.5)
        with za.Context() as context, context.socket(plain.PULL) as socket:
            await socket.poll(1)
            here = za.hub_of(asyncio.get_running_loop())
            looking.look(100.0)
            (text,) = [text for text, hub in looking.look(101.0) if hub is here]
            assert "did not run for 1.000 s" in text and "in test_a_loop_that_does_not_run_is_told" in text
            while not looking.asked[here].answered:
                await asyncio.sleep(0)
            (text,) = [text for text, hub in looking.look(102.0) if hub is here]
            assert "runs again, after 2.000 s" in text

    asyncio.run(program())


def test_it_is_logged(front_end: FrontEnd, zmq: ModuleType, context: Any, caplog: pytest.LogCaptureFixture) -> None:
    orders, client = context.socket(zmq.PULL, name="orders"), context.socket(zmq.PUSH)
    orders.bind("inproc://orders")
    client.connect("inproc://orders")
    zmq.set_slow_wait(0.001)
    with caplog.at_level(logging.WARNING, "zmq"):
        task = front_end.spawn(orders.recv)
        wait_until(front_end, lambda: "PULL 'orders'" in caplog.text)
        zmq.set_slow_wait(None)
        client.send(b"1")
        task.get()
    assert {record.name for record in caplog.records} == {"zmq"}


def test_a_look_that_fails_is_told_once(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """The thread goes on."""
    looks = []

    def look(self: Watch, now: float) -> Iterator[Any]:
        looks.append(now)
        raise ZeroDivisionError("text")

    monkeypatch.setattr(Watch, "look", look)
    monkeypatch.setattr(Watch, "pause", lambda self: 0.001)
    plain.set_slow_wait(60)
    wait_until(Threads(), lambda: len(looks) > 3)
    plain.set_slow_wait(None)
    assert [record.getMessage() for record in caplog.records] == [
        "a look at those who wait failed: ZeroDivisionError: text"
    ]


def test_nothing_is_logged_by_itself() -> None:
    assert watch._watcher.signal is None and not watch._watcher.watch.wait and not watch._watcher.watch.hub


@pytest.mark.parametrize("seconds", [-1, float("nan")])
def test_what_is_no_time_is_refused(seconds: float) -> None:
    for function in (plain.set_slow_wait, plain.set_slow_hub):
        with pytest.raises(ValueError, match="0 seconds or more"):
            function(seconds)
    assert watch._watcher.signal is None


@pytest.mark.parametrize("framework", ["gevent", "eventlet"])
def test_it_is_logged_in_the_hub_where_logging_is_monkeypatched(framework: str) -> None:
    module = {"gevent": "green", "eventlet": "eventlet"}[framework]
    patch = "gevent.monkey.patch_all()" if framework == "gevent" else "eventlet.monkey_patch()"
    lines = f"""
        import {framework}{", gevent.monkey" if framework == "gevent" else ""}
        {patch}
        import _thread, logging, sys
        import zmq.{module} as zmq
        from zmq.core.waiting.hub import thread_ident
        found = []
        class Handler(logging.Handler):
            def emit(self, record):
                found.append((thread_ident(), record.getMessage()))
        logging.getLogger("zmq").addHandler(Handler())
        zmq.set_slow_wait(0.001)
        with zmq.Context() as context, context.socket(zmq.PULL, name="jobs") as pull:
            pull.rcvtimeo = 20
            while not found:
                try:
                    pull.recv()
                except zmq.Again:
                    pass
        zmq.set_slow_wait(None)
        assert found[0][0] == thread_ident() and "PULL 'jobs'" in found[0][1], found
    """
    command = [sys.executable, "-c", textwrap.dedent(lines)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=40)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr


def test_the_child_of_a_fork_is_watched_too() -> None:
    programs.run(
        Threads(),
        """
        import logging, os
        shown, show = os.pipe()
        class Handler(logging.Handler):
            def emit(self, record):
                os.write(show, record.getMessage().encode() + b"\\n")
        logging.getLogger("zmq").addHandler(Handler())
        zmq.set_slow_wait(0.01)
        pid = os.fork()
        if not pid:
            context = zmq.Context()
            context.socket(zmq.PULL, name="of the child").recv()
        found = b""
        while b"of the child" not in found:
            found += os.read(shown, 65536)
        os.kill(pid, 9)
        os.waitpid(pid, 0)
        zmq.set_slow_wait(None)
        """,
    )
