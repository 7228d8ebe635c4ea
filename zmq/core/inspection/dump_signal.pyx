"""A signal that has something called in a native thread, whatever the other threads do.

Lives here: the handler, which is C and waits for nothing, and the thread that it wakes. What must not: what is written
(`zmq.core.inspection.dump`). Called by that alone.

Python's own handlers run in the main thread when that comes back to the interpreter. A hub that is stuck in C does not,
and nothing of a program may be needed that is monkeypatched. Where nobody gets the GIL at all, what can be seen without
it is shown; see ``dump_signal.h``.
"""

import atexit
import faulthandler
import os

from libc.errno cimport EINTR, errno
from posix.unistd cimport read, write

from zmq.core.waiting cimport fork_generation

from zmq.core.native_threads import NativeThread

cdef extern from "inspection/dump_signal.h" nogil:
    ctypedef struct dump_t:
        int to_python[2]
        int from_python[2]
    dump_t greenzmq_dump
    int greenzmq_dump_begin(int patience) noexcept
    void greenzmq_dump_forget() noexcept
    int greenzmq_dump_catch(int number, int fd) noexcept
    void greenzmq_dump_release(int number) noexcept
    void greenzmq_dump_end() noexcept

# What is called for each signal.
cdef dict callbacks = {}
# `generation` of the process that has the threads; -1 for none.
cdef int begun = -1
cdef int patience = 2000


def _set_patience(int milliseconds):
    """For tests: for how long nobody may get the GIL before what can be seen without it is shown."""
    global patience
    patience = milliseconds


cdef int begin() except -1:
    """Have the threads run in this process."""
    global begun
    cdef int err
    if begun == fork_generation.current:
        return 0
    if begun >= 0:
        greenzmq_dump_forget()
        begun = -1
    err = greenzmq_dump_begin(patience)
    if err:
        raise OSError(err, os.strerror(err))
    begun = fork_generation.current
    NativeThread(serve, name="zmq.dump").start()
    return 0


def serve():
    """Call what belongs to each signal that comes; in a native thread."""
    cdef unsigned char number = 0
    cdef ssize_t size
    cdef int err
    cdef int reader = greenzmq_dump.to_python[0]
    cdef int writer = greenzmq_dump.from_python[1]
    while True:
        with nogil:
            size = read(reader, &number, 1)
            err = errno
        if size < 0 and err == EINTR:
            continue
        if size <= 0:
            return
        # With the GIL: from here on there is somebody to tell.
        write(writer, b"x", 1)
        callback = callbacks.get(number)
        if callback is not None:
            callback(number)


def write_all(int fd, bytes data not None):
    """Write to a descriptor, in this native thread, whatever is monkeypatched; what can't be written is dropped.

    Parameters
    ----------
    fd : int
    data : bytes
    """
    cdef const char *at = data
    cdef size_t left = len(data)
    cdef ssize_t done
    cdef int err
    while left > 0:
        with nogil:
            done = write(fd, at, left)
            err = errno
        if done < 0:
            if err != EINTR:
                return
            continue
        at += done
        left -= <size_t> done


def catch(int number, file, callback):
    """Have a function called in a native thread whenever a signal comes.

    Parameters
    ----------
    number : int
    file : file or int
        Where what can be seen without the GIL is written: with `fileno`, or a descriptor.
    callback : callable
        ``callback(number)``.

    Raises
    ------
    OSError, ValueError, RuntimeError
        The signal can't be caught, or there are no descriptors or threads left.
    """
    cdef int fd = file if isinstance(file, int) else file.fileno()
    cdef int err
    if number in callbacks:
        release(number)
    begin()
    faulthandler.register(number, file=file, all_threads=True, chain=False)
    callbacks[number] = callback
    err = greenzmq_dump_catch(number, fd)
    if err:
        release(number)
        raise OSError(err, os.strerror(err))


def release(int number):
    """Do with a signal what was done with it before `catch`; return whether it was caught.

    Parameters
    ----------
    number : int

    Returns
    -------
    bool
    """
    if callbacks.pop(number, None) is None:
        return False
    greenzmq_dump_release(number)
    faulthandler.unregister(number)
    return True


def _forked():
    if callbacks and begun >= 0:
        begin()


def _end():
    with nogil:
        greenzmq_dump_end()


os.register_at_fork(after_in_child=_forked)
atexit.register(_end)
