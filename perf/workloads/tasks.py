"""The workloads of asyncio and of uvloop, its other loop: those of messages.py and polls.py, between tasks."""

from __future__ import annotations

import asyncio
import random
import sys
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from functools import partial
from types import ModuleType
from typing import Any

import zmq

from .common import (
    PAYLOAD,
    SIZE,
    Result,
    Run,
    WrongMessage,
    bind,
    busy_thread,
    connected,
    measure,
    now,
    second_process,
    sockets,
    water_marks,
)
from .messages import per_client

Task = Callable[[int], Coroutine[Any, Any, None]]


@contextmanager
def loop_runs() -> Iterator[Callable[..., Run]]:
    """Give a function that returns a run that does every one of some tasks and waits for all of them."""
    loop = asyncio.new_event_loop()

    def together(*tasks: Task) -> Run:
        async def gather(count: int) -> float:
            start = now()
            await asyncio.gather(*(task(count) for task in tasks))
            return now() - start

        return lambda count: loop.run_until_complete(gather(count))

    try:
        yield together
    finally:
        loop.close()


async def send_all(socket: Any, count: int) -> None:
    for _ in range(count):
        await socket.send(PAYLOAD)


async def receive_all(socket: Any, count: int) -> None:
    for _ in range(count):
        if len(await socket.recv()) != SIZE:
            raise WrongMessage


async def request(socket: Any, count: int) -> None:
    for _ in range(count):
        await socket.send(PAYLOAD)
        if len(await socket.recv()) != SIZE:
            raise WrongMessage


async def reply(socket: Any, count: int) -> None:
    for _ in range(count):
        message = await socket.recv()
        if len(message) != SIZE:
            raise WrongMessage
        await socket.send(message)


async def send_frames(socket: Any, frames: int, count: int) -> None:
    message = [PAYLOAD] * frames
    for _ in range(count):
        await socket.send_multipart(message)


async def receive_frames(socket: Any, frames: int, count: int) -> None:
    sizes = [SIZE] * frames
    for _ in range(count):
        if [*map(len, await socket.recv_multipart())] != sizes:
            raise WrongMessage


def pair(module: ModuleType, seconds: float) -> Result:
    """One operation is a send and a recv, both in the one task."""
    with connected(module, zmq.PUSH, zmq.PULL) as [(push, pull)], loop_runs() as together:

        async def both(count: int) -> None:
            for _ in range(count):
                await push.send(PAYLOAD)
                if len(await pull.recv()) != SIZE:
                    raise WrongMessage

        return measure(together(both), seconds)


def push_pull(module: ModuleType, seconds: float, transport: str, frames: int = 1) -> Result:
    with connected(module, zmq.PUSH, zmq.PULL, transport=transport) as [(push, pull)], loop_runs() as together:
        if frames == 1:
            run = together(partial(send_all, push), partial(receive_all, pull))
        else:
            run = together(partial(send_frames, push, frames), partial(receive_frames, pull, frames))
        return measure(run, seconds)


def push_pull_busy(module: ModuleType, seconds: float) -> Result:
    result: Result = {}
    with busy_thread(result):
        measured = push_pull(module, seconds, transport="inproc")
    return measured | result


def large(module: ModuleType, seconds: float, transport: str, size: int, copy: bool) -> Result:
    payload = bytes(size)
    marks = water_marks(size)
    with connected(module, zmq.PUSH, zmq.PULL, 1, transport, marks) as [(push, pull)], loop_runs() as together:

        async def send(count: int) -> None:
            for _ in range(count):
                await push.send(payload, copy=copy)

        async def receive(count: int) -> None:
            for _ in range(count):
                if len(await pull.recv(copy=copy)) != size:
                    raise WrongMessage

        return measure(together(send, receive), seconds)


def req_rep(module: ModuleType, seconds: float, transport: str, count: int = 1) -> Result:
    with connected(module, zmq.REQ, zmq.REP, count, transport) as pairs, loop_runs() as together:
        tasks = [task for req, rep in pairs for task in (partial(request, req), partial(reply, rep))]
        run = together(*tasks)
        return measure(run, seconds) if count == 1 else per_client(run, seconds, count)


def push_pull_2p(module: ModuleType, seconds: float) -> Result:
    with sockets(module) as open_socket, second_process() as process, loop_runs() as together:
        pull = open_socket(zmq.PULL)
        endpoint = bind(pull, "tcp")
        elapsed = 0.0

        async def receive(count: int) -> None:
            nonlocal elapsed
            process.stdin.write(b"%d %s\n" % (count + 1, endpoint.encode()))
            process.stdin.flush()
            await receive_all(pull, 1)
            start = now()
            await receive_all(pull, count)
            elapsed = now() - start

        run = together(receive)
        return measure(lambda count: (run(count), elapsed)[1], seconds, goes=4)


