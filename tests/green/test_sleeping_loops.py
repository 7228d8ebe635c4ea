"""A green event loop that sleeps, while other greenlets of its thread do what it has to hear of; nothing else wakes it.

asyncio wakes a loop for other threads only. Beside the greenlet in which a loop waits there are others in its thread.
"""

from __future__ import annotations

import asyncio
import importlib
import os
import selectors
import socket as socketlib
import sys
import tempfile
from collections.abc import Callable, Iterator
from typing import Any

import pytest

pytest.importorskip("tornado")

import zmq.asyncio
from support.front_ends import FRONT_ENDS, LIMIT, FrontEnd, Task, wait_until
from support.programs import run
from support.waits import start
from zmq.core.waiting import sweep_alarm
from zmq.eventloop.selector import Selector
from zmq.eventloop.zmqstream import ZMQStream

GREEN = [front_end for front_end in FRONT_ENDS if front_end.zmq.Socket._get_hub is not None]


@pytest.fixture(params=GREEN, ids=lambda front_end: front_end.name)
def front_end(request: pytest.FixtureRequest) -> FrontEnd:
    return request.param


def module_of(front_end: FrontEnd) -> Any:
    return importlib.import_module(f"{front_end.zmq.__name__}.eventloop.ioloop")


@pytest.fixture
def loop(front_end: FrontEnd, monkeypatch: pytest.MonkeyPatch, ledger: None) -> Iterator[Any]:
    """A loop of asyncio's that waits in the hub, and whose alarm does not ring while a test runs."""
    monkeypatch.setattr(sweep_alarm, "SWEEP_SECONDS", 10 * LIMIT)
    made = module_of(front_end).EventLoop()
    yield made
    made.close()


class Sleeper:
    """A loop that runs in a greenlet of its own."""

    def __init__(self, front_end: FrontEnd, loop: Any) -> None:
        self.front_end, self.loop = front_end, loop
        self.task: Task = front_end.spawn(loop.run_forever)

    def sleep(self) -> None:
        """Wait until the loop has nothing to do, nor soon, so that nobody wakes it but who is to be tested."""
        wait_until(self.front_end, self.sleeps)

    def sleeps(self) -> bool:
        loop = self.loop
        late = loop.time() + LIMIT
        return loop.waits.sleeps and not loop._ready and all(timer.when() > late for timer in loop._scheduled)

    def end(self) -> None:
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.task.get()


@pytest.fixture
def sleeper(front_end: FrontEnd, loop: Any) -> Iterator[Sleeper]:
    made = Sleeper(front_end, loop)
    made.sleep()
    yield made
    made.end()


#: What another greenlet does, given the loop and what is to be called for it.
CALLS: dict[str, Callable[[Any, Callable[[], object]], object]] = {
    "call_soon": lambda loop, heard: loop.call_soon(heard),
    "call_later": lambda loop, heard: loop.call_later(0.001, heard),
    "call_at": lambda loop, heard: loop.call_at(loop.time(), heard),
    "create_task": lambda loop, heard: loop.create_task(call(heard)),
    "call_soon_threadsafe": lambda loop, heard: loop.call_soon_threadsafe(heard),
    "run_in_executor": lambda loop, heard: loop.run_in_executor(None, lambda: None).add_done_callback(
        lambda _: heard()
    ),
}


async def call(function: Callable[[], object]) -> None:
    function()


@pytest.mark.parametrize("name", CALLS)
def test_what_another_greenlet_asks_for_is_done(front_end: FrontEnd, sleeper: Sleeper, name: str) -> None:
    heard: list[int] = []
    for number in range(1, 4):
        CALLS[name](sleeper.loop, lambda: heard.append(1))
        wait_until(front_end, lambda number=number: len(heard) == number)
        sleeper.sleep()
    sleeper.loop.run_in_executor(None, int)
    sleeper.loop.call_soon(sleeper.loop._default_executor.shutdown)


@pytest.mark.parametrize("end", ["set_result", "set_exception", "cancel", "cancel of the task"])
def test_a_task_that_another_greenlet_ends(front_end: FrontEnd, sleeper: Sleeper, end: str) -> None:
    future = sleeper.loop.create_future()

    async def main() -> None:
        await future

    task = sleeper.loop.create_task(main())
    sleeper.loop.call_soon_threadsafe(int)
    sleeper.sleep()
    if end == "set_result":
        future.set_result(None)
    elif end == "set_exception":
        future.set_exception(OSError())
    else:
        (future if end == "cancel" else task).cancel()
    wait_until(front_end, task.done)
    assert task.cancelled() or isinstance(task.exception(), OSError if end == "set_exception" else type(None))


def test_another_greenlet_stops_it(front_end: FrontEnd, loop: Any) -> None:
    for _ in range(3):
        sleeper = Sleeper(front_end, loop)
        sleeper.sleep()
        loop.stop()
        sleeper.task.get()


def test_another_greenlet_stops_a_loop_of_tornado(front_end: FrontEnd, ledger: None) -> None:
    loop = module_of(front_end).IOLoop(make_current=False)
    task = front_end.spawn(loop.start)
    wait_until(front_end, lambda: loop.asyncio_loop.waits.sleeps)
    loop.stop()
    task.get()
    loop.close()


