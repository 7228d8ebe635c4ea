# Senders that POLLOUT says nothing to: a part of trampoline.pyx.

@cython.final
cdef class RoutedSenders:
    """The senders of a socket whose POLLOUT says nothing about a certain message; see above, "When POLLOUT lies"."""

    def __cinit__(self):
        self.delay = FIRST_LOOK

    cdef void choose_all(self) noexcept:
        """Choose the first sender of every route."""
        cdef Waiter waiter = self.senders.head
        cdef set seen = set()
        while waiter is not None:
            if waiter.route not in seen:
                seen.add(waiter.route)
                if waiter.state == PARKED:
                    waiter.choose(CHOSEN)
            waiter = waiter.after

    cdef void choose_on(self, bytes route) noexcept:
        """Choose the first sender of one route."""
        cdef Waiter waiter = self.senders.head
        while waiter is not None and waiter.route != route:
            waiter = waiter.after
        if waiter is not None and waiter.state == PARKED:
            waiter.choose(CHOSEN)

    cdef bint must_queue(self, const void *route, size_t size) noexcept:
        """Tell whether others wait for the same peer."""
        cdef Waiter waiter = self.senders.head
        if not self.by_peer:
            return waiter is not None
        while waiter is not None:
            if same(waiter.route, route, size):
                return True
            waiter = waiter.after
        return False

    cdef void look_soon(self, Hub hub) noexcept:
        """Try again in a millisecond."""
        self.delay = FIRST_LOOK
        self.look_later(hub)

    cdef void look_later(self, Hub hub) noexcept:
        """Try again after `delay`."""
        self.stop()
        self.hub = hub
        try:
            self.set_timer()
        except BaseException as error:
            hub.retry(error, self.set_timer)

    cpdef set_timer(self):
        cdef Hub hub = self.hub
        if hub is not None:
            timer = hub.call_at(monotonic() + self.delay, self.on_look)
            if self.hub is hub:
                self.timer = timer
            else:
                # What runs there has closed the socket.
                hub.cancel(timer)

    cpdef on_look(self):
        cdef Trampoline trampoline = self.trampoline()
        self.timer = None
        if (
            trampoline is None
            or self.senders.head is None
            or trampoline.handle == NULL
            or trampoline.born != fork_generation.current
        ):
            return
        self.delay = min(2 * self.delay, LAST_LOOK)
        self.look_later(trampoline.hub)
        trampoline.choose(trampoline.read_events(), True)

    cdef void stop(self) noexcept:
        if self.timer is not None:
            self.hub.cancel(self.timer)
            self.timer = None
        self.hub = None
