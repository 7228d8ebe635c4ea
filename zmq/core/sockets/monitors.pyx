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
"""

import os

from libc.errno cimport EADDRINUSE, EMFILE

from zmq.core.waiting cimport trampoline
from zmq.core.context cimport Context
from zmq.core.libzmq cimport (
    ZMQ_LINGER,
    ZMQ_PAIR,
    ZMQ_RCVHWM,
    zmq_close,
    zmq_connect,
    zmq_disconnect,
    zmq_errno,
    zmq_getsockopt,
    zmq_setsockopt,
    zmq_socket,
    zmq_socket_monitor,
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
# PAIRs that are connected to an inproc address: the latest by context and address, and the other way round.
cdef dict pairs = {}
cdef dict places = {}

# When a socket was closed last, seconds.
cdef double closed_at = 0


def closed_lately():
    """Tell whether a socket was closed within the last second."""
    return monotonic() - closed_at < 1


def _forked():
    for known in (by_socket, by_reader, by_address, pairs, places):
        known.clear()


os.register_at_fork(after_in_child=_forked)


cdef tuple place(void *context, bytes address):
    return <size_t> context, address


cdef int forget_place(void *pair) except -1:
    where = places.pop(<size_t> pair, None)
    if where is not None and pairs.get(where) == <size_t> pair:
        del pairs[where]
    return 0


cdef int forget(Monitor monitor) except -1:
    """It was stopped."""
    if by_socket.get(<size_t> monitor.socket) is monitor:
        del by_socket[<size_t> monitor.socket]
    if by_reader.get(<size_t> monitor.reader) is monitor:
        del by_reader[<size_t> monitor.reader]
        forget_place(monitor.reader)
    where = place(monitor.context, monitor.address)
    if by_address.get(where) is monitor:
        del by_address[where]
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
        monitor.reader = <void *> <size_t> pairs.get(where, 0)
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


cdef bint begin_reading(void *pair, Context context, bytes address) except -1:
    """A PAIR is about to connect to this address: give it no high-water mark if a monitor there has no reader."""
    cdef Monitor monitor = by_address.get(place(context.handle, address)) if by_address else None
    cdef int none = 0
    if monitor is not None and monitor.reader == NULL:
        zmq_setsockopt(pair, ZMQ_RCVHWM, &none, sizeof(int))
        return True
    return False


cdef int connected(void *pair, Context context, bytes address) except -1:
    """A PAIR has connected to this address of inproc."""
    cdef Monitor monitor
    where = place(context.handle, address)
    pairs[where] = <size_t> pair
    places[<size_t> pair] = where
    monitor = by_address.get(where)
    if monitor is not None and monitor.reader == NULL:
        monitor.reader = pair
        by_reader[<size_t> pair] = monitor
    return 0


cdef int forget_handle(void *handle) except -1:
    """A socket was made at this address: whatever was known of an earlier one there is over."""
    cdef Monitor monitor
    forget_place(handle)
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
    forget_place(handle)
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
    if by_socket or by_reader or places:
        try:
            reads_on = part(handle)
        except MemoryError:
            # It was told; only what is known of it is left, until the next socket is made here.
            pass
    if reads_on and bid_farewell(handle) == 0:
        return 0
    return 0 if zmq_close(handle) == 0 else zmq_errno()


trampoline.closer = close_handle
