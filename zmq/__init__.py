"""0MQ for Python: a binding to libzmq, made for programs that run on greenlets.

The public names; nothing is defined here. For gevent ``import zmq.green as zmq``.
"""

from zmq import constants as constants
from zmq import error as error
from zmq.core.constants import *  # noqa: F403
from zmq.core.constants import __all__ as _constants
from zmq.core.context import Context
from zmq.core.error import (
    Again,
    ContextTerminated,
    DraftFDWarning,
    InterruptedSystemCall,
    NotDone,
    ZMQBaseError,
    ZMQBindError,
    ZMQError,
    ZMQVersionError,
)
from zmq.core.message import COPY_THRESHOLD, Frame, Message
from zmq.core.poll import Poller, select, zmq_poll
from zmq.core.socket import Socket
from zmq.core.tracker import _FINISHED_TRACKER as _FINISHED_TRACKER
from zmq.core.tracker import MessageTracker
from zmq.core.version import (
    DRAFT_API,
    curve_keypair,
    curve_public,
    greenzmq_version,
    has,
    pyzmq_version,
    pyzmq_version_info,
    strerror,
    zmq_errno,
    zmq_version,
    zmq_version_info,
)
from zmq.core.version import (
    PYZMQ_API as __version__,
)

__all__ = [
    *_constants,
    "COPY_THRESHOLD",
    "DRAFT_API",
    "Again",
    "Context",
    "ContextTerminated",
    "DraftFDWarning",
    "Frame",
    "InterruptedSystemCall",
    "Message",
    "MessageTracker",
    "NotDone",
    "Poller",
    "Socket",
    "ZMQBaseError",
    "ZMQBindError",
    "ZMQError",
    "ZMQVersionError",
    "curve_keypair",
    "curve_public",
    "greenzmq_version",
    "has",
    "pyzmq_version",
    "pyzmq_version_info",
    "select",
    "strerror",
    "zmq_errno",
    "zmq_poll",
    "zmq_version",
    "zmq_version_info",
]
