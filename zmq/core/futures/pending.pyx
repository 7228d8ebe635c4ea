"""Sends, receives and polls that wait without a greenlet, for callers that have futures or callbacks.

Lives here: `begin_receive` and `begin`, which queue a call among all that wait for the same socket, and `Listener`,
which hears of whatever may have changed. What must not: event loops. Called by `zmq.asyncio` and `zmq.eventloop`.

The trampoline wakes whoever is parked by a `switch`. A `Pending` call takes the place of the greenlet: its `switch`
makes the attempt and settles the future. So queues, baton and time-outs are those of greenlets, and nothing is written
twice.

A call that need not wait is done when it returns, and to await it does not visit the loop. So that the others have
their turn, a call that finds that the loop has not run for the budget of `zmq.set_budget` ends in the loop's next
turn, where a `Slice` says so: a receive takes its message not before then, as if it had to wait; a send and a poll
are made at once, and their futures are told then.
"""

from functools import partial

from cpython.buffer cimport PyBUF_SIMPLE, PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer, Py_buffer
from libc.string cimport memcpy

from zmq.core.waiting cimport trampoline as fairness
from zmq.core cimport context as contexts
from zmq.core.waiting cimport wait
from zmq.core.messages.returned cimport HELD, RETURNED, Hand
from zmq.core.waiting.hub cimport Hub
from zmq.core.libzmq cimport (
    ZMQ_DONTWAIT,
    ZMQ_EVENTS,
    ZMQ_POLLIN,
    ZMQ_POLLOUT,
    ZMQ_RCVMORE,
    ZMQ_RCVTIMEO,
    ZMQ_SNDMORE,
    ZMQ_SNDTIMEO,
    zmq_getsockopt,
    zmq_msg_copy,
    zmq_msg_data,
    zmq_msg_init,
    zmq_msg_size,
    zmq_msg_t,
)
from zmq.core.socket cimport Socket, seconds_of, several_frames
from zmq.core.messages.transfer cimport AS_SET, try_recv
from zmq.core.waiting.trampoline cimport (
    CHOSEN,
    CLOSED,
    EXPIRED,
    FUEL,
    PARKED,
    POLLER,
    Parked,
    Subscription,
    Trampoline,
    monotonic,
)

from zmq.core.error import Again


def received_class(future_class):
    """Return the class of the futures of receives.

    Parameters
    ----------
    future_class : type
        asyncio's `Future`, or a subclass.

    Returns
    -------
    type
        A subclass.
    """
    cancel, cancelled = future_class.cancel, future_class.cancelled
    result, exception = future_class.result, future_class.exception
    await_future = future_class.__await__

    class Received(future_class):
        """The future of a message, which goes back to its socket if nobody wants it any more.

        As any future it can be cancelled until those who wait for it were told that it is done. If the message had been
        received by then, the next receive gets it. A later `cancel` returns False, as it has to; but if nobody has
        seen the message yet, the next receive gets it as well, unless somebody asks for the result first.
        """

        __slots__ = ("_hand", "_receive")

        def cancel(self, msg=None):
            cdef Hand hand
            if not self.done():
                # Set for those that receive into a buffer.
                receive = getattr(self, "_receive", None)
                if receive is not None:
                    (<PendingReceive> receive).let_go()
                return cancel(self, msg)
            hand = self._hand
            return hand is not None and hand.state == HELD and hand.give_back()

        def cancelled(self):
            return is_returned(self._hand) or cancelled(self)

        def result(self):
            take(self, self._hand)
            return result(self)

        def exception(self):
            if is_returned(self._hand):
                raise self._make_cancelled_error()
            return exception(self)

        def __await__(self):
            if self.done():
                take(self, self._hand)
            return await_future(self)

        __iter__ = __await__

    return Received


cdef bint is_returned(Hand hand) noexcept:
    return hand is not None and hand.state == RETURNED


