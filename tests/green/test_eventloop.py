"""Tornado's loop in the hub of a green framework: it blocks only the greenlet in which it runs."""

from __future__ import annotations

import asyncio
import importlib
import os
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import greenlet
import pytest

pytest.importorskip("tornado")

from tornado import ioloop as tornado_ioloop
from tornado.ioloop import PeriodicCallback

import zmq as plain
from support.front_ends import FRONT_ENDS, IS_DEFAULT, LIMIT, LONG, FrontEnd, wait_until
from support.monkey.monkeyed import FRAMEWORKS, PAIRS, Framework, run
from zmq.eventloop import zmqstream
from zmq.eventloop.hubloop import asyncio_current
from zmq.eventloop.running import what_runs
from zmq.eventloop.selector import Selector
from zmq.eventloop.zmqstream import ZMQStream

GREEN = [front_end for front_end in FRONT_ENDS if front_end.zmq.Socket._get_hub is not None]


@pytest.fixture(params=GREEN, ids=lambda front_end: front_end.name)
def front_end(request: pytest.FixtureRequest) -> FrontEnd:
    return request.param


def module_of(front_end: FrontEnd, name: str = "ioloop") -> Any:
    return importlib.import_module(f"{front_end.zmq.__name__}.eventloop.{name}")


def new_loop(front_end: FrontEnd) -> Any:
    return module_of(front_end).IOLoop(make_current=False)


def test_an_application_runs_while_greenlets_tick(front_end: FrontEnd, context: Any, zmq: Any) -> None:
    loops: list[Any] = []
    ticks: list[float] = []
    timed: list[int] = []
    got: list[Any] = []
    slept: list[int] = []

    def application() -> None:
        loop = new_loop(front_end)
        loops.append(loop)

        async def main() -> None:
            a, b = context.socket(zmq.PAIR), context.socket(zmq.PAIR)
            a.bind("inproc://application")
            b.connect("inproc://application")
            receiving, sending = ZMQStream(a), ZMQStream(b)
            receiving.on_recv(got.append)
            timer = PeriodicCallback(lambda: timed.append(len(timed)), 5)
            timer.start()
            for number in range(20):
                sending.send(b"%d" % number)
                await asyncio.sleep(0.005)
                slept.append(number)
            before = len(ticks)
            while len(got) < 20 or not timed or len(ticks) < before + 3:
                await asyncio.sleep(0.005)
            timer.stop()
            receiving.close()
            sending.close()

        try:
            loop.run_sync(main, timeout=LIMIT)
        finally:
            loop.close(all_fds=True)

    def tick() -> None:
        while not done:
            ticks.append(time.monotonic())
            front_end.sleep(0.002)

    done: list[int] = []
    ticker = front_end.spawn(tick)
    front_end.spawn(application).get()
    done.append(1)
    ticker.get()
    assert got == [[b"%d" % number] for number in range(20)] and slept == list(range(20))
    assert len(ticks) > 10


def test_loops_run_side_by_side_in_greenlets(front_end: FrontEnd, context: Any, zmq: Any) -> None:
    outside = asyncio._get_running_loop()
    got: list[list[bytes]] = [[], []]

    def application(number: int) -> None:
        loop = new_loop(front_end)

        async def main() -> None:
            while len(got[number]) < 20:
                assert asyncio.get_running_loop() is loop.asyncio_loop
                await asyncio.sleep(0.001)

        stream = ZMQStream(sockets[number], loop)
        stream.on_recv(lambda message: got[number].append(message[0]))
        try:
            loop.run_sync(main, timeout=LIMIT)
        finally:
            stream.close()
            loop.close(all_fds=True)

    sockets = [context.socket(zmq.PULL) for _ in got]
    pushes = [context.socket(zmq.PUSH) for _ in got]
    for number, (push, pull) in enumerate(zip(pushes, sockets, strict=True)):
        pull.bind(f"inproc://side-by-side-{number}")
        push.connect(f"inproc://side-by-side-{number}")
    tasks = [front_end.spawn(application, number) for number in range(len(got))]
    for number in range(20):
        for push in pushes:
            push.send(b"%d" % number)
        front_end.sleep(0.002)
        assert asyncio._get_running_loop() is outside, "a greenlet of no loop saw one"
    for task in tasks:
        task.get()
    assert got == [[b"%d" % number for number in range(20)]] * 2


