cdef class Label:
    cdef object name        # None until it has one
    cdef list bound         # (address as it was given, as libzmq says it), of each `bind`; text, without passwords
    cdef list connected     # the same of each `connect`

    cdef void note(self, list endpoints, given, found) noexcept
    cdef void strike(self, list endpoints, given) noexcept
