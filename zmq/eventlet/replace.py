"""`install`: let programs that import `eventlet.green.zmq` by that name get `zmq.eventlet`."""

from __future__ import annotations

import importlib
import sys

NAME = "eventlet.green.zmq"


def install() -> None:
    """Put `zmq.eventlet` in the place of `eventlet.green.zmq`.

    From then on ``from eventlet.green import zmq`` gives `zmq.eventlet`. Where the original was imported before, the
    names in it become ours.

    Examples
    --------
    >>> import zmq.eventlet
    >>> zmq.eventlet.install()
    >>> from eventlet.green import zmq
    """
    ours = importlib.import_module("zmq.eventlet")
    theirs = sys.modules.get(NAME)
    if theirs is not None and theirs is not ours:
        vars(theirs).update({name: getattr(ours, name) for name in ours.__all__})
    sys.modules[NAME] = ours
    importlib.import_module("eventlet.green").zmq = ours  # type: ignore[attr-defined]
