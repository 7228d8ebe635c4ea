"""Sends, receives and polls that wait without a greenlet, for callers that have futures or callbacks.

Lives here: `begin`, which queues a call among all that wait for the same socket, and `Listener`, which hears of whatever
may have changed. What must not: event loops. Called by `zmq.asyncio` and `zmq.eventloop`.

The trampoline wakes whoever is parked by a `switch`. A `Pending` call takes the place of the greenlet: its `switch`
makes the attempt and settles the future. So queues, baton and time-outs are those of greenlets, and nothing is written
twice.
"""

from functools import partial

from zmq.core.libzmq cimport ZMQ_DONTWAIT, ZMQ_EVENTS, ZMQ_POLLIN, ZMQ_RCVTIMEO, ZMQ_SNDTIMEO, zmq_getsockopt
from zmq.core.socket cimport Socket, seconds_of
from zmq.core.trampoline cimport CLOSED, EXPIRED, POLLER, Parked, Subscription, Trampoline

from zmq.core.error import Again


cdef class Pending:
    """One call that waits for its turn on a socket."""

    cdef Parked turn
    cdef object attempt
    cdef object future
    cdef object expired     # what the future gets when the time is over; None for `Again`

    def switch(self):
        """Go on: the trampoline chose this call, its time is over, or the socket is being closed."""
        cdef Parked turn = self.turn
        future = self.future
        if future.done():
            # It was cancelled a moment ago.
            turn.inside = False
            turn.leave()
        elif turn.state == CLOSED:
            turn.inside = False
            turn.leave()
            future.cancel()
        elif turn.state == EXPIRED:
            turn.inside = False
            turn.leave()
            settle(future, Again() if self.expired is None else self.expired)
        else:
            turn.owner.trying = True
            try:
                result = self.attempt()
            except Again:
                turn.owner.trying = False
                turn.again()
                return
            except Exception as error:
                result = error
            if turn.owner is not None:
                turn.owner.trying = False
            turn.inside = False
            turn.leave()
            settle(future, result)

    def forget(self, future):
        """The future is done: leave the queue, if it was cancelled."""
        if self.turn.owner is not None:
            self.turn.inside = False
            self.turn.leave()


cdef settle(future, result):
    if isinstance(result, Exception):
        future.set_exception(result)
    else:
        future.set_result(result)


cdef enqueue(Trampoline trampoline, get_hub, int events, bytes route, double timeout, attempt, future, expired):
    cdef Pending pending = Pending()
    cdef Parked partner
    cdef const char *start = NULL
    cdef size_t size = 0
    if route is not None:
        start = route
        size = len(route)
    pending.attempt = attempt
    pending.future = future
    pending.expired = expired
    pending.turn = trampoline.join(get_hub, events, start, size, timeout)
    pending.turn.greenlet = pending
    pending.turn.inside = True
    if trampoline.interest > 1:
        trampoline.notify()
    future.add_done_callback(pending.forget)
    partner = trampoline.partner_turn()
    if partner is not None:
        # What usually rings next rings already: settle that future before the loop looks at descriptors.
        partner.resume()