@pytest.mark.parametrize("watched", ["", "before", "meanwhile"])
def test_tasks_of_several_loops_wait_in_their_greenlets(front_end: FrontEnd, context: Any, watched: str) -> None:
    """In the midst of a step, while others begin and end theirs, and loops run that are not green.

    asyncio notes for the whole thread what runs. Another may watch its greenlets switch.
    """
    outside, _ = what_runs()
    names = "one", "two", "three"
    doors = {name: [context.socket(plain.PAIR) for _ in range(2)] for name in names}
    for name, (a, b) in doors.items():
        a.bind(f"inproc://midst-{name}")
        b.connect(f"inproc://midst-{name}")
    begun: list[str] = []
    steps: list[str] = []
    switches: list[Any] = []

    def application(name: str) -> None:
        loop = new_loop(front_end)
        try:
            loop.run_sync(lambda: main(name, loop.asyncio_loop), timeout=LIMIT)
        finally:
            loop.close(all_fds=True)

    async def main(name: str, loop: Any) -> None:
        task = asyncio.current_task()
        for _ in range(2):
            begun.append(name)
            message = doors[name][0].recv()
            assert what_runs() == (loop, task)
            steps.append(f"{name} {message.decode()}")
            await asyncio.sleep(0)
            assert what_runs() == (loop, task)
            await asyncio.wait_for(asyncio.sleep(0), LIMIT)

    def open_door(name: str, number: int) -> None:
        before = len(steps)
        doors[name][1].send(b"%d" % number)
        wait_until(front_end, lambda: len(steps) > before)

    if watched == "before":
        assert greenlet.settrace(lambda *each: switches.append(what_runs())) is None
    tasks = [front_end.spawn(application, name) for name in names]
    wait_until(front_end, lambda: len(begun) == 3)
    if watched == "meanwhile":
        found = greenlet.settrace(lambda *each: (found(*each), switches.append(what_runs())))
        assert found is not None
    for turn in (("two", "one", "three"), ("three", "two", "one")):
        for name in turn:
            loop, task = what_runs()
            assert loop is outside, "a greenlet of no loop saw one"
            # A hub that is a loop may have switched here in the midst of a task of its own.
            assert task is None or task.get_loop() is outside
            open_door(name, len(steps))
    for task in tasks:
        task.get()
    assert what_runs()[0] is outside
    assert steps == ["two 0", "one 1", "three 2", "three 3", "two 4", "one 5"]
    assert len({loop for loop, _ in switches} - {outside}) == (3 if watched else 0)
    if watched:
        greenlet.settrace(None)
    assert greenlet.gettrace() is None, "greenlets are watched for nothing"


PRODUCER = """
import sys, time, zmq
with zmq.Context() as context, context.socket(zmq.PUSH) as push:
    push.connect(sys.argv[1])
    for number in range(int(sys.argv[3])):
        while True:
            try:
                push.send_multipart([sys.argv[2].encode(), b"%d" % number], zmq.NOBLOCK)
                break
            except zmq.Again:
                time.sleep(0.001)
"""


