"""Receives that wait without a greenlet, for callers that have futures.

Lives here: `Receive`, which says what is to be received, and `begin_receive`, which does so now or queues the call.
What must not: event loops, and what becomes of a message that is not wanted (`zmq.core.futures.cancelling`).
Called by `zmq.asyncio`.
"""

from functools import partial

from cpython.buffer cimport PyBUF_SIMPLE, PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer
from libc.string cimport memcpy

from zmq.core.futures.calls cimport Pending, enqueue, timeout_of
from zmq.core.futures.time_slice cimport fail, is_time_to_yield
from zmq.core.libzmq cimport (
    ZMQ_DONTWAIT,
    ZMQ_POLLIN,
    ZMQ_RCVMORE,
    ZMQ_RCVTIMEO,
    zmq_msg_copy,
    zmq_msg_data,
    zmq_msg_init,
    zmq_msg_size,
    zmq_msg_t,
)
from zmq.core.messages.returned cimport Delivery
from zmq.core.messages.attempts cimport AS_SET, try_recv
from zmq.core.socket cimport Socket
from zmq.core.sockets.arguments cimport seconds_of, several_frames
from zmq.core.waiting cimport budget
from zmq.core.waiting.trampoline cimport CHOSEN, PARKED, Trampoline

from zmq.core.error import Again


cdef class Receive:
    """What is to be received, and what becomes of it.

    Parameters
    ----------
    whole : bool
        Whether to receive a message, or one frame of it.
    copy, track : bool
        As in `Socket.recv`.
    load : callable, optional
        Makes the result of what was received.
    buffer : writable bytes-like, optional
        Where to put a frame. Its export is held until the call is over.
    nbytes : int
        As in `Socket.recv_into`.
    single : bool
        With `whole`: refuse a message of several frames, with a ValueError; it remains there.
    """

    def __init__(
        self, bint whole, *, copy=True, bint track=False, load=None, buffer=None, Py_ssize_t nbytes=0, bint single=False
    ):
        self.whole = whole
        self.copy = copy
        self.track = track
        self.load = load
        self.buffer = buffer
        self.nbytes = nbytes
        self.single = single


cdef class PendingReceive(Pending):
    """A receive that waits for its turn."""

    def __dealloc__(self):
        self.let_go()

    cdef void let_go(self) noexcept:
        if self.held:
            self.held = False
            PyBuffer_Release(&self.view)

    cdef make(self):
        cdef Delivery delivery = Delivery.__new__(Delivery)
        delivery.incoming.whole = self.receive.whole
        self.socket.operate(try_recv, &delivery.incoming, ZMQ_DONTWAIT, ZMQ_POLLIN, 1)
        return delivery

    cdef give(self, delivery):
        deliver(self, delivery, False)

    def forget(self, future):
        cdef Delivery delivery = future._delivery
        if delivery is not None:
            delivery.announced = True
        self.let_go()
        Pending.forget(self, future)


cdef int deliver(PendingReceive call, Delivery delivery, bint announced) except -1:
    """Give the future of a receive its message, or what was made of it."""
    cdef Trampoline trampoline = call.socket.trampoline
    future = call.future
    trampoline.received += 1
    delivery.trampoline = trampoline
    delivery.number = trampoline.received
    delivery.announced = announced
    if call.receive.single and delivery.incoming.count > 1:
        result = several_frames(delivery.incoming.count)
        delivery.give_back()
        future.set_exception(result)
        return 0
    try:
        result = build(call, delivery)
    except Exception as error:
        result = error
    if future.done():
        # Cancelled by what made the object.
        delivery.give_back()
    elif isinstance(result, Exception):
        future.set_exception(result)
    else:
        future._delivery = delivery
        future.set_result(result)
    return 0


