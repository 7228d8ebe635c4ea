"""Show this process to ``python -m zmq.top``, and look at another one.

A process that was asked to, by `serve` or by the environment variable ``ZMQ_INSPECT``, answers at a socket file that
its user alone can open. A native thread does that, so it answers while the hub is blocked, and names who blocks it. It
only reads.
"""

from __future__ import annotations

import _socket
import json
import os
import signal
import stat
import time
from collections.abc import Iterator
from contextlib import suppress

from zmq.core.inspection.service import LONGEST_PATH, NO_SIGNAL, VARIABLE, VERSION, _service

TYPE_CHECKING = False  # `typing` takes longer to import than all the rest

if TYPE_CHECKING:
    from typing import Any

__all__ = ["Inspection", "NoAnswer", "address", "ask", "serve", "stop"]


class NoAnswer(Exception):
    """A process does not answer; the text says what can be done, for people.

    Attributes
    ----------
    pid : int or None
        The process, where it is known.
    """

    def __init__(self, text: str, pid: int | None = None) -> None:
        super().__init__(text)
        self.pid = pid


def serve(path: str | bytes | os.PathLike[Any]) -> str:
    """Have this process answer at a socket file, from now on until it ends; `ask` and ``python -m zmq.top`` ask there.

    Parameters
    ----------
    path : str, bytes or path
        Of the file, which is made, with mode 0600. ``%p`` in it stands for the process's number. ``ipc://`` may stand
        before it; any other transport is an error.

    Returns
    -------
    str
        The whole path.

    Raises
    ------
    ValueError
        It is no path of a file, or longer than a socket's may be.
    OSError
        The file can't be made, is no socket, or a living process listens there. What a process left that has ended is
        replaced.
    RuntimeError
        There are no threads left.

    Notes
    -----
    A process answers at one file; when `serve` is called again, at that. The file is removed when the process ends. The
    child of a fork answers at none, or at its own where `path` has ``%p``. The environment variable ``ZMQ_INSPECT``
    does the same when the package is imported; what goes wrong there is a `RuntimeWarning`.

    Examples
    --------
    >>> zmq.inspect.serve("/run/shop/orders.%p")
    """
    return _service.start(path)


def stop() -> bool:
    """End what `serve` began.

    Returns
    -------
    bool
        Whether there was something to end.
    """
    return _service.stop()


def address() -> str | None:
    """Return where this process answers.

    Returns
    -------
    str or None
        The path; None: nowhere.
    """
    return _service.path


# Asking another process.


def status_of(pid: int) -> dict[str, str]:
    """Return what the system says of a process; nothing where it does not."""
    try:
        with open(f"/proc/{pid}/status", encoding="utf-8", errors="replace") as file:
            return dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)
    except OSError:
        return {}


def native_dump(pid: int | None) -> str:
    """Return how to get at the stacks of a process that does not answer."""
    if pid is None:
        return "gdb shows where it is."
    number = signal.SIGUSR1
    caught = int(status_of(pid).get("SigCgt", "0"), 16) >> (number - 1) & 1
    if caught:
        return f"kill -USR1 {pid} has it write its stacks, where that is what zmq.install_dump is for; or: gdb -p {pid}"
    return f"It has not called zmq.install_dump(signal.SIGUSR1); gdb -p {pid} shows where it is."


def files_of(pid: int) -> Iterator[str]:
    """Yield the socket files at which a process may answer: what its environment says, then where it listens."""
    with suppress(OSError), open(f"/proc/{pid}/environ", "rb") as file:
        for entry in file.read().split(b"\0"):
            name, _, value = entry.partition(b"=")
            if name == VARIABLE.encode() and value:
                path = os.fsdecode(value).removeprefix("ipc://").replace("%p", str(pid))
                yield path if os.path.isabs(path) else os.path.join(os.readlink(f"/proc/{pid}/cwd"), path)
    nodes = set()
    with suppress(OSError):
        for fd in os.listdir(f"/proc/{pid}/fd"):
            with suppress(OSError):
                nodes.add(os.readlink(f"/proc/{pid}/fd/{fd}").removeprefix("socket:[").removesuffix("]"))
    with suppress(OSError), open("/proc/net/unix", encoding="utf-8", errors="surrogateescape") as table:
        for line in table:
            # Number, references, protocol, flags, type, state, inode, path; the flag is that it listens.
            words = line.split(None, 7)
            if len(words) == 8 and words[6] in nodes and words[3] == "00010000":
                path = words[7].rstrip("\n")
                if path.startswith("/") and is_private(path):
                    yield path


