"""Copies of large messages, which give the GIL up while that pays.

Lives here: when that is, and the copies of what is sent. What must not: how messages are sent and received. Called by
`zmq.core.socket` and its bases that send and receive several; a small message costs the comparison in the .pxd file.
"""

from zmq.core.messages.whole_message_attempts cimport Outgoing, allocate_all, fill_all
from zmq.core.waiting.clock cimport monotonic

cdef double crowded_until = 0

# Seconds.
cdef double TOOK_LONG = 0.0005      # to take the GIL back
cdef double CROWDED = 0.1           # for how long no copy but a LARGE one gives it up then


cdef void locked_again(double since, double allowed=TOOK_LONG) noexcept:
    """The GIL was taken back by a thread that has wanted it since then: a copy, or an attempt, was made without it."""
    global crowded_until
    cdef double now = monotonic()
    if now - since > allowed:
        crowded_until = now + CROWDED


cdef int prepare_freely(Outgoing *out) noexcept:
    """Prepare all parts without the GIL."""
    cdef double copied
    cdef int err = allocate_all(out, out.count)
    if err:
        return err
    with nogil:
        fill_all(out, out.count)
        copied = monotonic()
    locked_again(copied)
    return 0
