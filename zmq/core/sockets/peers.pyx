"""`WatchedPeers`: what a socket's monitor tells of its connections, counted by a native thread.

Lives here: those numbers, as Python reads them. What must not: how a monitor is begun (`zmq.core.sockets.endpoints`),
and what keeps libzmq from waiting for its reader (`zmq.core.sockets.monitors`). The thread is in ``peers.h``.
"""

import os

from libc.stdint cimport uint64_t
from libc.stdlib cimport calloc

from zmq.core.waiting.counters cimport PEER_EVENTS, PeerCounts

cdef extern from "sockets/peers.h" nogil:
    ctypedef struct peers_t "greenzmq_peers":
        int owners
    uint64_t read_number "greenzmq_peers_read"(peers_t *peers, int number)
    int is_watched "greenzmq_peers_watched"(peers_t *peers)
    void let_go "greenzmq_peers_let_go"(peers_t *peers)
    int begin_watch "greenzmq_peers_watch"(peers_t *peers, void *reader)
    void forget_all "greenzmq_peers_forked"()


cdef class WatchedPeers(PeerCounts):
    """What a monitor told; the thread has it too, and may count on when this is gone."""

    def __cinit__(self):
        cdef peers_t *peers = <peers_t *> calloc(1, sizeof(peers_t))
        if peers == NULL:
            raise MemoryError()
        peers.owners = 1
        self.peers = peers

    def __dealloc__(self):
        if self.peers != NULL:
            let_go(<peers_t *> self.peers)

    cdef int watch(self, void *reader) noexcept:
        """Have it counted what a connected reader hears, which is the thread's then. Returns an error code."""
        return begin_watch(<peers_t *> self.peers, reader)

    cdef void read(self, uint64_t *numbers) noexcept:
        cdef int i
        for i in range(PEER_EVENTS):
            numbers[i] = read_number(<peers_t *> self.peers, i)

    cdef bint is_watched(self) noexcept:
        return is_watched(<peers_t *> self.peers)


def _forked():
    forget_all()


os.register_at_fork(after_in_child=_forked)
