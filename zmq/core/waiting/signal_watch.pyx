"""`SignalWatch`: a signal ends the wait of the thread that runs its handler, whenever it comes and to whichever thread.

Lives here: the pipe that signals write to meanwhile, and which thread that is. What must not: any wait. Called by all
that blocks the main thread in C: `zmq.core.waiting.wakeable_threads`, `zmq.core.relays.running`,
`zmq.core.contexts.termination_threads`.

A signal interrupts a system call (EINTR) only if it comes during the call, and to the thread that makes it. One that
comes between Python's last look for signals and the call, or that the system gives to another thread, only leaves a
mark, for which Python looks when the call has ended by itself: a receive would go on for ever, and Ctrl-C be lost. So
the main thread comes back to look once, `GLANCE` seconds after it began to wait. If it goes on to wait, it polls a pipe
too. Python's handler in C writes to it from `begin_watch` on, which looks for marks after that and before the wait:
there is no moment at which a signal does neither. Waits that are short cost nothing that way, and long ones wake up
once.

What signals write to is the program's to choose (`signal.set_wakeup_fd`). So the pipe is there during the wait alone:
handlers find what the program has chosen, but for those that `begin_watch` itself has run. A program that has chosen a
descriptor keeps it, as some thread may be reading there, and nothing that signals write is moved from one to the
other: such a program's main thread comes back every `GLANCE` seconds, and so it does where there are no descriptors
left. What can't be asked for is whether the program wants to be warned when its descriptor is full; from then on it
is.

A handler may wait as well, fork, and choose a descriptor. The pipe is the same in all waits and is not given back,
because a handler may have found it and put it back later.
"""

import os

from _signal import set_wakeup_fd

from cpython.exc cimport PyErr_CheckSignals
from libc.limits cimport INT_MAX

from zmq.core.waiting.pipes cimport Pipe

cdef extern from * nogil:
    """
    /* Whether the running thread runs the handlers of signals; -1: it was not asked yet. */
    static __thread int greenzmq_runs_handlers = -1;
    """
    int known "greenzmq_runs_handlers"
    void fence "__sync_synchronize"()

GLANCE = 0.1

# Of the one thread that runs handlers.
cdef Pipe pipe = None


cdef bint runs_handlers() noexcept:
    """Tell whether this thread is the one that runs the handlers of signals."""
    global known
    if known < 0:
        # Python knows it alone, and asks that first; no descriptor has this number.
        try:
            set_wakeup_fd(INT_MAX)
        except OSError:
            known = True
        except BaseException:
            known = False
    return known


cdef bint has_pipe() noexcept:
    global pipe
    if pipe is None or not pipe.is_open():
        try:
            pipe = Pipe()
        except BaseException:
            # There are no descriptors, or no memory.
            pipe = None
    return pipe is not None


cdef int begin_watch(SignalWatch *watch) except -1:
    """Have signals end the wait that follows, until `end_watch`; run the handlers of those that came before.

    Only in a thread that runs handlers. There is nothing to be ended where this raises.
    """
    cdef int before
    cdef bint looked = False
    watch.writes = False
    while has_pipe():
        # Who marks a signal looks after that to which descriptor to write.
        before = set_wakeup_fd(pipe.writer, warn_on_full_buffer=False)
        fence()
        if before != -1 and before != pipe.writer:
            put_back(before)
            watch.writes = False
            break
        watch.writes = True
        watch.fd = pipe.reader
        if looked and before == pipe.writer:
            return 0
        looked = True
        try:
            # What runs may wait too, which ends this watch, choose a descriptor, and fork.
            PyErr_CheckSignals()
        except BaseException:
            end_watch(watch)
            raise
    end_watch(watch)
    watch.fd = -1
    return PyErr_CheckSignals()


cdef void put_back(int fd) noexcept:
    """Have signals write to the program's descriptor, or to none where it was closed."""
    try:
        set_wakeup_fd(fd)
    except BaseException:
        set_wakeup_fd(-1)


cdef void end_watch(SignalWatch *watch) noexcept:
    """Have signals write to the pipe no more."""
    cdef int now
    if watch.writes:
        watch.writes = False
        now = set_wakeup_fd(-1)
        if now != -1 and (pipe is None or now != pipe.writer):
            # A handler has chosen it.
            put_back(now)


cdef void drain() noexcept:
    """Take what signals wrote; whoever calls this looks for signals next."""
    if pipe is not None:
        pipe.still()


def _forked():
    global known, pipe
    cdef SignalWatch watch
    known = True
    if pipe is not None and not pipe.reopen():
        watch.writes = True
        end_watch(&watch)
        pipe = None


os.register_at_fork(after_in_child=_forked)
