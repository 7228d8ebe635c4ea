from zmq.core.waiting.hub cimport Hub


cdef bint must_wait(Hub hub, parked) noexcept
cdef int join(Hub hub, parked) except -1
cdef bint has_turned(Hub hub) except -1
