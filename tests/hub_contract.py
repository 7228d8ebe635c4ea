"""What a green framework has to supply, as tests: its `Hub`, in its package's `hub`, and its `tasks`.

They run for the framework of the fixture `front_end`, and use its package alone; `tests/green/test_hub_contract.py`
runs them for every one. What is asked is told in `zmq.core.waiting.hub`, how a framework is added in
docs/frameworks.md.
"""

from __future__ import annotations

import importlib
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from support.front_ends import LIMIT, GreenFrontEnd
from support.programs import run
from zmq import POLLIN, POLLOUT
from zmq.core.waiting.hub import Hub

#: Seconds between two timers whose order is asked for.
APART = 0.01


class Adapter:
    """The two files of a framework, and the hub of this thread."""

    def __init__(self, front_end: GreenFrontEnd) -> None:
        self.hubs: ModuleType = importlib.import_module(f"{front_end.zmq.__name__}.hub")
        self.tasks: ModuleType = importlib.import_module(f"{front_end.zmq.__name__}.tasks")
        self.hub: Hub = self.hubs.get_hub()

    def rest(self, seconds: float = 0.0) -> None:
        """Let the hub run for a time."""
        timer = self.hub.call_at(time.monotonic() + seconds, self.hub.current().switch)
        try:
            self.hub.park()
        finally:
            timer.cancel()

    def until(self, condition: Callable[[], object]) -> None:
        """Let the hub run until something is so."""
        end = time.monotonic() + LIMIT
        while not condition():
            assert time.monotonic() < end, "waited in vain"
            self.rest(0.001)

    def wake(self, *before: Callable[[], object]) -> Callable[[], None]:
        """Return a callback that switches to the greenlet that runs now, after it has called others."""
        greenlet = self.hub.current()

        def call() -> None:
            for function in before:
                function()
            greenlet.switch()

        return call


@pytest.fixture
def adapter(front_end: GreenFrontEnd) -> Adapter:
    return Adapter(front_end)


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """A descriptor that can be read when something is written to the other."""
    ends = os.pipe()
    yield ends
    for fd in ends:
        os.close(fd)


class Log(list[Any]):
    """What was called, in its order."""

    def note(self, what: Any) -> Callable[..., None]:
        """Return a callback that notes something."""
        return lambda *_: self.append(what)


@pytest.fixture
def log() -> Log:
    return Log()


# Hubs and threads.


def test_there_is_one_hub_for_each_thread(front_end: GreenFrontEnd, adapter: Adapter, log: Log) -> None:
    get_hub = adapter.hubs.get_hub
    assert isinstance(adapter.hub, Hub) and get_hub() is adapter.hub
    adapter.tasks.join(adapter.tasks.spawn(lambda: log.append(get_hub())))
    assert log == [adapter.hub]
    assert front_end.thread(get_hub).get() is not adapter.hub


def test_a_hub_lives_as_long_as_its_thread(front_end: GreenFrontEnd, adapter: Adapter, pipe: tuple[int, int]) -> None:
    """After that a watcher can still be given back, which nobody can do there any more."""

    def use() -> tuple[Hub, Any, tuple[bool, bool]]:
        other = Adapter(front_end)
        watcher = other.hub.watcher(pipe[0], POLLIN)
        watcher.start(other.wake())
        os.write(pipe[1], b"x")
        other.hub.park()
        watcher.stop()
        other.rest()
        return other.hub, watcher, (other.hub.is_alive(), adapter.hub.is_elsewhere())

    hub, watcher, there = front_end.thread(use).get()
    assert there == (True, True)
    assert adapter.hub.is_alive() and adapter.hub.is_running() and not adapter.hub.is_elsewhere()
    assert not hub.is_alive() and not hub.is_running() and not hub.is_elsewhere()
    hub.forget(watcher)


def test_another_thread_has_something_called_in_the_hub(adapter: Adapter, log: Log) -> None:
    def call() -> None:
        log.append((threading.get_ident(), adapter.hub.is_current()))

    thread = threading.Thread(target=adapter.hub.call_soon_threadsafe, args=(call,))
    thread.start()
    adapter.until(lambda: log)
    thread.join()
    assert log == [(threading.get_ident(), True)]


# Parking.


def in_the_main_greenlet(adapter: Adapter, function: Callable[[], object]) -> None:
    function()


def in_a_task(adapter: Adapter, function: Callable[[], object]) -> None:
    errors: list[BaseException] = []

    def run() -> None:
        try:
            function()
        except BaseException as error:
            errors.append(error)

    adapter.tasks.join(adapter.tasks.spawn(run))
    for error in errors:
        raise error


