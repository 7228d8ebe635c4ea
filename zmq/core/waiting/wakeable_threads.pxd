from cpython.pythread cimport PyThread_type_lock

from zmq.core.libzmq cimport zmq_pollitem_t
from zmq.core.waiting.signal_watch cimport SignalWatch


# An attempt to send or receive (`zmq.core.messages.whole_message_attempts`): returns 0 or an error code.
ctypedef int (*attempt_t)(void *handle, void *transfer, int flags) noexcept nogil

cdef enum:
    GLANCED = -1000     # from `ThreadWait.enter`
    ADDED = 2   # items that a wait adds: room for them is the caller's
    # So many threads wait where threads answer one another: whoever is woken finds the GIL taken unless it is given up.
    MANY = 2

# How many threads wait now.
cdef int threads_waiting


cdef class ThreadWait:
    cdef object what            # the thread waits for
    cdef void *handle           # of the socket whose bell is polled, or NULL
    cdef zmq_pollitem_t *items  # NULL while there is no wait
    cdef int count
    cdef attempt_t attempt      # made at once when the bell rings, on `transfer`; or NULL
    cdef void *transfer
    cdef int *err               # where to store what it came to
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
cdef void end_wait(ThreadWait waiting) noexcept
cdef int wait_for_bell(
    void **handle, int bell, double timeout, what, attempt_t attempt=*, void *transfer=*, int *err=*
) except -1
cdef void wake_thread(what) noexcept
cdef void leave_polls(void *handle) noexcept
