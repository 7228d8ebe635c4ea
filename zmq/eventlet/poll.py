# Written by tools/generate_frameworks.py from zmq/green/poll.py: change that, then ``make frameworks``.
"""`Poller`, `select` and `zmq_poll` for eventlet."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, ClassVar

from zmq.core import poll as _poll
from zmq.eventlet.hub import Hub, get_hub


class Poller(_poll.Poller):
    """Wait for several sockets and descriptors; blocks only the greenlet."""

    _get_hub: ClassVar[Callable[[], Hub] | None] = staticmethod(get_hub)


def select(
    rlist: Iterable[Any], wlist: Iterable[Any], xlist: Iterable[Any], timeout: float | None = None
) -> tuple[list[Any], list[Any], list[Any]]:
    """Wait as `zmq.select` does; blocks only the greenlet."""
    return _poll.select(rlist, wlist, xlist, timeout, poller_class=Poller)


def zmq_poll(sockets: Iterable[tuple[Any, int]], timeout: float | None = -1) -> list[tuple[Any, int]]:
    """Poll as `zmq.zmq_poll` does; blocks only the greenlet."""
    return _poll.zmq_poll(sockets, timeout, poller_class=Poller)


# As old programs call it.
_Poller = Poller
