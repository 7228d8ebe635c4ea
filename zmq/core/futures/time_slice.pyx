"""For how long an event loop has not run, and calls that end in its next turn therefore.

Lives here: `Slice`, and `finish`, by which futures of calls that need not wait are told. What must not: sockets. Called
by everything else in `zmq.core.futures`, and by `zmq.core.polling.with_future`.

A call that need not wait is done when it returns, and to await it does not visit the loop. So that the others have
their turn, a call that finds that the loop has not run for the budget of `zmq.set_budget` ends in the loop's next
turn, where a `Slice` says so: a receive takes its message not before then, as if it had to wait; a send and a poll
are made at once, and their futures are told then.
"""

from functools import partial

from zmq.core.waiting cimport budget
from zmq.core.waiting.budget cimport FUEL
from zmq.core.waiting.clock cimport monotonic


cdef class Slice:
    """For how long an event loop has not run, as far as the calls that need not wait can tell.

    Parameters
    ----------
    call_soon : callable
        ``call_soon(callback)`` has it called in the loop's next turn.
    """

    cdef object call_soon
    cdef double begun   # when a call looked first after the loop had run; 0 until then

    def __init__(self, call_soon):
        self.call_soon = call_soon

    def renew(self):
        """The loop runs."""
        self.begun = 0


cpdef bint is_time_to_yield(hub) except -1:
    """Tell whether an event loop has not run for so long that others must have their turn.

    Parameters
    ----------
    hub : Hub
        Of the loop; its ``slice`` is a `Slice`.

    Returns
    -------
    bool
    """
    cdef Slice slice = hub.slice
    cdef double now
    budget.fuel = FUEL
    if budget.slice_seconds == 0:
        return False
    now = monotonic()
    if slice.begun != 0 and now - slice.begun < budget.slice_seconds:
        return False
    if not hub.is_alive():
        # What is put off until a closed loop runs never happens.
        return False
    if slice.begun != 0:
        return True
    slice.call_soon(slice.renew)
    slice.begun = now
    return False


cpdef int finish(get_hub, future, result) except -1:
    """Set the outcome of a call that is done; in the loop's next turn if it is time that others have theirs.

    Parameters
    ----------
    get_hub : callable
        Returns the `Hub` of the loop.
    future : Future
    result : object
        What the call returned, or an exception.
    """
    if budget.fuel <= 0:
        hub = get_hub()
        if is_time_to_yield(hub):
            budget.count_yields += 1
            hub.call_soon(partial(set_outcome_unless_done, future, result))
            return 0
    return set_outcome(future, result)


cdef int fail(get_hub, future, error) except -1:
    """Finish a call that transferred nothing, which used no fuel so far."""
    budget.fuel -= 1
    return finish(get_hub, future, error)


def set_outcome_unless_done(future, result):
    if not future.done():
        set_outcome(future, result)


cdef int set_outcome(future, result) except -1:
    if isinstance(result, Exception):
        future.set_exception(result)
    else:
        future.set_result(result)
    return 0
