"""An import path of PyZMQ: what `zmq.core` has of PyZMQ's compiled binding."""

from zmq.backend.cython._zmq import *  # noqa: F403
from zmq.backend.cython._zmq import __all__ as __all__
from zmq.backend.cython._zmq import monitored_queue as monitored_queue
