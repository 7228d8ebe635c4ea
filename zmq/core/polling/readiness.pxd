from zmq.core.polling.bell_set cimport BellSet
from zmq.core.socket cimport Socket
from zmq.core.waiting.hub cimport Hub
from zmq.core.waiting.trampoline cimport Subscription


cdef enum:
    FEW_SOCKETS = 4     # up to which each bell is watched by itself, and a plain thread calls zmq_poll


cdef class RegisteredDescriptor:
    cdef object item
    cdef long order         # position in which it was registered
    cdef int mask
    cdef int fd             # at the last look
    cdef bint removed


cdef class RegisteredSocket(Subscription):
    cdef Registry registry
    cdef Socket socket
    cdef long order         # position in which it was registered
    cdef int mask
    cdef int bell           # its descriptor
    cdef int armed_for      # how many of the polls that wait have its bell watched by itself
    cdef bint doubtful      # EVENTS may have changed since it was read
    cdef bint heard         # something was heard since just before EVENTS was read
    cdef bint removed
    cdef bint in_set        # its bell is in the set


cdef class Registry:
    cdef dict sockets           # RegisteredSocket by socket
    cdef dict descriptors       # RegisteredDescriptor by item
    cdef dict doubtful          # the sockets that are in doubt, in the order in which they came to be; as a set
    cdef BellSet bells
    cdef list waiting           # the polls that wait in a hub
    cdef bint blocks            # a poll blocks its thread
    cdef long counter
    cdef int born               # `generation` when it was made
    cdef bint polled            # before: it is worth keeping a set of bells
    cdef bint is_shared         # there are thread-safe sockets, of which any thread may hear the news
    cdef bint lost_sight        # there was no memory to note what to doubt: look at every socket

    cdef int add(self, item, int flags) except -1
    cdef void remove(self, item) noexcept
    cdef void close(self) noexcept
    cdef void doubt(self, RegisteredSocket registered) noexcept
    cdef void clear(self, RegisteredSocket registered) noexcept
    cdef void look(self, RegisteredSocket registered) noexcept
    cdef void wake(self) noexcept
    cdef bint sleeps(self, RegisteredSocket registered) noexcept
    cdef void give_up(self, Hub hub) noexcept
    cdef void lost(self, RegisteredSocket registered) noexcept
    cdef list hear(self)
    cdef list collect(self)
    cdef int collect_descriptors(self, list found) except -1
    cdef bint uses_set(self) noexcept
    cdef bint join_set(self, RegisteredSocket registered) except -1
    cdef int join_all(self) except -1
    cdef void leave_set(self, RegisteredSocket registered) noexcept
    cdef void close_set(self) noexcept


cdef enum:
    NO_DESCRIPTOR = -2

cdef int descriptor_of(item) except -1
