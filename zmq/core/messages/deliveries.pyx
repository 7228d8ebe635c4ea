"""`Delivery`: a message that was received, until the program has seen it.

Lives here: how a message goes back to its socket. What must not: futures. Called by `zmq.core.futures`, which receives,
and by `zmq.core.sockets`, where the next receive, in whatever form, takes what was returned before what libzmq has.
`zmq.core.relays` and batches return what they took and cannot use.

Between the moment when a message is received for a task and the moment when the task runs, the task may be cancelled.
libzmq takes no message back. So the message stays in a delivery, as libzmq gave it, until the program has seen it. One
that is given back joins `Trampoline.returned`, in the order in which the messages came. While there are any, `interest`
is not 0, which keeps every operation off the short cuts, and EVENTS, as everybody here reads it, has POLLIN.
"""

cimport cython
from libc.errno cimport ENOMEM

from zmq.core.waiting cimport fork_generation
from zmq.core.libzmq cimport (
    ZMQ_DONTWAIT,
    ZMQ_RCVMORE,
    zmq_getsockopt,
    zmq_msg_init,
    zmq_msg_more,
    zmq_msg_move,
    zmq_msg_t,
)
from zmq.core.messages.whole_message_attempts cimport expect, grow, release, try_recv


@cython.freelist(16)
cdef class Delivery:
    """What one receive took."""

    def __cinit__(self):
        expect(&self.incoming, False)

    def __dealloc__(self):
        release(&self.incoming)

    cdef bint take(self) noexcept:
        """The program sees the message; tell whether it is still here."""
        if self.state == RETURNED:
            return False
        if self.state == OFFERED:
            if self.trampoline.returned is not None:
                # Otherwise the socket was closed.
                self.trampoline.returned.remove(self)
                end_if_none_left(self.trampoline)
        self.state = TAKEN
        return True

    cdef bint give_back(self) noexcept:
        """The message is not wanted; tell whether it is surely the next receive's now.

        A task that was told that it is there may ask for it even so, until another receive takes it.
        """
        cdef Trampoline trampoline = self.trampoline
        cdef Py_ssize_t place
        if self.state != UNSEEN or trampoline.handle == NULL or trampoline.born != fork_generation.current:
            return self.state == RETURNED
        try:
            trampoline.enter()
            if trampoline.returned is None:
                trampoline.returned = [self]
                trampoline.interest += 1
                trampoline.more = -1
            else:
                place = len(trampoline.returned)
                while place and (<Delivery> trampoline.returned[place - 1]).number > self.number:
                    place -= 1
                trampoline.returned.insert(place, self)
        except (MemoryError, RuntimeError):
            # Another thread waits for the socket by now.
            return False
        self.state = OFFERED if self.announced else RETURNED
        trampoline.notify()
        return self.state == RETURNED


cdef int return_message(Trampoline trampoline, Incoming *incoming, bint captured) except -1:
    """Make a message that was received, and that the program did not see, the next that is."""
    cdef Delivery delivery = Delivery.__new__(Delivery)
    cdef size_t i
    delivery.trampoline = trampoline
    # Before all that are there: it came before them.
    delivery.number = -1
    delivery.captured = captured
    if incoming.frames == incoming.few:
        for i in range(incoming.count):
            zmq_msg_init(&delivery.incoming.few[i])
            zmq_msg_move(&delivery.incoming.few[i], &incoming.few[i])
    else:
        delivery.incoming.frames = incoming.frames
        delivery.incoming.capacity = incoming.capacity
        incoming.frames = incoming.few
    delivery.incoming.count = incoming.count
    incoming.count = 0
    delivery.give_back()
    return 0


cdef int try_returned(Trampoline trampoline, Incoming *incoming) noexcept:
    """Receive what was returned, or else what libzmq has; as `try_recv`."""
    cdef Delivery delivery
    cdef zmq_msg_t *frame
    cdef int err
    while trampoline.returned:
        if incoming.count == incoming.capacity and grow(incoming):
            release(incoming)
            return ENOMEM
        delivery = trampoline.returned[0]
        delivery.state = RETURNED
        frame = &incoming.frames[incoming.count]
        zmq_msg_init(frame)
        zmq_msg_move(frame, &delivery.incoming.frames[delivery.first])
        incoming.count += 1
        delivery.first += 1
        if delivery.first == delivery.incoming.count:
            del trampoline.returned[0]
        if not incoming.whole or not zmq_msg_more(frame):
            trampoline.more = zmq_msg_more(frame)
            end_if_none_left(trampoline)
            return 0
    if incoming.count and not more_in(trampoline.handle):
        # The rest of this message was received as frames of their own.
        trampoline.more = False
        end_if_none_left(trampoline)
        return 0
    err = try_recv(trampoline.handle, incoming, ZMQ_DONTWAIT)
    if err == 0:
        end_returning(trampoline)
    return err


cdef void drop_returned(Trampoline trampoline) noexcept:
    """The messages that were returned are of no use any more."""
    cdef Delivery delivery
    for delivery in trampoline.returned:
        delivery.state = RETURNED
        release(&delivery.incoming)
    end_returning(trampoline)


cdef void end_if_none_left(Trampoline trampoline) noexcept:
    """Go back to normal if nothing is left, and libzmq knows again whether more frames follow."""
    if not trampoline.returned and (trampoline.more < 0 or trampoline.more == more_in(trampoline.handle)):
        end_returning(trampoline)


cdef void end_returning(Trampoline trampoline) noexcept:
    trampoline.returned = None
    trampoline.more = -1
    trampoline.interest -= 1


cdef bint more_in(void *handle) noexcept:
    """Tell whether libzmq received a frame last that more frames follow."""
    cdef int more = 0
    cdef size_t size = sizeof(int)
    zmq_getsockopt(handle, ZMQ_RCVMORE, &more, &size)
    return more