def is_private(path: str) -> bool:
    """Tell whether a file is as `serve` makes it."""
    try:
        found = os.lstat(path)
    except OSError:
        return False
    return stat.S_ISSOCK(found.st_mode) and stat.S_IMODE(found.st_mode) == 0o600


class Inspection:
    """A connection to a process that answers.

    Parameters
    ----------
    where : str, path or int
        The socket file; or the number of the process, whose file is looked for (Linux).
    timeout : float
        Seconds within which each answer has to come.

    Raises
    ------
    NoAnswer
        Nobody answers there; the text says what may be the reason, and what to do.

    Notes
    -----
    It blocks its thread, and may be used with ``with``.
    """

    def __init__(self, where: str | bytes | os.PathLike[Any] | int, timeout: float = 3.0) -> None:
        self.timeout = timeout
        #: The number of the process.
        self.pid: int | None = where if isinstance(where, int) else None
        self._socket: _socket.socket | None = None
        self._rest = b""
        if isinstance(where, int):
            self.path = self._connect_to_process(where)
        else:
            self.path = os.fsdecode(where).removeprefix("ipc://")
            self._connect(self.path)

    def __enter__(self) -> Inspection:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """End the connection."""
        socket, self._socket = self._socket, None
        if socket is not None:
            socket.close()

    def _connect_to_process(self, pid: int) -> str:
        if not os.path.isdir(f"/proc/{pid}"):
            raise NoAnswer(f"there is no process {pid}", pid)
        failed: NoAnswer | None = None
        for path in dict.fromkeys(files_of(pid)):
            try:
                self._connect(path)
            except NoAnswer as error:
                failed = failed or error
                continue
            if self.pid == pid:
                return path
            self.close()
            self.pid = pid
        if failed is not None:
            raise failed
        raise NoAnswer(
            f"process {pid} does not answer: it was not asked to, by {VARIABLE}=PATH in its environment or "
            f"zmq.inspect.serve(PATH), or it is somebody else's. {native_dump(pid)}",
            pid,
        )

    def _connect(self, path: str) -> None:
        if len(os.fsencode(path)) > LONGEST_PATH:
            raise NoAnswer(f"{path}: longer than the path of a socket may be")
        self._rest = b""
        self._socket = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
        self._socket.settimeout(self.timeout)
        try:
            self._socket.connect(path)
        except OSError as error:
            self.close()
            why = {
                FileNotFoundError: "there is no such file: the process has ended, or was not asked to answer",
                ConnectionRefusedError: "nobody listens: the process has ended",
                PermissionError: "it belongs to another user",
                TimeoutError: "the process takes no more connections: it stands still",
                BlockingIOError: "the process takes no more connections: it stands still",
            }.get(type(error), str(error))
            raise NoAnswer(f"{path}: {why}") from None
        with suppress(OSError, AttributeError):
            # Who called `listen`: pid, user and group.
            found = self._socket.getsockopt(_socket.SOL_SOCKET, _socket.SO_PEERCRED, 12)
            self.pid = int.from_bytes(found[:4], "little")
        answer = self._read()
        if answer.get("zmq.inspect") != VERSION:
            self.close()
            raise NoAnswer(f"{path}: what answers there speaks another language, such as that of another version")
        self.pid = int(answer["pid"])

    def _read(self) -> dict[str, Any]:
        """Return the next line."""
        if self._socket is None:
            raise NoAnswer("the connection was closed", self.pid)
        until = time.monotonic() + self.timeout
        parts = [self._rest]
        try:
            while b"\n" not in parts[-1]:
                self._socket.settimeout(max(0.001, until - time.monotonic()))
                data = self._socket.recv(1 << 16)
                if not data:
                    raise ConnectionResetError
                parts.append(data)
        except TimeoutError:
            self.close()
            raise self._silent() from None
        except OSError:
            self.close()
            raise NoAnswer("the process has ended, or closed the connection", self.pid) from None
        line, _, self._rest = b"".join(parts).partition(b"\n")
        try:
            answer = json.loads(line)
        except ValueError:
            answer = None
        if not isinstance(answer, dict):
            self.close()
            raise NoAnswer("what answers there speaks another language", self.pid)
        if "error" in answer:
            raise NoAnswer(str(answer["error"]), self.pid)
        return answer

    def _silent(self) -> NoAnswer:
        """Return what is said of a process that listens and does not answer."""
        named = "the process" if self.pid is None else f"process {self.pid}"
        state = status_of(self.pid).get("State", "") if self.pid is not None else ""
        if state.startswith(("T", "t")):
            return NoAnswer(
                f"{named} was stopped, by a signal or a debugger; kill -CONT {self.pid} has it go on", self.pid
            )
        return NoAnswer(
            f"{named} listens and did not answer within {self.timeout:g} s: native code holds the GIL, so that no "
            f"Python runs in it at all, or the machine is busy. {native_dump(self.pid)}",
            self.pid,
        )

    def ask(self, want: str = "state") -> dict[str, Any]:
        """Ask the process.

        Parameters
        ----------
        want : str
            ``"state"`` or ``"dump"``.

        Returns
        -------
        dict
            See `zmq.inspect.ask`.

        Raises
        ------
        NoAnswer
        """
        if self._socket is None:
            raise NoAnswer("the connection was closed", self.pid)
        try:
            self._socket.settimeout(self.timeout)
            self._socket.sendall(json.dumps({"want": want}).encode() + b"\n", NO_SIGNAL)
        except OSError:
            self.close()
            raise NoAnswer("the process has ended, or closed the connection", self.pid) from None
        return self._read()


