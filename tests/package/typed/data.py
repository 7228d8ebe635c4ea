"""What can be sent, and received into."""

import array
import ctypes
import mmap
from collections.abc import Iterator

import numpy
import numpy.typing

import zmq
import zmq.asyncio
import zmq.eventlet
import zmq.green

FLOATS = numpy.zeros(3)
BYTES: numpy.typing.NDArray[numpy.uint8] = numpy.zeros((3, 3), dtype=numpy.uint8)


def right(socket: zmq.Socket[bytes], green: zmq.green.Socket, eventlet: zmq.eventlet.Socket) -> None:
    socket.send(FLOATS)
    socket.send(BYTES, copy=False).wait()
    socket.send(FLOATS[0])
    socket.send(b"1")
    socket.send(bytearray(b"1"), zmq.SNDMORE)
    socket.send(memoryview(b"1"))
    socket.send(array.array("i"))
    socket.send(mmap.mmap(-1, 10))
    socket.send((ctypes.c_char * 3)())
    socket.send(zmq.Frame(b"1"))
    socket.send_multipart([b"1", FLOATS, memoryview(b"2"), zmq.Frame(b"3")])
    socket.send_multipart(each for each in (FLOATS, BYTES))
    socket.send_many([FLOATS, BYTES])
    socket.send_many([[FLOATS], [b"1", BYTES]], multipart=True)
    socket.send_serialized(FLOATS, lambda data: [b"1", data])
    socket.recv_into(FLOATS)
    socket.recv_into(bytearray(3))
    socket.recv_into(array.array("i"))
    socket.recv_into(mmap.mmap(-1, 10))
    zmq.Frame(FLOATS)
    zmq.green.Frame(BYTES, copy=False)
    zmq.Frame()
    green.send(FLOATS)
    green.send_multipart([FLOATS])
    eventlet.send(FLOATS)
    eventlet.recv_into(BYTES)


async def right_awaited(socket: zmq.asyncio.Socket) -> None:
    await socket.send(FLOATS)
    await socket.send_multipart([b"1", BYTES])
    await socket.send_many([FLOATS, b"1"])
    await socket.recv_into(FLOATS)


def texts() -> Iterator[str]:
    yield "1"


def wrong(socket: zmq.Socket[bytes], green: zmq.green.Socket, eventlet: zmq.eventlet.Socket) -> None:
    socket.send("1")  # wrong
    socket.send(1)  # wrong
    socket.send(None)  # wrong
    socket.send([b"1"])  # wrong
    socket.send()  # wrong
    socket.send(b"1", copi=False)  # wrong
    socket.send_multipart(["1"])  # wrong
    socket.send_multipart("1")  # wrong
    socket.send_multipart(b"1")  # wrong
    socket.send_multipart(texts())  # wrong
    socket.send_many(["1"])  # wrong
    socket.send_many([["1"]], multipart=True)  # wrong
    socket.recv_into("1")  # wrong
    zmq.Frame("1")  # wrong
    green.send("1")  # wrong
    eventlet.send("1")  # wrong


async def wrong_awaited(socket: zmq.asyncio.Socket) -> None:
    await socket.send("1")  # wrong
    await socket.send_multipart(["1"])  # wrong
    await socket.send_many(["1"])  # wrong
    await socket.recv_into("1")  # wrong
