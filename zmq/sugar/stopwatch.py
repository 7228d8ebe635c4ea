"""An import path of PyZMQ; see `zmq.core.stopwatch`."""

from zmq.core.stopwatch import Stopwatch

__all__ = ["Stopwatch"]
