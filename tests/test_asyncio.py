"""Sockets and pollers of `zmq.asyncio`: what is awaited, in which order, and what cancelling, closing and ending do."""

from __future__ import annotations

import asyncio
import random
import selectors
import socket as native
import subprocess
import sys
import textwrap
import threading
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator
from itertools import count
from types import SimpleNamespace
from typing import Any

import pytest
from every_loop import every_loop
from native_states import MASKS, STATES, changed, state, told_by_poll

import zmq
import zmq.asyncio as za
import zmq.green
from front_ends import LIMIT
from zmq.core.futures import Slice, is_time_to_yield
from zmq.core.polling import bell_set
from zmq.utils.monitor import recv_monitor_message

numbers = count()


def run(main: Coroutine[Any, Any, Any]) -> Any:
    """Run a coroutine that ends in time."""
    return asyncio.run(asyncio.wait_for(main, LIMIT))


def run_on(loop: Any, main: Coroutine[Any, Any, Any]) -> Any:
    """Run a coroutine that ends in time on a loop, which ends with it."""
    try:
        return loop.run_until_complete(asyncio.wait_for(main, LIMIT))
    finally:
        loop.close()


async def turns(number: int = 5) -> None:
    """Let the loop turn."""
    for _ in range(number):
        await asyncio.sleep(0)


async def until(condition: Callable[[], object]) -> None:
    while not condition():
        await asyncio.sleep(0.002)


@pytest.fixture
def context(ledger: None) -> Iterator[Any]:
    class KeepingContext(za.Context):
        def socket(self, *args: Any, **kwargs: Any) -> Any:
            kept.append(super().socket(*args, **kwargs))
            return kept[-1]

    kept: list[Any] = []
    context = KeepingContext()
    yield context
    context.destroy(linger=0)


def connect(context: Any, one: int = zmq.PAIR, other: int = zmq.PAIR, tcp: bool = False, **options: Any) -> Any:
    a, b = context.socket(one), context.socket(other)
    for socket in (a, b):
        socket.linger = 0
        for name, value in options.items():
            setattr(socket, name, value)
    a.bind("tcp://127.0.0.1:*" if tcp else f"inproc://asyncio-{next(numbers)}")
    b.connect(a.get_string(zmq.LAST_ENDPOINT))
    return a, b


@pytest.fixture
def pair(context: Any) -> Any:
    return connect(context)


def waits(socket: Any) -> int:
    """Count the futures that wait for a socket."""
    return len(za.pending(socket, zmq.POLLIN | zmq.POLLOUT))


# Every form of a send and a receive.


async def into(socket: Any, flags: int = 0) -> bytes:
    buffer = bytearray(10)
    size = await socket.recv_into(buffer, flags=flags)
    return bytes(buffer[:size])


