"""`Poller`, `select` and `zmq_poll`: waiting for several sockets and descriptors at once.

Lives here: what users call. What must not: how it waits, which is in `zmq.core.polling`. Called by users and by
all that polls here.

`fileno` and `__index__` are methods of the caller's, and may close sockets, change the poller or poll it, as a signal's
handler may. So what belongs to others is copied and asked for its numbers first.
"""

from operator import index

from zmq.core.libzmq cimport ZMQ_POLLERR, ZMQ_POLLIN, ZMQ_POLLOUT
from zmq.core.polling.in_hub cimport PollSet
from zmq.core.polling.in_thread cimport poll_once, poll_set
from zmq.core.polling.readiness cimport FEW_SOCKETS, descriptor_of
from zmq.core.socket cimport Socket
from zmq.core.sockets.arguments cimport seconds_of
from zmq.core.waiting cimport budget
from zmq.core.waiting.clock cimport monotonic
from zmq.core.waiting.wakeable_threads cimport left_until

from zmq.core.constants import PollEvent


def zmq_poll(sockets, timeout=-1, *, poller_class=None):
    """Poll sockets and descriptors once.

    Parameters
    ----------
    sockets : iterable of (Socket or int or object with fileno, int)
        What to wait for, and for which `zmq.PollEvent`.
    timeout : float, optional
        Milliseconds; None or negative to wait for ever, but not where there is nothing to wait for.

    Returns
    -------
    list of (Socket or int, int)
        Those that are ready, and for what; descriptors for what is no 0MQ socket.

    Raises
    ------
    TypeError
        An element can't be polled.
    ValueError
        `timeout` is no number.
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
    cdef bint endless = seconds < 0
    for item, events in list(sockets):
        mask = events
        item = pollable(item)
        items.append(item)
        masks.append(mask)
        # Errors of descriptors are reported unasked.
        if mask or not isinstance(item, Socket):
            endless = False
    if poller_class is None:
        poller_class = Poller
    if poller_class._get_hub is None:
        if endless:
            seconds = 0
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
        flags : int or None
            `POLLIN`, `POLLOUT`, `POLLERR`, `POLLPRI` or a combination; 0 or None unregisters.

        Raises
        ------
        TypeError
            `flags` is no integer. What can't be polled is an error of `poll`.
        """
        if flags is not None and not isinstance(flags, int):
            try:
                flags = index(flags)
            except TypeError:
                raise TypeError(f"flags is a combination of zmq.POLLIN and zmq.POLLOUT, not {flags!r}") from None
        if not flags:
            if socket in self._registered:
                self.unregister(socket)
            return
        if self._set is not None:
            (<PollSet> self._set).add(socket, flags)
        self._registered[socket] = flags
        budget.stirs += 1

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
        budget.stirs += 1
        if self._set is not None:
            (<PollSet> self._set).remove(socket)

    def poll(self, timeout=None):
        """Wait until something is ready.

        Parameters
        ----------
        timeout : float, optional
            Milliseconds; None or negative to wait for ever, but not where nothing is registered.

        Returns
        -------
        list of (Socket or int, int)
            Those that are ready, and for what; descriptors for what is no 0MQ socket. Empty when the time ran out, or
            at once where nothing is registered and there is no time-out.

        Raises
        ------
        TypeError
            Something is registered that can't be polled.
        ValueError
            `timeout` is no number, or a descriptor is negative.
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
        if seconds < 0 and not self._registered:
            seconds = 0
        while True:
            if len(self._registered) > FEW_SOCKETS:
                if self._used:
                    ready = poll_set(self._members(), seconds)
                    if ready is not None:
                        return ready
                    seconds = left_until(deadline, seconds)
                self._used = True
            items = []
            masks = []
            for item, flags in self._registered.copy().items():
                mask = flags
                items.append(pollable(item))
                masks.append(mask)
            ready = poll_once(items, masks, seconds)
            if ready is not None:
                return ready
            seconds = left_until(deadline, seconds)

    def _members(self):
        """Return what is registered as a set that can wait."""
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
        Seconds; None or negative to wait for ever, but not where there is nothing to wait for.

    Returns
    -------
    tuple of list
        Those of each list that are ready; descriptors for what is no 0MQ socket.

    Raises
    ------
    ValueError
        `timeout` is no number.
    """
    wanted = {}
    for items, flag in ((list(rlist), ZMQ_POLLIN), (list(wlist), ZMQ_POLLOUT), (list(xlist), ZMQ_POLLERR)):
        for item in items:
            wanted[item] = wanted.get(item, 0) | flag
    if timeout is not None:
        timeout = 1000.0 * timeout
    poller = (Poller if poller_class is None else poller_class)()
    for item, flags in wanted.items():
        poller.register(item, flags)
    ready = poller.poll(timeout)
    return tuple(
        [item for item, events in ready if events & flag] for flag in (ZMQ_POLLIN, ZMQ_POLLOUT, ZMQ_POLLERR)
    )


#: The name of `zmq_poll` in old versions.
_poll = zmq_poll
