from zmq.core.context cimport Context

cdef int start_monitor(void *socket, Context context, bytes address, int events, void *reader, bint ours) except -1
cdef int stop_monitor(void *socket) except -1
cdef bint is_monitored(void *socket) except -1
cdef bint is_ours(void *socket) except -1
cdef bint lacks_reader(void *socket) except -1
cdef int was_bound(void *socket, Context context, bytes address) except -1
cdef int has_left(void *socket, Context context, bytes address) except -1
cdef bint is_left(Context context, bytes address) except -1
cdef bint begin_reading(void *pair, Context context, bytes address) except -1
cdef int connected(void *pair, Context context, bytes address) except -1
cdef bint disconnected(void *pair, bytes address) except -1
cdef int forget_handle(void *handle) except -1
cdef int close_handle(void *handle) noexcept
