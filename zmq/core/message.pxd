from zmq.core.libzmq cimport zmq_msg_t


cdef class Frame:
    cdef object __weakref__
    cdef zmq_msg_t zmq_msg
    cdef bint made          # by `__init__`, which runs once
    cdef bint received
    cdef bint readonly
    cdef bint exposed       # somebody was given a view to write by, of this frame or of one that shares its memory
    cdef object _data
    cdef object _bytes
    cdef object _buffer
    cdef public bint more
    cdef public object tracker
    cdef public object tracker_event

    cdef bint is_inline(self) noexcept


cdef Frame frame_of(zmq_msg_t *msg, type cls)
