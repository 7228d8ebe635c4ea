"""The budget: calls that never have to wait let the hub run once in 5 ms.

Lives here: one counter for the whole process, the fuel, which says when to look at the clock, and for each thread when
its slice of time began, which is when its hub turned last, as far as anybody knows. What must not: how others are let
run, see `zmq.core.waiting.deferred_turns` and `zmq.core.futures`. Called by sockets, pollers and what hubs call.

When the slice is used up there is no fuel any more, for nobody, until the hub has run: whoever else runs in the same
turn finds that out with his next call.
"""

from zmq.core.waiting.clock cimport monotonic

cdef extern from * nogil:
    """
    /* When the slice of time that the running thread may use before its hub must run began. */
    static __thread double greenzmq_slice = 0;
    """
    double greenzmq_slice

# How many transfers lie between two looks at the clock now, when the last look was, and what `stirred` said then.
cdef long quota = FUEL
cdef double looked = 0
cdef long stirred_then = 0

slice_seconds = 0.005
count_yields = 0


def get_budget():
    """Return for how many seconds blocking calls that need not wait may keep the hub from running."""
    return slice_seconds


def set_budget(double seconds):
    """Set for how long blocking calls that never have to wait may keep the hub from running.

    Parameters
    ----------
    seconds : float
        After this time the next blocking send, receive or poll lets the hub run once, and who is woken in the same turn
        of the hub goes on in a later one; 0 turns both off. In `zmq.asyncio` the next receive that is awaited ends in
        the next turn of the event loop, and so does a send or poll, but a task's first in a turn. NOBLOCK calls never
        yield. The default is 0.005.

    Raises
    ------
    ValueError
        `seconds` is negative.
    """
    global slice_seconds
    if not seconds >= 0:
        raise ValueError(f"a budget is 0 or more seconds, got {seconds!r}")
    slice_seconds = seconds


def yields():
    """Return how often a call let the hub run because its budget was used up."""
    return count_yields


cdef void refill(double now) noexcept:
    """Give fuel for a quarter of a slice: who computes between two calls is looked at after fewer of them."""
    global quota, looked, stirred_then
    cdef long used = stirred() - stirred_then
    cdef double enough = (now - looked) * 4
    # After fewer somebody else looked, because the slice was used up.
    if used >= quota:
        # Slowly up: one call that took no time says little.
        quota = min(2 * quota, FUEL)
        if enough * quota > slice_seconds * used:
            quota = max(1, <long> (slice_seconds * used / enough))
    looked = now
    stirred_then += used
    set_fuel(quota)


cdef bint is_time_to_yield() noexcept:
    """When `fuel` ran out: tell whether the hub has not run for so long that others must have their turn."""
    cdef double now
    if slice_seconds == 0:
        set_fuel(FUEL)
        return False
    now = monotonic()
    refill(now)
    if slice_age(now) < slice_seconds:
        return False
    # Also for whoever runs next.
    set_fuel(0)
    return True


cdef double slice_age(double now) noexcept:
    """Return for how many seconds this thread has used its slice."""
    global greenzmq_slice
    if greenzmq_slice == 0:
        greenzmq_slice = now
    return now - greenzmq_slice


cdef void begin_slice(double now) noexcept:
    """The hub of this thread has turned."""
    global greenzmq_slice, looked, stirred_then
    greenzmq_slice = looked = now
    stirred_then = stirred()
    set_fuel(quota)
