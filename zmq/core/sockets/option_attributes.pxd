from zmq.core.contexts.own_attributes cimport OwnAttributes


cdef class MixedCase(OwnAttributes):
    pass


cdef int option_named(str name, bint of_context) except -2
cdef object as_assigned(option, value)
cdef object read_attribute(owner, option, name)
