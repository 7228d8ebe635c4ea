from zmq.core.waiting.hub cimport Hub

cdef bint has_sets      # whether the system has such sets


cdef class BellSet:
    cdef int fd                 # the epoll set; -1 while there is none
    cdef dict members           # lists of those whose bells are in the set, by bell: a socket and its shadows share one
    cdef object watcher         # on the epoll set, in `watched_hub`
    cdef Hub watched_hub
    cdef object on_ring         # what the watcher calls
    cdef bint watched           # `watcher` is armed

    cdef int add(self, int bell, member) except -1
    cdef void remove(self, int bell, member, bint is_ours) noexcept
    cdef list rung(self)
    cdef int watch(self, Hub hub, on_ring) except -1
    cdef void unwatch(self) noexcept
    cdef int rearm(self) except -1
    cdef void drop(self) noexcept


cdef int native_set(dict masks, bint *closed) except -2
