"""`Traffic`: what went through a socket so far, and how its calls had to wait.

Lives here: the numbers, one object for a socket and its shadows, and the totals of those that are gone. What must not:
any way to send or to wait. Counted by `zmq.core.sockets`, `zmq.core.futures`, `zmq.core.relays` and, for who waits in a
hub, by `zmq.core.waiting.trampoline`; read by `Socket.counters` and `zmq.metrics`.

The numbers are integers in the object, and to count is to add, with the GIL held; a proxy's loop counts without it,
and has its sockets to itself. A small message costs some ten instructions.

Totals never go backwards, whatever becomes of sockets: what is collected, or gets another name, leaves its numbers
to the total of its type and its name. Names are the program's, and may be without number: the first `MOST_NAMES` have
totals of their own, for ever, and all later ones share those of `OTHERS`.
"""

import os

cimport cython
from cpython.object cimport PyObject
from libc.stdint cimport UINT64_MAX, uint64_t

from zmq.core.waiting cimport fork_generation

#: How many names have totals of their own.
MOST_NAMES = 500

#: The name that stands for all others.
OTHERS = "(others)"

# The addresses of all that are there.
cdef set living = set()
# The totals of what is gone, by type and name.
cdef dict gone = {}
# The names that have totals.
cdef set names = set()


cdef void add_way(Way *total, Way *way, Way *kept) noexcept:
    """Add what a way has more than `kept` has of it."""
    total.messages += way.messages - kept.messages
    total.bytes += way.bytes - kept.bytes
    total.again += way.again - kept.again
    total.waits += way.waits - kept.waits
    total.seconds += way.seconds - kept.seconds
    total.longest = max(total.longest, way.longest)


cdef dict peer_numbers(uint64_t *numbers):
    return {
        "connected": numbers[CONNECTED],
        "accepted": numbers[ACCEPTED],
        "ready": numbers[READY],
        "disconnected": numbers[DISCONNECTED],
        "retried": numbers[RETRIED],
        "not_accepted": numbers[NOT_ACCEPTED],
        "refused": {
            "authentication": numbers[REFUSED_AUTHENTICATION],
            "mechanism": numbers[REFUSED_MECHANISM],
            "cryptographic": numbers[REFUSED_CRYPTOGRAPHIC],
            "protocol": numbers[REFUSED_PROTOCOL],
            "zap": numbers[REFUSED_ZAP],
            "unknown": numbers[REFUSED_UNKNOWN],
        },
    }


cdef dict numbers(Way sent, Way received):
    return {
        "messages_sent": sent.messages,
        "bytes_sent": sent.bytes,
        "send_again": sent.again,
        "send_waits": sent.waits,
        "send_wait_seconds": sent.seconds,
        "longest_send_wait": sent.longest,
        "messages_received": received.messages,
        "bytes_received": received.bytes,
        "receive_again": received.again,
        "receive_waits": received.waits,
        "receive_wait_seconds": received.seconds,
        "longest_receive_wait": received.longest,
    }


cdef class PeerCounts:
    """What is known of the peers of a socket; `zmq.core.sockets.peers` has how."""

    cdef void read(self, uint64_t *numbers) noexcept:
        pass

    cdef bint is_watched(self) noexcept:
        return False


cdef class Total:
    """The sum of several."""

    cdef Way sent
    cdef Way received
    cdef uint64_t peers[PEER_EVENTS]
    cdef bint has_peers
    cdef list late      # of sockets that are gone, what is still told of their peers; None for none

    cdef int add(self, Traffic traffic, bint for_good) except -1:
        """Add what a socket counted, and was not kept before; and keep it, if it is `for_good`."""
        # Read once: a proxy's loop may go on counting.
        cdef Way sent = as_it_is(&traffic.sent)
        cdef Way received = as_it_is(&traffic.received)
        add_way(&self.sent, &sent, &traffic.kept_sent)
        add_way(&self.received, &received, &traffic.kept_received)
        if for_good:
            traffic.kept_sent, traffic.kept_received = sent, received
        if traffic.peers is not None:
            self.add_peers(traffic.peers, for_good)
        return 0

    cdef int add_peers(self, PeerCounts peers, bint for_good) except -1:
        """Add what was told of peers, and was not kept before; and keep it, if it is `for_good`."""
        cdef uint64_t numbers[PEER_EVENTS]
        cdef int i
        peers.read(numbers)
        self.has_peers = True
        for i in range(PEER_EVENTS):
            self.peers[i] += numbers[i] - peers.kept[i]
            if for_good:
                peers.kept[i] = numbers[i]
        return 0

    cdef int keep_late(self) except -1:
        """Add what was told since, and forget those of which no more will be."""
        cdef PeerCounts peers
        if self.late is None:
            return 0
        # Which are over is asked first: nothing is told after that.
        left = [peers for peers in self.late if peers.is_watched()]
        for peers in self.late:
            self.add_peers(peers, True)
        self.late = left or None
        return 0

    cdef dict as_dict(self):
        cdef dict found = numbers(self.sent, self.received)
        found["peers"] = peer_numbers(self.peers) if self.has_peers else None
        return found


