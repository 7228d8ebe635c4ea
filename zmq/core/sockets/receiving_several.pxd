from zmq.core.libzmq cimport zmq_msg_t
from zmq.core.message cimport Frame
from zmq.core.messages.whole_message_attempts cimport Incoming
from zmq.core.sockets.sending_several cimport Sending


cdef class Receiving(Sending):
    cdef bytes as_bytes(self, zmq_msg_t *msg, size_t length)
    cdef int take(self, Incoming *incoming, int flags) except -1
    cdef bytes bytes_of(self, zmq_msg_t *msg, size_t length)
    cdef Frame as_frame(self, zmq_msg_t *msg, bint track)
    cdef list as_parts(self, Incoming *incoming, copy, bint track)
    cdef list recv_each(self, Py_ssize_t max, double timeout, int flags, copy, bint multipart)
