"""What shows this process to others: a native thread that answers at a socket file, whatever the other threads do.

Lives here: the thread, its file, and who asks there. What must not: what is looked at (`zmq.core.statistics`,
`zmq.core.inspection.dump`), and how it is shown (`zmq.top`). Called by `zmq.inspect`, and by the
package as it is imported where the environment says so.

It waits for nothing that a program may have: the sockets are those of the operating system and none of libzmq's, and no
lock of `threading` or `logging` is taken, which may be green ones. Who asks can't hold it up: there are few at a time,
each has one question at a time, which is short, and an answer that nobody takes is dropped. It reads only.

A line of JSON each way. The first comes from here: who this is. Then, for each line that asks, an answer; what is asked
before that is dropped::

    {"zmq.inspect": 1, "pid": 4711}
    {"want": "state"}
    {"pid": 4711, "hubs": [...], "statistics": {...}, ...}

Once the file can be connected to, what is missing is an answer: that is how a process shows that native code holds the
GIL.
"""

from __future__ import annotations

import _socket
import atexit
import errno
import fcntl
import json
import linecache
import os
import stat
import sys
import time
import warnings
from contextlib import suppress
from functools import partial

from zmq.core import statistics as _statistics
from zmq.core.constants import PollEvent
from zmq.core.inspection import dump, keepers, who
from zmq.core.native_threads import NativeLock, NativeSignal, NativeThread, poll_natively
from zmq.core.version import greenzmq_version, zmq_version
from zmq.core.waiting.hub import Hub, living_hubs
from zmq.core.waiting.pipes import close_fd

TYPE_CHECKING = False  # `typing` takes longer to import than all the rest

if TYPE_CHECKING:
    from typing import Any

#: Of the protocol.
VERSION = 1
#: The environment variable.
VARIABLE = "ZMQ_INSPECT"
#: Who may ask at the same time. Whoever comes then takes the place of who has been quiet for longest.
CLIENTS = 8
#: Whoever goes away must not end the process by SIGPIPE, which programs may have given its default action back.
NO_SIGNAL = getattr(_socket, "MSG_NOSIGNAL", 0)
#: Bytes of a question, at most.
QUESTION = 4096
#: Seconds: for a hub to answer; for an answer to be taken; for somebody to ask again.
HUB_SECONDS, TAKE_SECONDS, IDLE_SECONDS = 0.25, 5.0, 60.0
#: Bytes that the path of a socket may have.
LONGEST_PATH = 107
#: Lines of a stack that are shown.
DEPTH = 50
#: How people call the hubs of a module.
FRAMEWORKS = {
    "zmq.core.futures.loop_hub": "asyncio",
    "zmq.eventlet.hub": "eventlet",
    "zmq.green.hub": "gevent",
}


def path_of(where: str | bytes | os.PathLike[Any]) -> str:
    """Return where the file is to be: a whole path, with ``%p`` replaced.

    Raises
    ------
    ValueError
        It is no path of a file, or too long.
    """
    given = os.fsdecode(where)
    path = given.removeprefix("ipc://").replace("%p", str(os.getpid()))
    if "://" in path:
        raise ValueError(f"{given!r}: only a file of this machine, never the network")
    if not path or "\0" in path or path.startswith("@"):
        raise ValueError(f"{given!r}: it must be the path of a file, whose mode keeps others out")
    path = os.path.abspath(path)
    if len(os.fsencode(path)) > LONGEST_PATH:
        raise ValueError(f"{path!r}: longer than the {LONGEST_PATH} bytes that a socket's path may have")
    return path


# The socket file.


class Folder:
    """``with`` it nobody else who does the same makes or replaces a socket file in a folder.

    Not for long: where somebody has it for a second it is done without.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.fd = -1

    def __enter__(self) -> None:
        self.fd = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        for _ in range(50):
            try:
                fcntl.flock(self.fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except BlockingIOError:
                poll_natively([], 0.02)
            except OSError:  # not on every file system
                return

    def __exit__(self, *error: object) -> None:
        close_fd(self.fd)


def is_served(path: str) -> bool:
    """Tell whether somebody listens at a socket file; raises OSError where that can't be told."""
    probe = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
    try:
        probe.setblocking(False)
        probe.connect(path)
    except BlockingIOError:
        return True
    except (ConnectionRefusedError, FileNotFoundError):
        return False
    finally:
        probe.close()
    return True


