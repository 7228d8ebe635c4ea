"""`NativeThread`, `NativeLock`, `NativeSignal` and `poll_natively`: the operating system's, whatever is monkeypatched.

Lives here: all four. What must not: what is done with them. Called by `zmq.devices`, `zmq.auth`, `zmq.log` and
`zmq.core.inspection`. Under monkeypatching `threading.Thread` is a greenlet, and a greenlet that blocks in C blocks its
hub; and locks that exist already may be made into locks between greenlets.
"""

import atexit
import os

from cpython.pythread cimport (
    NOWAIT_LOCK,
    WAIT_LOCK,
    PyThread_acquire_lock,
    PyThread_allocate_lock,
    PyThread_free_lock,
    PyThread_get_thread_ident,
    PyThread_release_lock,
    PyThread_type_lock,
)
from cpython.exc cimport PyErr_SetFromErrno
from cpython.ref cimport Py_DECREF, Py_INCREF
from libc.limits cimport INT_MAX
from posix.fcntl cimport F_SETFD, F_SETFL, FD_CLOEXEC, O_NONBLOCK, fcntl
from posix.unistd cimport close as close_fd
from posix.unistd cimport pipe, read, write

from zmq.core.libzmq cimport ZMQ_POLLIN, zmq_poll, zmq_pollitem_t
from zmq.core.waiting cimport fork_generation
from zmq.core.waiting.hub cimport ends

cdef extern from "Python.h":
    unsigned long PyThread_start_new_thread(void (*run)(void *) noexcept, void *argument)


# The names of those that run, by their identifiers.
cdef dict names = {}


def name_of(ident):
    """Return the name of a `NativeThread` that runs.

    Parameters
    ----------
    ident : int

    Returns
    -------
    str or None
    """
    return names.get(ident)


cdef long milliseconds_of(double seconds) noexcept:
    """Return a time as poll(2) takes it, rounded up; 0 for what is no number. It takes 24 days at most."""
    if seconds != seconds:
        return 0
    return <long> max(-1, min(INT_MAX, 1000 * seconds + 0.999))


def poll_natively(list wanted not None, double seconds):
    """Block this native thread until one of some descriptors is ready, for so many seconds, or a signal comes.

    Parameters
    ----------
    wanted : list of (int, int)
        Descriptors, 64 at most, and `POLLIN` or `POLLOUT` or both for each.
    seconds : float

    Returns
    -------
    dict of int
        What each is ready for that is ready for anything, an error included.
    """
    cdef zmq_pollitem_t items[64]
    cdef int count = len(wanted)
    cdef long milliseconds = milliseconds_of(max(0, seconds))
    cdef int at
    if count > 64:
        raise ValueError("these are too many descriptors")
    for at in range(count):
        items[at].socket = NULL
        items[at].fd, items[at].events = wanted[at]
        items[at].revents = 0
    with nogil:
        zmq_poll(items, count, milliseconds)
    return {items[at].fd: items[at].revents for at in range(count) if items[at].revents}


cdef class NativeLock:
    """NativeLock()
--

    A reentrant lock between native threads, for ``with``. Whoever holds it must not switch to another greenlet.
    """

    cdef PyThread_type_lock lock
    cdef unsigned long owner    # the thread that holds it, if `depth` is not 0
    cdef int depth              # how often

    def __cinit__(self):
        self.lock = PyThread_allocate_lock()
        if self.lock == NULL:
            raise MemoryError()

    def __dealloc__(self):
        if self.lock != NULL:
            PyThread_free_lock(self.lock)

    def __enter__(self):
        cdef unsigned long thread = <unsigned long> PyThread_get_thread_ident()
        if not self.depth or self.owner != thread:
            if not PyThread_acquire_lock(self.lock, NOWAIT_LOCK):
                with nogil:
                    PyThread_acquire_lock(self.lock, WAIT_LOCK)
            self.owner = thread
        self.depth += 1
        return self

    def __exit__(self, *error):
        self.depth -= 1
        if self.depth == 0:
            PyThread_release_lock(self.lock)


