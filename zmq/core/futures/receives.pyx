"""Receives that wait for their turn on a socket without a greenlet.

Lives here: `Receive`, which says what is to be received and what becomes of it, and `begin_receive`, which does so now
or queues the call. What must not: event loops, and what becomes of a message that is not wanted
(`zmq.core.futures.future`). Called by `zmq.core.futures.awaited_socket`, and by `zmq.asyncio` for batches.
"""

from cpython.buffer cimport PyBUF_ANY_CONTIGUOUS, PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer
from libc.errno cimport EAGAIN, EINTR
from libc.string cimport memcpy

from zmq.core.futures.calls cimport enqueue, fail_in_turn, timeout_of
from zmq.core.futures.loop_hub cimport get_running_loop, hub_of
from zmq.core.futures.future cimport Outcome, Work, outcome_of
from zmq.core.futures.time_slice cimport is_time_to_yield
from zmq.core.libzmq cimport (
    ZMQ_DONTWAIT,
    ZMQ_POLLIN,
    ZMQ_RCVTIMEO,
    zmq_errno,
    zmq_msg_close,
    zmq_msg_copy,
    zmq_msg_data,
    zmq_msg_init,
    zmq_msg_more,
    zmq_msg_move,
    zmq_msg_recv,
    zmq_msg_size,
    zmq_msg_t,
)
from zmq.core.messages.whole_message_attempts cimport AS_SET, Incoming, received_bytes, try_recv
from zmq.core.messages.deliveries cimport Delivery, try_returned
from zmq.core.socket cimport Socket
from zmq.core.sockets.arguments cimport seconds_of, several_frames
from zmq.core.sockets.wait_and_retry cimport again, cost_of_frames
from zmq.core.sockets.life cimport is_usable
from zmq.core.waiting cimport budget
from zmq.core.waiting.counters cimport count_received
from zmq.core.waiting.trampoline cimport CHOSEN, PARKED, Trampoline


cdef class Receive(Work):
    """What is to be received, and what becomes of it.

    Parameters
    ----------
    whole : bool
        Whether to receive a message, or one frame of it.
    copy, track : bool
        As in `Socket.recv`.
    load : callable, optional
        Makes the result of what was received, when the program asks for it.
    single : bool
        With `whole`: refuse a message of several frames, with a ValueError; it remains there.
    """

    def __init__(self, bint whole, *, copy=True, bint track=False, load=None, bint single=False):
        self.whole = whole
        self.copies = copy
        self.track = track
        self.load = load
        self.single = single
        self.may_fail = load is not None
        self.takes_message = not copy and load is None

    cdef int prepare(self) except -1:
        """Before the first attempt."""
        return 0

    cdef int attempt(self, Outcome outcome) except -1:
        cdef Socket socket = outcome.owner
        cdef int err
        if not is_usable(socket):
            socket.usable()
        budget.fuel -= 1
        err = take_frames(outcome, socket, socket.trampoline, self.whole)
        if err == 0 and self.single and outcome.delivery is not None and outcome.delivery.incoming.count > 1:
            error = several_frames(outcome.delivery.incoming.count)
            outcome.give_back()
            outcome.delivery = None
            raise error
        return err

    cdef object make(self, Outcome outcome):
        cdef Socket socket = outcome.owner
        cdef zmq_msg_t *frames = outcome.first_frame()
        cdef zmq_msg_t msg
        cdef size_t count = 1 if outcome.is_in_msg else outcome.delivery.incoming.count
        cdef size_t i
        cdef list parts
        if self.copies and not self.whole:
            result = socket.bytes_of(frames, zmq_msg_size(frames))
        else:
            budget.fuel -= cost_of_frames(count)
            parts = []
            for i in range(count):
                if self.copies:
                    parts.append(socket.bytes_of(&frames[i], zmq_msg_size(&frames[i])))
                elif self.load is None:
                    parts.append(socket.as_frame(&frames[i], self.track))
                    # `as_frame` took it.
                    zmq_msg_init(&frames[i])
                else:
                    # The message stays until the program has seen what is made of it.
                    zmq_msg_init(&msg)
                    zmq_msg_copy(&msg, &frames[i])
                    parts.append(socket.as_frame(&msg, self.track))
            result = parts if self.whole else parts[0]
        return result if self.load is None else self.load(result)


