"""Lazy pirate: a client that asks again when no answer comes, and gives up after a while (gevent).

python examples/patterns/lazy_pirate.py
"""

from __future__ import annotations

import gevent
from ports import bind, free_endpoint

import zmq.green as zmq


class NoAnswer(Exception):
    """Nobody answered, however often they were asked."""


class Client:
    """Asks a server that may lose requests, or be away for a while."""

    def __init__(self, context: zmq.Context, endpoint: str, timeout_ms: int = 200, tries: int = 3) -> None:
        self.context, self.endpoint, self.timeout_ms, self.tries = context, endpoint, timeout_ms, tries
        self.socket = self.connect()

    def connect(self) -> zmq.Socket:
        socket = self.context.socket(zmq.REQ)
        socket.linger = 0  # an unsent question is not worth waiting for
        socket.rcvtimeo = self.timeout_ms
        socket.connect(self.endpoint)
        return socket

    def ask(self, *question: bytes) -> list[bytes]:
        for number in range(1, self.tries + 1):
            self.socket.send_multipart(question)
            try:
                return self.socket.recv_multipart()
            except zmq.Again:
                print(f"no answer to {b' '.join(question).decode()}, try {number}")
                # This REQ may not send before it has received: it has had its day.
                self.socket.close()
                self.socket = self.connect()
        raise NoAnswer(question)


def server(context: zmq.Context, endpoint: str, deaf_to: set[bytes]) -> None:
    """Answer; what it is deaf to it loses once."""
    with context.socket(zmq.ROUTER) as socket:
        bind(socket, endpoint)
        while True:
            *envelope, question = socket.recv_multipart()
            if question in deaf_to:
                deaf_to.remove(question)
            else:
                socket.send_multipart([*envelope, question.upper()])


def main() -> None:
    with zmq.Context() as context:
        endpoint = free_endpoint()
        serving = gevent.spawn(server, context, endpoint, {b"two"})
        client = Client(context, endpoint)
        for question in (b"one", b"two", b"three"):
            (answer,) = client.ask(question)
            print(answer.decode())
        serving.kill()
        try:
            client.ask(b"four")
        except NoAnswer:
            print("the server is gone")
        client.socket.close()


if __name__ == "__main__":
    main()
