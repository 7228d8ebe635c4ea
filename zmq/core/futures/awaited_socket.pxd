from zmq.core.futures.future cimport Outcome
from zmq.core.futures.receives cimport Receive
from zmq.core.socket cimport Socket


cdef class AwaitedSocket(Socket):
    cdef public object io_loop
    cdef bint is_ready      # its trampoline is made, and its loop was asked for if its class says which

    cdef int make_ready(self) except -1
    cdef Outcome receive(self, Receive receive, int flags)
    cdef Outcome send_one(self, data, int flags, copy, bint track, routing_id, group)
    cdef begin_task(self, coroutine)
