cdef class Timer:
    cdef object watcher, callback


cdef class Hub:
    cdef object __weakref__
    cdef public object current
    cdef public object park
    cdef public object call_soon
    cdef public object watcher
    cdef public object native_watcher
    cdef set watched        # the waiters with somebody parked
    cdef object alarm       # the timer of the sweep
    cdef bint tidying       # `tidy` will be called
    cdef object last        # the waiter on which somebody parked last, until the hub woke somebody
    cdef double since       # when the first of these was
    cdef int handovers      # greenlets that switched to the next one without the hub, in a row

    cdef int watch(self, waiter) except -1
    cdef int unwatch(self, waiter) except -1
