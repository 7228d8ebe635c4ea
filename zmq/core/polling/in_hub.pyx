"""`PollSet`: what one poller has registered, waited for in hubs.

Lives here: how greenlets, or futures in the place of greenlets, wait until something is ready, and what becomes of them
when their hub ends. What must not: what is ready (`zmq.core.polling.readiness`). Called by `zmq.core.poll`, and by
`zmq.core.polling.in_thread` and `zmq.core.polling.with_future`, which wait otherwise.

While a poll waits, the hub watches the set of the bells as a single descriptor, or where there are few sockets each
bell (`zmq.core.polling.bell_set`).

Native descriptors
------------------
What zmq_poll says of them is the truth, for every front-end, and includes errors and urgent data. Frameworks know how
to watch a descriptor for reading and writing, some for one of them only once, and watching for less or more than was
asked for sleeps too long or spins. So while a poll waits they are in an epoll set that rings for just what zmq_poll
would report, level-triggered, and the hub watches that set for reading. It is made anew for every wait: the program may
close a descriptor, and the next one has the same number. Where there is no epoll the hub watches the descriptors
themselves for reading and writing, and looks every 20 ms where urgent data was asked for, or nothing to read.
"""

import weakref

from posix.unistd cimport close as close_fd

from zmq.core.libzmq cimport ZMQ_POLLIN, ZMQ_POLLOUT, ZMQ_POLLPRI
from zmq.core.polling.bell_set cimport native_set
from zmq.core.polling.readiness cimport NO_DESCRIPTOR, RegisteredDescriptor, RegisteredSocket, Registry
from zmq.core.waiting cimport budget, fork_generation, who_waits
from zmq.core.waiting cimport trampoline as trampolines
from zmq.core.waiting.hub cimport Hub, report, this_thread
from zmq.core.waiting.clock cimport monotonic
from zmq.core.waiting.sleeper cimport Sleeper, refuel

#: Seconds between two looks for what cannot be watched where there is no epoll.
LOOK_SECONDS = 0.02


cdef class ParkedPoll(Sleeper):
    """One poll that waits in a hub."""

    def __cinit__(self):
        self.armed = []
        self.watchers = []
        self.natives = -1

    def __dealloc__(self):
        self.close_natives()

    cdef void close_natives(self) noexcept:
        if self.natives >= 0:
            close_fd(self.natives)
            self.natives = -1

    def leave(self, hub):
        """The hub ends: watch nothing in it for this greenlet, which will not wake any more."""
        if self.hub is not hub:
            return False
        self.members.give_up(hub)
        return True


