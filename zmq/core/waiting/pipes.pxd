from posix.stat cimport struct_stat


cdef class Pipe:
    cdef int reader, writer     # -1: it was not made
    cdef struct_stat status     # of both when it was made

    cdef void remember(self) noexcept
    cdef bint is_open(self) noexcept
    cdef void ring(self) noexcept
    cdef bint still(self) noexcept
    cdef bint reopen(self) noexcept
