cdef class OwnAttributes:
    cdef dict __dict__      # empty, or NULL, until something is set on this object alone

    cdef bint has_own(self, name) except -1
    cdef int delete(self, name) except -1