cdef int take(future, Hand hand) except -1:
    """Somebody sees the message of a future, if it has one."""
    if hand is not None and not hand.take():
        raise future._make_cancelled_error()
    return 0


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


def is_time_to_yield(hub):
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
    wait.fuel = FUEL
    if fairness.budget == 0:
        return False
    now = monotonic()
    if slice.begun != 0 and now - slice.begun < fairness.budget:
        return False
    if not hub.is_alive():
        # What is put off until a closed loop runs never happens.
        return False
    if slice.begun != 0:
        return True
    slice.call_soon(slice.renew)
    slice.begun = now
    return False


def finish(get_hub, future, result):
    """Settle the future of a call that is done; in the loop's next turn if it is time that others have theirs.

    Parameters
    ----------
    get_hub : callable
        Returns the `Hub` of the loop.
    future : Future
    result : object
        What the call returned, or an exception.
    """
    if wait.fuel <= 0:
        hub = get_hub()
        if is_time_to_yield(hub):
            fairness.count_yields += 1
            hub.call_soon(partial(settle_late, future, result))
            return
    settle(future, result)


def settle_late(future, result):
    if not future.done():
        settle(future, result)


cdef class Pending:
    """One call that waits for its turn on a socket."""

    cdef Parked turn
    cdef object attempt
    cdef readonly object future
    cdef object expired     # what the future gets when the time is over; None for `Again`
    cdef bint once          # there is no time for a second attempt

    cdef make(self):
        """Make the call without waiting; raise `Again` if it would have to."""
        return self.attempt()

    cdef settle(self, result):
        """Give the future what the call made."""
        settle(self.future, result)

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
                result = self.make()
            except Again:
                if not self.once:
                    turn.owner.trying = False
                    turn.again()
                    if turn.state == EXPIRED:
                        # Its time was over while it was to be tried.
                        self.switch()
                    return
                result = Again()
            except Exception as error:
                result = error
            if turn.owner is not None:
                turn.owner.trying = False
            turn.inside = False
            turn.leave()
            if isinstance(result, Exception):
                future.set_exception(result)
            else:
                self.settle(result)

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


cdef enqueue(Pending pending, Trampoline trampoline, get_hub, int events, bytes route, double timeout):
    cdef Parked partner
    cdef const char *start = NULL
    cdef size_t size = 0
    cdef long before
    cdef bint others = trampoline.interest > 0
    if route is not None:
        start = route
        size = len(route)
    before = wait.stirred()
    pending.turn = trampoline.join(get_hub, events, start, size, timeout)
    pending.turn.greenlet = pending
    pending.turn.inside = True
    if others or trampoline.interest > 1 or wait.stirred() != before:
        # As in `Socket.operate_parked`.
        trampoline.notify()
    # The first to be told.
    pending.future.add_done_callback(pending.forget)
    partner = trampoline.partner_turn(False)
    if partner is not None:
        # What usually rings next rings already: settle that future before the loop looks at descriptors.
        partner.resume()


cdef class PendingReceive(Pending):
    """A receive that waits for its turn."""

    cdef Socket socket
    cdef bint whole, track, single
    cdef object copy, load
    cdef Py_ssize_t nbytes
    cdef bint into          # receives into `view`
    cdef bint held          # `view` is exported: its memory stays where it is while the call waits
    cdef Py_buffer view

    def __dealloc__(self):
        self.let_go()

    cdef void let_go(self) noexcept:
        if self.held:
            self.held = False
            PyBuffer_Release(&self.view)

    cdef make(self):
        cdef Hand hand = Hand.__new__(Hand)
        hand.incoming.whole = self.whole
        self.socket.operate(try_recv, &hand.incoming, ZMQ_DONTWAIT, ZMQ_POLLIN, 1)
        return hand

    cdef settle(self, hand):
        deliver(self, hand, False)

    def forget(self, future):
        cdef Hand hand = future._hand
        if hand is not None:
            hand.announced = True
        self.let_go()
        Pending.forget(self, future)


