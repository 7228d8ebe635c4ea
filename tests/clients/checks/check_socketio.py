"""python-socketio: servers on eventlet that tell each other what is emitted, through a broker of 0MQ."""

from __future__ import annotations

from contextlib import ExitStack

import pytest
import socketio

from support import free_ports, program, until


@pytest.fixture(scope="module")
def servers():
    """The ports of two servers, and the broker's address."""
    one, other, sink, source = free_ports(4)
    url = f"zmq+tcp://127.0.0.1:{sink}+{source}"
    with ExitStack() as stack:
        stack.enter_context(program("socketio_broker.py", sink, source)).wait_for("ready")
        for port in (one, other):
            stack.enter_context(program("socketio_server.py", port, url)).wait_for("serving now")
        yield one, other, url


@pytest.fixture
def clients(servers):
    """A client of each server, and what they were told."""
    heard = [[], []]
    clients = []
    for port, mine in zip(servers[:2], heard, strict=True):
        client = socketio.Client()
        client.on("heard", mine.append)
        client.on("news", mine.append)
        client.connect(f"http://127.0.0.1:{port}", wait_timeout=20)
        clients.append(client)
    yield clients, heard
    for client in clients:
        client.disconnect()


def test_call(clients):
    assert clients[0][0].call("ask", "hello", timeout=20) == "HELLO"


def test_emitted_to_the_other_server(clients):
    """It comes once, on either server."""
    (one, other), heard = clients
    one.emit("shout", "first")
    until(lambda: heard == [["first"], ["first"]], "the first event")
    other.emit("shout", "second")
    until(lambda: heard == [["first", "second"], ["first", "second"]], "the second event")


def test_many_events(clients):
    (one, other), heard = clients
    for number in range(200):
        (one, other)[number % 2].emit("shout", number)
    until(lambda: all(sorted(each) == list(range(200)) for each in heard), "all events")


def test_emitted_by_another_process(servers, clients):
    _, heard = clients
    with program("socketio_emitter.py", servers[2]):
        until(lambda: all(len(each) > 20 for each in heard), "news")
    for each in heard:
        assert each == list(range(each[0], each[0] + len(each)))


def test_calls_while_events_arrive(servers, clients):
    (one, _), heard = clients
    with program("socketio_emitter.py", servers[2]):
        until(lambda: heard[0], "news")
        assert [one.call("ask", f"n{i}", timeout=20) for i in range(50)] == [f"N{i}" for i in range(50)]
