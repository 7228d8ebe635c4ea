from zmq.core.waiting.hub cimport Hub


cdef bint must_wait(Hub hub, parked) noexcept
cdef bint defer(Hub hub, parked) noexcept
cdef bint has_turned(Hub hub) noexcept