cdef int deliver(PendingReceive receive, Hand hand, bint announced) except -1:
    """Settle the future of a receive."""
    cdef Trampoline trampoline = receive.socket.waiter
    future = receive.future
    trampoline.received += 1
    hand.waiter = trampoline
    hand.number = trampoline.received
    hand.announced = announced
    if receive.single and hand.incoming.count > 1:
        result = several_frames(hand.incoming.count)
        hand.give_back()
        future.set_exception(result)
        return 0
    try:
        result = build(receive, hand)
    except Exception as error:
        result = error
    if future.done():
        # Cancelled by what made the object.
        hand.give_back()
    elif isinstance(result, Exception):
        future.set_exception(result)
    else:
        future._hand = hand
        future.set_result(result)
    return 0


cdef object build(PendingReceive receive, Hand hand):
    """Make of a message what is received; the hand keeps the message."""
    cdef size_t i
    cdef zmq_msg_t msg
    cdef size_t size
    cdef list parts
    if receive.into:
        size = zmq_msg_size(&hand.incoming.frames[0])
        memcpy(
            receive.view.buf,
            zmq_msg_data(&hand.incoming.frames[0]),
            min(size, <size_t> (receive.nbytes or receive.view.len)),
        )
        receive.let_go()
        return size
    if receive.copy and not receive.whole:
        result = receive.socket.bytes_of(&hand.incoming.frames[0])
    else:
        parts = []
        for i in range(hand.incoming.count):
            if receive.copy:
                parts.append(receive.socket.bytes_of(&hand.incoming.frames[i]))
            elif receive.load is None:
                parts.append(receive.socket.as_frame(&hand.incoming.frames[i], receive.track))
                # `as_frame` closed it.
                zmq_msg_init(&hand.incoming.frames[i])
            else:
                # Seen by `load`, which may keep it.
                zmq_msg_init(&msg)
                zmq_msg_copy(&msg, &hand.incoming.frames[i])
                parts.append(receive.socket.as_frame(&msg, receive.track))
        if not receive.copy and receive.load is None:
            hand.frames = parts
        result = list(parts) if receive.whole else parts[0]
    return result if receive.load is None else receive.load(result)


