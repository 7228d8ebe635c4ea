"""`LoopHub`: an event loop of asyncio's as a hub; nobody parks in it, see `zmq.core.futures.future`.

Lives here: what of a loop is watched and for how long, and how callbacks come to run there. What must not: sockets, and
what waits. Called by everything else in `zmq.core.futures`, by `zmq.asyncio` and by streams.

To arm and to disarm costs a system call each, and who waits often waits again soon. So a watcher that is stopped stays
armed until a timer finds that nobody started it again for at least LINGER seconds; one that rings twice meanwhile is
disarmed at once. The same timer cancels the sweep alarm where nobody waits any more.
"""

import asyncio
import os
import sys
import threading
import warnings
from asyncio import _get_running_loop

from posix.unistd cimport close as close_fd

from zmq.core.futures.time_slice cimport Slice
from zmq.core.libzmq cimport ZMQ_POLLIN, ZMQ_POLLOUT
from zmq.core.waiting.clock cimport monotonic
from zmq.core.waiting.hub cimport Hub, this_thread

from zmq.core.error import error_for

#: For how many seconds, and at most twice that, a descriptor is still watched for which nobody waits.
LINGER = 0.025

# The end of the interpreter may find it when names of modules are gone.
cdef object get_running_loop = _get_running_loop


is_over = False


cdef bint runs_here(loop) except -1:
    """Tell whether a loop runs in the greenlet that asks, or in this thread where there are none.

    In a monkeypatched program other greenlets run while asyncio's own loop waits, which stays noted as the one that
    runs; it knows then the identifier of its greenlet as that of its thread.
    """
    if get_running_loop() is not loop:
        return False
    thread = getattr(loop, "_thread_id", None)
    return thread is None or thread == this_thread() or thread == threading.get_ident()


cdef object call_soon_of(loop):
    """Return the method of a loop that has something called in its next turn, also if it sleeps now."""
    if runs_here(loop) or not loop.is_running():
        return loop.call_soon
    return loop.call_soon_threadsafe


cdef class LoopWatcher:
    """A level-triggered watcher: a reader, a writer or both of an event loop."""

    def __cinit__(self, LoopHub hub, int fd, int events):
        self.hub = hub
        self.fd = fd
        self.events = events

    def __dealloc__(self):
        # Its loop was closed, and nobody waited in another one since.
        if self.owns_fd:
            close_fd(self.fd)

    def start(self, callback):
        """Have a callback called while the descriptor is ready."""
        self.callback = callback
        self.was_used = True
        self.rang_in_vain = False
        if not self.armed:
            if self.hub.is_elsewhere():
                self.hub.loop.call_soon_threadsafe(self.arm)
            else:
                self.arm()

    cpdef arm(self):
        loop = self.hub.loop
        if self.armed or self.callback is None or loop.is_closed():
            return
        ready = self.ready
        if self.events & ZMQ_POLLIN:
            loop.add_reader(self.fd, ready)
        if self.events & ZMQ_POLLOUT:
            loop.add_writer(self.fd, ready)
        # Last: were it interrupted, by the handler of a signal, it could be done again.
        self.armed = True

    def stop(self):
        """Call back no more."""
        self.callback = None
        if self.armed and not self.lingers:
            self.hub.linger(self)

    cpdef disarm(self):
        loop = self.hub.loop
        if self.armed:
            self.armed = False
            if not loop.is_closed():
                if self.events & ZMQ_POLLIN:
                    loop.remove_reader(self.fd)
                if self.events & ZMQ_POLLOUT:
                    loop.remove_writer(self.fd)

    def close(self):
        """Forget the descriptor."""
        self.callback = None
        self.disarm()
        if self.owns_fd:
            self.owns_fd = False
            close_fd(self.fd)

    def ready(self):
        """The descriptor is ready; called by the loop."""
        callback = self.callback
        if callback is not None:
            callback()
        elif self.rang_in_vain:
            self.disarm()
        else:
            # Who waits next looks first, and that stills it.
            self.rang_in_vain = True


def nobody():
    """Return None: no greenlet runs in a loop, or can park there."""


