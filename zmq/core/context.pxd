cdef class Context:
    cdef object __weakref__
    cdef void *handle
    cdef int born           # `generation` when it was made
    cdef bint is_shadow
    cdef object original    # of a shadow, to keep it alive
    cdef readonly object _sockets
    cdef readonly dict sockopts
    cdef bint being_terminated  # a plain call of `term` is inside libzmq
    cdef object ending      # set once the context is being terminated in the background

    cdef int usable(self) except -1


cdef bint exiting       # the interpreter is: what is collected from here on is nobody's mistake

cdef size_t address_of(shadow) except? 0
cpdef bint is_attribute(type cls, str name) except -1
cpdef str public_name(type cls)
