"""Calls that wait for their turn on a socket without a greenlet, for callers that have a future.

Lives here: `Pending`, which queues a call among all that wait for the same socket, sends (`begin`) and polls of one
socket. What must not: event loops. Called by `zmq.asyncio` and `zmq.core.futures.receives`.

The trampoline wakes what is parked by a `switch`. A `Pending` call takes the place of the greenlet: its `switch`
makes the attempt and tells the future. So queues, baton and time-outs are those of greenlets, and nothing is written
twice.
"""

from functools import partial

from zmq.core.futures.time_slice cimport fail, finish, set_outcome
from zmq.core.libzmq cimport ZMQ_DONTWAIT, ZMQ_EVENTS, ZMQ_POLLOUT, ZMQ_SNDMORE, ZMQ_SNDTIMEO, zmq_getsockopt
from zmq.core.socket cimport Socket
from zmq.core.sockets.arguments cimport seconds_of
from zmq.core.waiting cimport budget
from zmq.core.waiting.trampoline cimport CLOSED, EXPIRED, POLLER, Trampoline, Waiter

from zmq.core.error import Again


cdef class Pending:
    """One call that waits for its turn on a socket."""

    cdef make(self):
        """Make the call without waiting; raise `Again` if it would have to."""
        return self.attempt()

    cdef give(self, result):
        """Give the future what the call made."""
        set_outcome(self.future, result)

    def switch(self):
        """Go on: the trampoline chose this call, its time is over, or the socket is being closed."""
        cdef Waiter waiter = self.waiter
        future = self.future
        if future.done():
            # It was cancelled a moment ago.
            waiter.inside = False
            waiter.leave()
        elif waiter.state == CLOSED:
            waiter.inside = False
            waiter.leave()
            future.cancel()
        elif waiter.state == EXPIRED:
            waiter.inside = False
            waiter.leave()
            set_outcome(future, Again() if self.expired is None else self.expired)
        else:
            waiter.trampoline.trying = True
            try:
                result = self.make()
            except Again:
                if not self.once:
                    waiter.trampoline.trying = False
                    waiter.again()
                    if waiter.state == EXPIRED:
                        # Its time was over while it was to be tried.
                        self.switch()
                    return
                result = Again()
            except Exception as error:
                result = error
            if waiter.trampoline is not None:
                waiter.trampoline.trying = False
            waiter.inside = False
            waiter.leave()
            if isinstance(result, Exception):
                future.set_exception(result)
            else:
                self.give(result)

    def forget(self, future):
        """The future is done: leave the queue, if it was cancelled."""
        if self.waiter.trampoline is not None:
            self.waiter.inside = False
            self.waiter.leave()


cdef enqueue(Pending pending, Trampoline trampoline, get_hub, int events, bytes route, double timeout):
    cdef Waiter partner
    cdef const char *start = NULL
    cdef size_t size = 0
    cdef long before
    cdef bint others = trampoline.interest > 0
    if route is not None:
        start = route
        size = len(route)
    before = budget.stirred()
    pending.waiter = trampoline.join(get_hub, events, start, size, timeout)
    pending.waiter.greenlet = pending
    pending.waiter.inside = True
    if others or trampoline.interest > 1 or budget.stirred() != before:
        # As in `Socket.operate_parked`.
        trampoline.notify()
    # The first to be told.
    pending.future.add_done_callback(pending.forget)
    partner = trampoline.handover.next_waiter(trampoline, False)
    if partner is not None:
        # What usually rings next rings already: complete that future before the loop looks at descriptors.
        partner.resume()


cdef double timeout_of(Socket socket, int option) noexcept:
    """Return RCVTIMEO or SNDTIMEO in seconds."""
    cdef int milliseconds = -1
    cdef size_t size = sizeof(int)
    zmq_getsockopt(socket.handle, option, &milliseconds, &size)
    return milliseconds / 1000.0


def begin(
    Socket socket not None, loop, get_hub, int flags, attempt, tuple args, bytes route=None, bint prompt=False
):
    """Send now if there is room, or else when the turn of this call has come.

    Parameters
    ----------
    socket : Socket
    loop : event loop
        Makes the future.
    get_hub : callable
        Returns the `Hub` of an event loop.
    flags : int
        With `DONTWAIT` the future gets `Again` instead of waiting.
    attempt : callable
        ``attempt(socket, *args)`` makes the call without waiting; raises `Again` if it would have to.
    args : tuple
    route : bytes, optional
        The first frame of the message, which names the peer if the socket is a ROUTER.
    prompt : bool
        Whether a call that need not wait is told at once even if it is time that others have their turn.

    Returns
    -------
    Future
        Of the result, the error, or `Again` after SNDTIMEO.
    """
    cdef Trampoline trampoline = socket.trampoline
    cdef Pending pending
    cdef const char *start = NULL
    cdef size_t length = 0
    cdef double timeout
    future = loop.create_future()
    if route is not None:
        start = route
        length = len(route)
    try:
        if trampoline is None:
            trampoline = socket.waited()
        if trampoline.interest:
            trampoline.enter()
        if flags & ZMQ_DONTWAIT or not trampoline.must_queue(ZMQ_POLLOUT, start, length):
            result = attempt(socket, *args)
            # Not between two frames: others might send something there.
            if budget.fuel <= 0 and not prompt and not flags & (ZMQ_DONTWAIT | ZMQ_SNDMORE):
                finish(partial(get_hub, loop), future, result)
            else:
                future.set_result(result)
            return future
    except Again as error:
        if flags & ZMQ_DONTWAIT:
            future.set_exception(error)
            return future
    except Exception as error:
        fail(partial(get_hub, loop), future, error)
        return future
    timeout = timeout_of(socket, ZMQ_SNDTIMEO)
    if timeout == 0:
        fail(partial(get_hub, loop), future, Again())
        return future
    pending = Pending()
    pending.future = future
    pending.attempt = partial(attempt, socket, *args)
    enqueue(pending, trampoline, partial(get_hub, loop), ZMQ_POLLOUT, route, timeout)
    return future


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
        Milliseconds; None or -1 to wait for ever, but not where `flags` is 0.
    future : Future
        Gets those of `flags` that are true, 0 after `timeout`.

    Raises
    ------
    ValueError
        `timeout` is negative and not -1.
    """
    cdef double seconds = seconds_of(timeout)
    cdef Trampoline trampoline = socket.waited()
    cdef Pending pending

    def look():
        cdef int found = socket.get(ZMQ_EVENTS) & flags
        if not found and (flags or seconds >= 0):
            raise Again()
        return found

    budget.fuel -= 1
    try:
        found = look()
        if seconds == 0:
            future.set_result(found)
        else:
            finish(get_hub, future, found)
    except Again:
        if seconds == 0:
            future.set_result(0)
        else:
            pending = Pending()
            pending.future = future
            pending.attempt = look
            pending.expired = 0
            enqueue(pending, trampoline, get_hub, flags | POLLER, None, seconds)
    except Exception as error:
        finish(get_hub, future, error)


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
    cdef Waiter waiter
    found = []
    for queue in (trampoline.receivers, trampoline.senders, trampoline.pollers):
        for waiter in queue:
            if waiter.events & events and isinstance(waiter.greenlet, Pending):
                found.append((<Pending> waiter.greenlet).future)
    return found