cdef class ReceiveText(Receive):
    """A receive of one frame that is text.

    Parameters
    ----------
    encoding : str
    """

    def __init__(self, encoding):
        Receive.__init__(self, False)
        self.encoding = encoding
        self.may_fail = True

    cdef object make(self, Outcome outcome):
        cdef zmq_msg_t *msg = outcome.first_frame()
        return (<Socket> outcome.owner).bytes_of(msg, zmq_msg_size(msg)).decode(self.encoding)


cdef class ReceiveInto(Receive):
    """A receive of one frame into a buffer.

    Parameters
    ----------
    buffer : writable bytes-like
        Where to put the frame. Its export is held until the call is over.
    nbytes : int
        As in `Socket.recv_into`.
    """

    def __init__(self, buffer, Py_ssize_t nbytes):
        Receive.__init__(self, False)
        self.buffer = buffer
        self.nbytes = nbytes

    def __dealloc__(self):
        self.let_go()

    cdef void let_go(self) noexcept:
        if self.is_held:
            self.is_held = False
            PyBuffer_Release(&self.view)

    cdef int prepare(self) except -1:
        # Held until the message is there, as by `Socket.recv_into`: a bytearray can't be resized meanwhile.
        PyObject_GetBuffer(self.buffer, &self.view, PyBUF_ANY_CONTIGUOUS | PyBUF_WRITABLE)
        self.is_held = True
        if self.nbytes < 0 or self.nbytes > self.view.len:
            raise ValueError(
                f"nbytes={self.nbytes}, must be at least 0 and at most the {self.view.len} bytes of the buffer"
            )
        return 0

    cdef int attempt(self, Outcome outcome) except -1:
        cdef int err = Receive.attempt(self, outcome)
        cdef zmq_msg_t *msg
        cdef size_t size
        if err:
            return err
        msg = outcome.first_frame()
        size = zmq_msg_size(msg)
        memcpy(self.view.buf, zmq_msg_data(msg), min(size, <size_t> (self.nbytes or self.view.len)))
        self.let_go()
        outcome.value = size
        outcome.is_made = True
        return 0

    cdef void withdraw(self, Outcome outcome) noexcept:
        self.let_go()


# What most receives are for.
FRAME = Receive(False)
MESSAGE = Receive(True)
TEXT = ReceiveText("utf-8")


cdef int take_frames(Outcome outcome, Socket socket, Trampoline trampoline, bint whole) except -1:
    """Attempt to receive a frame, or a message, for an outcome. Returns 0 or libzmq's error."""
    cdef Delivery delivery
    cdef Incoming *incoming
    cdef int err, size
    cdef bint more
    if trampoline.returned is None:
        zmq_msg_init(&outcome.msg)
        size = zmq_msg_recv(&outcome.msg, socket.handle, ZMQ_DONTWAIT)
        while size < 0:
            err = zmq_errno()
            if err != EINTR:
                return err
            size = zmq_msg_recv(&outcome.msg, socket.handle, ZMQ_DONTWAIT)
        more = zmq_msg_more(&outcome.msg)
        count_received(socket.traffic, received_bytes(size, &outcome.msg), not more)
        if not whole or not more:
            outcome.is_in_msg = True
        else:
            try:
                delivery = Delivery.__new__(Delivery)
            except MemoryError:
                zmq_msg_close(&outcome.msg)
                raise
            incoming = &delivery.incoming
            zmq_msg_init(incoming.few)
            zmq_msg_move(incoming.few, &outcome.msg)
            zmq_msg_close(&outcome.msg)
            incoming.count = 1
            incoming.whole = True
            err = try_recv(socket.handle, incoming, ZMQ_DONTWAIT)
            if err:
                return err
            count_received(socket.traffic, incoming.bytes, incoming.ended)
            outcome.delivery = delivery
    else:
        delivery = Delivery.__new__(Delivery)
        delivery.incoming.whole = whole
        err = try_returned(trampoline, &delivery.incoming)
        if err:
            return err
        count_received(socket.traffic, delivery.incoming.bytes, delivery.incoming.ended)
        outcome.delivery = delivery
    trampoline.received += 1
    outcome.number = trampoline.received
    outcome.has_message = True
    return 0


