"""`proxy`, `proxy_steerable`, `device`: messages relayed between two sockets until the context ends.

Lives here: the loop that moves messages, in C, without the GIL, and how a greenlet waits for it. What must not: threads
and processes that run devices by themselves (`zmq.devices`). Called by users.

The loop
--------
It does what zmq_proxy(3) does, by our own attempts (`zmq.core.transfer`), because libzmq's loop cannot be stopped but
by ending its context or by a message, ends the process on a command that it does not know, spins while one side is full
and loses the message in hand when a signal interrupts it.

A message is taken from one side only when the other, and the capture socket, say that they have room. Should they lie
(see "When POLLOUT lies" in `zmq.core.trampoline`) it is held, in that direction alone, and tried again.

Sockets are not thread-safe. While a proxy of green sockets runs, its sockets belong to a native thread of the proxy,
and the greenlet that called parks until that has ended. What is thrown into the greenlet stops the thread first.
"""

import os

from cpython.exc cimport PyErr_CheckSignals
from libc.errno cimport EAGAIN, EHOSTUNREACH, EINTR, ENOMEM
from libc.stdint cimport uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcmp, memset
from posix.unistd cimport close, write

from zmq.core cimport wait
from zmq.core.check cimport raise_errno
from zmq.core.hub cimport Hub
from zmq.core.libzmq cimport (
    ZMQ_DONTWAIT,
    ZMQ_EVENTS,
    ZMQ_POLLIN,
    ZMQ_POLLOUT,
    ZMQ_REP,
    ZMQ_SNDMORE,
    ZMQ_TYPE,
    zmq_errno,
    zmq_getsockopt,
    zmq_msg_data,
    zmq_msg_send,
    zmq_msg_size,
    zmq_poll,
    zmq_pollitem_t,
    zmq_send,
)
from zmq.core.socket cimport Socket
from zmq.core.trampoline cimport wait_readable
from zmq.core.transfer cimport Incoming, Outgoing, Part, discard, expect, prepare_all, release, try_recv, try_send

from zmq.core.constants import DeviceType

cdef extern from "<pthread.h>" nogil:
    ctypedef struct pthread_t:
        pass
    int pthread_create(pthread_t *thread, void *attributes, void *(*run)(void *) noexcept nogil, void *argument)
    int pthread_join(pthread_t thread, void **result)

cdef enum:
    BURST = 100         # messages that one direction moves before the other has its turn
    ROUNDS = 256        # turns between two looks at signals
    FIRST_RETRY = 1     # milliseconds until a message that met EAGAIN though there was room is tried again
    LAST_RETRY = 128

    # How the loop ended, besides an error code of libzmq.
    STOPPED = -1
    BAD_COMMAND = -2


cdef struct Counts:
    uint64_t messages
    uint64_t bytes


cdef struct Direction:
    void *source
    void *target
    Incoming message    # the message in hand
    bint captured       # the capture socket has it already
    int retry           # milliseconds; 0 while POLLOUT may be trusted
    Counts counts


cdef struct Relay:
    Direction directions[2]     # from the front end to the back end, and back
    int ways                    # 1 when both ends are the same socket
    void *capture
    void *control
    int stop                    # a descriptor that becomes readable when the loop must end, or -1
    int done                    # one that is closed when the loop has ended, or -1
    bint paused
    bint interruptible          # whether the loop ends with EINTR now and then, so that the caller can look at signals
    int result


cdef inline int events_of(void *socket) noexcept nogil:
    """Read EVENTS; 0 on an error, which the next attempt will meet."""
    cdef int events = 0
    cdef size_t size = sizeof(int)
    while zmq_getsockopt(socket, ZMQ_EVENTS, &events, &size) != 0:
        if zmq_errno() != EINTR:
            return ZMQ_POLLIN | ZMQ_POLLOUT
    return events


