"""`ZMQStream`, in the place where programs look for it: it waits in whichever loop it is made for."""

from __future__ import annotations

from zmq.eventloop import zmqstream as zmqstream
from zmq.eventloop.zmqstream import ZMQStream as ZMQStream
