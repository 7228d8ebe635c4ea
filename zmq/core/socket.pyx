"""`Socket`: one 0MQ socket.

Lives here: the operation, once for all forms of send and receive; the socket's options and life. What must not: how
to wait (`zmq.core.waiting.wait`), how a message is transferred (`zmq.core.messages.transfer`). Green sockets are
subclasses that say which hub to wait in.
"""

import itertools
import os
import warnings
import weakref
from types import GenericAlias

cimport cython
from cpython.buffer cimport (
    PyBUF_SIMPLE,
    PyBUF_WRITABLE,
    PyBuffer_Release,
    PyObject_CheckBuffer,
    PyObject_GetBuffer,
    Py_buffer,
)
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.exc cimport PyErr_CheckSignals
from cpython.object cimport PyObject, PyObject_GenericSetAttr
from cpython.pythread cimport (
    WAIT_LOCK,
    PyThread_acquire_lock,
    PyThread_allocate_lock,
    PyThread_free_lock,
    PyThread_release_lock,
    PyThread_type_lock,
)
from libc.errno cimport EAGAIN, EBUSY, EINTR, EINVAL, EMFILE, ENAMETOOLONG
from libc.stdint cimport uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy
from posix.unistd cimport close as close_fd, read, write

from zmq.core cimport context as contexts
from zmq.core.waiting cimport wait
from zmq.core.check cimport check, raise_errno
from zmq.core.context cimport PATIENCE, Context, address_of, await_reaper, is_attribute, public_name
from zmq.core.messages.returned cimport drop_returned, return_message, try_returned
from zmq.core.libzmq cimport (
    ENOTSOCK,
    GREENZMQ_DRAFT,
    ZMQ_DEALER,
    ZMQ_DONTWAIT,
    ZMQ_EVENTS,
    ZMQ_FD,
    ZMQ_LINGER,
    ZMQ_PAIR,
    ZMQ_POLLIN,
    ZMQ_POLLOUT,
    ZMQ_PUSH,
    ZMQ_RCVHWM,
    ZMQ_RCVMORE,
    ZMQ_RCVTIMEO,
    ZMQ_REP,
    ZMQ_REQ,
    ZMQ_SNDMORE,
    ZMQ_SNDTIMEO,
    ZMQ_TYPE,
    zmq_bind,
    zmq_connect,
    zmq_disconnect,
    zmq_errno,
    zmq_getsockopt,
    zmq_join,
    zmq_leave,
    zmq_msg_close,
    zmq_msg_data,
    zmq_msg_init,
    zmq_msg_more,
    zmq_msg_recv,
    zmq_msg_set_group,
    zmq_msg_set_routing_id,
    zmq_msg_size,
    zmq_msg_t,
    zmq_poll,
    zmq_pollitem_t,
    zmq_send,
    zmq_setsockopt,
    zmq_unbind,
    zmq_version,
)
from zmq.core.message cimport Frame, frame_of, threshold_of
from zmq.core.sockets.monitors cimport (
    begin_reading,
    close_handle,
    connected,
    disconnected,
    forget_handle,
    lacks_reader,
    start_monitor,
    stop_monitor,
)
from zmq.core.sockets.options cimport MixedCase, Setting, get_option, option_named, set_option, take_value
from zmq.core.waiting.trampoline cimport (
    Trampoline,
    is_time_to_yield,
    known_trampoline,
    monotonic,
    refuel,
    trampoline_of,
)
from zmq.core.messages.transfer cimport (
    AS_SET,
    Incoming,
    Outgoing,
    Part,
    allocate_all,
    attempt_t,
    discard,
    end_dropped,
    expect,
    fill_all,
    prepare_all,
    release,
    try_recv,
    try_send,
)
from zmq.core.waiting.wait cimport Owner, Turn, Waiter

from zmq.core._text import decode, describe, encode, without_user
from zmq.core.constants import Errno, Event, SocketOption, SocketType
from zmq.core.error import Again, ZMQBindError, ZMQError, ZMQVersionError
from zmq.core.sockets.options import add_attributes, add_spelling
from zmq.core.tracker import _FINISHED_TRACKER, MessageTracker

cdef enum:
    # In Socket.overrides.
    SEND = 1
    RECV = 2
    GETSOCKOPT = 4
    SETSOCKOPT = 8

    # In Socket.message.
    WHOLE = 0
    BEGUN = 1
    DROPPED = 2         # the pipe died; what comes until the last frame is dropped

    # How `Socket.operate_parked` begins.
    ATTEMPT_FIRST = 0
    ATTEMPTED = 1
    PARK_FIRST = 2

    # Parts that need no allocation.
    FEW = 4

# Bytes from which on copying a message without the GIL pays: other threads use it meanwhile. Taking it back can cost a
# whole switch interval beside a thread that computes; where it took long, only LARGE copies do without it for a while.
cdef enum:
    MEDIUM = 1 << 15
    LARGE = 1 << 20

    # Up to here a message that must be copied again, because there is no room, costs next to nothing.
    SMALL = 4096

cdef bint libzmq_drops = False


def _ask_version():
    global libzmq_drops
    cdef int major, minor, patch
    zmq_version(&major, &minor, &patch)
    libzmq_drops = (major, minor, patch) >= (4, 3, 3)


_ask_version()

# Numbers in the addresses of monitors.
_monitors = itertools.count()

# Weak references to all sockets by their address. A plain dict can be copied while other threads make sockets.
cdef dict living = {}


def living_sockets():
    """Return the sockets that are not collected yet.

    Returns
    -------
    list of Socket
    """
    return [socket for reference in list(living.values()) if (socket := reference()) is not None]


# How many of them are shadows. While there are none, no two have the same handle.
cdef long count_shadows = 0


cdef list sockets_at(void *handle):
    """Return all sockets for a handle: the original and its shadows; none while nothing has a shadow."""
    cdef Socket socket
    cdef size_t address
    found = []
    if not count_shadows:
        return found
    # Weak references to what is about to be collected are dead before the first of its finalizers runs, which may use
    # the others. Nothing in this loop lets other code run, so nobody in it goes.
    for address in living:
        # One without references is being freed.
        if (<PyObject *> address).ob_refcnt > 0:
            socket = <Socket> <void *> address
            # Those of the parent of a fork may have had the same.
            if socket.handle == handle and (
                socket.born == wait.generation or socket.born == wait.OWNED and socket.owner.born == wait.generation
            ):
                found.append(socket)
    return found


# What subclasses replace, by class; see DESIGN "Drop-in rules" in docs/design.md.
cdef object overrides_of = weakref.WeakKeyDictionary()


cdef int find_overrides(type cls) except -1:
    found = overrides_of.get(cls)
    if found is None:
        found = 0
        # Where the methods return something else than what was sent or received, none of them is made of another.
        replaced = 0 if cls._defers else SEND | RECV
        for bit, name in ((SEND, "send"), (RECV, "recv"), (GETSOCKOPT, "getsockopt"), (SETSOCKOPT, "setsockopt")):
            if getattr(cls, name) is not getattr(Socket, name):
                found |= bit & (replaced | GETSOCKOPT | SETSOCKOPT)
        overrides_of[cls] = found
    return found


# Until when the GIL is thought to be in demand, seconds.
cdef double crowded_until = 0


cdef inline bint copies_freely(size_t size) noexcept:
    """Tell whether to copy so many bytes without the GIL."""
    return size >= MEDIUM and (size >= LARGE or monotonic() >= crowded_until)


cdef inline void locked_again(double copied) noexcept:
    """The GIL was taken back, after something was copied at that time."""
    global crowded_until
    cdef double now = monotonic()
    if now - copied > 0.0005:
        crowded_until = now + 0.1


cdef inline int prepare_copies(Outgoing *out, size_t size) noexcept:
    """Prepare all parts, which copies so many bytes."""
    cdef double copied
    cdef int err
    if not copies_freely(size):
        return prepare_all(out, out.count)
    err = allocate_all(out, out.count)
    if err:
        return err
    with nogil:
        fill_all(out, out.count)
        copied = monotonic()
    locked_again(copied)
    return 0


cdef inline bint is_unobserved(Socket socket, int flags) noexcept:
    """Tell whether one small transfer may be attempted without any ceremony: a short cut through `Socket.operate`.

    Nobody waits for the socket, and it is not time to let the hub run.
    """
    if socket.born != wait.generation or socket.waiter is not None and socket.waiter.interest:
        return False
    wait.fuel -= 1
    return wait.fuel > 0 or flags & ZMQ_DONTWAIT or socket.get_hub is None


cdef inline void sent(Socket socket, int more) noexcept:
    """One frame, or a message that ends with or without SNDMORE, is on its way."""
    if not more:
        socket.message = WHOLE
        socket.spoke = socket.waiter is not None and socket.waiter.trusts
    elif socket.message == WHOLE:
        socket.message = BEGUN


class _SocketContext:
    """Undo a `bind` or `connect` at the end of a ``with`` block."""

    def __init__(self, socket, kind, addr):
        self.socket = socket
        self.kind = kind
        self.addr = addr

    def __repr__(self):
        return f"<{self.__class__.__name__}({self.kind}={self.addr!r})>"

    def __enter__(self):
        return self.socket

    def __exit__(self, *args):
        if self.socket.closed:
            return
        if self.kind == "bind":
            self.socket.unbind(self.addr)
        else:
            self.socket.disconnect(self.addr)


