"""The door: the socket that libzmq asks about every connection, and what is answered where nobody decides.

Lives here: who holds that socket, and how a native thread waits for it. What must not: who is let in (`zmq.auth.base`).

Why the door stays
------------------
libzmq 4.3 looks for a socket bound to ``inproc://zeromq.zap.01`` when a peer shakes hands (session_base.cpp,
zap_connect). Where there is none, PLAIN refuses; but CURVE admits whoever knows the server's public key, and NULL
admits everybody, unless the server's socket has ZAP_ENFORCE_DOMAIN. A socket that is bound there and does not answer
refuses. So an authenticator that is stopped, or dies, must not close its socket: a guard answers "temporary error" to
every request until the context is terminated or another authenticator takes the door over, which is never shut
between the two.

The guard is a native thread, as nothing else runs whatever the program does; it waits in poll(2) for the socket's
descriptor, which is readable too when the context is being terminated. Nobody else can close the socket then: the
termination waits for it. A `ThreadAuthenticator` decides in that same thread; one in a greenlet or in an event loop
borrows the socket, which comes back whatever becomes of the authenticator.

What an exception in the midst leaves
-------------------------------------
The handler of a signal, Ctrl-C's by default, may raise before any instruction of Python that the main thread runs, and
between a lock that was taken and the block that gives it back. In a native thread of ours nothing is raised from
outside. So whatever changes hands at the door does so in one, under a lock: that the door is made, that a `Turn`
begins or ends, that the socket is lent. A program only waits until that is done. When the wait is interrupted the
change happens all the same, and who was interrupted has the turn ended: the door stays shut. It can't come before the
turn begins, which is over by then. The one exception is that two interrupt both the step and the ending of the turn;
then the turn is known to its authenticator, which ends it when it is started, stopped or dropped, and until then the
socket is there and asks nobody, which refuses as well.

Why GSSAPI is refused with a status that there is not
-----------------------------------------------------
Of a reply that says 300, 400 or 500 the GSSAPI server of libzmq 4.3.4 only tells the monitor, and then lets the client
in as if it said 200: it looks at whether there was a reply, not at the status (gssapi_server.cpp,
process_handshake_command and zap_msg_available; libzmq's issue 4912, which was fixed in 2026). What it does heed is a
reply that breaks RFC 27 (zap_client.cpp, receive_and_process_zap_reply): then it ends the connection. So a GSSAPI
request that is not answered with 200 is answered with a status that the RFC does not have: 401 where another mechanism
gets 400. That is refused whether libzmq is mended or not. Metadata that can't be parsed are refused too, but a libzmq
that is mended need not look at those of a refusal.
"""

from __future__ import annotations

import _thread
import atexit
import contextlib
import importlib.util
import os
import weakref
from collections.abc import Callable
from types import ModuleType
from typing import TYPE_CHECKING, Any

from zmq.core.constants import Errno, Flag, SocketOption, SocketType
from zmq.core.context import Context
from zmq.core.error import Again, ZMQError
from zmq.core.native_threads import NativeLock, NativeSignal, NativeThread
from zmq.core.socket import Socket

if TYPE_CHECKING:
    from zmq.auth.base import Authenticator

ENDPOINT = "inproc://zeromq.zap.01"
#: What a reply says: RFC 27 has a request id between the first two.
NOBODY_DECIDES = [b"300", b"nobody authenticates", b"", b""]
OK = b"200"
#: The request id of libzmq, for a request that was received and lost.
LOST = b"1"
#: Seconds for which the end of the interpreter waits for a thread that is busy with a request.
PATIENCE = 1.0


def unpatched(name: str) -> ModuleType:
    """Return a copy of a module of C that nobody has monkeypatched."""
    spec = importlib.util.find_spec(name)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


select = unpatched("select")


def wait_readable(fd: int, timeout: float | None = None) -> None:
    """Block this native thread until a descriptor is readable, or for some seconds."""
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    poll.poll(None if timeout is None else 1000 * timeout)


