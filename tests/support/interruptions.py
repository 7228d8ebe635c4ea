"""An exception before any bytecode of a call, as the handler of a signal may raise it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any


class Interrupt(Exception):
    """What the handler of a signal raises."""


class Tracer:
    """Raises before the bytecode of that number of what some modules do while it is the thread's tracer.

    Parameters
    ----------
    number : int
    modules : tuple of str
        The first parts of their names, each with a dot at its end.
    is_here : callable
        Tells whether it concerns the greenlet or task that runs.
    """

    def __init__(self, number: int, modules: tuple[str, ...], is_here: Callable[[], bool] = lambda: True) -> None:
        self.left = number
        self.modules = modules
        self.is_here = is_here
        self.has_raised = False

    def __call__(self, frame: FrameType, event: str, _: object) -> Any:
        if self.has_raised or not f"{frame.f_globals.get('__name__')}.".startswith(self.modules):
            return None  # such as asyncio, which would be broken
        frame.f_trace_opcodes = True
        if not self.is_here():
            return self
        self.left -= event == "opcode"
        if self.left < 0:
            self.has_raised = True
            raise Interrupt
        return self


def interrupt(number: int, call: Callable[[], object], modules: tuple[str, ...] = ("zmq.", "eventlet.")) -> bool:
    """Raise before the bytecode of that number of a call; tell whether it has so many."""
    tracer = Tracer(number, modules)
    # Python 3.12 looks at the frames of the present only when tracing begins.
    sys._getframe().f_trace_opcodes = True
    sys.settrace(tracer)
    try:
        call()
    except Interrupt:
        pass
    finally:
        sys.settrace(None)
    return tracer.has_raised