@pytest.mark.parametrize("repeat", range(int(os.environ.get("PRODUCER_RUNS", "2"))))
def test_messages_of_many_processes_arrive(front_end: FrontEnd, context: Any, zmq: Any, repeat: int) -> None:
    processes, messages = int(os.environ.get("PRODUCERS", "4")), 200
    got: dict[bytes, list[int]] = {}
    ticks: list[int] = []
    ended: list[int] = []

    def application() -> None:
        loop = new_loop(front_end)

        async def main() -> None:
            pull = context.socket(zmq.PULL)
            pull.bind("tcp://127.0.0.1:*")
            stream = ZMQStream(pull)
            stream.on_recv(lambda message: got.setdefault(message[0], []).append(int(message[1])))
            command = [sys.executable, "-c", PRODUCER, pull.get_string(zmq.LAST_ENDPOINT)]
            producers = [subprocess.Popen([*command, f"{n}", f"{messages}"]) for n in range(processes)]
            try:
                end = time.monotonic() + 2 * LIMIT
                while sum(map(len, got.values())) < processes * messages and time.monotonic() < end:
                    await asyncio.sleep(0.01)
                assert got == {b"%d" % n: list(range(messages)) for n in range(processes)}
                while any(producer.poll() is None for producer in producers):
                    await asyncio.sleep(0.01)
                assert [producer.returncode for producer in producers] == [0] * processes
            finally:
                for producer in producers:
                    producer.kill()
                    producer.wait()
                stream.close()

        try:
            loop.run_sync(main)
        finally:
            loop.close(all_fds=True)
            ended.append(1)

    task = front_end.spawn(application)

    def tick() -> None:
        while not ended:
            ticks.append(1)
            front_end.sleep(0.005)

    ticker = front_end.spawn(tick)
    end = time.monotonic() + 3 * LIMIT
    while not ended and time.monotonic() < end:
        front_end.sleep(0.01)
    task.get()
    ticker.get()
    assert len(ticks) > 3


def test_an_idle_loop_does_not_spin(front_end: FrontEnd, context: Any, zmq: Any) -> None:
    loop = new_loop(front_end)
    looks: list[Any] = []
    selector = loop.asyncio_loop._selector
    select = selector.select

    def counted(timeout: float | None = None) -> Any:
        looks.append(timeout)
        return select(timeout)

    selector.select = counted

    async def main() -> None:
        stream = ZMQStream(context.socket(zmq.DEALER))
        stream.on_recv(print)
        await asyncio.sleep(0.02)
        before = len(looks)
        await asyncio.sleep(0.2)
        assert len(looks) <= before + 5
        stream.close(linger=0)

    def application() -> None:
        try:
            loop.run_sync(main, timeout=LIMIT)
        finally:
            loop.close(all_fds=True)

    task = front_end.spawn(application)
    wait_until(front_end, lambda: looks)
    task.get()


# Which loop is the current one.


def installed(module: Any) -> Any:
    with pytest.warns(DeprecationWarning, match="IOLoop.current"):
        module.install()
    return tornado_ioloop.IOLoop.current()


def made_current(module: Any) -> Any:
    loop = module.ZMQIOLoop(make_current=False)
    with pytest.warns(DeprecationWarning, match="make_current"):
        loop.install()
    return tornado_ioloop.IOLoop.current()


OLD_NAMES: dict[str, Callable[[Any], Any]] = {
    "current": lambda module: module.IOLoop.current(),
    "instance": lambda module: module.IOLoop.instance(),
    "made": lambda module: module.IOLoop(),
    "ZMQIOLoop": lambda module: module.ZMQIOLoop.instance(),
    "install": installed,
    "its own install": made_current,
}