FORMS: dict[str, tuple[Any, Callable[..., Any], Callable[..., Any]]] = {
    "frame": (b"x", lambda s, m, f=0: s.send(m, f), lambda s, f=0: s.recv(f)),
    "copy": (b"x" * 100_000, lambda s, m, f=0: s.send(m, f, copy=False), lambda s, f=0: s.recv(f)),
    "multipart": ([b"a", b""], lambda s, m, f=0: s.send_multipart(m, f), lambda s, f=0: s.recv_multipart(f)),
    "string": ("\u00e4", lambda s, m, f=0: s.send_string(m, f), lambda s, f=0: s.recv_string(f)),
    "json": ({"a": [1]}, lambda s, m, f=0: s.send_json(m, f), lambda s, f=0: s.recv_json(f)),
    "pyobj": ({1: {2}}, lambda s, m, f=0: s.send_pyobj(m, f), lambda s, f=0: s.recv_pyobj(f)),
    "serialized": (
        "abc",
        lambda s, m, f=0: s.send_serialized(m, lambda text: [c.encode() for c in text], f),
        lambda s, f=0: s.recv_serialized(lambda frames: b"".join(frames).decode(), f),
    ),
    "into": (b"12345", lambda s, m, f=0: s.send(m, f), into),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("early", [True, False], ids=["waits", "is-there"])
def test_a_message_arrives_in_every_form(pair: Any, form: str, early: bool) -> None:
    message, send, recv = FORMS[form]

    async def main() -> None:
        a, b = pair
        if early:
            received = asyncio.ensure_future(recv(a))
            await until(lambda: waits(a))
            await send(b, message)
        else:
            await send(b, message)
            received = recv(a)
        assert await received == message

    run(main())


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("queued", [False, True], ids=["alone", "behind-another"])
@pytest.mark.parametrize("milliseconds", [0, 20])
def test_rcvtimeo_holds_in_every_form(pair: Any, form: str, milliseconds: int, queued: bool) -> None:
    async def main() -> None:
        a, b = pair
        first = a.recv() if queued else None
        a.rcvtimeo = milliseconds
        with pytest.raises(zmq.Again):
            await FORMS[form][2](a)
        assert waits(a) == queued
        if first is not None:
            await b.send(b"still served")
            assert await first == b"still served"

    run(main())


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("queued", [False, True], ids=["alone", "behind-another"])
@pytest.mark.parametrize("milliseconds", [0, 20])
def test_sndtimeo_holds_in_every_form(context: Any, form: str, milliseconds: int, queued: bool) -> None:
    async def main() -> None:
        with context.socket(zmq.PUSH) as push:
            first = push.send(b"x") if queued else None
            push.sndtimeo = milliseconds
            with pytest.raises(zmq.Again):
                await FORMS[form][1](push, FORMS[form][0])
            assert waits(push) == queued
            if first is not None:
                first.cancel()

    run(main())


class Clock(asyncio.SelectorEventLoop):
    """A loop whose time stands still until a test says so."""

    now = 0.0

    def time(self) -> float:
        return self.now


@pytest.mark.parametrize("how", ["recv", "send", "poll", "poller"])
def test_a_time_out_holds_for_one_that_was_chosen_in_vain(context: Any, how: str) -> None:
    """Its time is over before it runs, and somebody else takes what it was chosen for."""
    one, other = connect(context)
    plain, peer = (zmq.Socket.shadow(socket) for socket in (one, other))
    loop = Clock()

    def choose() -> None:
        if how == "send":
            while peer.poll(0):
                peer.recv(zmq.NOBLOCK)
        else:
            peer.send(b"1")
        plain.poll(0)
        # Robbed before it runs.
        if how == "send":
            fill(plain)
        else:
            plain.recv(zmq.NOBLOCK)

    def fill(socket: Any) -> None:
        with pytest.raises(zmq.Again):
            while True:
                socket.send(b"fill", zmq.NOBLOCK)

    async def main() -> None:
        if how == "send":
            fill(plain)
        one.rcvtimeo = one.sndtimeo = 1000
        poller = za.Poller()
        poller.register(one, zmq.POLLIN)
        begin = {"recv": one.recv, "send": lambda: one.send(b"x"), "poll": lambda: one.poll(1000)}
        future = begin.get(how, lambda: poller.poll(1000))()
        # Both are due in the same turn, in this order; what `choose` asks for comes in the next.
        loop.call_at(loop.now + 0.5, choose)
        loop.now += 2
        await turns()
        assert future.done(), "its time is over, and it waits on"
        if how in ("recv", "send"):
            assert isinstance(future.exception(), zmq.Again)
        else:
            assert not future.result()

    try:
        loop.run_until_complete(main())
    finally:
        loop.close()


@pytest.mark.parametrize("form", FORMS)
def test_noblock_does_not_wait(context: Any, form: str) -> None:
    async def main() -> None:
        with context.socket(zmq.PUSH) as push, context.socket(zmq.PULL) as pull:
            with pytest.raises(zmq.Again):
                await FORMS[form][1](push, FORMS[form][0], zmq.NOBLOCK)
            with pytest.raises(zmq.Again):
                await FORMS[form][2](pull, zmq.NOBLOCK)
            assert waits(push) == waits(pull) == 0

    run(main())


def test_what_cannot_be_decoded_is_an_error_of_the_future(pair: Any) -> None:
    async def main() -> None:
        a, b = pair
        received = a.recv_json()
        await b.send(b"{")
        with pytest.raises(ValueError):
            await received
        await b.send(b"1")
        assert await a.recv_json() == 1

    run(main())


def test_poll_of_a_socket(pair: Any) -> None:
    async def main() -> None:
        a, b = pair
        assert await a.poll(0) == 0
        assert await a.poll(10) == 0
        assert await a.poll(0, zmq.POLLIN | zmq.POLLOUT) == zmq.POLLOUT
        polled, again = a.poll(), a.poll(LIMIT * 1000)
        await turns()
        assert not polled.done()
        await b.send(b"x")
        assert await polled == await again == zmq.POLLIN
        with pytest.raises(ValueError):
            a.poll(-2)
        assert await a.recv() == b"x"
        assert waits(a) == 0

    run(main())


def test_tasks_on_one_socket_are_served_in_their_order(pair: Any) -> None:
    async def main() -> None:
        a, b = pair
        order: list[int] = []

        async def receive(number: int) -> None:
            assert await a.recv() == b"%d" % number
            order.append(number)

        tasks = [asyncio.ensure_future(receive(number)) for number in range(50)]
        await until(lambda: waits(a) == 50)
        for number in range(50):
            await b.send(b"%d" % number)
        await asyncio.gather(*tasks)
        assert order == list(range(50))

    run(main())


def test_sends_that_wait_go_in_their_order(context: Any) -> None:
    async def main() -> None:
        a, b = connect(context, zmq.PUSH, zmq.PULL, tcp=True, sndhwm=1, rcvhwm=1, sndbuf=4096, rcvbuf=4096)
        sends = [a.send(bytes([number]) + bytes(20_000)) for number in range(100)]
        assert waits(a)
        assert [(await b.recv())[0] for _ in range(100)] == list(range(100))
        await asyncio.gather(*sends)

    run(main())


# Cancelling.


@pytest.mark.parametrize("form", FORMS)
def test_a_cancelled_receive_takes_no_message(pair: Any, form: str) -> None:
    async def main() -> None:
        a, b = pair
        message, send, recv = FORMS[form]
        first, second = asyncio.ensure_future(recv(a)), asyncio.ensure_future(recv(a))
        await until(lambda: waits(a) == 2)
        first.cancel()
        await send(b, message)
        assert await second == message
        assert first.cancelled()
        assert waits(a) == 0

    run(main())


@pytest.mark.parametrize("form", [form for form in FORMS if form != "into"])
@pytest.mark.parametrize("turn", range(6))
def test_cancelling_while_the_message_comes_does_not_lose_it(pair: Any, form: str, turn: int) -> None:
    async def main() -> None:
        a, b = pair
        message, send, recv = FORMS[form]
        future = recv(a)
        await turns()
        await send(b, message)
        # Somebody's operation tells the one that waits before the loop looks at the descriptor.
        assert a.get(zmq.EVENTS) & zmq.POLLIN
        await turns(turn)
        if future.cancel():
            await turns()
            assert await a.poll(1000), "the message is lost"
            assert await recv(a) == message
        else:
            assert await future == message

    run(main())


@pytest.mark.parametrize("seed", range(6))
def test_a_storm_of_cancelling_loses_and_doubles_nothing(context: Any, seed: int) -> None:
    """A future that is done when its task is cancelled has its message, which counts as delivered."""
    rng = random.Random(seed)
    total = 400

    async def main() -> None:
        a, b = connect(context, zmq.PUSH, zmq.PULL, tcp=bool(seed % 2), sndhwm=3, rcvhwm=3)
        got: Counter[str] = Counter()
        sent: Counter[str] = Counter()
        ends: list[int] = []

        def keep(counts: Counter[str], name: str | None) -> Callable[[Any], None]:
            def done(future: Any) -> None:
                if not future.cancelled() and future.exception() is None:
                    counts[name or future.result().decode()] += 1

            return done

        async def receive() -> None:
            while not ends or got != sent:
                future = b.recv()
                future.add_done_callback(keep(got, None))
                await asyncio.wait([future], timeout=rng.choice([0, 0.0005, 0.002, 0.05]))
                future.cancel()

        async def send(name: str) -> None:
            while not sent[name]:
                future = a.send(name.encode())
                future.add_done_callback(keep(sent, name))
                try:
                    await asyncio.wait_for(asyncio.shield(future), rng.choice([0.0001, 0.001, 0.01]))
                except asyncio.TimeoutError:
                    future.cancel()
                # Until `keep` was called.
                await turns(2)

        receivers = [asyncio.ensure_future(receive()) for _ in range(5)]
        killed = asyncio.ensure_future(kill_at_random(b, rng, got, keep))
        names = iter([f"{number}" for number in range(total)])

        async def sender() -> None:
            for name in names:
                await send(name)

        await asyncio.gather(*[sender() for _ in range(4)])
        killed.cancel()
        ends.append(1)
        await asyncio.wait([killed, *receivers], timeout=LIMIT / 2)
        await until(lambda: not waits(b))
        assert got == sent == Counter(f"{number}" for number in range(total))
        assert waits(a) == waits(b) == 0

    async def kill_at_random(socket: Any, rng: random.Random, got: Any, keep: Any) -> None:
        """Tasks that are cancelled while they wait."""

        async def receive() -> None:
            future = socket.recv()
            future.add_done_callback(keep(got, None))
            await future

        while True:
            task = asyncio.ensure_future(receive())
            try:
                await asyncio.sleep(rng.choice([0, 0, 0.001]))
            finally:
                task.cancel()
            await asyncio.wait([task])

    run(main())
    assert zmq.green.statistics()["waiting"] == []


# Loops.


def test_sockets_are_made_outside_a_loop(ledger: None) -> None:
    with za.Context() as context:
        a, b = connect(context)

        async def main() -> None:
            received = a.recv()
            await b.send(b"x")
            assert await received == b"x"

        run(main())
        a.close()
        b.close()


@pytest.mark.parametrize("left", [False, True], ids=["nothing-waits", "a-call-still-waits"])
def test_loops_one_after_the_other_use_one_socket(pair: Any, left: bool) -> None:
    a, b = pair
    for number in range(3):

        async def main(number: int = number) -> None:
            received = a.recv()
            await asyncio.sleep(0.01)
            await b.send(b"%d" % number)
            assert await received == b"%d" % number
            if left:
                a.recv()
                a.poll()
                await asyncio.sleep(0.01)

        loop = asyncio.new_event_loop()
        loop.run_until_complete(asyncio.wait_for(main(), LIMIT))
        loop.close()
    a.close()


@pytest.mark.parametrize("number", [1, 6], ids=["few", "many"])
def test_loops_one_after_the_other_use_one_poller(context: Any, number: int) -> None:
    pairs = [connect(context) for _ in range(number)]
    poller = za.Poller()
    for a, _ in pairs:
        poller.register(a, zmq.POLLIN)
    for _ in range(3):

        async def main() -> None:
            polled = poller.poll(LIMIT * 1000)
            await asyncio.sleep(0.01)
            await pairs[0][1].send(b"x")
            assert await polled == [(pairs[0][0], zmq.POLLIN)]
            assert await pairs[0][0].recv() == b"x"
            poller.poll()  # still waits when the loop is closed
            await asyncio.sleep(0.01)

        loop = asyncio.new_event_loop()
        loop.run_until_complete(asyncio.wait_for(main(), LIMIT))
        loop.close()
    for a, _ in pairs:
        poller.unregister(a)


def test_a_loop_that_has_stopped_gives_a_socket_up_to_one_that_runs(pair: Any) -> None:
    a, b = pair
    one, other = asyncio.new_event_loop(), asyncio.new_event_loop()

    async def receive() -> Any:
        return a.recv()

    async def received() -> None:
        future = a.recv()
        await asyncio.sleep(0)
        await b.send(b"other")
        assert await future == b"other"

    future = one.run_until_complete(receive())
    assert not future.done()
    other.run_until_complete(received())
    assert future.cancelled()
    one.run_until_complete(asyncio.sleep(0))
    one.close()
    other.close()


def test_two_loops_of_a_thread_that_run_do_not_share_a_socket(pair: Any) -> None:
    a, _ = pair
    one, other = asyncio.new_event_loop(), asyncio.new_event_loop()

    async def receive() -> None:
        future = a.recv()
        asyncio._set_running_loop(None)
        try:
            with pytest.raises(RuntimeError, match="another event loop"):
                other.run_until_complete(received())
        finally:
            asyncio._set_running_loop(one)
        assert not future.done()
        future.cancel()

    async def received() -> None:
        await a.recv()

    one.run_until_complete(receive())
    one.close()
    other.close()


@pytest.mark.parametrize("number", [0, 1, 6], ids=["native", "few", "many"])
@pytest.mark.parametrize("runs", [False, True], ids=["stopped", "runs"])
def test_a_poller_in_two_loops_of_a_thread(context: Any, number: int, runs: bool) -> None:
    """Refused while both run; a loop that was stopped gives it up."""
    poller = za.Poller()
    one_end, other_end = native.socketpair()
    sockets = [connect(context)[0] for _ in range(number)] or [one_end]
    for socket in sockets:
        poller.register(socket, zmq.POLLIN)
    one, other = asyncio.new_event_loop(), asyncio.new_event_loop()

    async def poll() -> Any:
        future = poller.poll(LIMIT * 1000)
        if runs:
            asyncio._set_running_loop(None)
            try:
                with pytest.raises(RuntimeError, match="another event loop"):
                    other.run_until_complete(polled())
            finally:
                asyncio._set_running_loop(one)
            future.cancel()
        return future

    async def polled() -> Any:
        return await poller.poll(10)

    future = one.run_until_complete(poll())
    one.run_until_complete(asyncio.sleep(0))
    assert other.run_until_complete(polled()) == []
    assert future.cancelled()
    one.run_until_complete(asyncio.sleep(0))
    one.close()
    other.close()
    one_end.close()
    other_end.close()
    for socket in sockets:
        poller.unregister(socket)


def test_async_with_closes_and_lets_others_run(ledger: None) -> None:
    async def main() -> None:
        ticks: list[int] = []

        async def tick() -> None:
            while True:
                ticks.append(1)
                await asyncio.sleep(0.001)

        async with za.Context() as context:
            async with context.socket(zmq.PAIR) as a:
                a.bind("tcp://127.0.0.1:*")
                async with context.socket(zmq.PAIR) as b:
                    b.connect(a.last_endpoint)
                    await b.send(b"x")
                    assert await a.recv() == b"x"
                assert b.closed
            assert a.closed and not context.closed
            # Lingers: its peer is not there.
            with context.socket(zmq.PUSH) as push:
                push.linger = 100
                push.connect("tcp://127.0.0.1:9")
                await push.send(b"x")
            ticker = asyncio.ensure_future(tick())
        assert context.closed and len(ticks) > 5
        ticker.cancel()
        with pytest.warns(ResourceWarning, match="not closed"):
            async with za.Context() as context:
                left = context.socket(zmq.PAIR)
        assert left.closed and context.closed

    run(main())


def test_a_socket_that_another_thread_waits_for_is_refused(pair: Any) -> None:
    a, _ = pair
    waiting, done = threading.Event(), threading.Event()

    async def main() -> None:
        received = a.recv()
        waiting.set()
        while not done.is_set():
            await asyncio.sleep(0.001)
        received.cancel()

    thread = threading.Thread(target=run, args=(main(),))
    thread.start()
    try:
        assert waiting.wait(LIMIT)

        async def other() -> None:
            with pytest.raises(RuntimeError, match="another thread"):
                await a.recv()

        run(other())
    finally:
        done.set()
        thread.join(LIMIT)
    assert not thread.is_alive()


@pytest.mark.parametrize("tcp", [False, True], ids=["inproc", "tcp"])
def test_loops_of_several_threads_talk_to_each_other(context: Any, tcp: bool) -> None:
    """Each thread has a loop: a client, or a server whose tasks share a socket and a poller."""
    pairs = [connect(context, zmq.DEALER, zmq.ROUTER, tcp) for _ in range(3)]
    results: list[list[int]] = []

    async def ask(socket: Any) -> None:
        answers = []
        for number in range(200):
            await socket.send(b"%d" % number)
            answers.append(int(await socket.recv()))
        results.append(answers)

    async def answer(socket: Any) -> None:
        poller = za.Poller()
        poller.register(socket, zmq.POLLIN)
        served = 0

        async def serve() -> None:
            nonlocal served
            while served < 200:
                await poller.poll(20)
                try:
                    message = await socket.recv_multipart(zmq.NOBLOCK)
                except zmq.Again:
                    continue
                served += 1
                await socket.send_multipart(message)

        await asyncio.gather(serve(), serve())
        poller.unregister(socket)

    mains = [main for a, b in pairs for main in (ask(a), answer(b))]
    threads = [threading.Thread(target=run, args=(main,)) for main in mains]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LIMIT)
    assert not any(thread.is_alive() for thread in threads)
    assert results == [list(range(200))] * 3


