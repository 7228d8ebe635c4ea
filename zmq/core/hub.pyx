"""`Hub`: all that a green framework must supply, and the sweep alarm.

Lives here: names and their meaning. What must not: how a framework does it (`zmq.green.hub`), what is waited for.
Called by `zmq.core.trampoline` and by pollers.
"""

import time
import warnings
import weakref
from sys import is_finalizing

from cpython.pythread cimport PyThread_get_thread_ident
from cpython.ref cimport PyObject
from posix.unistd cimport getpid

from zmq.core.wait import leave_all

cdef extern from "Python.h":
    PyObject *PyThreadState_GetDict()

#: Seconds between two looks of the alarm.
SWEEP_SECONDS = 3.0

cdef long count_missed = 0


def missed():
    """Return how many wake-ups only the alarm noticed."""
    return count_missed


def note_missed(long found):
    """Count, and report, wake-ups that only the alarm noticed.

    Parameters
    ----------
    found : int
        How many; 0 is no news.
    """
    global count_missed
    if found:
        count_missed += found
        warnings.warn(
            f"{found} wake-up(s) of those who wait for 0MQ sockets were missed and made up for by the sweep alarm; "
            "please report this",
            RuntimeWarning,
            stacklevel=2,
        )


def _reset_missed(long count=0):
    """For the tests of the alarm itself."""
    global count_missed
    count_missed = count


cdef class Timer:
    """A framework's timer watcher that calls back once, and closes itself then or when it is cancelled.

    Compiled, because a signal's handler runs, and may raise, between any two instructions of Python: the callback
    wakes a greenlet and must not get lost.

    Parameters
    ----------
    watcher : object
        With ``start(callback)``, ``stop()`` and ``close()``; not started.
    callback : callable
    """

    def __init__(self, watcher, callback):
        self.watcher = watcher
        self.callback = callback
        watcher.start(self.fire)

    def fire(self):
        callback = self.callback
        try:
            self.cancel()
        finally:
            if callback is not None:
                callback()

    def cancel(self):
        """Stop, if the call was not made yet."""
        watcher = self.watcher
        self.watcher = self.callback = None
        if watcher is not None:
            watcher.stop()
            watcher.close()


cdef unsigned long this_thread() noexcept:
    return <unsigned long> PyThread_get_thread_ident()


def thread_ident():
    """Return the identifier of the native thread that runs, whatever is monkeypatched."""
    return this_thread()


cdef class Life:
    """Tells whether a thread has ended. Its number tells nothing: the next thread may get the same."""

    def __cinit__(self):
        self.hubs = []
        self.pid = getpid()


cdef class LastWill:
    """Kept by the interpreter for a thread, and dropped when that ends, before whoever joins it is told."""

    cdef Life life

    def __del__(self):
        self.life.over = True
        # The child of a fork has none of its parent's other threads: what they waited for is its parent's.
        if is_finalizing is not None and not is_finalizing() and self.life.pid == getpid():
            for reference in list(self.life.hubs):
                hub = reference()
                if hub is not None:
                    hub.end()


cdef Life life_of_this_thread():
    cdef LastWill will
    cdef dict kept = <dict> PyThreadState_GetDict()
    will = kept.get("zmq.core.hub")
    if will is None:
        will = LastWill()
        will.life = Life()
        kept["zmq.core.hub"] = will
    return will.life