cdef class Socket(MixedCase):
    """Socket(ctx_or_socket=None, socket_type=-1, *, shadow=None, copy_threshold=None)
--

    A 0MQ socket.

    Made by `Context.socket`. Not for several threads at once; any number of greenlets of one thread may share a
    green socket.

    Parameters
    ----------
    ctx_or_socket : Context or Socket
        The context to make the socket in; or a socket to make a shadow of.
    socket_type : int
        A `zmq.SocketType`.
    shadow : int or Socket, optional
        The address of a socket that somebody else made and will close.
    copy_threshold : int, optional
        Bytes from which on sending with ``copy=False`` does not copy; what `zmq.COPY_THRESHOLD` is at that moment when
        left out.

    Raises
    ------
    ZMQError
        EINVAL: there is no such type. ETERM: the context is terminated.

    Notes
    -----
    Attributes named like a `zmq.SocketOption`, in lower or upper case or capitalized, get and set that option.
    """

    #: Returns the hub to park in; None blocks the thread.
    _get_hub = None
    #: Whether sends and receives return futures.
    _defers = False
    #: What is received, and lent, with ``copy=False``.
    _frame_class = Frame

    def __cinit__(self):
        self.handle = NULL
        self.born = -1

    def __init__(self, ctx_or_socket=None, socket_type=-1, *, shadow=None, copy_threshold=None):
        global count_shadows
        cdef int number = -1
        cdef size_t size = sizeof(int)
        cdef size_t address = 0
        cdef Context context = None
        cdef Trampoline known
        cdef Socket socket
        cdef void *handle
        if self.handle != NULL:
            raise RuntimeError("a Socket is made once")
        self.own_threshold = -1
        if copy_threshold is not None:
            self.copy_threshold = copy_threshold
        self.overrides = 0 if type(self) is Socket else find_overrides(type(self))
        self.frame_class = self._frame_class
        self.package = self.frame_class._threshold
        if isinstance(ctx_or_socket, Socket):
            shadow = ctx_or_socket
        if shadow is not None:
            address = address_of(shadow)
            if address == 0:
                raise ZMQError(Errno.ENOTSOCK, "0 is not the address of a socket")
            self.original = shadow if isinstance(shadow, Socket) else None
            self.context = getattr(shadow, "context", None)
            if zmq_getsockopt(<void *> address, ZMQ_TYPE, &number, &size) != 0:
                raise_errno(zmq_errno())
        else:
            if not isinstance(ctx_or_socket, Context):
                raise TypeError(f"a Socket is made of a Context and a type, not of {ctx_or_socket!r}")
            context = ctx_or_socket
            self.context = self.maker = context
            number = socket_type
        try:
            self.socket_type = SocketType(number)
        except ValueError:
            self.socket_type = number
        self.drops = libzmq_drops and number in (ZMQ_PUSH, ZMQ_DEALER, ZMQ_REQ)
        # What ran so far may have closed the socket or terminated the context. From here on nothing but C runs, until
        # the context and `living` know of the socket.
        if context is None:
            if self.original is not None and (<Socket> self.original).handle != <void *> address:
                raise ZMQError(Errno.ENOTSOCK)
            handle = <void *> address
            self.is_shadow = True
        else:
            if context.handle == NULL:
                raise ZMQError(Errno.ETERM, "the context is terminated")
            context.usable()
            handle = context.make_socket(number, self._get_hub)
        self.handle = handle
        self.born = wait.generation
        try:
            if context is not None:
                forget_handle(handle)
                known = known_trampoline(handle)
                if known is not None:
                    # Of a socket that was here before, whose owner closed it without a word.
                    for socket in living_sockets():
                        if socket.handle == handle:
                            socket.part()
                    known.lose()
                context._sockets.add(self)
            else:
                self.share_waiter()
            living[<size_t> <void *> self] = weakref.ref(self)
            count_shadows += self.is_shadow
            if self.is_shadow:
                known = known_trampoline(handle)
                if known is not None and known.held_by is not None and known.held_by.born == wait.generation:
                    known.held_by.admit(self)
                    self.owner = known.held_by
                    self.born = wait.OWNED
            self._choose_hub()
            if context is not None:
                self.take_defaults(context)
        except BaseException:
            if self.handle != NULL and not self.is_shadow:
                self.let_go(handle)
                close_handle(handle)
            self.handle = NULL
            self.born = -1
            raise

    cdef int take_defaults(self, Context context) except -1:
        """The socket is one of the context's, which has defaults for it."""
        if self.lacks_defaults or not context.sockopts:
            return 0
        for option, value in context.defaults_for(self.socket_type):
            try:
                Socket.setsockopt(self, option, value)
            except ZMQError:
                # It means nothing for this type of socket.
                pass
        return 0

    def _choose_hub(self):
        """Park in, or block as, the class says now."""
        self.get_hub = self._get_hub
        if self.get_hub is not None and self.waiter is None and self.born in (wait.generation, wait.OWNED):
            self.waiter = trampoline_of(self.handle)

    __class_getitem__ = classmethod(GenericAlias)

    def __del__(self):
        if self.handle == NULL or self.is_shadow or self.born != wait.generation:
            return
        if contexts.exiting:
            # Who is left at the end has done nothing wrong, and what errors are printed with may be gone.
            try:
                self.close()
            except BaseException:
                # `__dealloc__` closes it.
                pass
            return
        try:
            shown = repr(self)
        finally:
            self.close()
        warnings.warn(f"Unclosed socket {shown}", ResourceWarning, stacklevel=2, source=self)

    def __dealloc__(self):
        global count_shadows
        if living is not None and living.pop(<size_t> <void *> self, None) is not None:
            count_shadows -= self.is_shadow
        if self.handle != NULL and not self.is_shadow and self.born == wait.generation:
            close_handle(self.handle)

    def __repr__(self):
        kind = self.socket_type.name if isinstance(self.socket_type, SocketType) else str(self.socket_type)
        return f"<{public_name(type(self))}(zmq.{kind}) at {hex(id(self))}{' closed' if self.closed else ''}>"

    def __enter__(self):
        return self

    def __exit__(self, *args):
        self.close()

    def __copy__(self):
        """Return a shadow of this socket."""
        return type(self)(self)

    def __deepcopy__(self, memo):
        return self.__copy__()

    # Life.

    cdef int usable(self) except -1:
        """Raise unless the socket can be used here."""
        if self.born == wait.generation:
            return 0
        if self.born == wait.OWNED and self.owner.born == wait.generation:
            raise ZMQError(EBUSY, "a proxy that runs has this socket to itself")
        if self.handle != NULL and self.born != -1:
            raise ZMQError(
                Errno.ENOTSOCK, "this socket was made before a fork: make a new Context and Socket in the child"
            )
        raise ZMQError(Errno.ENOTSOCK)

    @property
    def underlying(self):
        """int : the address of libzmq's socket."""
        return <size_t> self.handle

    @property
    def closed(self):
        """bool : whether the socket was closed, or its context terminated."""
        cdef int number
        cdef size_t size = sizeof(int)
        if self.handle == NULL:
            return True
        if self.born != wait.generation:
            return False
        if zmq_getsockopt(self.handle, ZMQ_TYPE, &number, &size) != 0 and zmq_errno() == Errno.ENOTSOCK:
            return True
        return False

    @property
    def copy_threshold(self):
        """int : bytes from which on sending with ``copy=False`` does not copy; None sets it to `zmq.COPY_THRESHOLD`."""
        return self.threshold()

    @copy_threshold.setter
    def copy_threshold(self, value):
        self.own_threshold = -1 if value is None else max(0, <Py_ssize_t> value)

    cdef Py_ssize_t threshold(self) except -1:
        return self.own_threshold if self.own_threshold >= 0 else threshold_of(self.package)

    @property
    def _shadow(self):
        return self.is_shadow

    @property
    def _shadow_obj(self):
        return self.original

    @classmethod
    def shadow(cls, address):
        """Return a socket for one that somebody else made.

        Parameters
        ----------
        address : int or Socket
            Its address, or the socket itself.

        Returns
        -------
        Socket
            It does not close the original when it is collected.
        """
        return cls(shadow=address)

    def close(self, linger=None):
        """Close the socket. Those who wait for it get ``ZMQError(ENOTSOCK)``; futures are cancelled.

        It is never refused. While somebody waits for the socket in a hub that runs in another thread, it is that
        thread that closes it, as soon as its hub runs.

        Parameters
        ----------
        linger : int, optional
            Milliseconds; set as LINGER first. For how long what was sent may wait to go out; -1 for ever.

        Notes
        -----
        Source: zmq_close(3). A socket that was made before a fork is only forgotten in the child.
        """
        cdef int milliseconds = 0
        cdef int err = 0
        cdef void *handle
        cdef Owner owner
        cdef Waiter waiter
        if linger is not None:
            milliseconds = linger
        if self.handle == NULL:
            return
        owner = self.owner
        if self.born == wait.OWNED and owner.born == wait.generation:
            # It is gone as soon as it has given the sockets back: `owner` keeps it.
            owner.stop()
        # Two threads may close it, and so may what runs while it is being closed.
        handle = self.handle
        if handle == NULL:
            return
        if self.born != wait.generation:
            self.handle = NULL
            self.born = -1
            return
        if linger is not None and zmq_setsockopt(handle, ZMQ_LINGER, &milliseconds, sizeof(int)) != 0:
            if zmq_errno() == EINVAL:
                raise ZMQError(EINVAL, f"Invalid argument: linger is -1 or more milliseconds, not {linger!r}")
        # Those who wait for a shadow wait for this socket.
        waiter = known_trampoline(handle) if self.waiter is None else self.waiter
        # From here on nobody else has the handle, whatever runs, and nothing that is raised loses it.
        self.let_go(handle)
        if waiter is None or waiter.close():
            if thread_polls:
                leave_polls(handle)
            err = close_handle(handle)
        # Whoever reads its monitor has a reference of his own.
        self.monitor_socket = None
        if err and err != ENOTSOCK:
            raise_errno(err)

    cdef int let_go(self, void *handle) except -1:
        """Be closed, with all others for this handle."""
        cdef Socket socket
        cdef list shadows = sockets_at(handle)
        self.part()
        for socket in shadows:
            socket.part()
        return 0

    cdef int part(self) except -1:
        """Have no handle any more."""
        self.handle = NULL
        self.born = -1
        if self.maker is not None:
            self.maker._sockets.discard(self)
        return 0

    # Endpoints.

    def bind(self, addr):
        """Accept connections at an address.

        Parameters
        ----------
        addr : str or bytes
            Such as ``"tcp://127.0.0.1:5555"``, ``"ipc:///tmp/name"`` or ``"inproc://name"``.

        Returns
        -------
        context manager
            Unbinds at the end of a ``with`` block; may be ignored.

        Raises
        ------
        ZMQError
            libzmq refuses the address, which the text names.

        Notes
        -----
        Source: zmq_bind(3).
        """
        self.usable()
        self.with_endpoint(zmq_bind, addr)
        return _SocketContext(self, "bind", self.last_endpoint(addr))

    def connect(self, addr):
        """Connect to an address.

        Parameters
        ----------
        addr : str or bytes

        Returns
        -------
        context manager
            Disconnects at the end of a ``with`` block; may be ignored.

        Raises
        ------
        ZMQError
            libzmq refuses the address, which the text names.

        Notes
        -----
        Source: zmq_connect(3).
        """
        cdef bytes address
        self.usable()
        if self.socket_type == ZMQ_PAIR and isinstance(self.context, Context):
            address = encoded(addr, "addr")
            if address.startswith(b"inproc:"):
                # It may be a monitor's.
                begin_reading(self.handle, self.context, address)
                self.with_endpoint(zmq_connect, addr)
                connected(self.handle, self.context, address)
                return _SocketContext(self, "connect", addr)
        self.with_endpoint(zmq_connect, addr)
        return _SocketContext(self, "connect", addr)

    def unbind(self, addr):
        """Stop accepting connections at an address.

        Parameters
        ----------
        addr : str or bytes
            As `LAST_ENDPOINT` gave it.

        Raises
        ------
        ZMQError
            ENOENT: the socket is not bound there.
        """
        self.usable()
        self.with_endpoint(zmq_unbind, addr)

    def disconnect(self, addr):
        """Close the connection to an address.

        Parameters
        ----------
        addr : str or bytes

        Raises
        ------
        ZMQError
            ENOENT: the socket is not connected there.
        """
        self.usable()
        if self.socket_type == ZMQ_PAIR and disconnected(self.handle, encoded(addr, "addr")):
            self.operated()
            return
        self.with_endpoint(zmq_disconnect, addr)

    cdef int with_endpoint(self, endpoint_call_t call, addr) except -1:
        cdef bytes address = encoded(addr, "addr")
        cdef const char *where = address
        cdef int errno = EINTR
        cdef bint waits
        # That may have run code of others.
        self.usable()
        waits = lacks_reader(self.handle)
        while errno == EINTR:
            if waits:
                # Until somebody, in another thread, reads what the monitor tells.
                with nogil:
                    errno = 0 if call(self.handle, where) == 0 else zmq_errno()
            else:
                errno = 0 if call(self.handle, where) == 0 else zmq_errno()
        self.operated()
        if errno == 0:
            return 0
        from zmq.core.error import error_for
        from zmq.core.version import IPC_PATH_MAX_LEN, strerror
        text = f"{strerror(errno)} (addr={without_user(addr)})"
        if errno == ENAMETOOLONG:
            text += f"; the path of an ipc address has at most {IPC_PATH_MAX_LEN} bytes here"
        raise error_for(errno, text)

    cdef last_endpoint(self, addr):
        found = get_option(self.handle, SocketOption.LAST_ENDPOINT)
        return found.decode("utf-8", "replace") if found else addr

    def bind_to_random_port(self, addr, min_port=49152, max_port=65536, max_tries=100):
        """Bind to a free port.

        Parameters
        ----------
        addr : str
            The address without the port, such as ``"tcp://127.0.0.1"``.
        min_port, max_port : int
            The range to choose from, without `max_port`. The default range leaves the choice to the system.
        max_tries : int
            How many ports to try.

        Returns
        -------
        int
            The port.

        Raises
        ------
        ZMQBindError
            None was free.
        ZMQError
            The address is refused for another reason.
        """
        if min_port == 49152 and max_port == 65536:
            self.bind(f"{addr}:*")
            found = self.get(SocketOption.LAST_ENDPOINT).decode("ascii", "replace")
            return int(found.rsplit(":", 1)[-1])
        import random
        for _ in range(max_tries):
            port = random.randrange(min_port, max_port)
            try:
                self.bind(f"{addr}:{port}")
            except ZMQError as error:
                if error.errno not in (Errno.EADDRINUSE, 13):
                    raise
            else:
                return port
        raise ZMQBindError(f"Could not bind socket to random port: {max_tries} tries from {min_port} to {max_port - 1}")

    # Options.

    cdef int operated(self) except -1:
        """After an operation that may have processed commands."""
        wait.stirs += 1
        if self.waiter is not None and self.waiter.interest:
            self.waiter.notify()
        return 0

    cdef int has_options(self, bint harmless) except -1:
        """Raise unless options can be used; those that touch nothing else may be used by others than the owner."""
        if harmless and self.born == wait.OWNED and self.owner.born == wait.generation:
            return 0
        return self.usable()

    def getsockopt(self, option):
        """Return the value of a socket option; the same as `get`."""
        cdef int number = option
        self.has_options(number != ZMQ_EVENTS)
        if number == ZMQ_FD:
            return (<Trampoline> self.waited()).descriptor()
        value = get_option(self.handle, number)
        if number == ZMQ_EVENTS:
            if self.waiter is not None and self.waiter.returned:
                value |= ZMQ_POLLIN
            self.operated()
        elif number == ZMQ_RCVMORE and self.waiter is not None and self.waiter.more >= 0:
            value = self.waiter.more
        return value

    def get(self, option):
        """Return the value of a socket option.

        Parameters
        ----------
        option : int
            A `zmq.SocketOption`.

        Returns
        -------
        int or bytes

        Raises
        ------
        ZMQError
            EINVAL: there is no such option, or it can't be read. ENOTSOCK: the socket is closed.

        Notes
        -----
        Source: zmq_getsockopt(3).
        """
        if self.overrides & GETSOCKOPT:
            return self.getsockopt(option)
        return Socket.getsockopt(self, option)

    def setsockopt(self, option, optval):
        """Set a socket option; the same as `set`."""
        cdef Setting setting
        cdef int number = option
        self.has_options(number == ZMQ_LINGER)
        if number == 1:
            self.set_hwm(optval)
            return
        take_value(&setting, number, optval)
        # That may have run code of others.
        self.has_options(number == ZMQ_LINGER)
        set_option(self.handle, &setting, optval)
        self.operated()

    def set(self, option, optval):
        """Set a socket option.

        Parameters
        ----------
        option : int
            A `zmq.SocketOption`.
        optval : int or bytes

        Raises
        ------
        TypeError
            The value has the wrong type.
        ZMQError
            EINVAL: no such option or value. ENOTSOCK: the socket is closed.

        Notes
        -----
        Source: zmq_setsockopt(3).
        """
        if self.overrides & SETSOCKOPT:
            self.setsockopt(option, optval)
        else:
            Socket.setsockopt(self, option, optval)

    def get_string(self, option, encoding="utf-8"):
        """Return the value of a bytes option as a str.

        Parameters
        ----------
        option : int
            A `zmq.SocketOption` whose value is bytes.
        encoding : str

        Returns
        -------
        str

        Raises
        ------
        TypeError
            The option's value is no bytes.
        UnicodeError
            It is no text of this encoding; what it is is not in the error.
        """
        value = self.get(option)
        if not isinstance(value, bytes):
            raise TypeError(f"option {option} will not return a string to be decoded")
        return decode(value, encoding)

    def set_string(self, option, optval, encoding="utf-8"):
        """Set a bytes option from a str.

        Parameters
        ----------
        option : int
            A `zmq.SocketOption` whose value is bytes.
        optval : str
        encoding : str

        Raises
        ------
        TypeError
            `optval` is no str.
        UnicodeError
            It can't be encoded; what it is is not in the error.
        """
        if not isinstance(optval, str):
            raise TypeError(f"strings only, not {describe(optval)}")
        self.set(option, encode(optval, encoding))

    getsockopt_string = get_string
    getsockopt_unicode = get_string
    setsockopt_string = set_string
    setsockopt_unicode = set_string

    def get_hwm(self):
        """Return the high-water mark for sending."""
        return self.get(SocketOption.SNDHWM)

    def set_hwm(self, value):
        """Set the high-water marks for sending and for receiving.

        Parameters
        ----------
        value : int
            Messages; 0 for no limit. Applies to connections that are made later.
        """
        self.set(SocketOption.SNDHWM, value)
        self.set(SocketOption.RCVHWM, value)

    hwm = property(get_hwm, set_hwm, None, "int : the high-water marks; reading gives that for sending.")

    def subscribe(self, topic):
        """Subscribe to what begins with a topic (SUB).

        Parameters
        ----------
        topic : str or bytes
        """
        self.set(SocketOption.SUBSCRIBE, encode(topic) if isinstance(topic, str) else topic)

    def unsubscribe(self, topic):
        """Undo one `subscribe` (SUB).

        Parameters
        ----------
        topic : str or bytes
        """
        self.set(SocketOption.UNSUBSCRIBE, encode(topic) if isinstance(topic, str) else topic)

    def __setattr__(self, name, value):
        cdef int option
        if name.startswith("_") or is_attribute(type(self), name) and name not in ("subscribe", "unsubscribe"):
            PyObject_GenericSetAttr(self, name, value)
            return
        option = option_named(name, False)
        if option < 0:
            raise AttributeError(f"{type(self).__name__} has no such option: {name.upper()}")
        if name in ("subscribe", "unsubscribe"):
            if isinstance(value, str):
                value = encode(value)
        else:
            # What can be written can be read.
            add_spelling(name, SocketOption(option))
        self.set(SocketOption(option), value)

    def fileno(self):
        """Return the descriptor that rings when the socket may have news; edge-triggered, so best left alone.

        Notes
        -----
        Source: zmq_getsockopt(3), ZMQ_FD.
        """
        return self.get(SocketOption.FD)

    # The operation.

    cdef int operate(self, attempt_t attempt, void *transfer, int flags, int events, int cost) except -1:
        """Send or receive one message: attempt; when it would block, wait, and again."""
        cdef Waiter waiter = self.waiter
        cdef void *handle
        cdef int err
        if self.born != wait.generation:
            self.usable()
        wait.fuel -= cost
        if wait.fuel <= 0 and self.get_hub is not None and not flags & ZMQ_DONTWAIT and not self.is_within(events):
            refuel(self.get_hub)
            self.usable()
            waiter = self.waiter
        if waiter is not None and waiter.interest:
            return self.operate_parked(attempt, transfer, flags, events, ATTEMPT_FIRST)
        if self.spoke and events == ZMQ_POLLIN:
            self.spoke = False
            if not flags & ZMQ_DONTWAIT and waiter.hands_over():
                return self.operate_parked(attempt, transfer, flags, events, PARK_FIRST)
        if self.answers and events == ZMQ_POLLOUT:
            # Another thread of this process may be waiting for just this: let it run as soon as it is woken.
            self.answers = False
            handle = self.handle
            with nogil:
                err = attempt(handle, transfer, flags | ZMQ_DONTWAIT)
        else:
            err = attempt(self.handle, transfer, flags | ZMQ_DONTWAIT)
        if err == EAGAIN:
            err = self.attempt_again(attempt, transfer, events, True)
        if err == 0:
            return 0
        if err != EAGAIN:
            raise_errno(err)
        return self.would_block(attempt, transfer, flags, events)

    cdef bint is_within(self, int events) noexcept:
        """Tell whether a message is sent or received frame by frame, between two of which nobody else may come."""
        cdef int more = 0
        cdef size_t size = sizeof(int)
        if events == ZMQ_POLLOUT:
            return self.message == BEGUN
        zmq_getsockopt(self.handle, ZMQ_RCVMORE, &more, &size)
        return more

    cdef int would_block(self, attempt_t attempt, void *transfer, int flags, int events) except -1:
        """The operation after an attempt in vain, while nobody waits."""
        if flags & ZMQ_DONTWAIT:
            raise Again()
        if self.message == BEGUN and events == ZMQ_POLLOUT:
            return self.give_up(<Outgoing *> transfer)
        if self.get_hub is None:
            return self.operate_blocked(attempt, transfer, flags, events)
        return self.operate_parked(attempt, transfer, flags, events, ATTEMPTED)

    cdef int operate_blocked(self, attempt_t attempt, void *transfer, int flags, int events) except -1:
        """The operation in a plain thread, which blocks, without the GIL, until the bell rings.

        Not inside libzmq: another thread may close the socket meanwhile, and waits until this one has let go of it.
        An attempt in vain has processed all commands, so that any news rings the bell.
        """
        cdef int err = EAGAIN
        cdef double milliseconds = self.patience(transfer, events)
        cdef double deadline = monotonic() + milliseconds / 1000
        cdef double left = -1
        cdef Trampoline trampoline = self.waited()
        if trampoline.descriptor() < 0 or trampoline.bell != NULL:
            return self.operate_inside(attempt, transfer, flags)
        wait.block(self)
        try:
            while True:
                err = self.attempt_again(attempt, transfer, events, False)
                if err != EAGAIN:
                    break
                if milliseconds >= 0:
                    left = deadline - monotonic()
                    if left <= 0:
                        raise Again()
                wait_for_bell(self.handle, trampoline.fd, left, self)
                self.usable()
        finally:
            wait.unblock()
        if self.waiter is not None and self.waiter.interest:
            self.waiter.notify()
        if err:
            raise_errno(err)
        self.answers = events == ZMQ_POLLIN
        return 0

    cdef int operate_inside(self, attempt_t attempt, void *transfer, int flags) except -1:
        """The operation of a thread-safe socket, which has no bell: libzmq waits."""
        cdef int err = EINTR
        cdef void *handle
        wait.block(self)
        try:
            while err == EINTR:
                PyErr_CheckSignals()
                self.usable()
                handle = self.handle
                with nogil:
                    err = attempt(handle, transfer, flags)
        finally:
            wait.unblock()
        if err:
            raise_errno(err)
        return 0

    cdef double patience(self, void *transfer, int events) noexcept:
        """Return for how many milliseconds an operation may wait; -1 for ever."""
        cdef int milliseconds = -1
        cdef size_t size = sizeof(int)
        if events == ZMQ_POLLIN and (<Incoming *> transfer).timeout != AS_SET:
            return (<Incoming *> transfer).timeout
        zmq_getsockopt(self.handle, ZMQ_RCVTIMEO if events == ZMQ_POLLIN else ZMQ_SNDTIMEO, &milliseconds, &size)
        return milliseconds

    cdef int operate_parked(self, attempt_t attempt, void *transfer, int flags, int events, int first) except -1:
        """The operation where somebody waits in a hub, or this caller will.

        `first` says whether the first attempt was just made, with nobody waiting, or should be left out.
        """
        cdef Waiter waiter = self.waiter
        cdef Turn turn
        cdef int err
        cdef bint gives_up, others
        cdef double milliseconds
        cdef const void *route = NULL
        cdef size_t route_size = 0
        cdef Outgoing *out
        cdef long before
        waiter.enter()
        if events == ZMQ_POLLOUT:
            out = <Outgoing *> transfer
            route = zmq_msg_data(&out.parts[0].msg)
            route_size = zmq_msg_size(&out.parts[0].msg)
        if first == ATTEMPT_FIRST and (
            flags & ZMQ_DONTWAIT
            or self.message == BEGUN
            or not waiter.must_queue(events, route, route_size)
        ):
            err = self.attempt_again(attempt, transfer, events, False)
            gives_up = err == EAGAIN and self.message == BEGUN and events == ZMQ_POLLOUT
            if err != EAGAIN or flags & ZMQ_DONTWAIT or gives_up or self.get_hub is None:
                if waiter.interest:
                    waiter.notify()
            if err != EAGAIN:
                if err:
                    raise_errno(err)
                return 0
            if flags & ZMQ_DONTWAIT:
                raise Again()
            if gives_up:
                return self.give_up(<Outgoing *> transfer)
        if self.get_hub is None:
            return self.operate_blocked(attempt, transfer, flags, events)
        milliseconds = self.patience(transfer, events)
        if milliseconds == 0:
            if first == PARK_FIRST:
                return self.operate(attempt, transfer, flags | ZMQ_DONTWAIT, events, 0)
            if waiter.interest:
                waiter.notify()
            raise Again()
        others = waiter.interest > 0
        before = wait.stirred()
        try:
            turn = waiter.join(self.get_hub, events, route, route_size, milliseconds / 1000)
        except BaseException:
            if waiter.interest:
                # The attempt may have swallowed the bell for them.
                waiter.notify()
            raise
        turn.untried = first == PARK_FIRST
        try:
            # Where others were given up behind whom this one would have waited, it may go on at once. So may it where
            # the handler of a signal used sockets meanwhile.
            if others or waiter.interest > 1 or wait.stirred() != before:
                # Not before this one has joined: who reads EVENTS for the others may still the bell for itself.
                waiter.notify()
            while True:
                turn.wait()
                err = self.attempt_again(attempt, transfer, events, False)
                if err != EAGAIN:
                    break
                turn.again()
        finally:
            turn.leave()
        if err:
            raise_errno(err)
        return 0

    cdef int attempt_again(self, attempt_t attempt, void *transfer, int events, bint tried) noexcept:
        """Attempt without waiting, if that was not `tried`; a send looks at EVENTS then and tries once more.

        A receive that fails has processed all commands. A send processes them only about once a millisecond
        (socket_base_t::process_commands, throttled), so that its EAGAIN may be stale. Not within a message: there it
        means that the pipe died, see `zmq.core.messages.transfer`.
        """
        cdef int found = 0
        cdef size_t size = sizeof(int)
        cdef int err = EAGAIN
        if not tried:
            if self.waiter is not None and self.waiter.returned is not None and events == ZMQ_POLLIN:
                return try_returned(self.waiter, <Incoming *> transfer)
            err = attempt(self.handle, transfer, ZMQ_DONTWAIT)
        if err == EAGAIN and events == ZMQ_POLLOUT and self.message != BEGUN:
            while zmq_getsockopt(self.handle, ZMQ_EVENTS, &found, &size) != 0:
                found = ZMQ_POLLOUT
                if zmq_errno() != EINTR:
                    break
            if found & ZMQ_POLLOUT:
                err = attempt(self.handle, transfer, ZMQ_DONTWAIT)
        if (
            err == 0
            and self.waiter is not None
            and self.waiter.returned is not None
            and events == ZMQ_POLLOUT
            and self.socket_type in (ZMQ_REQ, ZMQ_REP)
        ):
            # A request was answered, or the next one made, without the message that was returned.
            drop_returned(self.waiter)
        return err

    cdef int give_up(self, Outgoing *out) noexcept:
        """A blocking send in the middle of a message whose pipe died: drop it, as libzmq itself does.

        Waiting would send the rest of the message as a message of its own. See `zmq.core.messages.transfer`.
        """
        if not self.drops:
            self.message = DROPPED
        elif out.count > 1 and not out.more:
            end_dropped(self.handle)
        return 0

    cdef int share_waiter(self) except -1:
        """Let all who use this handle know of its waiter: who operates on it may swallow the news of another."""
        cdef Socket other
        cdef Waiter known = known_trampoline(self.handle)
        self.waiter = trampoline_of(self.handle)
        if self.waiter is known:
            return 0
        for other in living_sockets() if self.original is None else [self.original]:
            if other.handle == self.handle and other.born == wait.generation:
                other.waiter = self.waiter
        return 0

    cdef Waiter waited(self):
        """Return the waiter, for somebody who wants to hear of this socket."""
        if self.waiter is None:
            self.usable()
            self.waiter = trampoline_of(self.handle)
        return self.waiter

    # Sending.

    # eventlet.green.zmq calls the data `msg`; the signature that is shown is PyZMQ's.
    @cython.embedsignature(False)
    def send(self, data=None, int flags=0, copy=True, bint track=False, routing_id=None, group=None, *, msg=None):
        """send($self, data, flags=0, copy=True, track=False, routing_id=None, group=None)
--

        Send one frame.

        Parameters
        ----------
        data : bytes-like or Frame
            What to send. For a str see `send_string`.
        flags : int
            `NOBLOCK`, `SNDMORE`.
        copy : bool
            False lends the object's memory to libzmq where it has `copy_threshold` bytes or more. It must not be
            changed until libzmq is done with it.
        track : bool
            With ``copy=False``: make what is returned tell when libzmq is done with the memory.
        routing_id : int, optional
            The peer, for a SERVER or PEER socket (draft).
        group : str, optional
            The group, for a RADIO socket (draft).

        Returns
        -------
        MessageTracker or None
            That of a `Frame` which is tracked, or of memory that was lent with ``track=True``; one that is done when
            ``copy=False`` lent nothing.

        Raises
        ------
        TypeError
            `data` is a str, or has no buffer.
        ValueError
            `track` for a `Frame` that is not tracked.
        Again
            NOBLOCK, or SNDTIMEO ran out.
        ContextTerminated
            The context is being terminated.
        ZMQError
            ENOTSOCK: the socket is closed. EFSM: it is not its turn to send. Any other error of zmq_msg_send(3).
        """
        cdef Part part
        cdef Outgoing out
        cdef Frame frame = None
        cdef int err
        cdef int cost = 1
        if (
            type(data) is bytes
            and PyBytes_GET_SIZE(data) < SMALL
            and copy is True
            and routing_id is None
            and group is None
            and self.message == WHOLE
            and not self.answers
            and is_unobserved(self, flags)
            and zmq_send(
                self.handle, PyBytes_AS_STRING(data), <size_t> PyBytes_GET_SIZE(data), flags | ZMQ_DONTWAIT
            ) >= 0
        ):
            sent(self, flags & ZMQ_SNDMORE)
            return None
        if data is None:
            if msg is None:
                raise TypeError("send needs an argument 'data': bytes, a Frame or another object with a buffer")
            data = msg
        part.held = False
        part.source = NULL
        if (
            type(data) is bytes
            and (copy or PyBytes_GET_SIZE(data) < self.threshold())
            and routing_id is None
            and group is None
        ):
            part.data = PyBytes_AS_STRING(data)
            part.size = <size_t> PyBytes_GET_SIZE(data)
            cost += <int> (part.size >> 12)
        else:
            self.usable()
            frame = self.to_part(data, &part, copy, track, routing_id, group)
        out.parts = &part
        out.count = out.ready = 1
        out.more = flags & ZMQ_SNDMORE
        out.drops = self.drops
        out.shares = part.source != NULL
        try:
            err = prepare_copies(&out, part.size if part.source == NULL else 0)
            if err:
                raise_errno(err)
            if routing_id is not None:
                need_draft("routing_id")
                check(zmq_msg_set_routing_id(&part.msg, routing_id))
            if group is not None:
                need_draft("group")
                check(zmq_msg_set_group(&part.msg, encoded(group, "group")))
            if self.message != DROPPED:
                self.operate(try_send, &out, flags & ~ZMQ_SNDMORE, ZMQ_POLLOUT, cost)
            sent(self, out.more)
        finally:
            if out.ready < out.count:
                discard(&out)
            if part.held:
                PyBuffer_Release(&part.view)
        if frame is not None:
            return frame.tracker
        return None if copy else _FINISHED_TRACKER

    cdef Frame to_part(self, data, Part *part, copy, bint track, routing_id, group):
        """Fill in a part. Returns the frame that has to live until it is sent, or None."""
        cdef Frame frame
        if isinstance(data, Frame):
            frame = data
            if track and not frame.tracker:
                raise ValueError("Not a tracked message: make the Frame with track=True")
            part.source = &frame.zmq_msg
            part.size = zmq_msg_size(&frame.zmq_msg)
            return frame
        if isinstance(data, str):
            raise TypeError("unicode not allowed, use send_string")
        PyObject_GetBuffer(data, &part.view, PyBUF_SIMPLE)
        try:
            lends = not copy and part.view.len >= self.threshold()
        except BaseException:
            PyBuffer_Release(&part.view)
            raise
        if lends:
            PyBuffer_Release(&part.view)
            frame = self.frame_class(data, track=track, copy=False)
            part.source = &frame.zmq_msg
            part.size = zmq_msg_size(&frame.zmq_msg)
            return frame
        part.held = True
        part.data = part.view.buf
        part.size = <size_t> part.view.len
        return None

    def send_multipart(self, msg_parts, int flags=0, copy=True, bint track=False, **kwargs):
        """Send a message of several frames, all of them or none.

        Parameters
        ----------
        msg_parts : iterable of bytes-like or Frame
        flags : int
            `NOBLOCK`; `SNDMORE` when more frames follow in another call.
        copy, track : bool
            As in `send`, for every frame.

        Returns
        -------
        MessageTracker or None
            As `send` returns it, for all the frames.

        Raises
        ------
        TypeError
            An element can't be sent; nothing was.
        ValueError
            `track` for a `Frame` that is not tracked; nothing was sent.
        Again, ContextTerminated, ZMQError
            As in `send`.
        """
        cdef list parts = list(msg_parts)
        if self.overrides & SEND or kwargs or not parts:
            return self.send_each(parts, flags, copy, track, kwargs)
        return self.send_whole(parts, flags, copy, track)

    cdef send_whole(self, list parts, int flags, copy, bint track):
        """Send a message of at least one frame."""
        cdef Py_ssize_t count = len(parts)
        cdef Py_ssize_t i = 0
        cdef Part few[FEW]
        cdef Outgoing out
        cdef Part *part
        cdef list frames = None
        cdef Frame frame
        cdef size_t total = 0
        cdef size_t copied = 0
        cdef int err
        if self.born != wait.generation:
            self.usable()
        out.parts = few
        if count > FEW:
            out.parts = <Part *> malloc(<size_t> count * sizeof(Part))
            if out.parts == NULL:
                raise MemoryError()
        out.count = out.ready = <size_t> count
        out.more = flags & ZMQ_SNDMORE
        out.drops = self.drops
        out.shares = False
        for i in range(count):
            out.parts[i].held = False
        try:
            for i in range(count):
                part = &out.parts[i]
                part.source = NULL
                data = parts[i]
                if type(data) is bytes and copy:
                    part.data = PyBytes_AS_STRING(data)
                    part.size = <size_t> PyBytes_GET_SIZE(data)
                else:
                    if not isinstance(data, Frame) and not PyObject_CheckBuffer(data):
                        raise no_buffer(i, data)
                    frame = self.to_part(data, part, copy, track, None, None)
                    if frame is not None:
                        if frames is None:
                            frames = []
                        frames.append(frame)
                total += part.size
                if part.source == NULL:
                    copied += part.size
                else:
                    out.shares = True
            err = prepare_copies(&out, copied)
            if err:
                raise_errno(err)
            if self.message != DROPPED:
                self.operate(
                    try_send, &out, flags & ~ZMQ_SNDMORE, ZMQ_POLLOUT, 1 + <int> (count >> 3) + <int> (total >> 12)
                )
            sent(self, out.more)
        finally:
            discard(&out)
            for i in range(count):
                if out.parts[i].held:
                    PyBuffer_Release(&out.parts[i].view)
            if out.parts != few:
                free(out.parts)
        if frames is None:
            return None if copy else _FINISHED_TRACKER
        trackers = [frame.tracker for frame in frames if frame.tracker is not None]
        if not trackers:
            return None
        return MessageTracker(*trackers)

    def send_many(self, messages, int flags=0, copy=True, *, bint multipart=False):
        """Send a batch of messages, one after another, in one call.

        Parameters
        ----------
        messages : iterable of bytes-like or Frame
            The messages, of one frame each; with `multipart` an iterable of the frames for each message.
        flags : int
            `NOBLOCK`.
        copy : bool
            As in `send`, for every frame.
        multipart : bool

        Returns
        -------
        int
            How many of the messages were sent: all of them, but with NOBLOCK those that there was room for, and with
            SNDTIMEO, which holds for each of them, those before the one for which it ran out.

        Raises
        ------
        TypeError, ContextTerminated, ZMQError
            As in `send` and `send_multipart`. The attribute `sent` of this, and of anything else that is raised while
            the call waits, says how many messages were sent.
        """
        cdef list batch = list(messages)
        cdef Py_ssize_t i = 0
        if flags & ZMQ_SNDMORE:
            raise ValueError("send_many sends whole messages: SNDMORE means nothing here")
        self.usable()
        try:
            for data in batch:
                if multipart:
                    if self.overrides & SEND:
                        self.send_multipart(data, flags, copy)
                    elif type(data) is list and data:
                        # Of its own: the caller's may change while it is sent.
                        self.send_whole(list(data), flags, copy, False)
                    else:
                        Socket.send_multipart(self, data, flags, copy)
                elif self.overrides & SEND:
                    self.send(data, flags, copy)
                elif not (
                    type(data) is bytes
                    and PyBytes_GET_SIZE(data) < SMALL
                    and copy is True
                    and self.message == WHOLE
                    and is_unobserved(self, flags)
                    and zmq_send(
                        self.handle, PyBytes_AS_STRING(data), <size_t> PyBytes_GET_SIZE(data), flags | ZMQ_DONTWAIT
                    ) >= 0
                ):
                    Socket.send(self, data, flags, copy)
                i += 1
        except Again:
            pass
        except BaseException as error:
            error.sent = i
            raise
        return i

    cdef send_each(self, list parts, int flags, copy, track, dict kwargs):
        """Send a message through the `send` of a subclass, frame by frame."""
        for i, data in enumerate(parts):
            if isinstance(data, (Frame, bytes)):
                continue
            if isinstance(data, str) or not PyObject_CheckBuffer(data):
                raise no_buffer(i, data)
        if not parts:
            raise ValueError("a message has at least one frame")
        for data in parts[:-1]:
            self.send(data, ZMQ_SNDMORE | flags, copy=copy, track=track, **kwargs)
        return self.send(parts[-1], flags, copy=copy, track=track, **kwargs)

    def send_string(self, u, int flags=0, copy=True, encoding="utf-8", **kwargs):
        """Send a str.

        Parameters
        ----------
        u : str
        flags, copy
            As in `send`.
        encoding : str
        **kwargs
            Passed on to `send`.

        Raises
        ------
        TypeError
            `u` is no str.
        """
        if not isinstance(u, str):
            raise TypeError(f"str objects only, not {type(u).__name__}: use send for bytes")
        return self.send(u.encode(encoding), flags, copy=copy, **kwargs)

    send_unicode = send_string

    def send_json(self, obj, int flags=0, **kwargs):
        """Send an object as JSON.

        Parameters
        ----------
        obj : object
        flags : int
            As in `send`.
        **kwargs
            ``routing_id`` and ``group`` are passed on to `send`, the rest to `json.dumps`.
        """
        from zmq.utils import jsonapi
        send_kwargs = {key: kwargs.pop(key) for key in ("routing_id", "group") if key in kwargs}
        return self.send(jsonapi.dumps(obj, **kwargs), flags, **send_kwargs)

    def send_pyobj(self, obj, int flags=0, protocol=None, **kwargs):
        """Send an object, pickled. Never receive such a message from a peer you don't trust.

        Parameters
        ----------
        obj : object
        flags : int
            As in `send`.
        protocol : int, optional
            Of `pickle`, whose ``DEFAULT_PROTOCOL`` it is when left out; -1 for the highest.
        **kwargs
            Passed on to `send`.
        """
        import pickle  # here, as few use it and it takes long
        return self.send(pickle.dumps(obj, protocol), flags, **kwargs)

    def send_serialized(self, msg, serialize, int flags=0, copy=True, **kwargs):
        """Send what a function makes of an object.

        Parameters
        ----------
        msg : object
        serialize : callable
            Takes the object, returns an iterable of frames.
        flags, copy, **kwargs
            As in `send_multipart`.
        """
        return self.send_multipart(serialize(msg), flags=flags, copy=copy, **kwargs)

    # Receiving.

    def recv(self, int flags=0, copy=True, bint track=False):
        """Receive one frame.

        Parameters
        ----------
        flags : int
            `NOBLOCK`.
        copy : bool
            False returns a `Frame`, in libzmq's memory.
        track : bool
            For the frame's `tracker`; what was received is always done.

        Returns
        -------
        bytes or Frame

        Raises
        ------
        Again
            NOBLOCK, or RCVTIMEO ran out.
        ContextTerminated
            The context is being terminated.
        ZMQError
            ENOTSOCK: the socket is closed. EFSM: it is not its turn to receive. Any other error of zmq_msg_recv(3).
        """
        cdef Incoming incoming
        cdef zmq_msg_t *msg = &incoming.few[0]
        cdef bint in_vain = False
        if copy is True and not self.spoke and is_unobserved(self, flags):
            zmq_msg_init(msg)
            if zmq_msg_recv(msg, self.handle, flags | ZMQ_DONTWAIT) >= 0:
                return self.as_bytes(msg)
            in_vain = zmq_errno() == EAGAIN
            if in_vain and flags & ZMQ_DONTWAIT:
                # Here, because every function that an error passes through costs half a microsecond.
                raise Again()
        expect(&incoming, False)
        if in_vain:
            self.would_block(try_recv, &incoming, flags, ZMQ_POLLIN)
        else:
            self.operate(try_recv, &incoming, flags, ZMQ_POLLIN, 1)
        if copy:
            return self.as_bytes(&incoming.few[0])
        return self.as_frame(&incoming.few[0], track)

    cdef bytes as_bytes(self, zmq_msg_t *msg):
        """Turn a message into bytes and close it."""
        try:
            return self.bytes_of(msg)
        finally:
            zmq_msg_close(msg)

    cdef bytes bytes_of(self, zmq_msg_t *msg):
        """Return a copy of a message."""
        cdef Py_ssize_t size = <Py_ssize_t> zmq_msg_size(msg)
        cdef bytes data
        cdef char *target
        cdef void *source
        cdef double copied
        if not copies_freely(size):
            wait.fuel -= size >> 12
            return PyBytes_FromStringAndSize(<const char *> zmq_msg_data(msg), size)
        data = PyBytes_FromStringAndSize(NULL, size)
        target = PyBytes_AS_STRING(data)
        source = zmq_msg_data(msg)
        with nogil:
            memcpy(target, source, <size_t> size)
            copied = monotonic()
        locked_again(copied)
        wait.fuel -= size >> 12
        return data

    cdef Frame as_frame(self, zmq_msg_t *msg, bint track):
        """Turn a message into a frame."""
        cdef bint more = zmq_msg_more(msg)
        cdef Frame frame
        try:
            frame = frame_of(msg, self.frame_class)
        except BaseException:
            zmq_msg_close(msg)
            raise
        frame.more = more
        if track:
            frame.tracker = _FINISHED_TRACKER
        return frame

    def recv_multipart(self, int flags=0, copy=True, bint track=False):
        """Receive a whole message.

        Parameters
        ----------
        flags, copy, track
            As in `recv`.

        Returns
        -------
        list of bytes or Frame

        Raises
        ------
        Again, ContextTerminated, ZMQError
            As in `recv`.
        """
        cdef Incoming incoming
        cdef list parts
        if self.overrides & RECV:
            parts = [self.recv(flags, copy=copy, track=track)]
            while self.get(SocketOption.RCVMORE):
                parts.append(self.recv(flags, copy=copy, track=track))
            return parts
        expect(&incoming, True)
        self.operate(try_recv, &incoming, flags, ZMQ_POLLIN, 1)
        return self.as_parts(&incoming, copy, track)

    cdef list as_parts(self, Incoming *incoming, copy, bint track):
        """Turn a message into what its frames are received as, and release it."""
        cdef size_t i
        cdef list parts = []
        try:
            wait.fuel -= <long> incoming.count >> 3
            for i in range(incoming.count):
                if copy:
                    parts.append(self.as_bytes(&incoming.frames[i]))
                else:
                    parts.append(self.as_frame(&incoming.frames[i], track))
                # Closed or moved: closing it again with the others does no harm.
                zmq_msg_init(&incoming.frames[i])
            return parts
        finally:
            release(incoming)

    def recv_many(self, Py_ssize_t max=1000, timeout=None, *, int flags=0, copy=True, bint multipart=False):
        """Receive a batch: wait for a message, then take those that are there too.

        Parameters
        ----------
        max : int
            How many messages to take at most.
        timeout : float, optional
            For how many milliseconds to wait for the first message; -1 for ever, None for as long as RCVTIMEO says.
        flags : int
            `NOBLOCK`.
        copy : bool
            As in `recv`.
        multipart : bool
            Whether messages may have several frames.

        Returns
        -------
        list
            The messages, as `recv` returns them, or with `multipart` as `recv_multipart` does. It is empty when the
            time ran out. A call that may wait in a hub ends with those that it has when other greenlets must have their
            turn.

        Raises
        ------
        ValueError
            `max` is less than 1, or `timeout` negative. Or the next message has several frames and `multipart` is
            false: it remains there.
        ContextTerminated, ZMQError
            As in `recv`. What was received before an error is returned; the next call raises it.
        """
        cdef Incoming incoming
        cdef zmq_msg_t *msg = &incoming.few[0]
        cdef list messages = []
        cdef list parts
        cdef size_t i
        if max < 1:
            raise ValueError(f"max={max}, must be at least 1")
        expect(&incoming, True)
        if timeout is not None:
            incoming.timeout = 1000 * seconds_of(timeout)
            if incoming.timeout < 0:
                incoming.timeout = -1
        if self.overrides & RECV:
            return self.recv_each(max, incoming.timeout, flags, copy, multipart)
        # If it is time to let others run, then before the batch and not in its midst.
        wait.fuel = 0
        try:
            self.operate(try_recv, &incoming, flags, ZMQ_POLLIN, 1)
        except Again:
            return messages
        try:
            while True:
                if incoming.count > 1 and not multipart:
                    error = several_frames(incoming.count)
                    return_message(self.waited(), &incoming, False)
                    if not messages:
                        raise error
                    break
                if not copy:
                    messages.append(self.as_parts(&incoming, False, False) if multipart else self.as_frame(msg, False))
                elif multipart:
                    parts = []
                    for i in range(incoming.count):
                        parts.append(self.bytes_of(&incoming.frames[i]))
                    messages.append(parts)
                    release(&incoming)
                else:
                    messages.append(self.bytes_of(msg))
                    zmq_msg_close(msg)
                incoming.count = 0
                if len(messages) >= max or self.born != wait.generation:
                    break
                wait.fuel -= 1
                if wait.fuel <= 0 and self.get_hub is not None and not flags & ZMQ_DONTWAIT and is_time_to_yield():
                    break
                expect(&incoming, True)
                if self.waiter is not None and self.waiter.returned is not None:
                    if try_returned(self.waiter, &incoming) != 0:
                        break
                else:
                    zmq_msg_init(msg)
                    if zmq_msg_recv(msg, self.handle, ZMQ_DONTWAIT) < 0:
                        break
                    incoming.count = 1
                    if zmq_msg_more(msg) and try_recv(self.handle, &incoming, ZMQ_DONTWAIT) != 0:
                        break
        except MemoryError:
            # Too large a message, for example: those before it are not lost with it, nor is it.
            if copy and incoming.count:
                try:
                    return_message(self.waited(), &incoming, False)
                finally:
                    release(&incoming)
            if not messages:
                raise
        self.operated()
        return messages

    cdef list recv_each(self, Py_ssize_t max, double timeout, int flags, copy, bint multipart):
        """Receive a batch through the `recv` of a subclass."""
        cdef list messages = []
        if timeout != AS_SET and not self.poll(timeout):
            return messages
        try:
            while len(messages) < max:
                messages.append(self.recv_multipart(flags, copy) if multipart else self.recv(flags, copy))
                flags |= ZMQ_DONTWAIT
        except Again:
            pass
        return messages

    def recv_into(self, buffer, /, *, Py_ssize_t nbytes=0, int flags=0):
        """Receive one frame into a buffer.

        Parameters
        ----------
        buffer : writable bytes-like
            What does not fit is cut off.
        nbytes : int
            How many bytes to use at most; 0 for all of the buffer.
        flags : int
            As in `recv`.

        Returns
        -------
        int
            The size of the frame in bytes: more than `nbytes` or the buffer has where the rest was cut off.

        Raises
        ------
        BufferError
            The buffer is read-only or not contiguous; nothing was received.
        ValueError
            `nbytes` is negative or larger than the buffer; nothing was received.
        Again, ContextTerminated, ZMQError
            As in `recv`.

        Notes
        -----
        Source: zmq_recv(3).
        """
        cdef Incoming incoming
        cdef Py_buffer view
        cdef size_t size
        PyObject_GetBuffer(buffer, &view, PyBUF_SIMPLE | PyBUF_WRITABLE)
        try:
            if nbytes < 0:
                raise ValueError(f"nbytes={nbytes}, must be at least 0")
            if nbytes > view.len:
                raise ValueError(f"nbytes={nbytes} too big for a buffer of {view.len} bytes")
            expect(&incoming, False)
            self.operate(try_recv, &incoming, flags, ZMQ_POLLIN, 1)
            size = zmq_msg_size(&incoming.few[0])
            memcpy(view.buf, zmq_msg_data(&incoming.few[0]), min(size, <size_t> (nbytes or view.len)))
            zmq_msg_close(&incoming.few[0])
            return size
        finally:
            PyBuffer_Release(&view)

    def recv_string(self, int flags=0, encoding="utf-8"):
        """Receive a str, as sent by `send_string`.

        Parameters
        ----------
        flags : int
            As in `recv`.
        encoding : str

        Returns
        -------
        str
        """
        return self.recv(flags).decode(encoding)

    recv_unicode = recv_string

    def recv_json(self, int flags=0, **kwargs):
        """Receive an object as JSON.

        Parameters
        ----------
        flags : int
            As in `recv`.
        **kwargs
            Passed on to `json.loads`.

        Returns
        -------
        object
        """
        from zmq.utils import jsonapi
        return jsonapi.loads(self.recv(flags), **kwargs)

    def recv_pyobj(self, int flags=0):
        """Receive a pickled object. Only from peers you trust: a pickle can run any code.

        Parameters
        ----------
        flags : int
            As in `recv`.

        Returns
        -------
        object
        """
        import pickle
        return pickle.loads(self.recv(flags))

    def recv_serialized(self, deserialize, int flags=0, copy=True):
        """Receive a message and return what a function makes of it.

        Parameters
        ----------
        deserialize : callable
            Takes the list of frames.
        flags, copy
            As in `recv_multipart`.

        Returns
        -------
        object
        """
        return deserialize(self.recv_multipart(flags=flags, copy=copy))

    # Polling.

    def poll(self, timeout=None, flags=1):
        """Wait until the socket can send or receive.

        Parameters
        ----------
        timeout : float, optional
            Milliseconds; None or -1 to wait for ever.
        flags : int
            `POLLIN`, `POLLOUT` or both.

        Returns
        -------
        int
            Those of `flags` that are true; 0 when the time ran out.

        Raises
        ------
        ValueError
            `timeout` is negative and not -1.
        ContextTerminated, ZMQError
            As in `recv`.
        """
        cdef double seconds = seconds_of(timeout)
        cdef double deadline = monotonic() + seconds
        cdef short events = flags
        cdef Trampoline trampoline
        cdef zmq_pollitem_t items[2]
        self.usable()
        if self.get_hub is not None:
            trampoline = self.waiter
            return trampoline.poll(self.get_hub, events, seconds)
        if seconds == 0 or (events & ZMQ_POLLIN and self.waiter is not None and self.waiter.returned):
            # Not without the GIL: a thread that computes would not give it back soon.
            return Socket.getsockopt(self, ZMQ_EVENTS) & events
        items[0].events = events
        while poll_in_thread(items, 1, seconds, self) == INTERRUPTED:
            if seconds > 0:
                seconds = max(0, deadline - monotonic())
        self.operated()
        return items[0].revents

    # Monitoring.

    def monitor(self, addr, events=0xFFFF):
        """Have the socket's events sent to an inproc address.

        Parameters
        ----------
        addr : str or bytes or None
            Where a PAIR socket can connect to receive them; None stops.
        events : int
            A combination of `zmq.Event`.

        Raises
        ------
        ZMQError
            EINVAL: no inproc address, or no events. EADDRINUSE: something else is there. EMFILE: too many sockets.

        Notes
        -----
        libzmq waits where it has an event to tell and nobody is connected to the address, or does not read and a
        high-water mark is reached: inside `bind`, `connect` and other calls on this socket, which do not look at
        signals then and hold up a hub, or in a thread of its own, which then serves no other socket. So connect first,
        with a RCVHWM of 0, and stop the monitor before a reader that is none of this package's is closed. A PAIR that
        `Socket.connect` connects to the address is known here: closing or disconnecting it stops the monitor, and
        it gets a RCVHWM of 0 if it comes after this call. `get_monitor_socket` does all of that.
        Source: zmq_socket_monitor(3).
        """
        self.monitor_at(None if addr is None else encoded(addr, "addr"), events, None)
        self.operated()

    cdef int monitor_at(self, bytes address, int events, Socket reader) except -1:
        """Monitor the socket, at an address; None stops."""
        cdef Context context = self.context if isinstance(self.context, Context) else None
        cdef int err, tries = 0
        while True:
            self.usable()
            if reader is not None:
                reader.usable()
            # Either may take another socket.
            if address is None:
                err = stop_monitor(self.handle)
            else:
                err = start_monitor(self.handle, context, address, events, NULL if reader is None else reader.handle)
            if err == 0:
                return 0
            if err != EMFILE or tries == PATIENCE:
                raise_errno(err)
            tries += 1
            await_reaper(self._get_hub)

    def get_monitor_socket(self, events=None, addr=None):
        """Return a PAIR socket that receives the socket's events.

        Parameters
        ----------
        events : int, optional
            A combination of `zmq.Event`; all of them when left out.
        addr : str, optional
            The inproc address to use.

        Returns
        -------
        Socket
            The same one until `disable_monitor`, or until it is closed, which stops the monitor too. Its RCVHWM is 0:
            events that nobody reads are kept, so that no thread of libzmq's has to wait.

        Raises
        ------
        ZMQError
            As in `monitor`; nothing is monitored then.
        """
        self.usable()
        monitor = self.monitor_socket
        if monitor is not None and not monitor.closed:
            return monitor
        if addr is None:
            # libzmq may still hold on to the address of a monitor that was disabled.
            addr = f"inproc://monitor.s-{self.get(SocketOption.FD)}-{next(_monitors)}"
        monitor = self.context.socket(SocketType.PAIR)
        try:
            Socket.setsockopt(monitor, ZMQ_RCVHWM, 0)
            self.monitor_at(encoded(addr, "addr"), Event.ALL if events is None else events, monitor)
        except BaseException:
            monitor.close(0)
            raise
        self.monitor_socket = monitor
        self.operated()
        return monitor

    def disable_monitor(self):
        """Stop monitoring. The monitor's socket still has the events up to MONITOR_STOPPED; its user closes it."""
        # Held until libzmq has told it.
        monitor = self.monitor_socket
        self.monitor_socket = None
        self.monitor(None, 0)
        del monitor

    # Groups (draft).

    def join(self, group):
        """Join a group (DISH, draft).

        Parameters
        ----------
        group : str or bytes

        Raises
        ------
        ZMQVersionError
            This libzmq has no draft API.
        """
        need_draft("join")
        self.usable()
        check(zmq_join(self.handle, encoded(group, "group")))

    def leave(self, group):
        """Leave a group (DISH, draft).

        Parameters
        ----------
        group : str or bytes

        Raises
        ------
        ZMQVersionError
            This libzmq has no draft API.
        """
        need_draft("leave")
        self.usable()
        check(zmq_leave(self.handle, encoded(group, "group")))


