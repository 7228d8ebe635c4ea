"""Helpers that are public because PyZMQ's are, each loaded when it is first asked for."""

from __future__ import annotations

from zmq import _lazy

TYPE_CHECKING = False  # `typing` takes longer to import than all the rest

if TYPE_CHECKING:
    from zmq.utils import garbage as garbage
    from zmq.utils import interop as interop
    from zmq.utils import jsonapi as jsonapi
    from zmq.utils import monitor as monitor
    from zmq.utils import strtypes as strtypes
    from zmq.utils import win32 as win32
    from zmq.utils import z85 as z85

__all__ = ["interop", "jsonapi", "z85"]

_SUBMODULES = (*__all__, "garbage", "monitor", "strtypes", "win32")

__getattr__, __dir__ = _lazy.attach(__name__, {name: f"{__name__}.{name}" for name in _SUBMODULES})
