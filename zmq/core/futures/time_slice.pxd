cpdef bint is_time_to_yield(hub) except -1
cpdef int finish(get_hub, future, result) except -1
cdef int fail(get_hub, future, error) except -1
cdef int set_outcome(future, result) except -1