add_attributes(Socket)


def made_by(socket_class, Context context not None, socket_type, dict kwargs):
    """Make a socket for `Context.socket`.

    Parameters
    ----------
    socket_class : callable
    context : Context
    socket_type : int
    kwargs : dict
        For `socket_class`.

    Returns
    -------
    (object, bool)
        What `socket_class` returned, and whether it still needs the context's defaults.
    """
    if (
        isinstance(socket_class, type)
        and issubclass(socket_class, Socket)
        and type(socket_class).__call__ is type.__call__
        and find_overrides(socket_class) & SETSOCKOPT
    ):
        # As by a call. What a class has in the place of `setsockopt` may need what its __init__ sets after ours.
        made = socket_class.__new__(socket_class, context, socket_type, **kwargs)
        if isinstance(made, socket_class):
            (<Socket> made).lacks_defaults = True
            type(made).__init__(made, context, socket_type, **kwargs)
    else:
        made = socket_class(context, socket_type, **kwargs)
    return made, not isinstance(made, Socket) or (<Socket> made).is_shadow or (<Socket> made).lacks_defaults


cdef need_draft(str what):
    if not GREENZMQ_DRAFT:
        raise ZMQVersionError("4.2 with its draft API", what)


def no_buffer(number, data):
    """Return the error for a part of a message that can't be sent."""
    shown = describe(data)
    if isinstance(data, str):
        shown += ": encode it first, or use send_string"
    return TypeError(f"Frame {number} ({shown}) does not support the buffer interface.")


