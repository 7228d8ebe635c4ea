"""`Poller`, `select` and `zmq_poll`: waiting for several sockets and descriptors at once.

Lives here: zmq_poll, which blocks the thread, and `PollSet`, which waits in a hub, and in a thread for many sockets.
What must not: what makes a socket ready. Called by users and by `zmq.green`.

Why a poll set does not look at every socket
--------------------------------------------
A socket's EVENTS can change in two ways only: its bell rings (see `zmq.core.trampoline`), or somebody operates on
it. The second is reported by the socket itself to those who subscribed. For the first, the bells of all registered
sockets are kept in one epoll set, edge-triggered, which is asked which of them rang since the last call, and which
the hub watches as a single descriptor while somebody polls. Sockets of which nothing was heard since EVENTS last
said "nothing" are not looked at. Where there is no epoll, or for a handful of sockets, each bell is watched by
itself, and each socket looked at.

In a plain thread zmq_poll looks at every socket, twice if it has to wait. A poller that is used a second time has a set
there too, and the thread waits for its descriptor.
"""

from cpython.exc cimport PyErr_SetObject, PyErr_WriteUnraisable
from libc.errno cimport errno
from libc.stdlib cimport free, malloc
from posix.unistd cimport close as close_fd

from zmq.core cimport wait
from zmq.core.check cimport raise_errno
from zmq.core.hub cimport Hub, this_thread
from zmq.core.libzmq cimport (
    ZMQ_POLLERR,
    ZMQ_POLLIN,
    ZMQ_POLLOUT,
    zmq_errno,
    zmq_pollitem_t,
)
from zmq.core.socket cimport Socket, poll_in_thread, seconds_of
from zmq.core.trampoline cimport Subscription, Trampoline, monotonic, refuel

import weakref

from zmq.core import hub as hub_module
from zmq.core.constants import PollEvent

cdef extern from "bells.h" nogil:
    bint GREENZMQ_HAS_BELLS
    int bells_new "greenzmq_bells_new"()
    int bells_add "greenzmq_bells_add"(int bells, int bell)
    int bells_remove "greenzmq_bells_remove"(int bells, int bell)
    int bells_rung "greenzmq_bells_rung"(int bells, int *rung, int room)

cdef enum:
    ROOM = 64           # for bells that rang, at a time
    LAST_OF_ONE_THREAD = 11     # ZMQ_STREAM; sockets of later types are thread-safe

#: Sockets up to which each bell is watched by itself, and a plain thread calls zmq_poll.
FEW_SOCKETS = 4


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
    cdef list wanted = list(sockets)
    if poller_class is None:
        poller_class = Poller
    if poller_class._get_hub is None:
        return poll_once(wanted, timeout)
    masks = {}
    for item, events in wanted:
        masks[item] = masks.get(item, 0) | events
    poller = poller_class()
    for item, mask in masks.items():
        poller.register(item, mask)
    ready = dict(poller.poll(timeout))
    found = []
    for item, events in wanted:
        if not isinstance(item, Socket):
            item = descriptor_of(item)
        revents = ready.get(item, 0) & (events | ZMQ_POLLERR)
        if revents:
            found.append((item, revents))
    return found


cdef bint has_returned(Socket socket, int events) noexcept:
    """Tell whether a cancelled receive gave a message back, of which libzmq knows nothing."""
    return events & ZMQ_POLLIN and socket.waiter is not None and socket.waiter.returned