cdef class Hub:
    """One event loop, and the greenlets that wait in it.

    A framework's adapter is a subclass that passes four of its own callables, as fast as it has them, and
    implements `call_at`. Everything is called in the thread that runs the hub, but for what says otherwise.

    Parameters
    ----------
    current : callable
        ``current()`` returns the greenlet that runs; it has `switch`.
    park : callable
        ``park()`` switches to the hub until somebody switches to this greenlet, or throws into it; what was thrown
        is raised unchanged.
    call_soon : callable
        ``call_soon(callback)`` has it called in the hub, in the order of these calls, before the hub sleeps.
    watcher : callable
        ``watcher(fd, events)`` returns a level-triggered watcher, not armed, on a descriptor for POLLIN, POLLOUT or
        both. ``watcher.start(callback)`` arms it: `callback` is called in the hub while the descriptor is ready,
        and the hub does not go idle. ``stop()`` disarms it; no call may follow. ``close()`` forgets the
        descriptor, which may be closed next.
    native_watcher : callable, optional
        The same for a descriptor of the program's own, which others may watch in the same event loop; `watcher` when
        left out.
    lingers : bool
        Whether the descriptor may be watched still for some time after ``stop()``.
    """

    def __init__(self, *, current, park, call_soon, watcher, native_watcher=None, lingers=False):
        self.current = current
        self.park = park
        self.call_soon = call_soon
        self.watcher = watcher
        self.native_watcher = watcher if native_watcher is None else native_watcher
        self.watched = set()
        self.posted = []
        self.lingers = lingers
        self.thread = this_thread()
        self.life = life_of_this_thread()
        self.life.hubs.append(weakref.ref(self, self.life.hubs.remove))

    def call_at(self, double deadline, callback, bint keep=True):
        """Have a callback called in the hub at a time.

        Parameters
        ----------
        deadline : float
            Seconds of the monotonic clock. Timers that are due run only after descriptors were looked at: a call at a
            time that is past is how a greenlet lets everybody else run.
        callback : callable
        keep : bool
            False: the timer alone does not keep the hub from going idle.

        Returns
        -------
        object
            With ``cancel()``, which does nothing once the call was made; such as a `Timer`.
        """
        raise NotImplementedError

    def forget(self, watcher):
        """Close a watcher that is not armed; in any thread, also after the hub's own has ended.

        Parameters
        ----------
        watcher : object
            From `watcher`.
        """
        watcher.close()

    def call_soon_threadsafe(self, callback):
        """Have a callback called in the hub; in any thread, while the hub runs in another.

        Parameters
        ----------
        callback : callable

        Notes
        -----
        Where a framework has no such thing it is called when the sweep alarm looks, a few seconds later.
        """
        self.posted.append(callback)

    def is_alive(self):
        """Tell whether the hub can still run; in any thread.

        Returns
        -------
        bool
            False when its event loop was closed or its thread has ended: who is parked there will never be woken.
        """
        return not self.life.over

    def is_running(self):
        """Tell whether the hub runs, or will when its thread lets it; in any thread.

        Returns
        -------
        bool
            False also for an event loop that was stopped and that any thread may start again.
        """
        return self.is_alive()

    def is_elsewhere(self):
        """Tell whether the hub runs in another thread than this one.

        Returns
        -------
        bool
        """
        return self.thread != this_thread() and self.is_alive()

    def give_up(self, parked):
        """Tell somebody who is parked that he waits no more; in any thread, while the hub does not run.

        Parameters
        ----------
        parked : object
            From `current`, or what took its place. Nothing can be done for a greenlet.
        """

    def end(self):
        """Give up whoever waits: the thread ends that ran the hub."""
        self.tidying = True
        for reference in list(self.watched):
            waiter = reference()
            if waiter is not None:
                waiter.abandon_all()
        leave_all(self)
        self.watched.clear()
        self.last = None
        if self.alarm is not None:
            alarm, self.alarm = self.alarm, None
            try:
                alarm.cancel()
            except Exception:
                # The event loop is gone already, and the alarm with it.
                pass

    def is_current(self):
        """Tell whether the greenlet that runs is the hub's own, which cannot park.

        Returns
        -------
        bool
        """
        return False

    cdef int post(self, callback) except -1:
        """Have a callback called in the hub, in whatever thread."""
        if self.thread == this_thread() or not self.is_elsewhere():
            self.call_soon(callback)
        else:
            self.call_soon_threadsafe(callback)
        return 0

    cdef int watch(self, reference) except -1:
        """Somebody parked on a waiter: look after it until `unwatch`.

        It is known by a weak reference: an event loop that is closed, or dropped, holds nobody who waits in it.
        """
        self.watched.add(reference)
        if self.alarm is None:
            self.alarm = self.call_at(time.monotonic() + SWEEP_SECONDS, self.sweep, False)
        return 0

    cdef int unwatch(self, reference) except -1:
        self.watched.discard(reference)
        if not self.watched and self.alarm is not None and not self.tidying:
            # Often the next one parks before the hub runs: an alarm that is set and cancelled each time costs more than
            # the rest of a park.
            self.call_soon(self.tidy)
            self.tidying = True
        return 0

    def tidy(self):
        """Cancel the alarm if nobody is parked any more."""
        self.tidying = False
        if self.alarm is not None and not self.watched:
            alarm = self.alarm
            self.alarm = None
            alarm.cancel()

    def sweep(self):
        """Look for readiness that nobody was told of; there should be none."""
        self.alarm = None
        found = 0
        while self.posted:
            self.posted.pop(0)()
        for reference in list(self.watched):
            waiter = reference()
            if waiter is None:
                self.watched.discard(reference)
            else:
                found += waiter.sweep()
        if self.watched and self.alarm is None:
            self.alarm = self.call_at(time.monotonic() + SWEEP_SECONDS, self.sweep, False)
        note_missed(found)
