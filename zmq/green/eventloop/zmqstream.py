"""`ZMQStream` for gevent: without a loop it takes the current one of `zmq.green.eventloop`."""

from __future__ import annotations

from zmq.eventloop import zmqstream as zmqstream
from zmq.green.eventloop.ioloop import IOLoop as IOLoop


class ZMQStream(zmqstream.ZMQStream):
    """A socket with callbacks, in an event loop that leaves the hub free; see `zmq.eventloop.zmqstream.ZMQStream`.

    Parameters
    ----------
    socket : Socket
        A plain or a green one.
    io_loop : IOLoop, optional
        Any loop of tornado's; ``IOLoop.current()`` of `zmq.green.eventloop` when left out.
    """

    _loop_class = IOLoop
