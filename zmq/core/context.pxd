from zmq.core.contexts.making cimport PATIENCE, await_reaper
from zmq.core.contexts.members cimport Members
from zmq.core.contexts.use_after_fork cimport UseAfterFork


cdef class Context(UseAfterFork):
    cdef object original    # of a shadow, to keep it alive
    cdef readonly Members _sockets
    cdef readonly dict sockopts
    cdef object termination     # set once the context is being terminated in the background
    cdef object called      # its name, or None
    cdef bint watches       # the peers of its sockets
    cdef bint destroyed     # its sockets are closed because it is to end

    cdef int usable(self) except -1
    cdef int usable_for_options(self) except -1
    cdef int try_socket(self, int number, void **handle) except -1
    cdef void *make_socket(self, int number, get_hub) except NULL
    cdef int watch_peers_of(self, socket) except -1
    cdef list defaults_for(self, socket_type)
    cdef int forget(self, void *handle) except -1
    cdef int close_what_is_left(self) except -1


cdef bint exiting       # the interpreter is: what is collected from here on is nobody's mistake
cdef object close_all, close_unreachable, made_by   # of `zmq.core.sockets.life`, which this can't import
cdef size_t address_of(shadow) except? 0
cpdef bint is_attribute(type cls, str name) except -1
cdef object checked_name(owner, name, type ours)
cpdef str public_name(type cls)
