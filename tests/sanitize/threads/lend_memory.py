"""Memory that is lent to libzmq by several threads: given back by its threads, waited for, looked at and left out."""

from __future__ import annotations

import sys
import threading
from typing import Any

import zmq

ROUNDS = int(sys.argv[1])
LENDERS = 3


def lend(context: zmq.Context[Any], address: str) -> None:
    with context.socket(zmq.PUSH) as socket:
        socket.connect(address)
        for number in range(ROUNDS):
            data = bytes([number % 256]) * 5000
            tracker = socket.send(data, copy=False, track=True)
            several = socket.send_multipart([data, b"small", data], copy=False, track=True)
            if number % 4 == 0:
                assert tracker is not None and several is not None
                tracker.wait(20)
                several.wait(20)
            elif number % 4 == 1:
                # Not waited for: the native thread gives it back.
                del tracker, several


def main() -> None:
    with zmq.Context() as context, context.socket(zmq.PULL) as socket:
        socket.bind_to_random_port("tcp://127.0.0.1")
        threads = [threading.Thread(target=lend, args=(context, socket.LAST_ENDPOINT)) for _ in range(LENDERS)]
        for thread in threads:
            thread.start()
        for number in range(2 * ROUNDS * LENDERS):
            parts = socket.recv_multipart(copy=number % 2 == 0)
            assert len(parts) in (1, 3)
            if number % 50 == 0:
                zmq.statistics()
        for thread in threads:
            thread.join()
    # What is never received is lent until the end of its context, which is also that of the program.
    left = zmq.Context.instance().socket(zmq.PUSH)
    left.linger = 0
    left.connect("inproc://nobody")
    left.send(bytes(5000), copy=False)


main()
print("the end")