cdef list poll_once(list wanted, timeout):
    """Poll with zmq_poll, which blocks the thread."""
    cdef int count = len(wanted)
    cdef int i
    cdef zmq_pollitem_t *items
    cdef Socket socket
    cdef double seconds = seconds_of(timeout)
    items = <zmq_pollitem_t *> malloc((count or 1) * sizeof(zmq_pollitem_t))
    if items == NULL:
        raise MemoryError()
    try:
        for i in range(count):
            item, events = wanted[i]
            items[i].socket = NULL
            items[i].fd = -1
            items[i].events = events
            items[i].revents = 0
            if isinstance(item, Socket):
                socket = item
                socket.usable()
                items[i].socket = socket.handle
                if has_returned(socket, items[i].events):
                    seconds = 0
            else:
                items[i].fd = descriptor_of(item)
        poll_in_thread(items, count, seconds, [item for item, _ in wanted] if seconds != 0 else None)
        for item, _ in wanted:
            if isinstance(item, Socket):
                socket = item
                socket.operated()
        for i in range(count):
            if items[i].socket != NULL and has_returned(wanted[i][0], items[i].events):
                items[i].revents |= ZMQ_POLLIN
        # No comprehensions of what is made for them: where there is no memory for the list, Cython 3.3 frees it twice.
        ready = []
        for i in range(count):
            if items[i].revents:
                ready.append((wanted[i][0] if items[i].socket != NULL else items[i].fd, items[i].revents))
        return ready
    finally:
        free(items)


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
        get_hub = self._get_hub
        if get_hub is not None:
            return (<PollSet> self._members()).poll(get_hub, seconds)
        if len(self._registered) > FEW_SOCKETS:
            if self._used:
                ready = (<PollSet> self._members()).poll_blocking(seconds)
                if ready is not None:
                    return ready
            self._used = True
        return poll_once(list(self._registered.items()), timeout)

    def _members(self):
        """Return the set that waits in a hub."""
        if self._set is None:
            self._set = PollSet()
            for socket, flags in self._registered.items():
                (<PollSet> self._set).add(socket, flags)
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
    for items, flag in ((rlist, ZMQ_POLLIN), (wlist, ZMQ_POLLOUT), (xlist, ZMQ_POLLERR)):
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


