"""`proxy`, `proxy_steerable`, `monitored_queue`, `device`: messages relayed between two sockets.

Lives here: the loop that moves messages, in C, without the GIL, and how a greenlet waits for it. What must not: threads
and processes that run devices by themselves (`zmq.devices`). Called by users.

The loop
--------
It does what zmq_proxy(3) does, by our own attempts (`zmq.core.messages.transfer`), because libzmq's loop cannot be
stopped but by ending its context or by a message, ends the process on a command that it does not know, spins while one
side is full and loses the message in hand when a signal interrupts it.

A burst of messages is taken from one side only when the other, and the capture socket, say that they have room. What
finds no room after all, because the burst has filled them or because they lied (see "When POLLOUT lies" in
`zmq.core.waiting.trampoline`), is held, in that direction alone, and tried again.

Whose the sockets are
---------------------
Sockets are not thread-safe, and the loop runs without the GIL: in the calling thread, or, where the sockets are green,
in a native thread while the caller is parked. So as long as it runs the sockets belong to it. Any other call on them
gets EBUSY, at no cost to sockets that have no owner: `Socket.born`, which every call looks at, has a value of its own
then. Whoever closes one, or throws something into the caller, stops the loop first; it hears of that after a burst of
messages.

Shadows of a socket belong to the loop as well. Both the loop and whoever ends it write to pipes, and close nothing to
tell each other: the child of a fork has copies of their ends, which it may keep open for long.

A message that is held when the loop is stopped is returned to the socket it came from (`zmq.core.messages.returned`):
it is the next that is received there, by a loop or by anybody else.
"""

import os

from cpython.exc cimport PyErr_CheckSignals
from libc.errno cimport EAGAIN, EBUSY, EHOSTUNREACH, EINTR, EINVAL, ENOMEM
from libc.stdint cimport uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcmp, memset
from posix.unistd cimport close, write

from zmq.core.waiting cimport wait
from zmq.core.check cimport raise_errno
from zmq.core.messages.returned cimport Delivery, return_message, try_returned
from zmq.core.waiting.hub cimport Hub
from zmq.core.libzmq cimport (
    ENOTSOCK,
    ENOTSUP,
    ETERM,
    ZMQ_DONTWAIT,
    ZMQ_EVENTS,
    ZMQ_POLLIN,
    ZMQ_POLLOUT,
    ZMQ_PUB,
    ZMQ_PULL,
    ZMQ_PUSH,
    ZMQ_REP,
    ZMQ_ROUTER,
    ZMQ_SNDMORE,
    ZMQ_SUB,
    ZMQ_TYPE,
    zmq_errno,
    zmq_getsockopt,
    zmq_msg_close,
    zmq_msg_data,
    zmq_msg_init,
    zmq_msg_move,
    zmq_msg_send,
    zmq_msg_size,
    zmq_msg_t,
    zmq_poll,
    zmq_pollitem_t,
    zmq_send,
)
from zmq.core.socket cimport Socket, sockets_at
from zmq.core.waiting.trampoline cimport Trampoline, wait_readable
from zmq.core.waiting.wait cimport Owner
from zmq.core.messages.transfer cimport (
    Incoming,
    Outgoing,
    Part,
    discard,
    expect,
    prepare_all,
    release,
    try_recv,
    try_send,
)

from zmq.core.constants import DeviceType, Errno, SocketType
from zmq.core.error import ZMQError

cdef extern from "<pthread.h>" nogil:
    ctypedef struct pthread_t:
        pass
    int pthread_create(pthread_t *thread, void *attributes, void *(*run)(void *) noexcept nogil, void *argument)
    int pthread_detach(pthread_t thread)

cdef extern from "<signal.h>" nogil:
    enum:
        SIG_SETMASK
    ctypedef struct sigset_t:
        pass
    int sigfillset(sigset_t *signals)
    int pthread_sigmask(int how, const sigset_t *signals, sigset_t *before)

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
    bint swaps          # between two ROUTERs: the first frame says who sent it, the second who gets it
    const char *prefix  # a first frame for the capture socket, or NULL
    size_t prefix_size
    int retry           # milliseconds; 0 while POLLOUT may be trusted
    Counts counts


