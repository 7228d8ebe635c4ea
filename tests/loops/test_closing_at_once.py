"""Whoever closes a socket finds, when `close` returns, that the futures which waited for it are cancelled."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

import zmq
import zmq.asyncio as za
import zmq.green
from support.awaiting import turns, waits
from support.every_loop import Ways

#: How to close a socket, and whether that ends its context too.
CLOSERS: dict[str, Callable[[Any], object]] = {
    "close": lambda socket: socket.close(),
    "close with linger": lambda socket: socket.close(linger=0),
    "shadow": lambda socket: type(socket).shadow(socket).close(),
    "shadow by its address": lambda socket: za.Socket.shadow(socket.underlying).close(),
    "plain shadow": lambda socket: zmq.Socket.shadow(socket).close(),
    "green shadow": lambda socket: zmq.green.Socket.shadow(socket).close(),
    "with": lambda socket: socket.__exit__(None, None, None),
    "destroy": lambda socket: socket.context.destroy(linger=0),
}

CALLS: dict[str, Callable[[Any], Any]] = {
    "recv": lambda socket: socket.recv(),
    "recv frame": lambda socket: socket.recv(copy=False),
    "recv_multipart": lambda socket: socket.recv_multipart(),
    "recv_into": lambda socket: socket.recv_into(bytearray(9)),
    "recv_string": lambda socket: socket.recv_string(),
    "recv_json": lambda socket: socket.recv_json(),
    "recv_serialized": lambda socket: socket.recv_serialized(list),
    "send": lambda socket: socket.send(b"x"),
    "send_multipart": lambda socket: socket.send_multipart([b"x", b"y"]),
    "poll": lambda socket: socket.poll(),
    "poll for a time": lambda socket: socket.poll(1_000_000),
    "poll to send": lambda socket: socket.poll(None, zmq.POLLOUT),
}


def open_socket(ways: Ways, **options: Any) -> Any:
    """Return a socket without a peer, in a context of its own."""
    socket = ways.module.Context().socket(zmq.PAIR)
    socket.linger = 0
    for name, value in options.items():
        setattr(socket, name, value)
    return socket


@pytest.mark.parametrize("timed", [False, True], ids=["for ever", "with time-outs"])
@pytest.mark.parametrize("closer", CLOSERS)
def test_futures_are_cancelled_when_close_returns(ways: Ways, ledger: None, closer: str, timed: bool) -> None:
    """And what waits for them runs in the loop's next turn, not within `close`."""
    socket = open_socket(ways, **({"rcvtimeo": 1_000_000, "sndtimeo": 1_000_000} if timed else {}))
    context = socket.context

    async def main() -> None:
        futures = [call(socket) for call in CALLS.values()]
        told: list[Any] = []
        for future in futures:
            future.add_done_callback(told.append)
        await turns()
        assert waits(socket) == len(futures) and not any(future.done() for future in futures)
        CLOSERS[closer](socket)
        assert [name for name, future in zip(CALLS, futures, strict=True) if not future.cancelled()] == []
        assert socket.closed and told == []
        for future in futures:
            assert not future.cancel()
            with pytest.raises(asyncio.CancelledError):
                future.result()
        await turns(1)
        assert told == futures
        with pytest.raises(zmq.ZMQError) as caught:
            await socket.recv()
        assert caught.value.errno == zmq.ENOTSOCK

    ways.run(main())
    context.term()


@pytest.mark.parametrize("call", [*CALLS, "recv_many", "send_many"])
@pytest.mark.parametrize("closer", CLOSERS)
def test_a_task_sees_the_end_of_its_socket_where_the_main_task_returns_at_once(
    ways: Ways, ledger: None, closer: str, call: str
) -> None:
    """The loop turns once more then, as for tasks that await a future of asyncio's own that is cancelled."""
    socket = open_socket(ways)
    context = socket.context
    seen: list[str] = []
    tasks: list[Any] = []

    async def serve() -> None:
        try:
            if call in CALLS:
                await CALLS[call](socket)
            elif call == "recv_many":
                await socket.recv_many()
            else:
                await socket.send_many([b"x"])
        except asyncio.CancelledError:
            seen.append("cancelled")
            raise

    async def main() -> None:
        tasks.append(asyncio.ensure_future(serve()))
        await turns()
        assert waits(socket) == 1
        CLOSERS[closer](socket)

    ways.run(main(), limit=None)
    assert seen == ["cancelled"] and tasks[0].cancelled()
    context.term()


def test_several_tasks_end_in_the_order_in_which_they_waited(ways: Ways, ledger: None) -> None:
    socket = open_socket(ways)
    context = socket.context
    ended: list[int] = []

    async def serve(number: int) -> None:
        try:
            await socket.recv()
        finally:
            ended.append(number)

    async def main() -> None:
        tasks = [asyncio.ensure_future(serve(number)) for number in range(5)]
        await turns()
        # One that is cancelled by somebody else is not counted twice.
        tasks[2].cancel()
        socket.close()
        await turns(2)
        assert sorted(ended) == list(range(5)) and [number for number in ended if number != 2] == [0, 1, 3, 4]
        assert all(task.cancelled() for task in tasks)

    ways.run(main())
    context.term()


def test_an_async_with_block_ends_those_who_wait(ways: Ways, ledger: None) -> None:
    socket = open_socket(ways)
    context = socket.context

    async def main() -> None:
        async with socket:
            future = socket.recv()
            await turns()
        assert future.cancelled() and socket.closed

    ways.run(main())
    context.term()