def send_orders(module: ModuleType) -> None:
    """Be the sending process: every line of stdin says how many messages to send, and where to."""
    with sockets(module) as open_socket, loop_runs() as together:
        push = None
        for line in sys.stdin.buffer:
            count, endpoint = line.split()
            if push is None:
                push = open_socket(zmq.PUSH)
                push.connect(endpoint.decode())
            together(partial(send_all, push))(int(count))


def pub_sub(module: ModuleType, seconds: float, subscribers: int) -> Result:
    with sockets(module) as open_socket, loop_runs() as together:
        publisher = open_socket(zmq.XPUB, 0)
        publisher.setsockopt(zmq.XPUB_VERBOSE, 1)
        endpoint = bind(publisher, "inproc")
        readers = [open_socket(zmq.SUB, 0) for _ in range(subscribers)]
        for reader in readers:
            reader.setsockopt(zmq.SUBSCRIBE, b"")
            reader.connect(endpoint)

        async def hear(count: int) -> None:
            for _ in range(count):
                if await publisher.recv() != b"\1":
                    raise WrongMessage

        together(hear)(subscribers)
        run = together(partial(send_all, publisher), *(partial(receive_all, reader) for reader in readers))
        return per_client(run, seconds, subscribers)


def router(module: ModuleType, seconds: float, clients: int) -> Result:
    with sockets(module) as open_socket, loop_runs() as together:
        server = open_socket(zmq.ROUTER)
        endpoint = bind(server, "inproc")
        dealers = [open_socket(zmq.DEALER) for _ in range(clients)]
        for dealer in dealers:
            dealer.connect(endpoint)

        async def serve(count: int) -> None:
            for _ in range(count * clients):
                client, message = await server.recv_multipart()
                if len(message) != SIZE:
                    raise WrongMessage
                await server.send_multipart([client, message])

        run = together(serve, *(partial(request, dealer) for dealer in dealers))
        return per_client(run, seconds, clients)


def poll(module: ModuleType, seconds: float, count: int) -> Result:
    with connected(module, zmq.PUSH, zmq.PULL, count) as pairs, loop_runs() as together:
        poller = module.Poller()
        for _, pull in pairs:
            poller.register(pull, zmq.POLLIN)
        random.Random(count).shuffle(pairs)

        async def turns(operations: int) -> None:
            for number in range(operations):
                push, pull = pairs[number % count]
                await push.send(PAYLOAD)
                ((ready, _),) = await poller.poll()
                if ready is not pull or len(await pull.recv()) != SIZE:
                    raise WrongMessage

        return measure(together(turns), seconds)


FUNCTIONS: dict[str, Callable[[Any, float], Result]] = {
    "pair": pair,
    "push-pull-inproc": partial(push_pull, transport="inproc"),
    "push-pull-tcp": partial(push_pull, transport="tcp"),
    "push-pull-busy": push_pull_busy,
    "req-rep-inproc": partial(req_rep, transport="inproc"),
    "req-rep-tcp": partial(req_rep, transport="tcp"),
    "req-rep-50": partial(req_rep, transport="inproc", count=50),
    "pub-sub-100-inproc": partial(pub_sub, subscribers=100),
    "router-1": partial(router, clients=1),
    "router-200": partial(router, clients=200),
    "router-2000": partial(router, clients=2000),
    "multipart-4": partial(push_pull, transport="inproc", frames=4),
    "multipart-20": partial(push_pull, transport="inproc", frames=20),
    "64k-copied-inproc": partial(large, transport="inproc", size=1 << 16, copy=True),
    "64k-lent-inproc": partial(large, transport="inproc", size=1 << 16, copy=False),
    "1m-copied-inproc": partial(large, transport="inproc", size=1 << 20, copy=True),
    "1m-lent-inproc": partial(large, transport="inproc", size=1 << 20, copy=False),
    **{f"poller-{n}": partial(poll, count=n) for n in (10, 100, 1000)},
}
#: What the loop has a share in is measured on uvloop too.
ON_UVLOOP = (
    "pair",
    "push-pull-inproc",
    "push-pull-tcp",
    "req-rep-inproc",
    "req-rep-tcp",
    "req-rep-50",
    "router-200",
    "multipart-4",
    "poller-100",
)
