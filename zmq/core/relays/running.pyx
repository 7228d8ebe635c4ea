"""`RunningRelay`: a loop that runs, the sockets that belong to it meanwhile, and how its caller waits.

Lives here: how a loop gets its sockets, and how they are given back. What must not: how messages move
(`zmq.core.relays.loop`). Called by `zmq.core.device`.

Sockets are not thread-safe, and the loop runs without the GIL: in the calling thread, or, where the sockets are green,
in a native thread while the caller is parked. So as long as it runs the sockets belong to it. Any other call on them
gets EBUSY, at no cost to sockets that have no owner: `Socket.born`, which every call looks at, has a value of its own
then. A call that closes one, or something that is thrown into the caller, stops the loop first; it hears of that after
a burst of messages.

Shadows of a socket belong to the loop as well. Both the loop and what ends it write to pipes, and close nothing to
tell each other: the child of a fork has copies of their ends, which it may keep open for long.

A message that is held when the loop is stopped is returned to the socket it came from (`zmq.core.messages.deliveries`):
it is the next that is received there, by a loop or by any other receive.
"""

import os

from cpython.exc cimport PyErr_CheckSignals
from libc.errno cimport EBUSY, EINTR, EINVAL
from libc.string cimport memset
from posix.unistd cimport close, write

from zmq.core.check cimport raise_errno
from zmq.core.libzmq cimport (
    ZMQ_POLLIN,
    ZMQ_PUB,
    ZMQ_PULL,
    ZMQ_PUSH,
    ZMQ_ROUTER,
    ZMQ_SUB,
    zmq_errno,
    zmq_poll,
    zmq_pollitem_t,
)
from zmq.core.messages.deliveries cimport Delivery, return_message, try_returned
from zmq.core.messages.whole_message_attempts cimport expect, release
from zmq.core.relays.loop cimport BAD_COMMAND, STOPPED, Direction, Relay, begin_thread, end_thread, run, swap
from zmq.core.socket cimport Socket
from zmq.core.sockets.life cimport sockets_at
from zmq.core.waiting cimport fork_generation, owner_interface, who_waits
from zmq.core.waiting.hub cimport Hub
from zmq.core.waiting.signal_watch cimport GLANCE, SignalWatch, begin_watch, drain, end_watch, runs_handlers
from zmq.core.waiting.sleeper cimport wait_readable
from zmq.core.waiting.trampoline cimport Trampoline
from zmq.core.waiting.owner_interface cimport Owner

from zmq.core.constants import Errno, SocketType
from zmq.core.error import ZMQError


