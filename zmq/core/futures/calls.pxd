from zmq.core.futures.future cimport Outcome, Work
from zmq.core.socket cimport Socket
from zmq.core.waiting.trampoline cimport Trampoline


cdef class Send(Work):
    cdef object function
    cdef tuple arguments


cdef class Poll(Work):
    cdef int events


cdef int enqueue(
    Outcome outcome, Trampoline trampoline, int events, bytes route, double timeout, bint untried, long before
) except -1
cdef int end_in_turn(Outcome outcome, result) except -1
cdef int fail_in_turn(Outcome outcome, error) except -1
cdef double timeout_of(Socket socket, int option) noexcept
cdef Outcome begin_poll(Socket socket, int events, timeout)
