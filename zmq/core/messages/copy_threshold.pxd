cdef class Threshold:
    cdef object package     # a weak reference
    cdef object handed_out  # what a read of the package's name gave last


cdef Py_ssize_t size_of(value) except -1
cdef Py_ssize_t threshold_of(Threshold package) except -1
