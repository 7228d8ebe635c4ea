"""Monitors of sockets: that libzmq always finds somebody to write events to.

Lives here: who reads which monitor, and how sockets are closed so that none waits for a reader. What must not: what the
events say (`zmq.utils.monitor`). Called by `zmq.core.sockets.endpoints`, and where a socket is closed.

The facts
---------
libzmq sends a socket's events through a PAIR of its own, with a blocking send and under a mutex of the socket
(socket_base_t::monitor_event, _monitor_sync), in whatever thread has the event: an I/O thread, which then serves no
socket any more; the user's, inside zmq_bind; the reaper's, which says MONITOR_STOPPED when it frees the socket
(~socket_base_t) and then closes nothing any more. That send waits where nobody is connected, where whoever was has
closed his end, and where he does not read and a high-water mark is reached. Another PAIR that connects does not help
once there was one: libzmq's end does not learn that its peer is gone, as it never reads. Where nobody ever connected,
one that connects does help.

What follows
------------
A reader of ours has no high-water mark, is connected before anything can be told, and is
closed only after the monitor has been stopped; when the monitored socket was closed first, which may tell more for as
long as it lingers, the reader is kept open by a thread (monitor_farewell.h) until libzmq has let go of it. To stop a
monitor that nobody reads, a reader is connected to it for a moment. With such a reader no send waits, so that to stop
is done with the GIL held: all handles stay valid meanwhile. Only where the reader is not known may it take long, and
the GIL is given up.

For a monitor at an address of the program's choice, a PAIR that connects there with `Socket.connect` is known as its
reader. An event before anybody has connected still waits for somebody to do so: nothing here can read in his place.

A PAIR may connect before anything is bound there. To who binds then libzmq connects the earliest, also one that was
closed or disconnected since, and drops the others (ctx_t::connect_pending, pair_t::xattach_pipe): so the earliest is
known, and who is bound where. When it leaves, libzmq is rid of it at once, by a socket that is bound there for a
moment. In that way it is found out, too, whether the reaper has let go of what was there, when a PAIR connects just
after.
"""

import os

from libc.errno cimport EADDRINUSE, EINTR, EMFILE

from zmq.core.waiting cimport trampoline
from zmq.core.context cimport Context
from zmq.core.libzmq cimport (
    ZMQ_LINGER,
    ZMQ_PAIR,
    ZMQ_RCVHWM,
    zmq_bind,
    zmq_close,
    zmq_connect,
    zmq_disconnect,
    zmq_errno,
    zmq_getsockopt,
    zmq_setsockopt,
    zmq_socket,
    zmq_socket_monitor,
    zmq_unbind,
)
from zmq.core.waiting.clock cimport monotonic

cdef extern from "sockets/monitor_farewell.h" nogil:
    bint drain "greenzmq_drain"(void *reader)
    int bid_farewell "greenzmq_bid_farewell"(void *reader)


cdef class Monitor:
    """A socket that is monitored, and who reads its events."""

    cdef void *socket   # NULL once it is closed
    cdef void *reader   # NULL while none is known
    cdef void *context
    cdef bytes address
    cdef bint ours      # it only counts peers, and gives way to any other: a thread reads, and closes the reader itself


# By the addresses of libzmq's sockets.
cdef dict by_socket = {}
cdef dict by_reader = {}
# By context and address.
cdef dict by_address = {}
# By context and address of inproc, and the other way round:
# - the earliest PAIR that connected where nobody was bound; 0 if it has left, and there was no socket to get rid of it;
cdef dict early = {}
cdef dict early_at = {}
# - who is bound there, and the set of places of each socket;
cdef dict bound = {}
cdef dict bound_at = {}
# - since when nobody should be bound there any more, as soon as the reaper has closed him, of the last second.
cdef dict left = {}

# When a socket was closed last, seconds.
cdef double closed_at = 0


def closed_lately():
    """Tell whether a socket was closed within the last second."""
    return monotonic() - closed_at < 1


def _forked():
    for known in (by_socket, by_reader, by_address, early, early_at, bound, bound_at, left):
        known.clear()


os.register_at_fork(after_in_child=_forked)


cdef tuple place(void *context, bytes address):
    return <size_t> context, address


cdef void note_left(tuple where):
    """Who was bound there is being closed."""
    cdef double now = monotonic()
    while left:
        oldest = next(iter(left))
        if now - <double> left[oldest] < 1:
            break
        del left[oldest]
    left.pop(where, None)
    left[where] = now


cdef int forget_early(void *pair, bint leaves) except -1:
    """A PAIR is gone; if it `leaves` just now, libzmq still knows that it was there."""
    where = early_at.pop(<size_t> pair, None)
    if where is not None:
        del early[where]
        if leaves and vacate(<void *> <size_t> where[0], where[1]) == EMFILE:
            early[where] = 0
    return 0


cdef void *pop_early(tuple where) except? NULL:
    """Return the PAIR that is connected to who was bound there now, or NULL; nobody is early there any more."""
    pair = early.pop(where, 0)
    early_at.pop(pair, None)
    return <void *> <size_t> pair


