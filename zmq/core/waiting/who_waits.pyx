"""Who waits, for `zmq.statistics` to show: plain calls that block their thread, and who waits for no single socket.

Lives here: three tables. What must not: any way of waiting. Written to by all who block or park, but for the waiters of
a single socket, whose trampoline lists them.
"""

import os
import time
import weakref
from functools import partial

from cpython.pythread cimport PyThread_get_thread_ident

# What plain calls wait for now, since when, what they do, and the same of the wait in whose midst they are, by the
# thread that they block: a signal's handler, or a finalizer, waits within another wait.
cdef dict blocked = {}
# What greenlets are parked for that is no single socket, since when, and what waits for them, by the greenlet.
cdef dict parked = {}
# What is called when a hub ends, in its thread.
cdef list at_the_end = []
# Weak references to polls of many sockets that wait without a greenlet, by their address.
cdef dict pending = {}


cdef int begin_blocked(what, str action) except -1:
    """This thread is about to block; `action` is what `statistics` says it does."""
    thread = <unsigned long> PyThread_get_thread_ident()
    blocked[thread] = what, time.monotonic(), action, blocked.get(thread)
    return 0


cdef void end_blocked() noexcept:
    thread = <unsigned long> PyThread_get_thread_ident()
    cdef tuple ended = blocked.pop(thread, None)
    if ended is not None and ended[3] is not None:
        blocked[thread] = ended[3]


cdef int begin_parked(greenlet, what, sleeper) except -1:
    """A greenlet is about to park for `what`, which is no single socket: an object, a list, or what has `members`.

    ``sleeper.leave(hub)`` ends the wait if it is one in this hub, which ends.
    """
    parked[greenlet] = what, time.monotonic(), sleeper
    return 0


cdef void end_parked(greenlet) noexcept:
    parked.pop(greenlet, None)


cdef int begin_pending(poll) except -1:
    """A poll waits without a greenlet: ``poll.describe()`` returns the future, what it is for, since when, the hub."""
    key = <size_t> <void *> poll
    pending[key] = weakref.ref(poll, partial(_lose, key))
    return 0


def _lose(key, _reference):
    pending.pop(key, None)


cdef void end_pending(poll) noexcept:
    pending.pop(<size_t> <void *> poll, None)


def leave_all(hub):
    """Forget the greenlets that are parked in a hub that ends, and what is watched for them.

    Parameters
    ----------
    hub : Hub
    """
    for greenlet, (_, _, sleeper) in parked.copy().items():
        if sleeper.leave(hub):
            parked.pop(greenlet, None)
    for function in at_the_end:
        function()


def call_at_the_end(function):
    """Have a function called whenever a hub ends because its thread does, in that thread.

    Parameters
    ----------
    function : callable
    """
    at_the_end.append(function)


cdef dict entry(waiter, thread, what, double since, str action):
    """Return what every list of those who wait has; `action` is None where `waits_for` says it."""
    return {
        "waiter": waiter,
        "thread": thread,
        "action": action,
        # Of a poll set what is in it.
        "waits_for": what.members() if hasattr(what, "members") else what,
        "fd": None,
        "events": 0,
        "route": None,
        "seconds": time.monotonic() - since,
    }


def blocked_threads():
    """List the calls that block a native thread now.

    Returns
    -------
    list of dict
        As `zmq.core.waiting.trampoline.waiters`; ``waiter`` is None.
    """
    return [entry(None, thread, what, since, action) for thread, (what, since, action, _) in blocked.copy().items()]


def parked_greenlets():
    """List the greenlets and futures that wait now for what is no single socket.

    Returns
    -------
    list of dict
        As `zmq.core.waiting.trampoline.waiters`; ``action`` is None where ``waits_for`` tells.
    """
    found = []
    for greenlet, (what, since, sleeper) in parked.copy().items():
        found.append(entry(greenlet, sleeper.hub.thread, what, since, "poll" if hasattr(what, "members") else None))
    for key, reference in pending.copy().items():
        poll = reference()
        described = None if poll is None else poll.describe()
        if described is None:
            pending.pop(key, None)
        else:
            future, what, since, hub = described
            found.append(entry(future, hub.thread, what, since, "poll"))
    return found


def _forked():
    blocked.clear()
    parked.clear()
    pending.clear()


os.register_at_fork(after_in_child=_forked)
