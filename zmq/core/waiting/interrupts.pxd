from zmq.core.waiting.pipes cimport Pipe


cdef class Interrupts:
    cdef object current, get_hub, main
    cdef bint looking       # `look` will be called
    cdef unsigned long thread   # the main one
    cdef Pipe pipe          # that signals write to
    cdef object report, set_wakeup_fd   # what was there before `unraisable` and `wakeup_fd`
