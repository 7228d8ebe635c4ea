"""`Hub`: all that a green framework must supply, and what holds when a signal's handler raises.

Lives here: names and their meaning. What must not: how a framework does it (`zmq.green.hub`), what is waited for.
Called by `zmq.core.waiting.trampoline` and by pollers.

What a framework supplies
-------------------------
An adapter is a subclass of `Hub`. These, described there, are all that it may say; tests/hub_contract.py asks for them.

- Every one, as arguments: `current`, `park`, `call_soon`, `watcher`; as methods: `call_at`, `is_current`.
- Where the framework can: `call_soon_threadsafe`, `background_watcher`, `turn`.
- Where the framework itself is quick to say which hub a thread has: `get_hub`, `find`, `found`.
- Where its watchers are not as simple as others: `forget`, `native_watcher`, `lingers`, `unshare`.
- Where its loops are asyncio's: `asyncio_loop`.
- Where its loops end one by one, stop, or move from thread to thread: `is_alive`, `is_running`, `is_elsewhere`,
  `give_up`, `give_up_all`.
- Where it is written in Python, and a signal's handler may raise in its midst: `keep` for its `call_soon`, `schedule`,
  `stop`, `failed`, `is_between`, `goes_to_sleep`.

An adapter whose framework has no safe way for other threads to call it has the base class `hear` them, by a pipe that
the hub watches; gevent's and eventlet's do.

When a handler raises
---------------------
The handler of a signal runs between two instructions of Python, in whatever greenlet runs, the hub's included. Compiled
code is not interrupted, but calls of a framework that is written in Python are. These hold all the same:

- What is raised where it cannot be raised further, because something is being cleaned up or because the hub runs, is
  raised in the main greenlet as soon as the hub runs (`Hub.interrupt`). What was interrupted is done again.
- What a framework written in Python owes us is on a list (`Call`). When something was raised in the midst of such a
  hub, whatever is due is asked for again (`Hub.recover`): the framework may have taken it from its own list already. So
  callbacks may be called once more than they were asked for, and do nothing then.
"""

import os
import time
import weakref
from collections import deque
from contextlib import suppress
from sys import is_finalizing

from cpython.exc cimport PyErr_SetObject, PyErr_WriteUnraisable
from cpython.pythread cimport PyThread_get_thread_ident
from cpython.ref cimport PyObject
from posix.unistd cimport getpid

from zmq.core.libzmq cimport ZMQ_POLLIN
from zmq.core.waiting.clock cimport monotonic
from zmq.core.waiting.pipes cimport Pipe
from zmq.core.waiting.sweep_alarm cimport Round
from zmq.core.waiting import sweep_alarm
from zmq.core.waiting.who_waits import leave_all

cdef extern from "Python.h":
    PyObject *PyThreadState_GetDict()

cdef enum:
    TRIES = 8           # to get through between two signals; who does not within these was not stopped by signals

cdef class Call:
    """A call that a framework shall make once.

    Compiled, because a signal's handler runs, and may raise, between any two instructions of Python: the callback
    wakes a greenlet and must not get lost. It can stand among the timers of a framework that has these in a list.

    Parameters
    ----------
    hub : Hub, optional
        One that keeps a list of what its framework owes it.
    callback : callable
    deadline : float, optional
        Seconds of the monotonic clock; 0: soon.
    on_cancel : callable, optional
        Told of the call when it is cancelled.
    """

    def __init__(self, Hub hub, callback, double deadline=0, on_cancel=None):
        self.callback = callback
        self.on_cancel = on_cancel
        self.deadline = deadline
        if hub is not None:
            self.hub = hub
            hub.calls[self] = None

    @property
    def called(self):
        """bool : whether it was made or cancelled."""
        return self.callback is None

    def __call__(self, *args):
        callback = self.callback
        if callback is None:
            return
        try:
            self.finish()
        finally:
            if self.hub is None:
                callback()
            else:
                try:
                    callback()
                except BaseException as error:
                    self.hub.failed(error)

    def finish(self):
        """Leave the list of what is owed, before the call is made."""
        self.callback = None
        if self.hub is not None:
            self.hub.calls.pop(self, None)

    cpdef cancel(self):
        """Forget the call, if it was not made yet."""
        if self.callback is not None:
            Call.finish(self)
            if self.on_cancel is not None:
                self.on_cancel(self)

    # Two that are due at the same time may meet in a heap.

    def __lt__(self, other):
        return id(self) < id(other)

    def __eq__(self, other):
        return self is other

    def __hash__(self):
        return id(self) >> 4