def ask(where: str | bytes | os.PathLike[Any] | int, want: str = "state", timeout: float = 3.0) -> dict[str, Any]:
    """Ask another process once. It blocks this thread.

    Parameters
    ----------
    where : str, path or int
        The socket file; or the number of the process, whose file is looked for (Linux).
    want : str
        ``"state"``: what it does. ``"dump"``: the text of `zmq.dump`.
    timeout : float
        Seconds within which the answer has to come.

    Returns
    -------
    dict
        For ``"dump"``: ``pid`` and ``dump``, a text. For ``"state"``, all of it values that `json.dumps` takes:

        ``pid``, ``command``, ``python``, ``greenzmq``, ``libzmq``
            Which process it is, how it was called, and its versions.
        ``time``, ``monotonic``
            Seconds of the two clocks, at the end of the look.
        ``statistics``
            What `zmq.statistics` returns there. Entries of ``blocked`` have two keys more: ``greenlet``, who it is that
            blocks the thread, if a greenlet, or None; and ``stack``, as below.
        ``hubs``
            A dict for each hub and event loop in which something waited for 0MQ:

            ``thread``, ``thread_name``
                Its thread.
            ``framework``
                ``"gevent"``, ``"eventlet"``, ``"asyncio"``, or the module of another one.
            ``runs``
                False for an event loop that was stopped.
            ``answers``
                Whether it answered within a quarter of a second; None where it was not asked.
            ``seconds``
                How long it took to answer, or for how long it has not.
            ``keeper``
                Where it does not answer: the greenlet or task that keeps it, or None where that can't be told.
            ``stack``, ``begun``
                Where that one is, and was begun, the innermost call first: dicts of ``function``, ``file``, ``line``
                and ``source``.

    Raises
    ------
    NoAnswer
        Nobody answers there; the text says what may be the reason, and what to do.

    Examples
    --------
    >>> zmq.inspect.ask("/run/shop/orders.4711")["statistics"]["missed"]
    0
    """
    with Inspection(where, timeout) as inspection:
        return inspection.ask(want)
