cdef class Members:
    cdef dict references    # weak ones, by the member's address
    cdef list present(self)
    cpdef add(self, member)
    cpdef discard(self, member)


cdef class Context:
    cdef object __weakref__
    cdef void *handle
    cdef int born           # `generation` when it was made
    cdef bint is_shadow
    cdef object original    # of a shadow, to keep it alive
    cdef readonly Members _sockets
    cdef readonly dict sockopts
    cdef object ending      # set once the context is being terminated in the background

    cdef int usable(self) except -1


cdef size_t address_of(shadow) except? 0
cpdef bint is_attribute(type cls, str name) except -1
cpdef str public_name(type cls)
