from zmq.core.polling.readiness cimport Registry
from zmq.core.waiting.hub cimport Hub
from zmq.core.waiting.sleeper cimport Sleeper
from zmq.core.waiting.sweep_alarm cimport Round


cdef class ParkedPoll(Sleeper):
    cdef PollSet members
    cdef list armed             # the sockets whose bells are watched for it
    cdef list watchers          # on native descriptors, or on the epoll set of them
    cdef int natives            # that set, or -1
    cdef object look_timer      # where something can't be watched

    cdef void close_natives(self) noexcept


cdef class PollSet(Registry):
    cdef object __weakref__
    cdef object weak            # a weak reference to itself, as hubs know it
    cdef bint dropped           # the poller is gone
    cdef Round round            # of the sweep alarm, while a thread waits, that is not over
    cdef long rounds            # how many began
    cdef double next_round      # when the next one is due

    cdef int own(self) except -1
    cdef bint is_empty(self) noexcept
    cdef list poll(self, get_hub, double timeout)
    cdef int arm(self, ParkedPoll parked, get_hub, double deadline) except -1
    cdef int disarm(self, ParkedPoll parked) except -1
    cdef int disarm_last(self, ParkedPoll parked) except -1
    cdef int watch_descriptors(self, ParkedPoll parked) except -1
    cdef int start(self, ParkedPoll parked, watcher) except -1
    cdef void drop(self) noexcept
