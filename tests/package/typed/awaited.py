"""What sockets of `zmq.asyncio` return."""

import asyncio
from typing import Any

from typing_extensions import assert_type

import zmq
import zmq.asyncio
from zmq.eventloop import future


def plain(socket: zmq.Socket[bytes]) -> None:
    assert_type(socket.recv(), bytes)
    socket.linger = 0


async def right(context: zmq.asyncio.Context) -> None:
    socket = context.socket(zmq.DEALER, copy_threshold=1)
    assert_type(socket, zmq.asyncio.Socket)
    assert_type(socket.recv(), "asyncio.Future[bytes]")
    assert_type(await socket.recv(), bytes)
    assert_type(await socket.recv(copy=False), zmq.Frame)
    assert_type(await socket.recv(0, False), zmq.Frame)
    assert_type(await socket.recv_multipart(), list[bytes])
    assert_type(await socket.recv_multipart(copy=False), list[zmq.Frame])
    assert_type(await socket.recv_string(), str)
    assert_type(await socket.recv_into(bytearray(1)), int)
    assert_type(await socket.recv_json(), Any)
    assert_type(await socket.recv_many(), list[bytes])
    assert_type(await socket.recv_many(multipart=True), list[list[bytes]])
    assert_type(await socket.recv_serialized(len), int)
    assert_type(await socket.send(b"1", copy=False), zmq.MessageTracker)
    assert_type(await socket.send_multipart([b"1"]), zmq.MessageTracker | None)
    assert_type(await socket.send_many([b"1"]), int)
    assert_type(await socket.poll(1, zmq.POLLIN), int)
    assert_type(await zmq.asyncio.Poller().poll(), list[tuple[Any, int]])
    assert_type(await asyncio.wait_for(socket.recv(), 1), bytes)
    assert_type(zmq.asyncio.Socket(context, zmq.PUSH), zmq.asyncio.Socket)
    assert_type(zmq.asyncio.Socket.from_socket(zmq.Context().socket(zmq.PUSH)), zmq.asyncio.Socket)
    assert_type(zmq.asyncio.Socket.shadow(socket), zmq.asyncio.Socket)
    assert_type(zmq.asyncio.Context.instance().socket(zmq.PUSH), zmq.asyncio.Socket)
    async with zmq.asyncio.Context() as other, other.socket(zmq.SUB) as inner:
        assert_type(inner, zmq.asyncio.Socket)
        inner.subscribe("")
        inner.linger = 0
    receiving = socket.recv()
    receiving.cancel()
    assert_type(await future.Context().socket(zmq.SUB).recv(), bytes)
    # A plain one of the same.
    plain(zmq.Socket.shadow(socket))


async def wrong(socket: zmq.asyncio.Socket, context: zmq.asyncio.Context, poller: zmq.asyncio.Poller) -> None:
    plain(socket)  # wrong
    socket.recv().decode()  # wrong
    received: bytes = socket.recv()  # wrong
    print(received, await socket.rcv())  # wrong
    await socket.recv(flag=1)  # wrong
    await socket.recv("1")  # wrong
    await socket.send_string(b"1")  # wrong
    socket.recv_many()  # wrong
    socket.send_many([b"1"])  # wrong
    print(socket.poll(1) & zmq.POLLIN)  # wrong
    print(len(poller.poll()))  # wrong
    print(socket.recv_multipart()[0])  # wrong
    context.socket("1")  # wrong
    socket.conect("inproc://1")  # wrong
    print((await socket.recv_string()).decode())  # wrong
