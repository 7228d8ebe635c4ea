# Handing over from greenlet to greenlet, past the hub: a part of trampoline.pyx.

# Who is bound or connected to an address of inproc, by context and address: weak references to trampolines, and of each
# whether it is bound.
cdef dict ends = {}


@cython.final
cdef class Handover:
    """What the trampoline of a socket knows of its partner, to which it hands over without the hub.

    When two greenlets of a hub talk to each other, each parks only to have the hub find out, by a system call and two
    switches, that the bell of the other rings. So a trampoline learns which other one had a waiter woken after its own
    had parked. If that was the same one twice, the next waiter that parks looks at that bell first and switches
    straight to the greenlet. The hub runs after HANDOVERS of these, or HANDOVER_SECONDS, at the latest.

    Where many pairs talk at once that shows nothing, as others park in between: two sockets that have an address of
    inproc to themselves, and no other, are known to be partners.

    If that went well `trusted_after` times, neither needs the bells any more: who receives after a send switches to the
    partner before it has made an attempt itself, and without a look at the partner's bell. A pipe that was never found
    empty sends no commands, so both spare all system calls. But then the bell says nothing: whatever happens, EVENTS
    has to be read before the hub sleeps, and `Trampoline.on_unheard` is called in the hub for that.
    """

    cdef void reset(self, int penalty) noexcept:
        """Trust the partner no more, until the hub found it more than `penalty` times again."""
        self.count = -penalty
        self.is_trusted = False

    cdef bint is_possible(self, Trampoline trampoline) noexcept:
        """Tell whether a receive that follows a send should park without an attempt, with `Waiter.untried`.

        Called while nobody waits and no message was given back (`Trampoline.interest`).
        """
        cdef Trampoline partner = self.partner
        cdef Waiter waiter
        if not self.is_trusted or partner is None or partner.handover.partner is not trampoline:
            return False
        if trampoline.watched_hub is not partner.hub:
            return False
        waiter = partner.receivers.head
        return waiter is not None and waiter.state == PARKED and waiter.hub.handovers < HANDOVERS

    cdef Waiter next_waiter(self, Trampoline trampoline, bint untried, bint looks):
        """Return a greenlet that waits for the partner's bell, which rings, or None.

        Of one that is `untried`: who waits for the partner, which is as good as sure to be able to go on. Without
        `looks` the caller has to see to what `look_soon` does.
        """
        cdef Trampoline partner = self.partner
        cdef Hub hub = trampoline.hub
        cdef Waiter waiter
        hub.last = trampoline.weak
        if self.count <= 0 or partner.hub is not hub or partner is trampoline or hub.handovers >= HANDOVERS:
            return None
        if hub.handovers == 0:
            hub.since = monotonic()
        elif budget.slice_seconds != 0 and monotonic() - hub.since > HANDOVER_SECONDS:
            hub.handovers = HANDOVERS
            return None
        if partner.subscriptions or partner.handle == NULL or partner.born != fork_generation.current:
            return None
        if partner.routed is not None and partner.senders.head is not None:
            return None
        if untried:
            waiter = partner.receivers.head
            if waiter is None or waiter.state != PARKED or not waiter.inside:
                return None
            if looks:
                # First: it may raise.
                self.look_soon(trampoline)
            self.unheard = True
            waiter.guessed_by = self
            waiter.state = CHOSEN
            hub.handovers += 1
            return waiter
        hub.handovers += 1
        waiter = partner.answer()
        if waiter is None:
            # An I/O thread is between them, as a rule.
            self.reset(PENALTY)
        else:
            self.count += 1
            self.is_trusted = self.count >= trusted_after
        return waiter

    cdef int look_soon(self, Trampoline trampoline) except -1:
        """A waiter parked without an attempt: have `Trampoline.on_unheard` called before the hub sleeps."""
        cdef Hub hub = trampoline.hub
        if self.looking_in is not hub:
            hub.call_soon(trampoline.on_unheard)
            self.looking_in = hub
        return 0


cdef void remember(Trampoline woken) noexcept:
    """The hub woke a waiter: it is the partner of the trampoline on which a waiter parked last, if it has no other."""
    cdef Trampoline last
    if woken.handover.is_known:
        woken.handover.partner.handover.count += 1
        return
    if woken.hub.last is None:
        return
    last = woken.hub.last()
    woken.hub.last = None
    if last is None or last.handover.is_known:
        return
    if last.handover.partner is woken:
        last.handover.count += 1
    else:
        last.handover.partner = woken
        last.handover.reset(0)


cdef int meet(Trampoline trampoline, end, bint is_bound) except -1:
    """A socket is bound or connected to an `end`, a context and an address of inproc, and to nothing else."""
    cdef Trampoline other
    cdef dict there = ends.setdefault(end, {})
    trampoline.end_at = end
    # Where more are there none is known.
    for reference, other_is_bound in there.copy().items() if len(there) <= 2 else ():
        other = reference()
        if other is not None:
            stop_knowing(other)
            if len(there) == 1 and other_is_bound != is_bound and other.born == trampoline.born:
                know(trampoline, other)
                know(other, trampoline)
    there[trampoline.weak] = is_bound
    return 0


cdef void part(Trampoline trampoline) noexcept:
    """A socket has ended, or is bound and connected to more than one address, or to none."""
    stop_knowing(trampoline)
    end, trampoline.end_at = trampoline.end_at, None
    there = None if end is None else ends.get(end)
    if there is not None:
        there.pop(trampoline.weak, None)
        if not there:
            del ends[end]


cdef void know(Trampoline trampoline, Trampoline partner) noexcept:
    trampoline.handover.partner = partner
    trampoline.handover.is_known = True
    trampoline.handover.reset(0)


cdef void stop_knowing(Trampoline trampoline) noexcept:
    """From now on who the partner is has to be learned: it may be another one."""
    if trampoline.handover.is_known:
        trampoline.handover.is_known = trampoline.handover.partner.handover.is_known = False