cdef bytes encoded(text, str name):
    """Return an address or a group as libzmq takes it."""
    if isinstance(text, str):
        text = encode(text)
    if not isinstance(text, bytes):
        raise TypeError(f"Expected {name} to be str, got {name}={describe(text)}")
    if b"\0" in text:
        raise ValueError(f"{name} {without_user(text)} contains a zero byte")
    return text


cdef several_frames(size_t count):
    """Return the error for a message that should have one frame."""
    return ValueError(f"the next message has {count} frames: receive it with multipart=True")


cdef double seconds_of(timeout) except? -2:
    """Return a time-out of milliseconds in seconds; -1 for none."""
    cdef double milliseconds
    if timeout is None:
        return -1
    milliseconds = timeout
    if milliseconds == -1:
        return -1
    if not milliseconds >= 0:
        raise ValueError(f"a time-out is 0 or more milliseconds, or -1 or None for none; got {timeout!r}")
    return milliseconds / 1000


# Plain threads in zmq_poll. Whoever closes a socket that one of them polls, wakes it and waits until it has come back:
# libzmq would go on with the handle, which is nobody's or somebody else's by then, and could not be woken any more.
cdef list thread_polls = []
os.register_at_fork(after_in_child=thread_polls.clear)


cdef class ThreadPoll:
    """A plain thread in zmq_poll."""

    cdef object what
    cdef void *handle           # of the socket whose bell is waited for, or NULL
    cdef zmq_pollitem_t *items
    cdef int count
    cdef int reader             # an eventfd, or a pipe, that wakes it; or -1
    cdef int writer
    cdef bint woken
    cdef int born
    cdef PyThread_type_lock inside  # who holds it is in libzmq

    def __cinit__(self):
        self.born = wait.generation
        self.reader = self.writer = -1
        self.inside = PyThread_allocate_lock()
        if self.inside == NULL:
            raise MemoryError()

    def __dealloc__(self):
        if self.reader >= 0:
            close_fd(self.reader)
            if self.writer != self.reader:
                close_fd(self.writer)
        if self.inside != NULL:
            PyThread_free_lock(self.inside)

    cdef int open(self) except -1:
        if self.reader < 0:
            try:
                if hasattr(os, "eventfd"):
                    self.reader = self.writer = os.eventfd(0)
                else:
                    self.reader, self.writer = os.pipe()
            except OSError:
                # It polls as well without.
                return 0
        return 0

    cdef ThreadPoll renewed(self):
        """Return one to use next. Who woke this one may still wait until it is out of libzmq."""
        cdef ThreadPoll other
        cdef uint64_t number
        if not self.woken:
            return self
        other = ThreadPoll()
        read(self.reader, &number, sizeof(number))
        other.reader, other.writer = self.reader, self.writer
        self.reader = self.writer = -1
        return other

    cdef int enter(self, double timeout) noexcept:
        """Be in libzmq, without the GIL. Returns how many items are ready, or an error code, negative."""
        cdef long left = -1 if timeout < 0 else <long> (1000 * timeout + 0.999)
        cdef int rc
        # Before others run: nobody else wants it yet.
        PyThread_acquire_lock(self.inside, WAIT_LOCK)
        with nogil:
            rc = zmq_poll(self.items, self.count + (self.reader >= 0), left)
            if rc < 0:
                rc = -zmq_errno()
            PyThread_release_lock(self.inside)
        return rc

    cdef void wake(self) noexcept:
        # What an eventfd takes.
        cdef uint64_t one = 1
        if not self.woken and self.writer >= 0:
            self.woken = True
            write(self.writer, &one, sizeof(one))

    cdef bint polls(self, void *handle) noexcept:
        cdef int i
        cdef bint found = self.handle == handle
        for i in range(self.count):
            if self.items[i].socket == handle:
                found = True
        return found and self.born == wait.generation and self.writer >= 0


