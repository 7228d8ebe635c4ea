"""`Interrupts`: Ctrl-C in programs of greenlets, which is for the main one.

Lives here: the handler of SIGINT that ``python -m zmq.green.monkey`` puts in the place of Python's, and the pipe that
wakes the hub for signals. What must not: what a framework does where a handler raises, see `Hub`. Called by
`zmq.core.monkeypatch`.
"""

import signal
import sys
import threading
from _signal import getsignal, set_wakeup_fd

from cpython.exc cimport PyErr_CheckSignals
from libc.signal cimport SIGINT

from zmq.core.waiting.hub cimport Call, Hub, this_thread
from zmq.core.waiting.pipes cimport Pipe
from zmq.core.waiting import hub as _hub

cdef extern from "Python.h":
    int PyErr_SetInterruptEx(int signum)

# Of the greenlets that were left where they were, those that do not keep the program from ending.
cdef list left = []


cdef class Resumed(Call):
    """A greenlet that a signal's handler left in the lurch goes on where it was."""

    def __init__(self, greenlet):
        Call.__init__(self, None, greenlet.switch)


cdef class Interrupts:
    """A handler of SIGINT that raises KeyboardInterrupt in the main greenlet, whichever greenlet runs.

    Another greenlet that runs is left where it is, in the midst of the program's code, and goes on if the main greenlet
    lets the hub run again. Where that would be in the midst of a framework's code, which nobody else may use then, it
    is let out of there first.

    A signal that comes after Python has looked for one and before the hub sleeps would be seen when the hub wakes by
    itself, and so would one that the system gives to another native thread. So signals write to a pipe (`open`), which
    the hub of the main thread watches.

    What is raised in the midst of a finalizer, or where C can raise nothing, Python reports and forgets. It is raised
    once more then (`unraisable`).

    Parameters
    ----------
    current : callable
        Returns the greenlet that runs; now it is the main one.
    get_hub : callable
        Returns the `Hub` of this thread.
    """

    #: The packages whose code may not be left alone; a subclass adds the framework's.
    frameworks = frozenset(("asyncio", "greenlet", "selectors", "zmq"))

    def __init__(self, current, get_hub):
        self.current = current
        self.get_hub = get_hub
        self.main = current()
        self.thread = this_thread()
        self.report = sys.unraisablehook
        self.set_wakeup_fd = signal.set_wakeup_fd

    def __call__(self, signum, frame):
        cdef Hub hub
        cdef Call resumed = None
        current = self.current()
        if current is self.main:
            raise self.error()
        hub = self.get_hub()
        if hub.is_current() and hub.goes_to_sleep(frame):
            if current.parent is not self.main:
                # What ends the hub is raised in its parent, and this process was forked by another greenlet.
                self.main.parent = current.parent
                current.parent = self.main
            raise self.error()
        if self.is_busy(hub, frame):
            # Once more, soon: at the next instruction, or where the greenlet parks before, in the hub.
            PyErr_SetInterruptEx(signum)
            if not self.looking:
                self.looking = True
                hub.soon(self.look)
            return
        if not hub.is_current():
            resumed = Resumed(current)
            if getattr(threading.current_thread(), "daemon", True):
                left.append(resumed)
            # Last: a handler that interrupts this one may let it go on.
            hub.soon(resumed)
        try:
            self.main.throw(self.error())
        finally:
            if resumed is not None:
                resumed.cancel()
                if resumed in left:
                    left.remove(resumed)

    def leave(self):
        """The program has ended: greenlets that were left do not go on, but for threads that it waits for."""
        for resumed in left:
            resumed.cancel()

    def is_busy(self, hub, frame):
        """Tell whether what runs is in the midst of a framework's code."""
        if frame is None or str(frame.f_globals.get("__name__")).partition(".")[0] not in self.frameworks:
            return False
        return not (hub.is_current() and hub.is_between(frame))

    def look(self):
        """Have the hub run, and the handler."""
        self.looking = False
        PyErr_CheckSignals()

    def error(self):
        """Return what to raise; it is known again."""
        error = KeyboardInterrupt()
        error._zmq_handler = self
        return error

    def unraisable(self, args):
        """Do as `sys.unraisablehook`; but what the handler raised is raised again, at the next instruction."""
        if getattr(args.exc_value, "_zmq_handler", None) is self and getsignal(SIGINT) is self:
            PyErr_SetInterruptEx(SIGINT)
        else:
            self.report(args)

    def open(self):
        """Have signals write to a pipe from now on, unless they write somewhere already; in the main thread."""
        _hub.between.append(self.adopt)
        self.pipe = Pipe()
        previous = set_wakeup_fd(self.pipe.writer, warn_on_full_buffer=False)
        if previous != -1:
            set_wakeup_fd(previous)
            self.forget()

    def wakeup_fd(self, fd, /, *, warn_on_full_buffer=True):
        """Do as `signal.set_wakeup_fd`, as if nobody but the program had ever called that."""
        previous = self.set_wakeup_fd(fd, warn_on_full_buffer=warn_on_full_buffer)
        if fd == -1 and self.is_open():
            set_wakeup_fd(self.pipe.writer, warn_on_full_buffer=False)
        return -1 if self.pipe is not None and previous == self.pipe.writer else previous

    def watch(self):
        """Have the hub of this thread, where that is the main one, wake up for signals."""
        cdef Hub hub
        if self.thread == this_thread() and self.is_open():
            hub = self.get_hub()
            if hub.signals_watcher is None:
                hub.signals_watcher = hub.listen(self.pipe.reader, self.heard)

    def heard(self):
        """A signal came; called in the hub."""
        cdef Hub hub = self.get_hub()
        if not self.is_open():
            watcher, hub.signals_watcher = hub.signals_watcher, None
            hub.unlisten(watcher)
            return
        self.pipe.still()
        try:
            PyErr_CheckSignals()
        except BaseException as error:
            hub.interrupt(error)

    def is_open(self):
        """Tell whether signals write to the pipe still."""
        if self.pipe is not None and not self.pipe.is_open():
            self.forget()
        return self.pipe is not None

    def forget(self):
        """Close the pipe, if it is there."""
        previous = set_wakeup_fd(-1)
        if previous not in (-1, self.pipe.writer):
            set_wakeup_fd(previous)
        self.pipe = None

    def adopt(self):
        """In the child of a fork: the greenlet that forked is the main one, and the pipe is its parent's too."""
        cdef unsigned long thread = self.thread
        self.main = self.current()
        self.thread = this_thread()
        if self.is_open() and not self.pipe.reopen():
            self.forget()
        if self.thread != thread:
            self.watch()
