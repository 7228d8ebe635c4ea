"""Tornado's loop in the hub of a green framework: it blocks only the greenlet in which it runs."""

from __future__ import annotations

import asyncio
import importlib
import os
import subprocess
import sys
import time
from typing import Any

import pytest

pytest.importorskip("tornado")

from tornado.ioloop import PeriodicCallback

from front_ends import FRONT_ENDS, LIMIT, FrontEnd, wait_until
from zmq.eventloop.zmqstream import ZMQStream

GREEN = [front_end for front_end in FRONT_ENDS if front_end.zmq.Socket._get_hub is not None]


@pytest.fixture(params=GREEN, ids=lambda front_end: front_end.name)
def front_end(request: pytest.FixtureRequest) -> FrontEnd:
    return request.param


def new_loop(front_end: FrontEnd) -> Any:
    module = importlib.import_module(f"{front_end.zmq.__name__}.eventloop.ioloop")
    return module.IOLoop(make_current=False)


def test_an_application_runs_while_greenlets_tick(front_end: FrontEnd, context: Any, zmq: Any) -> None:
    loops: list[Any] = []
    ticks: list[float] = []
    timed: list[int] = []
    got: list[Any] = []
    slept: list[int] = []

    def application() -> None:
        loop = new_loop(front_end)
        loops.append(loop)

        async def main() -> None:
            a, b = context.socket(zmq.PAIR), context.socket(zmq.PAIR)
            a.bind("inproc://application")
            b.connect("inproc://application")
            receiving, sending = ZMQStream(a), ZMQStream(b)
            receiving.on_recv(got.append)
            timer = PeriodicCallback(lambda: timed.append(len(timed)), 5)
            timer.start()
            for number in range(20):
                sending.send(b"%d" % number)
                await asyncio.sleep(0.005)
                slept.append(number)
            before = len(ticks)
            while len(got) < 20 or not timed or len(ticks) < before + 3:
                await asyncio.sleep(0.005)
            timer.stop()
            receiving.close()
            sending.close()

        try:
            loop.run_sync(main, timeout=LIMIT)
        finally:
            loop.close(all_fds=True)

    def tick() -> None:
        while not done:
            ticks.append(time.monotonic())
            front_end.sleep(0.002)

    done: list[int] = []
    ticker = front_end.spawn(tick)
    front_end.spawn(application).get()
    done.append(1)
    ticker.get()
    assert got == [[b"%d" % number] for number in range(20)] and slept == list(range(20))
    assert len(ticks) > 10


def test_loops_run_side_by_side_in_greenlets(front_end: FrontEnd, context: Any, zmq: Any) -> None:
    outside = asyncio._get_running_loop()
    got: list[list[bytes]] = [[], []]

    def application(number: int) -> None:
        loop = new_loop(front_end)

        async def main() -> None:
            while len(got[number]) < 20:
                assert asyncio.get_running_loop() is loop.asyncio_loop
                await asyncio.sleep(0.001)

        stream = ZMQStream(sockets[number], loop)
        stream.on_recv(lambda message: got[number].append(message[0]))
        try:
            loop.run_sync(main, timeout=LIMIT)
        finally:
            stream.close()
            loop.close(all_fds=True)

    sockets = [context.socket(zmq.PULL) for _ in got]
    pushes = [context.socket(zmq.PUSH) for _ in got]
    for number, (push, pull) in enumerate(zip(pushes, sockets, strict=True)):
        pull.bind(f"inproc://side-by-side-{number}")
        push.connect(f"inproc://side-by-side-{number}")
    tasks = [front_end.spawn(application, number) for number in range(len(got))]
    for number in range(20):
        for push in pushes:
            push.send(b"%d" % number)
        front_end.sleep(0.002)
        assert asyncio._get_running_loop() is outside, "a greenlet of no loop saw one"
    for task in tasks:
        task.get()
    assert got == [[b"%d" % number for number in range(20)]] * 2


PRODUCER = """
import sys, time, zmq
with zmq.Context() as context, context.socket(zmq.PUSH) as push:
    push.connect(sys.argv[1])
    for number in range(int(sys.argv[3])):
        while True:
            try:
                push.send_multipart([sys.argv[2].encode(), b"%d" % number], zmq.NOBLOCK)
                break
            except zmq.Again:
                time.sleep(0.001)
"""


@pytest.mark.parametrize("repeat", range(int(os.environ.get("PRODUCER_RUNS", "2"))))
def test_messages_of_many_processes_arrive(front_end: FrontEnd, context: Any, zmq: Any, repeat: int) -> None:
    processes, messages = int(os.environ.get("PRODUCERS", "4")), 200
    got: dict[bytes, list[int]] = {}
    ticks: list[int] = []
    ended: list[int] = []

    def application() -> None:
        loop = new_loop(front_end)

        async def main() -> None:
            pull = context.socket(zmq.PULL)
            pull.bind("tcp://127.0.0.1:*")
            stream = ZMQStream(pull)
            stream.on_recv(lambda message: got.setdefault(message[0], []).append(int(message[1])))
            command = [sys.executable, "-c", PRODUCER, pull.get_string(zmq.LAST_ENDPOINT)]
            producers = [subprocess.Popen([*command, f"{n}", f"{messages}"]) for n in range(processes)]
            try:
                end = time.monotonic() + 2 * LIMIT
                while sum(map(len, got.values())) < processes * messages and time.monotonic() < end:
                    await asyncio.sleep(0.01)
                assert got == {b"%d" % n: list(range(messages)) for n in range(processes)}
                while any(producer.poll() is None for producer in producers):
                    await asyncio.sleep(0.01)
                assert [producer.returncode for producer in producers] == [0] * processes
            finally:
                for producer in producers:
                    producer.kill()
                    producer.wait()
                stream.close()

        try:
            loop.run_sync(main)
        finally:
            loop.close(all_fds=True)
            ended.append(1)

    task = front_end.spawn(application)

    def tick() -> None:
        while not ended:
            ticks.append(1)
            front_end.sleep(0.005)

    ticker = front_end.spawn(tick)
    end = time.monotonic() + 3 * LIMIT
    while not ended and time.monotonic() < end:
        front_end.sleep(0.01)
    task.get()
    ticker.get()
    assert len(ticks) > 3


def test_an_idle_loop_does_not_spin(front_end: FrontEnd, context: Any, zmq: Any) -> None:
    loop = new_loop(front_end)
    looks: list[Any] = []
    selector = loop.asyncio_loop._selector
    select = selector.select

    def counted(timeout: float | None = None) -> Any:
        looks.append(timeout)
        return select(timeout)

    selector.select = counted

    async def main() -> None:
        stream = ZMQStream(context.socket(zmq.DEALER))
        stream.on_recv(print)
        await asyncio.sleep(0.02)
        before = len(looks)
        await asyncio.sleep(0.2)
        assert len(looks) <= before + 5
        stream.close(linger=0)

    def application() -> None:
        try:
            loop.run_sync(main, timeout=LIMIT)
        finally:
            loop.close(all_fds=True)

    task = front_end.spawn(application)
    wait_until(front_end, lambda: looks)
    task.get()
