from zmq.core.sockets.conversions cimport Conversions


cdef class Socket(Conversions):
    pass