class NativeSocket(Socket[bytes]):
    """A socket that is used with NOBLOCK, in one thread after the other, whatever is monkeypatched.

    Who waits for it waits for its descriptor, and so can be sent home without a word to the socket.
    """

    _get_hub = None


class NativeContext(Context[NativeSocket]):
    _get_hub = None
    _instance = None
    _socket_class = NativeSocket


class Turn:
    """The time for which one authenticator decides at a door, from a start to its end.

    The door and whoever runs the authenticator know the turn, and the turn knows the authenticator weakly: one that was
    dropped ends.
    """

    #: Whether the guard's thread calls `answer`; otherwise the socket is lent.
    in_thread = False
    door: Door | None = None
    #: Whether it has ended, or is to end before it begins.
    over = False
    #: Whether the one that the socket is lent to is using it in this moment.
    using = False
    #: Whether the interpreter ends, where there may be nothing left to call; of all of them.
    is_last = False
    #: Whether the start that began it has come to its end.
    complete = False

    def __init__(self, authenticator: Authenticator) -> None:
        self.authenticator = weakref.ref(authenticator)

    @property
    def is_inherited(self) -> bool:
        """Whether this is the child of a fork, and the turn its parent's."""
        return self.door is not None and self.door.is_inherited

    @property
    def is_gone(self) -> bool:
        """Whether nobody decides any more, and nobody uses the socket."""
        return (self.over or self.authenticator() is None) and not self.using

    def enter(self) -> None:
        """Note the guard's thread; called there, perhaps often."""
        raise NotImplementedError

    def answer(self, message: list[bytes]) -> None:
        """Answer a request, in the guard's thread."""
        raise NotImplementedError

    def leave(self) -> None:
        """Note that the guard's thread will not call `answer` again; called there, perhaps twice."""
        raise NotImplementedError

    def receive(self) -> list[bytes] | None:
        """Return a request to the one that the socket is lent to, or None where there is none yet, or it is over."""
        try:
            # In this order: who ends the turn looks at it the other way round.
            self.using = True
            if self.over or self.door is None:
                return None
            if self.door.socket.closed:
                # The guard heard of the context's end before the socket was lent.
                self.over = True
                return None
            return self.door.receive()
        finally:
            self.using = False

    def finish(self, release: bool = False) -> None:
        """Have it over, as nobody else tells the guard: called by the one that the socket is lent to, when that ends.

        The one may have been killed by the program, also before it could begin.
        """
        if self.is_last:
            return
        try:
            self.using = False
            end(self, release)
        finally:
            authenticator = self.authenticator()
            if authenticator is not None:
                authenticator._forget(self)


