from zmq.core.libzmq cimport zmq_msg_t
from zmq.core.messages.deliveries cimport Delivery
from zmq.core.waiting.trampoline cimport Trampoline, Waiter


cdef enum:
    # In Outcome.state.
    PENDING
    FINISHED
    FAILED
    CANCELLED


cdef class Work:
    cdef bint may_fail
    cdef bint takes_message

    cdef int attempt(self, Outcome outcome) except -1
    cdef object make(self, Outcome outcome)
    cdef int expire(self, Outcome outcome) except -1
    cdef void withdraw(self, Outcome outcome) noexcept


cdef class UnseenError:
    cdef object error       # None once the program has asked for it
    cdef object loop


cdef class Outcome:
    cdef object __weakref__
    cdef object value       # the result or the error; of a message once it was made of it
    cdef object owner       # the socket or poller, whose `_get_loop` is asked when there is need of a loop
    cdef object loop        # None until then
    cdef Work work          # None where there is nothing to do any more
    cdef Waiter waiter      # while the call has a place in a socket's queues
    cdef object callback, context   # the first that shall be called; that of a task, as a rule
    cdef list others        # (callback, context) of the others; None for none
    cdef UnseenError unseen     # while nobody has asked for the error
    cdef object detail      # with what the call was cancelled, or where an error was raised
    cdef Trampoline unheard     # where EVENTS shall be read once those who wait for this were told
    cdef Delivery delivery  # a received message that is not in `msg`: of several frames, or given back
    cdef long number        # of this receive among those on the same socket
    cdef zmq_msg_t msg      # a received message of one frame, if `is_in_msg`
    cdef unsigned char state
    cdef bint has_message   # in `msg` or `delivery`, which the program has not seen
    cdef bint is_in_msg
    cdef bint is_seen       # the program is about to have the message, or has it
    cdef bint is_made       # `value` is what the message becomes
    cdef bint is_announced  # those who wait for it were told; or nobody was waiting
    cdef bint makes_last_attempt    # there is no time for another one
    cdef bint blocks        # what asyncio calls _asyncio_future_blocking

    cdef object its_loop(self)
    cdef object outcome(self)
    cdef zmq_msg_t *first_frame(self) noexcept
    cdef int try_to_make(self) except -1
    cdef int see(self) except -1
    cdef bint give_back(self) noexcept
    cdef void drop_message(self) noexcept
    cdef int finish(self, value) except -1
    cdef int fail(self, error) except -1
    cdef int settle(self, result) except -1
    cdef int end(self) except -1
    cdef int tell(self) except -1
    cdef bint will_announce(self) noexcept
    cdef int expire(self) except -1
    cdef int try_parked(self) except -1
    cdef void leave(self) noexcept
    cdef void withdraw(self) noexcept
    cdef void saw_error(self) noexcept


cdef Outcome outcome_of(owner, Work work)
