cdef int generation     # of this process: grows by one in the child of every fork
cdef long fuel          # transfers left before `trampoline.refuel` has to be asked whether it is time to let a hub run
cdef long stirs         # grows with what may process a socket's commands and uses no fuel

cdef inline long stirred() noexcept:
    """Return a number that is another one once any socket was used."""
    return stirs - fuel


cdef enum:
    OWNED = -2          # in `Socket.born`: the socket belongs to an Owner, and every call looks twice

# How libzmq's sockets are closed; see `zmq.core.sockets.monitors`, which says.
ctypedef int (*closer_t)(void *handle) noexcept
cdef closer_t closer

cdef int block(what) except -1
cdef void unblock() noexcept
cdef int park(greenlet, what, waiter) except -1
cdef void unpark(greenlet) noexcept

cdef class Turn:
    cdef bint untried   # no attempt was made yet

    cdef int wait(self) except -1
    cdef void again(self) noexcept
    cdef void leave(self) noexcept

cdef class Waiter:
    cdef void *handle   # the socket that is waited for; NULL once it is closed
    cdef int interest   # how many wait for the socket or subscribed to it: the one integer test
    cdef int born       # `generation` when it was made
    cdef bint trusts    # who receives after a send hands over to a partner, and need not attempt first
    cdef list returned  # each `Hand` that a cancelled receive gave back, oldest first; None for none
    cdef int more       # RCVMORE after one of these was received; -1 while libzmq knows
    cdef long received  # numbers the receives that can be cancelled

    cdef int enter(self) except -1
    cdef void notify(self) noexcept
    cdef bint must_queue(self, int events, const void *route, size_t size) noexcept
    cdef Turn join(self, get_hub, int events, const void *route, size_t size, double timeout)
    cdef bint hands_over(self) noexcept
    cdef bint close(self) noexcept

cdef class Owner:
    cdef int born           # `generation` when it was made
    cdef int admit(self, shadow) except -1
    cdef int stop(self) except -1
