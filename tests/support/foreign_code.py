"""Code that uses sockets by their addresses and tells nobody, as code in C may."""

from __future__ import annotations

import ctypes
from typing import Any

import zmq


def function(name: str) -> Any:
    """Return a function of the libzmq that `zmq` has loaded."""
    return getattr(ctypes.CDLL(None), name, None) or getattr(ctypes.CDLL("libzmq.so.5"), name)


def read_events(socket: Any) -> int:
    """Read EVENTS, which stills the socket's bell."""
    events, size = ctypes.c_int(), ctypes.c_size_t(4)
    get = function("zmq_getsockopt")
    get(ctypes.c_void_p(socket.underlying), int(zmq.EVENTS), ctypes.byref(events), ctypes.byref(size))
    return events.value


def shut_down(context: Any) -> None:
    """Have all calls on the context's sockets fail."""
    function("zmq_ctx_shutdown")(ctypes.c_void_p(context.underlying))
