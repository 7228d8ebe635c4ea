"""An import path of PyZMQ; see `zmq.core.message`."""

from zmq.core.message import Frame, Message
from zmq.sugar.attrsettr import AttributeSetter as AttributeSetter

FrameBase = Frame

__all__ = ["Frame", "Message"]