cdef struct Relay:
    Direction directions[2]     # from the front end to the back end, and back
    int ways                    # 1 when both ends are the same socket
    void *capture
    void *control
    int stop                    # a descriptor that becomes readable when the loop must end, or -1
    int done                    # one to write to when the loop has ended
    bint paused
    bint interruptible          # whether the loop ends with EINTR now and then, so that the caller can look at signals
    int result


cdef inline int events_of(void *socket) noexcept nogil:
    """Read EVENTS; -1, which has all of them, on an error."""
    cdef int events = 0
    cdef size_t size = sizeof(int)
    while zmq_getsockopt(socket, ZMQ_EVENTS, &events, &size) != 0:
        if zmq_errno() != EINTR:
            return -1
    return events


cdef inline int find_room(void *socket) noexcept nogil:
    """Return 0 when a message can be sent, EAGAIN when not, or an error code, such as that its context has ended."""
    cdef int events = events_of(socket)
    if events < 0:
        return zmq_errno()
    return 0 if events & ZMQ_POLLOUT else EAGAIN


cdef int pass_on(Incoming *message, void *target, const char *prefix, size_t prefix_size) noexcept nogil:
    """Send the message in hand whole, after a prefix that may be NULL, and keep it. Returns 0 or an error code."""
    cdef Part few[5]
    cdef Part *parts = few
    cdef Outgoing out
    cdef size_t i
    cdef size_t before = 1 if prefix != NULL else 0
    cdef int err
    if message.count + before > 5:
        parts = <Part *> malloc((message.count + before) * sizeof(Part))
        if parts == NULL:
            return ENOMEM
    if prefix != NULL:
        parts[0].source = NULL
        parts[0].data = prefix
        parts[0].size = prefix_size
    for i in range(message.count):
        parts[before + i].source = &message.frames[i]
    out.parts = parts
    out.count = out.ready = message.count + before
    out.more = 0
    out.drops = True
    # Nobody but this loop has the messages.
    out.shares = False
    err = prepare_all(&out, out.count)
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
        err = pass_on(&way.message, capture, way.prefix, way.prefix_size)
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
        err = pass_on(&way.message, way.target, NULL, 0)
    if err in (EAGAIN, ETERM, ENOTSOCK):
        # It can still go somewhere else.
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


cdef void swap(zmq_msg_t *one, zmq_msg_t *other) noexcept nogil:
    cdef zmq_msg_t between
    zmq_msg_init(&between)
    zmq_msg_move(&between, one)
    zmq_msg_move(one, other)
    zmq_msg_move(other, &between)
    zmq_msg_close(&between)


cdef int move(Direction *way, void *capture) noexcept nogil:
    """Move a burst of messages. Returns 0, also when there is nothing to do, or an error code."""
    cdef int i, err
    if way.message.count == 0 and not events_of(way.source) & ZMQ_POLLIN:
        return 0
    for i in range(BURST):
        if way.message.count == 0:
            # Once a burst, for EVENTS costs a system call. What then finds no room after all stays in hand until there
            # is some. One socket for both may be able to send only once it has received, as a REP is.
            if i == 0:
                err = 0 if way.target == way.source else find_room(way.target)
                if not err and capture != NULL:
                    err = find_room(capture)
                if err:
                    return 0 if err == EAGAIN else err
            expect(&way.message, True)
            err = try_recv(way.source, &way.message, ZMQ_DONTWAIT)
            if err:
                return 0 if err == EAGAIN else err
            if way.swaps and way.message.count > 1:
                swap(&way.message.frames[0], &way.message.frames[1])
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
        elif (
            (direction.message.count or direction.target != direction.source)
            and not events_of(direction.target) & ZMQ_POLLOUT
        ):
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


cdef inline int say(void *socket, const void *data, size_t size, int flags) noexcept nogil:
    while zmq_send(socket, data, size, flags | ZMQ_DONTWAIT) < 0:
        if zmq_errno() != EINTR:
            return zmq_errno()
    return 0


