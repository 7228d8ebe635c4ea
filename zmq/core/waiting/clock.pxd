"""The clock that deadlines are of."""

cdef extern from "waiting/clock.h" nogil:
    double monotonic "greenzmq_monotonic"() noexcept
    # Seconds; who waits for so long, or for infinity, waits for ever: no system call takes such a number.
    double FOREVER "GREENZMQ_FOREVER"
