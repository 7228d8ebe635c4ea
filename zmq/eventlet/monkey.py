# Written by tools/generate_frameworks.py from zmq/green/monkey.py: change that, then ``make frameworks``.
"""Make programs that say plain ``import zmq`` green, for eventlet.

Call `patch_all` at any time: before or after `zmq` is imported, before or after ``eventlet.monkey_patch()``, which
makes the rest of the program green and which this does not do. Or start the program with both::

    python -m zmq.eventlet.monkey program.py argument...
"""

from __future__ import annotations

import sys
from collections.abc import Callable

from greenlet import getcurrent

from zmq.core import monkeypatch as _monkeypatch
from zmq.eventlet import tasks
from zmq.eventlet.hub import get_hub


def patch_all() -> None:
    """Have everything of `zmq` that blocks the thread block only the greenlet.

    Names that were imported from `zmq` before, classes that were derived from its classes and sockets that exist become
    green too.

    Raises
    ------
    RuntimeError
        zmq is patched for another framework.

    Warns
    -----
    RuntimeWarning
        Other threads are blocked by 0MQ calls now; they stay blocked until these return.
    """
    _monkeypatch.patch(get_hub)


def unpatch_all() -> None:
    """Undo `patch_all`: for tests. Greenlets that wait now go on waiting."""
    _monkeypatch.unpatch(get_hub)


def is_patched() -> bool:
    """Tell whether `patch_all` is in effect.

    Returns
    -------
    bool
    """
    return _monkeypatch.is_patched(get_hub)


def _patch_everything() -> Callable[[], object]:
    tasks.patch()
    patch_all()
    handler = _monkeypatch.interrupt_main(getcurrent, get_hub, "eventlet")
    tasks.in_every_hub(handler.watch)
    return handler.leave


if __name__ == "__main__":
    _monkeypatch.run(_patch_everything, sys.argv[1:], "zmq.eventlet.monkey")