class CountingSelector(selectors.DefaultSelector):  # type: ignore[misc, valid-type]
    """Counts how often the loop looked."""

    looks = 0

    def select(self, timeout: float | None = None) -> Any:
        self.looks += 1
        return super().select(timeout)


def test_an_await_that_need_not_wait_does_not_visit_the_loop(pair: Any, unhurried: None) -> None:
    a, b = pair
    selector = CountingSelector()
    loop = asyncio.SelectorEventLoop(selector)

    async def main() -> None:
        poller = za.Poller()
        poller.register(a, zmq.POLLIN)
        before = selector.looks
        for _ in range(100):
            await b.send(b"x")
            assert await a.poll() == zmq.POLLIN
            assert await poller.poll() == [(a, zmq.POLLIN)]
            assert await a.recv() == b"x"
            await b.send_json(1)
            assert await a.recv_json() == 1
        assert selector.looks == before
        poller.unregister(a)

    loop.run_until_complete(asyncio.wait_for(main(), LIMIT))
    loop.close()


def test_nothing_stays_registered_with_the_loop(pair: Any) -> None:
    a, b = pair
    selector = CountingSelector()
    loop = asyncio.SelectorEventLoop(selector)
    before = len(selector.get_map())

    async def main() -> None:
        received, polled = a.recv(), a.poll()
        await asyncio.sleep(0.01)
        assert len(selector.get_map()) > before
        await b.send(b"x")
        await received
        polled.cancel()
        await until(lambda: len(selector.get_map()) == before)
        looks = selector.looks
        await asyncio.sleep(0.05)
        assert selector.looks <= looks + 3

    loop.run_until_complete(asyncio.wait_for(main(), LIMIT))
    assert len(selector.get_map()) == before
    loop.close()