everywhere = pytest.mark.parametrize("somewhere", [in_the_main_greenlet, in_a_task])
Somewhere = Callable[[Adapter, Callable[[], object]], None]


@everywhere
def test_who_parks_waits_until_somebody_switches_there(adapter: Adapter, log: Log, somewhere: Somewhere) -> None:
    def park() -> None:
        adapter.hub.call_soon(adapter.wake(log.note("called")))
        adapter.hub.call_soon(log.note("in vain"))
        log.append("parks")
        adapter.hub.park()
        log.append("woken")

    somewhere(adapter, park)
    adapter.rest()
    assert log == ["parks", "called", "woken", "in vain"]


@everywhere
def test_what_is_thrown_is_raised_as_it_is(adapter: Adapter, somewhere: Somewhere) -> None:
    class Thrown(BaseException):
        pass

    thrown = Thrown()

    def park() -> None:
        greenlet = adapter.hub.current()
        adapter.hub.call_soon(lambda: greenlet.throw(thrown))
        adapter.hub.park()

    with pytest.raises(Thrown) as caught:
        somewhere(adapter, park)
    assert caught.value is thrown


def test_greenlets_are_told_apart_from_the_hub(adapter: Adapter, log: Log, pipe: tuple[int, int]) -> None:
    hub = adapter.hub

    def look(name: str) -> Callable[[], None]:
        return lambda: log.append((name, hub.is_current(), hub.current()))

    look("main")()
    adapter.tasks.join(adapter.tasks.spawn(look("task")))
    hub.call_soon(look("soon"))
    hub.call_at(time.monotonic(), look("timer"))
    watcher = hub.watcher(pipe[1], POLLOUT)
    watcher.start(lambda: (look("watcher")(), watcher.stop()))
    adapter.until(lambda: len(log) == 5)
    watcher.close()
    assert {name: current for name, current, _ in log} == {
        "main": False, "task": False, "soon": True, "timer": True, "watcher": True
    }  # fmt: skip
    greenlets = {name: greenlet for name, _, greenlet in log}
    assert len({*greenlets.values()}) == 3
    assert greenlets["soon"] is greenlets["timer"] is greenlets["watcher"]


# Callbacks and timers.


def test_callbacks_are_called_in_their_order(adapter: Adapter, log: Log) -> None:
    for i in range(5):
        adapter.hub.call_soon(log.note(i))
    adapter.hub.call_soon(adapter.wake())
    assert log == []
    adapter.hub.park()
    assert log == [*range(5)]


def test_no_callback_is_left_when_the_hub_sleeps(adapter: Adapter, log: Log) -> None:
    """Each asks for the next one; were the hub to sleep before that, nobody would ever wake it."""
    wake = adapter.wake()

    def again() -> None:
        log.append(len(log))
        adapter.hub.call_soon(again if len(log) < 100 else wake)

    adapter.hub.call_soon(again)
    adapter.hub.park()
    assert log == [*range(100)]


def test_a_callback_that_raises_ends_nothing(adapter: Adapter, log: Log, capfd: pytest.CaptureFixture[str]) -> None:
    def fail() -> None:
        log.append("raises")
        raise ValueError("for the framework to print")

    adapter.hub.call_soon(fail)
    adapter.hub.call_soon(log.note("next"))
    adapter.hub.call_soon(adapter.wake())
    adapter.hub.park()
    assert log == ["raises", "next"] and "for the framework to print" in capfd.readouterr().err


def test_timers_are_called_in_the_order_of_their_times_and_never_early(adapter: Adapter, log: Log) -> None:
    now = time.monotonic()
    late = []

    def call(which: int) -> Callable[[], None]:
        return lambda: (log.append(which), late.append(time.monotonic() - now - which * APART))[0]

    for which in (2, 1, 3):
        adapter.hub.call_at(now + which * APART, call(which))
    # Does not keep the hub from going idle, but is called as long as that runs.
    adapter.hub.call_at(now + 4 * APART, call(4), False)
    adapter.until(lambda: len(log) == 4)
    assert log == [1, 2, 3, 4]
    assert min(late) >= 0


def test_a_timer_that_was_cancelled_is_not_called(adapter: Adapter, log: Log) -> None:
    now = time.monotonic()
    timers = [adapter.hub.call_at(now + i * APART, log.note(i)) for i in range(3)]
    timers[1].cancel()
    adapter.until(lambda: 2 in log)
    assert log == [0, 2]
    for timer in timers:
        timer.cancel()
        timer.cancel()


