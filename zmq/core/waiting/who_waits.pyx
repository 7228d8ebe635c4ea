"""Who waits, for `zmq.statistics` to show: plain calls that block their thread, greenlets parked for no single socket.

Lives here: two tables. What must not: any way of waiting. Written to by all who block or park, but for the waiters of a
single socket, whose trampoline lists them.
"""

import os
import time

from cpython.pythread cimport PyThread_get_thread_ident

# What plain calls wait for now, and since when, by the thread they block.
cdef dict blocked = {}
# What greenlets are parked for that is no single socket, since when, and what waits for them, by the greenlet.
cdef dict parked = {}


cdef int begin_blocked(what) except -1:
    """This thread is about to block."""
    blocked[<unsigned long> PyThread_get_thread_ident()] = what, time.monotonic()
    return 0


cdef void end_blocked() noexcept:
    blocked.pop(<unsigned long> PyThread_get_thread_ident(), None)


cdef int begin_parked(greenlet, what, sleeper) except -1:
    """A greenlet is about to park for `what`, which is no single socket: an object, a list, or what has `members`.

    ``sleeper.leave(hub)`` ends the wait if it is one in this hub, which ends.
    """
    parked[greenlet] = what, time.monotonic(), sleeper
    return 0


cdef void end_parked(greenlet) noexcept:
    parked.pop(greenlet, None)


def leave_all(hub):
    """Forget the greenlets that are parked in a hub that ends, and what is watched for them.

    Parameters
    ----------
    hub : Hub
    """
    for greenlet, (_, _, sleeper) in list(parked.items()):
        if sleeper.leave(hub):
            parked.pop(greenlet, None)


cdef shown(what):
    """Return what `statistics` shows: of a poll set what is in it."""
    return what.members() if hasattr(what, "members") else what


def blocked_threads():
    """List the calls that block a native thread now.

    Returns
    -------
    list of dict
        ``thread``: its identifier, as of `threading.get_ident`. ``seconds``: for how long. ``waits_for``: the Socket or
        Context, or a list of what is polled or relayed.
    """
    now = time.monotonic()
    return [
        {"thread": thread, "seconds": now - since, "waits_for": shown(what)}
        for thread, (what, since) in list(blocked.items())
    ]


def parked_greenlets():
    """List the greenlets that are parked now for what is no single socket.

    Returns
    -------
    list of dict
        As in `zmq.statistics`.
    """
    now = time.monotonic()
    return [
        {
            "greenlet": greenlet,
            "seconds": now - since,
            "waits_for": shown(what),
            "fd": None,
            "events": 0,
            "route": None,
        }
        for greenlet, (what, since, _) in list(parked.items())
    ]


def _forked():
    blocked.clear()
    parked.clear()


os.register_at_fork(after_in_child=_forked)
