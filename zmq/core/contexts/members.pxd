cdef class Members:
    cdef dict references    # weak ones, by the member's address
    cdef list present(self)
    cpdef add(self, member)
    cpdef discard(self, member)