def test_a_timer_that_cancels_another(adapter: Adapter, log: Log) -> None:
    """Both are due when the hub comes to look."""
    timers: list[Any] = []
    past = time.monotonic() - 1
    timers.append(adapter.hub.call_at(past, lambda: (log.append(0), timers[1].cancel())))
    timers.append(adapter.hub.call_at(past, lambda: (log.append(1), timers[0].cancel())))
    for _ in range(3):
        adapter.rest()
    assert len(log) == 1


def test_whoever_asks_to_go_on_at_once_lets_everybody_else_run(
    adapter: Adapter, log: Log, pipe: tuple[int, int]
) -> None:
    """That is what a call at a time that is past is for."""
    watcher = adapter.hub.watcher(pipe[1], POLLOUT)
    watcher.start(log.note("watcher"))
    adapter.hub.call_soon(log.note("soon"))
    adapter.hub.call_at(time.monotonic(), log.note("timer"))
    adapter.tasks.spawn(log.note("task"))
    for _ in range(3):
        adapter.rest(-1)
    watcher.stop()
    watcher.close()
    assert {*log} == {"watcher", "soon", "timer", "task"}


def test_the_number_of_a_turn_is_another_when_descriptors_and_timers_were_looked_at(adapter: Adapter) -> None:
    hub = adapter.hub
    numbers: list[list[int]] = [[], [], []]

    def ask() -> None:
        # Two callbacks of one turn, between which nothing is looked at.
        for _ in range(2):
            numbers[-1].append(hub.turn())

    numbers[0] += [hub.turn(), hub.turn()]
    hub.call_at(time.monotonic(), lambda: numbers[1].extend([hub.turn(), hub.turn()]))
    for _ in range(3):
        adapter.rest()
    ask()
    assert [len({*turn}) for turn in numbers] == [1, 1, 1]
    assert len({number for turn in numbers for number in turn}) == 3


# Descriptors.


class Watch:
    """Makes watchers, and closes them before their descriptors are closed."""

    def __init__(self, make: Callable[[int, int], Any]) -> None:
        self.make = make
        self.made: list[Any] = []

    def __call__(self, fd: int, events: int) -> Any:
        self.made.append(self.make(fd, events))
        return self.made[-1]

    def close(self) -> None:
        while self.made:
            watcher = self.made.pop()
            watcher.stop()
            watcher.close()


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Two sockets of the program's own, which do not block."""
    a, b = socket.socketpair()
    with a, b:
        a.setblocking(False)
        b.setblocking(False)
        yield a, b


@pytest.fixture(params=["watcher", "native_watcher"])
def watch(
    request: pytest.FixtureRequest, adapter: Adapter, pipe: tuple[int, int], pair: tuple[socket.socket, socket.socket]
) -> Iterator[Watch]:
    watch = Watch(getattr(adapter.hub, request.param))
    yield watch
    watch.close()


def test_a_watcher_calls_as_long_as_the_descriptor_is_ready(
    adapter: Adapter, log: Log, pipe: tuple[int, int], watch: Watch
) -> None:
    watcher = watch(pipe[0], POLLIN)
    watcher.start(log.note("called"))
    for _ in range(3):
        adapter.rest()
    assert log == []
    os.write(pipe[1], b"x")
    adapter.until(lambda: len(log) >= 3)
    os.read(pipe[0], 1)
    adapter.rest()
    log.clear()
    for _ in range(3):
        adapter.rest()
    assert log == []
    os.write(pipe[1], b"x")
    adapter.until(lambda: log)


def test_a_watcher_that_was_stopped_is_not_called(
    adapter: Adapter, log: Log, pipe: tuple[int, int], watch: Watch
) -> None:
    os.write(pipe[1], b"x")
    watcher = watch(pipe[0], POLLIN)
    watcher.start(log.note("first"))
    adapter.until(lambda: log)
    watcher.stop()
    log.clear()
    for _ in range(3):
        adapter.rest()
    assert log == []
    watcher.start(log.note("second"))
    watcher.stop()
    watcher.start(log.note("third"))
    adapter.until(lambda: log)
    assert {*log} == {"third"}


def test_a_watcher_that_another_stops_in_the_same_turn_is_not_called(
    adapter: Adapter, log: Log, pair: tuple[socket.socket, socket.socket], watch: Watch
) -> None:
    watchers = [watch(each.fileno(), POLLOUT) for each in pair]
    for i, watcher in enumerate(watchers):
        watcher.start(lambda i=i: (log.append(i), [each.stop() for each in watchers]))
    for _ in range(3):
        adapter.rest()
    assert len(log) == 1


