"""`zmq.decorators` for gevent: contexts and sockets that block only the greenlet."""

from __future__ import annotations

from zmq.decorators import Decorators as _Decorators
from zmq.green.core import Context as _Context

_green = _Decorators(lambda: _Context)
context = _green.context
socket = _green.socket

__all__ = ["context", "socket"]
