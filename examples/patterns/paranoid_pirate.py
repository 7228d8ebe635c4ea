"""Paranoid pirate: a queue and its workers tell each other that they are there, and go on without who is not (gevent).

python examples/patterns/paranoid_pirate.py
"""

from __future__ import annotations

import time

import gevent
from gevent.event import Event
from lazy_pirate import Client
from ports import bind, free_endpoint

import zmq.green as zmq

READY, HEARTBEAT = b"\x01", b"\x02"
BEAT = 0.05  # seconds between two heartbeats
DEAD = 4 * BEAT  # who was not heard of for so long is dead


class Workers:
    """Those that wait for something to do, and until when each is believed to be alive."""

    def __init__(self) -> None:
        self.until: dict[bytes, float] = {}
        self.given_up: set[bytes] = set()
        self.some = Event()

    def heard_of(self, worker: bytes, free: bool) -> None:
        if free or worker in self.until or worker in self.given_up:
            self.until[worker] = time.monotonic() + DEAD
            self.given_up.discard(worker)
            self.some.set()

    def take(self) -> bytes:
        while True:
            self.some.wait()
            for worker in [name for name, until in self.until.items() if until < time.monotonic()]:
                del self.until[worker]
                self.given_up.add(worker)
                print(f"the queue gives {worker.decode()} up")
            if self.until:
                worker = next(iter(self.until))
                del self.until[worker]
                return worker
            self.some.clear()


def hear(front: zmq.Socket, back: zmq.Socket, workers: Workers) -> None:
    while True:
        worker, *message = back.recv_multipart()
        workers.heard_of(worker, free=message != [HEARTBEAT])
        if message not in ([READY], [HEARTBEAT]):
            front.send_multipart(message)


def hand_out(front: zmq.Socket, back: zmq.Socket, workers: Workers) -> None:
    while True:
        request = front.recv_multipart()
        back.send_multipart([workers.take(), *request])


def queue(context: zmq.Context, clients: str, endpoint: str) -> None:
    workers = Workers()
    with context.socket(zmq.ROUTER) as front, context.socket(zmq.ROUTER) as back:
        front.linger = back.linger = 0
        bind(front, clients)
        bind(back, endpoint)
        inside = [gevent.spawn(hear, front, back, workers), gevent.spawn(hand_out, front, back, workers)]
        try:
            while True:
                for worker in list(workers.until):
                    back.send_multipart([worker, HEARTBEAT])
                gevent.sleep(BEAT)
        finally:
            gevent.killall(inside)


def worker(context: zmq.Context, name: str, endpoint: str, lonely: Event, freezes_after: int = 1000) -> None:
    """Answer, and beat while there is nothing to do; begin anew where the queue is not heard."""
    while True:
        with context.socket(zmq.DEALER) as socket:
            socket.linger = 0
            socket.routing_id = name.encode()
            socket.rcvtimeo = int(BEAT * 1000)
            socket.connect(endpoint)
            socket.send(READY)
            heard = beaten = time.monotonic()
            while time.monotonic() - heard < DEAD:
                if time.monotonic() - beaten > BEAT:
                    socket.send(HEARTBEAT)
                    beaten = time.monotonic()
                try:
                    *envelope, question = socket.recv_multipart()
                except zmq.Again:
                    continue
                heard = time.monotonic()
                if envelope:
                    socket.send_multipart([*envelope, b"%s, says %s" % (question, name.encode())])
                    freezes_after -= 1
                    if not freezes_after:
                        print(f"{name} freezes")
                        Event().wait()
        print(f"{name} does not hear the queue")
        lonely.set()


def main() -> None:
    with zmq.Context() as context:
        clients, workers = free_endpoint(), free_endpoint()
        lonely = Event()
        queueing = gevent.spawn(queue, context, clients, workers)
        pool = [gevent.spawn(worker, context, "anne", workers, Event(), freezes_after=1)]
        client = Client(context, clients, timeout_ms=1000)
        print(client.ask(b"one")[0].decode())
        pool.append(gevent.spawn(worker, context, "mary", workers, lonely))
        gevent.sleep(2 * DEAD)
        print(client.ask(b"two")[0].decode())
        queueing.kill()
        lonely.wait()
        queueing = gevent.spawn(queue, context, clients, workers)
        print(client.ask(b"three")[0].decode())
        client.socket.close()
        gevent.killall([queueing, *pool])


if __name__ == "__main__":
    main()