cdef int pass_on(Incoming *message, void *target) noexcept nogil:
    """Send the message in hand whole, and keep it. Returns 0 or an error code."""
    cdef Part few[4]
    cdef Part *parts = few
    cdef Outgoing out
    cdef size_t i
    cdef int err
    if message.count > 4:
        parts = <Part *> malloc(message.count * sizeof(Part))
        if parts == NULL:
            return ENOMEM
    for i in range(message.count):
        parts[i].source = &message.frames[i]
        parts[i].held = False
    out.parts = parts
    out.count = out.ready = message.count
    out.more = 0
    out.drops = True
    err = prepare_all(&out, message.count)
    if not err:
        err = try_send(target, &out, ZMQ_DONTWAIT)
    if err:
        discard(&out)
    if parts != few:
        free(parts)
    return err


cdef int send_in_hand(Direction *way, void *capture) noexcept nogil:
    """Send the message in hand to the capture socket, then on. Returns 0 when nothing is in hand any more."""
    cdef size_t i, size = 0
    cdef int err
    if capture != NULL and not way.captured:
        err = pass_on(&way.message, capture)
        if err:
            return err
        way.captured = True
    for i in range(way.message.count):
        size += zmq_msg_size(&way.message.frames[i])
    if way.message.count == 1:
        # What cannot be sent stays as it is.
        err = EINTR
        while err == EINTR:
            err = 0 if zmq_msg_send(&way.message.frames[0], way.target, ZMQ_DONTWAIT) >= 0 else zmq_errno()
        if err == 0:
            way.message.count = 0
    else:
        err = pass_on(&way.message, way.target)
    if err == EAGAIN:
        return err
    way.captured = False
    way.retry = 0
    release(&way.message)
    if err == EHOSTUNREACH:
        # Nobody can be reached by that name any more: only this message is lost, as in libzmq's loop.
        return 0
    if err == 0:
        way.counts.messages += 1
        way.counts.bytes += size
    return err


cdef int move(Direction *way, void *capture) noexcept nogil:
    """Move a burst of messages. Returns 0, also when there is nothing to do, or an error code."""
    cdef int _, err
    if way.message.count == 0 and not events_of(way.source) & ZMQ_POLLIN:
        return 0
    for _ in range(BURST):
        if way.message.count == 0:
            if not events_of(way.target) & ZMQ_POLLOUT:
                return 0
            if capture != NULL and not events_of(capture) & ZMQ_POLLOUT:
                return 0
            expect(&way.message, True)
            err = try_recv(way.source, &way.message, ZMQ_DONTWAIT)
            if err:
                return 0 if err == EAGAIN else err
        err = send_in_hand(way, capture)
        if err:
            return 0 if err == EAGAIN else err
    return 0


cdef int await_work(Relay *relay) noexcept nogil:
    """Wait until a direction may go on, a command came or the loop must end. Returns 0 or an error code."""
    cdef zmq_pollitem_t items[5]
    cdef int i, way, timeout = -1
    cdef void *blocked
    cdef Direction *direction
    memset(items, 0, sizeof(items))
    items[0].socket = relay.directions[0].source
    items[1].socket = relay.directions[0].target
    items[2].socket = relay.capture
    items[3].socket = relay.control
    items[4].fd = relay.stop
    items[4].events = ZMQ_POLLIN
    items[3].events = ZMQ_POLLIN
    for way in range(0 if relay.paused else relay.ways):
        direction = &relay.directions[way]
        blocked = NULL
        if relay.capture != NULL and not direction.captured and not events_of(relay.capture) & ZMQ_POLLOUT:
            blocked = relay.capture
        elif not events_of(direction.target) & ZMQ_POLLOUT:
            blocked = direction.target
        elif direction.message.count:
            direction.retry = min(2 * direction.retry, LAST_RETRY) if direction.retry else FIRST_RETRY
            timeout = direction.retry if timeout < 0 else min(timeout, direction.retry)
            continue
        for i in range(3):
            if items[i].socket != NULL:
                if blocked == NULL and items[i].socket == direction.source:
                    items[i].events |= ZMQ_POLLIN
                elif blocked != NULL and items[i].socket == blocked:
                    items[i].events |= ZMQ_POLLOUT
    # zmq_poll takes an item without a socket for a descriptor.
    cdef zmq_pollitem_t wanted[5]
    cdef int count = 0
    for i in range(5):
        if items[i].events and (items[i].socket != NULL or (i == 4 and relay.stop >= 0)):
            wanted[count] = items[i]
            count += 1
    if zmq_poll(wanted, count, timeout) < 0:
        return zmq_errno()
    if relay.stop >= 0 and wanted[count - 1].revents:
        return STOPPED
    return 0


