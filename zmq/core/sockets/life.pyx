"""The life of a socket: how it is made, shared, closed and forgotten.

Lives here: the fields of a socket, the list of all that live, shadows and owners. What must not: how messages are sent
or received, options and addresses. The first base of `zmq.core.socket.Socket`, whose other bases build on it.
"""

import warnings
import weakref

from cpython.object cimport PyObject
from libc.errno cimport EBUSY
from posix.unistd cimport usleep

from zmq.core cimport context as contexts
from zmq.core.check cimport raise_errno
from zmq.core.context cimport Context, address_of, checked_name, public_name
from zmq.core.libzmq cimport (
    ENOTSOCK,
    ZMQ_BACKLOG,
    ZMQ_DEALER,
    ZMQ_LINGER,
    ZMQ_PAIR,
    ZMQ_PUSH,
    ZMQ_REQ,
    ZMQ_TYPE,
    zmq_errno,
    zmq_getsockopt,
    zmq_setsockopt,
    zmq_version,
)
from zmq.core.sockets cimport overrides
from zmq.core.sockets.label cimport Label
from zmq.core.sockets.monitors cimport close_handle, forget_handle
from zmq.core.waiting cimport budget, fork_generation, owner_interface
from zmq.core.waiting.wakeable_threads cimport leave_polls
from zmq.core.waiting.counters cimport Traffic
from zmq.core.waiting.trampoline cimport Trampoline, known_trampoline, trampoline_of
from zmq.core.waiting.owner_interface cimport Owner

from zmq.core.constants import Errno, SocketOption, SocketType
from zmq.core.error import ZMQError

cdef enum:
    AWHILE = 10     # microseconds: about as long as an attempt takes
    # How many peers may wait to be let in; the system cuts it to net.core.somaxconn (listen(2)).
    LISTEN_QUEUE = 65535

# Whether this libzmq wants the rest of a message whose pipe died, see `zmq.core.messages.whole_message_attempts`.
cdef bint libzmq_drops = False


def _ask_version():
    global libzmq_drops
    cdef int major, minor, patch
    zmq_version(&major, &minor, &patch)
    libzmq_drops = (major, minor, patch) >= (4, 3, 3)


_ask_version()

# Those whose message is dropped where it finds the queue of a peer full, see `Sending.look_for_room`.
cdef frozenset drop_when_full = frozenset(
    (SocketType.PUB, SocketType.XPUB, SocketType.XSUB, SocketType.ROUTER, SocketType.RADIO)
)

# Weak references to all sockets by their address. A plain dict can be copied while other threads make sockets.
cdef dict living = {}

# How many of them are shadows. While there are none, no two have the same handle.
cdef long count_shadows = 0


def _open_sockets():
    """Return what is known of the sockets that are open in this process, each once, whatever its shadows are.

    Returns
    -------
    list of (Socket, int, str or None, list of str, list of str, int, bool)
        The socket, the address of its handle, its name, where it is bound and connected, how many shadows it has, and
        whether a proxy has it to itself.
    """
    cdef Life socket, known
    cdef size_t handle
    cdef dict found = {}
    cdef dict counts = {}
    for socket in living_sockets():
        if not (is_usable(socket) or is_owned(socket)):
            continue
        handle = <size_t> socket.handle
        counts[handle] = counts.get(handle, 0) + socket.is_shadow
        known = found.get(handle)
        if known is None or known.is_shadow and not socket.is_shadow:
            found[handle] = socket
    listed = []
    for address, socket in found.items():
        label = socket.label
        listed.append((
            socket,
            address,
            None if label is None or not isinstance((<Label> label).name, str) else (<Label> label).name,
            [] if label is None else [pair[1] for pair in (<Label> label).bound],
            [] if label is None else [pair[1] for pair in (<Label> label).connected],
            counts[address],
            is_owned(socket),
        ))
    return listed


def living_sockets():
    """Return the sockets that are not collected yet.

    Returns
    -------
    list of Socket
    """
    return [socket for reference in list(living.values()) if (socket := reference()) is not None]


cdef list sockets_at(void *handle):
    """Return all sockets for a handle: the original and its shadows; none while nothing has a shadow."""
    cdef Life socket
    cdef size_t address
    found = []
    if not count_shadows:
        return found
    # Weak references to what is about to be collected are dead before the first of its finalizers runs, which may use
    # the others. Nothing in this loop lets other code run, so no socket goes meanwhile.
    for address in living:
        # One without references is being freed.
        if (<PyObject *> address).ob_refcnt > 0:
            socket = <Life> <void *> address
            # Those of the parent of a fork may have had the same.
            if socket.handle == handle and (is_usable(socket) or is_owned(socket)):
                found.append(socket)
    return found


