"""A greenlet that waits, and not for a single socket: for a descriptor, for its next turn, or for a poll.

Lives here: `Sleeper`, on which polls build (`zmq.core.polling.in_hub`), `wait_readable`, `let_run` and `refuel`. Called
by all that waits in ways that are not a socket's: the end of a context, proxies, lent memory, calls whose budget is
used up, event loops.
"""

from zmq.core.libzmq cimport ZMQ_POLLIN
from zmq.core.waiting cimport budget, who_waits
from zmq.core.waiting.clock cimport FOREVER, monotonic
from zmq.core.waiting.hub cimport Hub
from zmq.core.waiting.deferred_turns cimport has_turned, join, must_wait


cdef class Sleeper:
    """A greenlet, or what has its `switch`, that waits for something else than a socket."""

    def __init__(self, Hub hub not None, greenlet=None):
        self.hub = hub
        self.greenlet = hub.current() if greenlet is None else greenlet

    def resume(self):
        if self.inside and self.woken:
            self.greenlet.switch()

    def take_turn(self):
        """Switch to it, in this turn of the hub or a later one."""
        if self.inside and self.woken and not must_wait(self.hub, self):
            self.greenlet.switch()

    def wake(self):
        # A descriptor stays ready while its sleeper waits for a later turn.
        if not self.woken:
            self.woken = True
            self.take_turn()

    def expire(self):
        self.expired = True
        self.wake()

    def leave(self, hub):
        """The hub ends: watch nothing in it for this greenlet, which will not wake any more."""
        if self.hub is not hub:
            return False
        self.inside = False
        self.stop()
        return True

    cdef void stop(self) noexcept:
        timer, watcher = self.timer, self.watcher
        self.timer = self.watcher = None
        if timer is not None:
            self.hub.cancel(timer)
        if watcher is not None:
            self.hub.started.pop(watcher, None)
            self.hub.end(watcher)

    cdef int sleep(self) except -1:
        while not self.woken:
            self.inside = True
            try:
                self.hub.park()
                if not self.woken:
                    self.hub.check_alive()
            finally:
                self.inside = False
        return 0


cdef class Yielder(Sleeper):
    """A greenlet that lets others run, and goes on when its place in the hub's queue has come."""

    def resume(self):
        if self.inside:
            self.woken = True
            self.greenlet.switch()


cdef int refuel(get_hub) except -1:
    """Before a blocking call when there is no fuel: let the hub run if it is time."""
    cdef Hub hub
    if budget.is_time_to_yield():
        hub = get_hub()
        if hub.is_current():
            return 0
        if has_turned(hub):
            # By itself.
            budget.begin_slice(monotonic())
            return 0
        budget.count_yields += 1
        let_run(hub)
    return 0


cpdef int let_run(Hub hub, double seconds=0) except -1:
    """Let the hub run once, or for some time: descriptors, timers, everybody.

    Parameters
    ----------
    hub : Hub
        Of this thread.
    seconds : float
        For how long; 0 for once.
    """
    cdef Sleeper sleeper
    if seconds == 0:
        sleeper = Yielder(hub)
        join(hub, sleeper)
        sleeper.sleep()
        return 0
    sleeper = Sleeper(hub)
    timer = hub.call_at(monotonic() + seconds, sleeper.wake)
    try:
        sleeper.sleep()
    finally:
        hub.cancel(timer)
    return 0


cpdef bint wait_readable(Hub hub, int fd, double timeout, what=None) except -1:
    """Park until a descriptor is readable.

    Parameters
    ----------
    hub : Hub
        Of this thread.
    fd : int
        The descriptor.
    timeout : float
        Seconds; negative to wait for ever.
    what : object, optional
        What that stands for, as `statistics` shall show it.

    Returns
    -------
    bool
        False when the time ran out.
    """
    cdef Sleeper sleeper = Sleeper(hub)
    sleeper.watcher = hub.watcher(fd, ZMQ_POLLIN)
    try:
        hub.started[sleeper.watcher] = sleeper.wake
        sleeper.watcher.start(sleeper.wake)
        if 0 <= timeout < FOREVER:
            sleeper.timer = hub.call_at(monotonic() + timeout, sleeper.expire)
        who_waits.begin_parked(sleeper.greenlet, fd if what is None else what, sleeper)
        sleeper.sleep()
    finally:
        who_waits.end_parked(sleeper.greenlet)
        sleeper.stop()
    return not sleeper.expired
