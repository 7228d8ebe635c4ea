"""Processes of tunnels: `run` waits for one, and `Tunnel` is what callers hold.

Lives here: how processes are waited for, in a thread or in a hub, and that none of them is left. What must not: what
they are for (`_openssh.py`, `forward.py`).

Every tunnel has one process, its keeper, that reads from a pipe of which this process has the only other end. When that
is closed, by `Tunnel.close` or because this process ended, in whatever way, the keeper ends the tunnel.
"""

from __future__ import annotations

import atexit
import os
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from typing import IO, Any

from zmq.core.constants import PollEvent
from zmq.core.poll import Poller
from zmq.core.waiting.pipes import close_fd
from zmq.ssh._errors import SSHException

#: Seconds between two looks at a process that has not ended.
TICK = 0.02
#: Seconds for a keeper to end its tunnel.
PATIENCE = 5.0
#: How much of what a process says is kept, in bytes.
MUCH = 16384


class Output:
    """What a process writes, for a `Poller` to wait for."""

    def __init__(self, poller_class: type[Poller]) -> None:
        self.data = b""
        self.reader, self.writer = os.pipe()
        self.poller = poller_class()
        self.poller.register(self.reader, PollEvent.POLLIN)

    def begun(self) -> None:
        """Called when the process has its end."""
        close_fd(self.writer)
        self.writer = -1

    def wait(self) -> None:
        """Wait a moment for more, and take it."""
        if self.poller.poll(TICK * 1000):
            self.read()

    def take(self) -> None:
        """Take what is there."""
        while self.reader >= 0 and self.poller.poll(0):
            self.read()

    def read(self) -> None:
        # Only of what is there: eventlet's os.read() would wait, also on a descriptor that must not block.
        data = os.read(self.reader, 4096)
        self.data = (self.data + data)[-MUCH:]
        if not data:
            self.end()

    def end(self) -> None:
        if self.reader >= 0:
            self.poller.unregister(self.reader)
            close_fd(self.reader)
            self.reader = -1

    def close(self) -> None:
        self.end()
        if self.writer >= 0:
            self.begun()

    def text(self) -> str:
        return self.data.decode(errors="replace").strip()


def kill(process: subprocess.Popen[Any]) -> None:
    """End a process and wait for it, which takes no time worth speaking of."""
    if process.poll() is None:
        process.kill()
    process.wait()


def look(process: subprocess.Popen[Any]) -> tuple[bool, int | None]:
    """Tell whether a process has ended, and with which status; None where nobody knows that any more.

    The kernel throws it away where SIGCHLD is ignored, and whoever waits for all children gets it, as libev does once
    `gevent.subprocess` was used in a program that is not monkeypatched. `Popen` then says 0, whatever it was; gevent's
    own is told by its loop.
    """
    if not hasattr(os, "waitid") or type(process).__module__ == "gevent.subprocess":
        status = process.poll()
        return status is not None, status
    try:
        found = os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return True, None
    if found is None:
        return False, None
    return True, found.si_status if found.si_code == os.CLD_EXITED else -found.si_status


def run(
    arguments: Sequence[str],
    deadline: float,
    poller_class: type[Poller],
    env: Mapping[str, str] | None = None,
    tick: Callable[[], None] | None = None,
    new_session: bool = False,
) -> tuple[int | None, str]:
    """Run a program to its end.

    Returns
    -------
    int or None, str
        Its exit status if that is known (see `look`), and what it wrote to its standard error.
    """
    output = Output(poller_class)
    try:
        process = start(arguments, stdin=subprocess.DEVNULL, stderr=output.writer, env=env, new_session=new_session)
        output.begun()
        try:
            ended, status = look(process)
            while not ended:
                if time.monotonic() > deadline:
                    raise SSHException(f"time is over: {arguments[0]} {output.text()}".rstrip())
                if tick is not None:
                    tick()
                output.wait()
                ended, status = look(process)
        finally:
            kill(process)
        output.take()
        return status, output.text()
    finally:
        output.close()


