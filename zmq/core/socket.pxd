from zmq.core.context cimport Context
from zmq.core.libzmq cimport zmq_msg_t, zmq_pollitem_t
from zmq.core.message cimport Frame, Threshold
from zmq.core.sockets.options cimport MixedCase
from zmq.core.messages.transfer cimport Incoming, Outgoing, Part, attempt_t
from zmq.core.waiting.wait cimport Owner, Waiter

ctypedef int (*endpoint_call_t)(void *socket, const char *address) noexcept nogil


cdef class Socket(MixedCase):
    cdef object __weakref__
    cdef void *handle       # libzmq's socket; NULL once it is closed
    cdef int born           # `generation` when it was made; -1 once it is closed, OWNED while it has an owner
    cdef Owner owner        # who has it to himself
    cdef bint is_shadow
    cdef object original    # of a shadow, to keep it alive
    cdef Waiter waiter      # None until somebody waits for, or hears of, this socket in a hub, or a shadow is made
    cdef object get_hub     # where blocking calls park; None blocks the thread
    cdef type frame_class   # of what is received or lent without copying
    cdef int overrides      # which methods a subclass replaced
    cdef int message        # whether a message was begun with SNDMORE and not ended
    cdef bint answers       # the thread had to wait for what was received last
    cdef bint spoke         # a message was sent last, and the waiter trusts that it is answered
    cdef bint drops
    cdef bint lacks_defaults    # the context's, because `Context.socket` sets them when the socket is complete
    cdef object monitor_socket
    cdef Context maker      # which lists it among its sockets; None of a shadow
    cdef public object context
    cdef readonly object socket_type
    cdef Py_ssize_t own_threshold   # -1: COPY_THRESHOLD
    cdef Threshold package  # which says what that is; None for `zmq`

    cdef Py_ssize_t threshold(self) except -1
    cdef int usable(self) except -1
    cdef int let_go(self, void *handle) except -1
    cdef int part(self) except -1
    cdef int has_options(self, bint harmless) except -1
    cdef int operate(self, attempt_t attempt, void *transfer, int flags, int events, int cost) except -1
    cdef int would_block(self, attempt_t attempt, void *transfer, int flags, int events) except -1
    cdef double patience(self, void *transfer, int events) noexcept
    cdef int operate_parked(self, attempt_t attempt, void *transfer, int flags, int events, int first) except -1
    cdef int operate_blocked(self, attempt_t attempt, void *transfer, int flags, int events) except -1
    cdef int operate_inside(self, attempt_t attempt, void *transfer, int flags) except -1
    cdef int give_up(self, Outgoing *out) noexcept
    cdef int attempt_again(self, attempt_t attempt, void *transfer, int events, bint tried) noexcept
    cdef int operated(self) except -1
    cdef bint is_within(self, int events) noexcept
    cdef int with_endpoint(self, endpoint_call_t call, addr) except -1
    cdef last_endpoint(self, addr)
    cdef Frame to_part(self, data, Part *part, copy, bint track, routing_id, group)
    cdef send_whole(self, list parts, int flags, copy, bint track)
    cdef send_each(self, list parts, int flags, copy, track, dict kwargs)
    cdef bytes as_bytes(self, zmq_msg_t *msg)
    cdef bytes bytes_of(self, zmq_msg_t *msg)
    cdef list as_parts(self, Incoming *incoming, copy, bint track)
    cdef list recv_each(self, Py_ssize_t max, double timeout, int flags, copy, bint multipart)
    cdef Frame as_frame(self, zmq_msg_t *msg, bint track)
    cdef int share_waiter(self) except -1
    cdef int take_defaults(self, Context context) except -1
    cdef int monitor_at(self, bytes address, int events, Socket reader) except -1
    cdef Waiter waited(self)


cdef enum:
    INTERRUPTED = -2    # from `poll_in_thread`


cdef list sockets_at(void *handle)
cdef several_frames(size_t count)
cdef double seconds_of(timeout) except? -2
cdef int poll_in_thread(zmq_pollitem_t *items, int count, double timeout, what) except -1
cdef void wake_thread(what) noexcept
