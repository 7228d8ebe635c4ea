"""Contexts that end, in threads and in the background, while others wait for that or make sockets."""

from __future__ import annotations

import contextlib
import sys
import threading
from typing import Any

import zmq

ROUNDS = max(1, int(sys.argv[1]) // 2)


def receive(socket: zmq.Socket[bytes]) -> None:
    try:
        socket.recv()
    except zmq.ContextTerminated:
        socket.close(0)


def make_sockets(context: zmq.Context[Any]) -> None:
    try:
        while True:
            context.socket(zmq.PAIR).close(0)
    except zmq.ZMQError:
        pass  # it has ended


def terminate_beside_waiters() -> None:
    context = zmq.Context()
    sockets = [context.socket(zmq.PULL) for _ in range(3)]
    threads = [threading.Thread(target=receive, args=(socket,)) for socket in sockets]
    threads += [threading.Thread(target=context.term) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def destroy_beside_makers() -> None:
    context = zmq.Context()
    makers = [threading.Thread(target=make_sockets, args=(context,)) for _ in range(2)]
    for maker in makers:
        maker.start()
    context.destroy(0)
    for maker in makers:
        maker.join()


def drop() -> None:
    """Have a context end in a thread of its own, because nobody has it any more."""
    with contextlib.suppress(zmq.ZMQError):
        socket = zmq.Context().socket(zmq.PUSH)
        socket.linger = 10
        socket.connect("tcp://127.0.0.1:9")
        socket.send(b"lost")


def main() -> None:
    for _ in range(ROUNDS):
        terminate_beside_waiters()
        destroy_beside_makers()
        drop()
        zmq.statistics()


main()
print("the end")