def begin_receive(
    Socket socket not None, future_class, loop, get_hub, bint whole, int flags, copy=True, bint track=False, load=None,
    buffer=None, Py_ssize_t nbytes=0, bint single=False, timeout=None
):
    """Receive now if there is a message, or else when the turn of this call has come.

    Parameters
    ----------
    socket : Socket
    future_class : type
        From `received_class`.
    loop : event loop
        Of the future.
    get_hub : callable
        Returns the `Hub` of an event loop.
    whole : bool
        Whether to receive a message, or one frame of it.
    flags : int
        With `DONTWAIT` the future gets `Again` instead of waiting.
    copy, track : bool
        As in `Socket.recv`.
    load : callable, optional
        Makes the result of what was received.
    buffer : writable bytes-like, optional
        Where to put a frame. Its export is held until the call is over.
    nbytes : int
        As in `Socket.recv_into`.
    single : bool
        With `whole`: refuse a message of several frames, with a ValueError; it remains there.
    timeout : float, optional
        Milliseconds; -1 to wait for ever, None for as long as RCVTIMEO says.

    Returns
    -------
    Future
        Of the result, the error, or `Again` after the time-out.
    """
    cdef Trampoline trampoline = socket.waiter
    cdef PendingReceive receive = PendingReceive.__new__(PendingReceive)
    cdef double seconds = AS_SET
    cdef Hand hand
    cdef bint yields = False
    future = future_class(loop=loop)
    future._hand = None
    if buffer is not None:
        future._receive = receive
    receive.future = future
    receive.socket = socket
    receive.whole = whole
    receive.single = single
    receive.copy = copy
    receive.track = track
    receive.load = load
    receive.into = buffer is not None
    receive.nbytes = nbytes
    try:
        if receive.into:
            # Held until the message is there, as by `Socket.recv_into`: a bytearray can't be resized meanwhile.
            PyObject_GetBuffer(buffer, &receive.view, PyBUF_SIMPLE | PyBUF_WRITABLE)
            receive.held = True
            if nbytes < 0 or nbytes > receive.view.len:
                raise ValueError(
                    f"nbytes={nbytes}, must be at least 0 and at most the {receive.view.len} bytes of the buffer"
                )
        if trampoline is None:
            trampoline = socket.waited()
        if timeout is not None:
            seconds = seconds_of(timeout)
        if trampoline.interest:
            trampoline.enter()
        if flags & ZMQ_DONTWAIT or not trampoline.must_queue(ZMQ_POLLIN, NULL, 0):
            if wait.fuel <= 0 and not flags & ZMQ_DONTWAIT and is_time_to_yield(get_hub(loop)):
                # Not between two frames: others might receive the rest of the message.
                yields = not socket.get(ZMQ_RCVMORE)
            if not yields and (flags & ZMQ_DONTWAIT or worth_trying(trampoline)):
                hand = receive.make()
                deliver(receive, hand, True)
                return future
    except Again as error:
        if flags & ZMQ_DONTWAIT:
            future.set_exception(error)
            return future
    except Exception as error:
        wait.fuel -= 1
        finish(partial(get_hub, loop), future, error)
        return future
    if seconds == AS_SET:
        seconds = timeout_of(socket, ZMQ_RCVTIMEO)
    if seconds != 0 or yields:
        receive.once = seconds == 0
        enqueue(receive, trampoline, partial(get_hub, loop), ZMQ_POLLIN, None, -1 if receive.once else seconds)
        if yields:
            fairness.count_yields += 1
            if receive.turn.state == PARKED:
                receive.turn.choose(CHOSEN)
    else:
        wait.fuel -= 1
        finish(partial(get_hub, loop), future, Again())
    return future


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
    cdef Trampoline trampoline = socket.waiter
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
            if wait.fuel <= 0 and not prompt and not flags & (ZMQ_DONTWAIT | ZMQ_SNDMORE):
                finish(partial(get_hub, loop), future, result)
            else:
                future.set_result(result)
            return future
    except Again as error:
        if flags & ZMQ_DONTWAIT:
            future.set_exception(error)
            return future
    except Exception as error:
        wait.fuel -= 1
        finish(partial(get_hub, loop), future, error)
        return future
    timeout = timeout_of(socket, ZMQ_SNDTIMEO)
    if timeout == 0:
        wait.fuel -= 1
        finish(partial(get_hub, loop), future, Again())
        return future
    pending = Pending()
    pending.future = future
    pending.attempt = partial(attempt, socket, *args)
    enqueue(pending, trampoline, partial(get_hub, loop), ZMQ_POLLOUT, route, timeout)
    return future


cdef bint worth_trying(Trampoline trampoline) noexcept:
    """Tell whether a receive may succeed: one in vain costs an exception, which takes longer than a look."""
    cdef int found
    if trampoline.handle == NULL:
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
    cdef Pending pending

    def look():
        cdef int found = socket.get(ZMQ_EVENTS) & flags
        if not found:
            raise Again()
        return found

    wait.fuel -= 1
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
        call(self.get_hub, self.on_change)

    cdef void ready(self, int events) noexcept:
        self.touched()

    cdef void abandoned(self, Hub hub) noexcept:
        # If its loop runs again it arms again.
        self.touched()

    cdef void gone(self) noexcept:
        call(self.get_hub, self.on_close)


cdef void call(get_hub, function) noexcept:
    """Make a call that may be made twice, also when a signal's handler raises in its midst; show another error."""
    cdef Hub hub
    if contexts.exiting:
        # What it is made of may be gone, and nobody runs who would use the news.
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