cdef class Timer(Call):
    """A framework's timer watcher that calls back once, and closes itself then or when it is cancelled.

    Parameters
    ----------
    watcher : object
        With ``start(callback)``, ``stop()`` and ``close()``; not started.
    callback : callable
    hub : Hub, optional
    deadline : float, optional
        As for `Call`.
    """

    def __init__(self, watcher, callback, Hub hub=None, double deadline=0):
        Call.__init__(self, hub, callback, deadline)
        self.watcher = watcher
        watcher.start(self)

    def finish(self):
        self.cancel()

    cpdef cancel(self):
        """Stop, if the call was not made yet."""
        Call.cancel(self)
        watcher = self.watcher
        if watcher is not None:
            if self.hub is None:
                watcher.stop()
            else:
                self.hub.stop(watcher)
            watcher.close()
            self.watcher = None


cdef class Ready:
    """What a framework written in Python calls when a descriptor is ready: a base of its adapter's watchers.

    A subclass has `disarm`, which may be called twice, and sets `adapter`, its `Hub`, and `callback`.
    """

    def ready(self, fd):
        """Call `callback`; where there is none, disarm. What it raises goes to `Hub.failed`."""
        callback = self.callback
        if callback is None:
            self.adapter.surely(self.disarm)
            return
        try:
            callback()
        except BaseException as error:
            self.adapter.failed(error)


cdef class Shield:
    """A function that a framework calls where nothing may be raised: what is raised there goes to the main greenlet.

    Compiled, because a signal's handler may raise before the first line of a function of Python and after its last.

    Parameters
    ----------
    hub : Hub
    function : callable
    passed : tuple of type
        What is raised there all the same, such as what ends a hub.
    """

    def __init__(self, Hub hub, function, tuple passed=()):
        self.hub = hub
        self.function = function
        self.passed = passed

    def __call__(self, *args):
        try:
            self.function(*args)
        except BaseException as error:
            if isinstance(error, self.passed):
                raise
            self.hub.postpone(error)
            self.hub.soon(self.hub.recover)


cdef unsigned long this_thread() noexcept:
    return <unsigned long> PyThread_get_thread_ident()


def thread_ident():
    """Return the identifier of the native thread that runs, whatever is monkeypatched."""
    return this_thread()


cdef bint ends() noexcept:
    """Tell whether the interpreter ends: what modules are made of may be gone, and nothing will run."""
    return is_finalizing is None or is_finalizing()


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
        if not ends() and self.life.pid == getpid():
            for reference in list(self.life.hubs):
                hub = reference()
                if hub is not None:
                    hub.give_up_all()


cdef Life life_of_this_thread():
    cdef LastWill will
    cdef dict kept = <dict> PyThreadState_GetDict()
    will = kept.get("zmq.core.waiting.hub")
    if will is None:
        will = LastWill()
        will.life = Life()
        kept["zmq.core.waiting.hub"] = will
    return will.life


# Weak references to those of all threads.
cdef list hubs = []


def living_hubs():
    """Return the hubs that somebody waited in, of all threads, and whose event loops were not closed.

    Returns
    -------
    list of Hub
    """
    return [hub for reference in list(hubs) if (hub := reference()) is not None and hub.is_alive()]