class Door:
    """The socket that a context's ZAP requests come to. It is made in a native thread, like all that becomes of it.

    Parameters
    ----------
    context : Context

    Raises
    ------
    ZMQError
        EADDRINUSE: the context has a ZAP handler. EFAULT: it is terminated.
    """

    def __init__(self, context: Context[Any]) -> None:
        if not context.underlying:
            raise ZMQError(Errno.EFAULT, "the context is terminated")
        self.key = (os.getpid(), context.underlying)
        #: Whose turn it is.
        self.turn: Turn | None = None
        #: Those that are over, of which the guard's thread has not noticed that.
        self.leaving: list[Turn] = []
        #: Who keeps it; None while the socket is lent.
        self.guard: Guard | None = None
        #: Whether the guard shall close it.
        self.is_closing = False
        #: The request that is not answered yet.
        self.request_id: bytes | None = None
        #: Whether that is of GSSAPI, where libzmq does not heed a status.
        self.is_gssapi = False
        # A shadow, so that this is no socket of the context's that `destroy` closes while a thread uses it, nor one
        # that has the context's defaults; of the address, so that the context itself may be collected.
        self.socket = NativeContext.shadow(context.underlying).socket(SocketType.REP)
        try:
            self.socket.linger = 0
            self.socket.bind(ENDPOINT)
            self.fd = self.socket.fileno()
        except BaseException:
            self.socket.close()
            raise
        doors[self.key] = self

    @property
    def is_inherited(self) -> bool:
        """Whether this is the child of a fork."""
        return self.key[0] != os.getpid()

    def reply(self, status: bytes, *frames: bytes) -> None:
        """Answer the request that was received last; nothing where that was done."""
        request_id = self.request_id
        if request_id is None:
            return
        if self.is_gssapi and status != OK:
            status = status[:2] + b"1"
        try:
            self.socket.send_multipart([b"1.0", request_id, status, *frames], Flag.NOBLOCK)
        except ZMQError as error:
            # It was answered by one that was interrupted right afterwards.
            if error.errno != Errno.EFSM:
                raise
        self.request_id = None

    def receive(self) -> list[bytes] | None:
        """Return a request, or None where there is none yet: wait until `fd` is readable then.

        Where a receive finds nothing, the descriptor tells of everything that comes after.
        """
        try:
            message = self.socket.recv_multipart(Flag.NOBLOCK)
        except Again:
            return None
        except ZMQError as error:
            if error.errno != Errno.EFSM:
                raise
            # Somebody was interrupted right after he had received one.
            if self.request_id is None:
                self.request_id, self.is_gssapi = LOST, True
            self.reply(*NOBODY_DECIDES)
            return self.receive()
        self.note(message)
        return message

    def note(self, message: list[bytes]) -> None:
        """Note a request: it has to be answered before anything else can be received."""
        request_id = message[1] if len(message) > 1 else b""
        self.is_gssapi = message[5:6] == [b"GSSAPI"]
        # Nothing that libzmq or RFC 27 knows needs a longer one.
        self.request_id = request_id if len(request_id) <= 255 else b""

    def turn_here(self) -> Turn | None:
        """Have those left that are over; return the one that decides in the guard's thread, which calls this."""
        while self.leaving:
            self.leaving.pop().leave()
        turn = self.turn
        if turn is None or not turn.in_thread or turn.over:
            return None
        turn.enter()
        return turn

    @property
    def is_promised(self) -> bool:
        """Whether the socket is about to be lent: then nobody is refused in whose favour might be decided soon."""
        turn = self.turn
        return turn is not None and not turn.in_thread and not turn.over

    def finish(self) -> None:
        """Have it nobody's turn; called by what holds `lock`."""
        turn, self.turn = self.turn, None
        if turn is not None:
            turn.over = True
            if turn.in_thread:
                self.leaving.append(turn)

    def settle(self, guard: Guard, release: bool = False) -> Door | None:
        """Have it guarded, or closed, whoever had it before; called by what holds `lock`.

        Returns
        -------
        Door or None
            This one, where it is `guard` that has to keep it.
        """
        keeper = self.guard
        if self.is_closing:
            return None
        if release:
            self.is_closing = True
            if keeper is None:
                self.close()
            elif keeper.busy is None:
                keeper.stop()
            else:
                # When it has answered.
                keeper.signal.set()
            return None
        if keeper is not None and not keeper.signal.is_set and keeper.thread.is_alive():
            keeper.signal.wake()
            return None
        if keeper is not None:
            # Its end was interrupted.
            keeper.wait()
        if self.socket.closed:
            return None
        self.guard = guard
        return self

    def close(self) -> None:
        """Close it; called where nobody uses the socket."""
        # Before the socket is gone: another context may have the same address afterwards.
        if doors.get(self.key) is self:
            del doors[self.key]
        if not self.socket.closed:
            with contextlib.suppress(ZMQError):
                # At once; a socket that is closed is unbound by another thread, some time later.
                self.socket.unbind(ENDPOINT)
        self.socket.close(linger=0)


