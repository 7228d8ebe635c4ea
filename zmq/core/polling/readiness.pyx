"""What one poller has registered, and which of it is ready.

Lives here: sockets and descriptors as they were registered, whose EVENTS are in doubt, and the look at these. What must
not: waiting, which the subclass `PollSet` does (`zmq.core.polling.in_hub`).

Why not every socket is looked at
---------------------------------
A socket's EVENTS can change in two ways only: its bell rings (see `zmq.core.waiting.trampoline`), or an operation is
made on it. The second is reported by the socket itself to those who subscribed. For the first, the bells of all
registered sockets are kept in one set, which is asked which of them rang since the last call
(`zmq.core.polling.bell_set`). Sockets of which nothing was heard since EVENTS last said "nothing" are not looked at.
Where there is no epoll, or for a handful of sockets, each bell is watched by itself, and each socket looked at.

A socket is out of doubt only if nothing was heard of it since just before EVENTS was read: a signal's handler may run
at any time and use it.
"""

from libc.stdlib cimport free, malloc

from zmq.core.check cimport raise_errno
from zmq.core.libzmq cimport zmq_errno, zmq_pollitem_t
from zmq.core.polling.bell_set cimport BellSet, has_sets
from zmq.core.socket cimport Socket
from zmq.core.sockets.blocking_polls cimport INTERRUPTED, poll_in_thread
from zmq.core.waiting.wakeable_threads cimport wake_thread
from zmq.core.waiting cimport fork_generation
from zmq.core.waiting.hub cimport Hub
from zmq.core.waiting.trampoline cimport Subscription, Trampoline

cdef enum:
    LAST_OF_ONE_THREAD = 11     # ZMQ_STREAM; sockets of later types are thread-safe


cdef int descriptor_of(item) except -1:
    """Return the descriptor of something that is no 0MQ socket; NO_DESCRIPTOR of an object that was closed.

    poll(2) passes by what is negative.
    """
    if isinstance(item, int) and not isinstance(item, bool):
        number = item
    else:
        fileno = getattr(item, "fileno", None)
        if fileno is None:
            raise TypeError(
                f"can't poll {item!r}: it is neither a zmq.Socket, nor a descriptor, nor has it a fileno() method"
            )
        number = fileno()
        if not isinstance(number, int):
            raise TypeError(f"fileno() of {item!r} returned {number!r}, not a descriptor")
        if number < 0:
            return NO_DESCRIPTOR
    if number < 0:
        raise ValueError(f"can't poll {item!r}: {number} is not a descriptor")
    return number


cdef class RegisteredDescriptor:
    """A descriptor, or an object that has one."""


cdef class RegisteredSocket(Subscription):
    """A socket, of which the registry hears the news."""

    cdef void touched(self) noexcept:
        self.registry.doubt(self)
        if self.registry.waiting:
            self.registry.look(self)

    cdef void ready(self, int events) noexcept:
        if events & self.mask or events < 0:
            self.registry.doubt(self)
            self.registry.wake()

    cdef void gone(self) noexcept:
        self.registry.lost(self)

    cdef void abandoned(self, Hub hub) noexcept:
        self.registry.give_up(hub)

    cdef bint waits(self) noexcept:
        return self.registry.waiting and self.registry.born == fork_generation.current

    cdef bint overlooks(self, int events) noexcept:
        return events & self.mask and self.registry.sleeps(self)