# The one that is used next: it costs system calls to make.
cdef ThreadPoll idle_poll = None


cdef void leave_polls(void *handle) noexcept:
    """Have the threads that poll a socket leave libzmq, because the handle is about to be closed."""
    cdef ThreadPoll poll
    for poll in list(thread_polls):
        if poll.polls(handle):
            poll.wake()
            with nogil:
                PyThread_acquire_lock(poll.inside, WAIT_LOCK)
                PyThread_release_lock(poll.inside)


cdef ThreadPoll begin_poll(zmq_pollitem_t *items, int count, what):
    """Have this thread, which waits for `what`, woken by the item that is added after `count`, until `end_poll`."""
    global idle_poll
    cdef ThreadPoll poll
    poll, idle_poll = idle_poll, None
    if poll is None or poll.born != wait.generation:
        poll = ThreadPoll()
    poll.open()
    items[count].socket = NULL
    items[count].fd = poll.reader
    items[count].events = ZMQ_POLLIN
    items[count].revents = 0
    poll.items = items
    poll.count = count
    poll.what = what
    thread_polls.append(poll)
    return poll


cdef int end_poll(ThreadPoll poll) except -1:
    """Undo `begin_poll`."""
    global idle_poll
    poll.handle = NULL
    poll.items = NULL
    poll.count = 0
    poll.what = None
    if poll in thread_polls:
        thread_polls.remove(poll)
    idle_poll = poll.renewed()
    return 0