def close_unreachable(Context context not None, linger):
    """Close the sockets of a context that are about to be collected, so that only finalizers can reach them.

    Nobody else will before the finalizer returns that ends the context, which waits for its sockets.

    Parameters
    ----------
    context : Context
    linger : int, optional
        As for `Socket.close`.
    """
    cdef Life socket
    cdef Context maker
    cdef size_t address
    found = []
    # As in `sockets_at`. What has no references is being freed, and closed.
    for address, reference in living.items():
        if reference() is None and (<PyObject *> address).ob_refcnt > 0:
            socket = <Life> <void *> address
            maker = socket.maker
            if maker is context or (maker is not None and maker.handle == context.handle and not context.is_shadow):
                found.append(socket)
    for socket in found:
        close_with(socket, linger)


def close_all(Context context not None, linger):
    """Close the sockets of a context, those that only finalizers can reach too.

    Parameters
    ----------
    context : Context
    linger : int, optional
        As for `Socket.close`.
    """
    for socket in list(context._sockets):
        if not socket.closed:
            close_with(socket, linger)
    context._sockets.clear()
    close_unreachable(context, linger)


cdef int close_with(socket, linger) except -1:
    """Close what a context lists. A `close` that is not ours, of a class or of one socket, need not know of LINGER."""
    cdef int milliseconds
    if linger is None:
        socket.close()
    elif not isinstance(socket, Life) or "close" not in socket.__dict__ and type(socket).close is overrides.own_close:
        socket.close(linger)
    else:
        milliseconds = linger
        try:
            socket.set(SocketOption.LINGER, milliseconds)
        except ZMQError:
            # One that LINGER does not take changes nothing, and keeps no socket open.
            pass
        socket.close()
    return 0


cdef int renew_overrides(Life socket) except -1:
    """Look anew for methods that are replaced; return which."""
    socket.overrides = overrides.find_overrides_of(socket)
    socket.type_version = type_version(socket)
    return socket.overrides


contexts.close_all = close_all
contexts.close_unreachable = close_unreachable


