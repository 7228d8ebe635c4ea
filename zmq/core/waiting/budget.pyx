"""The budget: calls that never have to wait let the hub run once in 5 ms.

Lives here: one counter for the whole process, the fuel, which says when to look at the clock, and for each thread when
its slice of time began. What must not: how an event loop lets others run, see `zmq.core.futures`. Called by sockets and
pollers.
"""

from zmq.core.waiting.clock cimport monotonic
from zmq.core.waiting.hub cimport Hub
from zmq.core.waiting.sleeper cimport let_run

cdef extern from * nogil:
    """
    /* When the slice of time that the running thread may use before its hub must run began. */
    static __thread double greenzmq_slice = 0;
    """
    double greenzmq_slice

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
        After this time the next blocking send, receive or poll lets the hub run once; 0 turns that off. In
        `zmq.asyncio` the next that is awaited ends in the next turn of the event loop.
        NOBLOCK calls never yield. The default is 0.005.

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


cdef bint is_time_to_yield() noexcept:
    """When `fuel` ran out: tell whether the hub has not run for so long that others must have their turn."""
    global greenzmq_slice, fuel
    cdef double now
    fuel = FUEL
    if slice_seconds == 0:
        return False
    now = monotonic()
    if greenzmq_slice == 0:
        greenzmq_slice = now
    return now - greenzmq_slice >= slice_seconds


cdef int refuel(get_hub) except -1:
    """Before a blocking call when `fuel` ran out: let the hub run if it is time."""
    global count_yields, greenzmq_slice
    cdef double now
    cdef Hub hub
    if is_time_to_yield():
        hub = get_hub()
        if hub.is_current():
            return 0
        count_yields += 1
        now = monotonic()
        let_run(hub)
        # Whoever comes back first from this run of the hub starts a new slice, the others share it.
        if greenzmq_slice < now:
            greenzmq_slice = monotonic()
    return 0
