"""How one socket handle is waited for: the contract between a socket and whoever waits for it.

Lives here: `Waiter` and `Turn`, without any way of waiting. `zmq.core.trampoline` implements them, and
`zmq.core.socket` calls them. A socket without a waiter blocks its thread inside libzmq.
"""

import os

generation = 0


def _forked():
    global generation
    generation += 1


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
        """Before an operation while `interest` is not 0: refuse a second thread."""
        raise NotImplementedError

    cdef void notify(self) noexcept:
        """After an operation while `interest` is not 0: it may have changed what others wait for."""

    cdef int refuel(self, get_hub) except -1:
        """Before a blocking call when `fuel` ran out: let the hub run if it is time."""
        raise NotImplementedError

    cdef bint must_queue(self, int events, const void *route, size_t size) noexcept:
        """Tell whether others were first, so that not even an attempt is allowed."""

    cdef Turn join(self, get_hub, int events, const void *route, size_t size, double timeout):
        """Queue behind those who wait for the same events; `timeout` in seconds, negative for none."""
        raise NotImplementedError

    cdef void close(self) noexcept:
        """The handle is about to be closed: disarm and send everybody home."""