cdef class Life(MixedCase):
    """A socket that is made and closed."""

    def __cinit__(self):
        self.handle = NULL
        self.born = GONE
        self.traffic = Traffic()

    def __init__(self, ctx_or_socket=None, socket_type=ZMQ_PAIR, *, shadow=None, copy_threshold=None, name=None):
        global count_shadows
        cdef int number = -1
        cdef size_t size = sizeof(int)
        cdef size_t address = 0
        cdef Context context = None
        cdef Trampoline known
        cdef Life socket
        cdef void *handle
        self.refuse_second()
        self.own_threshold = -1
        if copy_threshold is not None:
            self.copy_threshold = copy_threshold
        if name is not None:
            self.call(checked_name(self, name, overrides.socket_class))
        self.overrides |= overrides.find_overrides(type(self))
        self.type_version = type_version(self)
        self.frame_class = self._frame_class
        self.package_threshold = self.frame_class._threshold
        if isinstance(ctx_or_socket, Life):
            shadow = ctx_or_socket
        if shadow:
            address = address_of(shadow)
            if address == 0:
                raise ZMQError(Errno.ENOTSOCK, "the socket to make a shadow of is closed")
            maker = getattr(shadow, "context", None)
            self.refuse_second()
            self.original = shadow if isinstance(shadow, Life) else None
            self.context = maker
            if zmq_getsockopt(<void *> address, ZMQ_TYPE, &number, &size) != 0:
                raise_errno(zmq_errno())
        else:
            if not isinstance(ctx_or_socket, Context):
                raise TypeError(f"a Socket is made of a Context and a type, not of {ctx_or_socket!r}")
            context = ctx_or_socket
            number = socket_type
            self.refuse_second()
            self.context = self.maker = context
        try:
            self.socket_type = SocketType(number)
        except ValueError:
            self.socket_type = number
        self.drops = libzmq_drops and number in (ZMQ_PUSH, ZMQ_DEALER, ZMQ_REQ)
        if number in drop_when_full:
            self.traffic.next_look = 0
        self.refuse_second()
        # What ran so far may have closed the socket or terminated the context. From here on nothing but C runs, until
        # the context and `living` know of the socket.
        if context is None:
            if self.original is not None and (<Life> self.original).handle != <void *> address:
                raise ZMQError(Errno.ENOTSOCK)
            handle = <void *> address
            self.is_shadow = True
        else:
            if context.handle == NULL:
                raise ZMQError(Errno.ETERM, "the context is terminated")
            context.usable()
            handle = context.make_socket(number, self._get_hub)
            if self.handle != NULL:
                # It may have waited for the reaper.
                close_handle(handle)
                self.refuse_second()
        self.handle = handle
        self.born = fork_generation.current
        self.traffic.socket_type = number
        try:
            if context is not None:
                forget_handle(handle)
                known = known_trampoline(handle)
                if known is not None:
                    # Of a socket that was here before, whose owner closed it without a word.
                    for socket in living_sockets():
                        if socket.handle == handle:
                            socket.drop_handle()
                    known.lose()
                context._sockets.add(self)
            else:
                self.share_trampoline()
            living[<size_t> <void *> self] = weakref.ref(self)
            count_shadows += self.is_shadow
            if self.is_shadow:
                self.share_traffic()
                self.share_label()
                known = known_trampoline(handle)
                if known is not None and known.owner is not None and known.owner.born == fork_generation.current:
                    known.owner.admit(self)
                    self.owner = known.owner
                    self.born = owner_interface.OWNED
            self._choose_hub()
            if context is not None:
                # Of those over libzmq's own 100 that connect at once, each would try again only after a second.
                number = LISTEN_QUEUE
                zmq_setsockopt(handle, ZMQ_BACKLOG, &number, sizeof(int))
                self.take_defaults(context)
                if context.watches:
                    context.watch_peers_of(self)
        except BaseException:
            if self.handle != NULL and not self.is_shadow:
                self.let_go(handle)
                close_handle(handle)
            self.handle = NULL
            self.born = GONE
            raise

    cdef int refuse_second(self) except -1:
        """Raise where the socket was made already: arguments may run code that does so."""
        if self.handle != NULL:
            raise RuntimeError("a Socket is made once")
        return 0

    cdef int take_defaults(self, Context context) except -1:
        """The socket is one of the context's, which has defaults for it."""
        if self.defaults_pending or not context.sockopts:
            return 0
        for option, value in context.defaults_for(self.socket_type):
            try:
                overrides.socket_class.setsockopt(self, option, value)
            except ZMQError:
                # It means nothing for this type of socket.
                pass
        return 0

    def _choose_hub(self):
        """Park in, or block as, the class says now."""
        self.get_hub = self._get_hub
        is_open = self.born in (fork_generation.current, owner_interface.OWNED)
        if is_open and self.get_hub is not None and self.trampoline is None:
            self.meet_trampoline()

    def __del__(self):
        if self.handle == NULL or self.is_shadow or not is_usable(self):
            return
        if contexts.exiting:
            # That a socket is left at the end is no mistake, and what errors are printed with may be gone.
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
        # What is compiled has no frame: this one is where the last reference went.
        warnings.warn(f"Unclosed socket {shown}", ResourceWarning, stacklevel=1, source=self)

    def __dealloc__(self):
        global count_shadows
        if living is not None and living.pop(<size_t> <void *> self, None) is not None:
            count_shadows -= self.is_shadow
        if self.handle != NULL and not self.is_shadow and is_usable(self):
            close_handle(self.handle)

    cdef int usable(self) except -1:
        """Raise unless the socket can be used here."""
        if is_usable(self):
            return 0
        if is_owned(self):
            raise ZMQError(EBUSY, "a proxy that runs has this socket to itself")
        if self.handle != NULL and self.born != GONE:
            raise ZMQError(
                Errno.ENOTSOCK, "this socket was made before a fork: make a new Context and Socket in the child"
            )
        raise ZMQError(Errno.ENOTSOCK)

    def close(self, linger=None):
        """Close the socket. Calls that wait for it raise ``ZMQError(ENOTSOCK)``; futures are cancelled.

        It is never refused. While a call waits for the socket in a hub that runs in another thread, it is that thread
        that closes it, as soon as its hub runs.

        Parameters
        ----------
        linger : int, optional
            Milliseconds; set as LINGER first. For how long what was sent may wait to go out; -1 for ever. One that
            LINGER does not take changes nothing.

        Notes
        -----
        Source: zmq_close(3). A socket that was made before a fork is only forgotten in the child.
        """
        cdef int milliseconds = 0
        cdef int err = 0
        cdef void *handle
        cdef Owner owner
        cdef Trampoline trampoline
        if linger is not None:
            milliseconds = linger
        if self.handle == NULL:
            return
        while is_owned(self):
            # It is gone as soon as it has given the sockets back: `owner` keeps it. Another thread may have made the
            # next one by then: who runs a proxy in a loop learns of the close only after it.
            owner = self.owner
            owner.stop()
        # Two threads may close it, and so may what runs while it is being closed.
        handle = self.handle
        if handle == NULL:
            return
        if not is_usable(self):
            self.handle = NULL
            self.born = GONE
            return
        if linger is not None:
            # One that LINGER does not take changes nothing, and keeps no socket open.
            zmq_setsockopt(handle, ZMQ_LINGER, &milliseconds, sizeof(int))
        # What waits for a shadow waits for this socket.
        trampoline = known_trampoline(handle) if self.trampoline is None else self.trampoline
        # From here on no other call has the handle, whatever runs, and nothing that is raised loses it.
        self.let_go(handle)
        self.await_attempts()
        if trampoline is None or trampoline.close():
            leave_polls(handle)
            err = close_handle(handle)
        # A caller that reads its monitor has a reference of its own.
        self.monitor_socket = None
        if err and err != ENOTSOCK:
            raise_errno(err)

    cdef void await_attempts(self) noexcept:
        """Wait until no thread is in libzmq with this socket for an attempt that it makes without the GIL."""
        while self.traffic.outside:
            with nogil:
                usleep(AWHILE)

    cdef int let_go(self, void *handle) except -1:
        """Be closed, with all others for this handle."""
        cdef Life socket
        cdef list shadows = sockets_at(handle)
        self.drop_handle()
        for socket in shadows:
            socket.drop_handle()
        return 0

    cdef int drop_handle(self) except -1:
        """Have no handle any more."""
        self.handle = NULL
        self.born = GONE
        if self.maker is not None:
            self.maker._sockets.discard(self)
        return 0

    def __enter__(self):
        return self

    def __exit__(self, *args):
        self.close()

    def __repr__(self):
        kind = self.socket_type.name if isinstance(self.socket_type, SocketType) else str(self.socket_type)
        named = "" if self.label is None or self.label.name is None else f" {self.label.name!r}"
        return f"<{public_name(type(self))}(zmq.{kind}){named} at {hex(id(self))}{' closed' if self.closed else ''}>"

    @property
    def name(self):
        """str or None : what the socket is called where it is shown: errors, warnings, `statistics`; shadows share it.

        Raises
        ------
        TypeError
            It was set to something else.
        """
        return None if self.label is None else self.label.name

    @name.setter
    def name(self, value):
        self.call(checked_name(self, value, overrides.socket_class))

    @property
    def type(self):
        """SocketType : what `Context.socket` was asked for, also of a closed socket; an int where it has no name."""
        return self.socket_type

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
        if not is_usable(self):
            return False
        if zmq_getsockopt(self.handle, ZMQ_TYPE, &number, &size) != 0 and zmq_errno() == Errno.ENOTSOCK:
            return True
        return False

    @classmethod
    def shadow(cls, address):
        """Return a socket for one that other code made.

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

    def __copy__(self):
        """Return a shadow of this socket."""
        return type(self)(self)

    def __deepcopy__(self, memo):
        return self.__copy__()

    @property
    def _shadow(self):
        return self.is_shadow

    @property
    def _shadow_obj(self):
        return self.original

    cdef int share_trampoline(self) except -1:
        """Tell all sockets of this handle of its trampoline: an operation on one may swallow the news of another."""
        cdef Life other
        cdef Trampoline known = known_trampoline(self.handle)
        self.meet_trampoline()
        if self.trampoline is known:
            return 0
        for other in living_sockets() if self.original is None else [self.original]:
            if other.handle == self.handle and is_usable(other):
                other.trampoline = self.trampoline
        return 0

    cdef Label labelled(self):
        """Return the label, for a caller that writes on it."""
        cdef Life other
        if self.label is None:
            self.label = Label()
            if self.handle != NULL:
                for other in sockets_at(self.handle):
                    other.label = self.label
        return self.label

    cdef int call(self, name) except -1:
        """Give the socket a name."""
        self.labelled().name = name
        self.traffic.rename(name)
        return 0

    cdef int share_label(self) except -1:
        """Be called, as a new shadow, what the others for this handle are called; unless it was given a name."""
        cdef Life other
        cdef Label own = self.label
        for other in sockets_at(self.handle):
            if other is not self and other.label is not None:
                self.label = other.label
                break
        if own is not None and own is not self.label:
            self.call(own.name)
        elif own is not None:
            for other in sockets_at(self.handle):
                other.label = own
            self.traffic.rename(own.name)
        return 0

    cdef int share_traffic(self) except -1:
        """Count, as a new shadow, with the others for this handle."""
        cdef Life other
        for other in sockets_at(self.handle):
            if other is not self:
                # Nothing was counted here.
                self.traffic.socket_type = -1
                self.traffic = other.traffic
                break
        self.trampoline.traffic = self.traffic
        return 0

    def counters(self):
        """Return what went through this socket and its shadows so far, and how its calls had to wait.

        Returns
        -------
        dict
            ``messages_sent``, ``messages_received``
                Whole messages, of however many frames, that libzmq took or gave. A PUB's are counted whether or not
                anybody subscribed to them.
            ``bytes_sent``, ``bytes_received``
                Those of all frames; without what the transport adds.
            ``send_again``, ``receive_again``
                Calls that raised `Again`: with NOBLOCK, or when their time ran out.
            ``send_waits``, ``receive_waits``
                Calls that had to wait, and have ended, with or without success.
            ``send_wait_seconds``, ``receive_wait_seconds``
                For how long all of these waited.
            ``longest_send_wait``, ``longest_receive_wait``
                For how many seconds the one waited that waited longest.
            ``peers``
                None until `watch_peers` was called; then a dict of what was told since.

                ``watched``
                    Whether it still is.
                ``connected``, ``accepted``
                    Connections that this socket made, and that others made to it.
                ``ready``
                    Those of both that came to terms; libzmq tells that from 4.3 on.
                ``disconnected``
                    Those that broke or were closed by the peer, ready or not.
                ``retried``, ``not_accepted``
                    Attempts to connect that were put off to a later one, and to accept that failed.
                ``refused``
                    Those that came to no terms, a dict by the reason: ``authentication``, ``mechanism`` (one has
                    CURVE and the other has not), ``cryptographic`` (it can't be deciphered), ``protocol`` (it is
                    malformed), ``zap`` (the authenticator's answer is), ``unknown`` (it went away, or speaks
                    something else).

        Notes
        -----
        A closed socket keeps what was counted. Who waits now is in `zmq.statistics`, and polls are not counted. A
        message that a cancelled receive gave back is counted once, when it first came. What a proxy moves is counted at
        all of its sockets. Each look of a `ZMQStream` that finds no message, or no room, raises an `Again` there.
        """
        return self.traffic.as_dict()

    cdef Trampoline waited(self):
        """Return the trampoline, for a caller that wants to hear of this socket."""
        if self.trampoline is None:
            self.usable()
            self.meet_trampoline()
        return self.trampoline

    cdef int meet_trampoline(self) except -1:
        """Have the trampoline of the handle, which counts the waits of this socket."""
        self.trampoline = trampoline_of(self.handle)
        self.trampoline.traffic = self.traffic
        return 0

    cdef int operated(self) except -1:
        """After an operation that may have processed commands."""
        budget.stirs += 1
        if self.trampoline is not None and self.trampoline.interest:
            self.trampoline.notify()
        return 0


cdef bint takes_name(maker) except -1:
    """Tell whether what makes a socket may be given a `name`: classes of programs need not know of it.

    One that has a parameter of this name gets it, whatever it means there; so does one that passes on what it does not
    know to others that may.
    """
    from inspect import signature
    functions = [maker]
    if isinstance(maker, type):
        functions = []
        for base in maker.__mro__:
            if issubclass(base, Life) and base.__module__.startswith("zmq."):
                break
            functions += [vars(base)[method] for method in ("__new__", "__init__") if method in vars(base)]
    for function in functions:
        try:
            parameters = signature(getattr(function, "__func__", function)).parameters
        except (TypeError, ValueError):
            continue
        if "name" in parameters:
            return True
        if not any([each.kind is each.VAR_KEYWORD for each in parameters.values()]):
            return False
    return True


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
    name = kwargs.get("name")
    if name is not None and not takes_name(socket_class):
        del kwargs["name"]
    if (
        isinstance(socket_class, type)
        and issubclass(socket_class, Life)
        and type(socket_class).__call__ is type.__call__
        and overrides.find_overrides(socket_class) & overrides.SETSOCKOPT
    ):
        # As by a call. What a class has in the place of `setsockopt` may need what its __init__ sets after ours.
        made = socket_class.__new__(socket_class, context, socket_type, **kwargs)
        if isinstance(made, socket_class):
            (<Life> made).defaults_pending = True
            type(made).__init__(made, context, socket_type, **kwargs)
    else:
        made = socket_class(context, socket_type, **kwargs)
    if name is not None and isinstance(made, Life) and (<Life> made).labelled().name is None:
        (<Life> made).call(checked_name(made, name, overrides.socket_class))
    return made, not isinstance(made, Life) or (<Life> made).is_shadow or (<Life> made).defaults_pending


contexts.made_by = made_by