cdef int answer(void *control, Relay *relay, bint statistics) noexcept nogil:
    """Answer a command. Returns 0 or an error code."""
    cdef uint64_t numbers[8]
    cdef int i, control_type = 0
    cdef size_t size = sizeof(int)
    if not statistics:
        if zmq_getsockopt(control, ZMQ_TYPE, &control_type, &size) == 0 and control_type == ZMQ_REP:
            zmq_send(control, NULL, 0, ZMQ_DONTWAIT)
        return 0
    cdef Counts *forth = &relay.directions[0].counts
    cdef Counts *back = &relay.directions[relay.ways - 1].counts
    numbers[0] = numbers[6] = forth.messages
    numbers[1] = numbers[7] = forth.bytes
    numbers[2] = numbers[4] = back.messages
    numbers[3] = numbers[5] = back.bytes
    for i in range(8):
        if zmq_send(control, &numbers[i], sizeof(uint64_t), ZMQ_DONTWAIT | (ZMQ_SNDMORE if i < 7 else 0)) < 0:
            # Nobody reads the answers.
            return 0 if zmq_errno() == EAGAIN else zmq_errno()
    return 0


cdef inline bint says(Incoming *message, const char *word, size_t size) noexcept nogil:
    return (
        message.count == 1
        and zmq_msg_size(&message.frames[0]) == size
        and memcmp(zmq_msg_data(&message.frames[0]), word, size) == 0
    )


cdef int obey(Relay *relay) noexcept nogil:
    """Carry out what the control socket says. Returns 0, STOPPED, BAD_COMMAND or an error code."""
    cdef Incoming command
    cdef int err
    expect(&command, True)
    err = try_recv(relay.control, &command, ZMQ_DONTWAIT)
    if err:
        return 0 if err == EAGAIN else err
    if says(&command, b"PAUSE", 5):
        relay.paused = True
    elif says(&command, b"RESUME", 6):
        relay.paused = False
    elif says(&command, b"TERMINATE", 9):
        err = STOPPED
    elif says(&command, b"STATISTICS", 10):
        release(&command)
        return answer(relay.control, relay, True)
    else:
        err = BAD_COMMAND
    release(&command)
    answer(relay.control, relay, False)
    return err


cdef int run(Relay *relay) noexcept nogil:
    """Move messages until something ends it. Returns what did."""
    cdef int way, err, rounds = 0
    while True:
        rounds += 1
        if rounds == ROUNDS and relay.interruptible:
            return EINTR
        for way in range(0 if relay.paused else relay.ways):
            err = move(&relay.directions[way], relay.capture)
            if err:
                return err
        err = await_work(relay)
        if err == EINTR and not relay.interruptible:
            continue
        if err:
            return err
        if relay.control != NULL:
            err = obey(relay)
            if err:
                return err


cdef void *run_in_thread(void *argument) noexcept nogil:
    cdef Relay *relay = <Relay *> argument
    relay.result = run(relay)
    close(relay.done)
    return NULL


cdef int in_this_thread(Relay *relay, list sockets) except -1:
    """Run the loop here; a signal's handler runs meanwhile, and may raise."""
    relay.interruptible = True
    wait.block(sockets)
    try:
        while True:
            with nogil:
                relay.result = run(relay)
            if relay.result != EINTR:
                return 0
            PyErr_CheckSignals()
    finally:
        wait.unblock()


cdef int in_native_thread(Relay *relay, list sockets, Hub hub) except -1:
    """Run the loop in a thread of its own while this greenlet is parked."""
    cdef pthread_t thread
    cdef int err
    stop, stopper = os.pipe()
    try:
        done, ender = os.pipe()
    except BaseException:
        os.close(stop)
        os.close(stopper)
        raise
    relay.stop = stop
    relay.done = ender
    err = pthread_create(&thread, NULL, run_in_thread, relay)
    if err:
        for fd in (stop, stopper, done, ender):
            os.close(fd)
        raise_errno(err)
    cdef int stopper_fd = stopper
    try:
        wait_readable(hub, done, -1, sockets)
    finally:
        # It hears of this before it moves another burst.
        with nogil:
            write(stopper_fd, b"x", 1)
            pthread_join(thread, NULL)
        for fd in (stop, stopper, done):
            os.close(fd)
    return 0


