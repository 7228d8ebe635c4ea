from zmq.core.socket cimport Socket
from zmq.core.waiting.trampoline cimport Trampoline, Waiter


cdef class Pending:
    cdef Waiter waiter
    cdef object attempt
    cdef readonly object future
    cdef object expired     # what the future gets when the time is over; None for `Again`
    cdef bint once          # there is no time for a second attempt

    cdef make(self)
    cdef give(self, result)


cdef enqueue(Pending pending, Trampoline trampoline, get_hub, int events, bytes route, double timeout)
cdef double timeout_of(Socket socket, int option) noexcept
