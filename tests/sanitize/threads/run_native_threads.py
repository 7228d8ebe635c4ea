"""Native threads, locks and signals, and the monitors, authenticators and readers that are made of them."""

from __future__ import annotations

import sys
from typing import Any

import zmq
from zmq.auth.thread import ThreadAuthenticator
from zmq.core.native_threads import NativeLock, NativeSignal, NativeThread

ROUNDS = max(1, int(sys.argv[1]) // 2)


def count() -> None:
    """Count with a lock, and be woken."""
    lock, signal, counted = NativeLock(), NativeSignal(), [0]

    def run() -> None:
        for _ in range(100):
            with lock, lock:
                counted[0] += 1
        signal.wake()

    threads = [NativeThread(run, daemon=number % 2 == 0, name="counter") for number in range(3)]
    for thread in threads:
        thread.start()
    zmq.zmq_poll([(signal.fd, zmq.POLLIN)], 20_000)
    signal.drain()
    for thread in threads:
        thread.join(20)
        assert not thread.is_alive() and thread.error is None
    assert counted == [300]
    signal.close()


def monitor(context: zmq.Context[Any], number: int) -> None:
    """Watch a socket that connects and is closed, with a reader that is closed before and after it."""
    with context.socket(zmq.PULL) as server, context.socket(zmq.PUSH) as client:
        events = client.get_monitor_socket()
        server.bind_to_random_port("tcp://127.0.0.1")
        client.connect(server.LAST_ENDPOINT)
        client.send(b"x")
        server.recv()
        assert events.poll(20_000)
        if number % 2:
            events.close()
    if not number % 2:
        events.close()


def authenticate(context: zmq.Context[Any]) -> None:
    auth = ThreadAuthenticator(context)
    auth.start()
    auth.configure_plain(domain="*", passwords={"somebody": "secret"})
    with context.socket(zmq.PULL) as server, context.socket(zmq.PUSH) as client:
        server.plain_server = True
        client.plain_username, client.plain_password = b"somebody", b"secret"
        server.bind_to_random_port("tcp://127.0.0.1")
        client.connect(server.LAST_ENDPOINT)
        client.send(b"x")
        assert server.poll(20_000) and server.recv() == b"x"
    auth.stop()


def main() -> None:
    with zmq.Context() as context:
        for number in range(ROUNDS):
            count()
            monitor(context, number)
            if number % 10 == 0:
                authenticate(context)


main()
print("the end")
