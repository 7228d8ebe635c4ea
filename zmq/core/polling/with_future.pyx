"""Polls that wait without a greenlet, for callers that get an `Outcome`.

Lives here: `begin_poll_of_many`, which looks at once or queues the poll. What must not: event loops. Called by
`zmq.asyncio`. A poll of a single socket is one of the calls of `zmq.core.futures`.
"""

from zmq.core.futures.calls cimport end_in_turn
from zmq.core.futures.loop_hub cimport LoopHub, hub_of
from zmq.core.futures.future cimport PENDING, Outcome, Work, outcome_of
from zmq.core.polling.in_hub cimport ParkedPoll, PollSet
from zmq.core.sockets.arguments cimport seconds_of
from zmq.core.waiting cimport budget, who_waits
from zmq.core.waiting cimport trampoline as trampolines
from zmq.core.waiting.clock cimport monotonic


cdef class PendingPoll(Work):
    """A poll that waits without a greenlet."""

    cdef object __weakref__
    cdef PollSet members
    cdef ParkedPoll parked
    cdef Outcome outcome
    cdef LoopHub hub
    cdef double deadline
    cdef double since

    def describe(self):
        """Return the future, what it waits for, since when, and where; None once it waits no more."""
        if self.outcome is None or self.outcome.state != PENDING or not self.hub.is_alive():
            return None
        return self.outcome, self.members, self.since, self.hub

    def switch(self):
        """Look again; or the time is over."""
        cdef Outcome outcome = self.outcome
        if outcome is None or outcome.state != PENDING:
            return
        self.parked.woken = False
        try:
            ready = self.members.collect()
            if self.parked.expired:
                trampolines.count_expired += 1
            else:
                trampolines.count_woken += 1
            if not ready and not self.parked.expired:
                trampolines.count_vain += 1
                trampolines.count_parked += 1
                # There may be more to watch than before.
                self.members.disarm(self.parked)
                self.members.arm(self.parked, self.hub, self.deadline)
                return
        except Exception as error:
            outcome.fail(error)
            return
        self.withdraw(outcome)
        outcome.finish(ready)

    def cancel(self):
        """Give up: the hub does not run any more."""
        if self.outcome is not None:
            self.outcome.cancel()

    cdef void withdraw(self, Outcome outcome) noexcept:
        """Watch nothing any more."""
        cdef ParkedPoll parked = self.parked
        if parked is None:
            return
        who_waits.end_pending(self)
        self.parked = None
        self.outcome = None
        outcome.work = None
        parked.inside = False
        parked.greenlet = None
        self.members.disarm_last(parked)


def begin_poll_of_many(PollSet members not None, timeout, owner):
    """Look what is ready, or wait until something is.

    Parameters
    ----------
    members : PollSet
    timeout : float, optional
        Milliseconds; None or negative to wait for ever, but not where nothing is registered.
    owner : Poller
        With `_get_loop`.

    Returns
    -------
    Outcome
        Of what `zmq.Poller.poll` returns, an empty list after `timeout`; or of the error.

    Raises
    ------
    ValueError
        `timeout` is no number.
    """
    cdef Outcome outcome = outcome_of(owner, None)
    cdef PendingPoll pending
    cdef double seconds = seconds_of(timeout)
    cdef double deadline = -1
    budget.fuel -= 1
    try:
        members.own()
        ready = members.collect()
        members.polled = True
    except Exception as error:
        end_in_turn(outcome, error)
        return outcome
    budget.fuel -= len(ready) >> 3
    if seconds == 0:
        outcome.finish(ready)
        return outcome
    if ready or (seconds < 0 and members.is_empty()):
        end_in_turn(outcome, ready)
        return outcome
    if seconds > 0:
        deadline = monotonic() + seconds
    pending = PendingPoll()
    pending.members = members
    pending.outcome = outcome
    pending.hub = hub_of(outcome.its_loop())
    pending.deadline = deadline
    pending.parked = ParkedPoll(pending.hub, pending)
    pending.parked.members = members
    pending.parked.inside = True
    outcome.work = pending
    pending.since = monotonic()
    try:
        members.arm(pending.parked, pending.hub, deadline)
        who_waits.begin_pending(pending)
        trampolines.count_parked += 1
    except BaseException:
        outcome.work = None
        pending.parked.inside = False
        members.disarm(pending.parked)
        raise
    return outcome