def listen(path: str) -> _socket.socket:
    """Make the socket file and listen there; one that is left of a process that has ended is replaced.

    Raises
    ------
    OSError
        It can't be made, somebody listens there, or the file is no socket.
    """
    with Folder(os.path.dirname(path)):
        with suppress(FileNotFoundError):
            if not stat.S_ISSOCK(os.lstat(path).st_mode):
                raise FileExistsError(errno.EEXIST, "there is a file that is no socket", path)
            if is_served(path):
                raise OSError(
                    errno.EADDRINUSE, "a living process listens there; %p in a path is the process's number", path
                )
            os.unlink(path)
        listener = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
        try:
            with suppress(OSError):
                # Where the system heeds it the file is made with this mode; and nobody can connect before `listen`.
                os.fchmod(listener.fileno(), 0o600)
            listener.bind(path)
            os.chmod(path, 0o600)
            listener.setblocking(False)
            listener.listen(CLIENTS)
        except BaseException:
            listener.close()
            raise
    return listener


def file_of(path: str) -> tuple[int, int] | None:
    """Return what tells a file from another one of the same name; None where there is none."""
    try:
        found = os.lstat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino


# What is told.


def hello() -> dict[str, Any]:
    return {"zmq.inspect": VERSION, "pid": os.getpid()}


def plain_stack(stack: list[who.Place]) -> list[dict[str, Any]]:
    return [{**place.plain(), "source": linecache.getline(place.file, place.line).strip()} for place in stack[:DEPTH]]


class Asked:
    """A hub that was asked to answer, by another thread."""

    def __init__(self, hub: Hub, signal: NativeSignal) -> None:
        self.hub = hub
        self.signal = signal
        self.since = time.monotonic()
        self.answered: float | None = None

    def answer(self) -> None:
        self.answered = time.monotonic()
        self.signal.wake()

    def seconds(self) -> float:
        """Return how long it took, or takes so far."""
        return (time.monotonic() if self.answered is None else self.answered) - self.since


class Looks:
    """What is looked at, over and over."""

    def __init__(self, signal: NativeSignal) -> None:
        self.signal = signal
        self.asked: dict[Hub, Asked] = {}
        #: The greenlets that block threads, by their thread, since when, and their titles.
        self.blockers: dict[int, tuple[float, str | None]] = {}

    def ask(self) -> None:
        """Ask the hubs whether they run; those that were asked and did not answer are not asked again."""
        hubs = living_hubs()
        for hub in [hub for hub in self.asked if hub not in hubs]:
            del self.asked[hub]
        for hub in hubs:
            asked = self.asked.get(hub)
            if asked is not None and asked.answered is None and hub.is_running():
                continue
            self.asked.pop(hub, None)
            if hub.is_running():
                asked = Asked(hub, self.signal)
                with suppress(Exception):  # it was closed just now
                    hub.call_soon_threadsafe(asked.answer)
                    self.asked[hub] = asked

    def are_answered(self) -> bool:
        """Tell whether there is no hub that may answer yet."""
        return all(asked.answered is not None or asked.seconds() >= HUB_SECONDS for asked in tuple(self.asked.values()))

    def state(self) -> dict[str, Any]:
        found = _statistics.statistics()
        self.name_blockers(found["blocked"])
        return {
            **hello(),
            "time": time.time(),
            "monotonic": time.monotonic(),
            "command": sys.orig_argv,
            "python": ".".join(map(str, sys.version_info[:3])),
            "greenzmq": greenzmq_version(),
            "libzmq": zmq_version(),
            "hubs": [self.hub(hub) for hub in living_hubs()],
            "statistics": found,
        }

    def hub(self, hub: Hub) -> dict[str, Any]:
        asked = self.asked.get(hub)
        late = asked is not None and asked.answered is None and asked.seconds() >= HUB_SECONDS
        found: dict[str, Any] = {
            "thread": hub.thread,
            "thread_name": who.thread_name(hub.thread),
            "framework": _framework(hub),
            "runs": hub.is_running(),
            "answers": None if asked is None else not late,
            "seconds": 0.0 if asked is None else asked.seconds(),
            "keeper": None,
            "stack": [],
            "begun": [],
        }
        if late:
            # The stack first: that is what may change meanwhile.
            found["stack"] = plain_stack(who.thread(hub.thread).stack)
            keeper = keepers.keeper(hub, living_hubs())
            if keeper is not None:
                found["keeper"] = dump.title(keeper)
                found["begun"] = plain_stack(keeper.begun)
        return found

    def name_blockers(self, blocked: list[dict[str, Any]]) -> None:
        """Add which greenlet each call belongs to that blocks a thread, if any; each is looked for once."""
        now = time.monotonic()
        before, self.blockers = self.blockers, {}
        running = None
        for entry in blocked:
            since, thread = now - entry["seconds"], entry["thread"]
            known = before.get(thread)
            if known is None or abs(known[0] - since) > 0.01:
                title = None
                if "greenlet" in sys.modules:
                    running = who.everybody().running if running is None else running
                    greenlet = keepers.greenlet_of(thread, living_hubs(), running)
                    title = None if greenlet is None else dump.title(greenlet)
                known = since, title
            self.blockers[thread] = known
            entry["greenlet"] = known[1]
            entry["stack"] = plain_stack(who.thread(thread).stack)


