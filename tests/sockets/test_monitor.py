"""`zmq.utils.monitor`: what sockets tell about their connections."""

from __future__ import annotations

import struct
from collections.abc import Awaitable, Callable
from types import ModuleType
from typing import Any

import pytest

from support.front_ends import FrontEnd
from zmq.utils.monitor import parse_monitor_message, recv_monitor_message


def header(event: int, value: int) -> bytes:
    return struct.pack("=HI", event, value)


def read_until(monitor: Any, event: int) -> Any:
    """Read events until one comes."""
    while True:
        message = recv_monitor_message(monitor)
        if message["event"] == event:
            return message


def run(awaitable: Awaitable[Any]) -> Any:
    """Run what never really waits."""
    with pytest.raises(StopIteration) as stopped:
        awaitable.__await__().send(None)  # type: ignore[attr-defined]
    return stopped.value.value


def test_the_life_of_a_connection(context: Any, zmq: ModuleType) -> None:
    server, client = context.socket(zmq.REP), context.socket(zmq.REQ)
    served, connected = server.get_monitor_socket(), client.get_monitor_socket()
    server.bind("tcp://127.0.0.1:*")
    address = server.last_endpoint
    listening = recv_monitor_message(served)
    assert listening["event"] is zmq.Event.LISTENING
    assert listening["endpoint"] == address
    assert type(listening["value"]) is int and listening["value"] >= 0
    client.connect(address)
    assert read_until(connected, zmq.EVENT_CONNECTED)["endpoint"] == address
    read_until(served, zmq.EVENT_ACCEPTED)
    read_until(connected, zmq.EVENT_HANDSHAKE_SUCCEEDED)
    read_until(served, zmq.EVENT_HANDSHAKE_SUCCEEDED)
    client.close()
    read_until(served, zmq.EVENT_DISCONNECTED)


def test_waiting_for_an_event(context: Any, zmq: ModuleType, front_end: FrontEnd) -> None:
    socket = context.socket(zmq.PULL)
    monitor = socket.get_monitor_socket(events=zmq.EVENT_LISTENING)
    with pytest.raises(zmq.Again):
        recv_monitor_message(monitor, zmq.NOBLOCK)
    begun = front_end.Event()

    def receive() -> Any:
        begun.set()
        return recv_monitor_message(monitor)

    receiving = front_end.spawn(receive)
    begun.wait()
    socket.bind("tcp://127.0.0.1:*")
    assert receiving.get()["endpoint"] == socket.last_endpoint


def test_a_monitor_at_an_address_of_its_own(context: Any, zmq: ModuleType) -> None:
    socket, monitor = context.socket(zmq.PULL), context.socket(zmq.PAIR)
    socket.monitor("inproc://monitor", zmq.EVENT_LISTENING | zmq.EVENT_MONITOR_STOPPED)
    monitor.connect("inproc://monitor")
    socket.bind("tcp://127.0.0.1:*")
    assert recv_monitor_message(monitor)["event"] is zmq.Event.LISTENING
    socket.monitor(None)
    assert recv_monitor_message(monitor) == {"event": zmq.EVENT_MONITOR_STOPPED, "value": 0, "endpoint": b""}


def test_monitors_one_after_the_other(context: Any, zmq: ModuleType) -> None:
    socket = context.socket(zmq.REP)
    for _ in range(20):
        monitor = socket.get_monitor_socket()
        assert socket.get_monitor_socket() is monitor
        socket.disable_monitor()
        assert monitor.recv_multipart() and not monitor.poll(0)
        monitor.close()


def test_frames(zmq: ModuleType) -> None:
    first, last = header(zmq.EVENT_CLOSED, 0xFFFFFFFF), b"tcp://127.0.0.1:1"
    expected = {"event": zmq.EVENT_CLOSED, "value": 0xFFFFFFFF, "endpoint": last}
    for kind in (bytes, bytearray, memoryview, zmq.Frame):
        assert parse_monitor_message([kind(first), kind(last)]) == expected
        assert parse_monitor_message((kind(first), kind(last))) == expected


def test_a_protocol_error_has_its_name(zmq: ModuleType) -> None:
    code = zmq.PROTOCOL_ERROR_ZMTP_MALFORMED_COMMAND_HELLO
    message = parse_monitor_message([header(zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL, code), b""])
    assert message["event"] is zmq.Event.HANDSHAKE_FAILED_PROTOCOL
    assert message["value"] is code


@pytest.mark.parametrize(
    "message",
    [
        [],
        [header(1, 1)],
        [header(1, 1), b"address", b"more"],
        [b"short", b"address"],
        [header(1, 1) + b"longer", b"address"],
        [header(1, 1), "text"],
        ["text", b"address"],
        "ab",
        None,
    ],
)
def test_what_is_no_event(message: Any) -> None:
    with pytest.raises(RuntimeError, match="two frames"):
        parse_monitor_message(message)


def test_a_socket_that_receives_nothing_of_a_monitor(pair: Callable[..., Any]) -> None:
    a, b = pair()
    a.send_multipart([b"hello", b"world"])
    with pytest.raises(RuntimeError, match="list of length 2"):
        recv_monitor_message(b)


def test_a_socket_that_receives_later(zmq: ModuleType) -> None:
    class Socket:
        def __init__(self, message: list[bytes]) -> None:
            self.message = message

        async def recv_multipart(self, flags: int) -> list[bytes]:
            assert flags == zmq.NOBLOCK
            return self.message

    later = recv_monitor_message(Socket([header(zmq.EVENT_ACCEPTED, 7), b"there"]), zmq.NOBLOCK)
    assert run(later) == {"event": zmq.EVENT_ACCEPTED, "value": 7, "endpoint": b"there"}
    with pytest.raises(RuntimeError, match="two frames"):
        recv_monitor_message(Socket([b"?"]), zmq.NOBLOCK).send(None)
