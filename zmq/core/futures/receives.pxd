from cpython.buffer cimport Py_buffer

from zmq.core.futures.calls cimport Pending
from zmq.core.socket cimport Socket


cdef class Receive:
    cdef bint whole, track, single
    cdef object copy, load, buffer
    cdef Py_ssize_t nbytes


cdef class PendingReceive(Pending):
    cdef Socket socket
    cdef Receive receive
    cdef bint held          # `view` is exported: its memory stays where it is while the call waits
    cdef Py_buffer view     # of `receive.buffer`

    cdef void let_go(self) noexcept
