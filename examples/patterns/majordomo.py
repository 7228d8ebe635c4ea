"""Majordomo: a broker of services, which workers offer by name and clients ask for by name (gevent).

The frames are those of RFC 7/MDP.

    python examples/patterns/majordomo.py
"""

from __future__ import annotations

import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import gevent
from lazy_pirate import Client
from ports import bind, free_endpoint

import zmq.green as zmq

CLIENT, WORKER = b"MDPC01", b"MDPW01"
READY, REQUEST, REPLY, HEARTBEAT, DISCONNECT = (bytes([number]) for number in range(1, 6))
BEAT = 0.05  # seconds between two heartbeats
DEAD = 4 * BEAT  # who was not heard of for so long is dead


class Broker:
    """Knows which worker offers what, and brings requests and workers together."""

    def __init__(self, context: zmq.Context, endpoint: str) -> None:
        self.service_of: dict[bytes, bytes] = {}
        self.until: dict[bytes, float] = {}  # when a worker is dead
        self.free: defaultdict[bytes, deque[bytes]] = defaultdict(deque)
        self.requests: defaultdict[bytes, deque[list[bytes]]] = defaultdict(deque)
        self.socket = context.socket(zmq.ROUTER)
        bind(self.socket, endpoint)
        self.greenlets = [gevent.spawn(self.hear), gevent.spawn(self.beat)]

    def hear(self) -> None:
        while True:
            who, _, protocol, *rest = self.socket.recv_multipart()
            if protocol == CLIENT:
                service, *body = rest
                self.requests[service].append([who, b"", *body])
                self.hand_out(service)
            elif protocol == WORKER:
                self.hear_worker(who, *rest)

    def hear_worker(self, who: bytes, command: bytes, *rest: bytes) -> None:
        if command == READY:
            self.service_of[who] = rest[0]
        elif who not in self.service_of or command == DISCONNECT:
            return self.give_up(who)
        self.until[who] = time.monotonic() + DEAD
        service = self.service_of[who]
        if command == REPLY:
            client, _, *body = rest
            self.socket.send_multipart([client, b"", CLIENT, service, *body])
        if command in (READY, REPLY):
            self.free[service].append(who)
            self.hand_out(service)

    def hand_out(self, service: bytes) -> None:
        free, requests = self.free[service], self.requests[service]
        while free and requests:
            self.tell(free.popleft(), REQUEST, *requests.popleft())

    def tell(self, worker: bytes, *what: bytes) -> None:
        self.socket.send_multipart([worker, b"", WORKER, *what])

    def give_up(self, worker: bytes) -> None:
        """Forget a worker, and tell it, so that it begins anew where it is alive after all."""
        self.tell(worker, DISCONNECT)
        self.until.pop(worker, None)
        if (service := self.service_of.pop(worker, None)) and worker in self.free[service]:
            self.free[service].remove(worker)

    def beat(self) -> None:
        while True:
            for worker, until in list(self.until.items()):
                if until < time.monotonic():
                    self.give_up(worker)
                else:
                    self.tell(worker, HEARTBEAT)
            gevent.sleep(BEAT)

    def close(self) -> None:
        gevent.killall(self.greenlets)
        self.socket.close(linger=0)


@contextmanager
def beating(socket: zmq.Socket) -> Iterator[None]:
    """Send heartbeats meanwhile, also while the work is done."""

    def beat() -> None:
        while True:
            gevent.sleep(BEAT)
            socket.send_multipart([b"", WORKER, HEARTBEAT])

    greenlet = gevent.spawn(beat)
    try:
        yield
    finally:
        greenlet.kill()


def worker(context: zmq.Context, endpoint: str, service: bytes, work: Callable[[bytes], bytes]) -> None:
    """Offer a service; begin anew where the broker is not heard or says so."""
    while True:
        with context.socket(zmq.DEALER) as socket, beating(socket):
            socket.linger = 0
            socket.rcvtimeo = int(DEAD * 1000)
            socket.connect(endpoint)
            socket.send_multipart([b"", WORKER, READY, service])
            command = READY
            while command != DISCONNECT:
                try:
                    _, _, command, *rest = socket.recv_multipart()
                except zmq.Again:
                    break
                if command == REQUEST:
                    client, _, body = rest
                    socket.send_multipart([b"", WORKER, REPLY, client, b"", work(body)])


def ask(client: Client, service: bytes, body: bytes) -> str:
    _, answered, answer = client.ask(CLIENT, service, body)
    assert answered == service
    return answer.decode()


def main() -> None:
    with zmq.Context() as context:
        endpoint = free_endpoint()
        broker = Broker(context, endpoint)
        upper = [gevent.spawn(worker, context, endpoint, b"upper", bytes.upper) for _ in range(2)]
        turned = gevent.spawn(worker, context, endpoint, b"turn", lambda body: body[::-1])
        client = Client(context, endpoint, timeout_ms=1000)
        print(ask(client, b"upper", b"hello"), ask(client, b"turn", b"hello"))
        upper.pop().kill()  # without a word
        while len(broker.until) == 3:
            gevent.sleep(BEAT)
        print(f"{len(broker.until)} workers are left")
        print(ask(client, b"upper", b"again"))
        broker.close()
        broker = Broker(context, endpoint)
        print(ask(client, b"turn", b"a new broker"))
        client.socket.close()
        broker.close()
        gevent.killall([*upper, turned])


if __name__ == "__main__":
    main()
