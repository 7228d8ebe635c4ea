cdef class Timer:
    cdef object watcher, callback


cdef class Life:
    cdef bint over          # the thread has ended
    cdef int pid
    cdef list hubs          # weak references to its hubs


cdef class Hub:
    cdef object __weakref__
    cdef Life life          # of the thread in which it was made
    cdef unsigned long thread   # in which it was last seen to run
    cdef list posted        # callbacks from other threads
    cdef bint lingers       # a watcher that was stopped may be watched for a while
    cdef public object current
    cdef public object park
    cdef public object call_soon
    cdef public object watcher
    cdef public object native_watcher
    cdef set watched        # weak references to the waiters with somebody parked
    cdef object alarm       # the timer of the sweep
    cdef bint tidying       # `tidy` will be called
    cdef object last        # a weak reference to the waiter on which somebody parked last, until the hub woke somebody
    cdef double since       # when the first of these was
    cdef int handovers      # greenlets that switched to the next one without the hub, in a row

    cdef int watch(self, reference) except -1
    cdef int unwatch(self, reference) except -1
    cdef int post(self, callback) except -1


cdef unsigned long this_thread() noexcept
