"""Plain threads that wait without the GIL: for descriptors in poll(2), for sockets in zmq_poll.

Lives here: how such a wait begins and ends, and how another thread ends it. What must not: sockets; a wait knows
handles. Called by `zmq.core.sockets` to wait and to close, and by
`zmq.core.polling` to wake a thread that polls.

libzmq would go on with a handle that was closed meanwhile, which is nobody's or another socket's by then, and could not
be woken any more. So a thread that closes a socket wakes the threads that poll it, and waits until they have left
libzmq.

The main thread is woken by signals too (`zmq.core.waiting.signal_watch`).
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
from zmq.core.libzmq cimport ZMQ_DONTWAIT, ZMQ_POLLIN, zmq_errno, zmq_pollitem_t
from zmq.core.waiting cimport budget, fork_generation
from zmq.core.waiting.clock cimport FOREVER, monotonic
from zmq.core.waiting.signal_watch cimport GLANCE, begin_watch, drain, end_watch, runs_handlers

cdef extern from "waiting/waker.h" nogil:
    void open_waker "greenzmq_open_waker"(int *reader, int *writer)
    int poll_items "greenzmq_poll_items"(zmq_pollitem_t *items, int count, long milliseconds)

# Those that threads are in now.
cdef set waits = set()
cdef int threads_waiting = 0


def _forget_waits():
    global threads_waiting
    waits.clear()
    threads_waiting = 0


os.register_at_fork(after_in_child=_forget_waits)

# Those that are used next, no more than MOST_IDLE: it costs system calls to make one. Threads that talk to each other
# are awake at the same time now and then, and each needs its own when it waits again.
cdef list idle = []
os.register_at_fork(after_in_child=idle.clear)
cdef enum:
    MOST_IDLE = 8

# Milliseconds: a wait may take longer, and not less.
cdef double ROUNDING_UP = 0.999


@cython.no_gc
cdef class ThreadWait:
    """A wait of a plain thread; `begin_wait` makes one."""

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

    cdef bint hear_signals(self) except -1:
        """Have signals end this wait from now on; the handlers of those that came before run.

        Tells whether these may have changed anything: the caller looks anew then.
        """
        cdef long before = budget.stirred()
        begin_watch(&self.signals)
        return self.woken or budget.stirred() != before or self.born != fork_generation.current

    cdef int enter(self, double timeout) noexcept:
        """Wait, without the GIL, for so many seconds, negative for ever.

        Returns how many items are ready, or an error code, negative: EINTR where the caller should look for signals.
        GLANCED where signals have to be heard before the wait may go on for what is left of the time.
        """
        cdef int count = self.count + (self.reader >= 0)
        cdef zmq_pollitem_t *heard = NULL
        cdef bint glances = False
        cdef long milliseconds
        cdef int rc
        if self.signals.writes:
            heard = &self.items[count]
            heard.socket = NULL
            heard.fd = self.signals.fd
            heard.events = ZMQ_POLLIN
            heard.revents = 0
            count += 1
        elif self.hears and not 0 <= timeout <= GLANCE:
            timeout = GLANCE
            glances = True
        milliseconds = -1 if timeout < 0 or timeout >= FOREVER else <long> (1000 * timeout + ROUNDING_UP)
        # Before others run: nobody else wants it yet.
        PyThread_acquire_lock(self.inside, WAIT_LOCK)
        with nogil:
            rc = poll_items(self.items, count, milliseconds)
            if rc < 0:
                rc = -zmq_errno()
            elif rc == 1 and self.attempt != NULL and self.items[0].revents:
                # The bell, and neither another thread nor a signal, after which the caller may raise.
                self.err[0] = self.attempt(self.handle, self.transfer, ZMQ_DONTWAIT)
            PyThread_release_lock(self.inside)
        if heard != NULL:
            end_watch(&self.signals)
            if rc == -EINTR or heard.revents and rc > 0:
                drain()
                return -EINTR
        return GLANCED if glances and rc == 0 else rc

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


cdef double left_until(double deadline, double seconds) noexcept:
    """Return what is left of a time-out; negative for none."""
    return seconds if seconds < 0 else max(0, deadline - monotonic())


cdef ThreadWait begin_wait(zmq_pollitem_t *items, int count, what):
    """Have this thread, which waits for `what`, woken by items that are added after `count`, until `end_wait`."""
    global threads_waiting
    cdef ThreadWait waiting = idle.pop() if idle else None
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
    waits.add(waiting)
    threads_waiting = <int> len(waits)
    # It may give the GIL up, once; who closes a socket then has to know whom to wake.
    waiting.hears = runs_handlers()
    return waiting


cdef void end_wait(ThreadWait waiting) noexcept:
    """Undo `begin_wait`."""
    global threads_waiting
    end_watch(&waiting.signals)
    waiting.handle = NULL
    waiting.items = NULL
    waiting.count = 0
    waiting.attempt = NULL
    waiting.what = None
    waits.discard(waiting)
    threads_waiting = <int> len(waits)
    if len(idle) < MOST_IDLE:
        try:
            idle.append(waiting.renewed())
        except MemoryError:
            # The next wait makes its own. Nothing may be raised: a message may have been received.
            pass


def release_idle():
    """Give back the descriptors that are kept for the next waits of threads."""
    idle.clear()


cdef int wait_for_bell(
    void **handle, int bell, double timeout, what, attempt_t attempt=NULL, void *transfer=NULL, int *err=NULL
) except -1:
    """Block this thread until a bell rings, for so many seconds, negative for ever, or until Python code ran.

    An `attempt` is made when the bell rings, before the thread waits for the GIL; nothing is raised after that. What it
    came to is stored in `err`, which stays as it is where none was made. One in vain says nothing any more: others may
    have used the socket since.

    `handle` is where `what` has that of a socket; NULL for a bell that is nobody's. Returns 0 where Python code ran.
    """
    cdef zmq_pollitem_t items[1 + ADDED]
    cdef ThreadWait waiting
    cdef double deadline = 0 if timeout < 0 else monotonic() + timeout
    cdef int rc
    items[0].socket = NULL
    items[0].fd = bell
    items[0].events = ZMQ_POLLIN
    waiting = begin_wait(items, 1, what)
    if handle != NULL:
        if handle[0] == NULL:
            # It was closed, and the bell with it, before anybody knew whom to wake.
            end_wait(waiting)
            return 0
        waiting.handle = handle[0]
    waiting.attempt = attempt
    waiting.transfer = transfer
    waiting.err = err
    try:
        rc = waiting.enter(timeout)
        if rc == GLANCED:
            # What a handler did with the socket may have stilled the bell.
            rc = -EINTR if waiting.hear_signals() else waiting.enter(left_until(deadline, timeout))
    finally:
        end_wait(waiting)
    if rc == GLANCED:
        rc = -EINTR
    if rc >= 0:
        return 1
    if rc != -EINTR:
        raise_errno(-rc)
    return PyErr_CheckSignals()


cdef void wake_thread(what) noexcept:
    """Have the thread look anew that waits for `what`."""
    cdef ThreadWait waiting
    for waiting in list(waits):
        if waiting.what is what:
            waiting.wake()
