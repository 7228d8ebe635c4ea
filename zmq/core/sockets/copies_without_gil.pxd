from zmq.core.messages.whole_message_attempts cimport Outgoing, prepare_all
from zmq.core.waiting.clock cimport monotonic

# Bytes from which on copying a message without the GIL pays: other threads use it meanwhile. Taking it back can cost a
# whole switch interval beside a thread that computes; where it took long, only LARGE copies do without it for a while.
cdef enum:
    MEDIUM = 1 << 15
    LARGE = 1 << 20

# Until when the GIL is thought to be in demand, seconds.
cdef double crowded_until


cdef inline bint copies_freely(size_t size) noexcept:
    """Tell whether to copy so many bytes without the GIL."""
    return size >= MEDIUM and (size >= LARGE or monotonic() >= crowded_until)


cdef inline int prepare_copies(Outgoing *out, size_t size) noexcept:
    """Prepare all parts, which copies so many bytes."""
    if not copies_freely(size):
        return prepare_all(out, out.count)
    return prepare_freely(out)


cdef void locked_again(double since, double allowed=*) noexcept
cdef int prepare_freely(Outgoing *out) noexcept
