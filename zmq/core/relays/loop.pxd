from libc.stdint cimport uint64_t

from zmq.core.libzmq cimport zmq_msg_t
from zmq.core.messages.whole_message_attempts cimport Incoming
from zmq.core.waiting.counters cimport Way

cdef extern from "<pthread.h>" nogil:
    ctypedef struct pthread_t:
        pass


cdef enum:
    # How the loop ended, besides an error code of libzmq.
    STOPPED = -1
    BAD_COMMAND = -2


cdef struct Counts:
    uint64_t messages
    uint64_t bytes


cdef struct Direction:
    void *source
    void *target
    Way *taken          # what is counted of receives from the source
    Way *given          # and of sends to the target
    Incoming message    # the one that is held: taken from the source, and not passed on yet
    bint captured       # the capture socket has it already
    bint swaps          # between two ROUTERs: the first frame says who sent it, the second who gets it
    const char *prefix  # a first frame for the capture socket, or NULL
    size_t prefix_size
    int retry           # milliseconds; 0 while POLLOUT may be trusted
    Counts counts


cdef struct Relay:
    Direction directions[2]     # from the front end to the back end, and back
    int ways                    # 1 when both ends are the same socket
    void *capture
    Way *copied         # what is counted of sends to the capture socket
    void *control
    Way *commands       # of receives from the control socket, and of sends to it
    Way *answers
    int stop                    # a descriptor that becomes readable when the loop must end, or -1
    int signals                 # one that becomes readable when the caller should look at signals, or -1
    int glance                  # milliseconds after which the loop ends for that where there is none; -1 for never
    int done                    # one to write to when the loop has ended
    bint paused
    bint interruptible          # whether the loop ends with EINTR now and then, so that the caller can look at signals
    int result
    pthread_t thread            # where it is one of its own


cdef void swap(zmq_msg_t *one, zmq_msg_t *other) noexcept nogil
cdef int run(Relay *relay) noexcept nogil
cdef int begin_thread(Relay *relay) noexcept nogil
cdef void end_thread(Relay *relay) noexcept nogil
