"""`Poller`, `select` and `zmq_poll`: waiting for several sockets and descriptors at once.

Lives here: zmq_poll, which blocks the thread, and `PollSet`, which waits in a hub, and in a thread for many sockets.
What must not: what makes a socket ready. Called by users and by `zmq.green`.

Why a poll set does not look at every socket
--------------------------------------------
A socket's EVENTS can change in two ways only: its bell rings (see `zmq.core.waiting.trampoline`), or somebody operates
on it. The second is reported by the socket itself to those who subscribed. For the first, the bells of all registered
sockets are kept in one epoll set, edge-triggered, which is asked which of them rang since the last call, and which
the hub watches as a single descriptor while somebody polls. Sockets of which nothing was heard since EVENTS last
said "nothing" are not looked at. Where there is no epoll, or for a handful of sockets, each bell is watched by
itself, and each socket looked at.

In a plain thread zmq_poll looks at every socket, twice if it has to wait. A poller that is used a second time has a set
there too, and the thread waits for its descriptor.

Native descriptors
------------------
What zmq_poll says of them is the truth, for every front-end, and includes errors and urgent data. Frameworks know how
to watch a descriptor for reading and writing, some for one of them only once, and watching for less or more than was
asked for sleeps too long or spins. So while somebody polls they are in an epoll set that rings for just what zmq_poll
would report, level-triggered, and the hub watches that set for reading. It is made anew for every wait: the program may
close a descriptor, and the next one has the same number. Where there is no epoll the hub watches the descriptors
themselves for reading and writing, and looks every 20 ms where urgent data was asked for, or nothing to read.

Python code runs in odd places
------------------------------
A signal's handler may run wherever an adapter is called, `fileno` and `__index__` are methods of the caller's, and any
of them may close sockets, change the poller or poll it. So what belongs to others is copied and asked for its numbers
first; handles are read when no more Python runs (`poll_in_thread`); and a socket is out of doubt only if nothing was
heard of it since just before EVENTS was read.
"""

from libc.errno cimport EBADF, EPERM, errno
from libc.stdlib cimport free, malloc
from posix.unistd cimport close as close_fd

from zmq.core.waiting cimport wait
from zmq.core.check cimport raise_errno
from zmq.core.waiting.hub cimport Hub, report, this_thread
from zmq.core.libzmq cimport (
    ZMQ_POLLERR,
    ZMQ_POLLIN,
    ZMQ_POLLOUT,
    ZMQ_POLLPRI,
    zmq_errno,
    zmq_pollitem_t,
)
from zmq.core.socket cimport INTERRUPTED, Socket, poll_in_thread, seconds_of, wake_thread
from zmq.core.waiting.trampoline cimport Subscription, Trampoline, monotonic, refuel

import weakref

from zmq.core.waiting import hub as hub_module
from zmq.core.constants import PollEvent
from zmq.core.futures.pending import finish

cdef extern from "polling/bells.h" nogil:
    bint GREENZMQ_HAS_BELLS
    int bells_new "greenzmq_bells_new"()
    int bells_add "greenzmq_bells_add"(int bells, int bell)
    int bells_remove "greenzmq_bells_remove"(int bells, int bell)
    int bells_rung "greenzmq_bells_rung"(int bells, int *rung, int room)
    int bells_watch "greenzmq_bells_watch"(int bells, int fd, int events)

cdef enum:
    ROOM = 64           # for bells that rang, at a time
    LAST_OF_ONE_THREAD = 11     # ZMQ_STREAM; sockets of later types are thread-safe

#: Sockets up to which each bell is watched by itself, and a plain thread calls zmq_poll.
FEW_SOCKETS = 4

#: Seconds between two looks for what cannot be watched where there is no epoll.
LOOK_SECONDS = 0.02

cdef bint has_sets = GREENZMQ_HAS_BELLS


def _set_sets(bint available):
    """For tests of what is done where there is no epoll; return what was set before."""
    global has_sets
    before = has_sets
    has_sets = available and GREENZMQ_HAS_BELLS
    return before


cdef int descriptor_of(item) except -1:
    """Return the descriptor of something that is no 0MQ socket."""
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
        raise ValueError(f"can't poll {item!r}: {number} is not a descriptor")
    return number


