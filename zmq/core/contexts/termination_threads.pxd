cdef void terminate_in_background(void *context) noexcept
cdef int await_terminations(double seconds) except -1
