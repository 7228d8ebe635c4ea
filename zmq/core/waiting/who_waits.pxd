cdef int begin_blocked(what, str action) except -1
cdef void end_blocked() noexcept
cdef int begin_parked(greenlet, what, sleeper) except -1
cdef void end_parked(greenlet) noexcept
cdef int begin_pending(poll) except -1
cdef void end_pending(poll) noexcept
