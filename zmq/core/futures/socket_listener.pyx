"""`Listener`: hears of whatever may have changed what a socket can do, without a place in its queues.

Lives here: the subscription of something that makes its attempts by itself. What must not: attempts. Called by
`zmq.eventloop`.
"""

from zmq.core cimport context as contexts
from zmq.core.libzmq cimport ZMQ_POLLOUT
from zmq.core.socket cimport Socket
from zmq.core.waiting.hub cimport Hub
from zmq.core.waiting.trampoline cimport Subscription


cdef class Listener(Subscription):
    """Calls back whenever what a socket can do may have changed.

    Parameters
    ----------
    socket : Socket
    get_hub : callable
        Returns the `Hub` that watches the socket while the listener is armed.
    changed : callable
        Called without arguments, often; it must neither raise nor wait, nor use the socket.
    closed : callable
        Called likewise when the socket is closed.
    """

    cdef Socket socket
    cdef object get_hub, on_change, on_close
    cdef int heard      # what EVENTS was when it was read last; -1 if the socket was used since
    cdef int wanted     # what is waited for while it is armed
    cdef bint told      # `changed` was called since the last `look`

    def __init__(self, Socket socket not None, get_hub, changed, closed):
        self.heard = -1
        self.socket = socket
        self.get_hub = get_hub
        self.on_change = changed
        self.on_close = closed
        socket.waited().subscribe(self)

    def arm(self, int events):
        """Watch the descriptor: changes that no call on the socket brings about are heard too.

        Parameters
        ----------
        events : int
            `POLLIN`, `POLLOUT`, or both: what is waited for.
        """
        if not self.armed or events & ~self.wanted:
            # Who arms it is about to look.
            self.told = True
        self.wanted = events
        if self.trampoline is not None:
            self.trampoline.arm_for(self, self.get_hub)

    def disarm(self):
        """Watch it no longer."""
        if self.trampoline is not None:
            self.trampoline.disarm_for(self)

    def look(self):
        """Return EVENTS, as it is after all that libzmq has heard: what comes later rings the bell.

        To be called after attempts in vain. These read EVENTS for whoever else waits, and a message or room that came
        in that moment rings no more. Without POLLOUT where that says nothing about a certain message: `is_routed`.

        Returns
        -------
        int
            0 also on an error, which the next operation reports.
        """
        cdef int events = self.heard
        if self.trampoline is None:
            return 0
        if events < 0:
            events = self.trampoline.read_events()
            self.trampoline.events_were_read(events)
        events = self.telling(events)
        self.told = events & self.wanted
        return events

    cdef int telling(self, int events) noexcept:
        """Return what EVENTS says that is so, and nothing for an error."""
        if events < 0:
            return 0
        return events & ~ZMQ_POLLOUT if self.trampoline.routed is not None else events

    @property
    def is_routed(self):
        """bool : whether there may be room and still none for a certain message, which has to be tried now and then."""
        return self.trampoline is not None and self.trampoline.routed is not None

    def close(self):
        """Hear of nothing more."""
        if self.trampoline is not None:
            self.trampoline.unsubscribe(self)

    cdef void touched(self) noexcept:
        self.heard = -1
        self.told = True
        tell(self.get_hub, self.on_change)

    cdef bint overlooks(self, int events) noexcept:
        return self.armed and not self.told and self.telling(events) & self.wanted

    cdef void ready(self, int events) noexcept:
        self.heard = events
        self.told = True
        tell(self.get_hub, self.on_change)

    cdef void abandoned(self, Hub hub) noexcept:
        # If its loop runs again it arms again.
        self.touched()

    cdef void gone(self) noexcept:
        tell(self.get_hub, self.on_close)


cdef void tell(get_hub, function) noexcept:
    """Make a call that may be made twice, also when a signal's handler raises in its midst; show another error."""
    cdef Hub hub
    if contexts.exiting:
        # What it is made of may be gone, and nothing runs that would use the news.
        return
    try:
        function()
    except BaseException as error:
        try:
            hub = get_hub()
            hub.retry(error, function)
        except BaseException:
            import sys
            sys.excepthook(type(error), error, error.__traceback__)
