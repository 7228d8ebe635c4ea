from cpython.pythread cimport PyThread_type_lock

from zmq.core.libzmq cimport zmq_pollitem_t
from zmq.core.waiting.signal_watch cimport SignalWatch


cdef enum:
    GLANCED = -1000     # from `ThreadWait.enter`
    ADDED = 2   # items that a wait adds: room for them is the caller's


cdef class ThreadWait:
    cdef object what            # the thread waits for
    cdef void *handle           # of the socket whose bell is polled, or NULL
    cdef zmq_pollitem_t *items  # NULL while there is no wait
    cdef int count
    cdef int reader             # an eventfd, or a pipe, that wakes it; or -1
    cdef int writer
    cdef bint woken             # by another thread
    cdef int born
    cdef bint hears             # it is that of the thread that runs the handlers of signals
    cdef SignalWatch signals    # that end it too, once it has lasted for some time
    cdef PyThread_type_lock inside  # held while the thread is in libzmq

    cdef void open(self) noexcept
    cdef ThreadWait renewed(self)
    cdef bint hear_signals(self) except -1
    cdef int enter(self, double timeout) noexcept
    cdef void wake(self) noexcept
    cdef bint polls(self, void *handle) noexcept


cdef double left_until(double deadline, double seconds) noexcept
cdef ThreadWait begin_wait(zmq_pollitem_t *items, int count, what)
cdef int end_wait(ThreadWait waiting) except -1
cdef int wait_for_bell(void *handle, int bell, double timeout, what) except -1
cdef void wake_thread(what) noexcept
cdef void leave_polls(void *handle) noexcept
