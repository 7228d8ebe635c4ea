"""The operation: one message is sent or received; when that would block, wait, parked or blocked, and try again.

Lives here: the one loop around attempts, for all forms of send and receive. What must not: how an attempt is made
(`zmq.core.messages.whole_message_attempts`), how to wait (`zmq.core.waiting`). A base of `zmq.core.socket.Socket`;
called by the others that build on it.
"""

from cpython.exc cimport PyErr_CheckSignals
from libc.errno cimport EAGAIN, EINTR
from libc.stdint cimport uint32_t

from zmq.core.check cimport raise_errno
from zmq.core.context cimport Context
from zmq.core.libzmq cimport (
    EFSM,
    ZMQ_DONTWAIT,
    ZMQ_EVENTS,
    ZMQ_POLLIN,
    ZMQ_POLLOUT,
    ZMQ_RCVMORE,
    ZMQ_RCVTIMEO,
    ZMQ_REP,
    ZMQ_REQ,
    ZMQ_SNDTIMEO,
    zmq_errno,
    zmq_getsockopt,
    zmq_msg_data,
    zmq_msg_routing_id,
    zmq_msg_size,
)
from zmq.core.messages.deliveries cimport drop_returned, try_returned
from zmq.core.messages.whole_message_attempts cimport AS_SET, Incoming, Outgoing, attempt_t, end_dropped
from zmq.core.sockets.copies_without_gil cimport crowded_until, locked_again
from zmq.core.sockets.life cimport Life, is_usable
from zmq.core.waiting cimport budget, who_waits
from zmq.core.waiting.wakeable_threads cimport MANY, threads_waiting, wait_for_bell
from zmq.core.waiting.clock cimport monotonic
from zmq.core.waiting.sleeper cimport refuel
from zmq.core.waiting.counters cimport Traffic, count_again, count_wait, way_of
from zmq.core.waiting.trampoline cimport Trampoline, Waiter

from zmq.core.error import Again, ContextTerminated, ZMQError
from zmq.core.version import strerror

cdef enum:
    # How `Operation.operate_parked` and `operate_blocked` begin; the latter is never asked to PARK_FIRST.
    ATTEMPT_FIRST = 0
    ALREADY_ATTEMPTED = 1
    PARK_FIRST = 2


# Seconds that it takes to get the GIL back from a thread that computes: the switch interval is 5 ms.
cdef double ANOTHER_COMPUTES = 0.0045

# Which turn it is. That of a REQ is as often as not the answer's that did not come in time.
cdef dict OUT_OF_TURN = {
    (ZMQ_REQ, ZMQ_POLLOUT): (
        "this REQ waits for the answer to its last request, also where a receive ran out of time. Receive it; or set "
        "REQ_RELAXED and REQ_CORRELATE when the socket is made, which let it send again and drop late answers; or "
        "close it and make a new socket"
    ),
    (ZMQ_REQ, ZMQ_POLLIN): "this REQ has no request out: it receives once after each whole request that it sent",
    (ZMQ_REP, ZMQ_POLLOUT): "this REP has no request to answer: it sends once after each whole request that it got",
    (ZMQ_REP, ZMQ_POLLIN): "this REP has a request to answer first: it receives again when it has sent a whole answer",
}


cdef object again(Life socket, int events):
    """Return what a call raises that would have to wait, and may not; it is counted."""
    count_again(way_of(socket.traffic, events))
    return Again()


