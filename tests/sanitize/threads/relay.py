"""Loops of proxies in threads: with a control socket, looked at from outside, and ended in every way there is."""

from __future__ import annotations

import contextlib
import sys
import threading
from typing import Any

import zmq
from zmq.devices import ThreadProxySteerable

ROUNDS = max(1, int(sys.argv[1]) // 10)
MESSAGES = 50


def run(proxy: Any, *sockets: Any) -> None:
    # As its end has it.
    with contextlib.suppress(zmq.ZMQError):
        proxy(*sockets)


def exchange(context: zmq.Context[Any], number: int) -> None:
    """Have messages relayed from one socket to another."""
    with context.socket(zmq.PUSH) as first, context.socket(zmq.PULL) as last:
        first.connect(f"inproc://front-{number}")
        last.connect(f"inproc://back-{number}")
        for _ in range(MESSAGES):
            first.send_multipart([b"a", b"b" * 100])
            assert last.recv_multipart() == [b"a", b"b" * 100]


def relay(number: int, end: str) -> None:
    context = zmq.Context()
    front, back, control = context.socket(zmq.PULL), context.socket(zmq.PUSH), context.socket(zmq.PAIR)
    front.bind(f"inproc://front-{number}")
    back.bind(f"inproc://back-{number}")
    control.bind(f"inproc://control-{number}")
    thread = threading.Thread(target=run, args=(zmq.proxy_steerable, front, back, None, control))
    thread.start()
    exchange(context, number)
    with context.socket(zmq.PAIR) as commands:
        commands.connect(f"inproc://control-{number}")
        for word in (b"PAUSE", b"RESUME", b"STATISTICS"):
            commands.send(word)
        assert len(commands.recv_multipart()) == 8
        zmq.statistics()
        if end == "command":
            commands.send(b"TERMINATE")
    if end == "close":
        front.close()
    elif end == "term":
        thread_of_end = threading.Thread(target=context.term)
        thread_of_end.start()
    thread.join()
    for socket in (front, back, control):
        socket.close(0)
    if end == "term":
        thread_of_end.join()
    context.term()


def device(number: int) -> None:
    """A device that makes its own sockets, in a native thread."""
    steered = ThreadProxySteerable(zmq.PULL, zmq.PUSH, zmq.PUSH, zmq.PAIR)
    steered.daemon = True
    ports = [
        getattr(steered, f"bind_{side}_to_random_port")("tcp://127.0.0.1") for side in ("in", "out", "mon", "ctrl")
    ]
    steered.start()
    with zmq.Context() as context:
        sockets = [context.socket(kind) for kind in (zmq.PUSH, zmq.PULL, zmq.PULL, zmq.PAIR)]
        for socket, port in zip(sockets, ports, strict=True):
            socket.linger = 0
            socket.connect(f"tcp://127.0.0.1:{port}")
        for _ in range(MESSAGES):
            sockets[0].send(b"x")
            assert sockets[1].recv() == sockets[2].recv() == b"x"
        sockets[3].send(b"TERMINATE")
        steered.join()
        for socket in sockets:
            socket.close()


def main() -> None:
    for number in range(ROUNDS):
        for way, end in enumerate(("command", "close", "term")):
            relay(3 * number + way, end)
        if number % 5 == 0:
            device(number)


main()
print("the end")