def test_an_idle_receive_lets_the_loop_sleep(pair: Any) -> None:
    a, _ = pair
    selector = CountingSelector()
    loop = asyncio.SelectorEventLoop(selector)

    async def main() -> None:
        received = a.recv()
        await asyncio.sleep(0.01)
        looks = selector.looks
        await asyncio.sleep(0.1)
        assert selector.looks <= looks + 3
        received.cancel()

    loop.run_until_complete(asyncio.wait_for(main(), LIMIT))
    loop.close()


@pytest.fixture
def uvloop() -> Any:
    module = pytest.importorskip("uvloop")
    module.new_event_loop().close()  # what the first one opens stays open
    return module


def test_a_loop_of_uvloop_serves(uvloop: Any, pair: Any) -> None:
    a, b = pair

    async def main() -> None:
        polled = a.poll()
        await asyncio.sleep(0.01)
        await b.send(b"x")
        assert await polled == zmq.POLLIN
        assert await a.recv() == b"x"
        a.rcvtimeo = 10
        with pytest.raises(zmq.Again):
            await a.recv()
        tasks = asyncio.gather(*[b.send(b"%d" % number) for number in range(500)])
        assert [await a.recv() for _ in range(500)] == [b"%d" % number for number in range(500)]
        await tasks

    loop = uvloop.new_event_loop()
    loop.run_until_complete(asyncio.wait_for(main(), LIMIT))
    loop.close()


# Turns of others: calls that need not wait do not keep the loop from running for longer than the budget.

#: Calls between two looks at the clock.
FUEL = 64
#: What is awaited without end: how much at a time, and how often that is before others must have had their turn. A call
#: looks at the clock at last after the fuel is used up, and it is the second look that says how long the first is ago.
AT_ONCE = 3 * FUEL


@pytest.fixture
def unhurried() -> Iterator[None]:
    """No budget: nobody yields, however long the machine takes."""
    before = zmq.get_budget()
    zmq.set_budget(0)
    yield
    zmq.set_budget(before)


@pytest.fixture
def no_time() -> Iterator[None]:
    """A budget that is over as soon as it is looked at again."""
    before = zmq.get_budget()
    zmq.set_budget(1e-9)
    yield
    zmq.set_budget(before)


async def suppressed(awaitable: Any) -> None:
    with pytest.raises(zmq.ZMQError):
        await awaitable


