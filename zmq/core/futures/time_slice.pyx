"""For how long an event loop has not run, and calls that end in its next turn therefore.

Lives here: `Slice`, and what asks it. What must not: sockets, outcomes. Called by everything else in
`zmq.core.futures`.

A call that need not wait is done when it returns, and to await it does not visit the loop. So that the others have
their turn, a call that finds that the loop has not run for the budget of `zmq.set_budget` ends in the loop's next
turn, where a `Slice` says so: a receive takes its message not before then, as if it had to wait; a send and a poll
are made at once, and their futures are told then. Those of a task that sends once and goes on are not: its step is
short, and programs written for futures that are done count on going on at once.
"""

from asyncio import current_task

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

    def __init__(self, call_soon):
        self.call_soon = call_soon

    def renew(self):
        """The loop runs."""
        self.begun = 0
        self.put_off = self.task = None

    cdef bint calls_again(self, loop) except -1:
        """Tell whether the task that runs has called before in this turn, when the time was up already."""
        task = current_task(loop)
        if task is self.task:
            return True
        self.task = task
        return False


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
    if budget.slice_seconds == 0:
        budget.set_fuel(FUEL)
        return False
    now = monotonic()
    budget.refill(now)
    if slice.begun != 0 and now - slice.begun < budget.slice_seconds:
        return False
    if not hub.is_alive():
        # What is put off until a closed loop runs never happens.
        return False
    if slice.begun != 0:
        # Also for whoever calls next in this turn.
        budget.set_fuel(0)
        return True
    slice.call_soon(slice.renew)
    slice.begun = now
    return False