def zmq_poll(sockets, timeout=-1, *, poller_class=None):
    """Poll sockets and descriptors once.

    Parameters
    ----------
    sockets : iterable of (Socket or int or object with fileno, int)
        What to wait for, and for which `zmq.PollEvent`.
    timeout : float, optional
        Milliseconds; None or -1 to wait for ever.

    Returns
    -------
    list of (Socket or int, int)
        Those that are ready, and for what; descriptors for what is no 0MQ socket.

    Raises
    ------
    TypeError
        An element can't be polled.
    ValueError
        `timeout` is negative and not -1.
    ZMQError
        ENOTSOCK: one of the sockets is closed. ETERM: a context is terminated.

    Notes
    -----
    Source: zmq_poll(3).
    """
    cdef double seconds = seconds_of(timeout)
    cdef double deadline = monotonic() + seconds
    cdef list items = []
    cdef list masks = []
    cdef list ready
    cdef short mask
    for item, events in list(sockets):
        mask = events
        items.append(pollable(item))
        masks.append(mask)
    if poller_class is None:
        poller_class = Poller
    if poller_class._get_hub is None:
        while True:
            ready = poll_once(items, masks, seconds)
            if ready is not None:
                return ready
            seconds = left_until(deadline, seconds)
    wanted = {}
    for item, mask in zip(items, masks):
        if isinstance(item, Socket):
            (<Socket> item).usable()
        else:
            # Always reported.
            mask |= ZMQ_POLLERR
        wanted[item] = wanted.get(item, 0) | mask
    poller = poller_class()
    for item, flags in wanted.items():
        poller.register(item, flags)
    # Asked for its number once.
    found = dict(poller.poll(None if seconds < 0 else 1000 * seconds))
    ready = []
    for item, mask in zip(items, masks):
        revents = found.get(item, 0) & (mask | ZMQ_POLLERR)
        if revents:
            ready.append((item, revents))
    return ready


cdef pollable(item):
    """Return a Socket as it is, and the descriptor of anything else."""
    return item if isinstance(item, Socket) else descriptor_of(item)


cdef double left_until(double deadline, double seconds) noexcept:
    """Return what is left of a time-out; negative for none."""
    return seconds if seconds < 0 else max(0, deadline - monotonic())


cdef list poll_once(list items, list masks, double seconds):
    """Poll sockets and descriptors with zmq_poll, which blocks the thread.

    Returns what is ready, and for what; None when Python code ran that may have changed anything: the caller looks
    anew, for the time that is left.
    """
    cdef int count = len(items)
    cdef int i
    cdef zmq_pollitem_t *raw
    raw = <zmq_pollitem_t *> malloc((count + 1) * sizeof(zmq_pollitem_t))
    if raw == NULL:
        raise MemoryError()
    try:
        for i in range(count):
            raw[i].socket = NULL
            raw[i].fd = -1 if isinstance(items[i], Socket) else items[i]
            raw[i].events = masks[i]
        if poll_in_thread(raw, count, seconds, items) == INTERRUPTED:
            return None
        for item in items:
            if isinstance(item, Socket):
                (<Socket> item).operated()
        # No comprehensions of what is made for them: where there is no memory for the list, Cython 3.3 frees it twice.
        ready = []
        for i in range(count):
            if raw[i].revents:
                ready.append((items[i], raw[i].revents))
        return ready
    finally:
        free(raw)


