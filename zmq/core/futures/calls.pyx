"""Calls that wait for their turn on a socket without a greenlet: sends, and polls of one socket.

Lives here: how an `Outcome` gets its place among all that wait for the same socket, and when one that need not wait
ends. What must not: event loops, receives. Called by `zmq.core.futures.receives` and `zmq.core.futures.awaited_socket`,
and by `zmq.asyncio` for batches.

The trampoline wakes what is parked by a `switch`. An outcome takes the place of the greenlet: its `switch` makes the
attempt and ends it. So queues, baton and time-outs are those of greenlets, and nothing is written twice.
"""

from functools import partial

from libc.errno cimport EAGAIN

from zmq.core.check cimport raise_errno
from zmq.core.futures.loop_hub cimport LoopHub, get_running_loop, hub_of
from zmq.core.futures.future cimport PENDING, Outcome, Work, outcome_of
from zmq.core.futures.time_slice cimport Slice, is_time_to_yield
from zmq.core.libzmq cimport (
    ZMQ_DONTWAIT,
    ZMQ_POLLIN,
    ZMQ_POLLOUT,
    ZMQ_SNDMORE,
    ZMQ_SNDTIMEO,
    zmq_errno,
    zmq_getsockopt,
)
from zmq.core.socket cimport Socket
from zmq.core.sockets.arguments cimport seconds_of
from zmq.core.sockets.wait_and_retry cimport again
from zmq.core.waiting cimport budget
from zmq.core.waiting cimport trampoline as trampolines
from zmq.core.waiting.budget cimport FUEL
from zmq.core.waiting.counters cimport uncount_again, way_of
from zmq.core.waiting.trampoline cimport PARKED, POLLER, Handover, Trampoline, Waiter

from zmq.core.error import Again, ZMQError


cdef class Send(Work):
    """A send that waits."""

    cdef int attempt(self, Outcome outcome) except -1:
        try:
            outcome.value = self.function(outcome.owner, *self.arguments)
        except Again:
            # The call goes on.
            uncount_again(&(<Socket> outcome.owner).traffic.sent)
            return EAGAIN
        return 0


cdef class Poll(Work):
    """A poll of one socket."""

    cdef int attempt(self, Outcome outcome) except -1:
        cdef Socket socket = outcome.owner
        cdef Trampoline trampoline = socket.waited()
        cdef int found
        socket.usable()
        trampoline.enter()
        found = trampoline.read_events()
        if found < 0:
            return zmq_errno()
        if trampoline.interest:
            trampoline.events_were_read(found)
        if not found & self.events:
            return EAGAIN
        outcome.value = found & self.events
        return 0

    cdef int expire(self, Outcome outcome) except -1:
        return outcome.finish(0)


# What most polls are for.
cdef Poll FOR_MESSAGES = Poll()
FOR_MESSAGES.events = ZMQ_POLLIN


cdef int enqueue(
    Outcome outcome, Trampoline trampoline, int events, bytes route, double timeout, bint untried, long before
) except -1:
    """Queue a call for whatever makes it worth another attempt; or the first one, if it is `untried`.

    `before` is what `budget.stirred` said when it was found that the call has to wait.
    """
    cdef Waiter waiter, partner
    cdef const char *start = NULL
    cdef size_t size = 0
    cdef bint others = trampoline.interest > 0
    if route is not None:
        start = route
        size = len(route)
    loop = outcome.its_loop()
    if isinstance(trampoline.watched_hub, LoopHub) and (<LoopHub> trampoline.watched_hub).loop is loop:
        # As a rule: who waits for a socket often waits again.
        hub = trampoline.watched_hub
    else:
        hub = hub_of(loop)
    # Also one that is untried is watched for at once: the watchers of a loop linger, and cost nothing to arm.
    try:
        waiter = outcome.waiter = trampoline.join(hub, events, start, size, timeout, False)
    except ZMQError as error:
        # The socket was closed in the midst of that.
        return fail_in_turn(outcome, error)
    waiter.greenlet = outcome
    waiter.inside = waiter.is_call = True
    waiter.untried = untried
    # As `Waiter.wait` does.
    trampolines.count_parked += 1
    waiter.has_parked = True
    if others or trampoline.interest > 1 or budget.stirred() != before:
        # As in `Operation.operate_parked`.
        trampoline.notify()
    if waiter.state != PARKED:
        # It was chosen, its time is over or its socket closed, perhaps before anybody could tell it so.
        waiter.hub.soon((<object> waiter).take_turn)
        return 0
    partner = trampoline.handover.next_waiter(trampoline, untried, False)
    if partner is not None:
        # What usually rings next rings already, or need not: have that call end before the loop looks at descriptors.
        hand_over(trampoline, partner, untried)
    elif untried:
        trampolines.count_parked -= 1
        waiter.has_parked = False
        outcome.try_parked()
    return 0


cdef int hand_over(Trampoline trampoline, Waiter partner, bint untried) except -1:
    """Let the partner go on. If somebody parked here `untried`, see to it that EVENTS is read before the loop sleeps.

    Whoever waits for the partner's call runs in the loop's next turn and answers, as a rule, so that there is no need
    to look. So that is done after him, in the same turn, and costs no callback of its own.
    """
    cdef Outcome woken = partner.greenlet if isinstance(partner.greenlet, Outcome) else None
    cdef Handover handover = trampoline.handover
    try:
        partner.resume()
    finally:
        if untried:
            if woken is not None and handover.looking_in is None and woken.will_announce():
                woken.unheard = trampoline
                handover.looking_in = trampoline.hub
            else:
                handover.look_soon(trampoline)
    return 0


