cdef enum:
    # In `Life.overrides`: what a subclass replaced, or somebody on one socket.
    SEND = 1
    RECV = 2
    GETSOCKOPT = 4
    SETSOCKOPT = 8
    # These are told by a method that calls `getsockopt` or `setsockopt`, which may call it.
    GET = 16
    SET = 32

cdef object socket_class
cdef object own_close   # the `close` of `Socket`, whatever is put in its place

# Those that others are made of, with their bits.
cdef dict METHODS

cdef defined(type cls, str name)
cdef int find_overrides(type cls) except -1
cdef int find_overrides_of(socket) except -1
