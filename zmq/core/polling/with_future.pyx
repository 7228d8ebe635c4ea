"""Polls that wait without a greenlet, for callers that have a future.

Lives here: `begin_poll_of_many`, which looks at once and has the future told when something is ready. What must not:
event loops. Called by `zmq.asyncio`. A poll of a single socket is one of the calls of `zmq.core.futures`.
"""

from zmq.core.futures.time_slice cimport finish
from zmq.core.polling.in_hub cimport ParkedPoll, PollSet
from zmq.core.sockets.arguments cimport seconds_of
from zmq.core.waiting cimport budget
from zmq.core.waiting.clock cimport monotonic


cdef class PendingPoll:
    """A poll that waits without a greenlet, for a caller that has a future; see `zmq.core.futures.calls`."""

    cdef PollSet members
    cdef ParkedPoll parked
    cdef readonly object future
    cdef object get_hub
    cdef double deadline

    def switch(self):
        """Look again; or the time is over."""
        if self.future.done():
            self.forget(self.future)
            return
        self.parked.woken = False
        try:
            ready = self.members.collect()
            if not ready and not self.parked.expired:
                # There may be more to watch than before.
                self.members.disarm(self.parked)
                self.members.arm(self.parked, self.get_hub, self.deadline)
                return
        except Exception as error:
            self.forget(self.future)
            self.future.set_exception(error)
            return
        self.forget(self.future)
        self.future.set_result(ready)

    def forget(self, future):
        """The future is done: watch nothing for it any more."""
        self.parked.inside = False
        self.members.disarm_last(self.parked)


def begin_poll_of_many(PollSet members not None, get_hub, timeout, future):
    """Have a future told what is ready.

    Parameters
    ----------
    members : PollSet
    get_hub : callable
        Returns the `Hub` to wait in.
    timeout : float, optional
        Milliseconds; None or -1 to wait for ever, but not where nothing is registered.
    future : Future
        Gets what `zmq.Poller.poll` returns, an empty list after `timeout`; or the error.

    Raises
    ------
    ValueError
        `timeout` is negative and not -1.
    """
    cdef PendingPoll pending
    cdef double seconds = seconds_of(timeout)
    cdef double deadline = -1
    budget.fuel -= 1
    try:
        members.own()
        ready = members.collect()
        members.polled = True
    except Exception as error:
        finish(get_hub, future, error)
        return
    budget.fuel -= len(ready) >> 3
    if seconds == 0:
        future.set_result(ready)
        return
    if ready or (seconds < 0 and members.is_empty()):
        finish(get_hub, future, ready)
        return
    if seconds > 0:
        deadline = monotonic() + seconds
    pending = PendingPoll()
    pending.members = members
    pending.future = future
    pending.get_hub = get_hub
    pending.deadline = deadline
    pending.parked = ParkedPoll(get_hub(), pending)
    pending.parked.members = members
    pending.parked.inside = True
    try:
        members.arm(pending.parked, get_hub, deadline)
    except BaseException:
        members.disarm(pending.parked)
        raise
    future.add_done_callback(pending.forget)
