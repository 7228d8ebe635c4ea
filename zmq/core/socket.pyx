"""`Socket`: one 0MQ socket.

Lives here: the class that users see, with `send` and `recv` of one frame, whose fast paths they are, and `poll`. What
must not: all else that a socket does, which its bases in `zmq.core.sockets` have. Green sockets are subclasses that say
which hub to wait in.
"""

from types import GenericAlias

cimport cython
from cpython.buffer cimport PyBuffer_Release
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from libc.errno cimport EAGAIN

from zmq.core.check cimport check, raise_errno
from zmq.core.context cimport Context
from zmq.core.libzmq cimport (
    ZMQ_DONTWAIT,
    ZMQ_EVENTS,
    ZMQ_POLLIN,
    ZMQ_POLLOUT,
    ZMQ_SNDMORE,
    zmq_errno,
    zmq_msg_init,
    zmq_msg_more,
    zmq_msg_recv,
    zmq_msg_set_group,
    zmq_msg_set_routing_id,
    zmq_msg_size,
    zmq_msg_t,
    zmq_pollitem_t,
    zmq_send,
)
from zmq.core.message cimport Frame
from zmq.core.messages.whole_message_attempts cimport (
    Incoming,
    Outgoing,
    Part,
    discard,
    expect,
    received_bytes,
    try_recv,
    try_send,
)
from zmq.core.sockets.arguments cimport encoded, need_draft, seconds_of
from zmq.core.sockets.copies_without_gil cimport prepare_copies
from zmq.core.sockets.wait_and_retry cimport DROPPED, WHOLE, again, cost_of_bytes, is_unobserved
from zmq.core.sockets.sending_several cimport SMALL, count_sent, note_sent
from zmq.core.sockets.blocking_polls cimport INTERRUPTED, poll_in_thread
from zmq.core.waiting.clock cimport monotonic
from zmq.core.waiting.counters cimport count_received
from zmq.core.waiting.wakeable_threads cimport ADDED, MANY, threads_waiting

from zmq.core.sockets import overrides
from zmq.core.sockets.option_attributes import add_attributes
from zmq.core.tracker import _FINISHED_TRACKER