@pytest.mark.parametrize("name", OLD_NAMES)
def test_old_names_give_a_loop_that_leaves_the_hub_free(front_end: FrontEnd, context: Any, zmq: Any, name: str) -> None:
    module, streams = module_of(front_end), module_of(front_end, "zmqstream")
    got: list[Any] = []
    started: list[int] = []
    a, b = context.socket(zmq.PAIR), context.socket(zmq.PAIR)
    a.bind("inproc://old-names")
    b.connect("inproc://old-names")

    def application() -> None:
        loop = OLD_NAMES[name](module)
        try:
            assert isinstance(loop, module.IOLoop)
            for same in (module.IOLoop.current(), module.IOLoop.instance(), tornado_ioloop.IOLoop.current()):
                assert same is loop
            stream = streams.ZMQStream(b)
            assert stream.io_loop is loop and isinstance(stream, zmqstream.ZMQStream)
            stream.on_recv(got.append)
            timer = PeriodicCallback(lambda: loop.stop() if got else None, 1)
            timer.start()
            loop.add_callback(lambda: started.append(1))
            loop.call_later(LIMIT, loop.stop)
            loop.start()
            timer.stop()
            stream.close()
        finally:
            loop.close()
        assert module.IOLoop.current(instance=False) is None

    task = front_end.spawn(application)
    wait_until(front_end, lambda: started)
    a.send(b"x")
    task.get()
    assert got == [[b"x"]]


@pytest.mark.parametrize("kind", ["current", "made"])
def test_the_loop_that_tornado_made_before_waits_in_the_hub(front_end: FrontEnd, ledger: None, kind: str) -> None:
    """With what was registered there before anybody asked for the green one."""
    if asyncio._get_running_loop() is not None:
        pytest.skip("tornado's loop is the hub's own")
    module = module_of(front_end)
    reader, writer = os.pipe()
    started: list[int] = []
    got: list[bytes] = []

    def application() -> None:
        asyncio.set_event_loop(None)
        loop = tornado_ioloop.IOLoop.current() if kind == "current" else tornado_ioloop.IOLoop()
        loop.add_handler(reader, lambda fd, events: (got.append(os.read(fd, 1)), loop.stop()), loop.READ)
        loop.add_callback(lambda: started.append(1))
        stop = loop.call_later(LIMIT, loop.stop)
        try:
            assert module.IOLoop.current() is loop is tornado_ioloop.IOLoop.current()
            assert isinstance(loop, module.IOLoop)
            loop.start()
            loop.remove_timeout(stop)
            loop.remove_handler(reader)
        finally:
            loop.close()
        assert module.IOLoop.current(instance=False) is None

    task = front_end.spawn(application)
    wait_until(front_end, lambda: started)
    os.write(writer, b"x")
    task.get()
    assert got == [b"x"]
    os.close(reader)
    os.close(writer)


def test_every_greenlet_has_the_loop_that_it_made_current(front_end: FrontEnd, context: Any, zmq: Any) -> None:
    module, streams = module_of(front_end), module_of(front_end, "zmqstream")
    loops: list[Any] = []
    closed: list[int] = []
    checked: list[int] = []

    def application(number: int) -> None:
        loop = module.IOLoop()
        loops.append(loop)
        try:
            wait_until(front_end, lambda: len(loops) == 2 and len(checked) == 1)
            stream = streams.ZMQStream(context.socket(zmq.PULL))
            assert module.IOLoop.current() is stream.io_loop is loop

            async def main() -> None:
                assert module.IOLoop.current() is tornado_ioloop.IOLoop.current() is loop
                await asyncio.sleep(0.01)
                assert module.IOLoop.current() is tornado_ioloop.IOLoop.current() is loop

            loop.run_sync(main, timeout=LIMIT)
            stream.close()
        finally:
            loop.close()
            closed.append(number)

    def third() -> None:
        wait_until(front_end, lambda: len(loops) == 2)
        assert module.IOLoop.current() is loops[1], "not the last that was made current"
        checked.append(1)
        wait_until(front_end, lambda: len(closed) == 2)
        assert module.IOLoop.current(instance=False) is None

    tasks = [front_end.spawn(application, number) for number in range(2)]
    tasks.append(front_end.spawn(third))
    for task in tasks:
        task.get()


def test_a_loop_that_was_closed_or_cleared_is_not_current(front_end: FrontEnd, ledger: None) -> None:
    module = module_of(front_end)
    loop = module.IOLoop.current()
    assert module.IOLoop.current() is loop
    with pytest.warns(DeprecationWarning, match="clear_current"):
        module.IOLoop.clear_current()
    assert module.IOLoop.current(instance=False) is None
    other = module.IOLoop.current()
    assert other is not loop
    other.asyncio_loop.close()
    assert module.IOLoop.current(instance=False) is None
    other._clear_current_hook()
    loop.close()


