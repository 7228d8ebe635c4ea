"""The end of contexts in native threads, so that nothing of Python waits for it.

Lives here: zmq_ctx_term in the background, and the wait for it when the interpreter ends. What must not: contexts.
Called by `zmq.core.context`. How a thread does it: `termination_threads.h`.
"""

import os

from cpython.exc cimport PyErr_CheckSignals
from posix.unistd cimport close

from zmq.core.check cimport raise_errno
from zmq.core.libzmq cimport ZMQ_POLLIN, zmq_poll, zmq_pollitem_t
from zmq.core.waiting.clock cimport monotonic
from zmq.core.waiting.signal_watch cimport GLANCE, runs_handlers

cdef extern from "contexts/termination_threads.h" nogil:
    int begin_ending "greenzmq_begin_ending"(void *context, int fd)
    bint await_endings "greenzmq_await_endings"(double seconds)


class Termination:
    """A context that is being terminated in a native thread, from `begin` on."""

    fd = writer = -1

    def __init__(self):
        self.fd, self.writer = os.pipe()

    def begin(self, size_t address):
        """Have this context terminated; no other thread of Python runs meanwhile."""
        cdef int err = self.try_begin(address)
        if err:
            raise_errno(err)

    def try_begin(self, size_t address):
        """Do as `begin`, and return an error code, or 0."""
        cdef int err = begin_ending(<void *> address, self.writer)
        if not err:
            self.writer = -1
        return err

    def __del__(self):
        cdef int fd
        for fd in (self.fd, self.writer):
            if fd >= 0:
                # Not that of `os`, which may be gone when the interpreter ends.
                close(fd)

    def is_over(self):
        """Tell whether it is done."""
        cdef zmq_pollitem_t item
        item.socket = NULL
        item.fd = self.fd
        item.events = ZMQ_POLLIN
        return zmq_poll(&item, 1, 0) != 0


def new_termination():
    """Return a `Termination` for a plain thread that has to hear signals while it waits, or None.

    That is the main thread: a signal that comes before it waits in zmq_ctx_term, or to another thread, would not end
    that wait, but does end a poll. Where there are no descriptors it can only call zmq_ctx_term.
    """
    if not runs_handlers():
        return None
    try:
        return Termination()
    except OSError:
        return None


cdef void terminate_in_background(void *context) noexcept:
    """Terminate a context whose end no caller waits for."""
    begin_ending(context, -1)


cdef int await_terminations(double seconds) except -1:
    """Wait until all contexts that are being terminated are, or the time is over; signals' handlers run meanwhile."""
    cdef double deadline = monotonic() + seconds
    cdef double left = seconds
    cdef bint over = False
    while not over and left > 0:
        # No signal ends this wait.
        with nogil:
            over = await_endings(min(left, GLANCE))
        PyErr_CheckSignals()
        left = deadline - monotonic()
    return 0
