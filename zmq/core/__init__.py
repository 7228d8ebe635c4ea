"""The binding: one 0MQ object per module. Imports no event loop and no green framework.

The package has the names of its modules, as in old versions of PyZMQ; `device` is the module.

- What programs use: `socket`, `context`, `message`, `poll`, `device`, `tracker`, `constants`, `error`, `version`,
  `statistics`, `stopwatch`. `curve`, `capabilities` and `includes` are what `version` has from elsewhere.
- What those are made of is in rooms: `waiting`, `messages`, `contexts`, `sockets`, `polling`, `futures`, `relays`.
- What a program that hangs is asked with: `inspection`.
- What all of `zmq` uses: `native_threads`, `_text`; `monkeypatch` and `command_line`, for programs that are
  monkeypatched.
- The library that all compiled modules are in: `_modules`; `_finder` has them found there.
- libzmq: `libzmq` declares it, ``zmq_compat.h`` has the differences of its versions, `check` turns its errors into
  Python's, `_norm` finds errors that it has none for.
"""

import sys

# `_finder` first, which finds the others.
from zmq.core import (
    _finder,
    constants,
    context,
    device,
    error,
    futures,
    message,
    native_threads,
    poll,
    socket,
    stopwatch,
    tracker,
    version,
)
from zmq.core.capabilities import has
from zmq.core.constants import *  # noqa: F403
from zmq.core.context import Context
from zmq.core.curve import curve_keypair, curve_public
from zmq.core.device import monitored_queue, proxy, proxy_steerable
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
from zmq.core.includes import get_includes
from zmq.core.message import Frame, Message
from zmq.core.poll import Poller, select, zmq_poll
from zmq.core.socket import Socket
from zmq.core.stopwatch import Stopwatch
from zmq.core.tracker import MessageTracker
from zmq.core.version import (
    pyzmq_version,
    pyzmq_version_info,
    strerror,
    zmq_errno,
    zmq_version,
    zmq_version_info,
)
from zmq.core.waiting import hub

# Where modules were in version 0.1.
native, pending = native_threads, futures
sys.modules |= {"zmq.core.hub": hub, "zmq.core.native": native, "zmq.core.pending": pending}

__all__ = [
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
    "ZMQBaseError",
    "ZMQBindError",
    "ZMQError",
    "ZMQVersionError",
    "constants",
    "context",
    "curve_keypair",
    "curve_public",
    "device",
    "error",
    "get_includes",
    "has",
    "message",
    "monitored_queue",
    "poll",
    "proxy",
    "proxy_steerable",
    "pyzmq_version",
    "pyzmq_version_info",
    "select",
    "socket",
    "stopwatch",
    "strerror",
    "tracker",
    "version",
    "zmq_errno",
    "zmq_poll",
    "zmq_version",
    "zmq_version_info",
]
__all__ += constants.__all__
