"""What it takes to make contexts and sockets where libzmq would end the process, or has not enough of something yet.

Lives here: the look whether libzmq can start its threads, settings it would not survive, and patience where descriptors
are short. What must not: contexts. Called by `zmq.core.context`, whose
.pxd has what sockets use of it.
"""

from operator import index

from cpython.exc cimport PyErr_CheckSignals
from libc.errno cimport EMFILE, ENOMEM
from libc.limits cimport INT_MAX
from libc.stdlib cimport free, malloc
from libc.string cimport memset

from zmq.core.check cimport raise_errno
from zmq.core.libzmq cimport (
    ZMQ_IO_THREADS,
    ZMQ_MAX_SOCKETS,
    ZMQ_POLLIN,
    ZMQ_THREAD_PRIORITY,
    ZMQ_THREAD_SCHED_POLICY,
    zmq_ctx_get,
    zmq_ctx_new,
    zmq_errno,
    zmq_poll,
    zmq_pollitem_t,
)
from zmq.core.waiting.hub cimport Hub
from zmq.core.waiting.sleeper cimport let_run

from zmq.core.constants import Errno
from zmq.core.error import ZMQError

cdef extern from "contexts/reserve.h" nogil:
    ctypedef struct greenzmq_schedule:
        int policy
        int priority
        int count
        const int *cpus
    int reserve_threads "greenzmq_reserve"(long io_threads, const greenzmq_schedule *schedule, int *scheduling)

cdef enum:
    # libzmq has a list of all sockets that there can be, and ends the process where a sum with their number overflows.
    MOST_SOCKETS = 1 << 22
    MOST_IO_THREADS = 1 << 12
    MOST_IN_HUB = 1000      # milliseconds for which a hub is blocked by a context that ends in its own greenlet


cdef int await_reaper(get_hub) except -1:
    """Wait a millisecond, in which libzmq may have closed more of the sockets that were given up, in its own thread."""
    cdef Hub hub
    if get_hub is not None:
        hub = get_hub()
        if not hub.is_current():
            let_run(hub, 0.001)
            return 0
    with nogil:
        zmq_poll(NULL, 0, 1)
    return PyErr_CheckSignals()


cdef bint has_ended(get_hub, sockets, int fd) except -1:
    """Tell, in the hub's own greenlet, whether a context has ended whose termination makes a descriptor readable then.

    Nobody can park there, and gevent calls handlers of signals there. With all sockets closed it is a matter of
    milliseconds, and blocks the thread for that; where they linger longer it is refused as any other wait is.
    """
    cdef zmq_pollitem_t item
    if not get_hub().is_current():
        return False
    for socket in sockets:
        if not socket.closed:
            return False
    memset(&item, 0, sizeof(item))
    item.fd = fd
    item.events = ZMQ_POLLIN
    with nogil:
        zmq_poll(&item, 1, MOST_IN_HUB)
    return item.revents != 0


cdef void *new_context(get_hub) except NULL:
    cdef void *handle
    cdef int tries = 0
    while True:
        handle = zmq_ctx_new()
        if handle != NULL:
            return handle
        if zmq_errno() != EMFILE or tries == PATIENCE:
            raise_errno(zmq_errno())
        tries += 1
        await_reaper(get_hub)


cdef int setting(int option, value) except? -1:
    """Return the value of an option as libzmq takes it; refuse what it would not survive."""
    number = index(value)
    most = MOST_SOCKETS if option == ZMQ_MAX_SOCKETS else MOST_IO_THREADS if option == ZMQ_IO_THREADS else INT_MAX
    if not -INT_MAX <= number <= most:
        name = {ZMQ_MAX_SOCKETS: "MAX_SOCKETS", ZMQ_IO_THREADS: "IO_THREADS"}.get(option, f"option {option}")
        raise ZMQError(Errno.EINVAL, f"Invalid argument: {name} is at most {most}, not {number}")
    return number


cdef int can_start_threads(void *handle, dict settings, set cpus, bint *scheduling) except -1:
    """Find out whether libzmq can start the threads of a context. Returns 0 or an error code.

    `scheduling` becomes true where they may not run as its settings say.
    """
    cdef greenzmq_schedule schedule
    cdef int *numbers = NULL
    cdef int err, refused = 0
    cdef long threads = max(0, zmq_ctx_get(handle, ZMQ_IO_THREADS))
    schedule.policy = settings.get(ZMQ_THREAD_SCHED_POLICY, -1)
    schedule.priority = settings.get(ZMQ_THREAD_PRIORITY, -1)
    schedule.count = 0
    if cpus:
        numbers = <int *> malloc(len(cpus) * sizeof(int))
        if numbers == NULL:
            return ENOMEM
        for cpu in cpus:
            numbers[schedule.count] = cpu
            schedule.count += 1
    schedule.cpus = numbers
    if schedule.policy == -1 and schedule.priority == -1 and numbers == NULL:
        err = reserve_threads(threads, NULL, &refused)
    else:
        err = reserve_threads(threads, &schedule, &refused)
    free(numbers)
    scheduling[0] = refused
    return err
