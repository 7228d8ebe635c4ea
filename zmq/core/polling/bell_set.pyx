"""`BellSet`: the bells of many sockets as a single descriptor, an epoll set that tells which of them rang.

Lives here: the set, and the watcher by which a hub waits for it. What must not: sockets, and polls. Called by
`zmq.core.polling.readiness` and `zmq.core.polling.in_hub`.

The set is edge-triggered, so what it reports once it does not report again. Native descriptors get sets of their own,
made for a single wait and level-triggered (`native_set`).
"""

from libc.errno cimport EBADF, EPERM, errno
from posix.unistd cimport close as close_fd

from zmq.core.check cimport raise_errno
from zmq.core.libzmq cimport ZMQ_POLLIN
from zmq.core.waiting.hub cimport Hub

cdef extern from "polling/bells.h" nogil:
    bint GREENZMQ_HAS_BELLS
    int bells_new "greenzmq_bells_new"()
    int bells_add "greenzmq_bells_add"(int bells, int bell)
    int bells_remove "greenzmq_bells_remove"(int bells, int bell)
    int bells_rung "greenzmq_bells_rung"(int bells, int *rung, int room)
    int bells_watch "greenzmq_bells_watch"(int bells, int fd, int events)

cdef enum:
    ROOM = 64           # for bells that rang, at a time

has_sets = GREENZMQ_HAS_BELLS


def _set_sets(bint available):
    """For tests of what is done where there is no epoll; return what was set before."""
    global has_sets
    before = has_sets
    has_sets = available and GREENZMQ_HAS_BELLS
    return before


cdef class BellSet:
    """The bells of the sockets of one poller."""

    def __cinit__(self):
        self.fd = -1
        self.members = {}

    def __dealloc__(self):
        if self.fd >= 0:
            close_fd(self.fd)

    cdef int add(self, int bell, member) except -1:
        """Put a bell into the set. One that has rung rings in the set at once."""
        if self.fd < 0:
            self.fd = bells_new()
            if self.fd < 0:
                raise_errno(errno)
        if bells_add(self.fd, bell) < 0:
            raise_errno(errno)
        self.members.setdefault(bell, []).append(member)
        return 0

    cdef void remove(self, int bell, member, bint is_ours) noexcept:
        """Take a bell out of the set, with the last of its members; of the set of a fork's parent nothing is taken."""
        cdef list sharing = self.members.get(bell)
        if sharing is None:
            return
        if member in sharing:
            sharing.remove(member)
        if not sharing:
            del self.members[bell]
            if is_ours:
                bells_remove(self.fd, bell)

    cdef list rung(self):
        """Return the members whose bells rang since the last time; the set will not name these bells again."""
        cdef int bells[ROOM]
        cdef int i
        cdef int count = ROOM
        cdef list found = []
        while count == ROOM:
            count = bells_rung(self.fd, bells, ROOM)
            for i in range(count):
                for member in self.members.get(bells[i], ()):
                    found.append(member)
        return found

    cdef int watch(self, Hub hub, on_ring) except -1:
        """Have the hub watch the set, and call `on_ring` when bells ring.

        The watcher is kept: to put an epoll set into another anew costs the kernel a walk over all its members.
        """
        if self.watched_hub is not hub:
            watcher = hub.watcher(self.fd, ZMQ_POLLIN)
            if self.watcher is not None:
                self.watched_hub.forget(self.watcher)
            self.watcher = watcher
            self.watched_hub = hub
            self.on_ring = on_ring
        if not self.watched:
            # First: were it interrupted, by the handler of a signal, `unwatch` stops it.
            self.watched = True
            self.watcher.start(self.on_ring)
        return 0

    cdef void unwatch(self) noexcept:
        self.watched = False
        self.watched_hub.disarm(self.watcher)

    cdef int rearm(self) except -1:
        """Watch the set again, where the hub may have stopped that because of an error."""
        if self.watched:
            self.watched_hub.stop(self.watcher)
            self.watcher.start(self.on_ring)
        return 0

    cdef void drop(self) noexcept:
        """Close the set; it is made anew when a bell is added."""
        if self.watcher is not None:
            try:
                self.watched_hub.forget(self.watcher)
            except BaseException as error:
                self.watched_hub.retry(error, self.watched_hub.forget, self.watcher)
            self.watcher = self.watched_hub = self.on_ring = None
            self.watched = False
        if self.fd >= 0:
            close_fd(self.fd)
            self.fd = -1

cdef int native_set(dict masks, bint *closed) except -2:
    """Return a set of native descriptors, readable as long as zmq_poll would report any; -1 where that can't be made.

    It is the caller's to close. `masks` has what each descriptor is polled for; `closed` becomes true if one is closed,
    which zmq_poll reports.
    """
    cdef int bells = bells_new() if has_sets else -1
    cdef int failed
    if bells < 0:
        return -1
    for fd, mask in masks.items():
        failed = bells_watch(bells, fd, mask)
        if failed == EBADF:
            closed[0] = True
        elif failed and failed != EPERM:
            close_fd(bells)
            return -1
    return bells
