# Waiters and their queues: a part of trampoline.pyx.

@cython.final
@cython.freelist(16)
cdef class Waiter:
    """A greenlet, or a call that has a future, that waits for one socket."""

    cdef int wait(self) except -1:
        """Park until it is worth another attempt; raise what ends the wait."""
        global count_parked, count_woken
        cdef Waiter next
        count_parked += 1
        while self.state == PARKED:
            if not self.untried and not self.trampoline.armed:
                # When it joined it expected not to need that.
                self.trampoline.arm()
                if self.trampoline is None or self.state != PARKED:
                    # What runs there may have closed the socket, or chosen this waiter, who was not inside.
                    self.check_given_up()
                    continue
            self.inside = True
            try:
                next = self.trampoline.handover.next_waiter(self.trampoline, self.untried, True)
                if next is not None:
                    self.has_parked = True
                    next.resume()
                elif self.untried:
                    count_parked -= 1
                    return 0
                else:
                    self.has_parked = True
                    self.hub.park()
                    if self.state == PARKED:
                        self.hub.check_alive()
            finally:
                self.inside = False
            self.check_given_up()
            self.trampoline.check_process()
        if self.state == CHOSEN:
            count_woken += 1
            return 0
        if self.state == EXPIRED and self.untried:
            # There is time for the first attempt.
            return 0
        if self.state == EXPIRED:
            if not self.events & POLLER:
                count_again(way_of(self.trampoline.traffic, self.events))
            raise Again()
        raise ZMQError(Errno.ENOTSOCK, "the socket was closed while this call waited for it")

    cdef int check_given_up(self) except -1:
        if self.trampoline is None:
            # Somebody switched to it all the same.
            raise RuntimeError("The event loop in which this call waited has ended.")
        return 0

    cdef void choose(self, int state) noexcept:
        """Wake the greenlet soon; at once when the bell rang and no other one was chosen before it.

        So who polls looks before a receiver has taken what came.
        """
        self.state = state
        if self.inside:
            if self.trampoline.answering and self.trampoline.next is None:
                self.trampoline.next = self
            else:
                self.hub.soon(self.take_turn)

    cpdef resume(self):
        # The greenlet may have left meanwhile and wait for something else by now.
        if self.inside and self.state != PARKED:
            self.greenlet.switch()

    cpdef take_turn(self):
        """Switch to it, in this turn of the hub or a later one."""
        if self.inside and self.state != PARKED and not must_wait(self.hub, self):
            self.greenlet.switch()

    cpdef expire(self):
        global count_expired
        self.timer = None
        if self.state == PARKED:
            count_expired += 1
            self.state = EXPIRED
            self.take_turn()
        else:
            self.overdue = True

    cdef void again(self) noexcept:
        """The attempt was in vain: keep the place in the queue."""
        global count_vain
        cdef Trampoline trampoline = self.trampoline
        trampoline.marked = True
        if self.state == CHOSEN:
            count_vain += 1
        else:
            # Its first attempt.
            trampoline.handover.unheard = False
        self.untried = False
        self.has_parked = True
        if self.guessed_by is not None:
            self.guessed_by.reset(0)
            self.guessed_by = None
        self.park_again()
        if trampoline.interest > 1:
            # The attempt may have swallowed the bell for the others.
            trampoline.choose(trampoline.read_events(), False)

    cdef void park_again(self) noexcept:
        """The attempt was in vain: wait on, unless the time was over meanwhile."""
        global count_expired
        if self.state == CHOSEN:
            self.state = PARKED
            if self.overdue:
                count_expired += 1
                self.state = EXPIRED

    cdef void leave(self) noexcept:
        """Stop waiting, for whatever reason, and hand the turn on."""
        cdef Trampoline trampoline = self.trampoline
        if trampoline is None:
            return
        self.trampoline = None
        if self.has_parked and not self.events & POLLER:
            count_wait(way_of(trampoline.traffic, self.events), monotonic() - self.since)
        if self.timer is not None:
            self.hub.cancel(self.timer)
            self.timer = None
        if self.state != CLOSED:
            trampoline.queue_of(self.events).remove(self)
        trampoline.interest -= 1
        trampoline.unwatch()
        if trampoline.interest and trampoline.handle != NULL:
            trampoline.notify()
            if self.state == CHOSEN and self.events == ZMQ_POLLOUT and trampoline.routed is not None:
                # It got through, or did not try: the next one on its route may.
                trampoline.routed.choose_on(self.route)


@cython.final
cdef class Queue:
    """Waiters in the order they came."""

    cdef void append(self, Waiter waiter) noexcept:
        waiter.before = self.tail
        waiter.after = None
        if self.tail is None:
            self.head = waiter
        else:
            self.tail.after = waiter
        self.tail = waiter

    cdef void remove(self, Waiter waiter) noexcept:
        if waiter.before is None:
            self.head = waiter.after
        else:
            waiter.before.after = waiter.after
        if waiter.after is None:
            self.tail = waiter.before
        else:
            waiter.after.before = waiter.before
        waiter.before = waiter.after = None

    def __iter__(self):
        cdef Waiter waiter = self.head
        while waiter is not None:
            yield waiter
            waiter = waiter.after
