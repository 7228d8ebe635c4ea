"""An import path of PyZMQ; see `zmq.core.tracker`."""

from zmq.core.message import Frame as Frame
from zmq.core.tracker import _FINISHED_TRACKER, MessageTracker
from zmq.error import NotDone as NotDone

__all__ = ["_FINISHED_TRACKER", "MessageTracker"]
