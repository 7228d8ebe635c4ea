from zmq.core.sockets.receiving cimport Receiving


cdef class Conversions(Receiving):
    pass