BUSY: dict[str, tuple[int, int, Callable[[Any], Any]]] = {
    # The sockets; whether there have to be messages; what is called again and again.
    "send to nobody": (zmq.PUB, 0, lambda s: s.a.send(b"x")),
    "send": (zmq.PUSH, 0, lambda s: s.a.send(b"x")),
    "send_multipart": (zmq.PUSH, 0, lambda s: s.a.send_multipart([b"x", b"y"])),
    "send_string": (zmq.PUSH, 0, lambda s: s.a.send_string("x")),
    "send_json": (zmq.PUSH, 0, lambda s: s.a.send_json(1)),
    "send_many": (zmq.PUSH, 0, lambda s: s.a.send_many([b"x"])),
    "recv": (zmq.PUSH, 1, lambda s: s.b.recv()),
    "frames": (zmq.PUSH, 1, lambda s: s.b.recv(copy=False)),
    "recv_multipart": (zmq.PUSH, 1, lambda s: s.b.recv_multipart()),
    "recv_into": (zmq.PUSH, 1, lambda s: s.b.recv_into(bytearray(3))),
    "recv_string": (zmq.PUSH, 1, lambda s: s.b.recv_string()),
    "recv_many": (zmq.PUSH, 1, lambda s: s.b.recv_many(1)),
    "poll": (zmq.PUSH, 1, lambda s: s.b.poll()),
    "poll for room": (zmq.PUSH, 0, lambda s: s.a.poll(flags=zmq.POLLOUT)),
    "Poller": (zmq.PUSH, 1, lambda s: s.poller.poll()),
    "in vain": (zmq.PULL, 0, lambda s: suppressed(s.a.recv())),
    "a send in vain": (zmq.DEALER, 0, lambda s: suppressed(s.lonely.send(b"x"))),
    "an error": (zmq.PUSH, 0, lambda s: suppressed(s.a.recv())),
    "another error": (zmq.PULL, 0, lambda s: suppressed(s.a.send(b"x"))),
}


def busy_sockets(context: Any, form: str) -> Any:
    kind, full, _ = BUSY[form]
    other = {zmq.PUSH: zmq.PULL, zmq.PULL: zmq.PUSH, zmq.PUB: zmq.SUB, zmq.DEALER: zmq.DEALER}[kind]
    a, b, lonely = (context.socket(each) for each in (kind, other, zmq.DEALER))
    a.sndhwm = b.rcvhwm = 0
    a.linger = b.linger = 0
    a.bind(f"inproc://asyncio-{next(numbers)}")
    if kind != zmq.PUB:
        b.connect(a.get_string(zmq.LAST_ENDPOINT))
    poller = za.Poller()
    poller.register(b, zmq.POLLIN)
    lonely.sndtimeo = a.rcvtimeo = 0
    if full:
        zmq.Socket.shadow(a).send_many([b"x"] * (12 * AT_ONCE))
    return SimpleNamespace(a=a, b=b, poller=poller, lonely=lonely)


@every_loop
@pytest.mark.parametrize("form", BUSY)
def test_what_need_not_wait_lets_others_have_their_turn(
    context: Any, form: str, new_loop: Callable[[], Any], no_time: None
) -> None:
    busy, call = busy_sockets(context, form), BUSY[form][2]
    ran: list[int] = []
    calls = 0

    async def main() -> None:
        nonlocal calls
        loop = asyncio.get_running_loop()

        def others() -> None:
            ran.append(calls)
            loop.call_soon(others)

        loop.call_soon(others)
        await asyncio.sleep(0)
        while calls < 10 * AT_ONCE:
            await call(busy)
            calls += 1

    run_on(new_loop(), main())
    gaps = [after - before for before, after in zip(ran, [*ran[1:], calls], strict=True)]
    assert max(gaps) <= AT_ONCE


@pytest.mark.parametrize("form", BUSY)
def test_without_a_budget_nobody_yields(context: Any, form: str) -> None:
    busy, call = busy_sockets(context, form), BUSY[form][2]
    ran: list[int] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()
        loop.call_soon(ran.append, 1)
        for _ in range(4 * AT_ONCE):
            await call(busy)
        assert ran == []

    before = zmq.get_budget()
    zmq.set_budget(0)
    try:
        run(main())
    finally:
        zmq.set_budget(before)


def test_calls_that_shall_not_wait_do_not_yield(context: Any, no_time: None) -> None:
    async def main() -> None:
        a, b = connect(context, zmq.PUSH, zmq.PULL, sndhwm=0, rcvhwm=0)
        for _ in range(4 * AT_ONCE):
            assert a.send(b"x", zmq.NOBLOCK).done() and b.recv(zmq.NOBLOCK).done() and b.poll(0).done()
            assert b.recv(zmq.NOBLOCK).exception() is not None

    run(main())


@pytest.mark.parametrize("form", ["send", "recv"])
def test_nobody_yields_within_a_message(context: Any, form: str, no_time: None) -> None:
    """Others might send something between its frames, or receive the rest."""

    async def main() -> None:
        a, b = connect(context, zmq.PUSH, zmq.PULL, sndhwm=0, rcvhwm=0)
        frames = 8 * AT_ONCE
        waiting = [a.send(b"x", zmq.SNDMORE) for _ in range(frames)] if form == "send" else []
        assert all(future.done() for future in waiting)
        if form == "recv":
            zmq.Socket.shadow(a).send_multipart([b"x"] * frames)
            await b.recv()
            waiting = [b.recv() for _ in range(frames - 2)]
            assert all(future.done() for future in waiting)
            assert await b.recv() == b"x"
        else:
            await a.send(b"y")
            assert len(await b.recv_multipart()) == frames + 1

    run(main())


class LoneHub:
    """A hub that a test lets run."""

    def __init__(self) -> None:
        self.callbacks: list[Callable[[], object]] = []
        self.slice = Slice(self.callbacks.append)
        self.alive = True

    def is_alive(self) -> bool:
        return self.alive


def test_a_loop_that_ran_has_a_new_slice(no_time: None) -> None:
    hub = LoneHub()
    for _ in range(3):
        assert not is_time_to_yield(hub)
        assert is_time_to_yield(hub) and is_time_to_yield(hub)
        # However often it was looked: the loop has one thing to do for it.
        (ran,) = hub.callbacks
        hub.callbacks.clear()
        ran()
    zmq.set_budget(1000)
    assert not is_time_to_yield(hub) and not is_time_to_yield(hub)
    zmq.set_budget(0)
    assert not is_time_to_yield(hub)
    zmq.set_budget(1e-9)
    hub.alive = False
    assert not is_time_to_yield(hub)


async def put_off(call: Callable[[], Any]) -> Any:
    """Make calls until one is to end in the loop's next turn; return its future."""
    for _ in range(2 * AT_ONCE):
        future = call()
        if not future.done():
            return future
    raise AssertionError("nobody yields")


