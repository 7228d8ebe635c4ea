cdef class MixedCase:
    pass


cdef int option_named(str name, bint of_context) except -2
cdef object read_attribute(owner, option, name)
