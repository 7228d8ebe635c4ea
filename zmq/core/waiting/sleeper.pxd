from zmq.core.waiting.hub cimport Hub


cdef class Sleeper:
    cdef readonly Hub hub
    cdef object greenlet
    cdef object watcher, timer
    cdef bint inside        # it is parked
    cdef bint woken
    cdef bint expired

    cdef void stop(self) noexcept
    cdef int sleep(self) except -1


cdef int refuel(get_hub) except -1
cpdef int let_run(Hub hub, double seconds=*) except -1
cpdef bint wait_readable(Hub hub, int fd, double timeout, what=*) except -1
