from zmq.core.libzmq cimport zmq_msg_t


cdef class Frame:
    cdef object __weakref__
    cdef zmq_msg_t zmq_msg
    cdef bint made          # by `__init__`, which runs once
    cdef bint received
    cdef bint readonly
    cdef object _data
    cdef object _bytes
    cdef object _buffer
    cdef public bint more
    cdef public object tracker
    cdef public object tracker_event


cdef class Threshold:
    cdef object package     # a weak reference
    cdef object handed_out  # what a read of the package's name gave last


cdef Frame frame_of(zmq_msg_t *msg, type cls)
cdef Py_ssize_t threshold_of(Threshold package) except -1