cdef bint gives_up(void *socket, bytes address) noexcept:
    """Unbind a socket, and tell whether that was possible."""
    while zmq_unbind(socket, address) != 0:
        if zmq_errno() != EINTR:
            return False
    return True


cdef int forget_places(void *handle, bint unbinds=False) except -1:
    """A socket was closed; or it is about to be, and gives its addresses of inproc up before the reaper comes."""
    forget_early(handle, unbinds)
    for where in bound_at.pop(<size_t> handle, ()):
        del bound[where]
        if not unbinds or not gives_up(handle, where[1]):
            note_left(where)
    return 0


cdef int was_bound(void *socket, Context context, bytes address) except -1:
    """A socket was bound to this address of inproc."""
    where = place(context.handle, address)
    pop_early(where)
    left.pop(where, None)
    # Who is known to be there may have been closed by others, in C.
    bound_at.get(bound.get(where), set()).discard(where)
    bound[where] = <size_t> socket
    bound_at.setdefault(<size_t> socket, set()).add(where)
    return 0


cdef int has_left(void *socket, Context context, bytes address) except -1:
    """A socket is neither bound nor connected to this address of inproc any more."""
    where = place(context.handle, address)
    if bound.get(where) == <size_t> socket:
        del bound[where]
        bound_at[<size_t> socket].remove(where)
        if not bound_at[<size_t> socket]:
            del bound_at[<size_t> socket]
    elif early_at.get(<size_t> socket) == where:
        forget_early(socket, True)
    return 0


cdef int vacate(void *context, bytes address) except -1:
    """Be bound there for a moment, so that nobody is early any more. Returns 0 or an error code: somebody is there."""
    cdef int err = 0
    cdef void *socket = zmq_socket(context, ZMQ_PAIR)
    if socket == NULL:
        return zmq_errno()
    if zmq_bind(socket, address) != 0:
        err = zmq_errno()
    else:
        zmq_unbind(socket, address)
    zmq_close(socket)
    return err


cdef int forget(Monitor monitor) except -1:
    """It was stopped."""
    if by_socket.get(<size_t> monitor.socket) is monitor:
        del by_socket[<size_t> monitor.socket]
    if by_reader.get(<size_t> monitor.reader) is monitor:
        del by_reader[<size_t> monitor.reader]
    where = place(monitor.context, monitor.address)
    if by_address.get(where) is monitor:
        del by_address[where]
        note_left(where)
    return 0


cdef void *connect_spare(Monitor monitor) noexcept:
    """Connect a reader where none is known; one too many does no harm. Returns NULL where there can be none."""
    cdef int none = 0
    cdef void *spare = NULL
    if monitor.context != NULL:
        spare = zmq_socket(monitor.context, ZMQ_PAIR)
    if spare != NULL:
        zmq_setsockopt(spare, ZMQ_RCVHWM, &none, sizeof(int))
        zmq_setsockopt(spare, ZMQ_LINGER, &none, sizeof(int))
        zmq_connect(spare, monitor.address)
    return spare


cdef int start_monitor(void *socket, Context context, bytes address, int events, void *reader, bint ours) except -1:
    """Monitor a socket, with a PAIR to connect as its reader, or NULL. Returns 0 or an error code of libzmq.

    One that is `ours` gives way to the next.
    """
    cdef Monitor before = by_socket.get(<size_t> socket)
    cdef Monitor monitor = Monitor.__new__(Monitor)
    cdef int err
    monitor.socket = socket
    monitor.ours = ours
    monitor.context = NULL if context is None else context.handle
    monitor.address = address
    where = place(monitor.context, address)
    if early.get(where) == 0:
        err = vacate(monitor.context, address)
        if err == EMFILE:
            return err
        pop_early(where)
    elif reader != NULL and where in early:
        # That one would be told, and not the reader.
        return EADDRINUSE
    if before is not None and before.reader == NULL:
        err = stop_monitor(socket)
        if err:
            return err
        before = None
    if zmq_socket_monitor(socket, address, events) != 0:
        err = zmq_errno()
        if before is not None and err in (EADDRINUSE, EMFILE):
            # libzmq stopped that one before it found out.
            forget(before)
        if err == EADDRINUSE:
            # Somebody is there whom we do not know, and so no PAIR is early.
            pop_early(where)
        return err
    if reader != NULL and zmq_connect(reader, address) != 0:
        # Only while the context ends, which also ends all waits.
        err = zmq_errno()
        zmq_socket_monitor(socket, NULL, 0)
        return err
    if before is not None:
        forget(before)
    if reader == NULL:
        by_address[where] = monitor
        monitor.reader = pop_early(where)
    else:
        monitor.reader = reader
    by_socket[<size_t> socket] = monitor
    if monitor.reader != NULL and not ours:
        by_reader[<size_t> monitor.reader] = monitor
    return 0


