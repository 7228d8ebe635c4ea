"""An import path of PyZMQ; see `zmq.core`."""

from zmq.core.context import Context
from zmq.core.device import monitored_queue as monitored_queue
from zmq.core.device import proxy, proxy_steerable
from zmq.core.error import Again as Again
from zmq.core.error import ContextTerminated as ContextTerminated
from zmq.core.error import InterruptedSystemCall as InterruptedSystemCall
from zmq.core.error import ZMQError as ZMQError
from zmq.core.message import Frame, Message
from zmq.core.poll import zmq_poll
from zmq.core.socket import Socket
from zmq.core.tracker import MessageTracker as MessageTracker
from zmq.core.version import (
    IPC_PATH_MAX_LEN,
    PYZMQ_DRAFT_API,
    curve_keypair,
    curve_public,
    has,
    strerror,
    zmq_errno,
    zmq_version_info,
)

__all__ = [
    "IPC_PATH_MAX_LEN",
    "PYZMQ_DRAFT_API",
    "Context",
    "Frame",
    "Message",
    "Socket",
    "curve_keypair",
    "curve_public",
    "has",
    "proxy",
    "proxy_steerable",
    "strerror",
    "zmq_errno",
    "zmq_poll",
    "zmq_version_info",
]
