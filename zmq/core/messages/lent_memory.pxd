from zmq.core.libzmq cimport zmq_msg_t


cdef class Release:
    cdef int returned  # set by libzmq's thread, without the GIL
    cdef object frame_class  # of the frame it belongs to, which says where to wait

cdef int lend(zmq_msg_t *msg, data, Release release) except -1
cdef bint is_lent(const void *data) noexcept nogil