class Poller:
    """Wait for several sockets and descriptors at once.

    Examples
    --------
    >>> poller = zmq.Poller()
    >>> poller.register(socket, zmq.POLLIN)
    >>> for ready, events in poller.poll(1000):
    ...     ready.recv()
    """

    #: Returns the hub to park in; None blocks the thread.
    _get_hub = None

    _set = None
    _used = False

    def __init__(self):
        self._registered = {}

    def __del__(self):
        if self._set is not None:
            (<PollSet> self._set).drop()

    @property
    def sockets(self):
        """list of (object, int) : what is registered, and for which events."""
        return list(self._registered.items())

    def __contains__(self, socket):
        return socket in self._registered

    def register(self, socket, flags=PollEvent.POLLIN | PollEvent.POLLOUT):
        """Register a socket or a descriptor, or change for what it is registered.

        Parameters
        ----------
        socket : Socket or int or object with fileno
            What to wait for.
        flags : int
            `POLLIN`, `POLLOUT`, `POLLERR`, `POLLPRI` or a combination; 0 unregisters.

        Raises
        ------
        TypeError
            `socket` is none of these.
        """
        if not isinstance(flags, int):
            raise TypeError(f"flags is a combination of zmq.POLLIN and zmq.POLLOUT, not {flags!r}")
        if not isinstance(socket, Socket):
            descriptor_of(socket)
        if not flags:
            if socket in self._registered:
                self.unregister(socket)
            return
        if self._set is not None:
            (<PollSet> self._set).add(socket, flags)
        self._registered[socket] = flags

    def modify(self, socket, flags=PollEvent.POLLIN | PollEvent.POLLOUT):
        """Change for what a socket is registered; see `register`."""
        self.register(socket, flags)

    def unregister(self, socket):
        """Forget a socket or a descriptor.

        Parameters
        ----------
        socket : Socket or int or object with fileno

        Raises
        ------
        KeyError
            It is not registered.
        """
        del self._registered[socket]
        if self._set is not None:
            (<PollSet> self._set).remove(socket)

    def poll(self, timeout=None):
        """Wait until something is ready.

        Parameters
        ----------
        timeout : float, optional
            Milliseconds; None or -1 to wait for ever.

        Returns
        -------
        list of (Socket or int, int)
            Those that are ready, and for what; descriptors for what is no 0MQ socket. Empty when the time ran out.

        Raises
        ------
        ValueError
            `timeout` is negative and not -1.
        ZMQError
            ENOTSOCK: a registered socket is closed. ETERM: its context is terminated.

        Notes
        -----
        Source: zmq_poll(3).
        """
        cdef double seconds = seconds_of(timeout)
        cdef double deadline = monotonic() + seconds
        cdef short mask
        get_hub = self._get_hub
        if get_hub is not None:
            return (<PollSet> self._members()).poll(get_hub, seconds)
        while True:
            if len(self._registered) > FEW_SOCKETS:
                if self._used:
                    ready = (<PollSet> self._members()).poll_blocking(seconds)
                    if ready is not None:
                        return ready
                    seconds = left_until(deadline, seconds)
                self._used = True
            items = []
            masks = []
            for item, flags in list(self._registered.items()):
                mask = flags
                items.append(pollable(item))
                masks.append(mask)
            ready = poll_once(items, masks, seconds)
            if ready is not None:
                return ready
            seconds = left_until(deadline, seconds)

    def _members(self):
        """Return the set that waits in a hub."""
        cdef PollSet members
        if self._set is None:
            # What is registered meanwhile is added too.
            self._set = members = PollSet()
            try:
                for socket in list(self._registered):
                    flags = self._registered.get(socket)
                    if flags is not None:
                        members.add(socket, flags)
            except BaseException:
                self._set = None
                members.close()
                raise
        return self._set


def select(rlist, wlist, xlist, timeout=None, *, poller_class=None):
    """Wait as `select.select` does, for sockets and descriptors.

    Parameters
    ----------
    rlist, wlist, xlist : iterable of Socket or int or object with fileno
        What to wait for: to receive, to send, for errors.
    timeout : float, optional
        Seconds; None or -1 to wait for ever.

    Returns
    -------
    tuple of list
        Those of each list that are ready; descriptors for what is no 0MQ socket.

    Raises
    ------
    ValueError
        `timeout` is negative and not -1.
    """
    wanted = {}
    for items, flag in ((list(rlist), ZMQ_POLLIN), (list(wlist), ZMQ_POLLOUT), (list(xlist), ZMQ_POLLERR)):
        for item in items:
            wanted[item] = wanted.get(item, 0) | flag
    if timeout is not None and timeout != -1:
        if not timeout >= 0:
            raise ValueError(f"a time-out is 0 or more seconds, or -1 or None for none; got {timeout!r}")
        timeout = 1000.0 * timeout
    poller = (Poller if poller_class is None else poller_class)()
    for item, flags in wanted.items():
        poller.register(item, flags)
    ready = poller.poll(timeout)
    return tuple(
        [item for item, events in ready if events & flag] for flag in (ZMQ_POLLIN, ZMQ_POLLOUT, ZMQ_POLLERR)
    )


cdef class Native:
    """One descriptor in a poll set."""

    cdef object item
    cdef long order         # position in which it was registered
    cdef int mask
    cdef int fd             # at the last look
    cdef bint removed