cdef int stop_monitor(void *socket) except -1:
    """Stop the monitor of a socket, if there is one. Returns 0 or an error code of libzmq."""
    cdef Monitor monitor = by_socket.get(<size_t> socket)
    cdef void *spare = NULL
    cdef int err
    if monitor is not None and monitor.reader == NULL:
        spare = connect_spare(monitor)
        if spare == NULL and zmq_errno() == EMFILE:
            return EMFILE
    with nogil:
        err = 0 if zmq_socket_monitor(socket, NULL, 0) == 0 else zmq_errno()
    if spare != NULL:
        zmq_close(spare)
    if err == 0 and monitor is not None:
        forget(monitor)
    return err


cdef bint is_monitored(void *socket) except -1:
    """Tell whether a program monitors the socket."""
    cdef Monitor monitor = by_socket.get(<size_t> socket)
    return monitor is not None and not monitor.ours


cdef bint is_ours(void *socket) except -1:
    """Tell whether the monitor of a socket only counts peers."""
    cdef Monitor monitor = by_socket.get(<size_t> socket)
    return monitor is not None and monitor.ours


cdef bint lacks_reader(void *socket) except -1:
    """Tell whether an event of the socket would wait for a reader."""
    cdef Monitor monitor = by_socket.get(<size_t> socket) if by_socket else None
    return monitor is not None and monitor.reader == NULL


cdef bint is_left(Context context, bytes address) except -1:
    """Tell whether somebody is still at an address who is to be gone, to whom nobody should connect any more."""
    where = place(context.handle, address)
    cdef Monitor monitor = by_address.get(where)
    if where not in left and early.get(where) != 0 and (monitor is None or monitor.socket != NULL):
        return False
    if vacate(context.handle, address) != 0:
        return True
    for known in (left, early, by_address):
        known.pop(where, None)
    return False


cdef bint begin_reading(void *pair, Context context, bytes address) except -1:
    """A PAIR is about to connect to this address: give it no high-water mark if a monitor there has no reader."""
    where = place(context.handle, address)
    cdef Monitor monitor = by_address.get(where)
    cdef int none = 0
    if monitor is not None and monitor.reader == NULL:
        zmq_setsockopt(pair, ZMQ_RCVHWM, &none, sizeof(int))
        return True
    return False


cdef int connected(void *pair, Context context, bytes address) except -1:
    """A PAIR has connected to this address of inproc."""
    where = place(context.handle, address)
    cdef Monitor monitor = by_address.get(where)
    if <size_t> pair in early_at:
        # It has a peer, and libzmq drops this one.
        return 0
    if monitor is not None:
        if monitor.reader == NULL:
            monitor.reader = pair
            by_reader[<size_t> pair] = monitor
    elif where not in bound and where not in left and where not in early:
        early[where] = <size_t> pair
        early_at[<size_t> pair] = where
    return 0


cdef int forget_handle(void *handle) except -1:
    """A socket was made at this address: whatever was known of an earlier one there is over."""
    cdef Monitor monitor
    forget_places(handle)
    for known in (by_socket, by_reader):
        monitor = known.get(<size_t> handle)
        if monitor is not None:
            forget(monitor)
    return 0


cdef int stop_for(void *reader, Monitor monitor) except -1:
    """A reader is about to leave: stop his monitor."""
    cdef int limit = 0
    cdef size_t size = sizeof(int)
    if zmq_getsockopt(reader, ZMQ_RCVHWM, &limit, &size) != 0 or limit:
        # Whoever waits until there is room has the mutex.
        drain(reader)
    zmq_socket_monitor(monitor.socket, NULL, 0)
    forget(monitor)
    return 0


cdef bint disconnected(void *pair, bytes address) except -1:
    """Disconnect a PAIR if it is connected to a monitor, which is stopped then; tell whether it is."""
    cdef Monitor monitor = by_reader.get(<size_t> pair)
    if monitor is None or monitor.address != address:
        return False
    if monitor.socket != NULL:
        stop_for(pair, monitor)
        zmq_disconnect(pair, address)
    # Else libzmq will do so when it has told the rest.
    return True


cdef bint part(void *handle) except -1:
    """Before a socket is closed: tell whether libzmq may write to it on."""
    cdef Monitor monitor = by_socket.get(<size_t> handle)
    cdef void *spare
    if monitor is not None:
        if monitor.reader == NULL:
            spare = connect_spare(monitor)
            if spare != NULL and bid_farewell(spare) != 0:
                zmq_close(spare)
            forget(monitor)
        else:
            # What it still has to tell is told to the reader.
            del by_socket[<size_t> handle]
        monitor.socket = NULL
    forget_places(handle, True)
    monitor = by_reader.get(<size_t> handle)
    if monitor is None:
        return False
    if monitor.socket == NULL:
        forget(monitor)
        return drain(handle)
    stop_for(handle, monitor)
    return False


cdef int close_handle(void *handle) noexcept:
    """zmq_close, after monitors that write to the socket were stopped. Returns 0 or an error code."""
    global closed_at
    cdef bint reads_on = False
    closed_at = monotonic()
    if by_socket or by_reader or early_at or bound_at:
        try:
            reads_on = part(handle)
        except MemoryError:
            # It was told; only what is known of it is left, until the next socket is made here.
            pass
    if reads_on and bid_farewell(handle) == 0:
        return 0
    return 0 if zmq_close(handle) == 0 else zmq_errno()


trampoline.closer = close_handle