def test_a_stream_that_another_greenlet_uses(front_end: FrontEnd, sleeper: Sleeper, pair: Any, zmq: Any) -> None:
    """Each sends while the loop sleeps; messages wait that come before anybody asks for them."""
    a, b = pair()
    stream = ZMQStream(a, tornado_loop(front_end, sleeper.loop))
    for number in range(3):
        stream.send(b"%d" % number)
        assert b.recv() == b"%d" % number
        sleeper.sleep()
    for _ in range(2):
        got: list[Any] = []
        b.send(b"1")
        b.send(b"2")
        stream.on_recv(got.append)
        wait_until(front_end, lambda got=got: got == [[b"1"], [b"2"]])
        sleeper.sleep()
        stream.stop_on_recv()
        sleeper.sleep()
    stream.close()


def tornado_loop(front_end: FrontEnd, loop: Any) -> Any:
    from tornado.platform.asyncio import AsyncIOLoop

    return AsyncIOLoop(make_current=False, asyncio_loop=loop)


@pytest.mark.parametrize("act", ["close", "cancel", "operate"])
def test_a_call_of_asyncio_that_another_greenlet_ends(
    front_end: FrontEnd, sleeper: Sleeper, context: Any, zmq: Any, act: str
) -> None:
    with zmq_asyncio_context(context) as waiting, context.socket(zmq.PAIR) as peer:
        socket = waiting.socket(zmq.PAIR)
        socket.bind("inproc://sleeping")
        peer.connect("inproc://sleeping")
        ended: list[Any] = []

        async def main() -> None:
            try:
                ended.append(await socket.recv())
            except BaseException as error:
                ended.append(type(error))

        task = sleeper.loop.create_task(main())
        sleeper.loop.call_soon_threadsafe(int)
        sleeper.sleep()
        if act == "close":
            socket.close()
        elif act == "cancel":
            task.cancel()
        else:
            peer.send(b"1")
        wait_until(front_end, lambda: ended)
        assert ended == [b"1" if act == "operate" else asyncio.CancelledError]
        wait_until(front_end, task.done)
        socket.close()


def zmq_asyncio_context(context: Any) -> Any:
    return zmq.asyncio.Context.shadow(context.underlying)


# Two that are busy at once.


@pytest.mark.parametrize("end", ["limit", "raises"])
def test_a_stream_that_is_flushed_while_its_callback_waits(
    front_end: FrontEnd, sleeper: Sleeper, pair: Any, end: str
) -> None:
    """The flush takes longer than the callback, and the stream goes on afterwards."""
    a, b = pair()
    stream = ZMQStream(a, tornado_loop(front_end, sleeper.loop))
    seen: list[bytes] = []
    flushed: list[int] = []

    def callback(message: list[bytes]) -> None:
        seen.append(message[0])
        if message[0] == b"1":
            wait_until(front_end, lambda: b"2" in seen)
            seen.append(b"end of 1")
        elif message[0] == b"2":
            wait_until(front_end, lambda: b"end of 1" in seen)
            front_end.sleep(0)
            if end == "raises":
                raise KeyError(2)

    def flush() -> None:
        if end == "raises":
            with pytest.raises(KeyError):
                stream.flush()
        else:
            assert stream.flush(limit=1) == 1
        flushed.append(1)

    stream.on_recv(callback)
    b.send(b"1")
    wait_until(front_end, lambda: seen)
    b.send(b"2")
    task = front_end.spawn(flush)
    wait_until(front_end, lambda: flushed)
    task.get()
    b.send(b"3")
    wait_until(front_end, lambda: seen[-1] == b"3")
    assert seen == [b"1", b"2", b"end of 1", b"3"]
    stream.close()


@pytest.mark.parametrize("ask", ["send", "on_recv"])
def test_what_a_stream_refuses_is_not_done_later(
    front_end: FrontEnd, sleeper: Sleeper, pair: Any, zmq: Any, ask: str
) -> None:
    """A greenlet waits for the same socket already."""
    a, b = pair(hwm=2)
    stream = ZMQStream(a, tornado_loop(front_end, sleeper.loop))
    waiting = start(front_end, a.recv)
    got: list[Any] = []
    with pytest.raises(RuntimeError, match="waited for in another event loop"):
        if ask == "send":
            stream.send(b"refused")
        else:
            stream.on_recv(got.append)
    assert not stream.sending() and not stream.receiving()
    b.send(b"1")
    assert waiting.get() == b"1"
    b.send(b"2")
    a.send(b"next")
    assert b.recv() == b"next"
    assert a.recv() == b"2" and got == []
    stream.close()