cdef class NativeSignal:
    """NativeSignal()
--

    A descriptor that is readable from a moment on, or now and then: what wakes whoever waits for it.

    It is C to the end, so that a signal's handler that raises leaves no descriptor open.

    Raises
    ------
    OSError
        There are no descriptors left.
    """

    cdef readonly int fd        # -1 when it is closed
    cdef int writer
    cdef readonly bint is_set

    def __cinit__(self):
        self.fd = self.writer = -1

    def __init__(self):
        cdef int fds[2]
        cdef int end
        if self.fd >= 0:
            return
        if pipe(fds) != 0:
            PyErr_SetFromErrno(OSError)
        self.fd, self.writer = fds[0], fds[1]
        for end in range(2):
            fcntl(fds[end], F_SETFD, FD_CLOEXEC)
            fcntl(fds[end], F_SETFL, O_NONBLOCK)

    def __dealloc__(self):
        self.close()

    def set(self):
        """Have it readable from now on."""
        self.is_set = True
        write(self.writer, b"x", 1)

    def wake(self):
        """Have it readable until it is drained."""
        write(self.writer, b"x", 1)

    def drain(self):
        """Have it not readable, unless it was set."""
        cdef char found[512]
        read(self.fd, found, sizeof(found))
        if self.is_set:
            write(self.writer, b"x", 1)

    def wait(self, double seconds):
        """Block this native thread until it is readable, for so many seconds, or a signal comes.

        Parameters
        ----------
        seconds : float
        """
        cdef zmq_pollitem_t item
        cdef long milliseconds = milliseconds_of(seconds)
        item.socket = NULL
        item.fd = self.fd
        item.events = ZMQ_POLLIN
        with nogil:
            zmq_poll(&item, 1, milliseconds)

    cpdef close(self):
        """Give the descriptor back."""
        if self.fd >= 0:
            close_fd(self.fd)
            close_fd(self.writer)
            self.fd = self.writer = -1


cdef class NativeThread:
    """NativeThread(target, daemon=True, name=None)
--

    A native thread.

    Parameters
    ----------
    target : callable
        Called without arguments, once.
    daemon : bool
        Whether the interpreter may end while the thread runs.
    name : str, optional
        For humans.
    """

    cdef object target
    cdef public bint daemon
    cdef public object name
    cdef readonly object ident
    cdef readonly object error
    cdef int running            # what the thread writes to when it is done; the child of a fork may keep it open
    cdef readonly int done_fd   # becomes readable when it is done; -1 before it is started
    cdef int born               # `generation` when it was started
    cdef bint finished
    cdef PyThread_type_lock begun   # free once the thread has had the GIL

    def __cinit__(self):
        self.running = self.done_fd = -1
        self.begun = PyThread_allocate_lock()
        if self.begun == NULL:
            raise MemoryError()
        PyThread_acquire_lock(self.begun, WAIT_LOCK)

    def __init__(self, target, daemon=True, name=None):
        self.target = target
        self.daemon = daemon
        self.name = name

    def __dealloc__(self):
        if self.done_fd >= 0:
            close_fd(self.done_fd)
            close_fd(self.running)
        if self.begun != NULL:
            PyThread_free_lock(self.begun)

    def __repr__(self):
        state = "not started" if self.done_fd < 0 else "running" if self.is_alive() else "done"
        return f"<NativeThread {self.name} {state}>"

    def start(self):
        """Start the thread, and wait until it has had the GIL, as `threading.Thread` does.

        So it never asks for it for the first time when the interpreter is gone.

        Raises
        ------
        RuntimeError
            It was started before, the system allows no more threads, or the interpreter ends.
        """
        if self.done_fd >= 0:
            raise RuntimeError("a thread is started once")
        if ends():
            raise RuntimeError("no thread can be started when the interpreter ends")
        self.done_fd, self.running = os.pipe()
        self.born = fork_generation.current
        Py_INCREF(self)
        if PyThread_start_new_thread(run, <void *> self) == <unsigned long> -1:
            Py_DECREF(self)
            self.finished = True
            raise RuntimeError("the system allows no more threads")
        with nogil:
            PyThread_acquire_lock(self.begun, WAIT_LOCK)
        if not self.daemon and not self.finished:
            atexit.register(self.join)

    def is_alive(self):
        """Tell whether the thread runs; in the child of a fork none but its own do."""
        return self.done_fd >= 0 and not self.finished and self.born == fork_generation.current

    def join(self, timeout=None, poller_class=None):
        """Wait until the thread is done.

        Parameters
        ----------
        timeout : float, optional
            Seconds; None to wait for ever.
        poller_class : type, optional
            A `Poller`, which says whether the thread or the greenlet waits.

        Raises
        ------
        RuntimeError
            It was not started.
        """
        from zmq.core.poll import zmq_poll
        if self.done_fd < 0:
            raise RuntimeError("cannot join a thread that was not started")
        if self.is_alive():
            milliseconds = None if timeout is None else 1000 * max(0, timeout)
            zmq_poll([(self.done_fd, 1)], milliseconds, poller_class=poller_class)


cdef void run(void *argument) noexcept with gil:
    cdef NativeThread thread = <NativeThread> argument
    Py_DECREF(thread)
    PyThread_release_lock(thread.begun)
    thread.ident = <unsigned long> PyThread_get_thread_ident()
    names[thread.ident] = thread.name
    try:
        thread.target()
    except BaseException as error:
        thread.error = error
    thread.target = None
    names.pop(thread.ident, None)
    thread.finished = True
    if not thread.daemon:
        atexit.unregister(thread.join)
    write(thread.running, b"x", 1)
