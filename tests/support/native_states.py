"""Descriptors in the states that a poller has to tell apart, and what is done to them while somebody waits."""

from __future__ import annotations

import os
import select
import socket
import struct
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import zmq

IN, OUT, ERR, PRI = (int(flag) for flag in (zmq.POLLIN, zmq.POLLOUT, zmq.POLLERR, zmq.POLLPRI))
#: What can be asked for.
MASKS = (IN, OUT, ERR, PRI, IN | OUT, IN | PRI, IN | ERR, OUT | PRI, ERR | PRI, IN | OUT | ERR | PRI)

#: One end of a connection and what keeps the other open; the second is called to change its state.
Ends = tuple[int, Callable[[], object]]


def told_by_poll(fd: int, mask: int) -> int:
    """Return what poll(2), and so zmq_poll, says of a descriptor."""
    pairs = (IN, select.POLLIN), (OUT, select.POLLOUT), (PRI, select.POLLPRI)
    poller = select.poll()
    poller.register(fd, sum(native for flag, native in pairs if mask & flag))
    found = 0
    for _, events in poller.poll(0):
        found |= sum(flag for flag, native in pairs if events & native)
        if events & ~sum(native for _, native in pairs):
            found |= ERR
    return found


class Makers:
    """Make descriptors that are closed in the end."""

    def __init__(self, stack: ExitStack) -> None:
        self.stack = stack
        self.open: dict[int, None] = {}
        stack.callback(lambda: [os.close(fd) for fd in self.open])

    def keep(self, fd: int) -> int:
        self.open[fd] = None
        return fd

    def close(self, fd: int) -> None:
        del self.open[fd]
        os.close(fd)

    def pipe(self) -> tuple[int, int]:
        reader, writer = os.pipe()
        return self.keep(reader), self.keep(writer)

    def terminal(self) -> tuple[int, int]:
        master, slave = os.openpty()
        return self.keep(master), self.keep(slave)

    def pair(self) -> tuple[socket.socket, socket.socket]:
        one, other = socket.socketpair()
        return self.stack.enter_context(one), self.stack.enter_context(other)

    def tcp(self) -> tuple[socket.socket, socket.socket]:
        with socket.create_server(("127.0.0.1", 0)) as server:
            one = self.stack.enter_context(socket.create_connection(server.getsockname()))
            other = self.stack.enter_context(server.accept()[0])
        other.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        return one, other


def idle_pair(make: Makers) -> Ends:
    one, other = make.pair()
    return one.fileno(), lambda: other.send(b"x")


def readable_pair(make: Makers) -> Ends:
    """Readable all the time, which who asks for something else must not notice."""
    one, other = make.pair()
    other.send(b"x")
    return one.fileno(), other.close


def closing_half(make: Makers) -> Ends:
    one, other = make.pair()
    return one.fileno(), lambda: other.shutdown(socket.SHUT_WR)


def half_closed(make: Makers) -> Ends:
    one, other = make.pair()
    one.shutdown(socket.SHUT_WR)
    return one.fileno(), other.close


def urgent(make: Makers) -> Ends:
    one, other = make.tcp()
    return one.fileno(), lambda: other.send(b"!", socket.MSG_OOB)


def urgent_behind_others(make: Makers) -> Ends:
    one, other = make.tcp()
    other.send(b"unread")
    select.select([one], [], [], 10)
    return one.fileno(), lambda: other.send(b"!", socket.MSG_OOB)


def reset(make: Makers) -> Ends:
    one, other = make.tcp()
    return one.fileno(), other.close


def pipe_to_read(make: Makers) -> Ends:
    reader, writer = make.pipe()
    return reader, lambda: os.write(writer, b"x")


def pipe_to_read_hung_up(make: Makers) -> Ends:
    reader, writer = make.pipe()
    return reader, lambda: make.close(writer)


def pipe_to_write(make: Makers) -> Ends:
    reader, writer = make.pipe()
    return writer, lambda: make.close(reader)


def terminal(make: Makers) -> Ends:
    master, slave = make.terminal()
    return master, lambda: os.write(slave, b"x")


def terminal_hung_up(make: Makers) -> Ends:
    master, slave = make.terminal()
    return master, lambda: make.close(slave)


def program_of_a_terminal(make: Makers) -> Ends:
    master, slave = make.terminal()
    return slave, lambda: make.close(master)


def never() -> None:
    """There is nothing to change."""


def file(make: Makers) -> Ends:
    descriptor, name = tempfile.mkstemp()
    os.unlink(name)
    return make.keep(descriptor), never


def device(make: Makers) -> Ends:
    return make.keep(os.open(os.devnull, os.O_RDWR)), never


def folder(make: Makers) -> Ends:
    return make.keep(os.open("/", os.O_RDONLY)), never


def epoll_set(make: Makers) -> Ends:
    """A set that is to be watched may be one of the program's own."""
    one, other = make.pair()
    watched = make.stack.enter_context(select.epoll())
    watched.register(one, select.EPOLLIN)
    return watched.fileno(), lambda: other.send(b"x")


def counter(make: Makers) -> Ends:
    reader = make.keep(os.eventfd(0))
    return reader, lambda: os.eventfd_write(reader, 1)


STATES: dict[str, Callable[[Makers], Ends]] = {
    make.__name__: make
    for make in (
        idle_pair,
        readable_pair,
        closing_half,
        half_closed,
        urgent,
        urgent_behind_others,
        reset,
        pipe_to_read,
        pipe_to_read_hung_up,
        pipe_to_write,
        terminal,
        terminal_hung_up,
        program_of_a_terminal,
        file,
        device,
        folder,
        *((epoll_set,) if hasattr(select, "epoll") else ()),
        *((counter,) if hasattr(os, "eventfd") else ()),
    )
}

#: What does not change.
UNCHANGING = ("file", "device", "folder")


@contextmanager
def state(name: str) -> Iterator[Ends]:
    """Make a descriptor, and what changes its state."""
    with ExitStack() as stack:
        yield STATES[name](Makers(stack))


def changed(fd: int, change: Callable[[], object], mask: int) -> int:
    """Change the state of a descriptor; return what poll(2) says when the kernel has done so."""
    before = told_by_poll(fd, IN | OUT | PRI)
    change()
    end = time.monotonic() + 1
    while change is not never and told_by_poll(fd, IN | OUT | PRI) == before and time.monotonic() < end:
        time.sleep(0.001)
    return told_by_poll(fd, mask)