cdef class PollSet(Registry):
    """The sockets and descriptors of one poller, waited for in a hub, or by one thread."""

    def __cinit__(self):
        self.weak = weakref.ref(self)

    def members(self):
        """Return what is waited for."""
        return [*self.sockets, *self.descriptors]

    cdef int own(self) except -1:
        """Refuse a second thread, and leave the epoll set of the parent of a fork alone."""
        cdef RegisteredSocket registered
        cdef Hub hub
        if self.waiting:
            hub = (<ParkedPoll> self.waiting[0]).hub
            if hub.is_in(this_thread()):
                pass
            elif not hub.is_alive():
                self.give_up(hub)
            elif hub.is_elsewhere():
                raise RuntimeError(
                    "This poller is in use by a greenlet of another thread. Give each thread a poller of its own."
                )
        if self.born != fork_generation.current:
            self.born = fork_generation.current
            self.blocks = False
            self.close_set()
            self.waiting = []
            for registered in self.sockets.values():
                registered.armed_for = 0
        return 0

    cdef bint is_empty(self) noexcept:
        """Tell whether there is nothing that could be waited for: a wait without a time-out would never end."""
        return not (self.sockets or self.descriptors)

    cdef list poll(self, get_hub, double timeout):
        """Wait until something is ready or `timeout` seconds, negative for none, are over."""
        cdef ParkedPoll parked
        cdef double deadline = -1
        budget.fuel -= 1
        if budget.fuel <= 0 and timeout != 0:
            # Others run meanwhile, and may be waiting here afterwards.
            refuel(get_hub)
        self.own()
        ready = self.collect()
        budget.fuel -= len(ready) >> 3
        self.polled = True
        if ready or timeout == 0 or (timeout < 0 and self.is_empty()):
            return ready
        if timeout > 0:
            deadline = monotonic() + timeout
        parked = ParkedPoll(get_hub())
        parked.members = self
        while True:
            try:
                self.arm(parked, get_hub, deadline)
                who_waits.begin_parked(parked.greenlet, self, parked)
                trampolines.count_parked += 1
                parked.sleep()
                if parked.expired:
                    trampolines.count_expired += 1
                else:
                    trampolines.count_woken += 1
            finally:
                who_waits.end_parked(parked.greenlet)
                self.disarm(parked)
            self.own()
            ready = self.collect()
            if ready or parked.expired:
                return ready
            parked.woken = False
            trampolines.count_vain += 1

    cdef int arm(self, ParkedPoll parked, get_hub, double deadline) except -1:
        """Watch everything for a poll, until `disarm`."""
        cdef RegisteredSocket registered
        cdef Hub hub = parked.hub
        cdef ParkedPoll other
        for other in list(self.waiting):
            if other.hub is hub:
                continue
            if other.hub.is_running():
                raise RuntimeError(
                    "This poller is in use in another event loop of this thread. Give each loop a poller of its own."
                )
            self.give_up(other.hub)
        self.waiting.append(parked)
        if self.uses_set():
            self.join_all()
            self.bells.watch(hub, self.on_bell)
            hub.watch(self.weak)
        else:
            for registered in list(self.sockets.values()):
                if registered.trampoline is not None:
                    registered.trampoline.arm_for(registered, get_hub)
                    registered.armed_for += 1
                    parked.armed.append(registered)
                    if registered.heard:
                        self.look(registered)
                else:
                    # As in `join_all`.
                    self.wake()
        if self.descriptors:
            self.watch_descriptors(parked)
        if deadline >= 0:
            parked.timer = hub.call_at(deadline, parked.expire)
        return 0

    cdef int disarm(self, ParkedPoll parked) except -1:
        cdef RegisteredSocket registered
        if parked not in self.waiting:
            return 0
        self.waiting.remove(parked)
        if self.bells.watched and not self.waiting:
            self.bells.unwatch()
            parked.hub.unwatch(self.weak)
        if parked.timer is not None:
            parked.hub.cancel(parked.timer)
            parked.timer = None
        if parked.look_timer is not None:
            parked.hub.cancel(parked.look_timer)
            parked.look_timer = None
        for watcher in parked.watchers:
            parked.hub.started.pop(watcher, None)
            parked.hub.end(watcher)
        parked.close_natives()
        for registered in parked.armed:
            registered.armed_for -= 1
            if registered.trampoline is not None and registered.armed_for == 0:
                registered.trampoline.disarm_for(registered)
        parked.armed.clear()
        parked.watchers.clear()
        return 0

    cdef int disarm_last(self, ParkedPoll parked) except -1:
        """As `disarm`, for a poll that is not armed again."""
        self.disarm(parked)
        if self.dropped and not self.waiting:
            self.close()
        return 0

    # Native descriptors.

    cdef int watch_descriptors(self, ParkedPoll parked) except -1:
        """Watch the native descriptors for a poll, for what zmq_poll would report."""
        cdef RegisteredDescriptor native
        cdef dict masks = {}
        cdef bint closed = False
        cdef bint unseen = False
        for native in list(self.descriptors.values()):
            if native.fd == NO_DESCRIPTOR:
                continue
            if native.fd < 0:
                # It was registered after the last look.
                self.wake()
                return 0
            masks[native.fd] = masks.get(native.fd, 0) | native.mask
        parked.natives = native_set(masks, &closed)
        if closed:
            self.wake()
        if parked.natives >= 0:
            self.start(parked, parked.hub.watcher(parked.natives, ZMQ_POLLIN))
            return 0
        for fd, mask in masks.items():
            if mask & (ZMQ_POLLIN | ZMQ_POLLOUT):
                self.start(parked, parked.hub.native_watcher(fd, mask & (ZMQ_POLLIN | ZMQ_POLLOUT)))
            # An error is something to read; of one that may be written to not every framework hears.
            unseen = unseen or mask & ZMQ_POLLPRI or not mask & ZMQ_POLLIN
        if unseen:
            parked.look_timer = parked.hub.call_at(monotonic() + LOOK_SECONDS, parked.wake)
        return 0

    cdef int start(self, ParkedPoll parked, watcher) except -1:
        parked.watchers.append(watcher)
        parked.hub.started[watcher] = self._wake
        watcher.start(self._wake)
        return 0

    # Waking.

    cdef void lost(self, RegisteredSocket registered) noexcept:
        cdef ParkedPoll parked
        for parked in list(self.waiting):
            if not parked.hub.is_alive():
                self.give_up(parked.hub)
        Registry.lost(self, registered)

    cdef void wake(self) noexcept:
        """Wake the polls that wait, soon."""
        cdef ParkedPoll parked
        for parked in self.waiting:
            if not parked.woken:
                parked.woken = True
                parked.hub.soon(parked.take_turn)

    cdef bint sleeps(self, RegisteredSocket registered) noexcept:
        cdef ParkedPoll parked
        if self.blocks:
            return not registered.doubtful
        for parked in self.waiting:
            if not parked.woken:
                return True
        return False

    def _wake(self):
        self.wake()

    def on_bell(self):
        """A bell of the set rang."""
        cdef RegisteredSocket registered
        if self.born != fork_generation.current:
            # The child of a fork shares the set and must leave it alone.
            self.bells.watcher.stop()
            return
        try:
            for registered in self.hear():
                if registered.trampoline is not None:
                    self.look(registered)
        finally:
            if self.lost_sight:
                self.wake()

    def rearm(self):
        """Watch the bells again: the hub may have stopped that because of an error."""
        if self.born == fork_generation.current:
            self.bells.rearm()

    # The end.

    cdef void give_up(self, Hub hub) noexcept:
        """Forget the polls that wait in a hub which does not run any more."""
        cdef ParkedPoll parked
        for parked in list(self.waiting):
            if parked.hub is hub:
                parked.inside = False
                who_waits.end_parked(parked.greenlet)
                try:
                    self.disarm_last(parked)
                    hub.give_up(parked.greenlet)
                except BaseException as error:
                    if hub.is_alive():
                        report(error)

    def abandon_all(self):
        """Forget all polls: their hub ends."""
        cdef ParkedPoll parked
        if self.born == fork_generation.current:
            for parked in list(self.waiting):
                self.give_up(parked.hub)
            self.close_set()

    cdef void drop(self) noexcept:
        """The poller is gone, but futures may still wait for what it polls."""
        self.dropped = True
        if not self.waiting or self.born != fork_generation.current:
            self.close()
