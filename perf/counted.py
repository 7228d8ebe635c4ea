"""The hot paths whose instructions are counted. `instructions.py` runs this under valgrind.

Every path runs some operations, and then twice as many. Before and after them comes a call of `getppid`, which nothing
else calls: valgrind notes there what was executed since the one before.
"""

from __future__ import annotations

import asyncio
import gc
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import ModuleType
from typing import Any

import gevent

import zmq
import zmq.asyncio
import zmq.green

PAYLOAD = bytes(range(32))
OPERATIONS = 400
mark = os.getppid
Count = Callable[[Callable[[int], Any]], None]


@contextmanager
def pairs(module: ModuleType, count: int = 1) -> Iterator[list[tuple[Any, Any]]]:
    with module.Context() as context:
        sockets = [(context.socket(zmq.PAIR), context.socket(zmq.PAIR)) for _ in range(count)]
        for number, (sending, receiving) in enumerate(sockets):
            receiving.bind(f"inproc://{number}")
            sending.connect(f"inproc://{number}")
        yield sockets
        for both in sockets:
            for socket in both:
                socket.close(linger=0)


def send_and_recv(module: ModuleType, count: Count) -> None:
    with pairs(module) as [(sending, receiving)]:

        def run(operations: int) -> None:
            for _ in range(operations):
                sending.send(PAYLOAD)
                receiving.recv()

        count(run)


def failing_recv(module: ModuleType, count: Count) -> None:
    with pairs(module) as [(_, receiving)]:

        def run(operations: int) -> None:
            for _ in range(operations):
                with suppress(zmq.Again):
                    receiving.recv(zmq.NOBLOCK)

        count(run)


def recv_that_waits(module: ModuleType, count: Count) -> None:
    with pairs(module) as [(sending, receiving)]:

        def receive(operations: int) -> None:
            for _ in range(operations):
                receiving.recv()

        def run(operations: int) -> None:
            receiver = gevent.spawn(receive, operations)
            for _ in range(operations):
                gevent.sleep(0)  # the receiver parks
                sending.send(PAYLOAD)
            receiver.join()

        count(run)


def round_trip(module: ModuleType, count: Count) -> None:
    with module.Context() as context:
        server, client = context.socket(zmq.REP), context.socket(zmq.REQ)
        server.bind("inproc://round-trip")
        client.connect("inproc://round-trip")

        def serve() -> None:
            while True:
                server.send(server.recv())

        def ask(operations: int) -> None:
            for _ in range(operations):
                client.send(PAYLOAD)
                client.recv()

        serving = gevent.spawn(serve)
        count(lambda operations: gevent.spawn(ask, operations).join())
        serving.kill()
        server.close(linger=0)
        client.close(linger=0)


def poll_of_100(module: ModuleType, count: Count) -> None:
    with pairs(module, 100) as sockets:
        poller = module.Poller()
        for _, receiving in sockets:
            poller.register(receiving, zmq.POLLIN)

        def run(operations: int) -> None:
            for number in range(operations):
                sending, receiving = sockets[number % 100]
                sending.send(PAYLOAD)
                assert poller.poll() == [(receiving, zmq.POLLIN)]
                receiving.recv()

        count(run)


def multipart(module: ModuleType, count: Count) -> None:
    message = [PAYLOAD] * 4
    with pairs(module) as [(sending, receiving)]:

        def run(operations: int) -> None:
            for _ in range(operations):
                sending.send_multipart(message)
                receiving.recv_multipart()

        count(run)


def asyncio_recv(module: ModuleType, count: Count) -> None:
    loop = asyncio.new_event_loop()
    with pairs(module) as [(sending, receiving)]:

        async def run(operations: int) -> None:
            for _ in range(operations):
                await sending.send(PAYLOAD)
                await receiving.recv()

        count(lambda operations: loop.run_until_complete(run(operations)))
    loop.close()


def asyncio_multipart(module: ModuleType, count: Count) -> None:
    loop = asyncio.new_event_loop()
    message = [PAYLOAD] * 4
    with pairs(module) as [(sending, receiving)]:

        async def run(operations: int) -> None:
            for _ in range(operations):
                await sending.send_multipart(message)
                await receiving.recv_multipart()

        count(lambda operations: loop.run_until_complete(run(operations)))
    loop.close()


def asyncio_round_trip(module: ModuleType, count: Count) -> None:
    loop = asyncio.new_event_loop()
    with module.Context() as context:
        server, client = context.socket(zmq.REP), context.socket(zmq.REQ)
        server.bind("inproc://round-trip")
        client.connect("inproc://round-trip")

        async def serve() -> None:
            while True:
                await server.send(await server.recv())

        async def ask(operations: int) -> None:
            serving = asyncio.ensure_future(serve())
            for _ in range(operations):
                await client.send(PAYLOAD)
                await client.recv()
            serving.cancel()
            await asyncio.wait([serving])

        count(lambda operations: loop.run_until_complete(ask(operations)))
        server.close(linger=0)
        client.close(linger=0)
    loop.close()


PATHS: dict[str, tuple[Callable[[ModuleType, Count], None], ModuleType]] = {
    "send and recv": (send_and_recv, zmq),
    "recv(NOBLOCK) that fails": (failing_recv, zmq),
    "send_multipart and recv_multipart, 4 frames": (multipart, zmq),
    "green send and recv": (send_and_recv, zmq.green),
    "green send_multipart and recv_multipart, 4 frames": (multipart, zmq.green),
    "green recv that waits for another greenlet's send": (recv_that_waits, zmq.green),
    "green REQ and REP": (round_trip, zmq.green),
    "send, poll of 100, recv": (poll_of_100, zmq),
    "green send, poll of 100, recv": (poll_of_100, zmq.green),
    "asyncio send and recv": (asyncio_recv, zmq.asyncio),
    "asyncio send_multipart and recv_multipart, 4 frames": (asyncio_multipart, zmq.asyncio),
    "asyncio REQ and REP": (asyncio_round_trip, zmq.asyncio),
}


def main() -> None:
    zmq.set_budget(0)  # the hub's turns come with the time that passes
    gc.freeze()  # what was imported is not looked at before every path
    for path, module in PATHS.values():

        def count(run: Callable[[int], Any]) -> None:
            run(OPERATIONS)
            gc.collect()
            gc.disable()
            for operations in (OPERATIONS, 2 * OPERATIONS):
                mark()
                run(operations)
                mark()
            gc.enable()

        path(module, count)


if __name__ == "__main__":
    main()
