# Written by tools/generate_frameworks.py from zmq/green/decorators.py: change that, then ``make frameworks``.
"""`zmq.decorators` for eventlet: contexts and sockets that block only the greenlet."""

from __future__ import annotations

from zmq.decorators import Decorators as _Decorators
from zmq.eventlet.core import Context as _Context

_green = _Decorators(lambda: _Context)
context = _green.context
socket = _green.socket

__all__ = ["context", "socket"]
