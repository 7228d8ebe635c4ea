"""zmq_poll of sockets, in a plain thread.

Lives here: the handles of what is polled, and messages that libzmq knows nothing of because they were given back. What
must not: how another thread ends the wait (`zmq.core.waiting.wakeable_threads`), hubs. Called by `zmq.core.socket` and
`zmq.core.polling`.
"""

from cpython.exc cimport PyErr_CheckSignals
from libc.errno cimport EINTR

from zmq.core.check cimport raise_errno
from zmq.core.libzmq cimport ZMQ_POLLIN, zmq_errno, zmq_poll, zmq_pollitem_t
from zmq.core.sockets.life cimport Life
from zmq.core.waiting cimport budget, who_waits
from zmq.core.waiting.clock cimport monotonic
from zmq.core.waiting.wakeable_threads cimport GLANCED, ThreadWait, begin_wait, end_wait, left_until


cdef bint read_handles(zmq_pollitem_t *items, int count, what) except -1:
    """Store the handles of what is polled, and tell whether one of the sockets need not be waited for."""
    cdef int i
    cdef Life socket
    cdef list several = what if isinstance(what, list) else None
    for i in range(count):
        polled = what if several is None else several[i]
        if isinstance(polled, Life):
            socket = polled
            socket.usable()
            items[i].socket = socket.handle
            if socket.trampoline is not None:
                # zmq_poll reads EVENTS.
                socket.trampoline.marked = True
    return add_returned(items, count, what)


cdef bint add_returned(zmq_pollitem_t *items, int count, what) noexcept:
    """Add POLLIN where a cancelled receive gave a message back, of which libzmq knows nothing; tell whether one did."""
    cdef int i
    cdef Life socket
    cdef bint found = False
    cdef list several = what if isinstance(what, list) else None
    for i in range(count):
        polled = what if several is None else several[i]
        if items[i].events & ZMQ_POLLIN and isinstance(polled, Life):
            socket = polled
            if socket.trampoline is not None and socket.trampoline.returned:
                items[i].revents |= ZMQ_POLLIN
                found = True
    return found


cdef int poll_in_thread(zmq_pollitem_t *items, int count, double timeout, what) except -1:
    """Call zmq_poll, without the GIL if it may wait; `timeout` in seconds, negative for none.

    `what` the items stand for is a Socket, or a list with a Socket or descriptor for each item; the handles of sockets
    are filled in here, once no more Python can run. Of anything else the caller knows. There is room for `ADDED`
    items more than `count`.

    Returns how many items are ready, or INTERRUPTED when Python code ran that may have changed anything: a signal's
    handler, or another thread that closed one of the sockets. The caller looks anew then, for the time that is left.
    """
    cdef ThreadWait waiting
    cdef double deadline = 0 if timeout <= 0 else monotonic() + timeout
    cdef int rc
    budget.stirs += 1
    if timeout == 0:
        # Not without the GIL, see `Socket.poll`.
        read_handles(items, count, what)
        rc = zmq_poll(items, count, 0)
        if rc < 0:
            rc = -zmq_errno()
    else:
        # First, as Python code may run after it: what that closes wakes this thread.
        waiting = begin_wait(items, count, what)
        try:
            who_waits.begin_blocked(what, "poll")
            rc = waiting.enter(0 if read_handles(items, count, what) else timeout)
            if rc == GLANCED:
                if waiting.hear_signals():
                    rc = -EINTR
                else:
                    timeout = left_until(deadline, timeout)
                    rc = waiting.enter(0 if read_handles(items, count, what) else timeout)
        finally:
            who_waits.end_blocked()
            end_wait(waiting)
        if waiting.woken or rc == GLANCED:
            rc = -EINTR
    if rc >= 0:
        add_returned(items, count, what)
        return rc
    if rc != -EINTR:
        raise_errno(-rc)
    PyErr_CheckSignals()
    return INTERRUPTED