cdef Total total_of(dict totals, Traffic traffic):
    """Return the total that a socket adds to."""
    cdef Total total = totals.get((traffic.socket_type, traffic.name))
    if total is None:
        total = totals[traffic.socket_type, traffic.name] = Total.__new__(Total)
    return total


cdef int keep(Traffic traffic) except -1:
    """Leave what was counted, and was not left before, to the total."""
    if traffic.born == fork_generation.current and traffic.socket_type >= 0:
        total_of(gone, traffic).add(traffic, True)
    return 0


# Its peers refer to nothing.
@cython.no_gc
cdef class Traffic:
    """What went through a socket and its shadows."""

    def __cinit__(self):
        self.born = fork_generation.current
        self.socket_type = -1
        self.next_look = UINT64_MAX
        living.add(<size_t> <void *> self)

    def __dealloc__(self):
        cdef Total total
        if living is not None and gone is not None:
            living.discard(<size_t> <void *> self)
            keep(self)
            if self.peers is not None and self.born == fork_generation.current:
                # That its connections end is told when it is gone.
                total = total_of(gone, self)
                if total.late is None:
                    total.late = []
                total.late.append(self.peers)

    cdef int rename(self, name) except -1:
        """The socket has another name; the total of the old one keeps what was counted under it."""
        cdef str found = name if type(name) is str else None
        if found is not None and len(names) < MOST_NAMES:
            names.add(found)
        found = name_of_total(found)
        if found != self.name:
            keep(self)
            self.name = found
        return 0

    cdef dict as_dict(self):
        """Return the numbers, as `Socket.counters` has them."""
        cdef uint64_t found[PEER_EVENTS]
        cdef dict shown = numbers(as_it_is(&self.sent), as_it_is(&self.received))
        cdef dict peers = None
        if self.peers is not None:
            self.peers.read(found)
            peers = peer_numbers(found)
            peers["watched"] = self.peers.is_watched()
        shown["peers"] = peers
        return shown


def name_of_total(name):
    """Return under which name something is counted that has this one.

    Parameters
    ----------
    name : str or None

    Returns
    -------
    str or None
        `OTHERS` where it has no total of its own.
    """
    return name if name is None or name in names else OTHERS


def totals():
    """Return the sums of all sockets that are there or were.

    Returns
    -------
    dict of (int, str or None) to dict
        By type and name, as `Socket.counters` has each socket's.
    """
    cdef Traffic traffic
    cdef Total total
    cdef size_t address
    cdef dict found = {}
    cdef Total copy
    cdef list there = []
    # Nothing in this loop lets other code run, as what makes objects may: the collector frees sockets. What is there
    # stays so until the sums are made, and counts either here or in `gone`.
    for address in living:
        # One without references is being freed.
        if (<PyObject *> address).ob_refcnt > 0:
            there.append(<Traffic> <void *> address)
    for key, total in gone.copy().items():
        total.keep_late()
        copy = found[key] = Total.__new__(Total)
        copy.sent, copy.received = total.sent, total.received
        copy.peers, copy.has_peers = total.peers, total.has_peers
    for traffic in there:
        if traffic.born == fork_generation.current and traffic.socket_type >= 0:
            total_of(found, traffic).add(traffic, False)
    return {key: (<Total> total).as_dict() for key, total in found.items()}


def _forked():
    # What the parent's sockets did is the parent's.
    gone.clear()


os.register_at_fork(after_in_child=_forked)