def begin(Socket socket not None, loop, get_hub, int events, int flags, attempt, tuple args, bytes route=None):
    """Make a call now if it need not wait, or else when its turn has come.

    Parameters
    ----------
    socket : Socket
    loop : event loop
        Makes the future.
    get_hub : callable
        Returns the `Hub` of an event loop.
    events : int
        `POLLIN` for a receive, `POLLOUT` for a send.
    flags : int
        With `DONTWAIT` the future gets `Again` instead of waiting.
    attempt : callable
        ``attempt(socket, *args)`` makes the call without waiting; raises `Again` if it would have to.
    args : tuple
    route : bytes, optional
        The first frame of a message to be sent, which names the peer if the socket is a ROUTER.

    Returns
    -------
    Future
        Of the result, the error, or `Again` after RCVTIMEO or SNDTIMEO.
    """
    cdef Trampoline trampoline = socket.waiter
    cdef int milliseconds = -1
    cdef size_t size = sizeof(int)
    cdef const char *start = NULL
    cdef size_t length = 0
    future = loop.create_future()
    if route is not None:
        start = route
        length = len(route)
    try:
        if trampoline is None:
            trampoline = socket.waited()
        if trampoline.interest:
            trampoline.enter()
        if flags & ZMQ_DONTWAIT or not trampoline.must_queue(events, start, length) and worth_trying(trampoline, events):
            future.set_result(attempt(socket, *args))
            return future
    except Again as error:
        if flags & ZMQ_DONTWAIT:
            future.set_exception(error)
            return future
    except Exception as error:
        future.set_exception(error)
        return future
    zmq_getsockopt(socket.handle, ZMQ_RCVTIMEO if events == ZMQ_POLLIN else ZMQ_SNDTIMEO, &milliseconds, &size)
    if milliseconds == 0:
        future.set_exception(Again())
        return future
    enqueue(
        trampoline, partial(get_hub, loop), events, route, milliseconds / 1000.0, partial(attempt, socket, *args),
        future, None
    )
    return future


cdef bint worth_trying(Trampoline trampoline, int events):
    """Tell whether an attempt may succeed: a receive in vain costs an exception, which takes longer than a look."""
    cdef int found
    if events != ZMQ_POLLIN or trampoline.handle == NULL:
        return True
    found = trampoline.read_events()
    if trampoline.interest:
        trampoline.stilled(found)
    return found < 0 or found & ZMQ_POLLIN


def begin_poll(Socket socket not None, get_hub, int flags, timeout, future):
    """Have a future told when a socket can send or receive.

    Parameters
    ----------
    socket : Socket
    get_hub : callable
        Returns the `Hub` to wait in.
    flags : int
        `POLLIN`, `POLLOUT` or both.
    timeout : float, optional
        Milliseconds; None or -1 to wait for ever.
    future : Future
        Gets those of `flags` that are true, 0 after `timeout`.

    Raises
    ------
    ValueError
        `timeout` is negative and not -1.
    """
    cdef double seconds = seconds_of(timeout)
    cdef Trampoline trampoline = socket.waited()

    def look():
        cdef int found = socket.get(ZMQ_EVENTS) & flags
        if not found:
            raise Again()
        return found

    try:
        future.set_result(look())
    except Again:
        if seconds == 0:
            future.set_result(0)
        else:
            enqueue(trampoline, get_hub, flags | POLLER, None, seconds, look, future, 0)
    except Exception as error:
        future.set_exception(error)


def pending(Socket socket not None, int events):
    """List the futures that wait for a socket.

    Parameters
    ----------
    socket : Socket
    events : int
        `POLLIN` or `POLLOUT`.

    Returns
    -------
    list of Future
    """
    cdef Trampoline trampoline = socket.waited()
    cdef Parked turn
    found = []
    for queue in (trampoline.receivers, trampoline.senders, trampoline.pollers):
        for turn in queue:
            if turn.events & events and isinstance(turn.greenlet, Pending):
                found.append((<Pending> turn.greenlet).future)
    return found


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
        (<Trampoline> socket.waited()).subscribe(self)

    def arm(self):
        """Watch the descriptor: changes that nobody's call on the socket brings about are heard too."""
        if self.owner is not None:
            self.owner.arm_for(self, self.get_hub)

    def disarm(self):
        """Watch it no longer."""
        if self.owner is not None:
            self.owner.disarm_for(self)

    def close(self):
        """Hear of nothing more."""
        if self.owner is not None:
            self.owner.unsubscribe(self)

    cdef void touched(self) noexcept:
        try:
            self.on_change()
        except BaseException as error:
            import sys
            sys.excepthook(type(error), error, error.__traceback__)

    cdef void ready(self, int events) noexcept:
        self.touched()

    cdef void gone(self) noexcept:
        try:
            self.on_close()
        except BaseException as error:
            import sys
            sys.excepthook(type(error), error, error.__traceback__)
