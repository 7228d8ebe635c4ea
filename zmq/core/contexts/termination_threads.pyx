"""The end of contexts in native threads, so that nothing of Python waits for it.

Lives here: zmq_ctx_term in the background, and the wait for it when the interpreter ends. What must not: contexts.
Called by `zmq.core.context`. How a thread does it: `termination_threads.h`.
"""

import os

from posix.unistd cimport close

from zmq.core.check cimport raise_errno
from zmq.core.libzmq cimport ZMQ_POLLIN, zmq_poll, zmq_pollitem_t

cdef extern from "contexts/termination_threads.h" nogil:
    int begin_ending "greenzmq_begin_ending"(void *context, int fd)
    void await_endings "greenzmq_await_endings"(double seconds)


class Termination:
    """A context that is being terminated in a native thread, from `begin` on."""

    fd = writer = -1

    def __init__(self):
        self.fd, self.writer = os.pipe()

    def begin(self, size_t address):
        """Have this context terminated; no other thread of Python runs meanwhile."""
        cdef int err = begin_ending(<void *> address, self.writer)
        if err:
            raise_errno(err)
        self.writer = -1

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


cdef void terminate_in_background(void *context) noexcept:
    """Terminate a context whose end no caller waits for."""
    begin_ending(context, -1)


cdef void await_terminations(double seconds) noexcept:
    """Wait until all contexts that are being terminated are, or the time is over."""
    with nogil:
        await_endings(seconds)
