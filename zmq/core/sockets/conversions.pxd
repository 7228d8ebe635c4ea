from zmq.core.sockets.receiving_several cimport Receiving


cdef class Conversions(Receiving):
    pass
