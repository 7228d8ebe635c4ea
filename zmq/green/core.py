"""`Context`, `Socket` and `Frame` for gevent: the plain ones, told which hub to wait in.

Being green is one attribute, `_get_hub`. Where a class has it, three things hold:

- The attempt: what is asked of libzmq never blocks. A message is sent or received with ZMQ_DONTWAIT, whole or not at
  all (`zmq/core/messages/whole_message_attempts.pxd`).
- The park: when libzmq can do nothing now, the greenlet switches to the hub, which watches the socket's ZMQ_FD, by
  which libzmq says that something has changed, and switches back when it has (`zmq/core/waiting/trampoline.pyx`).
- The alarm: a greenlet that was not told of a change would be parked for ever. Instead of having each of them wake up
  from time to time to see for itself, the hub looks every 3 seconds after those who are parked in it, and should find
  nothing (`zmq/core/waiting/sweep_alarm.pyx`).
"""

from __future__ import annotations

from zmq.core import context as _context
from zmq.core import message as _message
from zmq.core import socket as _socket
from zmq.core.messages.copy_threshold import Threshold
from zmq.core.sockets.overrides import with_own_methods
from zmq.green.hub import get_hub


class Frame(_message.Frame):
    """One part of a message; its tracker waits in the hub."""

    _get_hub = staticmethod(get_hub)
    _threshold = Threshold("zmq.green")


@with_own_methods
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