cdef int answer(void *control, Relay *relay, bint statistics) noexcept nogil:
    """Answer a command. Returns 0 or an error code."""
    cdef uint64_t numbers[8]
    cdef int i, err, control_type = 0
    cdef size_t size = sizeof(int)
    if not statistics:
        if zmq_getsockopt(control, ZMQ_TYPE, &control_type, &size) == 0 and control_type == ZMQ_REP:
            return say(control, NULL, 0, 0)
        return 0
    cdef Counts *forth = &relay.directions[0].counts
    cdef Counts *back = &relay.directions[relay.ways - 1].counts
    numbers[0] = numbers[6] = forth.messages
    numbers[1] = numbers[7] = forth.bytes
    numbers[2] = numbers[4] = back.messages
    numbers[3] = numbers[5] = back.bytes
    for i in range(8):
        err = say(control, &numbers[i], sizeof(uint64_t), ZMQ_SNDMORE if i < 7 else 0)
        if err:
            # Nobody reads the answers, or the control socket only receives.
            return 0 if err in (EAGAIN, ENOTSUP) else err
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
    cdef int done = relay.done
    relay.result = run(relay)
    # From here on the structure may be gone.
    write(done, b"x", 1)
    return NULL


cdef class Running(Owner):
    """A loop that runs, and the sockets that belong to it meanwhile."""

    cdef Relay relay
    cdef Trampoline front, back     # of the two ends
    cdef list sockets           # all of them, and their shadows
    cdef object prefixes
    cdef int stopper            # makes `relay.stop` readable
    cdef int ended              # becomes readable when the loop has ended
    cdef bint looping           # in a thread, without the GIL
    cdef bint over              # the sockets were given back
    cdef bint robbed            # because one of them is being closed

    def __cinit__(self):
        memset(&self.relay, 0, sizeof(Relay))
        expect(&self.relay.directions[0].message, True)
        expect(&self.relay.directions[1].message, True)
        self.relay.stop = self.relay.done = self.stopper = self.ended = -1
        self.sockets = []
        self.over = True
        self.relay.stop, self.stopper = os.pipe()
        self.ended, self.relay.done = os.pipe()

    def __dealloc__(self):
        cdef int fd
        if self.born == wait.generation:
            # In the child of a fork a loop may have been in the middle of them.
            release(&self.relay.directions[0].message)
            release(&self.relay.directions[1].message)
        for fd in (self.relay.stop, self.stopper, self.ended, self.relay.done):
            if fd >= 0:
                close(fd)

    cdef int take(self, Socket frontend, Socket backend, Socket capture, Socket control) except -1:
        """Have the sockets for the loop alone."""
        cdef Socket socket
        cdef Direction *forth = &self.relay.directions[0]
        cdef Direction *back = &self.relay.directions[1]
        check_types(frontend, backend, capture, control)
        for socket in (frontend, backend, capture, control):
            if socket is None:
                continue
            socket.usable()
            socket.waited()
            for each in (socket, *sockets_at(socket.handle)):
                if each not in self.sockets:
                    self.sockets.append(each)
        # From here on no other thread runs until the sockets are taken.
        for socket in self.sockets:
            socket.usable()
            if socket.waiter is not None and (<Trampoline> socket.waiter).is_waited_for():
                raise ZMQError(EBUSY, f"a greenlet waits for {socket}: a proxy must have it to itself")
        for socket in self.sockets:
            socket.born = wait.OWNED
            socket.owner = self
        for socket in (frontend, backend, capture, control):
            if socket is not None:
                (<Trampoline> socket.waiter).held_by = self
        self.over = False
        self.front = frontend.waiter
        self.back = backend.waiter
        forth.source = back.target = frontend.handle
        forth.target = back.source = backend.handle
        self.relay.ways = 1 if frontend.handle == backend.handle else 2
        if capture is not None:
            self.relay.capture = capture.handle
        if control is not None:
            self.relay.control = control.handle
        take_returned(forth, self.front)
        if self.relay.ways == 2:
            take_returned(back, self.back)
        for socket in self.sockets:
            # Pollers that knew what it had for them do so no more.
            socket.operated()
        return 0

    cdef int admit(self, shadow) except -1:
        self.sockets.append(shadow)
        return 0

    cdef int give_back(self) except -1:
        """Let others have the sockets again. The loop has ended."""
        cdef Socket socket
        if self.over:
            return 0
        self.over = True
        for socket in self.sockets:
            if socket.owner is self:
                socket.owner = None
                socket.born = self.born
            if socket.waiter is not None and (<Trampoline> socket.waiter).held_by is self:
                (<Trampoline> socket.waiter).held_by = None
        if self.born != wait.generation:
            # In the child of a fork everything is its parent's.
            return 0
        give_message_back(&self.relay.directions[0], self.front)
        if self.relay.ways == 2:
            give_message_back(&self.relay.directions[1], self.back)
        return 0

    cdef int end(self) except -1:
        """Stop the loop, wait until it has, and give the sockets back; in any thread."""
        cdef zmq_pollitem_t item
        if self.looping and not self.over and self.born == wait.generation:
            item.socket = NULL
            item.fd = self.ended
            item.events = ZMQ_POLLIN
            with nogil:
                # The loop hears of it before it moves another burst.
                write(self.stopper, b"x", 1)
                while zmq_poll(&item, 1, -1) < 0 and zmq_errno() == EINTR:
                    pass
        return self.give_back()

    cdef int stop(self) except -1:
        self.robbed = True
        return self.end()

    cdef int operated(self) except -1:
        """Tell those who hear of the sockets that they may be used again; in the thread of whoever began."""
        cdef Socket socket
        if self.born == wait.generation:
            for socket in self.sockets:
                socket.operated()
        return 0

    cdef int in_this_thread(self) except -1:
        """Run the loop here; a signal's handler runs meanwhile, and may raise."""
        self.relay.interruptible = True
        try:
            wait.block(list(self.sockets))
            while not self.over:
                self.looping = True
                with nogil:
                    self.relay.result = run(&self.relay)
                self.looping = False
                if self.relay.result != EINTR:
                    break
                PyErr_CheckSignals()
        finally:
            write(self.relay.done, b"x", 1)
            wait.unblock()
            self.give_back()
            self.operated()
        return 0

    cdef int in_native_thread(self, Hub hub) except -1:
        """Run the loop in a thread of its own while this greenlet is parked."""
        cdef int err = begin_thread(&self.relay)
        if err:
            self.give_back()
            raise_errno(err)
        self.looping = True
        try:
            wait_readable(hub, self.ended, -1, list(self.sockets))
        finally:
            self.end()
            self.operated()
        return 0


