from zmq.core.waiting.hub cimport Hub
from zmq.core.waiting.wait cimport Owner, Turn, Waiter


cdef enum:
    # In Parked.state.
    PARKED      # waits to be chosen
    CHOSEN      # will make an attempt next
    EXPIRED     # its time is over
    CLOSED      # the socket is being closed

cdef enum:
    FUEL = 64           # transfers between two looks at the clock

cdef enum:
    POLLER = 1 << 16    # in Parked.events: does not take what it waits for


cdef class Parked(Turn):
    cdef Trampoline owner
    cdef Hub hub
    cdef object greenlet
    cdef object timer
    cdef readonly bytes route
    cdef readonly int events
    cdef readonly double since
    cdef int state
    cdef bint inside
    cdef bint overdue           # its time is over, but it is to make one more attempt
    cdef Trampoline guessed_by  # which one woke it without a look at the bell
    cdef Parked before
    cdef Parked after

    cpdef resume(self)
    cpdef expire(self)
    cdef void choose(self, int state) noexcept
    cdef void park_again(self) noexcept


cdef class Queue:
    cdef Parked head
    cdef Parked tail
    cdef void append(self, Parked turn) noexcept
    cdef void remove(self, Parked turn) noexcept


cdef class Subscription:
    cdef Trampoline owner   # None once the socket is closed or the subscription ended
    cdef bint armed         # wants the descriptor to be watched
    cdef void touched(self) noexcept
    cdef void ready(self, int events) noexcept
    cdef void gone(self) noexcept
    cdef void abandoned(self, Hub hub) noexcept
    cdef bint waits(self) noexcept


cdef class Trampoline(Waiter):
    cdef object __weakref__
    cdef Hub hub            # where the parked wait; None while nobody does
    cdef object watcher
    cdef object ring        # `on_readable`, bound once
    cdef Hub watched_hub    # the hub that `watcher` belongs to
    cdef object weak        # a weak reference to itself, as hubs know it
    cdef bint closing       # the hub will close the handle
    cdef int fd
    cdef void *bell         # of a thread-safe socket, which has no ZMQ_FD; else NULL
    cdef int parked         # turns and armed subscriptions
    cdef bint armed
    cdef Owner held_by      # who has the socket to himself: nobody else may look at it
    cdef bint ringing       # the hub is in `on_readable`
    cdef bint trying        # somebody who waits makes another attempt
    cdef Parked first       # whom it will switch to last
    cdef Trampoline partner  # whose bell rang when somebody had parked here
    cdef int trust          # how often in a row; less than 0 after a look at it in vain
    cdef bint unheard       # somebody parked without an attempt: the bell may be still with a message there
    cdef Hub looking_in     # the hub that will call `on_unheard`
    cdef bint routed        # POLLOUT says nothing about a certain message
    cdef bint routes        # the first frame names the peer
    cdef Queue receivers
    cdef Queue senders
    cdef Queue pollers
    cdef list subscriptions
    cdef object look_timer
    cdef double look_delay

    cdef int read_events(self) noexcept
    cdef bint missed(self, int mask) noexcept
    cdef Parked answer(self)
    cdef void learn(self) noexcept
    cdef Parked partner_turn(self, bint untried)
    cdef void distrust(self, int debt) noexcept
    cdef void stilled(self, int events) noexcept
    cdef void changed(self, int events, bint look) noexcept
    cdef Queue queue_of(self, int events)
    cdef int descriptor(self) except -1
    cdef int moor(self, get_hub) except -1
    cdef int enter_from(self, unsigned long thread) except -1
    cdef void abandon(self) noexcept
    cdef void forget_watcher(self) noexcept
    cdef void lose(self) noexcept
    cdef void end(self) noexcept
    cdef void unmoor(self) noexcept
    cdef bint is_waited_for(self) noexcept
    cdef void try_senders(self) noexcept
    cdef void try_route(self, bytes route) noexcept
    cdef void look_again(self) noexcept
    cpdef set_look_timer(self)
    cpdef rearm(self)
    cpdef on_readable(self)
    cpdef on_look(self)
    cpdef on_unheard(self)
    cdef int subscribe(self, Subscription subscription) except -1
    cdef void unsubscribe(self, Subscription subscription) noexcept
    cdef int arm_for(self, Subscription subscription, get_hub) except -1
    cdef void disarm_for(self, Subscription subscription) noexcept
    cdef int poll(self, get_hub, int events, double timeout) except -1


cdef long count_yields
cdef double budget      # seconds for which calls that need not wait may keep the others from running; 0 for any time
cdef double monotonic() noexcept nogil
cpdef int let_run(Hub hub, double seconds=*) except -1
cdef bint is_time_to_yield() noexcept
cdef int refuel(get_hub) except -1
cpdef bint wait_readable(Hub hub, int fd, double timeout, what=*) except -1
cdef Trampoline trampoline_of(void *handle)
cdef Trampoline known_trampoline(void *handle)
cdef void close_left() noexcept
