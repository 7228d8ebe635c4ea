"""Threads that send the same frames, and read, copy and drop them, all at once."""

from __future__ import annotations

import sys
import threading
from typing import Any

import zmq

ROUNDS = int(sys.argv[1])
SENDERS = 3
#: Inside of the message, in memory of libzmq's, and where copies give the lock up.
SIZES = (10, 1000, 100_000)
FRAMES = [zmq.Frame(bytes([size % 256]) * size, copy=True) for size in SIZES]


def send(context: zmq.Context[Any]) -> None:
    with context.socket(zmq.PUSH) as socket:
        socket.connect("inproc://frames")
        for number in range(ROUNDS):
            socket.send(FRAMES[number % len(FRAMES)], copy=False)
            socket.send_multipart([*FRAMES, b"x" * 50_000], copy=number % 2 == 0)
            for frame in FRAMES:
                assert len(frame.bytes) == len(frame.buffer)


def main() -> None:
    with zmq.Context() as context, context.socket(zmq.PULL) as socket:
        socket.bind("inproc://frames")
        threads = [threading.Thread(target=send, args=(context,)) for _ in range(SENDERS)]
        for thread in threads:
            thread.start()
        for _ in range(2 * ROUNDS * SENDERS):
            parts = socket.recv_multipart(copy=False)
            for part in parts[:3]:
                data = part.bytes
                assert len(data) in SIZES and set(data) == {len(data) % 256}
        for thread in threads:
            thread.join()


main()
print("the end")