cdef int begin_thread(Relay *relay) noexcept nogil:
    """Start the loop in a native thread, which no signal shall disturb. Returns 0 or an error code."""
    cdef pthread_t thread
    cdef sigset_t every, before
    cdef int err
    sigfillset(&every)
    pthread_sigmask(SIG_SETMASK, &every, &before)
    err = pthread_create(&thread, NULL, run_in_thread, relay)
    pthread_sigmask(SIG_SETMASK, &before, NULL)
    if err == 0:
        pthread_detach(thread)
    return err


cdef int give_message_back(Direction *way, Trampoline source) except -1:
    """Give what was taken from a socket and could not be passed on to the next who receives from it."""
    if way.message.count == 0 or source.handle == NULL:
        return 0
    if way.swaps and way.message.count > 1:
        swap(&way.message.frames[0], &way.message.frames[1])
    return return_message(source, &way.message, way.captured)


cdef int take_returned(Direction *way, Trampoline source) except -1:
    """Have the message in hand that was returned to the socket before, if one was."""
    cdef int err
    if source.returned:
        way.captured = (<Delivery> source.returned[0]).captured
        err = try_returned(source, &way.message)
        if err:
            raise_errno(err)
        if way.swaps and way.message.count > 1:
            swap(&way.message.frames[0], &way.message.frames[1])
    return 0


cdef bint receives(Socket socket) except -1:
    """Tell whether sockets of this type can receive."""
    return socket.socket_type not in (ZMQ_PUSH, ZMQ_PUB, SocketType.SCATTER, SocketType.RADIO)


cdef bint sends(Socket socket) except -1:
    """Tell whether sockets of this type can send."""
    return socket.socket_type not in (ZMQ_PULL, ZMQ_SUB, SocketType.GATHER, SocketType.DISH)


cdef int check_types(Socket frontend, Socket backend, Socket capture, Socket control) except -1:
    """Raise where a socket could never do what it is there for: the loop would wait in silence."""
    if not (receives(frontend) and sends(backend)) and not (receives(backend) and sends(frontend)):
        raise ZMQError(
            EINVAL, f"nothing can pass between {frontend} and {backend}: none receives what the other sends"
        )
    if capture is not None and not sends(capture):
        raise ZMQError(EINVAL, f"{capture} can't send: it can't be given copies of what passes")
    if control is not None and not receives(control):
        raise ZMQError(EINVAL, f"{control} can't receive: it can't be told what to do")
    return 0


