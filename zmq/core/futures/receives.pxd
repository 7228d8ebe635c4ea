from cpython.buffer cimport Py_buffer

from zmq.core.futures.future cimport Outcome, Work
from zmq.core.socket cimport Socket
from zmq.core.waiting.trampoline cimport Trampoline


cdef class Receive(Work):
    cdef bint whole
    cdef bint copies
    cdef bint track
    cdef bint single
    cdef object load

    cdef int prepare(self) except -1


cdef class ReceiveText(Receive):
    cdef object encoding


cdef class ReceiveInto(Receive):
    cdef object buffer
    cdef Py_ssize_t nbytes
    cdef bint is_held       # `view` is exported: its memory stays where it is while the call waits
    cdef Py_buffer view     # of `buffer`

    cdef void let_go(self) noexcept


cdef Receive FRAME, MESSAGE, TEXT
cdef Outcome begin_receive(Socket socket, Receive receive, int flags, timeout, bint was_tried)
cdef int take_frames(Outcome outcome, Socket socket, Trampoline trampoline, bint whole) except -1
