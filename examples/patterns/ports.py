"""Addresses for servers that come and go, as these programs have them."""

from __future__ import annotations

import socket

import gevent

import zmq.green as zmq


def free_endpoint() -> str:
    """Return an address that nobody has."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"tcp://127.0.0.1:{probe.getsockname()[1]}"


def bind(server: zmq.Socket, endpoint: str) -> None:
    """Bind, as soon as the address is free: libzmq gives it back a moment after its socket was closed."""
    while True:
        try:
            server.bind(endpoint)
            return
        except zmq.ZMQError as error:
            if error.errno != zmq.EADDRINUSE:
                raise
            gevent.sleep(0.01)
