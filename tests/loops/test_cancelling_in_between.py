"""Sends of batches, and polls, that are cancelled in the midst of their end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

import zmq
import zmq.asyncio as za
from support.awaiting import connect, run_on, turns, until, waits
from support.every_loop import LOOPS, Ways

pytestmark = pytest.mark.usefixtures("unhurried")


def receive_all(socket: Any) -> list[list[bytes]]:
    """Receive what is there with a shadow that does not wait."""
    got = []
    try:
        while True:
            got.append(socket.recv_multipart(zmq.NOBLOCK))
    except zmq.Again:
        return got


@pytest.mark.parametrize("when", ["sent", "waits"])
@pytest.mark.parametrize("room", [0, 1, 2])
@pytest.mark.parametrize("parts", [1, 2], ids=["frames", "messages"])
def test_a_batch_that_is_cancelled_says_what_was_sent(
    ways: Ways, ledger: None, parts: int, room: int, when: str
) -> None:
    """Also of the message that went between the cancelling and the send that it waited for."""
    context = ways.module.Context()
    push, pull = connect(context, zmq.PUSH, zmq.PULL, sndhwm=1, rcvhwm=1)
    writer, reader = zmq.Socket.shadow(push), zmq.Socket.shadow(pull)
    batch: list[Any] = [b"%d" % number if parts == 1 else [b"%d" % number, b"x"] for number in range(5)]

    async def main() -> None:
        filled = 0
        while writer.poll(0, zmq.POLLOUT):
            writer.send(b"fill")
            filled += 1
        assert filled == 2
        for _ in range(room):
            assert reader.recv() == b"fill"
        sent: list[int] = []

        async def send() -> None:
            try:
                await push.send_many(batch, multipart=parts > 1)
            except asyncio.CancelledError as error:
                sent.append(error.sent)  # type: ignore[attr-defined]
                raise

        task = asyncio.ensure_future(send())
        await until(lambda: waits(push))
        (future,) = push._send_futures
        moment: list[bool] = []
        got: list[list[bytes]] = []
        if when == "sent":
            got.append(reader.recv_multipart())
            # Hears of the room: the send is made in the loop's next turn, where the cancelling is next.
            push.get(zmq.EVENTS)
        asyncio.get_running_loop().call_soon(lambda: moment.extend([future.done(), task.cancel()]))
        await asyncio.wait([task])
        assert moment == [when == "sent", True] and task.cancelled()
        assert sent == [room + (when == "sent")]
        got = [message for message in got + receive_all(reader) if message != [b"fill"]]
        assert got == [[b"%d" % number] + [b"x"] * (parts - 1) for number in range(sent[0])]

    try:
        ways.run(main())
    finally:
        push.close()
        pull.close()
        context.term()


#: Those whose timers tell the loop that they were cancelled.
LOOPS_WITH_TIMERS = {name: new_loop for name, new_loop in LOOPS.items() if name != "uvloop"}


@pytest.mark.parametrize("number", [1, 6], ids=["few", "many"])
@pytest.mark.parametrize("end", ["message", "closed"])
@pytest.mark.parametrize("how", ["task", "future"])
@pytest.mark.parametrize("new_loop", LOOPS_WITH_TIMERS.values(), ids=LOOPS_WITH_TIMERS)
def test_a_poll_that_is_cancelled_while_it_ends(
    context: Any, new_loop: Callable[[], Any], how: str, end: str, number: int
) -> None:
    """As by the handler of a signal, while the timer of its time-out is cancelled: what was told True is cancelled."""
    loop = new_loop()

    async def main() -> None:
        pairs = [connect(context) for _ in range(number)]
        a, b = pairs[0]
        poller = za.Poller()
        for socket, _ in pairs:
            poller.register(socket, zmq.POLLIN)
        await poller.poll(0)  # from the second poll on it keeps an epoll set
        future = poller.poll(1_000_000)

        async def wait() -> Any:
            return await future

        task = asyncio.ensure_future(wait())
        await turns()
        answers: list[bool] = []
        cancelled = loop._timer_handle_cancelled

        def interrupted(handle: Any) -> None:
            if "expire" in repr(handle) and not answers:
                answers.append(task.cancel() if how == "task" else future.cancel())
            cancelled(handle)

        loop._timer_handle_cancelled = interrupted
        if end == "message":
            await b.send(b"x")
        else:
            a.close()
        await asyncio.wait([task])
        assert answers == [True], "the poll was not cancelled in its midst"
        assert task.cancelled() and future.cancelled()
        loop._timer_handle_cancelled = cancelled
        if end == "message":
            assert await poller.poll() == [(a, zmq.POLLIN)] and await a.recv() == b"x"
        for socket, _ in pairs:
            poller.unregister(socket)

    run_on(loop, main())


@contextmanager
def cancelled_with_its_timer(loop: Any, future: Any) -> Iterator[list[bool]]:
    """Have a future cancelled in the moment in which the timer of its time-out is; tell what `cancel` said."""
    answers: list[bool] = []
    cancelled = loop._timer_handle_cancelled

    def interrupted(handle: Any) -> None:
        if "expire" in repr(handle) and not answers:
            answers.append(future.cancel())
        cancelled(handle)

    loop._timer_handle_cancelled = interrupted
    yield answers
    loop._timer_handle_cancelled = cancelled


@pytest.mark.parametrize("form", ["recv", "recv_multipart", "poll"])
@pytest.mark.parametrize("new_loop", LOOPS_WITH_TIMERS.values(), ids=LOOPS_WITH_TIMERS)
def test_a_receive_with_a_time_out_that_is_cancelled_while_it_ends(
    context: Any, new_loop: Callable[[], Any], form: str
) -> None:
    """In the same moment: its message is the next receive's."""
    loop = new_loop()

    async def main() -> None:
        a, b = connect(context, rcvtimeo=1_000_000)
        future = a.poll(1_000_000) if form == "poll" else getattr(a, form)()
        await turns()
        with cancelled_with_its_timer(loop, future) as answers:
            await b.send_multipart([b"1", b"2"])
            await asyncio.wait([future])
        # What it has found need not be given back.
        assert answers == [form != "poll"] == [future.cancelled()]
        assert await a.recv_multipart() == [b"1", b"2"] and await a.poll(0) == 0

    run_on(loop, main())


@pytest.mark.parametrize("new_loop", LOOPS_WITH_TIMERS.values(), ids=LOOPS_WITH_TIMERS)
def test_a_send_with_a_time_out_that_was_made_is_not_cancelled(context: Any, new_loop: Callable[[], Any]) -> None:
    """In the same moment: the message is on its way, and whoever counts would send it twice."""
    loop = new_loop()

    async def main() -> None:
        a, b = context.socket(zmq.PAIR), context.socket(zmq.PAIR)
        a.hwm = b.hwm = 1
        a.sndtimeo = 1_000_000
        a.bind("inproc://sent")
        b.connect("inproc://sent")
        count = 0
        while await a.poll(0, zmq.POLLOUT):
            await a.send(b"full")
            count += 1
        future = a.send(b"last")
        await turns()
        with cancelled_with_its_timer(loop, future) as answers:
            received = [await b.recv() for _ in range(count)]
            await asyncio.wait([future])
        assert answers == [False] == [future.cancelled()]
        assert [*received, await b.recv()] == [b"full"] * count + [b"last"]

    run_on(loop, main())
