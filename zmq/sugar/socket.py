"""An import path of PyZMQ; see `zmq.core.socket`."""

from pickle import DEFAULT_PROTOCOL as DEFAULT_PROTOCOL

from zmq.core.constants import SocketOption as SocketOption
from zmq.core.constants import SocketType as SocketType
from zmq.core.poll import Poller as Poller
from zmq.core.socket import Socket, SyncSocket
from zmq.error import ZMQBindError as ZMQBindError
from zmq.error import ZMQError as ZMQError
from zmq.sugar.attrsettr import AttributeSetter as AttributeSetter

SocketBase = Socket

__all__ = ["Socket", "SyncSocket"]
