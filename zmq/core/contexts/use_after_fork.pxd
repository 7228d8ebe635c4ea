from zmq.core.contexts.own_attributes cimport OwnAttributes


cdef enum:
    # Options that have no names here, because they change a set.
    ADD_CPU = 7
    REMOVE_CPU = 8


cdef class UseAfterFork(OwnAttributes):
    cdef object __weakref__
    cdef void *handle
    cdef int born           # `fork_generation.current` when it was made
    cdef bint is_shadow
    cdef object origin      # of a shadow: a weak reference to the context that it is one of, where that is ours
    cdef bint started       # it was told to make a socket: it may have threads
    cdef bint exposed       # somebody was told its address
    cdef dict settings      # what was set, to have it again in the child of a fork
    cdef set cpus           # the processors for its threads

    cdef int refuse_second(self) except -1
    cdef UseAfterFork root(self)
    cdef bint can_be_renewed(self) noexcept
    cdef bint renew(self) except -1
    cdef int drop_inherited(self) except -1
    cdef int note(self, int option, int value) except -1


cdef set terminating