def _framework(hub: Hub) -> str:
    module = type(hub).__module__
    return FRAMEWORKS.get(module, module)


# Who asks.


class Client:
    """One who asks."""

    def __init__(self, socket: _socket.socket) -> None:
        self.socket = socket
        self.fd = socket.fileno()
        self.got = b""
        self.out = memoryview(b"")
        #: Closed as soon as what was to be sent is out.
        self.is_last = False
        #: Until when hubs may answer the question; None while there is none.
        self.patience: float | None = None
        self.deadline = 0.0
        self.send(hello())

    def send(self, answer: dict[str, Any], last: bool = False) -> None:
        self.out = memoryview(json.dumps(answer, default=str).encode() + b"\n")
        self.is_last = last
        self.deadline = time.monotonic() + TAKE_SECONDS

    def events(self) -> int:
        if self.out:
            return int(PollEvent.POLLOUT)
        # Whoever asks again before the answer waits; an end is seen all the same, as an error.
        return int(PollEvent.POLLIN) if self.patience is None else 0

    def flush(self) -> bool:
        """Send what goes out; return whether the client stays."""
        while self.out:
            try:
                self.out = self.out[self.socket.send(self.out, NO_SIGNAL) :]
            except BlockingIOError:
                return True
        self.deadline = time.monotonic() + IDLE_SECONDS
        return not self.is_last

    def read(self) -> tuple[bool, str | None]:
        """Read what came; return whether the client stays, and what it wants, if a question is whole."""
        # More than a question may have: what is not read has the error lost that follows.
        data = self.socket.recv(16 * QUESTION)
        if not data:
            return False, None
        self.got += data
        line, end, _ = self.got.partition(b"\n")
        if not end:
            if len(self.got) >= QUESTION:
                self.refuse("the question is too long")
            return True, None
        self.got = b""
        try:
            return True, str(json.loads(line)["want"])
        except (ValueError, TypeError, LookupError, RecursionError):
            self.refuse('a line of JSON was expected, such as {"want": "state"}')
            return True, None

    def refuse(self, why: str) -> None:
        self.got = b""
        self.send({"error": why}, last=True)


