"""What `statistics` tells of the tasks of asyncio that wait: as of greenlets, and with their names."""

from __future__ import annotations

import asyncio
import gc
import json
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

import zmq
import zmq.asyncio as za


async def until(condition: Callable[[], Any]) -> Any:
    async with asyncio.timeout(20) if hasattr(asyncio, "timeout") else _NoTimeout():
        while not (found := condition()):
            await asyncio.sleep(0)
    return found


class _NoTimeout:
    async def __aenter__(self) -> None: ...

    async def __aexit__(self, *args: object) -> None: ...


def waiting() -> list[dict[str, Any]]:
    return list(zmq.statistics(objects=True)["waiting"])


async def receive(a: Any, b: Any) -> None:
    await a.recv()


async def receive_in_time(a: Any, b: Any) -> None:
    await asyncio.wait_for(a.recv_multipart(), 60)


async def receive_with_others(a: Any, b: Any) -> None:
    await asyncio.gather(a.recv(), asyncio.sleep(0))


async def receive_first(a: Any, b: Any) -> None:
    await asyncio.wait([a.recv()], return_when=asyncio.FIRST_COMPLETED)


async def shielded(a: Any, b: Any) -> None:
    await asyncio.shield(a.recv())


async def poll_one(a: Any, b: Any) -> None:
    await a.poll()


async def poll_many(a: Any, b: Any) -> None:
    poller = za.Poller()
    poller.register(a, zmq.POLLIN)
    poller.register(b, zmq.POLLIN)
    await poller.poll()


WAYS = [receive, receive_in_time, receive_with_others, receive_first, shielded, poll_one, poll_many]


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_a_task_that_waits_is_named(context: Any, way: Callable[..., Coroutine[Any, Any, None]]) -> None:
    async def program() -> None:
        a, b = context.socket(zmq.DEALER, name="first"), context.socket(zmq.DEALER)
        a.bind("inproc://tasks")
        b.connect("inproc://tasks")
        before = zmq.statistics()
        task = asyncio.create_task(way(a, b), name="worker")
        (found,) = await until(waiting)
        assert (found["kind"], found["waiter"], found["name"]) == ("task", task, "worker")
        assert (found["function"], found["file"]) == (way.__name__, __file__)
        assert found["action"] == ("poll" if "poll" in way.__name__ else "receive")
        assert a in found["sockets"] and found["seconds"] >= 0
        assert json.dumps(zmq.statistics())
        assert zmq.statistics()["parked"] == before["parked"] + 1
        await b.send(b"news")
        await task
        assert zmq.statistics()["woken"] == before["woken"] + 1 and waiting() == []

    asyncio.run(program())


def test_a_call_that_nobody_awaits_is_a_future(context: Any) -> None:
    async def program() -> None:
        socket = context.socket(zmq.PULL)
        future = socket.recv()
        (found,) = waiting()
        assert found["kind"] == "future" and found["waiter"] is future and found["name"] is None
        future.cancel()
        assert waiting() == []

    asyncio.run(program())


@pytest.mark.parametrize("how", ["cancelled", "timed out", "socket closed"])
def test_a_poll_of_many_that_ends_is_not_listed(context: Any, how: str) -> None:
    async def program() -> None:
        sockets = [context.socket(zmq.PULL) for _ in range(2)]
        poller = za.Poller()
        for socket in sockets:
            poller.register(socket, zmq.POLLIN)
        before = zmq.statistics()["expired"]
        future = poller.poll(20 if how == "timed out" else 60_000)
        assert len(waiting()) == 1
        if how == "cancelled":
            future.cancel()
        elif how == "timed out":
            assert await future == []
            assert zmq.statistics()["expired"] == before + 1
        else:
            sockets[0].close()
            with pytest.raises(zmq.ZMQError):
                await future
        assert waiting() == []

    asyncio.run(program())


def test_a_poll_of_a_loop_that_was_dropped_is_not_listed(context: Any) -> None:
    async def program() -> None:
        poller = za.Poller()
        for _ in range(2):
            poller.register(context.socket(zmq.PULL), zmq.POLLIN)
        poller.poll()

    asyncio.run(program())
    gc.collect()
    assert waiting() == []


def test_a_message_that_there_is_no_room_for_is_refused_each_time(context: Any) -> None:
    async def program() -> None:
        a, b = context.socket(zmq.PAIR), context.socket(zmq.PAIR)
        a.hwm = b.hwm = 2
        a.bind("inproc://full")
        b.connect("inproc://full")
        for _ in range(10):
            await a.send_multipart([b"there", b"is room"])
            assert await b.recv_multipart() == [b"there", b"is room"]
        sent = 0
        for _ in range(10):
            try:
                await a.send_multipart([b"%d" % sent, b""], zmq.NOBLOCK)
                sent += 1
            except zmq.Again:
                pass
        assert 0 < sent < 8
        for number in range(sent):
            assert await b.recv_multipart() == [b"%d" % number, b""]
        with pytest.raises(zmq.Again):
            await b.recv_multipart(zmq.NOBLOCK)

    asyncio.run(program())


def test_a_req_whose_receive_timed_out_says_what_to_do(context: Any) -> None:
    async def program() -> None:
        req = context.socket(zmq.REQ)
        req.bind("inproc://nobody")
        router = context.socket(zmq.ROUTER)
        router.connect("inproc://nobody")
        req.rcvtimeo = 5
        await req.send(b"question")
        with pytest.raises(zmq.Again):
            await req.recv()
        for send in (lambda: req.send(b"again"), lambda: req.send_multipart([b"a"]), lambda: req.send_string("x")):
            with pytest.raises(zmq.ZMQError, match=r"REQ_RELAXED and REQ_CORRELATE.*new socket") as caught:
                await send()
            assert caught.value.errno == zmq.EFSM
        # One that has asked nothing before, and has just sent.
        with context.socket(zmq.REQ) as other:
            other.connect("inproc://nobody-either")
            await other.send_multipart([b"a", b"b"])
            with pytest.raises(zmq.ZMQError) as caught:
                await other.send_multipart([b"a", b"b"])
            assert caught.value.errno == zmq.EFSM
        with pytest.raises(zmq.ZMQError, match="this REP has no request to answer"):
            await context.socket(zmq.REP).send(b"x")
        with pytest.raises(zmq.ZMQError, match="this REQ has no request out"):
            await context.socket(zmq.REQ).recv()

    asyncio.run(program())