@pytest.mark.parametrize("events", [POLLIN, POLLOUT, POLLIN | POLLOUT], ids=["in", "out", "both"])
def test_a_watcher_calls_for_what_it_was_asked_for(
    adapter: Adapter, log: Log, pair: tuple[socket.socket, socket.socket], watch: Watch, events: int
) -> None:
    peer, own = pair
    with suppress(BlockingIOError):
        while True:
            own.send(bytes(65536))
    watcher = watch(own.fileno(), events)
    watcher.start(log.note("called"))
    for _ in range(3):
        adapter.rest()
    assert log == []
    if events & POLLIN:
        peer.send(b"x")
    else:
        with suppress(BlockingIOError):
            while peer.recv(65536):
                pass
    adapter.until(lambda: log)


def test_two_watchers_have_one_descriptor(adapter: Adapter, log: Log, pipe: tuple[int, int], watch: Watch) -> None:
    watchers = [watch(pipe[0], POLLIN) for _ in range(2)]
    for i, watcher in enumerate(watchers):
        watcher.start(log.note(i))
    os.write(pipe[1], b"x")
    adapter.until(lambda: {*log} == {0, 1})
    watchers[0].stop()
    log.clear()
    adapter.until(lambda: len(log) > 2)
    assert {*log} == {1}


def test_who_has_gone_is_heard_of(
    adapter: Adapter, log: Log, pair: tuple[socket.socket, socket.socket], watch: Watch
) -> None:
    """The end of what can be read is something to read."""
    watcher = watch(pair[1].fileno(), POLLIN)
    watcher.start(log.note("called"))
    adapter.rest()
    assert log == []
    pair[0].close()
    adapter.until(lambda: log)


def test_the_number_of_a_descriptor_is_given_to_another(
    adapter: Adapter, log: Log, pipe: tuple[int, int], watch: Watch
) -> None:
    """A watcher that was closed knows nothing of the one that is opened next."""
    reader, writer = os.pipe()
    os.write(writer, b"x")
    watch(reader, POLLIN).start(log.note("first"))
    adapter.until(lambda: log)
    watch.close()
    os.close(writer)
    os.dup2(pipe[0], reader)
    log.clear()
    watch(reader, POLLIN).start(log.note("second"))
    for _ in range(3):
        adapter.rest()
    assert log == []
    os.write(pipe[1], b"x")
    adapter.until(lambda: log)
    assert {*log} == {"second"}
    watch.close()
    os.close(reader)


def test_a_hub_listens_until_it_is_told_to_stop(adapter: Adapter, log: Log, pipe: tuple[int, int]) -> None:
    def heard() -> None:
        log.append(os.read(pipe[0], 9))

    watcher = adapter.hub.listen(pipe[0], heard)
    for message in (b"1", b"2"):
        os.write(pipe[1], message)
        adapter.until(lambda message=message: message in log)
    adapter.hub.unlisten(watcher)
    os.write(pipe[1], b"3")
    for _ in range(3):
        adapter.rest()
    assert log == [b"1", b"2"]


# When a signal's handler raises.


def test_what_could_not_be_raised_is_raised_in_the_main_greenlet(adapter: Adapter) -> None:
    error = KeyError("from somewhere")
    adapter.tasks.spawn(adapter.hub.interrupt, error)
    with pytest.raises(KeyError) as caught:
        adapter.hub.park()
    assert caught.value is error
    adapter.rest()


def test_what_is_asked_for_once_more_is_not_lost(adapter: Adapter, log: Log, pipe: tuple[int, int]) -> None:
    adapter.hub.call_soon(log.note("soon"))
    timer = adapter.hub.call_at(time.monotonic() + APART, log.note("timer"))
    watcher = adapter.hub.listen(pipe[1], log.note("never"))  # nothing can be read there
    adapter.hub.recover()
    adapter.until(lambda: "timer" in log)
    adapter.hub.recover()
    adapter.rest()
    adapter.hub.unlisten(watcher)
    timer.cancel()
    assert {*log} == {"soon", "timer"} and log.count("timer") == 1


# Tasks.


def end_by_returning(adapter: Adapter, log: Log) -> Any:
    return adapter.tasks.spawn(log.append, "began")


def end_by_raising(adapter: Adapter, log: Log) -> Any:
    def fail() -> None:
        log.append("began")
        raise ValueError("for the framework to print")

    return adapter.tasks.spawn(fail)


def be_killed(adapter: Adapter, log: Log) -> Any:
    def wait() -> None:
        log.append("began")
        adapter.hub.park()

    task = adapter.tasks.spawn(wait)
    adapter.until(lambda: log)
    adapter.tasks.kill(task)
    return task