cdef class Registered(Subscription):
    """One socket in a poll set."""

    cdef PollSet members
    cdef Socket socket
    cdef long order         # position in which it was registered
    cdef int mask
    cdef int fd
    cdef int armed_for      # how many of those who poll have its bell watched by itself
    cdef bint doubtful      # EVENTS may have changed since it was read
    cdef bint heard         # something was heard since just before EVENTS was read
    cdef bint removed
    cdef bint in_epoll

    cdef void touched(self) noexcept:
        self.members.doubt(self)
        if self.members.waiting:
            self.members.look(self)

    cdef void ready(self, int events) noexcept:
        if events & self.mask or events < 0:
            self.members.doubt(self)
            self.members.wake()

    cdef void gone(self) noexcept:
        self.members.lost(self)

    cdef void abandoned(self, Hub hub) noexcept:
        self.armed_for = 0
        self.members.give_up(hub)

    cdef bint waits(self) noexcept:
        return self.members.waiting and self.members.born == wait.generation


cdef class Wait:
    """One greenlet in `PollSet.poll`."""

    cdef PollSet members
    cdef Hub hub
    cdef object greenlet        # or whatever has a `switch`
    cdef bint inside, woken, expired
    cdef list armed             # the sockets whose bells are watched for it
    cdef list watchers          # on native descriptors, or on the epoll set of them
    cdef int natives            # that set, or -1
    cdef object timer
    cdef object look_timer      # where something can't be watched

    def __cinit__(self):
        self.armed = []
        self.watchers = []
        self.natives = -1

    def __dealloc__(self):
        if self.natives >= 0:
            close_fd(self.natives)

    def resume(self):
        if self.inside and self.woken:
            self.greenlet.switch()

    def expire(self):
        self.expired = True
        self.look()

    def look(self):
        self.woken = True
        self.resume()

    def leave(self, hub):
        """The hub ends: watch nothing in it for this greenlet, which will not wake any more."""
        if self.hub is not hub:
            return False
        self.members.give_up(hub)
        return True


