cdef enum:
    PATIENCE = 20   # how often what met a lack of descriptors is tried again


cdef int await_reaper(get_hub) except -1
cdef bint has_ended(get_hub, sockets, int fd) except -1
cdef void *new_context(get_hub) except NULL
cdef int setting(int option, value) except? -1
cdef int can_start_threads(void *handle, dict settings, set cpus, bint *scheduling) except -1