def test_asyncio_has_its_loop_back(front_end: FrontEnd, ledger: None) -> None:
    module = module_of(front_end)
    before = asyncio.new_event_loop()
    asyncio.set_event_loop(before)
    try:
        one, other = module.IOLoop(), module.IOLoop()
        one.close()
        assert module.IOLoop.current() is other
        other.close()
        assert asyncio_current() in (before, None)
        single = module.IOLoop()
        single.close()
    finally:
        asyncio.set_event_loop(None)
        before.close()


def test_native_threads_have_loops_of_their_own(front_end: FrontEnd, ledger: None) -> None:
    module = module_of(front_end)
    here = module.IOLoop.current()
    found: list[Any] = []

    def elsewhere() -> None:
        loop = module.IOLoop.current()

        async def main() -> None:
            found.append((loop is not here, module.IOLoop.current() is loop))

        loop.run_sync(main, timeout=LIMIT)
        loop.close()

    front_end.thread(elsewhere).get()
    assert found == [(True, True)] and module.IOLoop.current() is here
    here.close()


def test_a_loop_that_runs_comes_before_the_green_one(front_end: FrontEnd, context: Any, zmq: Any) -> None:
    """A program of asyncio's that uses the old names has the loop that it is in."""
    module, streams = module_of(front_end), module_of(front_end, "zmqstream")
    loop = new_loop(front_end)

    async def main() -> None:
        stream = streams.ZMQStream(context.socket(zmq.PULL))
        assert stream.io_loop is loop is module.IOLoop.current()
        stream.close()

    other = module.IOLoop()
    loop.run_sync(main, timeout=LIMIT)
    loop.close()
    other.close()


@pytest.mark.parametrize("name", ["TimeoutError", "IOLoop", "PeriodicCallback", "Configurable", "app_log", "ZMQIOLoop"])
def test_all_names_of_tornados_loop_are_there(front_end: FrontEnd, name: str) -> None:
    for module in (module_of(front_end), importlib.import_module("zmq.eventloop.ioloop")):
        assert hasattr(module, name)
        with pytest.raises(AttributeError):
            module.no_such_name  # noqa: B018
    assert module_of(front_end, "zmqstream").IOLoop is module_of(front_end).IOLoop


PROGRAM = """
import warnings; warnings.simplefilter("ignore", DeprecationWarning)
import importlib
how = {how!r}
ioloop = importlib.import_module({package!r} + ".ioloop")
zmqstream = importlib.import_module({package!r} + ".zmqstream")
if how == "install":
    ioloop.install()
    from tornado.ioloop import IOLoop
    loop = IOLoop.current()
elif how == "stream":
    loop = None
else:
    loop = getattr(ioloop.IOLoop, how)()
stream = zmqstream.ZMQStream(b)
loop = loop or stream.io_loop
assert stream.io_loop is loop
got = []
stream.on_recv(lambda message: (got.append(message), loop.stop()))
green.beside(loop.start, lambda: a.send(b"x"))
assert got == [[b"x"]]
stream.close()
loop.close()
context.destroy()
"""


@pytest.fixture(params=FRAMEWORKS, ids=lambda framework: framework.name)
def framework(request: pytest.FixtureRequest) -> Framework:
    return request.param


@pytest.mark.parametrize("how", ["install", "instance", "current", "stream"] if LONG or IS_DEFAULT else ["stream"])
@pytest.mark.parametrize("world", ["plain", "patched", "patched-plain-names"])
def test_a_program_begins_with_its_loop(framework: Framework, how: str, world: str) -> None:
    """In the main greenlet, before the hub ever ran."""
    package = "zmq.eventloop" if world == "patched-plain-names" else f"{framework.front_end}.eventloop"
    if world == "patched-plain-names" and not framework.can_nest_asyncio:
        pytest.skip("a hub that is an asyncio loop itself can't run another one inside")
    patch = "green.patch_world(); green.monkey.patch_all()" if world != "plain" else ""
    pairs = PAIRS if world != "plain" else PAIRS.replace("import zmq", f"import {framework.front_end} as zmq")
    run(framework, patch, pairs, PROGRAM.format(how=how, package=package))


