"""Sockets of `zmq.asyncio`: what is awaited, in which order, and what cancelling, closing and ending do."""

from __future__ import annotations

import asyncio
import random
import subprocess
import sys
import textwrap
import threading
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

import zmq
import zmq.asyncio as za
import zmq.green
from support.awaiting import FORMS, CountingSelector, connect, numbers, run, turns, until, waits
from support.front_ends import LIMIT
from zmq.utils.monitor import recv_monitor_message

# Every form of a send and a receive.


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
            # The same where it has been used, and there is no room or message any more.
            pull.bind("inproc://noblock")
            push.connect("inproc://noblock")
            with pytest.raises(zmq.Again):
                while True:
                    await FORMS[form][1](push, FORMS[form][0], zmq.NOBLOCK)
            with pytest.raises(zmq.Again):
                while True:
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
            a.poll(float("nan"))
        poller = za.Poller()
        poller.register(a, zmq.POLLIN)
        assert await a.poll(-2) == zmq.POLLIN and await poller.poll(-1000) == [(a, zmq.POLLIN)]
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


def test_a_full_peer_of_a_router_neither_spins_nor_holds_others_up(context: Any, unhurried: None) -> None:
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


@pytest.mark.parametrize("copy", [True, False])
def test_what_is_made_of_frames(pair: Any, copy: bool) -> None:
    """The function gets frames where it asks for them, which outlive the call."""
    seen: list[Any] = []

    def load(frames: Any) -> list[bytes]:
        seen.extend(frames)
        return [bytes(frame) for frame in frames]

    async def main() -> None:
        a, b = pair
        for waits_for_it in (True, False):
            if waits_for_it:
                received = asyncio.ensure_future(b.recv_serialized(load, copy=copy))
                await turns()
                await a.send_multipart([b"1", bytes(5000)])
            else:
                await a.send_multipart([b"1", bytes(5000)])
                received = b.recv_serialized(load, copy=copy)
            assert await received == [b"1", bytes(5000)]
        assert {type(frame) for frame in seen} == {bytes if copy else zmq.Frame}
        assert [bytes(frame) for frame in seen] == 2 * [b"1", bytes(5000)]

    run(main())


def test_a_message_nobody_takes_is_refused_at_once(context: Any) -> None:
    async def main() -> None:
        push = context.socket(zmq.PUSH)
        for parts in ([b"1"], [b"1", b"2"]):
            with pytest.raises(zmq.Again):
                await push.send_multipart(parts, zmq.DONTWAIT)
        assert not push._send_futures

    run(main())


def test_what_is_made_of_objects_is_sent_by_a_class_s_own_send(context: Any) -> None:
    sent: list[Any] = []

    class Own(za.Socket):
        def send(self, data: Any, *args: Any, **kwargs: Any) -> Any:
            sent.append(data)
            return super().send(data, *args, **kwargs)

    async def main() -> None:
        with Own(context, zmq.PAIR) as a, za.Socket(context, zmq.PAIR) as b:
            a.bind("inproc://own-send")
            b.connect("inproc://own-send")
            await a.send_string("text")
            await a.send_json({"a": 1})
            await a.send_pyobj(5)
            assert await b.recv_string() == "text"
            assert await b.recv_json() == {"a": 1}
            assert await b.recv_pyobj() == 5
        assert sent[0] == b"text" and len(sent) == 3

    run(main())


def test_a_call_outside_of_loops_warns_and_has_that_of_the_thread(pair: Any) -> None:
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    try:
        a, b = pair
        with pytest.warns(RuntimeWarning, match="No running event loop"):
            received = b.recv()

        async def main() -> bytes:
            await a.send(b"x")
            return await received  # type: ignore[no-any-return]

        assert loop.run_until_complete(main()) == b"x"
        # What need not wait asks for no loop until then: `error` is what warnings are in these tests.
        for number in range(2):
            assert loop.run_until_complete(a.send(b"%d" % number)) is None
            assert loop.run_until_complete(a.poll(0, zmq.POLLOUT)) == zmq.POLLOUT
        assert loop.run_until_complete(b.recv()) == b"0"
        assert loop.run_until_complete(b.recv_multipart()) == [b"1"]
    finally:
        asyncio.set_event_loop(None)
        loop.close()
