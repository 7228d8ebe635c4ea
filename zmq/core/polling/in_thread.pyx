"""Polls that block the thread: zmq_poll, and the set of the bells of many sockets.

Lives here: the waits of a plain thread. What must not: hubs. Called by `zmq.core.poll`.

zmq_poll looks at every socket, twice if it has to wait. A poller of many sockets that is used a second time has a set
of their bells, as in a hub, and the thread waits for its descriptor.

A signal's handler may do anything, such as to close sockets or to change the poller: handles are read when no more
Python code runs (`poll_in_thread`), and after a handler ran the caller looks anew.
"""

from libc.stdlib cimport free, malloc

from zmq.core.libzmq cimport ZMQ_POLLIN, zmq_pollitem_t
from zmq.core.polling.in_hub cimport PollSet
from zmq.core.socket cimport Socket
from zmq.core.sockets.blocking_polls cimport INTERRUPTED, poll_in_thread
from zmq.core.waiting.clock cimport monotonic
from zmq.core.waiting.sweep_alarm cimport Round
from zmq.core.waiting.wakeable_threads cimport ADDED

from zmq.core.waiting import sweep_alarm


cdef list poll_once(list items, list masks, double seconds):
    """Poll sockets and descriptors with zmq_poll, which blocks the thread.

    Returns what is ready, and for what; None when Python code ran that may have changed anything: the caller looks
    anew, for the time that is left.
    """
    cdef int count = len(items)
    cdef int i
    cdef zmq_pollitem_t *raw
    raw = <zmq_pollitem_t *> malloc((count + ADDED) * sizeof(zmq_pollitem_t))
    if raw == NULL:
        raise MemoryError()
    try:
        for i in range(count):
            raw[i].socket = NULL
            raw[i].fd = -1 if isinstance(items[i], Socket) else items[i]
            raw[i].events = masks[i]
        if poll_in_thread(raw, count, seconds, items) == INTERRUPTED:
            return None
        for item in items:
            if isinstance(item, Socket):
                (<Socket> item).operated()
        # No comprehensions of what is made for them: where there is no memory for the list, Cython 3.3 frees it twice.
        ready = []
        for i in range(count):
            if raw[i].revents:
                ready.append((items[i], raw[i].revents))
        return ready
    finally:
        free(raw)


cdef list poll_set(PollSet members, double timeout):
    """Wait until something of the set is ready; return None, at once, where it has to be `poll_once` that waits."""
    cdef zmq_pollitem_t bells[1 + ADDED]
    cdef double deadline = monotonic() + timeout
    cdef double left
    if members.waiting or members.blocks:
        return None
    members.own()
    members.polled = True
    while can_block(members):
        ready = members.collect()
        if ready or timeout >= 0 and monotonic() >= deadline:
            return ready
        members.blocks = True
        try:
            members.join_all()
            left = left_until_sweep(members)
            if timeout >= 0:
                left = min(left, max(0, deadline - monotonic()))
            if not members.doubtful:
                # Otherwise one was closed meanwhile, or has something to say.
                bells[0].socket = NULL
                bells[0].fd = members.bells.fd
                bells[0].events = ZMQ_POLLIN
                poll_in_thread(bells, 1, left, members)
                if left_until_sweep(members) == 0:
                    sweep(members)
        finally:
            members.blocks = False
        members.own()
    return None


cdef double left_until_sweep(PollSet members) except -1:
    """Return how many seconds are left until the sweep alarm, which no hub has here, is to look."""
    cdef double now = monotonic()
    if members.next_round == 0:
        members.next_round = now + <double> sweep_alarm.SWEEP_SECONDS
    return 0 if members.round is not None else max(0, members.next_round - now)


cdef int sweep(PollSet members) except -1:
    """Look for what nobody was told of, for a slice of time."""
    cdef long found
    if members.round is None:
        members.round = Round({members.weak}, members.rounds)
        members.rounds += 1
        members.next_round = monotonic() + <double> sweep_alarm.SWEEP_SECONDS
    found = members.round.go_on()
    if members.round.is_over():
        members.round = None
    sweep_alarm.note_missed(found)
    return 0


cdef bint can_block(PollSet members) noexcept:
    """Tell whether a thread can wait here; what a signal's handler did may have changed that."""
    return not (members.waiting or members.is_shared or members.descriptors) and members.uses_set()