def test_generators_are_finalized_in_the_loop_that_made_them(front_end: FrontEnd, ledger: None) -> None:
    """Of two that run side by side, and end in the order in which they began."""
    module = module_of(front_end)
    before = tuple(sys.get_asyncgen_hooks())
    finalized: list[tuple[int, bool]] = []

    async def generate(number: int) -> Any:
        loop = asyncio.get_running_loop()
        try:
            yield number
        finally:
            await asyncio.sleep(0)
            finalized.append((number, asyncio.get_running_loop() is loop))

    async def main(number: int) -> None:
        started.append(number)
        while len(started) < 2:
            await asyncio.sleep(0)
        generator = generate(number)
        await generator.__anext__()
        del generator
        while not any(number == found for found, _ in finalized):
            await asyncio.sleep(0)
        while number == 1 and len(finalized) < 2:
            await asyncio.sleep(0)

    def application(number: int) -> None:
        loop = module.EventLoop()
        try:
            loop.run_until_complete(asyncio.wait_for(main(number), LIMIT))
        finally:
            loop.close()

    started: list[int] = []
    tasks = [front_end.spawn(application, number) for number in range(2)]
    for task in tasks:
        task.get()
    assert sorted(finalized) == [(0, True), (1, True)]
    assert tuple(sys.get_asyncgen_hooks()) == before


# What is watched.


def outcome(loop: Any, thing: Any) -> Any:
    """Watch something for a few turns of a loop; return the type of what it raised, or how often it was called."""
    calls: list[int] = []

    async def main() -> None:
        loop.add_reader(thing, calls.append, 1)
        for _ in range(3):
            await asyncio.sleep(0.001)

    try:
        loop.run_until_complete(main())
    except Exception as error:
        return type(error)
    return len(calls)


@pytest.mark.parametrize("kind", ["closed", "negative", "no descriptor", "a file", "a folder", "nothing"])
def test_what_cannot_be_watched_is_refused_as_by_asyncio(loop: Any, kind: str) -> None:
    """And the loop goes on."""
    closed = socketlib.socket()
    closed.close()
    with tempfile.TemporaryFile() as file, tempfile.TemporaryDirectory() as folder:
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            things = {
                "closed": closed,
                "negative": -1,
                "no descriptor": 987654,
                "a file": file,
                "a folder": descriptor,
                "nothing": object(),
            }
            plain = asyncio.SelectorEventLoop()
            expected = outcome(plain, things[kind])
            plain.close()
            assert outcome(loop, things[kind]) is expected
        finally:
            os.close(descriptor)
    loop.run_until_complete(asyncio.sleep(0))


def test_a_descriptor_that_is_closed_while_it_is_watched_is_quiet(loop: Any) -> None:
    called: list[int] = []
    turns: list[int] = []

    async def main() -> None:
        reader, writer = os.pipe()
        loop.add_reader(reader, called.append, 1)
        await asyncio.sleep(0)
        os.close(reader)
        os.close(writer)
        for _ in range(3):
            before = loop.waits.hub_ran
            await asyncio.sleep(0.01)
            turns.append(loop.waits.hub_ran != before)
        loop.remove_reader(reader)

    loop.run_until_complete(main())
    assert called == [] and len(turns) == 3
    loop.run_until_complete(asyncio.sleep(0))


def test_a_descriptor_and_its_object_are_the_same(loop: Any) -> None:
    one, other = socketlib.socketpair()
    with one, other:
        other.send(b"x")
        loop.add_reader(one.fileno(), int)
        loop.add_reader(one, int)
        assert loop.remove_reader(one) is True and loop.remove_reader(one) is False
        loop.add_reader(one, int)
        assert loop.remove_reader(one.fileno()) is True
        selector = Selector(type(loop)._poller_class)
        key = selector.register(one, selectors.EVENT_READ)
        assert selector.get_map()[one] is selector.get_map()[one.fileno()] is key
        with pytest.raises(KeyError):
            selector.unregister(other)
        selector.unregister(one)
        selector.register(one, selectors.EVENT_READ)
        one.close()
        assert selector.unregister(one) == key and not selector.get_map()


def test_in_a_monkeypatched_program_a_greenlet_ends_what_asyncios_own_loop_awaits() -> None:
    """There other greenlets run while it waits, and it stays noted as the one that runs."""
    run(
        GREEN[0],
        """
        import gevent.monkey
        gevent.monkey.patch_all()
        import asyncio, threading, time, zmq.asyncio
        from zmq.core.waiting import sweep_alarm
        sweep_alarm.SWEEP_SECONDS = 1000

        async def awaits(act):
            with zmq.asyncio.Context() as context:
                socket, peer = context.socket(zmq.PAIR), zmq.Context.shadow(context.underlying).socket(zmq.PAIR)
                socket.bind("inproc://awaited")
                peer.connect("inproc://awaited")
                receiving = asyncio.ensure_future(socket.recv())

                def later():
                    time.sleep(0.05)
                    act(socket, peer)

                threading.Thread(target=later).start()
                await asyncio.wait([receiving], timeout=20)
                assert receiving.done()
                ended.append(None if receiving.cancelled() else receiving.result())
                socket.close()
                peer.close()

        ended = []
        asyncio.run(awaits(lambda socket, peer: socket.close()))
        asyncio.run(awaits(lambda socket, peer: peer.send(b"1")))
        assert ended == [None, b"1"], ended
        """,
    )
