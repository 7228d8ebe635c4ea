"""Calls of `zmq.asyncio` that need not wait do not keep the loop from running for longer than the budget."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest

import zmq
import zmq.asyncio as za
import zmq.green
from support.awaiting import FORMS, connect, numbers, run, run_on, turns, waits
from support.every_loop import every_loop
from support.front_ends import LIMIT
from zmq.core.futures import Slice, is_time_to_yield

#: Calls between two looks at the clock.
FUEL = 64
#: What is awaited without end: how much at a time, and how often that is before others must have had their turn. A call
#: looks at the clock at last after the fuel is used up, and it is the second look that says how long the first is ago.
AT_ONCE = 3 * FUEL


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
    "a poll for nothing": (zmq.PUSH, 0, lambda s: s.a.poll(flags=0)),
    "a Poller of nothing": (zmq.PUSH, 0, lambda s: za.Poller().poll()),
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


@every_loop
@pytest.mark.parametrize("call", ["send", "recv", "poll"])
def test_nobody_goes_on_in_a_turn_whose_time_is_over(
    context: Any, call: str, new_loop: Callable[[], Any], no_time: None
) -> None:
    """Whoever runs in the same turn as one who was put off is put off too: a receive at once, others if they go on."""
    a, b = connect(context, zmq.PUSH, zmq.PULL, sndhwm=0, rcvhwm=0)
    calls = {"send": lambda: a.send(b"x"), "recv": lambda: b.recv(), "poll": lambda: b.poll()}
    done: list[bool] = []

    async def first() -> None:
        await (await put_off(lambda: a.send(b"x")))

    async def others() -> None:
        if call != "recv":
            # It may be all that the task does in this turn.
            one = calls[call]()
            assert one.done()
            await one
        future = calls[call]()
        done.append(future.done())
        await future

    async def main() -> None:
        await a.send_many([b"x"] * 4 * AT_ONCE)
        await asyncio.gather(first(), others(), others())
        assert len(done) == 2 and not any(done)

    run_on(new_loop(), main())


def test_sends_that_nobody_awaits_are_not_put_off_one_by_one(context: Any, no_time: None) -> None:
    """It would let nobody run, and each would cost a callback of the loop."""

    async def main() -> None:
        a, b = connect(context, zmq.PUSH, zmq.PULL, sndhwm=0, rcvhwm=0)
        futures = [a.send(b"%d" % number) for number in range(4 * AT_ONCE)]
        late = [future for future in futures if not future.done()]
        assert len(late) == 1
        assert await asyncio.gather(*futures) == [None] * len(futures)
        assert [await b.recv() for _ in futures] == [b"%d" % number for number in range(len(futures))]
        # Who awaits lets the others run.
        await put_off(lambda: a.send(b"x"))

    run(main())