cdef relay_between(Socket frontend, Socket backend, Socket capture, Socket control):
    # On the heap: the stack of a greenlet that is parked is not where it was.
    cdef Relay *relay = <Relay *> malloc(sizeof(Relay))
    if relay == NULL:
        raise MemoryError()
    try:
        fill(relay, frontend, backend, capture, control)
        get_hub = frontend.get_hub
        if get_hub is None:
            in_this_thread(relay, [frontend, backend])
        else:
            in_native_thread(relay, [frontend, backend], get_hub())
        result = relay.result
    finally:
        release(&relay.directions[0].message)
        release(&relay.directions[1].message)
        free(relay)
        for socket in (frontend, backend, capture, control):
            if socket is not None and not socket.closed:
                (<Socket> socket).operated()
    if result == BAD_COMMAND:
        raise ValueError("a steerable proxy knows PAUSE, RESUME, TERMINATE and STATISTICS")
    if result != STOPPED:
        raise_errno(result)


cdef int fill(Relay *relay, Socket frontend, Socket backend, Socket capture, Socket control) except -1:
    memset(relay, 0, sizeof(Relay))
    expect(&relay.directions[0].message, True)
    expect(&relay.directions[1].message, True)
    relay.stop = relay.done = -1
    relay.directions[0].source = relay.directions[1].target = frontend.handle
    relay.directions[0].target = relay.directions[1].source = backend.handle
    relay.ways = 1 if frontend.handle == backend.handle else 2
    frontend.usable()
    backend.usable()
    if capture is not None:
        capture.usable()
        relay.capture = capture.handle
    if control is not None:
        control.usable()
        relay.control = control.handle
    return 0


def proxy(Socket frontend not None, Socket backend not None, Socket capture=None):
    """Relay messages between two sockets, both ways, until the context is terminated.

    With green sockets only the calling greenlet waits: the messages are moved by a native thread, which ends when
    something is thrown into the greenlet. Nobody else may use the sockets meanwhile.

    Parameters
    ----------
    frontend, backend : Socket
        The two ends; the same socket to send what it receives back through itself.
    capture : Socket, optional
        Gets a copy of every message: a PUB, DEALER, PUSH or PAIR.

    Raises
    ------
    ContextTerminated
        The context was terminated: how a proxy usually ends.
    ZMQError
        ENOTSOCK: a socket is closed.

    Notes
    -----
    A message that a ROUTER with ROUTER_MANDATORY cannot deliver is dropped. Source: zmq_proxy(3).
    """
    relay_between(frontend, backend, capture, None)


def proxy_steerable(Socket frontend not None, Socket backend not None, Socket capture=None, Socket control=None):
    """Relay messages as `proxy` does, under the control of another socket.

    Parameters
    ----------
    frontend, backend, capture : Socket
        As in `proxy`.
    control : Socket, optional
        A PAIR, PULL, SUB or REP that receives ``b"PAUSE"``, ``b"RESUME"``, ``b"TERMINATE"``, upon which the call
        returns, and ``b"STATISTICS"``, which is answered with 8 frames of an unsigned 64-bit integer each, in the
        machine's byte order: messages and bytes received from the front end, messages and bytes sent to it, and the
        same for the back end. A REP gets an empty answer to the other commands.

    Raises
    ------
    ValueError
        Another command came.
    ContextTerminated, ZMQError
        As in `proxy`.

    Notes
    -----
    Source: zmq_proxy_steerable(3).
    """
    relay_between(frontend, backend, capture, control)


def device(int device_type, Socket frontend not None, Socket backend=None):
    """Relay messages between two sockets, as `proxy` does.

    Parameters
    ----------
    device_type : int
        A `zmq.DeviceType`: QUEUE, FORWARDER or STREAMER. It says what the device is for; all three work the same way.
    frontend : Socket
    backend : Socket, optional
        The same as `frontend` when left out.

    Raises
    ------
    ValueError
        There is no such type.
    ContextTerminated, ZMQError
        As in `proxy`.
    """
    DeviceType(device_type)
    relay_between(frontend, frontend if backend is None else backend, None, None)
