from zmq.core.libzmq cimport zmq_pollitem_t

cdef enum:
    INTERRUPTED = -2    # from `poll_in_thread`

cdef int poll_in_thread(zmq_pollitem_t *items, int count, double timeout, what) except -1
