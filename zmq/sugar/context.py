"""An import path of PyZMQ; see `zmq.core.context`."""

from zmq.core.constants import ContextOption as ContextOption
from zmq.core.constants import Errno as Errno
from zmq.core.constants import SocketOption as SocketOption
from zmq.core.context import Context
from zmq.core.socket import SyncContext as SyncContext
from zmq.core.socket import SyncSocket as SyncSocket
from zmq.error import ZMQError as ZMQError
from zmq.sugar.attrsettr import AttributeSetter as AttributeSetter
from zmq.sugar.attrsettr import OptValT as OptValT
from zmq.sugar.socket import Socket as Socket

ContextBase = Context

__all__ = ["Context", "SyncContext"]
