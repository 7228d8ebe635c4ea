"""`Context`, `Socket` and `Frame` for eventlet: the plain ones, told which hub to wait in."""

from __future__ import annotations

from zmq.core import context as _context
from zmq.core import message as _message
from zmq.core import socket as _socket
from zmq.core.message import Threshold
from zmq.eventlet.hub import get_hub


class Frame(_message.Frame):
    """One part of a message; its tracker waits in the hub."""

    _get_hub = staticmethod(get_hub)
    _threshold = Threshold("zmq.eventlet")


class Socket(_socket.Socket):
    """A 0MQ socket whose blocking calls block only the greenlet."""

    _get_hub = staticmethod(get_hub)
    _frame_class = Frame


class Context(_context.Context):
    """A 0MQ context that makes green sockets."""

    _get_hub = staticmethod(get_hub)
    _socket_class = Socket
    _instance = None


# As old programs call them.
_Socket, _Context = Socket, Context
