# Written by tools/generate_frameworks.py from zmq/green/eventloop/zmqstream.py: change that, then ``make frameworks``.
"""`ZMQStream` for eventlet: without a loop it takes the current one of `zmq.eventlet.eventloop`."""

from __future__ import annotations

from zmq.eventlet.eventloop.ioloop import IOLoop as IOLoop
from zmq.eventloop import zmqstream as zmqstream


class ZMQStream(zmqstream.ZMQStream):
    """A socket with callbacks, in an event loop that leaves the hub free; see `zmq.eventloop.zmqstream.ZMQStream`.

    Parameters
    ----------
    socket : Socket
        A plain or a green one.
    io_loop : IOLoop, optional
        Any loop of tornado's; ``IOLoop.current()`` of `zmq.eventlet.eventloop` when left out.
    """

    _loop_class = IOLoop
