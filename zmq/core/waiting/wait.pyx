"""How one socket handle is waited for: the contract between a socket and whoever waits for it.

Lives here: `Waiter` and `Turn`, without any way of waiting. `zmq.core.waiting.trampoline` implements them, and
`zmq.core.socket` calls them. A socket without a waiter blocks its thread inside libzmq, and says so here; so do
greenlets that park for anything but a single socket.
"""

import os
import time

from cpython.pythread cimport PyThread_get_thread_ident

generation = 0

# What plain calls wait for inside libzmq now, and since when, by the thread they block.
cdef dict blocked = {}
# What greenlets are parked for that is no single socket, since when, and who waits for them, by the greenlet.
cdef dict parked = {}


cdef int block(what) except -1:
    """This thread is about to block."""
    blocked[<unsigned long> PyThread_get_thread_ident()] = what, time.monotonic()
    return 0


cdef void unblock() noexcept:
    blocked.pop(<unsigned long> PyThread_get_thread_ident(), None)


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


cdef int park(greenlet, what, waiter) except -1:
    """A greenlet is about to park for `what`, which is no single socket: an object, a list, or what has `members`.

    ``waiter.leave(hub)`` ends the wait if it is one in this hub, which ends.
    """
    parked[greenlet] = what, time.monotonic(), waiter
    return 0


def leave_all(hub):
    """Forget the greenlets that are parked in a hub that ends, and what is watched for them.

    Parameters
    ----------
    hub : Hub
    """
    for greenlet, (_, _, waiter) in list(parked.items()):
        if waiter.leave(hub):
            parked.pop(greenlet, None)


cdef void unpark(greenlet) noexcept:
    parked.pop(greenlet, None)


def parked_greenlets():
    """List the greenlets that are parked now for what is no single socket.

    Returns
    -------
    list of dict
        As in `zmq.core.waiting.trampoline.statistics`.
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
    global generation
    generation += 1
    blocked.clear()
    parked.clear()


os.register_at_fork(after_in_child=_forked)


cdef class Turn:
    """One caller that waits for its turn on a socket."""

    cdef int wait(self) except -1:
        """Wait until it is worth another attempt; raise what ends the wait."""
        raise NotImplementedError

    cdef void again(self) noexcept:
        """The attempt was in vain: keep the place in the queue."""

    cdef void leave(self) noexcept:
        """Stop waiting, for whatever reason, and hand the turn on."""


cdef class Waiter:
    """All that waits for one socket handle."""

    cdef int enter(self) except -1:
        """Before an operation while `interest` is not 0: refuse it while somebody waits in a hub of another thread."""
        raise NotImplementedError

    cdef void notify(self) noexcept:
        """After an operation while `interest` is not 0: it may have changed what others wait for."""

    cdef bint must_queue(self, int events, const void *route, size_t size) noexcept:
        """Tell whether others were first, so that not even an attempt is allowed."""

    cdef Turn join(self, get_hub, int events, const void *route, size_t size, double timeout):
        """Queue behind those who wait for the same events; `timeout` in seconds, negative for none."""
        raise NotImplementedError

    cdef bint hands_over(self) noexcept:
        """Tell whether a receive that follows a send should join without an attempt, with `Turn.untried`."""
        return False

    cdef bint close(self) noexcept:
        """The handle is about to be closed: disarm and send everybody home.

        False says that the hub which watches its descriptor runs in another thread: it will close the handle.
        """
        return True


cdef class Owner:
    """Somebody who has sockets to himself for a time, such as a proxy that runs."""

    def __cinit__(self):
        self.born = generation

    cdef int admit(self, shadow) except -1:
        """A shadow of one of the sockets was made: it belongs to the owner too, and is given back with the rest."""
        raise NotImplementedError

    cdef int stop(self) except -1:
        """Give the sockets back before this returns, because one of them is about to be closed; in any thread."""
        raise NotImplementedError