@every_loop
@pytest.mark.parametrize("form", [form for form in FORMS if form != "into"])
@pytest.mark.parametrize("turn", range(5))
def test_a_receive_that_is_put_off_loses_nothing_when_cancelled(
    context: Any, form: str, turn: int, new_loop: Callable[[], Any], no_time: None
) -> None:
    message, send, recv = FORMS[form]
    a, b = connect(context, zmq.PUSH, zmq.PULL, sndhwm=0, rcvhwm=0)

    async def main() -> None:
        for _ in range(3 * AT_ONCE):
            await send(a, message, zmq.NOBLOCK)
        got = 0

        async def receive() -> None:
            nonlocal got
            done = True
            while done:
                future = recv(b)
                done = future.done()
                assert await future == message
                got += 1

        task = asyncio.ensure_future(receive())
        await turns(turn)
        assert got < 3 * AT_ONCE, "nobody was put off"
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        while got < 3 * AT_ONCE:
            assert await asyncio.wait_for(recv(b), LIMIT) == message
            got += 1
        with pytest.raises(zmq.Again):
            await recv(b, zmq.NOBLOCK)

    run_on(new_loop(), main())


def test_a_receive_that_is_put_off_keeps_its_place(context: Any, no_time: None) -> None:
    async def main() -> None:
        a, b = connect(context, zmq.PUSH, zmq.PULL, sndhwm=0, rcvhwm=0)
        await a.send_many([b"%d" % number for number in range(4 * AT_ONCE)])
        futures: list[Any] = []

        def receive() -> Any:
            futures.append(b.recv())
            return futures[-1]

        await put_off(receive)
        futures += [b.recv() for _ in range(AT_ONCE)]
        assert not any(future.done() for future in futures[-AT_ONCE:])
        assert await asyncio.gather(*futures) == [b"%d" % number for number in range(len(futures))]

    run(main())


@pytest.mark.parametrize("end", ["close", "cancel", "await"])
def test_a_send_that_is_put_off_was_made(context: Any, end: str, no_time: None) -> None:
    """Its future is told later; but programs do not await every send, and close the socket next."""

    async def main() -> None:
        a, b = connect(context, zmq.PUSH, zmq.PULL, sndhwm=0, rcvhwm=0)
        a.linger = -1
        count = 0

        def send() -> Any:
            nonlocal count
            count += 1
            return a.send(b"%d" % count)

        future = await put_off(send)
        if end == "close":
            a.close()
        if end == "cancel":
            assert future.cancel()
        else:
            assert await future is None
        assert [await b.recv() for _ in range(count)] == [b"%d" % (number + 1) for number in range(count)]

    run(main())


def test_a_receive_that_is_put_off_ends_with_its_socket(context: Any, no_time: None) -> None:
    async def main() -> None:
        a, b = connect(context, zmq.PUSH, zmq.PULL, sndhwm=0, rcvhwm=0)
        await a.send_many([b"x"] * AT_ONCE * 2)
        future = await put_off(b.recv)
        b.close()
        await turns()
        assert future.cancelled()

    run(main())


def test_one_that_has_no_time_receives_what_is_there(context: Any, no_time: None) -> None:
    """With a time-out of 0 a receive that is put off still makes its one attempt, and waits no longer."""

    async def main() -> None:
        a, b = connect(context, zmq.PUSH, zmq.PULL, sndhwm=0, rcvhwm=0)
        b.rcvtimeo = 0
        await a.send_many([b"x"] * AT_ONCE * 2)
        future = await put_off(b.recv)
        assert waits(b) == 1 and await future == b"x"
        future = await put_off(b.recv)
        while zmq.Socket.shadow(b).poll(0):
            zmq.Socket.shadow(b).recv()
        with pytest.raises(zmq.Again):
            await asyncio.wait_for(future, LIMIT)
        assert waits(b) == 0

    run(main())


@every_loop
@pytest.mark.parametrize("turn", range(6))
def test_a_batch_that_is_cancelled_counts_what_was_sent(
    context: Any, turn: int, new_loop: Callable[[], Any], no_time: None
) -> None:
    a, b = connect(context, zmq.PUSH, zmq.PULL, sndhwm=0, rcvhwm=0)
    batch = [b"%d" % number for number in range(20 * AT_ONCE)]

    async def main() -> None:
        sent: list[int] = []

        async def send() -> None:
            try:
                sent.append(await a.send_many(batch))
            except asyncio.CancelledError as error:
                sent.append(getattr(error, "sent", 0))
                raise

        task = asyncio.ensure_future(send())
        await turns(turn)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert not sent or sent[0] < len(batch), "nobody had a turn"
        assert (sent or [0]) == [len(zmq.Socket.shadow(b).recv_many(len(batch), timeout=0))]

    run_on(new_loop(), main())


