from zmq.core.sockets.receiving_several cimport Receiving


cdef class Conversions(Receiving):
    cdef received(self, bint whole, int flags, copy, load)
    cdef received_text(self, int flags, encoding)