class Place:
    """Stands among the sockets of a context for an authenticator that has no thread of its own.

    `Context.destroy` closes what is there. Called in the thread in which the authenticator runs it would otherwise wait
    for a socket that nobody can close meanwhile. Where another thread calls it, the authenticator hears of the end.
    """

    #: Also of all of them, where the interpreter ends.
    over = False

    def __init__(self, context: Context[Any], stop: Callable[..., object]) -> None:
        self.stop = weakref.WeakMethod(stop)
        self.ident = _thread.get_ident()
        sockets = getattr(context, "_sockets", None)
        if sockets is not None:
            sockets.add(self)

    def __repr__(self) -> str:
        return "<the socket of an authenticator>"

    @property
    def closed(self) -> bool:
        return self.over or self.ident != _thread.get_ident() or self.stop() is None

    def close(self, linger: int | None = None) -> None:
        stop = self.stop()
        if stop is not None:
            stop(release=True)


class Guard:
    """A native thread that takes one step at a door, and then keeps it where nobody else does.

    Parameters
    ----------
    step : callable
        Called with the guard, in its thread and with `lock` held; returns the door that it has to keep, or None.
    """

    def __init__(self, step: Callable[[Guard], Door | None]) -> None:
        self.step = step
        self.error: BaseException | None = None
        #: Tells that the step is taken.
        self.taken = NativeSignal()
        #: Tells the thread that the door's turn has changed; when it is set, to end.
        self.signal = NativeSignal()
        #: Whom it asks in this moment.
        self.busy: Turn | None = None
        self.thread = NativeThread(self.run, name="zmq.auth guard")

    def start(self) -> None:
        self.thread.start()

    def stop(self) -> None:
        """Have it end, and wait for that; called by what holds `lock`."""
        self.signal.set()
        self.wait()

    def wait(self, timeout: float | None = None) -> None:
        """Wait until it has ended."""
        if self.thread.is_alive():
            wait_readable(self.thread.done_fd, timeout)

    def run(self) -> None:
        door = None
        try:
            with lock:
                door = self.step(self)
        except BaseException as error:
            self.error = error
        finally:
            del self.step
            self.taken.set()
        if door is not None:
            self.keep(door)

    def keep(self, door: Door) -> None:
        """Answer at a door until there is a signal or the context ends."""
        poll = select.poll()
        poll.register(door.fd, select.POLLIN)
        poll.register(self.signal.fd, select.POLLIN)
        while True:
            try:
                if self.signal.is_set:
                    break
                turn = door.turn_here()
                # One that was interrupted may have left a request.
                door.reply(*NOBODY_DECIDES)
                if door.is_promised:
                    # Requests wait. Who looks for them hears the end of the context.
                    door.socket.getsockopt(SocketOption.EVENTS)
                    message = None
                else:
                    message = door.receive()
                if message is None:
                    poll.poll()
                    self.signal.drain()
                else:
                    if turn is not None:
                        self.ask(turn, message)
                    door.reply(*NOBODY_DECIDES)
            except BaseException as error:
                if isinstance(error, ZMQError) and error.errno in (Errno.ETERM, Errno.ENOTSOCK):
                    # The context ends, which waits for this socket.
                    door.is_closing = True
                    break
                # Whatever it is: without the guard nobody would answer. It may be there for some time.
                wait_readable(self.signal.fd, 0.001)
        if door.is_closing:
            door.close()
        turn = door.turn_here()
        if turn is not None:
            turn.leave()

    def ask(self, turn: Turn, message: list[bytes]) -> None:
        self.busy = turn
        try:
            # In this order: who ends the turn looks at it the other way round.
            if not turn.over:
                turn.answer(message)
        finally:
            self.busy = None
            if turn.over:
                turn.leave()


#: What all steps at all doors hold. Nobody but native threads of ours may: they are not interrupted.
lock = NativeLock()
#: By process and context.
doors: dict[tuple[int, int], Door] = {}


def take(step: Callable[[Guard], Door | None]) -> None:
    """Have a native thread take a step at a door, and wait until it is taken.

    The step is taken also when the wait is interrupted.
    """
    guard = Guard(step)
    guard.start()
    wait_readable(guard.taken.fd)
    guard.taken.close()
    error, guard.error = guard.error, None
    if error is not None:
        try:
            raise error
        finally:
            # The error holds on to this frame.
            del error, guard


