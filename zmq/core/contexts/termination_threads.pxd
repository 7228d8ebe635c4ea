cdef void terminate_in_background(void *context) noexcept
cdef void await_terminations(double seconds) noexcept