# A loop that always has something to do.

ROUNDS = 300 if LONG else 50


@pytest.mark.parametrize("budget", [1e-9, 0.0], ids=["over-at-once", "none"])
@pytest.mark.parametrize("kind", ["callbacks", "stream"])
def test_a_busy_loop_lets_greenlets_have_their_turn(
    front_end: FrontEnd, context: Any, zmq: Any, kind: str, budget: float
) -> None:
    loop = new_loop(front_end)
    rounds: list[int] = []
    seen: list[int] = []
    done: list[int] = []

    def others() -> None:
        while not done:
            seen.append(len(rounds))
            front_end.sleep(0)

    async def main() -> None:
        a, b = context.socket(zmq.PAIR), context.socket(zmq.PAIR)
        a.bind("inproc://busy")
        b.connect("inproc://busy")
        stream = ZMQStream(b, loop)

        def again(*_: Any) -> None:
            rounds.append(1)
            if len(rounds) < ROUNDS:
                if kind == "stream":
                    # There is always a message there.
                    a.send(b"x", plain.NOBLOCK)
                    a.send(b"x", plain.NOBLOCK) if len(rounds) < 3 else None
                else:
                    loop.add_callback(again)

        if kind == "stream":
            a.send(b"x")
            stream.on_recv(again)
        else:
            again()
        while len(rounds) < ROUNDS:
            await asyncio.sleep(0)
        stream.close()

    def application() -> None:
        try:
            loop.run_sync(main)
        finally:
            loop.close()
            done.append(1)

    before = plain.get_budget()
    plain.set_budget(budget)
    try:
        tasks = [front_end.spawn(application), front_end.spawn(others)]
        for task in tasks:
            task.get()
    finally:
        plain.set_budget(before)
    between = {rounds for rounds in seen if 0 < rounds < ROUNDS}
    assert len(between) >= 3 if budget else not between


@pytest.mark.parametrize("first", ["selector", "loop"])
def test_who_waits_first_leaves_the_loop_that_is_the_hub_running(front_end: FrontEnd, first: str) -> None:
    """It began to run meanwhile."""

    def wait() -> list[Any]:
        if first == "selector":
            selector = Selector(module_of(front_end).Poller)
            assert selector.select(0.001) == []
            selector.close()
        else:
            loop = new_loop(front_end)
            loop.run_sync(lambda: asyncio.sleep(0.001), timeout=LIMIT)
            loop.close(all_fds=True)
        found = asyncio._get_running_loop()
        front_end.sleep(0.001)
        return [found]

    # A thread has a hub of its own, which has not run yet.
    found = front_end.thread(wait).get()
    front_end.sleep(0.001)
    assert [type(each) for each in found] == [type(asyncio._get_running_loop())]


def test_a_selector_that_has_waited_lets_nobody_run_again(front_end: FrontEnd) -> None:
    """The hub ran while it waited: its time begins anew."""
    selector = Selector(module_of(front_end).Poller)
    reader, writer = os.pipe()
    selector.register(reader, 1)
    runs: list[int] = []
    before = plain.get_budget()
    plain.set_budget(1000)
    try:
        assert selector.select(0.001) == []
        os.write(writer, b"x")
        front_end.spawn(runs.append, 1)
        for _ in range(1000):
            assert selector.select(0)
        assert runs == []
        plain.set_budget(1e-9)
        assert selector.select(0)
        assert runs == [1]
    finally:
        plain.set_budget(before)
        selector.close()
        os.close(reader)
        os.close(writer)