def find_door(context: Context[Any]) -> Door:
    door = doors.get((os.getpid(), context.underlying))
    return Door(context) if door is None or door.socket.closed else door


def shut(context: Context[Any]) -> None:
    """Have somebody at the door of a context, who refuses everybody until a turn begins.

    Raises
    ------
    ZMQError
        EADDRINUSE: the context has a ZAP handler. ETERM, EFAULT: it is terminated.
    """

    def step(guard: Guard) -> Door | None:
        door = find_door(context)
        return door.settle(guard) if door.turn is None and not door.is_closing else None

    door = doors.get((os.getpid(), context.underlying))
    if door is None or (door.turn is None and door.guard is None):
        take(step)


def release(context: Context[Any]) -> None:
    """Close the door of a context, where it is nobody's turn."""

    def step(guard: Guard) -> None:
        door = doors.get((os.getpid(), context.underlying))
        if door is not None and door.turn is None:
            door.settle(guard, release=True)

    if doors:
        take(step)


def begin(context: Context[Any], turn: Turn) -> None:
    """Begin a turn; nothing where it is over already. Who comes before the socket is borrowed waits.

    Raises
    ------
    ZMQError
        EADDRINUSE: it is somebody else's turn. ETERM, EFAULT: the context is terminated.
    """

    def step(guard: Guard) -> Door | None:
        if turn.over:
            return None
        door = find_door(context)
        busy = door.guard is not None and door.guard.busy is not None
        if (door.turn is not None and not door.turn.is_gone) or door.is_closing or (busy and not turn.in_thread):
            raise ZMQError(Errno.EADDRINUSE)
        door.finish()
        turn.door, door.turn = door, turn
        authenticator = turn.authenticator()
        if authenticator is not None:
            authenticator._door = door
        return door.settle(guard)

    take(step)


def borrow(turn: Turn) -> None:
    """Have the socket lent to the one whose turn it is; nothing where the turn is over."""

    def step(guard: Guard) -> None:
        door = turn.door
        if not turn.over and door is not None and door.turn is turn and door.guard is not None:
            door.guard.stop()
            door.guard = None

    if not turn.over:
        take(step)


def ending(turn: Turn, release: bool = False) -> Callable[[Guard], Door | None]:
    """Return the step that ends a turn."""

    def step(guard: Guard) -> Door | None:
        turn.over = True
        door = turn.door
        # Who uses the socket in another thread ends the turn himself, when he sees that it is over.
        if turn.using or door is None or door.socket.closed or door.turn not in (turn, None):
            return None
        door.finish()
        return door.settle(guard, release)

    return step


def end(turn: Turn, release: bool = False) -> None:
    """End a turn: from now on everybody is refused. Nothing where it has ended."""
    try:
        door = turn.door
        if Turn.is_last:
            turn.over = True
        elif door is not None and door.is_inherited:
            # There is nothing to guard.
            turn.over = True
            door.socket.close()
        elif door is None or release or not turn.over or door.turn is turn or door.guard is None:
            take(ending(turn, release))
    except BaseException:
        take(ending(turn, release))
        raise


def end_later(turn: Turn) -> None:
    """End the turn of one that was dropped, anywhere."""
    if not Turn.is_last and not turn.is_inherited:
        Guard(ending(turn)).start()


def close_doors() -> None:
    """At the end of the interpreter no thread may be in the midst of using a socket."""
    Turn.is_last = Place.over = True
    for door in list(doors.values()):
        if door.is_inherited:
            continue
        door.is_closing = True
        guard = door.guard
        if guard is None:
            door.close()
        else:
            guard.signal.set()
            guard.wait(PATIENCE)


def after_fork() -> None:
    """In the child no thread is there to give the lock back."""
    global lock
    lock = NativeLock()


atexit.register(close_doors)
os.register_at_fork(after_in_child=after_fork)
