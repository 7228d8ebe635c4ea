cdef enum:
    OWNED = -2          # in `Socket.born`: the socket belongs to an Owner, and every call looks twice


cdef class Owner:
    cdef int born           # `generation` when it was made
    cdef int admit(self, shadow) except -1
    cdef int stop(self) except -1
