"""0MQ for gevent: every name of `zmq`, and blocking calls block only the greenlet.

Use it in the place of `zmq`::

    import zmq.green as zmq
"""

from __future__ import annotations

import zmq as _zmq
from zmq import (
    _FINISHED_TRACKER,
    _LATER,
    DRAFT_API,
    IPC_PATH_MAX_LEN,
    PYZMQ_DRAFT_API,
    Again,
    ContextTerminated,
    DraftFDWarning,
    InterruptedSystemCall,
    MessageTracker,
    NotDone,
    Stopwatch,
    SyncContext,
    SyncSocket,
    ZMQBaseError,
    ZMQBindError,
    ZMQError,
    ZMQVersionError,
    __revision__,
    __version__,
    curve_keypair,
    curve_public,
    dump,
    get_budget,
    get_includes,
    get_library_dirs,
    greenzmq_version,
    has,
    install_dump,
    monitored_queue,
    proxy,
    proxy_steerable,
    pyzmq_version,
    pyzmq_version_info,
    set_budget,
    statistics,
    strerror,
    uninstall_dump,
    zmq_errno,
    zmq_version,
    zmq_version_info,
)
from zmq import constants as constants
from zmq import error as error
from zmq.core import constants as _constants
from zmq.core.constants import *  # noqa: F403
from zmq.green.core import Context, Frame, Socket, _Context, _Socket
from zmq.green.device import device
from zmq.green.poll import Poller, select, zmq_poll

TYPE_CHECKING = False  # `typing` takes longer to import than all the rest

if TYPE_CHECKING:
    from zmq import COPY_THRESHOLD, set_slow_hub, set_slow_wait
    from zmq import backend as backend
    from zmq import sugar as sugar
    from zmq import utils as utils
else:

    def __getattr__(name):
        if name == "COPY_THRESHOLD":
            # As it is now. Setting it here is for the sockets and frames of this package.
            return Frame._threshold.read()
        if name in _LATER:
            return getattr(_zmq, name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

    def __dir__():
        return sorted({*globals(), *_LATER, "COPY_THRESHOLD"})


Message = Frame

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
