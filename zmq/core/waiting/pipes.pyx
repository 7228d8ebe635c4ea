"""`Pipe`: how other threads, and signals, wake a hub; and `close_fd`.

Lives here: a pipe of which the hub watches one end, and how descriptors of ours are closed. Called by `Hub`, for what
other threads post, by `Interrupts`, and by all that closes descriptors.
"""

import fcntl
import os

from libc.errno cimport errno
from posix.stat cimport fstat, struct_stat
from posix.unistd cimport close, read, write

cdef enum:
    HIGH = 512          # descriptors from here on are given to nobody who does not ask for them


cdef class Pipe:
    """Wakes whoever watches `reader`. It never blocks, and closes itself.

    A program that closes all descriptors, as one that becomes a daemon does, may have its own files there afterwards.
    """

    def __cinit__(self):
        self.reader = self.writer = -1

    def __init__(self):
        self.reader, self.writer = map(move_up, make_pipe())
        self.remember()

    def __dealloc__(self):
        if self.is_open():
            close(self.reader)
            close(self.writer)

    cdef void remember(self) noexcept:
        fstat(self.reader, &self.status)

    cdef bint is_open(self) noexcept:
        """Tell whether both ends are there and no other file."""
        cdef struct_stat status
        cdef int end
        for end in (self.reader, self.writer):
            if fstat(end, &status) != 0:
                return False
            if status.st_dev != self.status.st_dev or status.st_ino != self.status.st_ino:
                return False
        return True

    cdef void ring(self) noexcept:
        """In any thread. Where the pipe is full, or not there any more, nothing need be done, or can."""
        if self.is_open():
            write(self.writer, b"", 1)

    cdef bint still(self) noexcept:
        """Take what was written; tell whether the pipe is there still."""
        cdef char buffer[4096]
        if not self.is_open():
            return False
        while read(self.reader, buffer, sizeof(buffer)) == sizeof(buffer):
            pass
        return True

    cdef bint reopen(self) noexcept:
        """Be another pipe under the same numbers, and tell whether it is.

        Under others, a watcher that the child of a fork stops would be stopped for its parent too, as long as the two
        share an epoll set.
        """
        if not self.is_open():
            return False
        try:
            for end, number in zip(make_pipe(), (self.reader, self.writer), strict=True):
                os.dup2(end, number, False)
                close(end)
        except OSError:
            return False
        self.remember()
        return True


def make_pipe():
    """Return the two ends of a pipe that never block."""
    ends = os.pipe()
    for end in ends:
        os.set_blocking(end, False)
    return ends


def move_up(fd):
    """Return a descriptor of the same file that is none of the lowest, if there may be one."""
    try:
        high = fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, HIGH)
    except OSError:
        return fd
    close(fd)
    return high


def close_fd(int fd):
    """Close a descriptor of ours that nobody watches any more, at once.

    In a program that gevent has monkeypatched, ``os.close`` does so when the hub runs next: until then the descriptor
    is taken, and the hub does not go idle.

    Parameters
    ----------
    fd : int

    Raises
    ------
    OSError
    """
    if close(fd) != 0:
        raise OSError(errno, os.strerror(errno))
