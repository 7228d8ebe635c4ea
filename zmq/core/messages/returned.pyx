"""`Hand`: a message that was received for somebody who may not want it any more when it reaches him.

Lives here: how a message goes back to its socket. What must not: futures. Called by `zmq.core.futures.pending`, which
receives, and by `zmq.core.socket`, whose next receive, in whatever form, takes what was returned before what libzmq
has.
`zmq.core.device` and batches return what they took and cannot use.

Between the moment when a message is received for a task and the moment when the task runs, the task may be cancelled.
libzmq takes no message back. So the message stays in a hand, as libzmq gave it, until somebody has seen it; a hand that
is given back joins `Waiter.returned`, in the order in which the messages came. While there are any, `interest` is
not 0, which keeps every operation off the short cuts, and EVENTS, as everybody here reads it, has POLLIN.
"""

from libc.errno cimport ENOMEM

from zmq.core.waiting cimport wait
from zmq.core.libzmq cimport (
    ZMQ_DONTWAIT,
    ZMQ_RCVMORE,
    zmq_getsockopt,
    zmq_msg_init,
    zmq_msg_more,
    zmq_msg_move,
    zmq_msg_t,
)
from zmq.core.message cimport Frame
from zmq.core.messages.transfer cimport expect, grow, release, try_recv


cdef class Hand:
    """What one receive took."""

    def __cinit__(self):
        expect(&self.incoming, False)

    def __dealloc__(self):
        release(&self.incoming)

    cdef bint take(self) noexcept:
        """Somebody sees the message; tell whether it is still here."""
        if self.state == RETURNED:
            return False
        if self.state == OFFERED:
            if self.waiter.returned is not None:
                # Otherwise the socket was closed.
                self.waiter.returned.remove(self)
                settle(self.waiter)
            self.exchange(True)
        if self.state != TAKEN:
            self.state = TAKEN
            self.frames = None
            release(&self.incoming)
        return True

    cdef void exchange(self, bint to_frames) noexcept:
        """Move the messages into the frames that were made of them, or back."""
        cdef Frame frame
        cdef size_t i = 0
        if self.frames is not None:
            for frame in self.frames:
                if to_frames:
                    zmq_msg_move(&frame.zmq_msg, &self.incoming.frames[i])
                else:
                    zmq_msg_move(&self.incoming.frames[i], &frame.zmq_msg)
                i += 1

    cdef bint give_back(self) noexcept:
        """Nobody wants the message; tell whether it is surely the next receive's now.

        Who was told that it is there may ask for it even so, until somebody else receives it.
        """
        cdef Waiter waiter = self.waiter
        cdef Py_ssize_t place
        if self.state != HELD or waiter.handle == NULL or waiter.born != wait.generation:
            return self.state == RETURNED
        try:
            waiter.enter()
            if waiter.returned is None:
                waiter.returned = [self]
                waiter.interest += 1
                waiter.more = -1
            else:
                place = len(waiter.returned)
                while place and (<Hand> waiter.returned[place - 1]).number > self.number:
                    place -= 1
                waiter.returned.insert(place, self)
        except (MemoryError, RuntimeError):
            # Another thread waits for the socket by now.
            return False
        self.exchange(False)
        self.state = OFFERED if self.announced else RETURNED
        waiter.notify()
        return self.state == RETURNED


cdef int return_message(Waiter waiter, Incoming *incoming, bint captured) except -1:
    """Make a message that was received, and that nobody saw, the next that is."""
    cdef Hand hand = Hand.__new__(Hand)
    cdef size_t i
    hand.waiter = waiter
    # Before all that are there: it came before them.
    hand.number = -1
    hand.captured = captured
    if incoming.frames == incoming.few:
        for i in range(incoming.count):
            zmq_msg_init(&hand.incoming.few[i])
            zmq_msg_move(&hand.incoming.few[i], &incoming.few[i])
    else:
        hand.incoming.frames = incoming.frames
        hand.incoming.capacity = incoming.capacity
        incoming.frames = incoming.few
    hand.incoming.count = incoming.count
    incoming.count = 0
    hand.give_back()
    return 0


cdef int try_returned(Waiter waiter, Incoming *incoming) noexcept:
    """Receive what was returned, or else what libzmq has; as `try_recv`."""
    cdef Hand hand
    cdef zmq_msg_t *frame
    cdef int err
    while waiter.returned:
        if incoming.count == incoming.capacity and grow(incoming):
            release(incoming)
            return ENOMEM
        hand = waiter.returned[0]
        hand.state = RETURNED
        frame = &incoming.frames[incoming.count]
        zmq_msg_init(frame)
        zmq_msg_move(frame, &hand.incoming.frames[hand.first])
        incoming.count += 1
        hand.first += 1
        if hand.first == hand.incoming.count:
            del waiter.returned[0]
        if not incoming.whole or not zmq_msg_more(frame):
            waiter.more = zmq_msg_more(frame)
            settle(waiter)
            return 0
    if incoming.count and not more_in(waiter.handle):
        # Somebody received the rest of this message as frames of their own.
        waiter.more = False
        settle(waiter)
        return 0
    err = try_recv(waiter.handle, incoming, ZMQ_DONTWAIT)
    if err == 0:
        stop(waiter)
    return err


cdef void drop_returned(Waiter waiter) noexcept:
    """The messages that were returned are of no use any more."""
    cdef Hand hand
    for hand in waiter.returned:
        hand.state = RETURNED
        release(&hand.incoming)
    stop(waiter)


cdef void settle(Waiter waiter) noexcept:
    """Go back to normal if nothing is left, and libzmq knows again whether more frames follow."""
    if not waiter.returned and (waiter.more < 0 or waiter.more == more_in(waiter.handle)):
        stop(waiter)


cdef void stop(Waiter waiter) noexcept:
    waiter.returned = None
    waiter.more = -1
    waiter.interest -= 1


cdef bint more_in(void *handle) noexcept:
    """Tell whether libzmq received a frame last that more frames follow."""
    cdef int more = 0
    cdef size_t size = sizeof(int)
    zmq_getsockopt(handle, ZMQ_RCVMORE, &more, &size)
    return more
