from zmq.core.waiting.pipes cimport Pipe
from zmq.core.waiting.sweep_alarm cimport Round


cdef class Call:
    cdef Hub hub                # whose framework may lose the call; None where it does not
    cdef object callback        # None once the call was made or cancelled
    cdef object on_cancel
    cdef public double seconds
    cdef double deadline

    cpdef cancel(self)


cdef class Timer(Call):
    cdef object watcher


cdef class Ready:
    cdef public Hub adapter
    cdef public object callback


cdef class Shield:
    cdef Hub hub
    cdef object function
    cdef tuple passed


cdef class Life:
    cdef bint over          # the thread has ended
    cdef int pid
    cdef list hubs          # weak references to its hubs


cdef class Hub:
    cdef object __weakref__
    cdef Life life          # of the thread in which it was made
    cdef readonly unsigned long thread  # in which it was last seen to run
    cdef bint moves             # from thread to thread: `thread` may be out of date
    cdef list posted        # callbacks from other threads
    cdef Pipe ear           # by which it hears of these; None: the alarm looks
    cdef object ear_watcher, signals_watcher    # those of `ear`, and of the pipe that signals write to
    cdef bint lingers       # a watcher that was stopped may be watched for a while
    cdef public object current
    cdef public object park
    cdef public object call_soon
    cdef public object watcher
    cdef public object native_watcher
    cdef object get_hub, find, found    # for `is_found`
    cdef set watched        # weak references to the waiters with somebody parked
    cdef object alarm       # the timer of the sweep
    cdef Round round        # the one that is not over
    cdef long rounds        # how many began
    cdef double next_round  # when the next one is due
    cdef bint tidying       # `tidy` will be called
    cdef object last        # a weak reference to the waiter on which somebody parked last, until the hub woke somebody
    cdef double since       # when the first of these was
    cdef int handovers      # greenlets that switched to the next one without the hub, in a row
    cdef dict calls         # each Call that the framework owes us, in the order in which it was asked
    cdef dict started       # watchers that stand for themselves, and what they call
    cdef object deferred    # a deque of those who wait for one of the next turns, see `zmq.core.waiting.deferred_turns`
    cdef object serve_timer     # of `deferred_turns.serve`
    cdef bint defers        # there may be any
    cdef long turns         # for `turn`
    cdef long turn_seen     # what `turn` returned last
    cdef object turn_timer
    cdef list interruptions  # what handlers of signals raised where it could not be raised further

    cdef void take_posted(self) noexcept
    cdef int watch(self, reference) except -1
    cdef void unwatch(self, reference) noexcept
    cdef int check_alive(self) except -1
    cdef bint is_in(self, unsigned long thread) except -1
    cdef bint is_found(self, get_hub) except -1
    cdef void soon(self, callback) noexcept
    cdef void cancel(self, timer) noexcept
    cdef void disarm(self, watcher) noexcept
    cdef void end(self, watcher) noexcept
    cdef void postpone(self, error) noexcept
    cdef void retry(self, error, function, argument=*) noexcept


cdef unsigned long this_thread() noexcept
cdef bint ends() noexcept
cdef void report(error) noexcept
