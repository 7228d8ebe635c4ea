from zmq.core.messages.whole_message_attempts cimport Incoming
from zmq.core.waiting.trampoline cimport Trampoline


cdef enum:
    # In Delivery.state.
    UNSEEN      # the program has not seen the message yet
    TAKEN       # it was delivered
    OFFERED     # it belongs to what comes first: the next receive, or a task that asks for the result
    RETURNED    # it belongs to the next receive


cdef class Delivery:
    cdef Trampoline trampoline
    cdef Incoming incoming
    cdef size_t first       # the frames before it went to another receive
    cdef long number        # of this receive among those on the same socket
    cdef int state
    cdef bint captured      # the capture socket of a proxy has it already
    cdef bint announced     # those who wait for the message were told that it is there

    cdef bint take(self) noexcept
    cdef bint give_back(self) noexcept


cdef int try_returned(Trampoline trampoline, Incoming *incoming) noexcept
cdef int return_message(Trampoline trampoline, Incoming *incoming, bint captured) except -1
cdef void drop_returned(Trampoline trampoline) noexcept