def be_killed_first(adapter: Adapter, log: Log) -> Any:
    task = adapter.tasks.spawn(log.append, "never")
    adapter.tasks.kill(task)
    return task


End = Callable[[Adapter, Log], Any]
however = pytest.mark.parametrize("end", [end_by_returning, end_by_raising, be_killed, be_killed_first])


def test_a_task_begins_when_the_hub_runs(adapter: Adapter, log: Log) -> None:
    task = adapter.tasks.spawn(lambda *args: log.extend(args), 1, 2)
    assert log == [] and isinstance(task, adapter.tasks.Task)
    adapter.tasks.join(task)
    assert log == [1, 2]


@however
def test_the_end_of_a_task_is_told_once(
    adapter: Adapter, log: Log, end: End, capfd: pytest.CaptureFixture[str]
) -> None:
    task = end(adapter, log)
    told = Log()
    adapter.tasks.when_ended(task, told.note("first"))
    adapter.tasks.when_ended(task, told.note("second"))
    adapter.until(lambda: len(told) == 2)
    adapter.tasks.when_ended(task, told.note("late"))
    adapter.until(lambda: "late" in told)
    for _ in range(3):
        adapter.rest()
    assert sorted(told) == ["first", "late", "second"]
    assert log == ([] if end is be_killed_first else ["began"])


@however
def test_who_joins_a_task_waits_until_it_has_ended(
    adapter: Adapter, log: Log, end: End, capfd: pytest.CaptureFixture[str]
) -> None:
    task = end(adapter, log)
    ended = Log()
    adapter.tasks.when_ended(task, ended.note("ended"))
    for _ in range(2):
        adapter.tasks.join(task)
    adapter.until(lambda: ended)
    adapter.tasks.kill(task)
    adapter.rest()
    assert ended == ["ended"] and log == ([] if end is be_killed_first else ["began"])


def test_a_task_that_is_killed_cleans_up(adapter: Adapter, log: Log) -> None:
    def work() -> None:
        try:
            log.append("began")
            adapter.hub.park()
        finally:
            adapter.rest()
            log.append("cleaned up")

    task = adapter.tasks.spawn(work)
    adapter.until(lambda: log)
    adapter.tasks.kill(task)
    adapter.tasks.join(task)
    assert log == ["began", "cleaned up"]


def test_who_is_interrupted_while_he_joins_a_task_leaves_it_alone(adapter: Adapter, log: Log) -> None:
    class Thrown(BaseException):
        pass

    ready = threading.Event()
    task = adapter.tasks.spawn(lambda: (adapter.until(ready.is_set), log.append("ended")))
    greenlet = adapter.hub.current()
    adapter.hub.call_at(time.monotonic() + APART, lambda: greenlet.throw(Thrown))
    with pytest.raises(Thrown):
        adapter.tasks.join(task)
    assert log == []
    ready.set()
    adapter.tasks.join(task)
    # Nor does its end wake once more who has waited for it before.
    timer = adapter.hub.call_at(time.monotonic() + APART, adapter.wake(log.note("woken by the timer")))
    adapter.hub.park()
    timer.cancel()
    assert log == ["ended", "woken by the timer"]


@pytest.mark.parametrize("first", ["pass", "front_end.sleep(0)"], ids=["before", "after"])
def test_what_is_asked_for_in_every_hub_is_called_there(front_end: GreenFrontEnd, first: str) -> None:
    """In this thread's, before that was made and after, and in those that come."""
    run(
        front_end,
        f"""
        import importlib, threading
        {first}

        tasks = importlib.import_module(zmq.__name__ + ".tasks")
        called = []
        tasks.in_every_hub(lambda: called.append(threading.get_ident()))
        front_end.sleep(0)
        assert called == [threading.get_ident()], called
        other = front_end.thread(lambda: (front_end.sleep(0), threading.get_ident())[1]).get()
        assert called == [threading.get_ident(), other], called
        """,
    )


def test_a_program_can_be_started_on_the_framework(front_end: GreenFrontEnd, tmp_path: Path) -> None:
    """It says plain ``import zmq``."""
    package = front_end.zmq.__name__
    (tmp_path / "program.py").write_text(
        f"import sys, zmq; from {package} import monkey; "
        "print(sys.argv, zmq.Socket._get_hub.__module__, monkey.is_patched())"
    )
    done = subprocess.run(
        [sys.executable, "-m", f"{package}.monkey", "program.py", "argument"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=LIMIT,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"['program.py', 'argument'] {package}.hub True\n"