def start(
    arguments: Sequence[str],
    stdin: int = subprocess.PIPE,
    stdout: int = subprocess.DEVNULL,
    stderr: int = subprocess.DEVNULL,
    env: Mapping[str, str] | None = None,
    new_session: bool = True,
) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            arguments, stdin=stdin, stdout=stdout, stderr=stderr, env=env, bufsize=0, start_new_session=new_session
        )
    except OSError as error:
        raise SSHException(f"{arguments[0]} can't be run: {error.strerror}") from error


def runs(pid: int) -> bool:
    """Tell whether a process runs that is no child of ours.

    One that has ended is there until its parent hears of it, which may be never: in a container that is whoever was
    started first, this program for example.
    """
    try:
        os.kill(pid, 0)
    except OSError:
        return False
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            state = file.read().rpartition(b")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        # There may be no such folder.
        return not os.path.exists("/proc/self/stat")
    return state not in (b"Z", b"X")


class Tunnel:
    """A tunnel that is open. It stays open until it is closed, is not used for its time-out, or the program ends.

    Attributes
    ----------
    port : int
        The local one.
    pid : int
        Of the process that moves the bytes; ``int(tunnel)`` is the same.
    """

    def __init__(self, keeper: subprocess.Popen[bytes], poller_class: type[Poller], control: str | None = None) -> None:
        self.port = 0
        self.pid = keeper.pid
        self._keeper = keeper
        self._pipe: IO[bytes] | None = keeper.stdin
        self._poller_class = poller_class
        #: What is there as long as a process that is no child of ours runs.
        self._control = control
        #: Whether it stood once.
        self.stands = False
        _tunnels.add(self)

    def __repr__(self) -> str:
        state = "closed" if self._pipe is None else f"port {self.port}, process {self.pid}"
        return f"<{type(self).__module__}.{type(self).__name__}: {state}>"

    def __index__(self) -> int:
        return self.pid

    def __enter__(self) -> Tunnel:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def is_alive(self) -> bool:
        """Tell whether the tunnel is open.

        Returns
        -------
        bool
        """
        if self._pipe is None or self._keeper.poll() is not None:
            return False
        if self._control is None:
            return True
        return os.path.exists(self._control) and runs(self.pid)

    def close(self) -> None:
        """Close the tunnel, and all connections through it. Nothing happens when it is closed."""
        self._close(self._poller_class)

    def _close(self, poller_class: type[Poller]) -> None:
        pipe, self._pipe = self._pipe, None
        if pipe is not None:
            # From here on the keeper needs nobody, also if the caller is ended while it waits.
            pipe.close()
        end = time.monotonic() + PATIENCE
        poller = poller_class()
        while self._keeper.poll() is None:
            if time.monotonic() > end:
                kill(self._keeper)
                break
            poller.poll(TICK * 1000)
        _tunnels.discard(self)

    terminate = close


#: Those whose keepers have not been seen to end.
_tunnels: set[Tunnel] = set()


def clear_up(poller_class: type[Poller]) -> None:
    """Close the tunnels that ssh has lost; whoever opened them, the caller waits."""
    for tunnel in list(_tunnels):
        if tunnel._pipe is None:
            # Somebody closes it, or was ended while it did.
            if tunnel._keeper.poll() is not None:
                _tunnels.discard(tunnel)
        elif tunnel.stands and not tunnel.is_alive():
            tunnel._close(poller_class)


def close_all() -> None:
    """Close the tunnels of this process."""
    while _tunnels:
        _tunnels.pop().close()


def let_go() -> None:
    """Forget the tunnels in a forked child: they are its parent's, and must not outlive that."""
    while _tunnels:
        tunnel = _tunnels.pop()
        pipe, tunnel._pipe = tunnel._pipe, None
        if pipe is not None:
            pipe.close()


atexit.register(close_all)
os.register_at_fork(after_in_child=let_go)
