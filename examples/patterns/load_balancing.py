"""Load balancing: a broker hands each request to the worker that has been free for longest (gevent).

python examples/patterns/load_balancing.py
"""

from __future__ import annotations

from collections import Counter

import gevent
from gevent.queue import Queue

import zmq.green as zmq

READY = b"ready"


def worker(context: zmq.Context, number: int) -> None:
    """Say that there is somebody, then answer; each answer also says that the worker is free again."""
    with context.socket(zmq.REQ) as socket:
        socket.connect("inproc://workers")
        socket.send(READY)
        while True:
            client, empty, task = socket.recv_multipart()
            gevent.sleep(0.001 * number)  # some are slower than others
            socket.send_multipart([client, empty, b"%d did %s" % (number, task)])


def take_answers(front: zmq.Socket, back: zmq.Socket, free: Queue[bytes]) -> None:
    while True:
        who, _, *answer = back.recv_multipart()
        free.put(who)
        if answer != [READY]:
            front.send_multipart(answer)


def hand_out(front: zmq.Socket, back: zmq.Socket, free: Queue[bytes]) -> None:
    while True:
        who = free.get()  # first somebody who can do it, then something to do
        back.send_multipart([who, b"", *front.recv_multipart()])


def client(context: zmq.Context, name: str, done: Counter[bytes]) -> None:
    with context.socket(zmq.REQ) as socket:
        socket.connect("inproc://clients")
        for number in range(10):
            socket.send_string(f"{name}{number}")
            who, did, task = socket.recv().split()
            assert did == b"did" and task.decode() == f"{name}{number}"
            done[who] += 1


def main() -> None:
    with zmq.Context() as context, context.socket(zmq.ROUTER) as front, context.socket(zmq.ROUTER) as back:
        front.bind("inproc://clients")
        back.bind("inproc://workers")
        free: Queue[bytes] = Queue()
        # Two greenlets share the two sockets, and neither needs a poller.
        broker = [gevent.spawn(take_answers, front, back, free), gevent.spawn(hand_out, front, back, free)]
        workers = [gevent.spawn(worker, context, number) for number in (1, 2, 3)]
        done: Counter[bytes] = Counter()
        gevent.joinall([gevent.spawn(client, context, name, done) for name in "abcde"], raise_error=True)
        gevent.killall([*broker, *workers])
    print(f"{done.total()} tasks done by {len(done)} workers")


if __name__ == "__main__":
    main()
