cdef enum:
    INT
    INT64
    BYTES
    FD

cdef class MixedCase:
    pass


cdef int kind_of(option) except -1
cdef object get_option(void *handle, option)
cdef int set_option(void *handle, option, value) except -1
cdef int option_named(str name, bint of_context) except -2
cdef object read_attribute(owner, option, name)
