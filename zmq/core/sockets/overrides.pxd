cdef enum:
    # In `Life.overrides`: what a subclass replaced.
    SEND = 1
    RECV = 2
    GETSOCKOPT = 4
    SETSOCKOPT = 8

cdef object socket_class

cdef int find_overrides(type cls) except -1