cdef int wait_for_bell(void *handle, int bell, double timeout, what) except -1:
    """Block this thread until a bell rings, for so many seconds, negative for ever, or until Python code ran."""
    cdef zmq_pollitem_t items[2]
    cdef ThreadPoll poll
    cdef int rc
    items[0].socket = NULL
    items[0].fd = bell
    items[0].events = ZMQ_POLLIN
    poll = begin_poll(items, 1, what)
    poll.handle = handle
    rc = poll.enter(timeout)
    end_poll(poll)
    if rc >= 0:
        return 0
    if rc != -EINTR:
        raise_errno(-rc)
    return PyErr_CheckSignals()


cdef void wake_thread(what) noexcept:
    """Have the thread look anew that waits in `poll_in_thread` for `what`."""
    cdef ThreadPoll poll
    for poll in list(thread_polls):
        if poll.what is what:
            poll.wake()


cdef bint read_handles(zmq_pollitem_t *items, int count, what) except -1:
    """Store the handles of what is polled, and tell whether one of the sockets need not be waited for."""
    cdef int i
    cdef list several = what if isinstance(what, list) else None
    for i in range(count):
        polled = what if several is None else several[i]
        if isinstance(polled, Socket):
            (<Socket> polled).usable()
            items[i].socket = (<Socket> polled).handle
    return add_returned(items, count, what)