cdef int end_in_turn(Outcome outcome, result) except -1:
    """End a call that is done with what it returned or raised; in the loop's next turn if others must have theirs."""
    cdef Slice slice
    cdef Outcome before
    # Where no loop runs nobody has a turn.
    if budget.fuel <= 0 and get_running_loop() is not None:
        hub = hub_of(outcome.its_loop())
        if is_time_to_yield(hub):
            slice = hub.slice
            if not slice.calls_again(outcome.loop):
                return outcome.settle(result)
            before = slice.put_off
            if before is None or before.state != PENDING or before.callback is not None:
                budget.count_yields += 1
                slice.put_off = outcome
                hub.call_soon(partial(settle, outcome, result))
                return 0
            # Nobody waits for that one, so whoever makes these calls goes on in this turn whatever becomes of them.
            budget.set_fuel(FUEL)
    return outcome.settle(result)


def settle(Outcome outcome, result):
    """End a call that was put off, unless it was cancelled."""
    if outcome.state == PENDING:
        outcome.settle(result)


cdef int fail_in_turn(Outcome outcome, error) except -1:
    """End a call that transferred nothing, which used no fuel so far."""
    budget.fuel -= 1
    return end_in_turn(outcome, error)


cdef double timeout_of(Socket socket, int option) noexcept:
    """Return RCVTIMEO or SNDTIMEO in seconds."""
    cdef int milliseconds = -1
    cdef size_t size = sizeof(int)
    zmq_getsockopt(socket.handle, option, &milliseconds, &size)
    return milliseconds / 1000.0


def begin(Socket socket not None, int flags, function, tuple arguments, bytes route=None, bint prompt=False):
    """Send now if there is room, or else when the turn of this call has come.

    Parameters
    ----------
    socket : Socket
        With `_get_loop`.
    flags : int
        With `DONTWAIT` the outcome has `Again` instead of waiting.
    function : callable
        ``function(socket, *arguments)`` makes the call without waiting; raises `Again` if it would have to.
    arguments : tuple
    route : bytes, optional
        The first frame of the message, which names the peer if the socket is a ROUTER.
    prompt : bool
        Whether a call that need not wait ends at once even if it is time that others have their turn.

    Returns
    -------
    Outcome
        Of the result, the error, or `Again` after SNDTIMEO.
    """
    cdef Trampoline trampoline = socket.trampoline
    cdef Outcome outcome = outcome_of(socket, None)
    cdef const char *start = NULL
    cdef size_t length = 0
    cdef double timeout
    # The attempt changes that too, so EVENTS is looked at for whoever has to wait.
    cdef long before = budget.stirred()
    cdef Send send
    if route is not None:
        start = route
        length = len(route)
    try:
        if trampoline is None:
            trampoline = socket.waited()
        if trampoline.interest:
            trampoline.enter()
        if flags & ZMQ_DONTWAIT or not trampoline.must_queue(ZMQ_POLLOUT, start, length):
            result = function(socket, *arguments)
            # Not between two frames: others might send something there.
            if budget.fuel <= 0 and not prompt and not flags & (ZMQ_DONTWAIT | ZMQ_SNDMORE):
                end_in_turn(outcome, result)
            else:
                outcome.finish(result)
            return outcome
    except Again as error:
        if flags & ZMQ_DONTWAIT:
            outcome.fail(error)
            return outcome
        uncount_again(&socket.traffic.sent)
    except Exception as error:
        fail_in_turn(outcome, error)
        return outcome
    timeout = timeout_of(socket, ZMQ_SNDTIMEO)
    if timeout == 0:
        fail_in_turn(outcome, again(socket, ZMQ_POLLOUT))
        return outcome
    send = Send()
    send.function = function
    send.arguments = arguments
    outcome.work = send
    enqueue(outcome, trampoline, ZMQ_POLLOUT, route, timeout, False, before)
    return outcome


cdef Outcome begin_poll(Socket socket, int events, timeout):
    """Look whether a socket can send or receive, or wait until it can for `timeout` milliseconds.

    The outcome has those of `events` that are true, 0 after the time-out. Where there are no `events` a wait without a
    time-out, which would never end, is none.
    """
    cdef double seconds = seconds_of(timeout)
    cdef Poll poll = FOR_MESSAGES
    cdef Outcome outcome
    cdef long before = 0
    cdef int err
    if events != ZMQ_POLLIN:
        poll = Poll()
        poll.events = events
    outcome = outcome_of(socket, poll)
    budget.fuel -= 1
    try:
        err = poll.attempt(outcome)
        before = budget.stirred()
        if err and err != EAGAIN:
            raise_errno(err)
    except Exception as error:
        end_in_turn(outcome, error)
        return outcome
    if seconds == 0:
        outcome.finish(0 if err else outcome.value)
    elif err == 0 or (seconds < 0 and not events):
        end_in_turn(outcome, 0 if err else outcome.value)
    else:
        enqueue(outcome, socket.trampoline, events | POLLER, None, seconds, False, before)
    return outcome


def hide_again(Socket socket not None, int events):
    """A call that raised `Again` was part of another one, which does not: it is not counted.

    Parameters
    ----------
    socket : Socket
    events : int
        `POLLIN` or `POLLOUT`, which it waited for.
    """
    uncount_again(way_of(socket.traffic, events))


def pending(Socket socket not None, int events):
    """List the calls that wait for a socket.

    Parameters
    ----------
    socket : Socket
    events : int
        `POLLIN` or `POLLOUT`.

    Returns
    -------
    list of Outcome
    """
    cdef Trampoline trampoline = socket.waited()
    cdef Waiter waiter
    found = []
    for queue in (trampoline.receivers, trampoline.senders, trampoline.pollers):
        for waiter in queue:
            if waiter.events & events and isinstance(waiter.greenlet, Outcome):
                found.append(waiter.greenlet)
    return found