cdef class Socket(Conversions):
    """Socket(ctx_or_socket=None, socket_type=zmq.PAIR, *, shadow=None, copy_threshold=None, name=None)
--

    A 0MQ socket.

    Made by `Context.socket`. Not for several threads at once; any number of greenlets of one thread may share a
    green socket.

    Parameters
    ----------
    ctx_or_socket : Context or Socket
        The context to make the socket in; or a socket to make a shadow of.
    socket_type : int
        A `zmq.SocketType`.
    shadow : int or Socket, optional
        The address of a socket that other code made and will close; 0 is none.
    copy_threshold : int, optional
        Bytes from which on sending with ``copy=False`` does not copy; what `zmq.COPY_THRESHOLD` is at that moment when
        left out.
    name : str, optional
        What the socket is called where it is shown; see `name`.

    Raises
    ------
    ZMQError
        EINVAL: there is no such type. ETERM: the context is terminated.
    TypeError
        `name` is no str.

    Notes
    -----
    Attributes named like a `zmq.SocketOption`, in any mix of lower and upper case, get and set that option.
    """

    #: Returns the hub to park in; None blocks the thread.
    _get_hub = None

    #: Whether sends and receives return futures.
    _defers = False

    #: What is received, and lent, with ``copy=False``.
    _frame_class = Frame

    __class_getitem__ = classmethod(GenericAlias)

    # eventlet.green.zmq calls the data `msg`; the signature that is shown is PyZMQ's.
    @cython.embedsignature(False)
    def send(self, data=None, int flags=0, copy=True, bint track=False, routing_id=None, group=None, *, msg=None):
        """send($self, data, flags=0, copy=True, track=False, routing_id=None, group=None)
--

        Send one frame.

        Parameters
        ----------
        data : bytes-like or Frame
            What to send. For a str see `send_string`.
        flags : int
            `NOBLOCK`, `SNDMORE`.
        copy : bool
            False lends the object's memory to libzmq where it has `copy_threshold` bytes or more. It must not be
            changed until libzmq is done with it.
        track : bool
            With ``copy=False``: make what is returned tell when libzmq is done with the memory.
        routing_id : int, optional
            The peer, for a SERVER or PEER socket (draft).
        group : str, optional
            The group, for a RADIO socket (draft).

        Returns
        -------
        MessageTracker or None
            That of a `Frame` which is tracked, or of memory that was lent with ``track=True``; one that is done when
            ``copy=False`` lent nothing.

        Raises
        ------
        TypeError
            `data` is a str, or has no buffer.
        ValueError
            `track` for a `Frame` that is not tracked.
        Again
            NOBLOCK, or SNDTIMEO ran out.
        ContextTerminated
            The context is being terminated.
        ZMQError
            ENOTSOCK: the socket is closed. EFSM: it is not its turn to send. Any other error of zmq_msg_send(3).
        """
        cdef Part part
        cdef Outgoing out
        cdef Frame frame = None
        cdef int err
        cdef int cost = 1
        if (
            type(data) is bytes
            and PyBytes_GET_SIZE(data) < SMALL
            and copy is True
            and routing_id is None
            and group is None
            and self.message == WHOLE
            and not self.owes_reply
            and is_unobserved(self, flags)
            and zmq_send(
                self.handle, PyBytes_AS_STRING(data), <size_t> PyBytes_GET_SIZE(data), flags | ZMQ_DONTWAIT
            ) >= 0
        ):
            count_sent(self, <size_t> PyBytes_GET_SIZE(data), flags & ZMQ_SNDMORE)
            note_sent(self, flags & ZMQ_SNDMORE)
            return None
        if data is None:
            if msg is None:
                raise TypeError("send needs an argument 'data': bytes, a Frame or another object with a buffer")
            data = msg
        part.held = False
        part.source = NULL
        if (
            type(data) is bytes
            and (copy or PyBytes_GET_SIZE(data) < self.threshold())
            and routing_id is None
            and group is None
        ):
            part.data = PyBytes_AS_STRING(data)
            part.size = <size_t> PyBytes_GET_SIZE(data)
            cost += <int> cost_of_bytes(part.size)
        else:
            self.usable()
            frame = self.to_part(data, &part, copy, track, routing_id, group)
        out.parts = &part
        out.count = out.ready = 1
        out.more = flags & ZMQ_SNDMORE
        out.drops = self.drops
        out.shares = part.source != NULL
        try:
            err = prepare_copies(&out, part.size if part.source == NULL else 0)
            if err:
                raise_errno(err)
            if routing_id is not None:
                need_draft("routing_id")
                check(zmq_msg_set_routing_id(&part.msg, routing_id))
            if group is not None:
                need_draft("group")
                check(zmq_msg_set_group(&part.msg, encoded(group, "group")))
            if self.message != DROPPED:
                self.operate(try_send, &out, flags & ~ZMQ_SNDMORE, ZMQ_POLLOUT, cost)
            if out.ready == out.count:
                # It was not dropped.
                count_sent(self, part.size, out.more)
            note_sent(self, out.more)
        finally:
            if out.ready < out.count:
                discard(&out)
            if part.held:
                PyBuffer_Release(&part.view)
        if frame is not None:
            return frame.tracker
        return None if copy else _FINISHED_TRACKER

    def recv(self, int flags=0, copy=True, bint track=False):
        """Receive one frame.

        Parameters
        ----------
        flags : int
            `NOBLOCK`.
        copy : bool
            False returns a `Frame`, in libzmq's memory.
        track : bool
            For the frame's `tracker`; what was received is always done.

        Returns
        -------
        bytes or Frame

        Raises
        ------
        Again
            NOBLOCK, or RCVTIMEO ran out.
        ContextTerminated
            The context is being terminated.
        ZMQError
            ENOTSOCK: the socket is closed. EFSM: it is not its turn to receive. Any other error of zmq_msg_recv(3).
        """
        cdef Incoming incoming
        cdef zmq_msg_t *msg = &incoming.few[0]
        cdef bint in_vain = False
        cdef int size
        cdef size_t length
        if copy is True and not self.expects_reply and is_unobserved(self, flags):
            zmq_msg_init(msg)
            size = zmq_msg_recv(msg, self.handle, flags | ZMQ_DONTWAIT)
            if size >= 0:
                length = received_bytes(size, msg)
                count_received(self.traffic, length, not zmq_msg_more(msg))
                if threads_waiting >= MANY:
                    self.was_asked()
                return self.as_bytes(msg, length)
            in_vain = zmq_errno() == EAGAIN
            if in_vain and flags & ZMQ_DONTWAIT:
                # Here, because every function that an error passes through costs half a microsecond.
                raise again(self, ZMQ_POLLIN)
        expect(&incoming, False)
        if in_vain:
            self.would_block(try_recv, &incoming, flags, ZMQ_POLLIN)
            count_received(self.traffic, incoming.bytes, incoming.ended)
        else:
            self.take(&incoming, flags)
        if copy:
            return self.as_bytes(msg, zmq_msg_size(msg))
        return self.as_frame(&incoming.few[0], track)

    def poll(self, timeout=None, flags=1):
        """Wait until the socket can send or receive.

        Parameters
        ----------
        timeout : float, optional
            Milliseconds; None or negative to wait for ever, but not where `flags` is 0.
        flags : int
            `POLLIN`, `POLLOUT` or both.

        Returns
        -------
        int
            Those of `flags` that are true; 0 when the time ran out.

        Raises
        ------
        ValueError
            `timeout` is no number.
        ContextTerminated, ZMQError
            As in `recv`.
        """
        cdef double seconds = seconds_of(timeout)
        cdef double deadline = monotonic() + seconds
        cdef short events = flags
        cdef zmq_pollitem_t items[1 + ADDED]
        self.usable()
        if self.get_hub is not None:
            return self.trampoline.poll(self.get_hub, events, seconds)
        if seconds == 0 or (events & ZMQ_POLLIN and self.trampoline is not None and self.trampoline.returned):
            # Not without the GIL: a thread that computes would not give it back soon.
            return Socket.getsockopt(self, ZMQ_EVENTS) & events
        items[0].events = events
        if seconds < 0 and not events:
            seconds = 0
        while poll_in_thread(items, 1, seconds, self) == INTERRUPTED:
            if seconds > 0:
                seconds = max(0, deadline - monotonic())
        self.operated()
        return items[0].revents


overrides.complete(Socket)
Context._socket_class = Socket
add_attributes(Socket)

# For annotations: what blocks the caller, as opposed to `zmq.asyncio`.
SyncSocket = Socket[bytes]
SyncContext = Context[SyncSocket]