class Service:
    """The thread, and where it answers."""

    def __init__(self) -> None:
        self.lock = NativeLock()
        #: What it was asked for, to do the same in the child of a fork.
        self.asked: str | None = None
        self.path: str | None = None
        self.file: tuple[int, int] | None = None
        self.listener: _socket.socket | None = None
        self.signal: NativeSignal | None = None
        self.thread: NativeThread | None = None
        self.clients: list[Client] = []
        #: What ends it with a worker of `multiprocessing`, and whether that calls `begin_worker` there.
        self.ending: Any = None
        self.is_known_to_workers = False

    def start(self, where: str | bytes | os.PathLike[Any]) -> str:
        with self.lock:
            path = path_of(where)
            if path == self.path and file_of(path) == self.file:
                return path
            listener = listen(path)
            self.stop()
            try:
                signal = NativeSignal()
                thread = NativeThread(partial(self.run, listener, signal), name="zmq.inspect")
                self.asked, self.path, self.file = os.fsdecode(where), path, file_of(path)
                self.listener, self.signal, self.thread = listener, signal, thread
                thread.start()
            except BaseException:
                os.unlink(path)
                listener.close()
                self.thread = None
                self.forget()
                raise
            self.end_with_worker()
            return path

    def end_with_worker(self) -> None:
        """Have `multiprocessing` stop it as well: its workers that are forked end without what `atexit` calls."""
        util = sys.modules.get("multiprocessing.util")
        with suppress(Exception):  # it is imported just now, or is somebody else's
            if self.ending is not None:
                self.ending.cancel()
            if util is not None:
                # Last of all, after other processes were waited for.
                self.ending = util.Finalize(None, self.stop, exitpriority=-1000)
                if not self.is_known_to_workers:
                    util.register_after_fork(self, Service.begin_worker)
                    self.is_known_to_workers = True

    def begin_worker(self) -> None:
        """In a worker of `multiprocessing`, which has forgotten what was to be called at its end."""
        if self.path is not None:
            self.end_with_worker()

    def stop(self) -> bool:
        """End it; return whether it ran."""
        with self.lock:
            signal, thread, path, file = self.signal, self.thread, self.path, self.file
            if signal is None or path is None:
                return False
            signal.set()
            if file is not None and file_of(path) == file:
                with suppress(OSError):
                    os.unlink(path)
            self.forget()
        if thread is not None and thread.is_alive():
            # Not for long: it may be writing a dump, and the interpreter ends all the same.
            poll_natively([(thread.done_fd, int(PollEvent.POLLIN))], 1)
        return True

    def forget(self) -> None:
        self.asked = self.path = self.file = self.listener = self.signal = self.thread = None
        self.clients = []

    def forked(self) -> None:
        """In the child of a fork: what the parent serves it does not, and what it serves itself has its own name."""
        asked, listener, signal, clients = self.asked, self.listener, self.signal, self.clients
        self.lock = NativeLock()
        self.forget()
        for client in clients:
            client.socket.close()
        if listener is not None:
            listener.close()
        if signal is not None:
            signal.close()
        if asked is not None and "%p" in asked:
            start_quietly(asked)

    # The thread.

    def run(self, listener: _socket.socket, signal: NativeSignal) -> None:
        clients: list[Client] = []
        self.clients = clients
        looks = Looks(signal)
        try:
            while not signal.is_set:
                self.turn(listener, signal, clients, looks)
        finally:
            for client in clients:
                client.socket.close()
            listener.close()
            # Hubs that did not answer may still have it.
            signal.close()

    def turn(self, listener: _socket.socket, signal: NativeSignal, clients: list[Client], looks: Looks) -> None:
        wanted = [(signal.fd, int(PollEvent.POLLIN)), (listener.fileno(), int(PollEvent.POLLIN))]
        wanted += [(client.fd, client.events()) for client in clients]
        until = [client.deadline if client.patience is None else client.patience for client in clients]
        pause = min(until) - time.monotonic() if until else 3600
        ready = poll_natively(wanted, pause)
        if signal.is_set:
            return
        if signal.fd in ready:
            signal.drain()
        for client in clients[:]:
            stays = True
            try:
                stays = self.serve(client, ready.get(client.fd, 0), looks)
            except OSError:
                stays = False
            if not stays:
                clients.remove(client)
                client.socket.close()
        if listener.fileno() in ready:
            self.accept(listener, clients)

    def accept(self, listener: _socket.socket, clients: list[Client]) -> None:
        try:
            fd, _ = listener._accept()  # type: ignore[attr-defined]  # what `socket` itself calls
        except BlockingIOError:
            return
        except OSError:
            # There are no descriptors left. The poll would return at once, over and over.
            poll_natively([], 0.1)
            return
        socket = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM, 0, fd)
        socket.setblocking(False)
        if len(clients) >= CLIENTS:
            quiet = min(clients, key=lambda client: client.deadline)
            clients.remove(quiet)
            quiet.socket.close()
        clients.append(Client(socket))

    def serve(self, client: Client, ready: int, looks: Looks) -> bool:
        """Go on with a client; return whether it stays."""
        now = time.monotonic()
        if client.patience is not None:
            if ready & PollEvent.POLLERR:
                return False
        elif now >= client.deadline:
            return False
        elif ready and not client.out:
            stays, want = client.read()
            if not stays:
                return False
            if want == "state":
                looks.ask()
                client.patience = now + HUB_SECONDS
            elif want == "dump":
                client.send(self.answer(lambda: {**hello(), "dump": dump.text("zmq.inspect")}))
            elif want is not None:
                client.refuse(f"there is no {want[:100]!r}: state, dump")
        if client.patience is not None and (looks.are_answered() or now >= client.patience):
            client.patience = None
            client.send(self.answer(looks.state))
        return client.flush() if client.out else True

    def answer(self, look: Any) -> dict[str, Any]:
        try:
            return dict(look())
        except Exception as error:
            return {"error": f"the look failed: {type(error).__name__}: {error}"}


_service = Service()
os.register_at_fork(after_in_child=_service.forked)
atexit.register(_service.stop)


def start_quietly(where: str) -> None:
    """Serve, where a program must not be disturbed if that can't be done: it is warned."""
    try:
        _service.start(where)
    except Exception as error:
        with suppress(Exception):
            # A warning may be an error.
            warnings.warn(f"{VARIABLE}={where}: {error}", RuntimeWarning, stacklevel=2)
