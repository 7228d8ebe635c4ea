"""0MQ for Python: a binding to libzmq, made for programs that run on greenlets.

The public names; nothing is defined here. For gevent ``import zmq.green as zmq``.
"""

from __future__ import annotations

from zmq import _lazy
from zmq import constants as constants
from zmq import error as error
from zmq.core import constants as _constants
from zmq.core.capabilities import DRAFT_API, IPC_PATH_MAX_LEN, PYZMQ_DRAFT_API, has
from zmq.core.constants import *  # noqa: F403
from zmq.core.context import Context
from zmq.core.curve import curve_keypair, curve_public
from zmq.core.device import device, monitored_queue, proxy, proxy_steerable
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
from zmq.core.includes import get_includes, get_library_dirs
from zmq.core.inspection import serve_if_asked as _serve_if_asked
from zmq.core.inspection.dump import dump, install_dump, uninstall_dump
from zmq.core.message import COPY_THRESHOLD, Frame, Message
from zmq.core.poll import Poller, select, zmq_poll
from zmq.core.socket import Socket, SyncContext, SyncSocket
from zmq.core.statistics import statistics
from zmq.core.stopwatch import Stopwatch
from zmq.core.tracker import _FINISHED_TRACKER as _FINISHED_TRACKER
from zmq.core.tracker import MessageTracker
from zmq.core.version import (
    PYZMQ_API as __version__,
)
from zmq.core.version import (
    greenzmq_version,
    pyzmq_version,
    pyzmq_version_info,
    strerror,
    zmq_errno,
    zmq_version,
    zmq_version_info,
)
from zmq.core.waiting.budget import get_budget, set_budget

TYPE_CHECKING = False  # `typing` takes longer to import than all the rest

if TYPE_CHECKING:
    from zmq import backend as backend
    from zmq import sugar as sugar
    from zmq import utils as utils
    from zmq.core.inspection.watch import set_slow_hub, set_slow_wait

# Other paths of what is above, and what imports `logging`.
_WATCH = "zmq.core.inspection.watch"
_LATER = {
    "backend": "zmq.backend",
    "set_slow_hub": _WATCH,
    "set_slow_wait": _WATCH,
    "sugar": "zmq.sugar",
    "utils": "zmq.utils",
}
__getattr__, __dir__ = _lazy.attach(__name__, _LATER)

__revision__ = ""

__all__ = [
    "_FINISHED_TRACKER",
    "__revision__",
    "__version__",
    "COPY_THRESHOLD",
    "DRAFT_API",
    "IPC_PATH_MAX_LEN",
    "PYZMQ_DRAFT_API",
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
    "Stopwatch",
    "SyncContext",
    "SyncSocket",
    "ZMQBaseError",
    "ZMQBindError",
    "ZMQError",
    "ZMQVersionError",
    "curve_keypair",
    "curve_public",
    "device",
    "dump",
    "get_budget",
    "get_includes",
    "get_library_dirs",
    "greenzmq_version",
    "has",
    "install_dump",
    "monitored_queue",
    "proxy",
    "proxy_steerable",
    "pyzmq_version",
    "pyzmq_version_info",
    "select",
    "set_budget",
    "set_slow_hub",
    "set_slow_wait",
    "statistics",
    "strerror",
    "uninstall_dump",
    "zmq_errno",
    "zmq_poll",
    "zmq_version",
    "zmq_version_info",
]
# In this form type checkers see them.
__all__ += _constants.__all__

_serve_if_asked()
