"""`AwaitedSocket`: a socket whose sends, receives and polls return an `Outcome`.

Lives here: the methods that users call, and their short cuts. What must not: event loops, waiting
(`zmq.core.futures.receives` and `zmq.core.futures.calls`), batches, text and objects
(`zmq.core.sockets.conversions`). The base of `zmq.asyncio.Socket`.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from libc.errno cimport EAGAIN

from zmq.core.futures.calls cimport begin_poll
from zmq.core.futures.loop_hub cimport running_loop
from zmq.core.futures.future cimport FINISHED, Outcome
from zmq.core.futures.receives cimport (
    FRAME,
    MESSAGE,
    TEXT,
    Receive,
    ReceiveInto,
    ReceiveText,
    begin_receive,
    take_frames,
)
from zmq.core.libzmq cimport (
    ZMQ_DONTWAIT,
    ZMQ_ROUTER,
    ZMQ_STREAM,
    zmq_errno,
    zmq_msg_init,
    zmq_msg_more,
    zmq_msg_recv,
    zmq_send,
)
from zmq.core.messages.whole_message_attempts cimport received_bytes
from zmq.core.socket cimport Socket
from zmq.core.sockets.wait_and_retry cimport WHOLE
from zmq.core.sockets.life cimport is_usable
from zmq.core.sockets.overrides cimport defined
from zmq.core.sockets.sending_several cimport SMALL, count_sent, note_sent
from zmq.core.waiting cimport budget
from zmq.core.waiting.counters cimport count_received, uncount_again
from zmq.core.waiting.trampoline cimport Trampoline

from functools import partial

from zmq.core.error import Again
from zmq.core.futures.calls import begin

cdef object SEND = Socket.send
cdef object SEND_MULTIPART = Socket.send_multipart


cdef inline bint may_try(AwaitedSocket socket) noexcept:
    """Tell whether a transfer may be attempted without any ceremony: nobody waits, and others had their turn."""
    if not socket.is_ready or not is_usable(socket) or socket.trampoline.interest:
        return False
    budget.fuel -= 1
    return budget.fuel > 0


cdef class AwaitedSocket(Socket):
    """A `zmq.Socket` whose sends, receives and polls return futures."""

    _get_hub = None
    _defers = True

    def _set_loop(self, io_loop):
        self.io_loop = io_loop

    def _get_loop(self):
        return running_loop() if self.io_loop is None else self.io_loop

    cdef int make_ready(self) except -1:
        """Before the first call: a class that says which loop it uses may have to do with it."""
        if not self.is_ready:
            self.waited()
            self.meet_partner()
            if type(self)._get_loop is not AwaitedSocket._get_loop:
                self._get_loop()
            self.is_ready = True
        return 0

    # Receiving.

    cdef Outcome receive(self, Receive receive, int flags):
        if not self.is_ready and is_usable(self):
            self.make_ready()
        return begin_receive(self, receive, flags, None, False)

    def recv(self, int flags=0, copy=True, bint track=False):
        """Receive one frame; see `zmq.Socket.recv`. Returns a future."""
        cdef Outcome outcome
        cdef int size
        if copy is True and flags == 0 and not self.expects_reply and may_try(self):
            outcome = Outcome.__new__(Outcome)
            zmq_msg_init(&outcome.msg)
            size = zmq_msg_recv(&outcome.msg, self.handle, ZMQ_DONTWAIT)
            if size >= 0:
                count_received(self.traffic, received_bytes(size, &outcome.msg), not zmq_msg_more(&outcome.msg))
                end_received(self, outcome, FRAME)
                return outcome
            return begin_receive(self, FRAME, flags, None, zmq_errno() == EAGAIN)
        return self.receive(FRAME if copy else Receive(False, copy=False, track=track), flags)

    def recv_into(self, buf, /, *, Py_ssize_t nbytes=0, int flags=0):
        """Receive one frame into a buffer; see `zmq.Socket.recv_into`. Returns a future."""
        return self.receive(ReceiveInto(buf, nbytes), flags)

    def recv_multipart(self, int flags=0, copy=True, bint track=False):
        """Receive a message; see `zmq.Socket.recv_multipart`. Returns a future."""
        cdef Outcome outcome
        cdef int err
        if copy is True and flags == 0 and not self.expects_reply and may_try(self):
            outcome = Outcome.__new__(Outcome)
            outcome.owner = self
            try:
                err = take_frames(outcome, self, self.trampoline, True)
            except MemoryError as error:
                outcome.fail(error)
                return outcome
            if err == 0:
                outcome.work = MESSAGE
                outcome.is_announced = True
                outcome.state = FINISHED
                return outcome
            return begin_receive(self, MESSAGE, flags, None, err == EAGAIN)
        return self.receive(MESSAGE if copy else Receive(True, copy=False, track=track), flags)

    cdef received(self, bint whole, int flags, copy, load):
        if is_replaced(self, "recv_multipart" if whole else "recv"):
            replaced = self.recv_multipart(flags=flags, copy=copy) if whole else self.recv(flags)
            return self.begin_task(_converted(replaced, load))
        return self.receive(Receive(whole, copy=copy, load=load), flags)

    cdef received_text(self, int flags, encoding):
        if is_replaced(self, "recv"):
            return self.begin_task(_converted(self.recv(flags=flags), partial(str, encoding=encoding)))
        return self.receive(TEXT if encoding == "utf-8" else ReceiveText(encoding), flags)

    cdef begin_task(self, coroutine):
        loop = self._get_loop()
        # Tornado's has one of asyncio's.
        return getattr(loop, "asyncio_loop", loop).create_task(coroutine)

    # Sending.

    def _route(self, frame):
        return bytes(frame) if self.socket_type in (ZMQ_ROUTER, ZMQ_STREAM) else None

    def send(self, data, int flags=0, copy=True, bint track=False, routing_id=None, group=None):
        """Send one frame; see `zmq.Socket.send`. Returns a future."""
        return self.send_one(data, flags, copy, track, routing_id, group)

    cdef Outcome send_one(self, data, int flags, copy, bint track, routing_id, group):
        cdef Outcome outcome
        if (
            type(data) is bytes
            and flags == 0
            and PyBytes_GET_SIZE(data) < SMALL
            and copy is True
            and routing_id is None
            and group is None
            and self.message == WHOLE
            and may_try(self)
            and zmq_send(self.handle, PyBytes_AS_STRING(data), <size_t> PyBytes_GET_SIZE(data), ZMQ_DONTWAIT) >= 0
        ):
            count_sent(self, <size_t> PyBytes_GET_SIZE(data), 0)
            note_sent(self, 0)
            outcome = Outcome.__new__(Outcome)
            outcome.owner = self
            outcome.state = FINISHED
            outcome.is_announced = True
            return outcome
        if is_usable(self):
            self.make_ready()
        return begin(self, flags, SEND, (data, flags | ZMQ_DONTWAIT, copy, track, routing_id, group))

    def send_multipart(self, msg_parts, int flags=0, copy=True, bint track=False, **kwargs):
        """Send a message; see `zmq.Socket.send_multipart`. Returns a future."""
        cdef list parts
        cdef Outcome outcome
        if (
            type(msg_parts) is list
            and copy is True
            and flags == 0
            and not kwargs
            and self.is_ready
            and budget.fuel > 1
            and self.try_small(<list> msg_parts)
        ):
            outcome = Outcome.__new__(Outcome)
            outcome.owner = self
            outcome.state = FINISHED
            outcome.is_announced = True
            return outcome
        parts = list(msg_parts)
        if not kwargs and parts and may_try(self):
            outcome = Outcome.__new__(Outcome)
            outcome.owner = self
            try:
                outcome.finish(self.send_whole(parts, flags | ZMQ_DONTWAIT, copy, track))
                return outcome
            except Again as error:
                if flags & ZMQ_DONTWAIT:
                    outcome.fail(error)
                    return outcome
                uncount_again(&self.traffic.sent)
            except Exception as error:
                outcome.fail(error)
                return outcome
        if is_usable(self):
            self.make_ready()
        function = partial(SEND_MULTIPART, **kwargs) if kwargs else SEND_MULTIPART
        route = self._route(parts[0]) if parts else None
        return begin(self, flags, function, (parts, flags | ZMQ_DONTWAIT, copy, track), route)

    # Polling.

    def poll(self, timeout=None, int flags=1):
        """Wait until the socket can send or receive; see `zmq.Socket.poll`. Returns a future."""
        self.usable()
        self.make_ready()
        return begin_poll(self, flags, timeout)


cdef dict RECEIVING = {name: vars(AwaitedSocket)[name] for name in ("recv", "recv_multipart")}


cdef bint is_replaced(AwaitedSocket socket, str name) except -1:
    """Tell whether a subclass has its own `recv` or `recv_multipart`, or somebody has put one in its place."""
    return name in (<object> socket).__dict__ or defined(type(socket), name) is not RECEIVING[name]


async def _converted(received, load):
    """Return what a function makes of what somebody else's receive ends with."""
    return load(await received)


cdef inline int end_received(AwaitedSocket socket, Outcome outcome, Receive receive) except -1:
    """The message of an outcome is there, in `msg`, and nobody had to wait for it."""
    cdef Trampoline trampoline = socket.trampoline
    outcome.owner = socket
    outcome.work = receive
    trampoline.received += 1
    outcome.number = trampoline.received
    outcome.is_in_msg = outcome.has_message = outcome.is_announced = True
    outcome.state = FINISHED
    return 0
