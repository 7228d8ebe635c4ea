"""0MQ for eventlet: every name of `zmq`, and blocking calls block only the greenlet.

Use it in the place of `zmq`, or of `eventlet.green.zmq`::

    import zmq.eventlet as zmq
"""

from __future__ import annotations

from zmq import (
    _FINISHED_TRACKER,
    COPY_THRESHOLD,
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
    backend,
    constants,
    curve_keypair,
    curve_public,
    error,
    get_budget,
    get_includes,
    get_library_dirs,
    greenzmq_version,
    has,
    monitored_queue,
    proxy,
    proxy_steerable,
    pyzmq_version,
    pyzmq_version_info,
    set_budget,
    statistics,
    strerror,
    sugar,
    utils,
    zmq_errno,
    zmq_version,
    zmq_version_info,
)
from zmq import __all__ as __all__
from zmq.core.constants import *  # noqa: F403
from zmq.eventlet.core import Context, Frame, Socket
from zmq.eventlet.device import device
from zmq.eventlet.poll import Poller, select, zmq_poll
from zmq.eventlet.replace import install

Message = Frame
