from zmq.core.libzmq cimport ZMQ_DONTWAIT
from zmq.core.messages.whole_message_attempts cimport Outgoing, attempt_t
from zmq.core.sockets.endpoints cimport Endpoints
from zmq.core.sockets.life cimport Life, is_usable
from zmq.core.waiting cimport budget

cdef enum:
    # In `Life.message`.
    WHOLE = 0
    BEGUN = 1
    DROPPED = 2         # the pipe died; what comes until the last frame is dropped


# What is paid for an operation in fuel, beside 1.
cdef inline long cost_of_bytes(size_t size) noexcept:
    return size >> 12


cdef inline long cost_of_frames(size_t count) noexcept:
    return count >> 3


cdef class Operation(Endpoints):
    cdef int operate(self, attempt_t attempt, void *transfer, int flags, int events, int cost) except -1
    cdef int would_block(self, attempt_t attempt, void *transfer, int flags, int events) except -1
    cdef double timeout_ms(self, void *transfer, int events) noexcept
    cdef int operate_parked(self, attempt_t attempt, void *transfer, int flags, int events, int first_step) except -1
    cdef int operate_blocked(self, attempt_t attempt, void *transfer, int flags, int events, int first_step) except -1
    cdef int operate_in_libzmq(self, attempt_t attempt, void *transfer, int flags, int events) except -1
    cdef int give_up(self, Outgoing *out) noexcept
    cdef int attempt_again(self, attempt_t attempt, void *transfer, int events, bint tried) noexcept
    cdef int attempt_outside(self, attempt_t attempt, void *transfer, int flags) noexcept
    cdef void was_asked(self) noexcept
    cdef bint is_within_message(self, int events) noexcept
    cdef int failed(self, int err, int events) except -1


cdef inline bint is_unobserved(Operation socket, int flags) noexcept:
    """Tell whether one small transfer may be attempted without any ceremony: a short cut through `Operation.operate`.

    No call waits for the socket, and it is not time to let the hub run.
    """
    if not is_usable(socket) or socket.trampoline is not None and socket.trampoline.interest:
        return False
    budget.fuel -= 1
    return budget.fuel > 0 or flags & ZMQ_DONTWAIT or socket.get_hub is None


cdef object again(Life socket, int events)
