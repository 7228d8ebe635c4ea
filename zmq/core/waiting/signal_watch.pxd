cdef struct SignalWatch:
    bint writes         # signals write to `fd`
    int fd              # becomes readable when a signal comes; or -1


# Seconds after which a thread that runs handlers, and has no `fd`, comes back to look for signals.
cdef double GLANCE

cdef bint runs_handlers() noexcept
cdef int begin_watch(SignalWatch *watch) except -1
cdef void end_watch(SignalWatch *watch) noexcept
cdef void drain() noexcept
