"""Turns of a hub: who is woken when the budget of one is used up goes on in one of the next.

Lives here: one queue for each hub, of greenlets that were woken or let others run, and how it is served. What must
not: who is woken, and when the budget is used up (`zmq.core.waiting.budget`). Called by what hubs call: the callbacks
of waiters, sleepers and trampolines.

In one turn, between two looks at descriptors and timers, libev calls all watchers that are pending, and eventlet all
timers that are due and all listeners; each of ours switches to a greenlet, which may run for as long as a slice. A
thousand that are woken at once would keep a timer from being heard for as long as all of them take. So what the hub
calls asks `must_wait` first. When the turn has taken as long as the budget allows, it queues whoever was woken, and a
timer that is due at once has `serve` switch to as many as fit into the budget of the next turn. While somebody is in
the queue all join it, so that nobody overtakes and a turn takes its budget once.

Nobody gets lost there:

- Whoever is in the queue is not marked: a `Waiter` was chosen, and a `Sleeper` woken, already. So a kill, a time-out or
  a close finds it as it would find one whose callback has not run yet, and `resume` does nothing for who has left.
- Whenever a greenlet is switched to with others in the queue, the timer is set that goes on with these: also if the
  switch raises or never comes back, because the hub ended in it and another greenlet runs it from now on.
- Only a hub whose thread has ended empties the queue unserved (`Hub.give_up_all`).
"""

from functools import partial

from zmq.core.waiting cimport budget
from zmq.core.waiting.clock cimport monotonic
from zmq.core.waiting.hub cimport Hub, this_thread

cdef long count_deferred = 0


def deferred():
    """Return how many greenlets were woken, or let others run, and had to wait for a later turn of their hub."""
    return count_deferred


cdef class CountedTurns:
    """What a framework calls once in a turn of its loop, and counts these calls.

    Compiled, so that no signal's handler runs in it.

    Parameters
    ----------
    function : callable
        What is to be called then, in whose place this is.
    """

    cdef object function
    cdef readonly long count

    def __init__(self, function):
        self.function = function

    def __call__(self):
        self.count += 1
        return self.function()


cdef bint has_turned(Hub hub) except -1:
    """Tell whether the hub has looked at descriptors and timers since this was asked last."""
    cdef long turn = hub.turn()
    if turn == hub.turn_seen:
        return False
    hub.turn_seen = turn
    return True


cdef bint surely_turned(Hub hub) noexcept:
    """Tell the same in the hub, where nothing may be raised."""
    try:
        return has_turned(hub)
    except BaseException as error:
        hub.retry(error, hub.turn)
        return True


cdef bint is_over(Hub hub) noexcept:
    """Tell whether this turn of the hub has taken as long as it may, or others wait for the next one already."""
    cdef double now, age
    if hub.serve_timer is not None:
        return True
    if budget.slice_seconds == 0 or not hub.defers:
        return False
    now = monotonic()
    age = budget.slice_age(now)
    # That a turn has begun is found out late, but not by more than this.
    if age < budget.slice_seconds / 2:
        return False
    if surely_turned(hub):
        budget.begin_slice(now)
        return False
    return age >= budget.slice_seconds


cdef bint must_wait(Hub hub, parked) noexcept:
    """Queue somebody who was woken if it is too late to switch to him in this turn of the hub; tell whether it is."""
    return is_over(hub) and defer(hub, parked)


cdef bint defer(Hub hub, parked) noexcept:
    """Have ``parked.resume()`` called in one of the hub's next turns; False: there was no memory for that."""
    global count_deferred
    try:
        hub.deferred.append(parked)
    except MemoryError:
        return False
    count_deferred += 1
    ask(hub)
    return True


cdef int join(Hub hub, parked) except -1:
    """Queue the greenlet that runs, before it parks; raise what a signal's handler raises, or that memory is short."""
    global count_deferred
    hub.deferred.append(parked)
    try:
        if hub.serve_timer is None:
            set_timer(hub)
    except BaseException:
        hub.deferred.remove(parked)
        raise
    count_deferred += 1
    return 0


cdef void ask(Hub hub) noexcept:
    """See to it that the queue is served in the hub's next turn."""
    if hub.serve_timer is None:
        try:
            set_timer(hub)
        except BaseException as error:
            hub.retry(error, set_timer, hub)


def set_timer(Hub hub):
    hub.serve_timer = hub.call_at(monotonic(), partial(serve, hub))


def serve(Hub hub not None):
    """A turn begins: switch to those in the queue for as long as the budget allows; called in the hub.

    Parameters
    ----------
    hub : Hub
    """
    cdef double now = monotonic()
    # Who joins meanwhile let the hub run.
    cdef Py_ssize_t left = len(hub.deferred)
    hub.serve_timer = None
    hub.thread = this_thread()
    hub.handovers = 0
    surely_turned(hub)
    budget.begin_slice(now)
    while left and hub.deferred:
        left -= 1
        parked = hub.deferred.popleft()
        if hub.deferred:
            ask(hub)
        parked.resume()
        if budget.slice_seconds != 0 and monotonic() - now >= budget.slice_seconds:
            return
    if not hub.deferred and hub.serve_timer is not None:
        timer, hub.serve_timer = hub.serve_timer, None
        hub.cancel(timer)