cdef object build(PendingReceive call, Delivery delivery):
    """Make of a message what is received; the delivery keeps the message."""
    cdef Receive receive = call.receive
    cdef size_t i
    cdef zmq_msg_t msg
    cdef size_t size
    cdef list parts
    if receive.buffer is not None:
        size = zmq_msg_size(&delivery.incoming.frames[0])
        memcpy(
            call.view.buf,
            zmq_msg_data(&delivery.incoming.frames[0]),
            min(size, <size_t> (receive.nbytes or call.view.len)),
        )
        call.let_go()
        return size
    if receive.copy and not receive.whole:
        result = call.socket.bytes_of(&delivery.incoming.frames[0])
    else:
        parts = []
        for i in range(delivery.incoming.count):
            if receive.copy:
                parts.append(call.socket.bytes_of(&delivery.incoming.frames[i]))
            elif receive.load is None:
                parts.append(call.socket.as_frame(&delivery.incoming.frames[i], receive.track))
                # `as_frame` closed it.
                zmq_msg_init(&delivery.incoming.frames[i])
            else:
                # Seen by `load`, which may keep it.
                zmq_msg_init(&msg)
                zmq_msg_copy(&msg, &delivery.incoming.frames[i])
                parts.append(call.socket.as_frame(&msg, receive.track))
        if not receive.copy and receive.load is None:
            delivery.frames = parts
        result = list(parts) if receive.whole else parts[0]
    return result if receive.load is None else receive.load(result)


def begin_receive(
    Socket socket not None, Receive receive not None, int flags, future_class, loop, get_hub, timeout=None
):
    """Receive now if there is a message, or else when the turn of this call has come.

    Parameters
    ----------
    socket : Socket
    receive : Receive
        What to receive.
    flags : int
        With `DONTWAIT` the future gets `Again` instead of waiting.
    future_class : type
        From `zmq.core.futures.cancelling.received_class`.
    loop : event loop
        Of the future.
    get_hub : callable
        Returns the `Hub` of an event loop.
    timeout : float, optional
        Milliseconds; -1 to wait for ever, None for as long as RCVTIMEO says.

    Returns
    -------
    Future
        Of the result, the error, or `Again` after the time-out.
    """
    cdef Trampoline trampoline = socket.trampoline
    cdef PendingReceive call = PendingReceive.__new__(PendingReceive)
    cdef double seconds = AS_SET
    cdef Delivery delivery
    cdef bint yields = False
    future = future_class(loop=loop)
    future._delivery = None
    if receive.buffer is not None:
        future._call = call
    call.future = future
    call.socket = socket
    call.receive = receive
    try:
        if receive.buffer is not None:
            # Held until the message is there, as by `Socket.recv_into`: a bytearray can't be resized meanwhile.
            PyObject_GetBuffer(receive.buffer, &call.view, PyBUF_SIMPLE | PyBUF_WRITABLE)
            call.held = True
            if receive.nbytes < 0 or receive.nbytes > call.view.len:
                raise ValueError(
                    f"nbytes={receive.nbytes}, must be at least 0 and at most the {call.view.len} bytes of the buffer"
                )
        if trampoline is None:
            trampoline = socket.waited()
        if timeout is not None:
            seconds = seconds_of(timeout)
        if trampoline.interest:
            trampoline.enter()
        if flags & ZMQ_DONTWAIT or not trampoline.must_queue(ZMQ_POLLIN, NULL, 0):
            if budget.fuel <= 0 and not flags & ZMQ_DONTWAIT and is_time_to_yield(get_hub(loop)):
                # Not between two frames: others might receive the rest of the message.
                yields = not socket.get(ZMQ_RCVMORE)
            if not yields and (flags & ZMQ_DONTWAIT or worth_trying(trampoline)):
                delivery = call.make()
                deliver(call, delivery, True)
                return future
    except Again as error:
        if flags & ZMQ_DONTWAIT:
            future.set_exception(error)
            return future
    except Exception as error:
        fail(partial(get_hub, loop), future, error)
        return future
    if seconds == AS_SET:
        seconds = timeout_of(socket, ZMQ_RCVTIMEO)
    if seconds != 0 or yields:
        call.once = seconds == 0
        enqueue(call, trampoline, partial(get_hub, loop), ZMQ_POLLIN, None, -1 if call.once else seconds)
        if yields:
            budget.count_yields += 1
            if call.waiter.state == PARKED:
                call.waiter.choose(CHOSEN)
    else:
        fail(partial(get_hub, loop), future, Again())
    return future


cdef bint worth_trying(Trampoline trampoline) noexcept:
    """Tell whether a receive may succeed: one in vain costs an exception, which takes longer than a look."""
    cdef int found
    if trampoline.handle == NULL:
        return True
    found = trampoline.read_events()
    if trampoline.interest:
        trampoline.events_were_read(found)
    return found < 0 or found & ZMQ_POLLIN