cdef Outcome begin_receive(Socket socket, Receive receive, int flags, timeout, bint was_tried):
    """Receive now if there is a message, or else when the turn of this call has come.

    `timeout` is in milliseconds; negative to wait for ever, None for as long as RCVTIMEO says. `was_tried` says that an
    attempt was in vain a moment ago, while nobody waited.
    """
    # First: what is made here may have a finalizer run, which uses the socket.
    cdef long before = budget.stirred()
    cdef Trampoline trampoline = socket.trampoline
    cdef Outcome outcome = outcome_of(socket, receive)
    cdef double seconds = AS_SET
    cdef bint yields = False
    cdef bint untried = False
    cdef int err
    try:
        receive.prepare()
        if trampoline is None:
            trampoline = socket.waited()
        if timeout is not None:
            seconds = seconds_of(timeout)
        if trampoline.interest:
            trampoline.enter()
        elif socket.expects_reply:
            untried = not flags & ZMQ_DONTWAIT and trampoline.handover.is_possible(trampoline)
        socket.expects_reply = False
        if not was_tried and (flags & ZMQ_DONTWAIT or not trampoline.must_queue(ZMQ_POLLIN, NULL, 0)):
            if (
                budget.fuel <= 0
                and not flags & ZMQ_DONTWAIT
                and get_running_loop() is not None
                and is_time_to_yield(hub_of(outcome.its_loop()))
            ):
                # Not between two frames: others might receive the rest of the message.
                yields = not socket.is_within_message(ZMQ_POLLIN)
            if untried and not yields:
                # As in `Operation.operate`: the partner goes on first.
                seconds = timeout_of(socket, ZMQ_RCVTIMEO) if seconds == AS_SET else seconds
                untried = seconds != 0
            if not yields and not untried:
                err = receive.attempt(outcome)
                before = budget.stirred()
                if trampoline.interest:
                    trampoline.notify()
                if err == 0:
                    outcome.end()
                    return outcome
                if err != EAGAIN:
                    socket.failed(err, ZMQ_POLLIN)
        if flags & ZMQ_DONTWAIT:
            outcome.fail(again(socket, ZMQ_POLLIN))
            return outcome
    except Exception as error:
        receive.withdraw(outcome)
        fail_in_turn(outcome, error)
        return outcome
    if seconds == AS_SET:
        seconds = timeout_of(socket, ZMQ_RCVTIMEO)
    if seconds != 0:
        enqueue(outcome, trampoline, ZMQ_POLLIN, None, seconds, untried and not yields, before)
    elif yields:
        outcome.makes_last_attempt = True
        enqueue(outcome, trampoline, ZMQ_POLLIN, None, -1, False, before)
    else:
        receive.withdraw(outcome)
        fail_in_turn(outcome, again(socket, ZMQ_POLLIN))
    if yields:
        budget.count_yields += 1
        if outcome.waiter is not None and outcome.waiter.state == PARKED:
            # It only lets others run.
            outcome.waiter.has_parked = False
            outcome.waiter.choose(CHOSEN)
    return outcome


def receive_in_turn(Socket socket not None, Receive receive not None, int flags=0, timeout=None):
    """Receive now if there is a message, or else when the turn of this call has come.

    Parameters
    ----------
    socket : Socket
        With `_get_loop`.
    receive : Receive
        What to receive.
    flags : int
        With `DONTWAIT` the outcome has `Again` instead of waiting.
    timeout : float, optional
        Milliseconds; negative to wait for ever, None for as long as RCVTIMEO says.

    Returns
    -------
    Outcome
        Of the result, the error, or `Again` after the time-out.
    """
    return begin_receive(socket, receive, flags, timeout, False)
