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
termination waits for it.

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
from typing import Any

from zmq.core.constants import Flag, SocketType
from zmq.core.context import Context
from zmq.core.error import Again, ContextTerminated, ZMQError
from zmq.core.native import NativeThread
from zmq.core.socket import Socket

ENDPOINT = "inproc://zeromq.zap.01"
#: What a reply says: RFC 27 has a request id between the first two.
NOBODY_DECIDES = [b"300", b"nobody authenticates", b"", b""]
OK = b"200"


def unpatched(name: str) -> ModuleType:
    """Return a copy of a module of C that nobody has monkeypatched."""
    spec = importlib.util.find_spec(name)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


select = unpatched("select")


class NativeSocket(Socket[bytes]):
    """A socket that is used with NOBLOCK, in one thread after the other, whatever is monkeypatched.

    Who waits for it waits for its descriptor, and so can be sent home without a word to the socket.
    """

    _get_hub = None


class NativeContext(Context[NativeSocket]):
    _get_hub = None
    _instance = None
    _socket_class = NativeSocket


class Signal:
    """Tells a native thread to end."""

    def __init__(self) -> None:
        self.is_set = False
        self.fd, self._writer = os.pipe()

    def set(self) -> None:
        self.is_set = True
        os.write(self._writer, b"x")

    def close(self) -> None:
        fd, self.fd = self.fd, -1
        if fd >= 0:
            os.close(fd)
            os.close(self._writer)

    __del__ = close


class Door:
    """The socket that a context's ZAP requests come to, in the hands of one who answers.

    Parameters
    ----------
    context : Context
    socket : NativeSocket, optional
        What another one has had; a new one when left out.

    Raises
    ------
    ZMQError
        EADDRINUSE: the context has a ZAP handler.
    """

    def __init__(self, context: Context[Any], socket: NativeSocket | None = None) -> None:
        self.key = (os.getpid(), context.underlying)
        #: Whether a native thread is using it.
        self.in_thread = False
        #: The request that is not answered yet.
        self.request_id: bytes | None = None
        #: Whether that is of GSSAPI, where libzmq does not heed a status.
        self.is_gssapi = False
        # A shadow, so that this is no socket of the context's that `destroy` closes while a thread uses it, nor one
        # that has the context's defaults; of the address, so that the context itself may be collected.
        self.socket = socket or NativeContext.shadow(context.underlying).socket(SocketType.REP)
        try:
            if socket is None:
                self.socket.linger = 0
                self.socket.bind(ENDPOINT)
            self.fd = self.socket.fileno()
        except BaseException:
            self.socket.close()
            raise
        doors.add(self)

    @property
    def is_inherited(self) -> bool:
        """Whether this is the child of a fork."""
        return self.key[0] != os.getpid()

    def reply(self, status: bytes, *frames: bytes) -> None:
        """Answer the request that was received last; nothing where that was done."""
        request_id, self.request_id = self.request_id, None
        if request_id is not None:
            if self.is_gssapi and status != OK:
                status = status[:2] + b"1"
            self.socket.send_multipart([b"1.0", request_id, status, *frames], Flag.NOBLOCK)

    def receive(self) -> list[bytes] | None:
        """Return a request, or None where there is none yet: wait until `fd` is readable then.

        Where a receive finds nothing, the descriptor tells of everything that comes after.
        """
        try:
            message = self.socket.recv_multipart(Flag.NOBLOCK)
        except Again:
            return None
        self.note(message)
        return message

    def note(self, message: list[bytes]) -> None:
        """Note a request: it has to be answered before anything else can be received."""
        request_id = message[1] if len(message) > 1 else b""
        # Nothing that libzmq or RFC 27 knows needs a longer one.
        self.request_id = request_id if len(request_id) <= 255 else b""
        self.is_gssapi = message[5:6] == [b"GSSAPI"]

    def serve(self, signal: Signal, answer: Callable[[list[bytes]], object]) -> None:
        """Call a function with every request, in this native thread, until there is a signal or the context ends."""
        try:
            self._serve(signal, answer)
        finally:
            self.in_thread = False

    def _serve(self, signal: Signal, answer: Callable[[list[bytes]], object]) -> None:
        poll = select.poll()
        poll.register(self.fd, select.POLLIN)
        poll.register(signal.fd, select.POLLIN)
        while not signal.is_set:
            message = self.receive()
            if message is None:
                poll.poll()
            else:
                answer(message)

    def leave(self) -> None:
        """Let the guard answer from now on."""
        if self.socket.closed:
            return
        if self.is_inherited:
            # There is nothing to guard.
            self.socket.close()
            return
        try:
            self.reply(*NOBODY_DECIDES)
        except ContextTerminated:
            self.close()
            return
        guards[self.key] = guard = Guard(self)
        guard.start()

    def close(self) -> None:
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

    def __init__(self, context: Context[Any], stop: Callable[..., object]) -> None:
        self.stop = weakref.WeakMethod(stop)
        self.ident = _thread.get_ident()
        self.over = False
        sockets = getattr(context, "_sockets", None)
        if sockets is not None:
            sockets.add(self)

    def __repr__(self) -> str:
        return "<the socket of an authenticator>"

    @property
    def closed(self) -> bool:
        return self.over or self.ident != _thread.get_ident()

    def close(self, linger: int | None = None) -> None:
        stop = self.stop()
        if stop is not None:
            stop(release=True)


class Guard:
    """Keeps a door that nobody decides at."""

    def __init__(self, door: Door) -> None:
        self.door = door
        self.signal = Signal()
        self.thread = NativeThread(self.run, name="zmq.auth guard")

    def start(self) -> None:
        self.door.in_thread = True
        self.thread.start()

    def run(self) -> None:
        try:
            self.door.serve(self.signal, lambda _: self.door.reply(*NOBODY_DECIDES))
        except ZMQError:
            # Before the socket is gone: another context may have the same address afterwards.
            mine = guards.pop(self.door.key, None) is self
            self.door.close()
            if mine:
                self.signal.close()

    def stop(self) -> None:
        self.signal.set()
        self.thread.join()
        self.signal.close()


#: All that there are.
doors: weakref.WeakSet[Door] = weakref.WeakSet()
#: Who guards the doors that nobody decides at. Whoever takes one out of here has it, and nobody else.
guards: dict[tuple[int, int], Guard] = {}


def open_door(context: Context[Any]) -> Door:
    """Take over the door of a context, or make it."""
    guard = guards.pop((os.getpid(), context.underlying), None)
    if guard is not None:
        guard.stop()
        if not guard.door.socket.closed:
            return Door(context, guard.door.socket)
    return Door(context)


def close_doors() -> None:
    """At the end of the interpreter no thread may be in the midst of using a socket."""
    while guards:
        key, guard = guards.popitem()
        if key[0] == os.getpid():
            guard.stop()
            guard.door.close()
    for door in list(doors):
        if door.key[0] == os.getpid() and not door.in_thread:
            door.close()


atexit.register(close_doors)
