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


cdef class Life:
    cdef bint over          # the thread has ended
    cdef int pid
    cdef list hubs          # weak references to its hubs


cdef class Hub:
    cdef object __weakref__
    cdef Life life          # of the thread in which it was made
    cdef unsigned long thread   # in which it was last seen to run
    cdef list posted        # callbacks from other threads
    cdef bint lingers       # a watcher that was stopped may be watched for a while
    cdef public object current
    cdef public object park
    cdef public object call_soon
    cdef public object watcher
    cdef public object native_watcher
    cdef set watched        # weak references to the waiters with somebody parked
    cdef object alarm       # the timer of the sweep
    cdef bint tidying       # `tidy` will be called
    cdef object last        # a weak reference to the waiter on which somebody parked last, until the hub woke somebody
    cdef double since       # when the first of these was
    cdef int handovers      # greenlets that switched to the next one without the hub, in a row
    cdef dict calls         # each Call that the framework owes us, in the order in which it was asked
    cdef dict started       # watchers that stand for themselves, and what they call
    cdef object listener    # the watcher of `listen`
    cdef list interruptions  # what handlers of signals raised where it could not be raised further

    cdef int watch(self, reference) except -1
    cdef void unwatch(self, reference) noexcept
    cdef void soon(self, callback) noexcept
    cdef void cancel(self, timer) noexcept
    cdef void disarm(self, watcher) noexcept
    cdef void end(self, watcher) noexcept
    cdef void retry(self, error, function, argument=*) noexcept


cdef class Interrupts:
    cdef object current, get_hub, main
    cdef bint looking       # `look` will be called
    cdef unsigned long thread   # the main one
    cdef int reader, writer     # the ends of the pipe that signals write to; -1: there is none
    cdef object identity        # of the pipe
    cdef object report, set_wakeup_fd   # what was there before `unraisable` and `wakeup_fd`


cdef unsigned long this_thread() noexcept
cdef void report(error) noexcept