cdef class Registry:
    """The sockets and descriptors of one poller."""

    def __cinit__(self):
        self.sockets = {}
        self.descriptors = {}
        self.doubtful = {}
        self.bells = BellSet()
        self.waiting = []
        self.born = fork_generation.current

    cdef int add(self, item, int flags) except -1:
        cdef RegisteredSocket registered
        cdef Trampoline trampoline
        cdef RegisteredDescriptor native
        if not isinstance(item, Socket):
            native = self.descriptors.get(item)
            if native is None:
                native = RegisteredDescriptor.__new__(RegisteredDescriptor)
                native.item = item
                native.fd = -1
                self.counter += 1
                native.order = self.counter
            native.mask = flags
            self.descriptors[item] = native
            self.wake()
            return 0
        registered = self.sockets.get(item)
        if registered is not None:
            # It keeps its place.
            registered.mask = flags
            self.doubt(registered)
            if self.waiting and registered.trampoline is not None:
                self.look(registered)
            return 0
        registered = RegisteredSocket.__new__(RegisteredSocket)
        registered.registry = self
        registered.socket = item
        registered.mask = flags
        registered.bell = -1
        self.counter += 1
        registered.order = self.counter
        if item.socket_type > LAST_OF_ONE_THREAD:
            self.is_shared = True
        if registered.socket.born == fork_generation.current:
            trampoline = registered.socket.waited()
            trampoline.subscribe(registered)
        self.sockets[item] = registered
        self.doubt(registered)
        # Polls that wait wait for this one too.
        self.wake()
        return 0

    cdef void remove(self, item) noexcept:
        cdef RegisteredSocket registered = self.sockets.pop(item, None)
        cdef RegisteredDescriptor native
        if registered is None:
            native = self.descriptors.pop(item, None)
            if native is not None:
                native.removed = True
            return
        registered.removed = True
        if registered.trampoline is not None:
            registered.trampoline.unsubscribe(registered)
        self.leave_set(registered)
        self.clear(registered)

    cdef void close(self) noexcept:
        cdef int _
        for _ in range(2):
            try:
                for item in list(self.sockets):
                    self.remove(item)
                break
            except MemoryError:
                # There may be some by now.
                continue
        self.bells.drop()

    # News of the sockets.

    cdef void doubt(self, RegisteredSocket registered) noexcept:
        registered.heard = True
        if not registered.doubtful and not registered.removed:
            try:
                self.doubtful[registered] = None
                registered.doubtful = True
            except MemoryError:
                self.lost_sight = True

    cdef void clear(self, RegisteredSocket registered) noexcept:
        """Put a socket out of doubt."""
        if registered.doubtful:
            registered.doubtful = False
            self.doubtful.pop(registered, None)

    cdef void look(self, RegisteredSocket registered) noexcept:
        """Read EVENTS for all that waits for the socket; the polls here are woken by `RegisteredSocket.ready`."""
        cdef Trampoline trampoline = registered.trampoline
        # It is closed where that is None, and the polls were woken.
        if trampoline is not None:
            trampoline.events_were_read(trampoline.read_events())

    cdef void wake(self) noexcept:
        """Wake the polls that wait in a hub, soon: there is something to look at."""

    cdef bint sleeps(self, RegisteredSocket registered) noexcept:
        """Tell whether a poll waits that nobody told to look at this socket."""
        return False

    cdef void give_up(self, Hub hub) noexcept:
        """Forget the polls that wait in a hub which does not run any more."""

    cdef void lost(self, RegisteredSocket registered) noexcept:
        self.leave_set(registered)
        self.doubt(registered)
        self.wake()
        if self.blocks:
            wake_thread(self)

    cdef list hear(self):
        """Doubt the sockets whose bells rang since the last time, and return them."""
        cdef list heard
        try:
            heard = self.bells.rung()
        except MemoryError:
            # The set will not name these bells again.
            self.lost_sight = True
            raise
        for registered in heard:
            self.doubt(registered)
        return heard

    # What is ready.

    cdef list collect(self):
        """Return what is ready, looking only where there is doubt."""
        cdef RegisteredSocket registered
        cdef list found = []
        cdef int events
        if self.descriptors:
            self.collect_descriptors(found)
        if self.bells.fd >= 0:
            self.hear()
        if self.lost_sight:
            self.lost_sight = False
            for registered in list(self.sockets.values()):
                self.doubt(registered)
        for registered in list(self.doubtful):
            if registered.removed:
                continue
            registered.socket.usable()
            if registered.trampoline is None:
                # When it was registered a proxy had the socket to itself.
                registered.socket.waited().subscribe(registered)
            registered.heard = False
            events = registered.trampoline.read_events()
            if events < 0:
                raise_errno(zmq_errno())
            registered.trampoline.events_were_read(events)
            if registered.removed:
                continue
            events &= registered.mask
            if events:
                found.append((registered.order, registered.socket, events))
            elif registered.in_set or self.polled and self.join_set(registered):
                if not registered.heard:
                    self.clear(registered)
        if len(found) > 1:
            found.sort(key=order_of)
        ready = []
        for _, item, events_found in found:
            ready.append((item, events_found))
        return ready

    cdef int collect_descriptors(self, list found) except -1:
        """Add what zmq_poll says of the native descriptors."""
        cdef RegisteredDescriptor native
        cdef zmq_pollitem_t *items
        cdef list natives = list(self.descriptors.values())
        cdef int count = len(natives)
        cdef int i
        for native in natives:
            # It may have another one by now, as when it was opened again.
            native.fd = descriptor_of(native.item)
        items = <zmq_pollitem_t *> malloc(count * sizeof(zmq_pollitem_t))
        if items == NULL:
            raise MemoryError()
        try:
            for i in range(count):
                native = natives[i]
                items[i].socket = NULL
                items[i].fd = native.fd
                items[i].events = native.mask
            while poll_in_thread(items, count, 0, None) == INTERRUPTED:
                pass
            for i in range(count):
                native = natives[i]
                if items[i].revents and not native.removed:
                    found.append((native.order, native.fd, items[i].revents))
        finally:
            free(items)
        return 0

    def swept_members(self):
        """List what the sweep alarm has to look at: weak references to those whose bells are in the set."""
        cdef RegisteredSocket registered
        cdef list found = []
        if self.born == fork_generation.current:
            for registered in self.sockets.values():
                if registered.in_set and registered.trampoline is not None:
                    found.append(registered.trampoline.weak)
        return found

    # The set of bells.

    cdef bint uses_set(self) noexcept:
        return has_sets and len(self.sockets) > FEW_SOCKETS

    cdef bint join_set(self, RegisteredSocket registered) except -1:
        """Put a bell into the set; tell whether it is there.

        EVENTS was read just before and had nothing to say. A bell that has rung since rings in the set at once, so
        that the socket is out of doubt.
        """
        if registered.in_set:
            return True
        if not self.uses_set():
            return False
        registered.bell = registered.trampoline.descriptor()
        self.bells.add(registered.bell, registered)
        registered.in_set = True
        return True

    cdef int join_all(self) except -1:
        """Put the bells of all in doubt into the set, after `collect` found that they have nothing to say."""
        cdef RegisteredSocket registered
        for registered in list(self.doubtful):
            if registered.trampoline is None:
                # It was closed since the look: have the next one say so.
                self.wake()
                continue
            if not self.join_set(registered):
                continue
            if registered.heard:
                # Since the look: it stays in doubt.
                self.look(registered)
            else:
                self.clear(registered)
        return 0

    cdef void leave_set(self, RegisteredSocket registered) noexcept:
        if registered.in_set:
            registered.in_set = False
            self.bells.remove(registered.bell, registered, self.born == fork_generation.current)

    cdef void close_set(self) noexcept:
        """Close the set of bells, so that all are in doubt; it is made anew when a poll waits."""
        cdef RegisteredSocket registered
        self.bells.drop()
        self.bells.members.clear()
        for registered in self.sockets.values():
            registered.in_set = False
            self.doubt(registered)


def order_of(found):
    return found[0]