cdef class LoopHub(Hub):
    """An event loop as a hub.

    Parameters
    ----------
    loop : asyncio.AbstractEventLoop
    """

    def __init__(self, loop):
        self.loop = loop
        self.lingering = []
        Hub.__init__(
            self,
            current=nobody,
            park=nobody,
            call_soon=self._soon,
            watcher=self._watcher,
            native_watcher=self._native_watcher,
            lingers=True,
        )
        self.slice = Slice(self._soon)
        # Who is woken is told in the loop's next turn, and runs nobody's code before.
        self.defers = False

    def __call__(self):
        """Return the hub, as what says which hub to wait in does."""
        return self

    def _watcher(self, int fd, int events):
        return LoopWatcher(self, fd, events)

    def _native_watcher(self, int fd, int events):
        # An event loop has one reader and one writer for a descriptor: this one is another descriptor.
        cdef LoopWatcher watcher
        try:
            watcher = LoopWatcher(self, os.dup(fd), events)
        except OSError as error:
            raise error_for(error.errno, error.strerror) from None
        watcher.owns_fd = True
        return watcher

    def _soon(self, callback):
        if not self.loop.is_closed():
            call_soon_of(self.loop)(callback)

    def call_soon_threadsafe(self, callback):
        self.loop.call_soon_threadsafe(callback)

    def call_at(self, double deadline, callback, bint keep=True):
        return self.loop.call_later(max(0, deadline - monotonic()), callback)

    def forget(self, watcher):
        watcher.close()

    def is_alive(self):
        return not self.loop.is_closed()

    def is_running(self):
        return self.loop.is_running()

    def is_elsewhere(self):
        loop = self.loop
        if runs_here(loop) or not loop.is_running():
            return False
        # No loop is noted while a greenlet waits in the selector of its own, nor this one where another one runs within
        # a turn of it; asyncio's know their threads.
        thread = getattr(loop, "zmq_thread", None)
        if thread is None:
            thread = getattr(loop, "_thread_id", None)
        return thread != this_thread()

    cdef bint is_in(self, unsigned long thread) except -1:
        if get_running_loop() is self.loop:
            # An event loop is run by whichever thread likes.
            self.thread = thread
            return True
        return Hub.is_in(self, thread)

    def give_up(self, parked):
        try:
            parked.cancel()
        except RuntimeError:
            # Of a loop that is closed nobody can be told.
            pass

    def give_up_all(self):
        """Do nothing: the thread ends, but another one may run the loop."""

    # What is left armed.

    cdef int linger(self, LoopWatcher watcher) except -1:
        """A watcher was stopped: disarm it if it is not started again soon."""
        watcher.lingers = True
        self.lingering.append(watcher)
        return self.look_later()

    cdef void unwatch(self, reference) noexcept:
        self.watched.discard(reference)
        if not self.watched and self.alarm is not None and not self.tidying:
            self.tidying = True
            try:
                self.look_later()
            except BaseException as error:
                self.retry(error, self._set_look_timer)

    cdef int look_later(self) except -1:
        if self.look_timer is None:
            if self.is_elsewhere():
                self.loop.call_soon_threadsafe(self._set_look_timer)
            else:
                self._set_look_timer()
        return 0

    def _set_look_timer(self):
        if self.look_timer is None and not self.loop.is_closed():
            self.look_timer = self.loop.call_later(LINGER, self._look)

    def _look(self):
        """Disarm what nobody has started since the last look."""
        cdef LoopWatcher watcher
        self.look_timer = None
        watchers, self.lingering = self.lingering, []
        for watcher in watchers:
            if watcher.callback is None and watcher.was_used:
                watcher.was_used = False
                self.lingering.append(watcher)
            else:
                watcher.lingers = False
                if watcher.callback is None:
                    watcher.disarm()
        self.tidy()
        if self.lingering:
            self._set_look_timer()


cpdef LoopHub hub_of(loop):
    """Return the hub of an event loop, which holds it: so they are freed together.

    Parameters
    ----------
    loop : asyncio.AbstractEventLoop

    Returns
    -------
    LoopHub
    """
    try:
        return loop._zmq_hub
    except AttributeError:
        hub = loop._zmq_hub = LoopHub(loop)
        return hub


def loop_of_thread():
    """Return the loop that this thread was given, where none runs; before Python 3.14 it may be a new one.

    Returns
    -------
    asyncio.AbstractEventLoop

    Raises
    ------
    RuntimeError
        There is none.
    """
    if sys.version_info >= (3, 14):
        # Policies are deprecated.
        return asyncio.get_event_loop()
    # Some older versions warn of what was deprecated for a while only.
    return asyncio.get_event_loop_policy().get_event_loop()


cpdef running_loop():
    """Return the event loop that runs in this thread, or with a warning the one that may.

    Returns
    -------
    asyncio.AbstractEventLoop
    """
    loop = get_running_loop()
    if loop is None:
        if not is_over:
            warnings.warn(
                "No running event loop. zmq.asyncio should be used from within an asyncio loop.",
                RuntimeWarning,
                stacklevel=1,
            )
        loop = loop_of_thread()
    return loop
