"""What the calls of `zmq.asyncio` move is counted as that of any other, and so are those that wait or give up."""

from __future__ import annotations

import asyncio
import pickle
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

import zmq
from support.awaiting import FORMS, connect, run, until, waits
from support.waits import fill
from zmq.eventloop.zmqstream import ZMQStream
from zmq.utils import jsonapi

SIZES = {"string": 2, "json": len(jsonapi.dumps({"a": [1]})), "pyobj": len(pickle.dumps({1: {2}})), "multipart": 1}


def moved(socket: Any) -> tuple[int, ...]:
    found = socket.counters()
    return tuple(found[key] for key in ("messages_sent", "bytes_sent", "messages_received", "bytes_received"))


def waited(socket: Any) -> tuple[int, ...]:
    found = socket.counters()
    return tuple(found[key] for key in ("send_again", "send_waits", "receive_again", "receive_waits"))


@pytest.mark.parametrize("form", FORMS)
def test_every_form_counts_what_it_moved(context: Any, form: str) -> None:
    message, send, receive = FORMS[form]

    async def main() -> None:
        a, b = connect(context)
        for times in (1, 2):
            await send(a, message)
            assert await receive(b) == message
            assert moved(a)[:2] == moved(b)[2:] == (times, times * SIZES.get(form, len(message)))
        assert moved(a)[2:] == moved(b)[:2] == (0, 0)
        assert waited(a) == waited(b) == (0, 0, 0, 0)
        receiving = asyncio.ensure_future(receive(b))
        await until(lambda: waits(b))
        await send(a, message)
        assert await receiving == message
        assert moved(b)[2] == 3 and waited(b) == (0, 0, 0, 1)

    run(main())


@pytest.mark.parametrize("form", FORMS)
def test_sends_that_wait(context: Any, form: str) -> None:
    message, send, _ = FORMS[form]

    async def main() -> None:
        a, b = connect(context, hwm=1)
        plain = zmq.Socket.shadow(a.underlying)
        filled = fill(plain)
        assert waited(a) == waited(plain) == (1, 0, 0, 0)
        sending = asyncio.ensure_future(send(a, message))
        await until(lambda: waits(a))
        for _ in range(filled):
            await b.recv()
        await sending
        assert waited(a) == (1, 1, 0, 0) and moved(a)[0] == filled + 1

    run(main())


CALLS: dict[str, tuple[Callable[[Any, int], Any], tuple[int, ...], tuple[int, ...]]] = {
    "recv": (lambda s, f: s.recv(f), (0, 0, 1, 0), (0, 0, 1, 1)),
    "recv_multipart": (lambda s, f: s.recv_multipart(f), (0, 0, 1, 0), (0, 0, 1, 1)),
    "recv_many": (lambda s, f: s.recv_many(flags=f), (0, 0, 0, 0), (0, 0, 0, 1)),
    "send": (lambda s, f: s.send(b"x", f), (1, 0, 0, 0), (1, 1, 0, 0)),
    "send large": (lambda s, f: s.send(bytes(100_000), f), (1, 0, 0, 0), (1, 1, 0, 0)),
    "send_multipart": (lambda s, f: s.send_multipart([b"1", b"2"], f), (1, 0, 0, 0), (1, 1, 0, 0)),
    "send_many": (lambda s, f: s.send_many([b"1"], f), (0, 0, 0, 0), (0, 1, 0, 0)),
}


@pytest.mark.parametrize("milliseconds", [0, 5])
@pytest.mark.parametrize("flags", [0, zmq.NOBLOCK])
@pytest.mark.parametrize("call", CALLS)
def test_calls_that_raise_again(context: Any, call: str, flags: int, milliseconds: int) -> None:
    function, at_once, in_time = CALLS[call]

    async def main() -> None:
        socket = context.socket(zmq.DEALER)
        socket.rcvtimeo = socket.sndtimeo = milliseconds
        with suppress(zmq.Again):
            assert await function(socket, flags) in ([], 0)
        assert waited(socket) == (at_once if flags or not milliseconds else in_time)
        assert moved(socket) == (0, 0, 0, 0)

    run(main())


def test_a_send_that_is_woken_in_vain_goes_on_waiting(context: Any) -> None:
    async def main() -> None:
        a, b = connect(context, hwm=1)
        sender, receiver = (zmq.Socket.shadow(each.underlying) for each in (a, b))
        filled = fill(sender)
        sending = asyncio.ensure_future(a.send(b"x"))
        await until(lambda: waits(a))
        vain = zmq.statistics()["vain"]
        times = 0
        while zmq.statistics()["vain"] == vain:
            # There is room, and before the loop hears of it there is none.
            for _ in range(filled):
                receiver.recv()
            filled = fill(sender)
            times += 1
            await asyncio.sleep(0.002)
        assert waited(a) == (1 + times, 0, 0, 0)
        for _ in range(filled):
            await b.recv()
        await sending
        assert waited(a) == (1 + times, 1, 0, 0)

    run(main())


def test_letting_others_run_is_no_wait(context: Any) -> None:
    async def main() -> None:
        a, b = connect(context)
        sender = zmq.Socket.shadow(a.underlying)
        yields = zmq.statistics()["yields"]
        while zmq.statistics()["yields"] < yields + 5:
            sender.send(b"x")
            assert await b.recv_multipart() == [b"x"]
        assert waited(a) == waited(b) == (0, 0, 0, 0)

    run(main())


def test_batches(context: Any) -> None:
    async def main() -> None:
        a, b = connect(context)
        assert await a.send_many([b"1"] * 100 + [bytes(100_000)]) == 101
        assert len(await b.recv_many()) == 101
        assert await a.send_many([[b"1", b"2"], [b"3"]], multipart=True) == 2
        assert len(await b.recv_many(multipart=True)) == 2
        assert moved(a)[:2] == moved(b)[2:] == (103, 100_103)
        assert waited(a) == waited(b) == (0, 0, 0, 0)

    run(main())


def test_a_message_that_comes_back_is_counted_once(context: Any) -> None:
    async def main() -> None:
        a, b = connect(context)
        for message in ([b"12"], [b"12", b"3"]):
            before = moved(b)
            receiving = asyncio.ensure_future(b.recv_multipart())
            await until(lambda: waits(b))
            zmq.Socket.shadow(a.underlying).send_multipart(message)
            # The bell rings, the message is taken, and whoever waits is not told yet.
            await until(lambda before=before: moved(b) != before)
            receiving.cancel()
            with suppress(asyncio.CancelledError):
                await receiving
            after = moved(b)
            with suppress(zmq.Again):
                await b.recv_multipart(zmq.NOBLOCK)
            assert moved(b) == after == (0, 0, before[2] + 1, before[3] + sum(map(len, message)))

    run(main())


def test_streams(context: Any) -> None:
    async def main() -> None:
        a, b = (zmq.Socket.shadow(each.underlying) for each in connect(context))
        sending, receiving = ZMQStream(a), ZMQStream(b)
        heard: list[Any] = []
        receiving.on_recv(heard.append)
        sending.send_multipart([b"1", b"22"])
        sending.send(b"333")
        await until(lambda: len(heard) == 2)
        assert moved(a) == (2, 6, 0, 0) and moved(b) == (0, 0, 2, 6)
        sending.close()
        receiving.close()

    run(main())
