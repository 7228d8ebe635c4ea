"""What single calls give where it is easily given otherwise: programs that were written for PyZMQ count on it."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

import zmq as plain


class Raises:
    """The type of an exception, and its errno where it has one."""

    def __init__(self, type: type[BaseException], errno: int | None = None) -> None:
        self.type, self.errno = type, errno


def closed(socket: Any) -> Any:
    socket.close()
    return socket


def terminated(zmq: ModuleType) -> Any:
    context = zmq.Context()
    context.term()
    return context


def set_linger(context: Any, *args: Any, **kwargs: Any) -> Any:
    with context.socket(plain.SUB) as socket:
        socket.linger = 0
        socket.set(*args, **kwargs)
        return socket.linger


def received(context: Any, zmq: ModuleType, data: bytes = b"") -> Any:
    """Send a message of two frames to two peers, and return the frames of one."""
    with context.socket(zmq.PUB) as publisher, context.socket(zmq.SUB) as a, context.socket(zmq.SUB) as b:
        publisher.bind("inproc://frames")
        for subscriber in (a, b):
            subscriber.connect("inproc://frames")
            subscriber.subscribe("")
        publisher.send_multipart([data, data], copy=False)
        return a.recv_multipart(copy=False)


Call = Callable[[Any, ModuleType], Any]

#: Calls with a context and a package, and what they return.
CALLS: dict[str, tuple[Call, Any]] = {
    # Without a type, or with the address 0.
    "Socket(context)": (lambda c, zmq: zmq.Socket(c).type, plain.PAIR),
    "Socket(context), bound": (lambda c, zmq: zmq.Socket(c).bind("inproc://pair").kind, "bind"),
    "Socket(context, type, shadow=0)": (lambda c, zmq: zmq.Socket(c, zmq.PUB, shadow=0).type, plain.PUB),
    "Socket(context, type, shadow=None)": (lambda c, zmq: zmq.Socket(c, zmq.PUB, shadow=None).type, plain.PUB),
    "Socket(shadow=0)": (lambda c, zmq: zmq.Socket(shadow=0), Raises(TypeError)),
    "Socket.shadow(0)": (lambda c, zmq: zmq.Socket.shadow(0), Raises(TypeError)),
    "Socket()": (lambda c, zmq: zmq.Socket(), Raises(TypeError)),
    "Socket(None, type)": (lambda c, zmq: zmq.Socket(None, zmq.PUB), Raises(TypeError)),
    "Socket of a closed one": (
        lambda c, zmq: zmq.Socket(closed(c.socket(zmq.PUB))),
        Raises(plain.ZMQError, plain.ENOTSOCK),
    ),
    "Context(shadow=0)": (lambda c, zmq: zmq.Context(shadow=0).destroy(), None),
    "Context(1, 0)": (lambda c, zmq: zmq.Context(1, 0).destroy(), None),
    "Context.shadow(0)": (lambda c, zmq: zmq.Context.shadow(0).destroy(), None),
    "Context of a terminated one": (
        lambda c, zmq: zmq.Context(terminated(zmq)),
        Raises(plain.ZMQError, plain.EFAULT),
    ),
    # The type is told as a member of the enumeration, also when nothing else is left of the socket.
    "type": (lambda c, zmq: repr(c.socket(zmq.SUB).type), "<SocketType.SUB: 2>"),
    "type of a closed socket": (lambda c, zmq: repr(closed(c.socket(zmq.SUB)).type), "<SocketType.SUB: 2>"),
    "type of a shadow": (lambda c, zmq: repr(zmq.Socket(c.socket(zmq.SUB)).type), "<SocketType.SUB: 2>"),
    "type of one at an address": (
        lambda c, zmq: repr(zmq.Socket.shadow(c.socket(zmq.SUB).underlying).type),
        "<SocketType.SUB: 2>",
    ),
    "TYPE": (lambda c, zmq: repr(c.socket(zmq.SUB).TYPE), "2"),
    "get(TYPE)": (lambda c, zmq: repr(c.socket(zmq.SUB).get(zmq.TYPE)), "2"),
    "socket_type": (lambda c, zmq: repr(c.socket(zmq.SUB).socket_type), "<SocketType.SUB: 2>"),
    # Names of arguments: those of green sockets differ.
    "get(option=)": (lambda c, zmq: c.socket(zmq.SUB).get(option=zmq.TYPE), plain.SUB),
    "get(opt=)": (lambda c, zmq: c.socket(zmq.SUB).get(opt=zmq.TYPE), plain.SUB),
    "set(option=, optval=)": (lambda c, zmq: set_linger(c, option=zmq.LINGER, optval=5), 5),
    "set(opt=, val=)": (lambda c, zmq: set_linger(c, opt=zmq.LINGER, val=5), 5),
    "set(, val=)": (lambda c, zmq: set_linger(c, zmq.LINGER, val=5), 5),
    "get()": (lambda c, zmq: c.socket(zmq.SUB).get(), Raises(TypeError)),
    "get of two": (lambda c, zmq: c.socket(zmq.SUB).get(zmq.TYPE, opt=zmq.TYPE), Raises(TypeError)),
    "set()": (lambda c, zmq: set_linger(c), Raises(TypeError)),
    "set to nothing": (lambda c, zmq: set_linger(c, zmq.LINGER), Raises(TypeError)),
    "set to two": (lambda c, zmq: set_linger(c, zmq.LINGER, 5, val=5), Raises(TypeError)),
    # Properties of a message as attributes.
    "Frame.MORE": (lambda c, zmq: [(f.more, f.MORE, f.More) for f in received(c, zmq)], [(True, 1, 1), (False, 0, 0)]),
    "Frame.shared": (lambda c, zmq: [f.shared for f in received(c, zmq)], [0, 0]),
    "Frame.SHARED": (lambda c, zmq: [f.SHARED for f in received(c, zmq, bytes(200))], [1, 1]),
    "Frame.Shared": (lambda c, zmq: [f.Shared for f in received(c, zmq, bytes(200))], [1, 1]),
    "Frame.srcfd": (lambda c, zmq: zmq.Frame().srcfd, Raises(AttributeError)),
    "Frame.SRCFD": (lambda c, zmq: zmq.Frame().SRCFD, Raises(AttributeError)),
    "Frame.shared, set": (lambda c, zmq: setattr(zmq.Frame(), "shared", 1), Raises(plain.ZMQError, plain.EINVAL)),
    # Nothing is no message.
    "send_multipart([])": (lambda c, zmq: c.socket(zmq.PUB).send_multipart([]), Raises(IndexError)),
    "send_multipart(())": (lambda c, zmq: c.socket(zmq.PUB).send_multipart(()), Raises(IndexError)),
    "send_multipart([], copy=False)": (
        lambda c, zmq: c.socket(zmq.PUB).send_multipart([], copy=False),
        Raises(IndexError),
    ),
    "send_serialized of nothing": (
        lambda c, zmq: c.socket(zmq.PUB).send_serialized(1, lambda number: []),
        Raises(IndexError),
    ),
    # A context that is no more.
    "get of a terminated context": (lambda c, zmq: terminated(zmq).get(zmq.IO_THREADS), Raises(RuntimeError)),
    "set of a terminated context": (lambda c, zmq: terminated(zmq).set(zmq.IO_THREADS, 1), Raises(RuntimeError)),
    "option of a terminated context": (lambda c, zmq: terminated(zmq).io_threads, Raises(RuntimeError)),
    "option of a terminated context, set": (
        lambda c, zmq: setattr(terminated(zmq), "io_threads", 1),
        Raises(RuntimeError),
    ),
    "socket of a terminated context": (
        lambda c, zmq: terminated(zmq).socket(zmq.PUB),
        Raises(plain.ZMQError, plain.ENOTSUP),
    ),
    # How it looks.
    "bind": (lambda c, zmq: repr(c.socket(zmq.PUB).bind("inproc://x")), "<SocketContext(bind='inproc://x')>"),
    "connect": (lambda c, zmq: repr(c.socket(zmq.SUB).connect("inproc://x")), "<SocketContext(connect='inproc://x')>"),
    "InterruptedSystemCall": (
        lambda c, zmq: str(zmq.error.InterruptedSystemCall()).partition(":")[0],
        "Interrupted system call",
    ),
}
if not plain.DRAFT_API:
    CALLS |= {
        "Frame.group": (lambda c, zmq: zmq.Frame().group, Raises(RuntimeError)),
        "Frame.group, set": (lambda c, zmq: setattr(zmq.Frame(), "group", "x"), Raises(RuntimeError)),
        "Frame.routing_id": (lambda c, zmq: zmq.Frame().routing_id, Raises(RuntimeError)),
        "Frame.routing_id, set": (lambda c, zmq: setattr(zmq.Frame(), "routing_id", 1), Raises(RuntimeError)),
        "send(group)": (lambda c, zmq: c.socket(zmq.PUB).send(b"", group="x"), Raises(RuntimeError)),
        "send(routing_id)": (lambda c, zmq: c.socket(zmq.PUB).send(b"", routing_id=1), Raises(RuntimeError)),
        "join": (lambda c, zmq: c.socket(zmq.SUB).join("x"), Raises(RuntimeError)),
        "leave": (lambda c, zmq: c.socket(zmq.SUB).leave("x"), Raises(RuntimeError)),
    }


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.filterwarnings("ignore:Unclosed socket:ResourceWarning")
def test_a_call(context: Any, zmq: ModuleType, call: str) -> None:
    function, expected = CALLS[call]
    if isinstance(expected, Raises):
        with pytest.raises(expected.type) as caught:
            function(context, zmq)
        assert getattr(caught.value, "errno", None) == expected.errno
    else:
        assert function(context, zmq) == expected