cdef class PollSet:
    """The sockets and descriptors of one poller, waited for in a hub, or by one thread."""

    cdef object __weakref__
    cdef object weak            # a weak reference to itself, as hubs know it
    cdef dict sockets           # Registered by socket
    cdef dict descriptors       # Native by item
    cdef dict doubtful          # the Registered that are in doubt, in the order in which they came to be; as a set
    cdef list waiting
    cdef long counter
    cdef int bells              # the epoll set, or -1
    cdef dict by_fd             # lists of those whose bells are in the set: a socket and its shadows share one
    cdef object watcher         # on the epoll set, in `watched_hub`
    cdef Hub watched_hub
    cdef object ring            # `on_bell`, bound once
    cdef bint listening         # `watcher` is armed
    cdef bint dropped           # the poller is gone
    cdef bint polled            # before: it is worth keeping an epoll set
    cdef int born
    cdef bint blocks            # a plain thread waits
    cdef double next_sweep      # when that thread looks for what it was not told of
    cdef bint is_shared         # there are thread-safe sockets, of which any thread may hear the news
    cdef bint lost_sight        # there was no memory to note whom to doubt: look at everybody

    def __cinit__(self):
        self.bells = -1
        self.sockets = {}
        self.descriptors = {}
        self.doubtful = {}
        self.waiting = []
        self.by_fd = {}
        self.born = wait.generation
        self.weak = weakref.ref(self)

    cdef int add(self, item, int flags) except -1:
        cdef Registered registered
        cdef Trampoline trampoline
        cdef Native native
        if not isinstance(item, Socket):
            native = self.descriptors.get(item)
            if native is None:
                native = Native.__new__(Native)
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
            if self.waiting and registered.owner is not None:
                self.look(registered)
            return 0
        registered = Registered.__new__(Registered)
        registered.members = self
        registered.socket = item
        registered.mask = flags
        registered.fd = -1
        self.counter += 1
        registered.order = self.counter
        if item.socket_type > LAST_OF_ONE_THREAD:
            self.is_shared = True
        if registered.socket.born == wait.generation:
            trampoline = registered.socket.waited()
            trampoline.subscribe(registered)
        self.sockets[item] = registered
        self.doubt(registered)
        # Who polls already polls for this one too.
        self.wake()
        return 0

    cdef void remove(self, item) noexcept:
        cdef Registered registered = self.sockets.pop(item, None)
        cdef Native native
        if registered is None:
            native = self.descriptors.pop(item, None)
            if native is not None:
                native.removed = True
            return
        registered.removed = True
        if registered.owner is not None:
            registered.owner.unsubscribe(registered)
        self.leave_epoll(registered)
        self.clear(registered)

    cdef void leave_epoll(self, Registered registered) noexcept:
        cdef list sharing
        if registered.in_epoll:
            registered.in_epoll = False
            sharing = self.by_fd.get(registered.fd)
            if sharing is None:
                return
            if registered in sharing:
                sharing.remove(registered)
            if not sharing:
                del self.by_fd[registered.fd]
                if self.born == wait.generation:
                    bells_remove(self.bells, registered.fd)

    cdef void drop(self) noexcept:
        """The poller is gone, but futures may still wait for what it polls."""
        self.dropped = True
        if not self.waiting or self.born != wait.generation:
            self.close()

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
        self.drop_epoll()

    def __dealloc__(self):
        if self.bells >= 0:
            close_fd(self.bells)

    cdef void drop_epoll(self) noexcept:
        if self.watcher is not None:
            try:
                self.watched_hub.forget(self.watcher)
            except BaseException as error:
                self.watched_hub.retry(error, self.watched_hub.forget, self.watcher)
            self.watcher = self.watched_hub = self.ring = None
            self.listening = False
        if self.bells >= 0:
            close_fd(self.bells)
            self.bells = -1

    # News of the sockets.

    cdef void doubt(self, Registered registered) noexcept:
        registered.heard = True
        if not registered.doubtful and not registered.removed:
            try:
                self.doubtful[registered] = None
                registered.doubtful = True
            except MemoryError:
                self.lost_sight = True

    cdef void clear(self, Registered registered) noexcept:
        """Put a socket out of doubt."""
        if registered.doubtful:
            registered.doubtful = False
            self.doubtful.pop(registered, None)

    cdef int look(self, Registered registered) noexcept:
        """Read EVENTS, tell those who wait for the same socket, and wake whoever polls."""
        cdef int events = registered.owner.read_events()
        registered.owner.stilled(events)
        if events < 0:
            self.wake()
            return events
        if events & registered.mask:
            self.wake()
        return events & registered.mask

    cdef void lost(self, Registered registered) noexcept:
        self.leave_epoll(registered)
        self.doubt(registered)
        self.wake()
        if self.blocks:
            wake_thread(self)

    cdef void wake(self) noexcept:
        """Wake the greenlets that poll, soon."""
        cdef Wait waiter
        for waiter in self.waiting:
            if not waiter.woken:
                waiter.woken = True
                waiter.hub.soon(waiter.resume)

    cdef list hear(self):
        """Doubt the sockets whose bells rang since the last time, and return them."""
        cdef int rung[ROOM]
        cdef int i
        cdef int count = ROOM
        cdef list heard = []
        while count == ROOM:
            count = bells_rung(self.bells, rung, ROOM)
            try:
                for i in range(count):
                    for registered in self.by_fd.get(rung[i], ()):
                        self.doubt(registered)
                        heard.append(registered)
            except MemoryError:
                # The set will not name these bells again.
                self.lost_sight = True
                raise
        return heard

    def on_bell(self):
        """A bell of the epoll set rang."""
        cdef Registered registered
        if self.born != wait.generation:
            # The child of a fork shares the set and must leave it alone.
            self.watcher.stop()
            return
        try:
            for registered in self.hear():
                if registered.owner is not None:
                    self.look(registered)
        finally:
            if self.lost_sight:
                self.wake()

    # Polling.

    cdef list collect(self):
        """Return what is ready, looking only where there is doubt."""
        cdef Registered registered
        cdef list found = []
        cdef int events
        if self.descriptors:
            self.collect_descriptors(found)
        if self.bells >= 0:
            self.hear()
        if self.lost_sight:
            self.lost_sight = False
            for registered in list(self.sockets.values()):
                self.doubt(registered)
        for registered in list(self.doubtful):
            if registered.removed:
                continue
            registered.socket.usable()
            if registered.owner is None:
                # When it was registered somebody else had the socket to himself.
                (<Trampoline> registered.socket.waited()).subscribe(registered)
            registered.heard = False
            events = registered.owner.read_events()
            if events < 0:
                raise_errno(zmq_errno())
            registered.owner.stilled(events)
            if registered.removed:
                continue
            events &= registered.mask
            if events:
                found.append((registered.order, registered.socket, events))
            elif registered.in_epoll or self.polled and self.join_epoll(registered):
                if not registered.heard:
                    self.clear(registered)
        if len(found) > 1:
            found.sort(key=first)
        ready = []
        for _, item, events_found in found:
            ready.append((item, events_found))
        return ready

    cdef int collect_descriptors(self, list found) except -1:
        """Add what zmq_poll says of the native descriptors."""
        cdef Native native
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

    cdef list poll(self, get_hub, double timeout):
        """Wait until something is ready or `timeout` seconds, negative for none, are over."""
        cdef Wait waiter
        cdef double deadline = -1
        wait.fuel -= 1
        if wait.fuel <= 0 and timeout != 0:
            # Others run meanwhile, and may be waiting here afterwards.
            refuel(get_hub)
        self.own()
        ready = self.collect()
        wait.fuel -= len(ready) >> 3
        self.polled = True
        if ready or timeout == 0:
            return ready
        if timeout > 0:
            deadline = monotonic() + timeout
        waiter = Wait()
        waiter.members = self
        waiter.hub = get_hub()
        waiter.greenlet = waiter.hub.current()
        while True:
            try:
                self.arm(waiter, get_hub, deadline)
                wait.park(waiter.greenlet, self, waiter)
                while not waiter.woken:
                    waiter.inside = True
                    try:
                        waiter.hub.park()
                    finally:
                        waiter.inside = False
            finally:
                wait.unpark(waiter.greenlet)
                self.disarm(waiter)
            self.own()
            ready = self.collect()
            if ready or waiter.expired:
                return ready
            waiter.woken = False

    cdef list poll_blocking(self, double timeout):
        """As `poll`, but block this thread; return None, at once, where that can't be done."""
        cdef zmq_pollitem_t bells[2]
        cdef double deadline = monotonic() + timeout
        cdef double left
        if self.waiting or self.blocks:
            return None
        self.own()
        self.polled = True
        while self.can_block():
            ready = self.collect()
            if ready or timeout >= 0 and monotonic() >= deadline:
                return ready
            if self.next_sweep == 0:
                self.next_sweep = monotonic() + hub_module.SWEEP_SECONDS
            self.blocks = True
            try:
                self.join_all()
                bells[0].socket = NULL
                bells[0].fd = self.bells
                bells[0].events = ZMQ_POLLIN
                left = hub_module.SWEEP_SECONDS
                if timeout >= 0:
                    left = min(left, max(0, deadline - monotonic()))
                if not poll_in_thread(bells, 1, left, self) and monotonic() >= self.next_sweep:
                    # No hub does it here.
                    self.next_sweep = monotonic() + hub_module.SWEEP_SECONDS
                    hub_module.note_missed(self.sweep())
            finally:
                self.blocks = False
            self.own()
        return None

    cdef bint can_block(self) noexcept:
        """Tell whether a thread can wait here; what a signal's handler did may have changed that."""
        return not (self.waiting or self.is_shared or self.descriptors) and self.with_epoll()

    def members(self):
        """Return what is waited for."""
        return [*self.sockets, *self.descriptors]

    cdef int own(self) except -1:
        """Refuse a second thread, and leave the epoll set of the parent of a fork alone."""
        cdef Registered registered
        cdef Hub hub
        if self.waiting:
            hub = (<Wait> self.waiting[0]).hub
            if hub.thread == this_thread():
                pass
            elif not hub.is_alive():
                self.give_up(hub)
            elif hub.is_elsewhere():
                raise RuntimeError(
                    "This poller is in use by a greenlet of another thread. Give each thread a poller of its own."
                )
            elif hub.is_running():
                # An event loop is run by whichever thread likes.
                hub.thread = this_thread()
        if self.born != wait.generation:
            self.born = wait.generation
            self.blocks = False
            self.drop_epoll()
            self.by_fd.clear()
            self.waiting = []
            for registered in self.sockets.values():
                registered.in_epoll = False
                registered.armed_for = 0
                self.doubt(registered)
        return 0

    cdef int arm(self, Wait waiter, get_hub, double deadline) except -1:
        """Watch everything for somebody, until `disarm`."""
        cdef Registered registered
        cdef Hub hub = waiter.hub
        cdef Wait other
        for other in list(self.waiting):
            if other.hub is hub:
                continue
            if other.hub.is_running():
                raise RuntimeError(
                    "This poller is in use in another event loop of this thread. Give each loop a poller of its own."
                )
            self.give_up(other.hub)
        self.waiting.append(waiter)
        if self.with_epoll():
            self.join_all()
            self.watch_epoll(hub)
            hub.watch(self.weak)
        else:
            for registered in list(self.sockets.values()):
                if registered.owner is not None:
                    registered.owner.arm_for(registered, get_hub)
                    registered.armed_for += 1
                    waiter.armed.append(registered)
                    if registered.heard:
                        self.look(registered)
        if self.descriptors:
            self.watch_descriptors(waiter)
        if deadline >= 0:
            waiter.timer = hub.call_at(deadline, waiter.expire)
        return 0

    cdef int disarm(self, Wait waiter) except -1:
        cdef Registered registered
        if waiter not in self.waiting:
            return 0
        self.waiting.remove(waiter)
        if self.listening and not self.waiting:
            self.listening = False
            waiter.hub.disarm(self.watcher)
            waiter.hub.unwatch(self.weak)
        if waiter.timer is not None:
            waiter.hub.cancel(waiter.timer)
            waiter.timer = None
        if waiter.look_timer is not None:
            waiter.hub.cancel(waiter.look_timer)
            waiter.look_timer = None
        for watcher in waiter.watchers:
            waiter.hub.started.pop(watcher, None)
            waiter.hub.end(watcher)
        if waiter.natives >= 0:
            close_fd(waiter.natives)
            waiter.natives = -1
        for registered in waiter.armed:
            registered.armed_for -= 1
            if registered.owner is not None and registered.armed_for == 0:
                registered.owner.disarm_for(registered)
        waiter.armed.clear()
        waiter.watchers.clear()
        return 0

    cdef int disarm_last(self, Wait waiter) except -1:
        """As `disarm`, for somebody who does not come back."""
        self.disarm(waiter)
        if self.dropped and not self.waiting:
            self.close()
        return 0

    cdef void give_up(self, Hub hub) noexcept:
        """Forget those who poll in a hub that does not run any more."""
        cdef Wait waiter
        for waiter in list(self.waiting):
            if waiter.hub is hub:
                waiter.inside = False
                wait.unpark(waiter.greenlet)
                try:
                    self.disarm_last(waiter)
                    hub.give_up(waiter.greenlet)
                except BaseException as error:
                    if hub.is_alive():
                        report(error)

    def abandon_all(self):
        """Forget those who poll: their hub ends."""
        cdef Wait waiter
        if self.born == wait.generation:
            for waiter in list(self.waiting):
                self.give_up(waiter.hub)
            self.drop_epoll()

    cdef int watch_descriptors(self, Wait waiter) except -1:
        """Watch the native descriptors for somebody, for what zmq_poll would report."""
        cdef Native native
        cdef dict masks = {}
        cdef bint unseen = False
        for native in list(self.descriptors.values()):
            if native.fd < 0:
                # It was registered after the last look.
                self.wake()
                return 0
            masks[native.fd] = masks.get(native.fd, 0) | native.mask
        if has_sets:
            waiter.natives = bells_new()
        if waiter.natives >= 0 and self.fill_set(waiter, masks):
            self.start(waiter, waiter.hub.watcher(waiter.natives, ZMQ_POLLIN))
            return 0
        for fd, mask in masks.items():
            if mask & (ZMQ_POLLIN | ZMQ_POLLOUT):
                self.start(waiter, waiter.hub.native_watcher(fd, mask & (ZMQ_POLLIN | ZMQ_POLLOUT)))
            # An error is something to read; of one that may be written to not every framework hears.
            unseen = unseen or mask & ZMQ_POLLPRI or not mask & ZMQ_POLLIN
        if unseen:
            waiter.look_timer = waiter.hub.call_at(monotonic() + LOOK_SECONDS, waiter.look)
        return 0

    cdef int start(self, Wait waiter, watcher) except -1:
        waiter.watchers.append(watcher)
        waiter.hub.started[watcher] = self._wake
        watcher.start(self._wake)
        return 0

    cdef bint fill_set(self, Wait waiter, dict masks) except -1:
        """Put the descriptors into the set of a waiter; tell whether it will ring for all of them."""
        for fd, mask in masks.items():
            failed = bells_watch(waiter.natives, fd, mask)
            if failed == EBADF:
                # It was closed since the last look, which zmq_poll reports.
                self.wake()
            elif failed and failed != EPERM:
                close_fd(waiter.natives)
                waiter.natives = -1
                return False
        return True

    def begin(self, get_hub, timeout, future):
        """Have a future told what is ready, or an empty list after `timeout` milliseconds; None and -1 for none."""
        cdef PendingPoll pending
        cdef double seconds = seconds_of(timeout)
        cdef double deadline = -1
        wait.fuel -= 1
        try:
            self.own()
            ready = self.collect()
            self.polled = True
        except Exception as error:
            finish(get_hub, future, error)
            return
        wait.fuel -= len(ready) >> 3
        if seconds == 0:
            future.set_result(ready)
            return
        if ready:
            finish(get_hub, future, ready)
            return
        if seconds > 0:
            deadline = monotonic() + seconds
        pending = PendingPoll()
        pending.members = self
        pending.future = future
        pending.get_hub = get_hub
        pending.deadline = deadline
        pending.waiter = Wait()
        pending.waiter.members = self
        pending.waiter.hub = get_hub()
        pending.waiter.greenlet = pending
        pending.waiter.inside = True
        try:
            self.arm(pending.waiter, get_hub, deadline)
        except BaseException:
            self.disarm(pending.waiter)
            raise
        future.add_done_callback(pending.forget)

    def _wake(self):
        self.wake()

    def sweep(self):
        """Wake those whom a bell of the epoll set should have woken; tell how many bells there were."""
        cdef Registered registered
        cdef int found = 0
        if self.born == wait.generation:
            for registered in list(self.sockets.values()):
                if registered.in_epoll and not registered.doubtful and registered.owner.missed(registered.mask):
                    found += 1
        return found

    cdef bint with_epoll(self) noexcept:
        return has_sets and len(self.sockets) > FEW_SOCKETS

    cdef int join_all(self) except -1:
        """Put the bells of all in doubt into the epoll set, after `collect` found that they have nothing to say."""
        cdef Registered registered
        for registered in list(self.doubtful):
            if registered.owner is None or not self.join_epoll(registered):
                continue
            if registered.heard:
                # Since the look.
                registered.heard = False
                if self.look(registered) or registered.heard:
                    continue
            self.clear(registered)
        return 0

    cdef bint join_epoll(self, Registered registered) except -1:
        """Put a bell into the epoll set; tell whether it is there.

        EVENTS was read just before and had nothing to say. A bell that has rung since rings in the set at once, so
        that the socket is out of doubt.
        """
        if registered.in_epoll:
            return True
        if not self.with_epoll():
            return False
        if self.bells < 0:
            self.bells = bells_new()
            if self.bells < 0:
                raise_errno(errno)
        registered.fd = registered.owner.descriptor()
        if bells_add(self.bells, registered.fd) < 0:
            raise_errno(errno)
        self.by_fd.setdefault(registered.fd, []).append(registered)
        registered.in_epoll = True
        return True

    cdef int watch_epoll(self, Hub hub) except -1:
        """Have the hub watch the epoll set.

        The watcher is kept: to put an epoll set into another anew costs the kernel a walk over all its members.
        """
        if self.watched_hub is not hub:
            if self.watcher is not None:
                self.watched_hub.forget(self.watcher)
                self.watcher = None
            self.watcher = hub.watcher(self.bells, ZMQ_POLLIN)
            self.watched_hub = hub
            self.ring = self.on_bell
        if not self.listening:
            # First: were it interrupted, by the handler of a signal, `disarm` stops it.
            self.listening = True
            self.watcher.start(self.ring)
        return 0

    def rearm(self):
        """Watch the epoll set again: the hub may have stopped that because of an error."""
        if self.listening and self.born == wait.generation:
            self.watched_hub.stop(self.watcher)
            self.watcher.start(self.ring)


cdef class PendingPoll:
    """A poll that waits without a greenlet, for a caller that has a future; see `zmq.core.futures.pending`."""

    cdef PollSet members
    cdef Wait waiter
    cdef readonly object future
    cdef object get_hub
    cdef double deadline

    def switch(self):
        """Look again; or the time is over."""
        if self.future.done():
            self.forget(self.future)
            return
        self.waiter.woken = False
        try:
            ready = self.members.collect()
            if not ready and not self.waiter.expired:
                # There may be more to watch than before.
                self.members.disarm(self.waiter)
                self.members.arm(self.waiter, self.get_hub, self.deadline)
                return
        except Exception as error:
            self.forget(self.future)
            self.future.set_exception(error)
            return
        self.forget(self.future)
        self.future.set_result(ready)

    def forget(self, future):
        """The future is done: watch nothing for it any more."""
        self.waiter.inside = False
        self.members.disarm_last(self.waiter)


def first(found):
    return found[0]


#: The name of `zmq_poll` in old versions.
_poll = zmq_poll
