"""Messages from one greenlet to another, in one process or two."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

import zmq

from .common import (
    PAYLOAD,
    SIZE,
    Result,
    Run,
    WrongMessage,
    bind,
    busy_thread,
    connected,
    measure,
    now,
    second_process,
    sockets,
    water_marks,
)
from .frontends import FrontEnd, together


def send_all(socket: Any, count: int) -> None:
    send = socket.send
    for _ in range(count):
        send(PAYLOAD)


def receive_all(socket: Any, count: int) -> None:
    recv = socket.recv
    for _ in range(count):
        if len(recv()) != SIZE:
            raise WrongMessage


def request(socket: Any, count: int) -> None:
    """Be a client: send so many messages, and wait for the answer to each."""
    send, recv = socket.send, socket.recv
    for _ in range(count):
        send(PAYLOAD)
        if len(recv()) != SIZE:
            raise WrongMessage


def serve(socket: Any, clients: int, count: int) -> None:
    """Be a ROUTER that answers so many messages of each client."""
    send, recv = socket.send_multipart, socket.recv_multipart
    for _ in range(count * clients):
        client, message = recv()
        if len(message) != SIZE:
            raise WrongMessage
        send([client, message])


def reply(socket: Any, count: int) -> None:
    send, recv = socket.send, socket.recv
    for _ in range(count):
        message = recv()
        if len(message) != SIZE:
            raise WrongMessage
        send(message)


def send_frames(socket: Any, frames: int, count: int) -> None:
    send, message = socket.send_multipart, [PAYLOAD] * frames
    for _ in range(count):
        send(message)


def receive_frames(socket: Any, frames: int, count: int) -> None:
    recv, sizes = socket.recv_multipart, [SIZE] * frames
    for _ in range(count):
        if [*map(len, recv())] != sizes:
            raise WrongMessage


def push_pull(front_end: FrontEnd, seconds: float, transport: str, frames: int = 1) -> Result:
    """One operation is a message from one greenlet to another."""
    with connected(front_end.zmq, zmq.PUSH, zmq.PULL, transport=transport) as [(push, pull)]:
        if frames == 1:
            run = together(front_end, partial(send_all, push), partial(receive_all, pull))
        else:
            run = together(front_end, partial(send_frames, push, frames), partial(receive_frames, pull, frames))
        return measure(run, seconds)


def push_pull_busy(front_end: FrontEnd, seconds: float) -> Result:
    """The same, beside a thread that computes in Python and never waits."""
    result: Result = {}
    with busy_thread(result):
        measured = push_pull(front_end, seconds, transport="inproc")
    return measured | result


def large(front_end: FrontEnd, seconds: float, transport: str, size: int, copy: bool) -> Result:
    """One operation is a message of `size` bytes from one greenlet to another, copied or not."""
    payload = bytes(size)
    with connected(front_end.zmq, zmq.PUSH, zmq.PULL, 1, transport, water_marks(size)) as [(push, pull)]:

        def send(count: int) -> None:
            for _ in range(count):
                push.send(payload, copy=copy)

        def receive(count: int) -> None:
            for _ in range(count):
                if len(pull.recv(copy=copy)) != size:
                    raise WrongMessage

        return measure(together(front_end, send, receive), seconds)


def batches_of(pull: Any, endpoint: str, process: Any, size: int = SIZE) -> Run:
    """Return a run that has the other process send, and is timed from the first message to the last of a batch."""

    def run(count: int) -> float:
        recv = pull.recv
        process.stdin.write(b"%d %d %s\n" % (count + 1, size, endpoint.encode()))
        process.stdin.flush()
        wrong = len(recv()) != size
        start = now()
        for _ in range(count):
            if len(recv()) != size:
                raise WrongMessage
        elapsed = now() - start
        if wrong:
            raise WrongMessage
        return elapsed

    return run


def push_pull_2p(front_end: FrontEnd, seconds: float, transport: str) -> Result:
    """One operation is a message from another process."""
    with sockets(front_end.zmq) as open_socket, second_process() as process:
        pull = open_socket(zmq.PULL)
        return measure(batches_of(pull, bind(pull, transport), process), seconds, goes=4)


def send_orders(front_end: FrontEnd) -> None:
    """Be the sending process: send what every line of stdin says, which is a number, a size and where to."""
    with sockets(front_end.zmq) as open_socket:
        connected_to = b""
        for line in sys.stdin.buffer:
            count, size, endpoint = line.split()
            if endpoint != connected_to:
                push = open_socket(zmq.PUSH, water_marks(int(size)))
                push.connect(endpoint.decode())
                connected_to = endpoint
                payload = bytes(int(size))
            send = push.send
            for _ in range(int(count)):
                send(payload)


def req_rep(front_end: FrontEnd, seconds: float, transport: str) -> Result:
    """One operation is a round trip between two greenlets."""
    with connected(front_end.zmq, zmq.REQ, zmq.REP, transport=transport) as [(req, rep)]:
        return measure(together(front_end, partial(request, req), partial(reply, rep)), seconds)


def req_rep_2p(front_end: FrontEnd, seconds: float, transport: str) -> Result:
    """One operation is a round trip to another process."""
    with sockets(front_end.zmq) as open_socket, second_process() as process:
        # The client binds, as it is here that the address is known; an order says where the server connects to.
        req = open_socket(zmq.REQ)
        process.stdin.write(bind(req, transport).encode() + b"\n")
        process.stdin.flush()
        result = measure(together(front_end, partial(request, req)), seconds, goes=4)
        req.send(b"")
        return result


def reply_for_ever(front_end: FrontEnd) -> None:
    """Be the server: answer until an empty message comes."""
    with sockets(front_end.zmq) as open_socket:
        rep = open_socket(zmq.REP)
        rep.connect(sys.stdin.buffer.readline().decode().strip())
        while message := rep.recv():
            if len(message) != SIZE:
                raise WrongMessage
            rep.send(message)


def pub_sub(front_end: FrontEnd, seconds: float, transport: str, subscribers: int) -> Result:
    """One operation is a message that reaches one of the subscribers; each is published once and reaches them all."""
    with sockets(front_end.zmq) as open_socket:
        # An XPUB tells of subscriptions. Without marks, as a publisher drops what is above them.
        publisher = open_socket(zmq.XPUB, 0)
        publisher.setsockopt(zmq.XPUB_VERBOSE, 1)
        endpoint = bind(publisher, transport)
        readers = [open_socket(zmq.SUB, 0) for _ in range(subscribers)]
        for reader in readers:
            reader.setsockopt(zmq.SUBSCRIBE, b"")
            reader.connect(endpoint)
        for _ in readers:
            if publisher.recv() != b"\1":
                raise WrongMessage
        loops: list[Callable[[int], None]] = [partial(receive_all, reader) for reader in readers]
        return per_client(together(front_end, partial(send_all, publisher), *loops), seconds, subscribers)


def router(front_end: FrontEnd, seconds: float, transport: str, clients: int) -> Result:
    """One operation is a round trip between one of `clients` greenlets and the one that serves them all."""
    with sockets(front_end.zmq) as open_socket:
        server = open_socket(zmq.ROUTER)
        endpoint = bind(server, transport)
        dealers = [open_socket(zmq.DEALER) for _ in range(clients)]
        for dealer in dealers:
            dealer.connect(endpoint)
        run = together(front_end, partial(serve, server, clients), *(partial(request, dealer) for dealer in dealers))
        return per_client(run, seconds, clients)


def arrivals(front_end: FrontEnd, seconds: float, clients: int) -> Result:
    """One operation is a client of a ROUTER that connects over tcp when all others do, and asks ten questions."""

    def run(count: int) -> float:
        took = 0.0
        for _ in range(count):
            with sockets(front_end.zmq) as open_socket:
                server = open_socket(zmq.ROUTER)
                endpoint = bind(server, "tcp")
                dealers = [open_socket(zmq.DEALER) for _ in range(clients)]
                loops = [partial(request, dealer) for dealer in dealers]
                ask_all = together(front_end, partial(serve, server, clients), *loops)
                start = now()
                for dealer in dealers:
                    dealer.connect(endpoint)
                ask_all(10)
                took += now() - start
        return took

    return per_client(run, seconds, clients, least=1)


def service(front_end: FrontEnd, seconds: float, clients: int) -> Result:
    """One operation is a request of one of `clients` greenlets as services have them: tcp, JSON, and work to do.

    The service reads the order, digests a document of 16 KiB for it and answers in JSON.
    """
    document = bytes(range(256)) * 64
    lines = [{"article": number, "pieces": number % 3 + 1, "note": "as last time"} for number in range(10)]
    with sockets(front_end.zmq) as open_socket:
        server = open_socket(zmq.ROUTER)
        endpoint = bind(server, "tcp")
        requests = [open_socket(zmq.REQ) for _ in range(clients)]
        for each in requests:
            each.connect(endpoint)

        def serve(count: int) -> None:
            for _ in range(count * clients):
                client, empty, body = server.recv_multipart()
                order = json.loads(body)
                pieces = sum(line["pieces"] for line in order["lines"])
                digest = hashlib.sha256(document + body).hexdigest()
                answer = {"order": order["order"], "pieces": pieces, "digest": digest}
                server.send_multipart([client, empty, json.dumps(answer).encode()])

        def ask(socket: Any, count: int) -> None:
            for number in range(count):
                socket.send_json({"order": number, "lines": lines})
                answer = socket.recv_json()
                if answer["order"] != number or answer["pieces"] != 19:
                    raise WrongMessage

        run = together(front_end, serve, *(partial(ask, each) for each in requests))
        return per_client(run, seconds, clients)


def per_client(run: Run, seconds: float, clients: int, least: int = 10) -> Result:
    """Measure what every one of many greenlets does so many times. Few long goes, as each starts them all anew."""
    result = measure(run, seconds, goes=4, least=least)
    return result | {"operations": result["operations"] * clients, "cost": result["cost"] / clients}
