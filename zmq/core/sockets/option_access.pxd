from zmq.core.sockets.life cimport Life


cdef class OptionAccess(Life):
    cdef int usable_for_options(self, bint harmless) except -1
