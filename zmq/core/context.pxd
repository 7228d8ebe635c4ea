from zmq.core.contexts.making cimport PATIENCE, await_reaper
from zmq.core.contexts.members cimport Members
from zmq.core.contexts.own_attributes cimport OwnAttributes


cdef class Context(OwnAttributes):
    cdef object __weakref__
    cdef void *handle
    cdef int born           # `generation` when it was made
    cdef bint is_shadow
    cdef object original    # of a shadow, to keep it alive
    cdef readonly Members _sockets
    cdef readonly dict sockopts
    cdef object termination     # set once the context is being terminated in the background
    cdef object origin      # of a shadow: a weak reference to the context that it is one of, where that is ours
    cdef bint started       # it was told to make a socket: it may have threads
    cdef bint exposed       # somebody was told its address
    cdef dict settings      # what was set, to have it again in the child of a fork
    cdef set cpus           # the processors for its threads
    cdef object called      # its name, or None
    cdef bint watches       # the peers of its sockets

    cdef int usable(self) except -1
    cdef int usable_for_options(self) except -1
    cdef Context root(self)
    cdef bint can_be_renewed(self) noexcept
    cdef bint renew(self) except -1
    cdef int drop_inherited(self) except -1
    cdef int try_socket(self, int number, void **handle) except -1
    cdef void *make_socket(self, int number, get_hub) except NULL
    cdef int watch_peers_of(self, socket) except -1
    cdef list defaults_for(self, socket_type)
    cdef int note(self, int option, int value) except -1
    cdef int close_what_is_left(self) except -1


cdef bint exiting       # the interpreter is: what is collected from here on is nobody's mistake
cdef object close_unreachable   # of `zmq.core.sockets.life`, which this can't import
cdef size_t address_of(shadow) except? 0
cpdef bint is_attribute(type cls, str name) except -1
cdef object checked_name(owner, name, type ours)
cpdef str public_name(type cls)
