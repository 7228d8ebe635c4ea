from zmq.core.futures.time_slice cimport Slice
from zmq.core.waiting.hub cimport Hub


cdef class LoopHub(Hub):
    cdef readonly object loop
    cdef readonly Slice slice
    cdef list lingering     # watchers that were stopped and may be armed
    cdef object look_timer  # which looks whether anybody started these again

    cdef int linger(self, LoopWatcher watcher) except -1
    cdef int look_later(self) except -1


cdef class LoopWatcher:
    cdef LoopHub hub
    cdef int fd
    cdef int events
    cdef object callback    # None while it is stopped
    cdef bint armed
    cdef bint lingers       # it is in `LoopHub.lingering`
    cdef bint was_used      # it was started since the hub looked
    cdef bint rang_in_vain  # it was ready since it was stopped
    cdef bint owns_fd

    cpdef arm(self)
    cpdef disarm(self)


cdef bint is_over   # a loop is asked for by a call that does not wait: `running_loop` does not warn
cdef object get_running_loop    # returns None where none runs
cdef bint runs_here(loop) except -1
cdef object call_soon_of(loop)
cpdef LoopHub hub_of(loop)
cpdef running_loop()