cdef class Registered(Subscription):
    """One socket in a poll set."""

    cdef PollSet members
    cdef Socket socket
    cdef long order         # position in which it was registered
    cdef int mask
    cdef int fd
    cdef int armed_for      # how many of those who poll have its bell watched by itself
    cdef bint doubtful      # EVENTS may have changed since it was read
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
    cdef list watchers          # on native descriptors
    cdef object timer

    def __cinit__(self):
        self.armed = []
        self.watchers = []

    def resume(self):
        if self.inside and self.woken:
            self.greenlet.switch()

    def expire(self):
        self.expired = True
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
    cdef dict descriptors       # (item, fd, flags) by item
    cdef list doubtful
    cdef list waiting
    cdef long counter
    cdef int bells              # the epoll set, or -1
    cdef dict by_fd
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
        self.doubtful = []
        self.waiting = []
        self.by_fd = {}
        self.born = wait.generation
        self.weak = weakref.ref(self)

    cdef int add(self, item, int flags) except -1:
        cdef Registered registered
        cdef Trampoline trampoline
        if not isinstance(item, Socket):
            self.descriptors[item] = (item, descriptor_of(item), flags)
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
        if registered is None:
            self.descriptors.pop(item, None)
            return
        if registered.owner is not None:
            registered.owner.unsubscribe(registered)
        self.leave_epoll(registered)
        if registered.doubtful:
            self.doubtful.remove(registered)

    cdef void leave_epoll(self, Registered registered) noexcept:
        if registered.in_epoll:
            registered.in_epoll = False
            self.by_fd.pop(registered.fd, None)
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
            self.watched_hub.forget(self.watcher)
            self.watcher = self.watched_hub = self.ring = None
            self.listening = False
        if self.bells >= 0:
            close_fd(self.bells)
            self.bells = -1

    # News of the sockets.

    cdef void doubt(self, Registered registered) noexcept:
        if not registered.doubtful:
            try:
                self.doubtful.append(registered)
                registered.doubtful = True
            except MemoryError:
                self.lost_sight = True

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

    cdef void wake(self) noexcept:
        """Wake the greenlets that poll, soon."""
        cdef Wait waiter
        for waiter in self.waiting:
            if not waiter.woken:
                waiter.woken = True
                waiter.hub.post(waiter.resume)

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
                    registered = self.by_fd.get(rung[i])
                    if registered is not None:
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
        cdef list still = []
        cdef list found = []
        cdef int events
        if self.bells >= 0:
            self.hear()
        if self.lost_sight:
            self.doubtful = list(self.sockets.values())
            for registered in self.doubtful:
                registered.doubtful = True
            self.lost_sight = False
        doubtful, self.doubtful = self.doubtful, still
        try:
            for registered in doubtful:
                registered.doubtful = False
            for registered in doubtful:
                self.doubt(registered)
                registered.socket.usable()
                if registered.owner is None:
                    # When it was registered somebody else had the socket to himself.
                    (<Trampoline> registered.socket.waited()).subscribe(registered)
                events = registered.owner.read_events()
                if events < 0:
                    raise_errno(zmq_errno())
                registered.owner.stilled(events)
                events &= registered.mask
                if events:
                    found.append((registered.order, registered.socket, events))
                elif registered.doubtful and (registered.in_epoll or self.polled and self.join_epoll(registered)):
                    registered.doubtful = False
                    still.pop()
        except BaseException:
            for registered in doubtful:
                self.doubt(registered)
            raise
        if len(found) > 1:
            found.sort(key=first)
        ready = []
        for _, socket, events_found in found:
            ready.append((socket, events_found))
        if self.descriptors:
            ready += self.collect_descriptors()
        return ready

    cdef list collect_descriptors(self):
        wanted = []
        for _, fd, flags in self.descriptors.values():
            wanted.append((fd, flags))
        return poll_once(wanted, 0)

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
        cdef zmq_pollitem_t bells
        cdef double deadline = monotonic() + timeout
        cdef double left
        if self.waiting:
            return None
        self.own()
        if self.blocks or self.is_shared or self.descriptors or not self.with_epoll():
            return None
        self.polled = True
        ready = self.collect()
        if ready or timeout == 0:
            return ready
        if self.next_sweep == 0:
            self.next_sweep = monotonic() + hub_module.SWEEP_SECONDS
        self.blocks = True
        try:
            while True:
                self.join_all()
                bells.socket = NULL
                bells.fd = self.bells
                bells.events = ZMQ_POLLIN
                left = hub_module.SWEEP_SECONDS
                if timeout >= 0:
                    left = min(left, max(0, deadline - monotonic()))
                if not poll_in_thread(&bells, 1, left, self) and monotonic() >= self.next_sweep:
                    # No hub does it here.
                    self.next_sweep = monotonic() + hub_module.SWEEP_SECONDS
                    hub_module.note_missed(self.sweep())
                ready = self.collect()
                if ready or timeout >= 0 and monotonic() >= deadline:
                    return ready
        finally:
            self.blocks = False

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
            else:
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
        for _, fd, flags in self.descriptors.values():
            watcher = hub.native_watcher(fd, flags & (ZMQ_POLLIN | ZMQ_POLLOUT) or ZMQ_POLLIN)
            waiter.watchers.append(watcher)
            watcher.start(self._wake)
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
            self.watcher.stop()
            waiter.hub.unwatch(self.weak)
        if waiter.timer is not None:
            waiter.timer.cancel()
            waiter.timer = None
        for watcher in waiter.watchers:
            watcher.stop()
            watcher.close()
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
                        PyErr_SetObject(type(error), error)
                        PyErr_WriteUnraisable("a poll of 0MQ sockets")

    def abandon_all(self):
        """Forget those who poll: their hub ends."""
        cdef Wait waiter
        if self.born == wait.generation:
            for waiter in list(self.waiting):
                self.give_up(waiter.hub)
            self.drop_epoll()

    def begin(self, get_hub, timeout, future):
        """Have a future told what is ready, or an empty list after `timeout` milliseconds; None and -1 for none."""
        cdef PendingPoll pending
        cdef double seconds = seconds_of(timeout)
        cdef double deadline = -1
        try:
            self.own()
            ready = self.collect()
            self.polled = True
        except Exception as error:
            future.set_exception(error)
            return
        if ready or seconds == 0:
            future.set_result(ready)
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
        return GREENZMQ_HAS_BELLS and len(self.sockets) > FEW_SOCKETS

    cdef int join_all(self) except -1:
        """Put the bells of all in doubt into the epoll set, after `collect` found that they have nothing to say."""
        cdef Registered registered
        for registered in list(self.doubtful):
            if registered.owner is not None and self.join_epoll(registered):
                registered.doubtful = False
                self.doubtful.remove(registered)
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
        self.by_fd[registered.fd] = registered
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
            self.watcher.start(self.ring)
            self.listening = True
        return 0


cdef class PendingPoll:
    """A poll that waits without a greenlet, for a caller that has a future; see `zmq.core.pending`."""

    cdef PollSet members
    cdef Wait waiter
    cdef object future
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

    def give_up(self):
        """Its loop does not run any more."""
        give_up(self.future)

    def forget(self, future):
        """The future is done: watch nothing for it any more."""
        self.waiter.inside = False
        self.members.disarm_last(self.waiter)


cdef int give_up(future) except -1:
    """Cancel a future whose loop does not run, and may be closed: then nobody can be told."""
    try:
        future.cancel()
    except RuntimeError:
        pass
    return 0


def first(found):
    return found[0]
