from zmq.core.waiting.counters cimport PeerCounts

cdef class WatchedPeers(PeerCounts):
    cdef void *peers    # the numbers, as peers.h has them

    cdef int watch(self, void *reader) noexcept
