"""The form of a row of the greenness table, and the scene in which its call is made.

A row that says `waits` prepares a scene in which the call has to wait, and says what ends the wait: everybody else runs
meanwhile. A row that says `returns` makes the call while a greenlet waits to receive on the same socket: nobody else
runs meanwhile, and the greenlet waits on. The names are those below `zmq.green` and `zmq.eventlet`, or below `zmq`.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import pytest

import zmq as plain
from support.front_ends import FrontEnd, Task
from zmq import DEALER, NOBLOCK, PAIR, POLLIN, PULL, PUSH

#: More than is copied with ``copy=False``.
LARGE = bytes(100_000)

numbers = count()


@dataclass
class Row:
    name: str
    #: Which of the rows of this name it is.
    case: str
    #: What waits, or returns at once; called with the scene and what `prepare` returned.
    call: Callable[..., Any]
    #: For a call that waits: makes what it waits for.
    prepare: Callable[[Scene], tuple[Any, ...]] | None = None
    #: Called while it waits, and ends the wait; None where a time-out does.
    end: Callable[..., Any] | None = None
    #: What comes of it: the class of an error, or what is returned.
    gives: Any = None
    #: For a call that returns at once: the types of the two sockets of the scene.
    kinds: tuple[int, int] = (DEALER, DEALER)
    #: Whether it sends home whoever waits to receive.
    closes: bool = False
    #: Whether it can be made again, also with a message there.
    again: bool = True
    #: Whether it changes the whole process, and so needs one of its own.
    alone: bool = False
    #: The module that alone has this.
    only: str = ""

    def __str__(self) -> str:
        return f"{self.name}, {self.case}" if self.case else self.name


TABLE: list[Row] = []


def waits(
    name: str,
    case: str,
    prepare: Callable[[Scene], tuple[Any, ...]],
    call: Callable[..., Any],
    end: Callable[..., Any] | None,
    gives: Any = None,
    **options: Any,
) -> None:
    TABLE.append(Row(name, case, call, prepare, end, gives, **options))


def returns(name: str, call: Callable[[Scene], Any], case: str = "", **options: Any) -> None:
    TABLE.append(Row(name, case, call, **options))


class Scene:
    """What the calls of one row are made on."""

    # For a row that returns: two sockets that are connected. Somebody waits to receive on `b`.
    a: Any
    b: Any

    def __init__(self, front_end: FrontEnd, zmq: Any, context: Any, folder: Path) -> None:
        self.front_end = front_end
        #: The module under test.
        self.zmq = zmq
        self.context = context
        self.folder = folder
        #: What is to be done afterwards, last things first; then these have to be done.
        self.closing = ExitStack()
        self.tasks: list[Task] = []
        #: The sockets, so that none is collected.
        self.kept: list[Any] = []
        #: Has something when others ran since `watch`.
        self.others: list[bool] = []
        #: Whether nothing more can be waited for.
        self.failed = False

    def socket(self, kind: int, context: Any = None, **options: Any) -> Any:
        socket = (context or self.context).socket(kind)
        for name, value in options.items():
            setattr(socket, name, value)
        self.kept.append(socket)
        return socket

    def address(self, transport: str = "ipc") -> str:
        return f"{transport}://{self.folder}/{next(numbers)}"

    def pair(self, one: int = PAIR, other: int = PAIR, context: Any = None, **options: Any) -> tuple[Any, Any]:
        a, b = (self.socket(kind, context, **options) for kind in (one, other))
        address = self.address("inproc")
        a.bind(address)
        b.connect(address)
        return a, b

    def ending(self, context: Any) -> Any:
        """Return a context that is to be terminated afterwards."""
        self.closing.callback(lambda: self.failed or context.term())
        return context

    def late_push(self, context: Any, address: str, linger: int = -1) -> Any:
        """Return a socket that holds a message for a peer which is not there yet."""
        push = self.socket(PUSH, context, linger=linger, reconnect_ivl=1)
        push.connect(address)
        push.send(b"late")
        return push

    def receive_late(self, address: str) -> None:
        with self.context.socket(PULL) as pull:
            pull.bind(address)
            assert pull.recv() == b"late"

    def start(self, call: Callable[[], Any]) -> Task:
        """Have somebody begin to wait."""
        begun = []

        def run() -> Any:
            begun.append(True)
            return call()

        self.tasks.append(self.front_end.spawn(run))
        while not begun:
            self.front_end.sleep(0)
        # This one runs again: so the other waits.
        return self.tasks[-1]

    def watch(self) -> None:
        """From now on nobody else should run."""
        self.others = []
        self.tasks.append(self.front_end.spawn(self.others.append, True))

    def close(self) -> None:
        self.closing.close()
        while self.tasks:
            self.tasks.pop().get()
        self.kept.clear()

    def clean_up(self) -> None:
        """Do what can be done after a failure; nothing where all is closed."""
        self.failed = True
        for socket in self.kept:
            socket.close(linger=0)
        self.closing.close()


def fill(send: Callable[[], Any]) -> None:
    with pytest.raises(plain.Again):
        while True:
            send()


def drain(socket: Any) -> None:
    with pytest.raises(plain.Again):
        while True:
            socket.recv_multipart(NOBLOCK)


def poller_of(s: Scene, *sockets: Any, flags: int = POLLIN) -> Any:
    poller = s.zmq.Poller()
    for socket in sockets:
        poller.register(socket, flags)
    return poller
