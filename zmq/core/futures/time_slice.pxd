cdef class Slice:
    cdef object call_soon
    cdef double begun   # when a call looked first after the loop had run; 0 until then
    cdef object put_off     # the outcome that was put off last, until the loop runs
    cdef object task        # that made the last call that could have been put off, until the loop runs

    cdef bint calls_again(self, loop) except -1


cpdef bint is_time_to_yield(hub) except -1