cdef bint add_returned(zmq_pollitem_t *items, int count, what) noexcept:
    """Add POLLIN where a cancelled receive gave a message back, of which libzmq knows nothing; tell whether one did."""
    cdef int i
    cdef Socket socket
    cdef bint found = False
    cdef list several = what if isinstance(what, list) else None
    for i in range(count):
        polled = what if several is None else several[i]
        if items[i].events & ZMQ_POLLIN and isinstance(polled, Socket):
            socket = polled
            if socket.waiter is not None and socket.waiter.returned:
                items[i].revents |= ZMQ_POLLIN
                found = True
    return found


cdef int poll_in_thread(zmq_pollitem_t *items, int count, double timeout, what) except -1:
    """Call zmq_poll, without the GIL if it may wait; `timeout` in seconds, negative for none.

    `what` the items stand for is a Socket, or a list with a Socket or descriptor for each item; the handles of sockets
    are filled in here, once no more Python can run. Of anything else the caller knows. There is room for one item
    more than `count`.

    Returns how many items are ready, or INTERRUPTED when Python code ran that may have changed anything: a signal's
    handler, or another thread that closed one of the sockets. The caller looks anew then, for the time that is left.
    """
    cdef ThreadPoll poll
    cdef int rc
    wait.stirs += 1
    if timeout == 0:
        # Not without the GIL, see `Socket.poll`.
        read_handles(items, count, what)
        rc = zmq_poll(items, count, 0)
        if rc < 0:
            rc = -zmq_errno()
    else:
        wait.block(what)
        try:
            poll = begin_poll(items, count, what)
            try:
                rc = poll.enter(0 if read_handles(items, count, what) else timeout)
            finally:
                end_poll(poll)
        finally:
            wait.unblock()
        if poll.woken:
            rc = -EINTR
    if rc >= 0:
        add_returned(items, count, what)
        return rc
    if rc != -EINTR:
        raise_errno(-rc)
    PyErr_CheckSignals()
    return INTERRUPTED


# For annotations: what blocks the caller, as opposed to `zmq.asyncio`.
SyncSocket = Socket[bytes]
SyncContext = Context[SyncSocket]
