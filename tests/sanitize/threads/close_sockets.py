"""Sockets that are closed by several threads at once, while others poll, receive, send and count what waits."""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Callable
from typing import Any

import zmq

ROUNDS = int(sys.argv[1])

WAITS: list[Callable[[Any, Any], Any]] = [
    lambda one, other: one.recv(),
    lambda one, other: one.poll(),
    lambda one, other: zmq.select([one, other], [], []),
    lambda one, other: zmq.zmq_poll([(one, zmq.POLLIN), (other, zmq.POLLIN)], -1),
    lambda one, other: poller_of(one, other).poll(),
    lambda one, other: [other.send(b"x") for _ in range(10_000)],
]


def poller_of(*sockets: Any) -> zmq.Poller:
    poller = zmq.Poller()
    for socket in sockets:
        poller.register(socket, zmq.POLLIN)
    return poller


def wait(way: Callable[[Any, Any], Any], begun: threading.Event, *sockets: Any) -> None:
    begun.set()
    # One of them is closed.
    with contextlib.suppress(zmq.ZMQError):
        way(*sockets)


def count(over: threading.Event) -> None:
    while not over.is_set():
        zmq.statistics()


def main() -> None:
    over = threading.Event()
    counter = threading.Thread(target=count, args=(over,))
    counter.start()
    with zmq.Context() as context:
        for number in range(ROUNDS):
            one, other = context.socket(zmq.PAIR), context.socket(zmq.PAIR)
            for socket in (one, other):
                socket.linger = 0
                socket.sndhwm = 10
            begun = threading.Event()
            threads = [threading.Thread(target=wait, args=(WAITS[number % len(WAITS)], begun, one, other))]
            threads[0].start()
            begun.wait()
            closers = [threading.Thread(target=socket.close) for socket in (one, one, other, other)]
            for thread in closers:
                thread.start()
            for thread in threads + closers:
                thread.join()
    over.set()
    counter.join()


main()
print("the end")
