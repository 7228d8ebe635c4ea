from zmq.core.waiting.hub cimport Hub
from zmq.core.waiting.owner_interface cimport Owner
from zmq.core.waiting.sweep_alarm cimport Swept
from zmq.core.waiting.counters cimport Traffic


cdef enum:
    # In Waiter.state.
    PARKED      # waits to be chosen
    CHOSEN      # will make an attempt next
    EXPIRED     # its time is over
    CLOSED      # the socket is being closed

cdef enum:
    POLLER = 1 << 16    # in Waiter.events: does not take what it waits for


cdef class Waiter:
    cdef Trampoline trampoline  # None once it does not wait any more
    cdef Hub hub
    cdef object greenlet        # or what has its `switch`
    cdef object timer
    cdef bytes route   # the peer that a message is for, where that matters
    cdef int events
    cdef double since
    cdef int state
    cdef bint inside            # it is parked, and may be switched to
    cdef bint is_call           # what has its `switch` is no greenlet: it returns at once
    cdef bint untried           # no attempt was made yet
    cdef bint has_parked        # it was not served at once
    cdef bint overdue           # its time is over, but it is to make one more attempt
    cdef Handover guessed_by    # which one woke it without a look at the bell
    cdef Waiter before
    cdef Waiter after

    cdef int wait(self) except -1
    cdef int check_given_up(self) except -1
    cdef void again(self) noexcept
    cdef void leave(self) noexcept
    cpdef resume(self)
    cpdef take_turn(self)
    cpdef expire(self)
    cdef void choose(self, int state) noexcept
    cdef void park_again(self) noexcept


cdef class Queue:
    cdef Waiter head
    cdef Waiter tail
    cdef void append(self, Waiter waiter) noexcept
    cdef void remove(self, Waiter waiter) noexcept


cdef class Subscription:
    cdef Trampoline trampoline  # None once the socket is closed or the subscription ended
    cdef bint armed             # wants the descriptor to be watched
    cdef void touched(self) noexcept
    cdef void ready(self, int events) noexcept
    cdef void gone(self) noexcept
    cdef void abandoned(self, Hub hub) noexcept
    cdef bint waits(self) noexcept
    cdef bint overlooks(self, int events) noexcept


cdef class Handover:
    cdef Trampoline partner     # whose bell rang when a waiter had parked here
    cdef bint is_known          # the two have an address of inproc to themselves
    cdef int count              # how often in a row; less than 0 after a look at its bell in vain
    cdef bint is_trusted        # who receives after a send hands over to the partner, and need not attempt first
    cdef bint unheard           # a waiter parked without an attempt: the bell may be still with a message there
    cdef Hub looking_in         # the hub that will call `on_unheard`

    cdef void reset(self, int penalty) noexcept
    cdef bint is_possible(self, Trampoline trampoline) noexcept
    cdef Waiter next_waiter(self, Trampoline trampoline, bint untried, bint looks)
    cdef int look_soon(self, Trampoline trampoline) except -1


cdef class RoutedSenders:
    cdef object trampoline      # a weak reference
    cdef Queue senders
    cdef bint by_peer           # a message is for one peer, which its first frame names
    cdef bint by_number         # or its routing id
    cdef Hub hub                # where `timer` is
    cdef object timer           # of the next look
    cdef double delay           # until then, seconds

    cdef void choose_all(self) noexcept
    cdef void choose_on(self, bytes route) noexcept
    cdef bint must_queue(self, const void *route, size_t size) noexcept
    cdef void look_soon(self, Hub hub) noexcept
    cdef void look_later(self, Hub hub) noexcept
    cpdef set_timer(self)
    cpdef on_look(self)
    cdef void stop(self) noexcept


cdef class Trampoline(Swept):
    cdef object __weakref__
    cdef int born               # `generation` when it was made

    # The socket.
    cdef void *handle           # NULL once it is closed
    cdef void *bell             # of a thread-safe socket, which has no ZMQ_FD; else NULL
    cdef bint closing           # the hub will close the handle
    cdef Owner owner            # who has the socket to itself: nobody else may look at it
    cdef Traffic traffic        # of the sockets for this handle; None until one of them comes here

    # What a cancelled receive gave back, see `zmq.core.messages.deliveries`.
    cdef list returned          # each message, oldest first; None for none
    cdef int more               # RCVMORE after one of these was received; -1 while libzmq knows
    cdef long received          # numbers the receives that can be cancelled

    # All who wait or have subscribed.
    cdef int interest           # how many: the one integer test of an operation
    cdef Queue receivers
    cdef Queue senders
    cdef Queue pollers
    cdef RoutedSenders routed   # None where POLLOUT says all
    cdef list subscriptions
    cdef Handover handover
    cdef tuple end_at           # its only end, of inproc: the context and the address; None for others
    cdef Waiter next            # while the bell is answered: the greenlet to switch to at once
    cdef bint answering
    cdef bint trying            # a waiter makes another attempt

    # The hub.
    cdef Hub hub                # where the parked wait; None while nobody does
    cdef int parked             # waiters and armed subscriptions
    cdef bint armed             # the descriptor is watched
    cdef object watcher
    cdef object callback        # `on_readable`, bound once
    cdef Hub watched_hub        # the hub that `watcher` belongs to

    cdef int read_events(self) noexcept
    cdef void choose(self, int events, bint rang) noexcept
    cdef Waiter answer(self)
    cdef int go_on(self, Waiter waiter) except -1
    cdef void notify(self) noexcept
    cdef void events_were_read(self, int events) noexcept
    cdef bint overlooks(self, int events) noexcept
    cdef bint is_waited_for(self) noexcept
    cdef int descriptor(self) except -1
    cdef int enter(self) except -1
    cdef int check_process(self) except -1
    cdef int enter_from_elsewhere(self) except -1
    cdef int watch(self, get_hub, bint later) except -1
    cdef int arm(self) except -1
    cdef void disarm(self) noexcept
    cdef void unwatch(self) noexcept
    cdef void forget_watcher(self) noexcept
    cdef void abandon(self) noexcept
    cpdef rearm(self)
    cpdef on_readable(self)
    cpdef on_unheard(self)
    cdef Queue queue_of(self, int events)
    cdef bint must_queue(self, int events, const void *route, size_t size) noexcept
    cdef Waiter join(self, get_hub, int events, const void *route, size_t size, double timeout, bint untried)
    cdef int poll(self, get_hub, int events, double timeout) except -1
    cdef int subscribe(self, Subscription subscription) except -1
    cdef void unsubscribe(self, Subscription subscription) noexcept
    cdef int arm_for(self, Subscription subscription, get_hub) except -1
    cdef void disarm_for(self, Subscription subscription) noexcept
    cdef bint close(self) noexcept
    cdef void lose(self) noexcept
    cdef void end(self) noexcept


# How libzmq's sockets are closed; see `zmq.core.sockets.monitors`, which says.
ctypedef int (*closer_t)(void *handle) noexcept
cdef closer_t closer

# What `statistics` tells of all who waited.
cdef long count_parked, count_woken, count_expired, count_vain

cdef Trampoline trampoline_of(void *handle)
cdef Trampoline known_trampoline(void *handle)
cdef void close_left() noexcept
cdef int meet(Trampoline trampoline, end, bint is_bound) except -1
cdef void part(Trampoline trampoline) noexcept
