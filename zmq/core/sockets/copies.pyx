"""Copies of large messages, which give the GIL up while that pays.

Lives here: when that is, and the copies of what is sent. What must not: small messages, which cost a comparison in the
header file. Called by those that send and receive.
"""

from zmq.core.messages.transfer cimport Outgoing, allocate_all, fill_all
from zmq.core.waiting.trampoline cimport monotonic

cdef double crowded_until = 0


cdef void locked_again(double copied) noexcept:
    """The GIL was taken back, after something was copied at that time."""
    global crowded_until
    cdef double now = monotonic()
    if now - copied > 0.0005:
        crowded_until = now + 0.1


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