cdef class Operation(Endpoints):
    """A socket that waits when an attempt to send or receive would block."""

    cdef int operate(self, attempt_t attempt, void *transfer, int flags, int events, int cost) except -1:
        """Send or receive one message: attempt; when it would block, wait, and again."""
        cdef Trampoline trampoline = self.trampoline
        cdef int err
        if not is_usable(self):
            self.usable()
        budget.fuel -= cost
        if (
            budget.fuel <= 0
            and self.get_hub is not None
            and not flags & ZMQ_DONTWAIT
            and not self.is_within_message(events)
        ):
            refuel(self.get_hub)
            self.usable()
            trampoline = self.trampoline
        if trampoline is not None and trampoline.interest:
            return self.operate_parked(attempt, transfer, flags, events, ATTEMPT_FIRST)
        if self.expects_reply and events == ZMQ_POLLIN:
            self.expects_reply = False
            if not flags & ZMQ_DONTWAIT and trampoline.handover.is_possible(trampoline):
                return self.operate_parked(attempt, transfer, flags, events, PARK_FIRST)
        if self.owes_reply and events == ZMQ_POLLOUT and not (<Outgoing *> transfer).more:
            # Another thread of this process may be waiting for just this: let it run as soon as it is woken.
            self.owes_reply = False
            err = self.attempt_outside(attempt, transfer, flags)
        else:
            err = attempt(self.handle, transfer, flags | ZMQ_DONTWAIT)
        if err == EAGAIN:
            err = self.attempt_again(attempt, transfer, events, True)
        if err == 0:
            if events == ZMQ_POLLIN and threads_waiting >= MANY:
                self.was_asked()
            return 0
        if err != EAGAIN:
            self.failed(err, events)
        return self.would_block(attempt, transfer, flags, events)

    cdef int attempt_outside(self, attempt_t attempt, void *transfer, int flags) noexcept:
        """Attempt without the GIL. A thread that closes the socket waits until this is over."""
        cdef Traffic traffic = self.traffic
        cdef void *handle = self.handle
        cdef double attempted
        cdef int err
        traffic.outside += 1
        with nogil:
            err = attempt(handle, transfer, flags | ZMQ_DONTWAIT)
            attempted = monotonic()
        traffic.outside -= 1
        locked_again(attempted, ANOTHER_COMPUTES)
        return err

    cdef void was_asked(self) noexcept:
        """A thread received while others wait, perhaps for its answer: see `threads_waiting`."""
        if not self.owes_reply and self.get_hub is None and monotonic() >= crowded_until:
            self.owes_reply = True

    cdef bint is_within_message(self, int events) noexcept:
        """Tell whether a message is sent or received frame by frame, between two of which no other may come."""
        cdef int more = 0
        cdef size_t size = sizeof(int)
        if events == ZMQ_POLLOUT:
            return self.message == BEGUN
        zmq_getsockopt(self.handle, ZMQ_RCVMORE, &more, &size)
        return more

    cdef int would_block(self, attempt_t attempt, void *transfer, int flags, int events) except -1:
        """The operation after an attempt in vain, while no other call waits."""
        if flags & ZMQ_DONTWAIT:
            # A send in vain has read EVENTS.
            budget.stirs += 1
            raise again(self, events)
        if self.message == BEGUN and events == ZMQ_POLLOUT:
            return self.give_up(<Outgoing *> transfer)
        if self.get_hub is None:
            return self.operate_blocked(attempt, transfer, flags, events, ALREADY_ATTEMPTED)
        return self.operate_parked(attempt, transfer, flags, events, ALREADY_ATTEMPTED)

    cdef int operate_blocked(self, attempt_t attempt, void *transfer, int flags, int events, int first_step) except -1:
        """The operation in a plain thread, which blocks, without the GIL, until the bell rings.

        Not inside libzmq: another thread may close the socket meanwhile, and waits until this one has let go of it.
        An attempt in vain has processed all commands, so that any news rings the bell, until the next operation.
        """
        cdef long before = budget.stirred()
        cdef bint attempted
        cdef int err = EAGAIN
        cdef double milliseconds = self.timeout_ms(transfer, events)
        cdef double since = monotonic()
        cdef double deadline = since + milliseconds / 1000
        cdef double left = -1
        cdef bint waits = False
        cdef bint receives
        cdef Trampoline trampoline = self.waited()
        if trampoline.descriptor() < 0 or trampoline.bell != NULL:
            return self.operate_in_libzmq(attempt, transfer, flags, events)
        who_waits.begin_blocked(self, "receive" if events == ZMQ_POLLIN else "send")
        try:
            # What was made for the wait may have had a finalizer run, which used the socket.
            attempted = first_step == ALREADY_ATTEMPTED and budget.stirred() == before and is_usable(self)
            while True:
                trampoline.marked = True
                if not attempted:
                    err = self.attempt_again(attempt, transfer, events, False)
                    if err != EAGAIN:
                        break
                attempted = False
                if milliseconds >= 0:
                    left = deadline - monotonic()
                    if left <= 0:
                        raise again(self, events)
                waits = True
                receives = events == ZMQ_POLLIN and trampoline.returned is None
                wait_for_bell(
                    &self.handle, trampoline.fd, left, self, attempt if receives else NULL, transfer, &err
                )
                if err != EAGAIN:
                    # A message is returned also where the socket was closed since.
                    break
                if not is_usable(self) and isinstance(self.context, Context) and (<Context> self.context).destroyed:
                    # As where the context is terminated without closing them.
                    raise ContextTerminated()
                self.usable()
        finally:
            who_waits.end_blocked()
            if waits:
                count_wait(way_of(self.traffic, events), monotonic() - since)
        if trampoline.interest and is_usable(self):
            trampoline.notify()
        if err:
            self.failed(err, events)
        self.owes_reply = events == ZMQ_POLLIN
        return 0

    cdef int operate_in_libzmq(self, attempt_t attempt, void *transfer, int flags, int events) except -1:
        """The operation of a thread-safe socket in a thread without a hub: libzmq waits."""
        cdef int err = EINTR
        cdef void *handle
        cdef double since = monotonic()
        who_waits.begin_blocked(self, "receive" if events == ZMQ_POLLIN else "send")
        try:
            while err == EINTR:
                PyErr_CheckSignals()
                self.usable()
                handle = self.handle
                with nogil:
                    err = attempt(handle, transfer, flags)
        finally:
            who_waits.end_blocked()
            count_wait(way_of(self.traffic, events), monotonic() - since)
        if err == EAGAIN:
            raise again(self, events)
        if err:
            raise_errno(err)
        return 0

    cdef int operate_parked(self, attempt_t attempt, void *transfer, int flags, int events, int first_step) except -1:
        """The operation where other calls wait in a hub, or this one will.

        `first_step` says whether the first attempt was just made, with no other call waiting, or should be left out.
        """
        cdef Trampoline trampoline = self.trampoline
        cdef Waiter waiter
        cdef int err
        cdef bint gives_up, others
        cdef double milliseconds
        cdef const void *route = NULL
        cdef size_t route_size = 0
        cdef Outgoing *out
        cdef uint32_t peer
        cdef long before
        trampoline.enter()
        if events == ZMQ_POLLOUT:
            out = <Outgoing *> transfer
            route = zmq_msg_data(&out.parts[0].msg)
            route_size = zmq_msg_size(&out.parts[0].msg)
            if trampoline.routed is not None and trampoline.routed.by_number:
                peer = zmq_msg_routing_id(&out.parts[0].msg)
                route = &peer
                route_size = sizeof(peer)
        if first_step == ATTEMPT_FIRST and (
            flags & ZMQ_DONTWAIT
            or self.message == BEGUN
            or not trampoline.must_queue(events, route, route_size)
        ):
            err = self.attempt_again(attempt, transfer, events, False)
            gives_up = err == EAGAIN and self.message == BEGUN and events == ZMQ_POLLOUT
            if err != EAGAIN or flags & ZMQ_DONTWAIT or gives_up or self.get_hub is None:
                if trampoline.interest:
                    trampoline.notify()
            if err != EAGAIN:
                if err:
                    self.failed(err, events)
                return 0
            if flags & ZMQ_DONTWAIT:
                raise again(self, events)
            if gives_up:
                return self.give_up(<Outgoing *> transfer)
        if self.get_hub is None:
            return self.operate_blocked(attempt, transfer, flags, events, ATTEMPT_FIRST)
        milliseconds = self.timeout_ms(transfer, events)
        if milliseconds == 0:
            if first_step == PARK_FIRST:
                return self.operate(attempt, transfer, flags | ZMQ_DONTWAIT, events, 0)
            if trampoline.interest:
                trampoline.notify()
            raise again(self, events)
        others = trampoline.interest > 0
        before = budget.stirred()
        try:
            waiter = trampoline.join(
                self.get_hub, events, route, route_size, milliseconds / 1000, first_step == PARK_FIRST
            )
        except BaseException:
            if trampoline.interest:
                # The attempt may have swallowed the bell for them.
                trampoline.notify()
            raise
        try:
            # Where those were given up behind which this one would have waited, it may go on at once. So may it where
            # the handler of a signal used sockets meanwhile.
            if others or trampoline.interest > 1 or budget.stirred() != before:
                # Not before this one has joined: a look at EVENTS for the others may still the bell for this one.
                trampoline.notify()
            while True:
                waiter.wait()
                err = self.attempt_again(attempt, transfer, events, False)
                if err != EAGAIN:
                    break
                waiter.again()
        finally:
            waiter.leave()
        if err:
            self.failed(err, events)
        return 0

    cdef int failed(self, int err, int events) except -1:
        """Raise what an attempt came to; to who uses a REQ or REP out of turn, with what to do."""
        if err == EFSM and (self.socket_type, events) in OUT_OF_TURN:
            raise ZMQError(err, f"{strerror(err)}: {OUT_OF_TURN[self.socket_type, events]}")
        return raise_errno(err)

    cdef double timeout_ms(self, void *transfer, int events) noexcept:
        """Return for how many milliseconds an operation may wait; -1 for ever."""
        cdef int milliseconds = -1
        cdef size_t size = sizeof(int)
        if events == ZMQ_POLLIN and (<Incoming *> transfer).timeout != AS_SET:
            return (<Incoming *> transfer).timeout
        zmq_getsockopt(self.handle, ZMQ_RCVTIMEO if events == ZMQ_POLLIN else ZMQ_SNDTIMEO, &milliseconds, &size)
        return milliseconds

    cdef int attempt_again(self, attempt_t attempt, void *transfer, int events, bint tried) noexcept:
        """Attempt without waiting, if that was not `tried`; a send looks at EVENTS then and tries once more.

        A receive that fails has processed all commands. A send processes them only about once a millisecond
        (socket_base_t::process_commands, throttled), so that its EAGAIN may be stale. Not within a message: there it
        means that the pipe died, see `zmq.core.messages.whole_message_attempts`.
        """
        cdef int found = 0
        cdef size_t size = sizeof(int)
        cdef int err = EAGAIN
        if not tried:
            if self.trampoline is not None and self.trampoline.returned is not None and events == ZMQ_POLLIN:
                return try_returned(self.trampoline, <Incoming *> transfer)
            err = attempt(self.handle, transfer, ZMQ_DONTWAIT)
        if err == EAGAIN and events == ZMQ_POLLOUT and self.message != BEGUN:
            while zmq_getsockopt(self.handle, ZMQ_EVENTS, &found, &size) != 0:
                found = ZMQ_POLLOUT
                if zmq_errno() != EINTR:
                    break
            if found & ZMQ_POLLOUT:
                err = attempt(self.handle, transfer, ZMQ_DONTWAIT)
        if (
            err == 0
            and self.trampoline is not None
            and self.trampoline.returned is not None
            and events == ZMQ_POLLOUT
            and self.socket_type in (ZMQ_REQ, ZMQ_REP)
        ):
            # A request was answered, or the next one made, without the message that was returned.
            drop_returned(self.trampoline)
        return err

    cdef int give_up(self, Outgoing *out) noexcept:
        """A blocking send in the middle of a message whose pipe died: drop it, as libzmq itself does.

        Waiting would send the rest of the message as a message of its own, see
        `zmq.core.messages.whole_message_attempts`.
        """
        if not self.drops:
            self.message = DROPPED
        elif out.count > 1 and not out.more:
            end_dropped(self.handle)
        return 0
