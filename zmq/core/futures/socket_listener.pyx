"""`Listener`: hears of whatever may have changed what a socket can do, without a place in its queues.

Lives here: the subscription of something that makes its attempts by itself. What must not: attempts. Called by
`zmq.eventloop`.
"""

from zmq.core cimport context as contexts
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

    def __init__(self, Socket socket not None, get_hub, changed, closed):
        self.socket = socket
        self.get_hub = get_hub
        self.on_change = changed
        self.on_close = closed
        socket.waited().subscribe(self)

    def arm(self):
        """Watch the descriptor: changes that no call on the socket brings about are heard too."""
        if self.trampoline is not None:
            self.trampoline.arm_for(self, self.get_hub)

    def disarm(self):
        """Watch it no longer."""
        if self.trampoline is not None:
            self.trampoline.disarm_for(self)

    def close(self):
        """Hear of nothing more."""
        if self.trampoline is not None:
            self.trampoline.unsubscribe(self)

    cdef void touched(self) noexcept:
        tell(self.get_hub, self.on_change)

    cdef void ready(self, int events) noexcept:
        self.touched()

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