cdef relay_between(Socket frontend, Socket backend, Socket capture, Socket control, tuple prefixes, bint block):
    cdef Running running = Running()
    cdef int way
    get_hub = frontend.get_hub or backend.get_hub
    cdef Hub hub = None if get_hub is None or block else get_hub()
    if prefixes is not None:
        running.prefixes = prefixes
        for way in range(2):
            running.relay.directions[way].prefix = <const char *> <bytes> prefixes[way]
            running.relay.directions[way].prefix_size = len(prefixes[way])
            running.relay.directions[way].swaps = frontend.socket_type == backend.socket_type == ZMQ_ROUTER
    running.take(frontend, backend, capture, control)
    if hub is None:
        running.in_this_thread()
    else:
        running.in_native_thread(hub)
    if running.robbed:
        raise ZMQError(Errno.ENOTSOCK, "a socket was closed while messages were relayed between it and others")
    if running.relay.result == BAD_COMMAND:
        raise ValueError("a steerable proxy knows PAUSE, RESUME, TERMINATE and STATISTICS")
    if running.relay.result != STOPPED:
        raise_errno(running.relay.result)


def proxy(Socket frontend not None, Socket backend not None, Socket capture=None):
    """Relay messages between two sockets, both ways, until the context is terminated or a socket is closed.

    With green sockets only the calling greenlet waits: the messages are moved by a native thread, which ends when
    something is thrown into the greenlet. Nobody else can use the sockets meanwhile; afterwards they are as before.

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
        ENOTSOCK: a socket is closed. EBUSY: another proxy has a socket, or a greenlet waits for it. EINVAL: the types
        of the sockets let nothing pass, or `capture` can't send.

    Notes
    -----
    A message that a ROUTER with ROUTER_MANDATORY cannot deliver is dropped. Source: zmq_proxy(3).
    """
    relay_between(frontend, backend, capture, None, None, False)


def proxy_steerable(Socket frontend not None, Socket backend not None, Socket capture=None, Socket control=None):
    """Relay messages as `proxy` does, under the control of another socket.

    Parameters
    ----------
    frontend, backend, capture : Socket
        As in `proxy`.
    control : Socket, optional
        A PAIR, PULL, SUB or REP that receives ``b"PAUSE"``, ``b"RESUME"``, ``b"TERMINATE"``, upon which the call
        returns, and ``b"STATISTICS"``, which all but a PULL and a SUB answer with 8 frames of an unsigned 64-bit
        integer each, in the machine's byte order: messages and bytes received from the front end, messages and bytes
        sent to it, and the same for the back end. A REP sends an empty answer to the other commands.

    Raises
    ------
    ValueError
        Another command came.
    ContextTerminated, ZMQError
        As in `proxy`; EINVAL also where `control` can't receive.

    Notes
    -----
    Source: zmq_proxy_steerable(3).
    """
    relay_between(frontend, backend, capture, control, None, False)


def monitored_queue(
    Socket in_socket not None,
    Socket out_socket not None,
    Socket mon_socket not None,
    bytes in_prefix not None=b"in",
    bytes out_prefix not None=b"out",
):
    """Relay messages as `proxy` does, and tell a third socket which way each went.

    Parameters
    ----------
    in_socket, out_socket : Socket
        The two ends. Where both are ROUTERs, the first two frames of a message are the identities of who sent it and of
        who shall get it: they change places, so that peers of the one can write to peers of the other.
    mon_socket : Socket
        Gets every message as it was passed on, behind a frame that says where it came from.
    in_prefix, out_prefix : bytes
        That frame, for messages of `in_socket` and of `out_socket`.

    Raises
    ------
    ContextTerminated, ZMQError
        As in `proxy`.
    """
    relay_between(in_socket, out_socket, mon_socket, None, (in_prefix, out_prefix), False)


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
    relay_between(frontend, frontend if backend is None else backend, None, None, None, False)


def relay(
    Socket frontend not None,
    Socket backend not None,
    Socket capture=None,
    Socket control=None,
    *,
    tuple prefixes=None,
    bint block=False,
):
    """Do what the functions above do, all in one.

    Parameters
    ----------
    frontend, backend, capture, control : Socket
        As in `proxy_steerable`.
    prefixes : tuple of bytes, optional
        As in `monitored_queue`.
    block : bool
        Block the thread, also where the sockets are green: for threads that do nothing else.

    Raises
    ------
    ContextTerminated, ValueError, ZMQError
        As in `proxy_steerable`.
    """
    relay_between(frontend, backend, capture, control, prefixes, block)
