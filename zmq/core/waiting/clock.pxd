"""The clock that deadlines are of."""

cdef extern from "waiting/clock.h" nogil:
    double monotonic "greenzmq_monotonic"() noexcept
