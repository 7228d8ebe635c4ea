"""Plain threads that wait in zmq_poll, without the GIL.

Lives here: how such a wait begins and ends, and how another thread ends it. What must not: sockets; a wait knows
handles. Called by `zmq.core.sockets` to wait and to close, and by
`zmq.core.polling` to wake a thread that polls.

libzmq would go on with a handle that was closed meanwhile, which is nobody's or another socket's by then, and could not
be woken any more. So a thread that closes a socket wakes the threads that poll it, and waits until they have left
libzmq.
"""

import os

cimport cython
from cpython.exc cimport PyErr_CheckSignals
from cpython.pythread cimport (
    WAIT_LOCK,
    PyThread_acquire_lock,
    PyThread_allocate_lock,
    PyThread_free_lock,
    PyThread_release_lock,
)
from libc.errno cimport EINTR
from libc.stdint cimport uint64_t
from posix.unistd cimport close as close_fd, read, write

from zmq.core.check cimport raise_errno
from zmq.core.libzmq cimport ZMQ_POLLIN, zmq_errno, zmq_poll, zmq_pollitem_t
from zmq.core.waiting cimport fork_generation

cdef extern from "waiting/waker.h" nogil:
    void open_waker "greenzmq_open_waker"(int *reader, int *writer)

# Those that threads are in now.
cdef list waits = []
os.register_at_fork(after_in_child=waits.clear)

# The one that is used next: it costs system calls to make.
cdef ThreadWait idle = None

# Milliseconds: a wait may take longer, and not less.
cdef double ROUNDING_UP = 0.999


@cython.no_gc
cdef class ThreadWait:
    """A wait of a plain thread in zmq_poll; `begin_wait` makes one."""

    def __cinit__(self):
        self.born = fork_generation.current
        self.reader = self.writer = -1
        self.inside = PyThread_allocate_lock()
        if self.inside == NULL:
            raise MemoryError()

    def __dealloc__(self):
        if self.reader >= 0:
            close_fd(self.reader)
            if self.writer != self.reader:
                close_fd(self.writer)
        if self.inside != NULL:
            PyThread_free_lock(self.inside)

    cdef void open(self) noexcept:
        # It polls as well without.
        if self.reader < 0:
            open_waker(&self.reader, &self.writer)

    cdef ThreadWait renewed(self):
        """Return one to use next. The thread that woke this one may still wait until it is out of libzmq."""
        cdef ThreadWait other
        cdef uint64_t number
        if not self.woken:
            return self
        other = ThreadWait()
        read(self.reader, &number, sizeof(number))
        other.reader, other.writer = self.reader, self.writer
        self.reader = self.writer = -1
        return other

    cdef int enter(self, double timeout) noexcept:
        """Be in libzmq, without the GIL, for so many seconds, negative for ever.

        Returns how many items are ready, or an error code, negative.
        """
        cdef long milliseconds = -1 if timeout < 0 else <long> (1000 * timeout + ROUNDING_UP)
        cdef int rc
        # Before others run: nobody else wants it yet.
        PyThread_acquire_lock(self.inside, WAIT_LOCK)
        with nogil:
            rc = zmq_poll(self.items, self.count + (self.reader >= 0), milliseconds)
            if rc < 0:
                rc = -zmq_errno()
            PyThread_release_lock(self.inside)
        return rc

    cdef void wake(self) noexcept:
        # What an eventfd takes.
        cdef uint64_t one = 1
        if not self.woken and self.writer >= 0:
            self.woken = True
            write(self.writer, &one, sizeof(one))

    cdef bint polls(self, void *handle) noexcept:
        cdef int i
        cdef bint found = self.handle == handle
        for i in range(self.count):
            if self.items[i].socket == handle:
                found = True
        return found and self.born == fork_generation.current and self.writer >= 0


cdef void leave_polls(void *handle) noexcept:
    """Have the threads that poll a socket leave libzmq, because the handle is about to be closed."""
    cdef ThreadWait waiting
    if not waits:
        return
    for waiting in list(waits):
        if waiting.polls(handle):
            waiting.wake()
            with nogil:
                PyThread_acquire_lock(waiting.inside, WAIT_LOCK)
                PyThread_release_lock(waiting.inside)


cdef ThreadWait begin_wait(zmq_pollitem_t *items, int count, what):
    """Have this thread, which waits for `what`, woken by the item that is added after `count`, until `end_wait`."""
    global idle
    cdef ThreadWait waiting
    waiting, idle = idle, None
    if waiting is None or waiting.born != fork_generation.current:
        waiting = ThreadWait()
    waiting.open()
    items[count].socket = NULL
    items[count].fd = waiting.reader
    items[count].events = ZMQ_POLLIN
    items[count].revents = 0
    waiting.items = items
    waiting.count = count
    waiting.what = what
    waits.append(waiting)
    return waiting


cdef int end_wait(ThreadWait waiting) except -1:
    """Undo `begin_wait`."""
    global idle
    waiting.handle = NULL
    waiting.items = NULL
    waiting.count = 0
    waiting.what = None
    if waiting in waits:
        waits.remove(waiting)
    idle = waiting.renewed()
    return 0


cdef int wait_for_bell(void *handle, int bell, double timeout, what) except -1:
    """Block this thread until a bell rings, for so many seconds, negative for ever, or until Python code ran."""
    cdef zmq_pollitem_t items[2]
    cdef ThreadWait waiting
    cdef int rc
    items[0].socket = NULL
    items[0].fd = bell
    items[0].events = ZMQ_POLLIN
    waiting = begin_wait(items, 1, what)
    waiting.handle = handle
    rc = waiting.enter(timeout)
    end_wait(waiting)
    if rc >= 0:
        return 0
    if rc != -EINTR:
        raise_errno(-rc)
    return PyErr_CheckSignals()


cdef void wake_thread(what) noexcept:
    """Have the thread look anew that waits for `what`."""
    cdef ThreadWait waiting
    for waiting in list(waits):
        if waiting.what is what:
            waiting.wake()
