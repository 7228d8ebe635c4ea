"""Pollers with many sockets, one of which is ready."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import zmq

from .common import PAYLOAD, SIZE, Result, WrongMessage, connected, measure, now
from .frontends import FrontEnd, together


@contextmanager
def polled(green: ModuleType, count: int) -> Iterator[tuple[Any, list[tuple[Any, Any]]]]:
    """Give a poller with `count` PULL sockets, and the pairs in a shuffled order that is always the same."""
    with connected(green, zmq.PUSH, zmq.PULL, count) as pairs:
        poller = green.Poller()
        for _, pull in pairs:
            poller.register(pull, zmq.POLLIN)
        random.Random(count).shuffle(pairs)
        yield poller, pairs


def receive_ready(poller: Any, expected: Any) -> None:
    """Poll, and receive from the one socket that is ready."""
    ((pull, _),) = poller.poll()
    if pull is not expected or len(pull.recv()) != SIZE:
        raise WrongMessage


def poll(front_end: FrontEnd, seconds: float, count: int) -> Result:
    """One operation is a send to one of `count` sockets, a poll of all of them that finds it, and the recv."""
    with polled(front_end.zmq, count) as (poller, pairs):

        def run(operations: int) -> float:
            start = now()
            for number in range(operations):
                push, pull = pairs[number % count]
                push.send(PAYLOAD)
                receive_ready(poller, pull)
            return now() - start

        return measure(run, seconds)


def poll_wait(front_end: FrontEnd, seconds: float, count: int) -> Result:
    """The same, but the poll is already waiting when another greenlet sends."""
    with polled(front_end.zmq, count) as (poller, pairs):
        polling = front_end.semaphore(0)

        def send_all(operations: int) -> None:
            for number in range(operations):
                polling.acquire()
                pairs[number % count][0].send(PAYLOAD)

        def receive_all(operations: int) -> None:
            for number in range(operations):
                polling.release()  # does not switch: the sender runs when the poll below lets it
                receive_ready(poller, pairs[number % count][1])

        return measure(together(front_end, send_all, receive_all), seconds)