def test_a_send_of_a_batch_that_was_made_is_counted(
    context: Any, no_time: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A batch lets others have their turn between two sends, and is told of each at once."""
    monkeypatch.setattr(za, "is_time_to_yield", lambda hub: False)

    async def main() -> None:
        a, b = connect(context, zmq.PUSH, zmq.PULL, sndhwm=0, rcvhwm=0)
        sent = 0

        async def send() -> None:
            nonlocal sent
            for _ in range(2 * AT_ONCE):
                try:
                    sent += await a.send_many([b"x"])
                except asyncio.CancelledError as error:
                    sent += getattr(error, "sent", 0)
                    raise

        task = asyncio.ensure_future(send())
        await turns(1)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert sent == len(zmq.Socket.shadow(b).recv_many(3 * AT_ONCE, timeout=0))

    run(main())


def test_a_batch_ends_when_others_shall_have_their_turn(context: Any, no_time: None) -> None:
    async def main() -> None:
        a, b = connect(context, zmq.PUSH, zmq.PULL, sndhwm=0, rcvhwm=0)
        zmq.Socket.shadow(a).send_many([b"%d" % number for number in range(10 * AT_ONCE)])
        got: list[bytes] = []
        while len(got) < 10 * AT_ONCE:
            batch = await b.recv_many(100_000)
            assert 0 < len(batch) <= AT_ONCE
            got += batch
        assert got == [b"%d" % number for number in range(len(got))]

    run(main())


# Shadows.


def test_a_shadow_of_a_plain_socket_is_awaitable(ledger: None) -> None:
    with zmq.Context() as context:
        plain, other = connect(context)
        shadow = za.Socket.from_socket(plain)

        async def main() -> None:
            received = shadow.recv()
            await turns()
            other.send(b"1")
            assert await received == b"1"
            await shadow.send(b"2")
            assert other.recv() == b"2"

        run(main())
        assert not plain.closed
        plain.close()
        other.close()


@pytest.mark.parametrize("module", [zmq, zmq.green], ids=["plain", "green"])
def test_another_use_of_the_same_socket_does_not_swallow_the_news(pair: Any, module: Any) -> None:
    a, b = pair
    other = module.Socket.shadow(a)

    async def main() -> None:
        for number in range(100):
            received = a.recv()
            await turns()
            await b.send(b"%d" % number)
            other.get(zmq.EVENTS)  # stills the bell
            other.send(b"back")
            assert await received == b"%d" % number
            assert await b.recv() == b"back"

    run(main())


# Pollers.


def test_a_poller_of_few_and_of_many_sockets(context: Any) -> None:
    async def main(number: int) -> None:
        pairs = [connect(context) for _ in range(number)]
        poller = za.Poller()
        for a, _ in pairs:
            poller.register(a, zmq.POLLIN)
        assert await poller.poll(0) == []
        assert await poller.poll(10) == []
        for a, b in pairs:
            polled, again = poller.poll(), poller.poll(LIMIT * 1000)
            await turns()
            assert not polled.done()
            await b.send(b"x")
            assert await polled == await again == [(a, zmq.POLLIN)]
            await a.recv()
        cancelled, other = poller.poll(), poller.poll()
        await turns()
        cancelled.cancel()
        await turns()
        await pairs[0][1].send(b"x")
        assert await other == [(pairs[0][0], zmq.POLLIN)]
        for a, _ in pairs:
            poller.unregister(a)

    for number in (1, 4, 5, 12):
        run(main(number))


def test_two_pollers_of_one_socket(pair: Any) -> None:
    async def main() -> None:
        a, b = pair
        pollers = [za.Poller(), za.Poller()]
        for poller in pollers:
            poller.register(a, zmq.POLLIN)
        polled = [poller.poll() for poller in pollers]
        await turns()
        await b.send(b"x")
        assert await asyncio.gather(*polled) == [[(a, zmq.POLLIN)]] * 2
        assert await a.recv() == b"x"

    run(main())


@pytest.mark.parametrize("number", [1, 6], ids=["few", "many"])
def test_a_socket_that_is_closed_ends_the_poll(context: Any, number: int) -> None:
    async def main() -> None:
        sockets = [connect(context)[0] for _ in range(number)]
        poller = za.Poller()
        for socket in sockets:
            poller.register(socket, zmq.POLLIN)
        polled = poller.poll()
        await turns()
        sockets[0].close()
        with pytest.raises(zmq.ZMQError) as caught:
            await polled
        assert caught.value.errno == zmq.ENOTSOCK
        poller.unregister(sockets[0])
        assert await poller.poll(0) == []

    run(main())


def test_a_poller_of_native_descriptors(pair: Any) -> None:
    async def main() -> None:
        a, b = pair
        one, other = native.socketpair()
        with one, other:
            poller = za.Poller()
            poller.register(one, zmq.POLLIN)
            poller.register(a, zmq.POLLIN)
            assert await poller.poll(10) == []
            polled = poller.poll()
            await turns()
            other.send(b"x")
            assert await polled == [(one.fileno(), zmq.POLLIN)]
            one.recv(1)
            polled = poller.poll()
            await turns()
            await b.send(b"x")
            assert await polled == [(a, zmq.POLLIN)]
            poller.modify(one, zmq.POLLOUT)
            assert (one.fileno(), zmq.POLLOUT) in await poller.poll()

    run(main())


@pytest.mark.parametrize("number", [0, 2, 6])
@pytest.mark.parametrize("sets", [True, False], ids=["sets", "no sets"])
@pytest.mark.parametrize("name", STATES)
def test_a_poller_says_of_native_descriptors_what_poll_says(context: Any, name: str, sets: bool, number: int) -> None:
    async def main() -> None:
        poller = za.Poller()
        for _ in range(number):
            poller.register(context.socket(zmq.PULL), zmq.POLLIN)
        for mask in MASKS:
            with state(name) as (fd, change):
                told = told_by_poll(fd, mask)
                poller.register(fd, mask)
                polled = poller.poll(-1 if told else 1000 * LIMIT)
                await turns()
                assert polled.done() == bool(told)
                told = told or changed(fd, change, mask)
                if told:
                    assert await polled == [(fd, told)]
                polled.cancel()
                poller.unregister(fd)

    before = bell_set._set_sets(sets)
    try:
        run(main())
    finally:
        bell_set._set_sets(before)


@pytest.mark.parametrize("mask", [zmq.POLLERR, zmq.POLLPRI])
def test_what_nobody_asked_for_does_not_turn_the_loop(mask: int) -> None:
    """There is something to read all the time."""

    async def main() -> None:
        with state("readable_pair") as (fd, _):
            poller = za.Poller()
            poller.register(fd, mask)
            polled = poller.poll()
            await turns(za.TURNS + 5)
            loop = asyncio.get_running_loop()
            assert not loop._ready and not loop._selector.select(0)  # type: ignore[attr-defined]
            polled.cancel()

    run(main())


@pytest.mark.parametrize("number", [1, 6])
def test_a_poller_of_a_socket_and_its_shadow(context: Any, number: int) -> None:
    async def main() -> None:
        pairs = [connect(context) for _ in range(number)]
        one, other = pairs[0]
        shadow = za.Socket.shadow(other)
        poller = za.Poller()
        for socket in [*(b for _, b in pairs), shadow]:
            poller.register(socket, zmq.POLLIN)
        for masks in ((zmq.POLLIN, zmq.POLLIN), (zmq.POLLPRI, zmq.POLLIN), (zmq.POLLIN, zmq.POLLPRI)):
            poller.register(other, masks[0])
            poller.register(shadow, masks[1])
            for _ in range(3):
                assert await poller.poll(1) == []
                polled = poller.poll()
                await turns()
                await one.send(b"1")
                expected = {other: masks[0], shadow: masks[1]}
                assert dict(await polled) == {socket: 1 for socket, mask in expected.items() if mask == zmq.POLLIN}
                assert await other.recv() == b"1"

    run(main())


def test_two_pollers_of_one_native_descriptor() -> None:
    async def main() -> None:
        one, other = native.socketpair()
        with one, other:
            pollers = [za.Poller(), za.Poller()]
            for poller in pollers:
                poller.register(one, zmq.POLLIN)
            polled = [poller.poll() for poller in pollers]
            await turns()
            other.send(b"x")
            assert await asyncio.gather(*polled) == [[(one.fileno(), zmq.POLLIN)]] * 2
            one.recv(1)
            # One that is done, or waits for room, takes nothing away from another.
            pollers[1].register(one, zmq.POLLIN | zmq.POLLOUT)
            polled = [poller.poll() for poller in pollers]
            assert await polled[1] == [(one.fileno(), zmq.POLLOUT)]
            await turns()
            other.send(b"x")
            assert await polled[0] == [(one.fileno(), zmq.POLLIN)]

    run(main())


def test_a_poller_leaves_the_reader_of_a_program_alone() -> None:
    async def main() -> None:
        one, other = native.socketpair()
        with one, other:
            loop = asyncio.get_running_loop()
            heard: list[bytes] = []
            loop.add_reader(one, lambda: heard.append(one.recv(1)))
            poller = za.Poller()
            poller.register(one, zmq.POLLIN)
            assert await poller.poll(10) == []
            polled = poller.poll(LIMIT * 1000)
            await turns()
            other.send(b"x")
            await until(lambda: heard)
            polled.cancel()
            await turns(za.TURNS + 2)
            other.send(b"y")
            await until(lambda: len(heard) == 2)
            assert heard == [b"x", b"y"]
            loop.remove_reader(one)

    run(main())


# The end.


def test_calls_that_wait_are_cancelled_when_the_socket_is_closed(context: Any) -> None:
    async def main() -> None:
        a, _ = connect(context)
        push = context.socket(zmq.PUSH)
        futures = [a.recv(), a.recv_string(), a.recv_multipart(), a.poll(), push.send(b"x"), push.poll(None, 2)]
        await turns()
        a.close()
        push.close()
        await asyncio.wait(futures)
        assert all(future.cancelled() for future in futures)
        with pytest.raises(zmq.ZMQError) as caught:
            await a.recv()
        assert caught.value.errno == zmq.ENOTSOCK

    run(main())


def test_term_ends_the_calls_that_wait(ledger: None) -> None:
    async def main() -> None:
        context = za.Context()
        a, b = connect(context)
        push = context.socket(zmq.PUSH)
        poller = za.Poller()
        poller.register(b, zmq.POLLIN)
        futures = [a.recv(), a.recv_json(), push.send(b"x"), b.poll(), poller.poll()]
        await turns()
        thread = threading.Thread(target=context.term)
        thread.start()
        await asyncio.wait(futures)
        assert [type(future.exception()) for future in futures] == [zmq.ContextTerminated] * 5
        poller.unregister(b)
        for socket in (a, b, push):
            socket.close()
        thread.join(LIMIT)
        assert not thread.is_alive()

    run(main())


def test_a_full_peer_of_a_router_neither_spins_nor_holds_others_up(context: Any) -> None:
    selector = CountingSelector()
    loop = asyncio.SelectorEventLoop(selector)

    async def main() -> None:
        router = context.socket(zmq.ROUTER)
        router.sndhwm, router.linger, router.router_mandatory = 2, 0, True
        router.bind(f"inproc://asyncio-{next(numbers)}")
        full, other = context.socket(zmq.DEALER), context.socket(zmq.DEALER)
        for name, dealer in ((b"full", full), (b"other", other)):
            dealer.rcvhwm, dealer.linger, dealer.routing_id = 1, 0, name
            dealer.connect(router.get_string(zmq.LAST_ENDPOINT))
            await dealer.send(b"hello")
            await router.recv_multipart()
        sends = []
        while not sends or sends[-1].done():
            sends.append(router.send_multipart([b"full", b"%d" % len(sends)]))
        sends.append(router.send_multipart([b"full", b"%d" % len(sends)]))
        for number in range(100):
            await router.send_multipart([b"other", b"%d" % number])
            assert await other.recv() == b"%d" % number
        looks = selector.looks
        await asyncio.sleep(0.3)
        assert selector.looks < looks + 30
        assert not sends[-1].done()
        assert [await full.recv() for _ in sends] == [b"%d" % number for number in range(len(sends))]
        await asyncio.gather(*sends)

    loop.run_until_complete(asyncio.wait_for(main(), LIMIT))
    loop.close()


def test_a_monitor_is_awaitable(context: Any) -> None:
    async def main() -> None:
        a = context.socket(zmq.REP)
        monitor = a.get_monitor_socket(zmq.EVENT_LISTENING)
        received = recv_monitor_message(monitor)
        a.bind("tcp://127.0.0.1:*")
        assert (await received)["event"] == zmq.EVENT_LISTENING
        monitor.recv_multipart().cancel()
        a.disable_monitor()
        a.close()

    run(main())


def test_loops_are_not_kept_alive(ledger: None) -> None:
    import gc
    import weakref

    async def main() -> Any:
        with za.Context() as context:
            a, b = connect(context)
            received = a.recv()
            await turns()
            await b.send(b"x")
            await received
            a.close()
            b.close()
        return weakref.ref(asyncio.get_running_loop())

    loops = [run(main()) for _ in range(3)]
    gc.collect()
    assert [loop() for loop in loops] == [None] * 3


def test_patched_programs_await_as_others_do() -> None:
    program = """
        import zmq.green.monkey
        zmq.green.monkey.patch_all()
        import asyncio, gevent, zmq, zmq.asyncio
        async def main():
            with zmq.asyncio.Context() as context:
                with context.socket(zmq.PAIR) as a, context.socket(zmq.PAIR) as b:
                    a.bind("inproc://x")
                    b.connect("inproc://x")
                    poller = zmq.asyncio.Poller()
                    poller.register(a, zmq.POLLIN)
                    received, polled, all_polled = a.recv(), a.poll(), poller.poll()
                    await asyncio.sleep(0.01)
                    assert not received.done()
                    await b.send(b"x")
                    assert await received == b"x"
                    await asyncio.wait([polled, all_polled], timeout=0.01)
                    polled.cancel(), all_polled.cancel()
                    assert await a.poll(10) == 0
        asyncio.run(asyncio.wait_for(main(), 20))
        print("done")
    """
    command = [sys.executable, "-c", textwrap.dedent(program)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=50)
    assert done.returncode == 0 and done.stdout == "done\n", done.stderr