cdef class RunningRelay(Owner):
    """A loop that runs, and the sockets that belong to it meanwhile."""

    def __cinit__(self):
        memset(&self.relay, 0, sizeof(Relay))
        expect(&self.relay.directions[0].message, True)
        expect(&self.relay.directions[1].message, True)
        self.relay.stop = self.relay.done = self.stopper = self.ended = self.relay.signals = self.relay.glance = -1
        self.sockets = []
        self.over = True
        self.relay.stop, self.stopper = os.pipe()
        self.ended, self.relay.done = os.pipe()

    def __dealloc__(self):
        cdef int fd
        if self.born == fork_generation.current:
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
            if socket.trampoline is not None and socket.trampoline.is_waited_for():
                raise ZMQError(EBUSY, f"a greenlet waits for {socket}: a proxy must have it to itself")
        for socket in self.sockets:
            socket.born = owner_interface.OWNED
            socket.owner = self
        for socket in (frontend, backend, capture, control):
            if socket is not None:
                socket.trampoline.owner = self
        self.over = False
        self.front = frontend.trampoline
        self.back = backend.trampoline
        forth.source = back.target = frontend.handle
        forth.target = back.source = backend.handle
        forth.taken, back.given = &frontend.traffic.received, &frontend.traffic.sent
        back.taken, forth.given = &backend.traffic.received, &backend.traffic.sent
        self.relay.ways = 1 if frontend.handle == backend.handle else 2
        if capture is not None:
            self.relay.capture = capture.handle
            self.relay.copied = &capture.traffic.sent
        if control is not None:
            self.relay.control = control.handle
            self.relay.commands = &control.traffic.received
            self.relay.answers = &control.traffic.sent
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
            if socket.trampoline is not None and socket.trampoline.owner is self:
                socket.trampoline.owner = None
        if self.born != fork_generation.current:
            # In the child of a fork everything is its parent's.
            return 0
        give_message_back(&self.relay.directions[0], self.front)
        if self.relay.ways == 2:
            give_message_back(&self.relay.directions[1], self.back)
        return 0

    cdef int end(self) except -1:
        """Stop the loop, wait until it has, and give the sockets back; in any thread."""
        cdef zmq_pollitem_t item
        if self.looping and not self.over and self.born == fork_generation.current:
            item.socket = NULL
            item.fd = self.ended
            item.events = ZMQ_POLLIN
            with nogil:
                # The loop hears of it before it moves another burst.
                write(self.stopper, b"x", 1)
                while zmq_poll(&item, 1, -1) < 0 and zmq_errno() == EINTR:
                    pass
            if self.threaded:
                # With the GIL, so that nobody else takes the loop for ended before its thread is.
                self.threaded = False
                end_thread(&self.relay)
        return self.give_back()

    cdef int stop(self) except -1:
        self.socket_closed = True
        return self.end()

    cdef int operated(self) except -1:
        """Tell what hears of the sockets that they may be used again; in the thread of the caller that began."""
        cdef Socket socket
        if self.born == fork_generation.current:
            for socket in self.sockets:
                socket.operated()
        return 0

    cdef int in_this_thread(self) except -1:
        """Run the loop here; a signal's handler runs meanwhile, and may raise."""
        cdef SignalWatch signals
        signals.writes = False
        self.relay.interruptible = True
        try:
            who_waits.begin_blocked(list(self.sockets), "proxy")
            while True:
                if runs_handlers():
                    begin_watch(&signals)
                    self.relay.signals = signals.fd
                    self.relay.glance = <int> (1000 * GLANCE) if signals.fd < 0 else -1
                if self.over:
                    # A handler has closed one of the sockets.
                    break
                self.looping = True
                with nogil:
                    self.relay.result = run(&self.relay)
                self.looping = False
                if self.relay.result != EINTR:
                    break
                if signals.writes:
                    end_watch(&signals)
                    drain()
                PyErr_CheckSignals()
                if self.born != fork_generation.current:
                    # A handler has forked, and this is the child, where libzmq would say EINTR for ever.
                    raise ZMQError(Errno.ENOTSOCK, "these sockets were made before a fork: make new ones in the child")
        finally:
            end_watch(&signals)
            if self.born == fork_generation.current:
                write(self.relay.done, b"x", 1)
            who_waits.end_blocked()
            self.give_back()
            self.operated()
        return 0

    cdef int in_native_thread(self, Hub hub) except -1:
        """Run the loop in a thread of its own while this greenlet is parked."""
        cdef int err = begin_thread(&self.relay)
        if err:
            self.give_back()
            raise_errno(err)
        self.looping = self.threaded = True
        try:
            wait_readable(hub, self.ended, -1, list(self.sockets))
        finally:
            self.end()
            self.operated()
        return 0


cdef int give_message_back(Direction *way, Trampoline source) except -1:
    """Give what was taken from a socket and could not be passed on to the next receive from it."""
    if way.message.count == 0 or source.handle == NULL:
        return 0
    if way.swaps and way.message.count > 1:
        swap(&way.message.frames[0], &way.message.frames[1])
    return return_message(source, &way.message, way.captured)


cdef int take_returned(Direction *way, Trampoline source) except -1:
    """Hold the message that was returned to the socket before, if one was."""
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
    cdef RunningRelay running = RunningRelay()
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
    if running.socket_closed:
        raise ZMQError(Errno.ENOTSOCK, "a socket was closed while messages were relayed between it and others")
    if running.relay.result == BAD_COMMAND:
        raise ValueError("a steerable proxy knows PAUSE, RESUME, TERMINATE and STATISTICS")
    if running.relay.result != STOPPED:
        raise_errno(running.relay.result)
