"""`Device`, `ThreadDevice` and `ProcessDevice`: a device that makes its own sockets and runs in the background.

Lives here: how the sockets are asked for, made and given up, and how a device is launched. What must not: how messages
move (`zmq.core.device`).
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from errno import EADDRINUSE
from functools import partial
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from multiprocessing.reduction import ForkingPickler
from pickle import PicklingError
from typing import Any, ClassVar

from zmq.core.constants import DeviceType, Errno, PollEvent, SocketType
from zmq.core.context import Context
from zmq.core.device import relay
from zmq.core.error import ContextTerminated, ZMQBindError, ZMQError
from zmq.core.native_threads import NativeThread
from zmq.core.poll import Poller, zmq_poll
from zmq.core.socket import Socket
from zmq.core.waiting.pipes import close_fd

#: How many ports are tried before `bind_*_to_random_port` gives up.
RESERVATIONS = 100
#: For how many seconds a device tries to bind to a port that it reserved itself; libzmq lets go of it a moment later.
PATIENCE = 2.0


class BlockingPoller(Poller):
    """Blocks its thread, also where the program is monkeypatched."""

    _get_hub = None


@dataclass
class End:
    """What one socket of a device shall be."""

    socket_type: int
    options: list[tuple[int, Any]] = field(default_factory=list)
    binds: list[str] = field(default_factory=list)
    connects: list[str] = field(default_factory=list)
    reserved: list[str] = field(default_factory=list)

    def set_options(self, socket: Socket[Any]) -> None:
        for option, value in self.options:
            socket.setsockopt(option, value)

    def bind(self, socket: Socket[Any], poller_class: type[Poller]) -> None:
        for address in self.binds:
            self.bind_to(socket, address, poller_class)

    def bind_to(self, socket: Socket[Any], address: str, poller_class: type[Poller]) -> None:
        end = time.monotonic() + PATIENCE
        while True:
            try:
                socket.bind(address)
                return
            except ZMQError as error:
                if error.errno != EADDRINUSE or address not in self.reserved or time.monotonic() > end:
                    raise
            zmq_poll([], 1, poller_class=poller_class)

    def connect(self, socket: Socket[Any]) -> None:
        for address in self.connects:
            socket.connect(address)

    def reserve(self, address: str, others: set[str], *args: Any, **kwargs: Any) -> int:
        """Find a free port that no other end has, and bind to it later; return it."""
        with Context() as context, context.socket(SocketType.REQ) as socket:
            for _ in range(RESERVATIONS):
                port: int = socket.bind_to_random_port(address, *args, **kwargs)
                found = f"{address}:{port}"
                socket.unbind(socket.last_endpoint)
                if found not in others:
                    break
            else:
                raise ZMQBindError(EADDRINUSE, f"Could not reserve a random port at {address}")
        self.binds.append(found)
        self.reserved.append(found)
        return port


class Device:
    """A device with sockets of its own, in the foreground: `start` returns when it ends.

    Sockets are not thread-safe. So a device is told what sockets to make, and makes them where it runs.

    Parameters
    ----------
    device_type : int
        A `zmq.DeviceType`: QUEUE, FORWARDER or STREAMER. It says what the device is for; all three work the same way.
    in_type, out_type : int
        A `zmq.SocketType` each. With -1 for `out_type` there is one socket, for both.

    Attributes
    ----------
    context_factory : callable
        Returns the context to make the sockets in; that of the whole program, `Context.instance`. With
        ``device.context_factory = zmq.Context`` a device gets one of its own, which it terminates in the end: it is
        done when all has been sent, or LINGER is over.
    daemon : bool
        Whether the program may end while the device runs.
    done : bool
        Whether it has ended.

    Raises
    ------
    ValueError
        A type is missing.

    Examples
    --------
    >>> device = ThreadDevice(zmq.QUEUE, zmq.ROUTER, zmq.DEALER)
    >>> device.bind_in("tcp://127.0.0.1:5559")
    >>> device.bind_out("tcp://127.0.0.1:5560")
    >>> device.start()
    """

    context_factory: Callable[[], Context[Any]] = Context.instance
    #: What waits for the background part: in a thread, or in a hub.
    _poller_class: ClassVar[type[Poller]] = Poller
    #: The process that started it.
    _starter = 0
    #: Whether messages are moved in the thread that runs the device, which does nothing else, also where it has a hub.
    _blocks: ClassVar[bool] = False

    def __init__(
        self,
        device_type: int = DeviceType.QUEUE,
        in_type: int | None = None,
        out_type: int | None = None,
    ) -> None:
        if in_type is None or out_type is None:
            raise ValueError(f"a device needs two types of sockets; got in_type={in_type!r}, out_type={out_type!r}")
        self.device_type = device_type
        self.in_type = in_type
        self.out_type = out_type
        self.daemon = True
        self.done = False
        self._ends = {"in": End(in_type), "out": End(out_type)}
        self._context: Context[Any] | None = None
        self._sockets: list[Socket[Any]] = []
        self._started = False
        self._stopping = False

    # The ends.

    def bind_in(self, addr: str) -> None:
        """Have the in socket bind to an address.

        Parameters
        ----------
        addr : str
        """
        self._ends["in"].binds.append(addr)

    def bind_out(self, addr: str) -> None:
        """Have the out socket bind to an address; see `bind_in`."""
        self._ends["out"].binds.append(addr)

    def connect_in(self, addr: str) -> None:
        """Have the in socket connect to an address.

        Parameters
        ----------
        addr : str
        """
        self._ends["in"].connects.append(addr)

    def connect_out(self, addr: str) -> None:
        """Have the out socket connect to an address; see `connect_in`."""
        self._ends["out"].connects.append(addr)

    def setsockopt_in(self, opt: int, value: Any) -> None:
        """Set an option of the in socket, before it binds or connects.

        Parameters
        ----------
        opt : int
            A `zmq.SocketOption`.
        value : int or bytes
        """
        self._ends["in"].options.append((opt, value))

    def setsockopt_out(self, opt: int, value: Any) -> None:
        """Set an option of the out socket; see `setsockopt_in`."""
        self._ends["out"].options.append((opt, value))

    def bind_in_to_random_port(self, addr: str, *args: Any, **kwargs: Any) -> int:
        """Have the in socket bind to a free port.

        Parameters
        ----------
        addr : str
            Without the port, such as ``"tcp://127.0.0.1"``.
        *args, **kwargs
            As in `Socket.bind_to_random_port`.

        Returns
        -------
        int
            The port. It is free now; another program may take it before the device starts.

        Raises
        ------
        ZMQBindError
            None was found.
        """
        return self._reserve("in", addr, *args, **kwargs)

    def bind_out_to_random_port(self, addr: str, *args: Any, **kwargs: Any) -> int:
        """Have the out socket bind to a free port; see `bind_in_to_random_port`."""
        return self._reserve("out", addr, *args, **kwargs)

    def _reserve(self, name: str, addr: str, *args: Any, **kwargs: Any) -> int:
        others = {address for end in self._ends.values() for address in end.reserved}
        return self._ends[name].reserve(addr, others, *args, **kwargs)

    def _setup_sockets(self) -> tuple[Socket[Any], ...]:
        """Make the sockets, in the order of the ends; two of these may have the same one."""
        self._context = context = self.context_factory()
        ends = list(self._ends.values())
        sockets: list[Socket[Any]] = []
        try:
            for name, end in self._ends.items():
                shared = name == "out" and end.socket_type < 0
                sockets.append(sockets[0] if shared else context.socket(end.socket_type))
            for end, socket in zip(ends, sockets, strict=True):
                end.set_options(socket)
            for end, socket in zip(ends, sockets, strict=True):
                end.bind(socket, BlockingPoller if self._blocks else self._poller_class)
            for end, socket in zip(ends, sockets, strict=True):
                end.connect(socket)
        except BaseException:
            for socket in sockets:
                socket.close(linger=0)
            raise
        self._sockets = sockets
        self._report("ready")
        if self._stopping:
            self.stop()
        return tuple(sockets)

    # Running.

    def _relay(self, *sockets: Socket[Any]) -> None:
        relay(*sockets, block=self._blocks)

    def run_device(self) -> None:
        """Make the sockets and move messages between them; what `run` runs, for subclasses to replace."""
        DeviceType(self.device_type)
        sockets = self._setup_sockets()
        try:
            self._relay(*sockets)
        finally:
            for socket in sockets:
                socket.close()

    def run(self) -> None:
        """Run the device here and now, until its context is terminated or it is stopped.

        Raises
        ------
        ValueError, ZMQError
            The sockets can't be made, or messages can't be moved any more.
        """
        terminated = False
        try:
            self.run_device()
        except ContextTerminated:
            # Somebody else is at it, and waits for the sockets that were closed just now.
            terminated = True
        except ZMQError as error:
            # Or somebody destroys the context, which closes the sockets first.
            if not self._stopping and error.errno != Errno.ENOTSOCK:
                raise
        finally:
            try:
                if not terminated:
                    self._end_context()
            finally:
                self.done = True

    def _end_context(self) -> None:
        """Terminate the context, if the device had it made for itself: what its sockets still hold goes out first."""
        context = self._context
        if context is not None and isinstance(self.context_factory, type):
            if self._blocks:
                # No hub is made for that in a thread of its own; and in a process the inherited one would run, with
                # copies of all greenlets of the starter.
                context._get_hub = None  # type: ignore[misc]
            context.term()

    def start(self) -> None:
        """Start the device. In the background ones this returns when its sockets are made.

        Should a time-out interrupt that, they are made all the same, and to start the device again is to wait again.

        Raises
        ------
        ValueError, ZMQError
            They can't be made: an address is taken or wrong, an option or a type.
        """
        self.run()

    def stop(self) -> None:
        """End the device and close its sockets; in any thread."""
        self._stopping = True
        for socket in self._sockets:
            socket.close()

    def join(self, timeout: float | None = None) -> None:
        """Wait until the device has ended.

        Parameters
        ----------
        timeout : float, optional
            Seconds; None to wait for ever.

        Raises
        ------
        ValueError, ZMQError
            What ended it, if that was an error.
        """
        end = None if timeout is None else time.monotonic() + timeout
        while not self.done and (end is None or time.monotonic() < end):
            zmq_poll([], 1, poller_class=self._poller_class)

    def _report(self, event: str) -> None:
        """Tell the starter how things stand."""

    def _says_when_ready(self) -> bool:
        """Tell whether `_setup_sockets` will be called: subclasses may run something else."""
        return all(getattr(type(self), name).__module__.startswith("zmq.") for name in ("run", "run_device"))

    def _wait(self, fd: int, timeout: float | None = None) -> bool:
        """Wait until a descriptor is readable or `timeout` seconds are over; tell whether it is."""
        milliseconds = None if timeout is None else 1000 * max(0, timeout)
        return bool(zmq_poll([(fd, PollEvent.POLLIN)], milliseconds, poller_class=self._poller_class))


def launched(device: BackgroundDevice | ProcessDevice, target: Callable[[], None]) -> Any:
    """Start what the class of a device says, to call a function."""
    if device._launch_class is None:
        raise NotImplementedError(f"{type(device).__name__} has no _launch_class")
    launcher = device._launch_class(target=target)
    launcher.daemon = device.daemon
    launcher.name = type(device).__name__
    launcher.start()
    return launcher


def tell(fd: int) -> None:
    """Make a pipe readable, unless it is -1; to close it is not enough while the child of a fork has it too."""
    if fd >= 0:
        os.write(fd, b"x")
        close_fd(fd)


class BackgroundDevice(Device):
    """A `Device` that runs beside its caller, in the same process: what threads and greenlets have in common."""

    #: What is written to when the sockets are made, and when the device has ended; -1 once that was done.
    _ready = _over = -1
    #: What becomes readable then.
    _made = _ended = -1
    _error: BaseException | None = None

    #: Makes what runs the device in the background: something like a thread, with ``_launch_class(target=function)``.
    _launch_class: ClassVar[Callable[..., Any] | None] = None

    def _launch(self, target: Callable[[], None]) -> Any:
        """Have a function called in the background; return what runs it."""
        return launched(self, target)

    def __del__(self, close: Callable[[int], None] = close_fd) -> None:
        # At the end of the interpreter `os` may be gone.
        for fd in (self._made, self._ended):
            if fd >= 0:
                close(fd)

    def start(self) -> None:
        if self._started:
            raise RuntimeError("a device is started once")
        if self._ended < 0:
            self._starter = os.getpid()
            self._made, self._ready = os.pipe()
            self._ended, self._over = os.pipe()
            try:
                self.launcher = self._launch(self._run_in_background)
            except BaseException:
                self._started = True
                self._end()
                raise
        if self._says_when_ready():
            self._wait(self._made)
            self._started = True
            if self.done and self._error is not None:
                raise self._error
        self._started = True

    def _run_in_background(self) -> None:
        try:
            self.run()
        except Exception as error:
            self._error = error
            if self._ready < 0 or not self._says_when_ready():
                # Who started the device does not look any more. Who joins it will, if anybody ever does.
                threading.excepthook(threading.ExceptHookArgs((type(error), error, error.__traceback__, None)))
        finally:
            self._end()

    def _end(self, *_: object) -> None:
        """Tell everybody that the device has ended; once more does nothing."""
        self.done = True
        self._report("done")
        over, self._over = self._over, -1
        self._tell(over)

    def _report(self, event: str) -> None:
        ready, self._ready = self._ready, -1
        self._tell(ready)

    def _tell(self, fd: int) -> None:
        # The child of a fork has the same pipes, and a device that ends there is a copy.
        if os.getpid() == self._starter:
            tell(fd)

    def join(self, timeout: float | None = None) -> None:
        if self._ended < 0:
            raise RuntimeError("cannot join a device that was not started")
        if self._wait(self._ended, timeout) and isinstance(self.launcher, NativeThread):
            # It has nothing left to do but to end.
            self.launcher.join(poller_class=self._poller_class)
        if self.done and self._error is not None:
            raise self._error


class ThreadDevice(BackgroundDevice):
    """A `Device` that runs in a native thread, whatever is monkeypatched.

    Attributes
    ----------
    launcher : NativeThread
        The thread, once it was started.
    """

    launcher: NativeThread | None = None
    _launch_class: ClassVar[Callable[..., Any] | None] = NativeThread

    @property
    def _blocks(self) -> bool:  # type: ignore[override]
        # A thread of another kind may be a greenlet.
        return self._launch_class is NativeThread


def start_method(launch_class: Callable[..., Any] | None) -> str:
    """Return how a class of processes is started, as `multiprocessing` calls it."""
    return getattr(launch_class, "_start_method", None) or multiprocessing.get_start_method()


@contextmanager
def held_back(launch_class: Callable[..., Any] | None) -> Iterator[None]:
    """Have a process that is forked get no SIGTERM before it has said what that does there (`obey`).

    No other process: one that is forked later, by a server that is started now, would never get any.
    """
    forks = False
    if isinstance(launch_class, type) and issubclass(launch_class, BaseProcess):
        forks = start_method(launch_class) == "fork"
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM] if forks else [])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def obey() -> None:
    """Have SIGTERM end this process, whatever it did where it was started."""
    # Only the main thread of a process may say so; a launch class of somebody's own may have another one call this.
    with suppress(ValueError):
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        # What signals write there wakes the starter, who then takes them for its own.
        signal.set_wakeup_fd(-1)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])


class ProcessDevice(Device):
    """A `Device` that runs in a process of its own, with a context of its own.

    Attributes
    ----------
    launcher : multiprocessing.Process
        The process, once it was started.

    Raises
    ------
    pickle.PicklingError
        By `start`: it can't be pickled, see below.
    RuntimeError
        By `start` and `join`: a signal, or a status that is not 0, ended the process.

    Notes
    -----
    How it is started `multiprocessing` says, or the program, by `multiprocessing.set_start_method`. Where the process
    is not forked, as on Linux from Python 3.14 on, the device is pickled: its class has to be at the top of a module
    that the process can import, and so has whatever it calls, such as its `context_factory`. A program that starts
    one has to do so below ``if __name__ == "__main__":``. Where that can't be, have it forked:

    >>> class Mine(ProcessDevice):
    ...     _launch_class = multiprocessing.get_context("fork").Process

    `stop` sends SIGTERM, which ends the process, whether the program that forked it has a handler for it, ignores it or
    blocks it. Signals there write to no descriptor either, such as that of the program's asyncio loop. A subclass
    that has something to do in the end installs a handler of its own in `run` or `run_device`, which has to end the
    process: by SystemExit, say.
    """

    context_factory: Callable[[], Context[Any]] = Context
    launcher: multiprocessing.Process | None = None
    _launch_class: ClassVar[Callable[..., Any] | None] = multiprocessing.Process
    _connection: Connection | None = None
    _error: BaseException | None = None
    _ready = False
    _heard_ready = False
    _blocks: ClassVar[bool] = True

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name not in ("launcher", "_connection")}

    def start(self) -> None:
        if self._started:
            raise RuntimeError("a device is started once")
        if self.launcher is None:
            self._starter = os.getpid()
            with held_back(self._launch_class):
                ours, theirs = multiprocessing.Pipe(duplex=False)
                try:
                    self.launcher = launched(self, partial(self._run_in_process, theirs))
                except BaseException as error:
                    ours.close()
                    if isinstance(error, (AttributeError, PicklingError, TypeError)):
                        self._explain(error)
                    raise
                finally:
                    theirs.close()
                self._connection = ours
        if self._says_when_ready() and self._connection is not None:
            self._wait(self._connection.fileno())
            self._started = True
            self._listen()
            if not self._heard_ready:
                # It ends, or has ended.
                self.join()
        self._started = True

    def _explain(self, error: Exception) -> None:
        """Raise what says how to go on, if the device can't be pickled."""
        try:
            ForkingPickler.dumps(self)
        except Exception as reason:
            method = start_method(self._launch_class)
            raise PicklingError(
                f"{type(self).__qualname__} can't be sent to a process of its own: {reason}. It is started by "
                f"{method!r}, which pickles it: have its class, and the functions that it is given, at the top of a "
                "module; or have it forked, with _launch_class = multiprocessing.get_context('fork').Process in its "
                "class, or multiprocessing.set_start_method('fork') in the program"
            ) from error

    def _run_in_process(self, connection: Connection) -> None:
        if os.getpid() != self._starter:
            obey()
        self._connection = connection
        try:
            self.run()
        except Exception as error:
            try:
                connection.send(error)
            except Exception:
                connection.send(RuntimeError(f"{type(error).__name__}: {error}"))
            if not self._ready and self._says_when_ready():
                # Who starts the device raises it.
                raise SystemExit(1) from None
            raise
        finally:
            connection.close()

    def _report(self, event: str) -> None:
        self._ready = True
        if self._connection is not None:
            self._connection.send(event)

    def _listen(self) -> None:
        """Raise what the process said, if it has failed."""
        connection = self._connection
        try:
            while connection is not None and connection.poll():
                said = connection.recv()
                if isinstance(said, BaseException):
                    self._error = said
                else:
                    self._heard_ready = True
        except EOFError:
            pass
        if self._error is not None:
            raise self._error

    def stop(self) -> None:
        if self.launcher is None:
            # Not started yet, or this is the process.
            super().stop()
        else:
            self._stopping = True
            self.launcher.terminate()

    def join(self, timeout: float | None = None) -> None:
        if self.launcher is None:
            raise RuntimeError("cannot join a device that was not started")
        if not self._wait(self.launcher.sentinel, timeout):
            return
        # It ends now, if it has not yet.
        self.launcher.join()
        self.done = True
        self._listen()
        code = self.launcher.exitcode or 0
        if code < 0 and code != -signal.SIGTERM:
            raise RuntimeError(f"the process of the device was ended by signal {-code}")
        if code > 0 and not self._stopping:
            raise RuntimeError(f"the process of the device ended with status {code}; what it printed says why")
