from zmq.core.sockets.life cimport Life
from zmq.core.sockets.option_access cimport OptionAccess

ctypedef int (*endpoint_call_t)(void *socket, const char *address) noexcept nogil


cdef class Endpoints(OptionAccess):
    cdef int with_endpoint(self, endpoint_call_t call, addr) except -1
    cdef bint leave(self, endpoint_call_t call, addr) except -1
    cdef int note_connected(self, addr) except -1
    cdef int meet_partner(self) except -1
    cdef last_endpoint(self, addr)
    cdef int monitor_at(self, bytes address, int events, Life reader) except -1
