from libc.stdint cimport uint64_t

from zmq.core.libzmq cimport ZMQ_POLLIN

# Numbers that one thread counts, with or without the GIL, while others read them: no instruction that locks.
cdef extern from * nogil:
    """
    static inline uint64_t greenzmq_counted(uint64_t *number)
    {
        return __atomic_load_n(number, __ATOMIC_RELAXED);
    }

    static inline void greenzmq_count_alone(uint64_t *number, uint64_t more)
    {
        __atomic_store_n(number, greenzmq_counted(number) + more, __ATOMIC_RELAXED);
    }
    """
    uint64_t counted "greenzmq_counted"(uint64_t *number)
    void count_alone "greenzmq_count_alone"(uint64_t *number, uint64_t more)


cdef struct Way:
    uint64_t messages   # whole ones
    uint64_t bytes      # of all frames
    uint64_t again      # calls that raised `Again`
    uint64_t waits      # calls that had to wait, and have ended
    double seconds      # for how long all of these waited
    double longest      # and the one that waited longest


cdef enum:
    # What is told of peers; as in sockets/peers.h.
    CONNECTED
    ACCEPTED
    READY
    DISCONNECTED
    RETRIED
    NOT_ACCEPTED
    REFUSED_AUTHENTICATION
    REFUSED_MECHANISM
    REFUSED_CRYPTOGRAPHIC
    REFUSED_PROTOCOL
    REFUSED_ZAP
    REFUSED_UNKNOWN
    PEER_EVENTS


cdef class PeerCounts:
    cdef uint64_t kept[PEER_EVENTS]     # what totals have of it already

    cdef void read(self, uint64_t *numbers) noexcept
    cdef bint is_watched(self) noexcept


cdef class Traffic:
    cdef Way sent
    cdef Way received
    cdef Way kept_sent      # what totals have of it already, under names that it had before
    cdef Way kept_received
    cdef int born           # `generation` when it was made
    cdef int outside        # attempts that threads make without the GIL now
    cdef int socket_type    # -1 until it has one
    cdef str name           # that of its total
    cdef uint64_t next_look     # when so many were sent it is time to look for room (`Sending.look_for_room`)
    cdef PeerCounts peers   # None until they are watched

    cdef int rename(self, name) except -1
    cdef dict as_dict(self)


cdef inline Way *way_of(Traffic traffic, int events) noexcept:
    """Return what is counted of calls that wait for POLLIN, or for POLLOUT."""
    return &traffic.received if events == ZMQ_POLLIN else &traffic.sent


cdef inline Way as_it_is(Way *way) noexcept:
    """Return what was counted so far, while a proxy's loop may count on without the GIL."""
    cdef Way found = way[0]
    found.messages = counted(&way.messages)
    found.bytes = counted(&way.bytes)
    return found


cdef inline void count_received(Traffic traffic, size_t size, bint ended) noexcept:
    """Libzmq gave a frame, or all that a call received of a message; tell whether that `ended` the message."""
    traffic.received.bytes += size
    traffic.received.messages += ended


cdef inline void count_again(Way *way) noexcept:
    """A call is about to raise `Again`."""
    way.again += 1


cdef inline void uncount_again(Way *way) noexcept:
    """The call that raised `Again` was none of the program's."""
    if way.again:
        way.again -= 1


cdef inline void count_wait(Way *way, double seconds) noexcept:
    """A call has waited."""
    way.waits += 1
    way.seconds += seconds
    if seconds > way.longest:
        way.longest = seconds