cdef class Hub:
    """One event loop, and the greenlets that wait in it.

    A framework's adapter is a subclass that passes four of its own callables, as fast as it has them, and
    implements `call_at` and `is_current`. Everything is called in the thread that runs the hub, but for what says
    otherwise.

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
    get_hub : callable, optional
        What returns the adapter of the running thread, if it is to be asked only where `find` does not tell.
    find : callable, optional
        What is quicker than that, and compiled: ``find() is found`` where the running thread has this hub.
    found : object, optional
    """

    def __init__(self, *, current, park, call_soon, watcher, native_watcher=None, lingers=False, get_hub=None,
                 find=None, found=None):
        self.current = current
        self.park = park
        self.call_soon = call_soon
        self.watcher = watcher
        self.native_watcher = watcher if native_watcher is None else native_watcher
        self.get_hub, self.find, self.found = get_hub, find, found
        self.watched = set()
        self.posted = []
        self.lingers = lingers
        self.thread = this_thread()
        self.moves = type(self).is_elsewhere is not Hub.is_elsewhere
        self.life = life_of_this_thread()
        self.life.hubs.append(weakref.ref(self, self.life.hubs.remove))
        hubs.append(weakref.ref(self, hubs.remove))
        self.calls = {}
        self.started = {}
        self.interruptions = []
        self.deferred = deque()
        self.defers = True

    cdef bint is_found(self, get_hub) except -1:
        """Tell, without calling `get_hub`, whether that would return this hub; False also where that is not known."""
        return get_hub is self.get_hub and self.find() is self.found

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

    def turn(self):
        """Return a number that is another one when the hub has looked at descriptors and timers since.

        Returns
        -------
        int

        Notes
        -----
        A framework that does not count its turns is asked by a timer that is due at once, which runs in the next one.
        """
        if self.turn_timer is None:
            self.turns += 1
            self.turn_timer = self.call_at(time.monotonic(), self.turned, False)
        return self.turns

    def turned(self):
        """Note that a turn has begun since `turn` was asked first."""
        self.turn_timer = None

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
        A hub that does not `hear` calls it when the sweep alarm looks, a few seconds later.
        """
        self.posted.append(callback)
        if self.ear is not None:
            self.ear.ring()

    def hear(self):
        """Have the hub wake up for what other threads post, from now on: for frameworks that have no safe way to do so.

        A pipe is watched, without the hub being kept from going idle. Where there are no descriptors left for it, the
        sweep alarm does it.
        """
        try:
            self.ear = Pipe()
        except OSError:
            return
        self.ear_watcher = self.listen(self.ear.reader, self.heard)
        if self.posted:
            # By a thread that saw the hub while it was being made.
            self.ear.ring()

    def heard(self):
        """Another thread has posted something; called in the hub."""
        if self.ear is None or not self.ear.still():
            watcher, self.ear_watcher, self.ear = self.ear_watcher, None, None
            self.unlisten(watcher)
        self.take_posted()

    cdef void take_posted(self) noexcept:
        while self.posted:
            self.soon(self.posted.pop(0))

    def reopen(self):
        """In the child of a fork: what other threads write to is the parent's too."""
        if self.ear is not None and not self.ear.reopen():
            self.ear = None

    def unshare(self):
        """In the child of a fork: watch what is watched by something that is not the parent's too.

        All pipes are the child's own by then. Frameworks that see to that themselves leave it.
        """

    def is_alive(self):
        """Tell whether the hub can still run; in any thread.

        Returns
        -------
        bool
            False when it, its event loop or its thread has ended: who is parked there will never be woken.
        """
        return not self.life.over

    cdef int check_alive(self) except -1:
        """Where somebody came back from `park` unwoken: raise an error if the hub has ended, as he always would."""
        if not self.is_alive():
            raise RuntimeError("The hub in which this call waits has ended: nobody is woken there any more.")
        return 0

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

    def give_up_all(self):
        """Give up whoever waits: the thread ends that ran the hub."""
        self.tidying = True
        for reference in list(self.watched):
            trampoline = reference()
            if trampoline is not None:
                trampoline.abandon_all()
        leave_all(self)
        self.watched.clear()
        self.calls.clear()
        self.started.clear()
        watcher, self.ear_watcher, self.ear = self.ear_watcher, None, None
        if watcher is not None:
            # The event loop may be gone already, and what belongs to it.
            with suppress(Exception):
                self.forget(watcher)
        self.last = None
        self.round = None
        self.deferred.clear()
        for timer in filter(None, (self.alarm, self.serve_timer, self.turn_timer)):
            with suppress(Exception):
                timer.cancel()
        self.alarm = self.serve_timer = self.turn_timer = None

    def is_current(self):
        """Tell whether the greenlet that runs is the hub's own, which cannot park.

        Returns
        -------
        bool
        """
        return False

    def asyncio_loop(self):
        """Return the event loop of asyncio's that the hub itself is.

        Returns
        -------
        asyncio.AbstractEventLoop or None
            None: it is another kind of thing.
        """
        return None

    def listen(self, int fd, callback):
        """Have a callback called in the hub whenever a descriptor can be read, until `unlisten`.

        Returns the watcher, which alone does not keep the hub from going idle. In the child of a fork the descriptor
        may be another file.
        """
        watcher = self.background_watcher(fd)
        self.started[watcher] = callback
        watcher.start(callback)
        return watcher

    def unlisten(self, watcher):
        """Stop what `listen` began; None is nothing."""
        if watcher is not None:
            self.started.pop(watcher, None)
            self.end(watcher)

    def background_watcher(self, int fd):
        """Return a watcher for POLLIN that does not keep the hub from going idle."""
        return self.watcher(fd, ZMQ_POLLIN)

    # When a signal's handler raises.

    def keep(self, callback):
        """Schedule a callback that is remembered until it was called: the `call_soon` of a framework in Python."""
        call = Call(self, callback)
        try:
            self.schedule(call)
        except BaseException:
            call.cancel()
            raise

    def schedule(self, call):
        """Have the framework make a `Call` soon; for hubs whose `call_soon` is `keep`."""
        raise NotImplementedError

    def failed(self, error):
        """A callback raised, because the greenlet that it switched to ended with an error: do as the framework does."""
        raise error

    def stop(self, watcher):
        """Stop a watcher, also one whose `stop` was interrupted."""
        watcher.stop()

    def is_between(self, frame):
        """Tell whether the hub, which runs, is between two callbacks: a handler may switch to the main greenlet.

        Parameters
        ----------
        frame : frame
            Where the hub is.

        Returns
        -------
        bool
        """
        return True

    def goes_to_sleep(self, frame):
        """Tell whether the hub, which runs, sleeps now or is about to, whatever the handler of a signal asks it to do.

        Parameters
        ----------
        frame : frame
            Where the hub is.

        Returns
        -------
        bool
            True: the handler has to raise, which ends the hub until somebody waits again.
        """
        return False

    def interrupt(self, error):
        """Have an exception raised in the main greenlet of this thread, or out of the loop, once the hub runs.

        Parameters
        ----------
        error : BaseException
            What a signal's handler raised where it could not be raised further.
        """
        self.interruptions.append(error)
        self.call_soon(self.deliver)

    def deliver(self):
        """Raise what was raised before in the main greenlet; called in the hub."""
        if not self.interruptions:
            return
        error = self.interruptions.pop(0)
        if self.interruptions:
            self.soon(self.deliver)
        main = greenlet = self.current()
        while greenlet is not None:
            main = greenlet
            greenlet = greenlet.parent
        if main is None or main is self.current():
            raise error
        main.throw(type(error), error, error.__traceback__)

    def recover(self):
        """Ask again for what the framework should have done by now, after something was raised in the midst of it."""
        cdef Call call
        cdef double now = time.monotonic()
        for call in list(self.calls):
            if call.deadline <= now:
                call.seconds = 0
                self.schedule(call)
        for reference in list(self.watched):
            trampoline = reference()
            if trampoline is not None:
                trampoline.rearm()
        for watcher, callback in self.started.copy().items():
            self.stop(watcher)
            watcher.start(callback)

    cdef void retry(self, error, function, argument=None) noexcept:
        """After a call that must be made was interrupted by `error`: make it again; it may be made twice.

        `argument` is that of the call, None for none.
        """
        cdef int _
        if ends() or not self.is_alive():
            # Nothing is left of what was to be called.
            return
        last = error
        for _ in range(TRIES):
            try:
                if argument is None:
                    function()
                else:
                    function(argument)
            except BaseException as other:
                last = other
            else:
                last = None
                break
        if last is not None and type(last) is type(error) or isinstance(error, MemoryError):
            # No signal is as steady as that.
            report(error)
            return
        self.postpone(error)

    cdef void postpone(self, error) noexcept:
        """Do what `interrupt` does, where nothing can be raised."""
        cdef int _
        for _ in range(TRIES):
            try:
                self.interrupt(error)
                return
            except BaseException:
                self.interruptions.remove(error)
        report(error)

    def surely(self, function):
        """Make a call that may be made twice, and raise nothing."""
        try:
            function()
        except BaseException as error:
            self.retry(error, function)

    cdef bint is_in(self, unsigned long thread) except -1:
        """Tell whether it runs in this thread, which asks, or was last seen there if it does not run."""
        if self.thread == thread:
            return not self.moves or not self.is_elsewhere()
        if self.moves and self.is_running() and not self.is_elsewhere():
            self.thread = thread
            return True
        return False

    cdef void soon(self, callback) noexcept:
        """Do what `call_soon` does, in whatever thread, and where nothing can be raised."""
        call_soon = self.call_soon
        try:
            if self.thread != this_thread() and self.is_elsewhere():
                call_soon = self.call_soon_threadsafe
            call_soon(callback)
        except BaseException as error:
            self.retry(error, call_soon, callback)

    cdef void cancel(self, timer) noexcept:
        try:
            timer.cancel()
        except BaseException as error:
            self.retry(error, timer.cancel)

    cdef void disarm(self, watcher) noexcept:
        try:
            watcher.stop()
        except BaseException as error:
            self.retry(error, self.stop, watcher)

    cdef void end(self, watcher) noexcept:
        """Stop and close a watcher."""
        self.disarm(watcher)
        try:
            watcher.close()
        except BaseException as error:
            self.retry(error, watcher.close)

    # The alarm.

    cdef int watch(self, reference) except -1:
        """Somebody parked on a waiter: look after it until `unwatch`.

        It is known by a weak reference: an event loop that is closed, or dropped, holds nobody who waits in it.
        """
        self.watched.add(reference)
        if self.alarm is None:
            self.set_alarm()
        return 0

    cdef void unwatch(self, reference) noexcept:
        self.watched.discard(reference)
        if not self.watched and self.alarm is not None and not self.tidying:
            # Often the next one parks before the hub runs: an alarm that is set and cancelled each time costs more than
            # the rest of a park.
            self.tidying = True
            self.soon(self.tidy)

    def set_alarm(self):
        cdef double now
        if self.watched and self.alarm is None:
            now = monotonic()
            if self.next_round <= now:
                self.next_round = now + <double> sweep_alarm.SWEEP_SECONDS
            self.alarm = self.call_at(self.next_round if self.round is None else now, self.sweep, False)

    def tidy(self):
        """Cancel the alarm if nobody is parked any more."""
        self.tidying = False
        if self.alarm is not None and not self.watched:
            alarm = self.alarm
            self.alarm = self.round = None
            self.next_round = 0
            self.cancel(alarm)

    def sweep(self):
        """Look for readiness that nobody was told of, for a slice of time; there should be none."""
        cdef long found = 0
        self.alarm = None
        self.take_posted()
        try:
            if self.round is None:
                self.round = Round(self.watched, self.rounds)
                self.rounds += 1
                self.next_round += <double> sweep_alarm.SWEEP_SECONDS
            found = self.round.go_on()
        finally:
            if self.round is not None and self.round.is_over():
                self.round = None
            try:
                self.set_alarm()
            except BaseException as error:
                self.retry(error, self.set_alarm)
        sweep_alarm.note_missed(found)


# Functions that are called in the child of a fork before `Hub.unshare`, and no sooner than `Hub.reopen`.
between = []


def _forked():
    for reference in list(life_of_this_thread().hubs):
        hub = reference()
        if hub is not None:
            hub.reopen()
    for function in between:
        function()
    # Those of other threads too, which are left to the garbage collector.
    for hub in [reference() for reference in hubs]:
        if hub is not None:
            hub.unshare()


# Before any framework's, which look at the descriptors.
os.register_at_fork(after_in_child=_forked)


cdef void report(error) noexcept:
    """Show an error of the hub in a place that must not raise."""
    PyErr_SetObject(type(error), error)
    PyErr_WriteUnraisable("greenlets that wait for a 0MQ socket")
