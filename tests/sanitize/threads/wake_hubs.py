"""Hubs in several threads: what native threads do for them, and how these tell them that it is done."""

from __future__ import annotations

import contextlib
import os
import sys
import threading

os.environ["EVENTLET_TESTS"] = "1"  # otherwise it warns that it is old

import eventlet
import gevent

import zmq.eventlet
import zmq.green

ROUNDS = max(1, int(sys.argv[1]) // 10)


def lend_and_relay(zmq, spawn, number: int) -> None:
    """Wait for lent memory, for a proxy's loop, which another greenlet closes, and for the end of a context."""
    context = zmq.Context()
    front, back = context.socket(zmq.PULL), context.socket(zmq.PUSH)
    front.bind("inproc://front")
    back.bind("inproc://back")
    first, last = context.socket(zmq.PUSH), context.socket(zmq.PULL)
    first.connect("inproc://front")
    last.connect("inproc://back")
    tracker = first.send(bytes(5000), copy=False, track=True)
    done = spawn(relay, zmq, front, back)
    assert len(last.recv()) == 5000
    tracker.wait(20)
    zmq.statistics()
    if number % 2:
        front.close()
        done()
    for socket in (front, back, first, last):
        socket.close(0)
    context.term()
    done()


def relay(zmq, *sockets) -> None:
    # It may be closed.
    with contextlib.suppress(zmq.ZMQError):
        zmq.proxy(*sockets)


def on_gevent() -> None:
    for number in range(ROUNDS):
        lend_and_relay(zmq.green, lambda *call: gevent.spawn(*call).get, number)
    gevent.get_hub().destroy()


def on_eventlet() -> None:
    for number in range(ROUNDS):
        lend_and_relay(zmq.eventlet, lambda *call: eventlet.spawn(*call).wait, number)


def main() -> None:
    over = threading.Event()
    threads = [threading.Thread(target=run) for run in (on_gevent, on_eventlet, on_gevent)]
    counter = threading.Thread(target=count, args=(over,))
    for thread in [counter, *threads]:
        thread.start()
    for thread in threads:
        thread.join()
    over.set()
    counter.join()


def count(over: threading.Event) -> None:
    while not over.is_set():
        zmq.green.statistics()


main()
print("the end")
