"""`Context`: the container of sockets and of libzmq's I/O threads.

Lives here: making, configuring and ending contexts, and their shadows. What must not: what sockets do; what the child
of a fork may do with one (`zmq.core.contexts.use_after_fork`); and what needs no context, which is in
`zmq.core.contexts` too. Called by users and by `zmq.core.socket`.
"""

import atexit
import warnings
import weakref
from types import GenericAlias

from cpython.exc cimport PyErr_CheckSignals
from cpython.object cimport PyObject, PyObject_GenericSetAttr
from cpython.unicode cimport PyUnicode_FromObject
from libc.errno cimport EINTR, EINVAL, EMFILE, errno

from zmq.core.check cimport check, raise_errno
from zmq.core.contexts.making cimport PATIENCE, await_reaper, can_start_threads, has_ended, new_context, setting
from zmq.core.contexts.members cimport Members
from zmq.core.contexts.termination_threads cimport await_terminations, terminate_in_background
from zmq.core.contexts.use_after_fork cimport UseAfterFork, terminating
from zmq.core.libzmq cimport (
    ZMQ_IO_THREADS,
    ZMQ_PAIR,
    zmq_ctx_get,
    zmq_ctx_set,
    zmq_ctx_term,
    zmq_errno,
    zmq_poll,
)
from zmq.core.sockets.option_attributes cimport option_named, read_attribute
from zmq.core.waiting cimport fork_generation, who_waits
from zmq.core.waiting.sleeper cimport let_run, wait_readable
from zmq.core.waiting.trampoline cimport close_left
from zmq.core.waiting.wakeable_threads cimport wait_for_bell

from zmq.core._text import describe
from zmq.core.constants import ContextOption, Errno, SocketOption, SocketType
from zmq.core.contexts.termination_threads import Termination, new_termination
from zmq.core.error import ContextTerminated, ZMQError

cdef extern from "waiting/quiet_threads.h" nogil:
    void *new_socket "greenzmq_socket"(void *context, int type)

cdef enum:
    PAGE = 4096     # no object has an address below
    TERM_PAUSE = 5  # milliseconds between two looks at whether another thread has terminated a context

#: Seconds for which the end of the interpreter waits for contexts that were dropped without `term`.
EXIT_LINGER = 5.0

exiting = False
close_all = close_unreachable = made_by = None


cdef bint closed_lately() except -1:
    """Tell whether sockets were closed that the reaper may not have come to, on a machine that is busy."""
    from zmq.core.sockets.monitors import closed_lately
    return closed_lately()


def _await_terminations():
    global exiting
    exiting = True
    await_terminations(EXIT_LINGER)


atexit.register(_await_terminations)


# The addresses of all contexts, shadows included. Not weak references: those to what is about to be collected are dead
# before the first of its finalizers runs, which may use the others.
cdef set living = set()


cdef list contexts_at(void *handle):
    """Return all contexts for what libzmq calls one: the original and its shadows."""
    cdef Context context
    cdef size_t address
    found = []
    # Nothing in this loop lets other code run, so no context goes meanwhile.
    for address in living:
        # One without references is being freed.
        if (<PyObject *> address).ob_refcnt > 0:
            context = <Context> <void *> address
            if context.handle == handle:
                found.append(context)
    return found


def _living_contexts():
    """Return the contexts of this process that are not terminated, each once.

    Returns
    -------
    list of (Context, str or None, bool)
        With its name, and whether it is being terminated.
    """
    cdef Context context
    cdef size_t address
    cdef list contexts = []
    cdef dict found = {}
    # As in `contexts_at`.
    for address in living:
        if (<PyObject *> address).ob_refcnt > 0:
            contexts.append(<Context> <void *> address)
    for context in contexts:
        if context.born != fork_generation.current or context.handle == NULL and context.termination is None:
            continue
        # One that is terminated in a hub has no handle any more.
        key = <size_t> context.handle or id(context)
        if key not in found or not context.is_shadow:
            found[key] = context
    return [
        (
            context,
            context.called if isinstance(context.called, str) else None,
            context.termination is not None or <size_t> context.handle in terminating,
        )
        for context in found.values()
        if not context.closed
    ]


cdef Context original_at(void *handle):
    """Return the context that is no shadow, where it is known."""
    cdef Context context
    for context in contexts_at(handle):
        if not context.is_shadow:
            return context
    return None


cdef int forget_handle(void *handle) except -1:
    """Nobody uses libzmq's context any more: it is freed, or about to be."""
    cdef Context context
    terminating.discard(<size_t> handle)
    for context in contexts_at(handle):
        if context.born == fork_generation.current:
            context.handle = NULL
    return 0


cdef class Context(UseAfterFork):
    """Context(io_threads=1, shadow=None, *, name=None)
--

    A container of sockets, with its I/O threads.

    Parameters
    ----------
    io_threads : int or Context
        How many I/O threads libzmq uses for the sockets; or a context to make a shadow of.
    shadow : Context or int, optional
        A context, or its address, that somebody else made and will terminate; 0 is none.
    name : str, optional
        What it is called where it is shown; see `name`.

    Raises
    ------
    ZMQError
        EINVAL: `io_threads` is negative.
    TypeError
        `name` is no str.

    Notes
    -----
    Attributes named like a `zmq.ContextOption` get and set that option; those named like a `zmq.SocketOption`
    are defaults for the sockets that are made from then on. A context that is garbage collected is terminated in
    the background; the end of the interpreter waits up to 5 seconds for it. `term` honours LINGER fully.
    Source: zmq_ctx_new(3).

    Examples
    --------
    >>> with zmq.Context() as ctx, ctx.socket(zmq.PUSH) as push:
    ...     push.connect("tcp://127.0.0.1:5555")
    """

    #: Returns the hub to park in; None blocks the thread.
    _get_hub = None

    #: What `instance` returned last.
    _instance = None

    #: What `socket` makes: `zmq.core.socket`, which this can't import, puts its own class here.
    _socket_class = None

    def __init__(self, io_threads=1, shadow=None, *, name=None):
        cdef size_t address
        cdef Context other
        cdef int threads
        cdef void *handle
        self.refuse_second()
        if name is not None:
            self.called = checked_name(self, name, Context)
        self._sockets = Members()
        self.sockopts = {}
        living.add(<size_t> <void *> self)
        if isinstance(io_threads, Context):
            shadow = io_threads
        if shadow:
            address = address_of(shadow)
            if address == 0:
                raise ZMQError(Errno.EFAULT, "the context to make a shadow of is terminated")
            self.refuse_second()
            self.handle = <void *> address
            self.is_shadow = True
            self.original = shadow if hasattr(shadow, "underlying") else None
            origin = shadow if isinstance(shadow, Context) else original_at(self.handle)
            if origin is not None and (<Context> origin).handle == self.handle:
                self.origin = weakref.ref(origin)
            for other in contexts_at(self.handle):
                if name is not None:
                    other.called = self.called
                elif other is not self and other.called is not None:
                    self.called = other.called
            return
        # Half of the processors is a float.
        threads = setting(ZMQ_IO_THREADS, int(io_threads) if isinstance(io_threads, float) else io_threads)
        handle = new_context(self._get_hub)
        if <size_t> handle in terminating:
            # It was freed, and the thread that terminated it did not come to say so yet.
            forget_handle(handle)
        try:
            check(zmq_ctx_set(handle, ZMQ_IO_THREADS, threads))
            self.refuse_second()
            self.note(ZMQ_IO_THREADS, threads)
        except BaseException:
            zmq_ctx_term(handle)
            raise
        self.handle = handle

    __class_getitem__ = classmethod(GenericAlias)

    def __del__(self):
        """Terminate in the background: a garbage collector must not wait."""
        cdef void *handle = self.handle
        if handle == NULL or self.is_shadow:
            return
        if self.born != fork_generation.current:
            self.drop_inherited()
            return
        # What it is made of may be gone when the interpreter ends.
        shown = None if exiting else repr(self)
        forget_handle(handle)
        if self.termination is None:
            terminate_in_background(handle)
        if shown is not None:
            warnings.warn(f"Unclosed context {shown}", ResourceWarning, stacklevel=1, source=self)

    def __dealloc__(self):
        if living is not None:
            living.discard(<size_t> <void *> self)

    def __repr__(self):
        count = len(self._sockets) if self._sockets is not None else 0
        sockets = f"{count} socket{'' if count == 1 else 's'}" if count else ""
        named = "" if self.called is None else f" {self.called!r}"
        return f"<{public_name(type(self))}({sockets}){named} at {hex(id(self))}{' closed' if self.closed else ''}>"

    @property
    def name(self):
        """str or None : what the context is called where it is shown: errors, warnings, `statistics`; shadows share it.

        Raises
        ------
        TypeError
            It was set to something else.
        """
        return self.called

    @name.setter
    def name(self, value):
        cdef Context other
        self.called = checked_name(self, value, Context)
        if self.handle != NULL:
            for other in contexts_at(self.handle):
                other.called = value

    def watch_peers(self):
        """Count the peers of all its sockets, those that will be made too: see `Socket.watch_peers`.

        Left out are PAIRs, and sockets that the program monitors; and those for which there are no descriptors, or too
        many sockets: ``counters()["peers"]`` says of each whether it is watched. Shadows of the context have a setting
        of their own.
        """
        self.watches = True
        for socket in list(self._sockets):
            self.watch_peers_of(socket)

    cdef int watch_peers_of(self, socket) except -1:
        if socket.type != ZMQ_PAIR:
            try:
                socket.watch_peers()
            except ZMQError:
                pass
        return 0

    def __enter__(self):
        return self

    def __exit__(self, *args):
        left = [socket for socket in self._sockets if not socket.closed]
        try:
            if left:
                warnings.warn(f"{self} has unclosed sockets: {left}", ResourceWarning, stacklevel=1, source=self)
        finally:
            self.destroy()

    def __dir__(self):
        return [*object.__dir__(self), *ContextOption.__members__, *(option.name for option in self.sockopts or ())]

    def __copy__(self):
        """Return a shadow of this context."""
        return type(self).shadow(self.underlying)

    def __deepcopy__(self, memo):
        return self.__copy__()

    cdef int usable(self) except -1:
        if self.handle == NULL:
            if not self.closed:
                raise ContextTerminated(msg="the context is being terminated")
            raise ZMQError(Errno.ENOTSUP if self._sockets is None else Errno.EFAULT, "the context is terminated")
        if self.born != fork_generation.current and not self.renew():
            raise ZMQError(Errno.EFAULT, "this context was used before a fork: make a new one in the child")
        if terminating and <size_t> self.handle in terminating:
            raise ContextTerminated(msg="the context is being terminated")
        return 0

    # Sockets of libzmq's.

    cdef int try_socket(self, int number, void **handle) except -1:
        """Make a socket of libzmq's, if it can. Returns 0 or an error code."""
        cdef Context root = self.root()
        cdef bint scheduling = False
        cdef int err
        if not root.started:
            err = can_start_threads(root.handle, root.settings, root.cpus, &scheduling)
            if scheduling:
                raise ZMQError(
                    err, "the threads of this context may not run as THREAD_SCHED_POLICY, THREAD_PRIORITY or "
                    "THREAD_AFFINITY_CPU_ADD say"
                )
            if err:
                return err
            root.started = True
        handle[0] = new_socket(self.handle, number)
        return 0 if handle[0] != NULL else zmq_errno()

    cdef void *make_socket(self, int number, get_hub) except NULL:
        """Make a socket of libzmq's. The only way to one: libzmq ends the process where it can't start its threads.

        Sockets that were closed are still open until libzmq's reaper comes to them: where descriptors, or the sockets
        of a context, are short, it is waited for.
        """
        cdef void *handle = NULL
        cdef int err, tries = 0
        while True:
            self.usable()
            err = self.try_socket(number, &handle)
            if err == 0:
                return handle
            if err == EINVAL:
                raise ZMQError(EINVAL, f"Invalid argument: {number} is not a socket type of this libzmq")
            if err != EMFILE or tries >= PATIENCE and not (tries < 10 * PATIENCE and closed_lately()):
                raise_errno(err)
            tries += 1
            await_reaper(get_hub)

    @property
    def underlying(self):
        """int : the address of libzmq's context."""
        if self.handle != NULL and self.born != fork_generation.current:
            self.renew()
        self.exposed = True
        return <size_t> self.handle

    @property
    def closed(self):
        """bool : whether the context was terminated."""
        return self.handle == NULL and (self.termination is None or self.termination.is_over())

    @property
    def _shadow(self):
        return self.is_shadow

    @property
    def _shadow_obj(self):
        return self.original

    @classmethod
    def shadow(cls, address):
        """Return a context for one that somebody else made.

        Parameters
        ----------
        address : int, pointer of ctypes or cffi, or Context
            Its address, or the context itself.

        Returns
        -------
        Context
            It does not terminate the original when it is collected.
        """
        return cls(shadow=address)

    @classmethod
    def shadow_pyczmq(cls, ctx):
        """Return a context for a `zctx` of pyczmq."""
        from pyczmq import zctx
        return cls(shadow=int(zctx.underlying(ctx)))

    @classmethod
    def instance(cls, io_threads=1):
        """Return the one context that the whole program shares.

        A subclass shares that of its base if there is one already; with ``_instance = None`` in its body it has one
        of its own.

        Parameters
        ----------
        io_threads : int
            For the context that is made when there is none, or when it was terminated.

        Returns
        -------
        Context
        """
        cdef Context made
        if is_shared(cls._instance):
            return cls._instance
        # Without a lock: a subclass may do anything here, wait for instance, and greenlets share their thread's locks.
        made = cls(io_threads=io_threads)
        if not is_shared(cls._instance):
            cls._instance = made
        elif made is not cls._instance:
            # Another call was faster.
            made.term()
        return cls._instance

    # Options.

    cdef int usable_for_options(self) except -1:
        if self.handle == NULL and self.closed:
            raise RuntimeError("the context is terminated")
        return self.usable()

    def get(self, option):
        """Return the value of a context option.

        Parameters
        ----------
        option : int
            A `zmq.ContextOption`.

        Returns
        -------
        int

        Raises
        ------
        RuntimeError
            The context is terminated.
        ZMQError
            EINVAL: there is no such option.
        """
        cdef int value, number = option
        self.usable_for_options()
        (&errno)[0] = 0
        value = zmq_ctx_get(self.handle, number)
        # Some may be -1.
        return check(value) if errno else value

    def set(self, option, optval):
        """Set a context option.

        Parameters
        ----------
        option : int
            A `zmq.ContextOption`.
        optval : int

        Raises
        ------
        RuntimeError
            The context is terminated.
        ZMQError
            EINVAL: no such option or value.
        """
        cdef int number = option
        cdef int value = setting(number, optval)
        self.usable_for_options()
        check(zmq_ctx_set(self.handle, number, value))
        self.root().note(number, value)

    def getsockopt(self, opt):
        """Return the default of a socket option for new sockets; see `sockopts`.

        Parameters
        ----------
        opt : int
            A `zmq.SocketOption`.

        Returns
        -------
        int or bytes
        """
        return self.sockopts[option_of(opt)]

    def setsockopt(self, opt, value):
        """Set the default of a socket option for the sockets that are made from now on.

        Parameters
        ----------
        opt : int
            A `zmq.SocketOption`. Sockets for which it means nothing ignore it.
        value : int or bytes
        """
        self.sockopts[option_of(opt)] = value

    def __getattr__(self, name):
        name = PyUnicode_FromObject(name)
        cdef int option = option_named(name, True)
        if option >= 0:
            return read_attribute(self, ContextOption(option), name)
        option = option_named(name, False)
        if option >= 0 and SocketOption(option) in self.sockopts:
            return self.sockopts[SocketOption(option)]
        raise AttributeError(f"{type(self).__name__} has no such option: {name.upper()}")

    def __setattr__(self, name, value):
        cdef int option
        # Names of enums are of a subclass.
        name = PyUnicode_FromObject(name)
        if name.startswith("_") or is_attribute(type(self), name) or self.has_own(name):
            PyObject_GenericSetAttr(self, name, value)
            return
        option = option_named(name, True)
        if option >= 0:
            self.set(ContextOption(option), value)
            return
        option = option_named(name, False)
        if option < 0:
            raise AttributeError(f"{type(self).__name__} has no such option: {name.upper()}")
        self.setsockopt(SocketOption(option), value)

    def __delattr__(self, name):
        name = PyUnicode_FromObject(name)
        cdef int option = option_named(name, False)
        if option >= 0 and SocketOption(option) in self.sockopts:
            del self.sockopts[SocketOption(option)]
        elif self.has_own(name):
            self.delete(name)
        else:
            raise AttributeError(f"{type(self).__name__} has no default for the option {name.upper()}")

    # Sockets.

    def socket(self, socket_type, socket_class=None, **kwargs):
        """Make a socket.

        Parameters
        ----------
        socket_type : int
            A `zmq.SocketType`.
        socket_class : type, optional
            The class to make; that of the context when left out.
        **kwargs
            Passed on to the class. `name`, a str, is what the socket is called where it is shown, also where the class
            knows nothing of names.

        Returns
        -------
        Socket
            With the defaults of the context applied.

        Raises
        ------
        ZMQError
            EINVAL: there is no such type. EMFILE: too many sockets. ENOTSUP: the context is terminated. EFAULT: the one
            that this is a shadow of is.
        """
        if self.closed and not self.is_shadow:
            raise ZMQError(Errno.ENOTSUP, "the context is terminated")
        self.usable()
        if socket_class is None:
            socket_class = self._socket_class
        socket, lacks_defaults = made_by(socket_class, self, socket_type, kwargs)
        if lacks_defaults:
            for option, value in self.defaults_for(socket_type):
                try:
                    socket.set(option, value)
                except ZMQError:
                    # It means nothing for this type of socket.
                    pass
        return socket

    cdef list defaults_for(self, socket_type):
        """Return what new sockets of a type are set to."""
        return [
            (option, value)
            for option, value in self.sockopts.items()
            if socket_type == SocketType.SUB or option not in (SocketOption.SUBSCRIBE, SocketOption.UNSUBSCRIBE)
        ]

    # The end.

    def term(self):
        """Terminate the context.

        Waits until all its sockets are closed and have sent, or given up under LINGER, what they still hold.
        Calls that wait on a socket of the context raise `ContextTerminated`. Only the caller waits; a green
        context's caller parks, and when something is thrown into it the termination goes on without it; so it does when
        a signal's handler raises. `term` can be called again then, to wait for the rest.

        Notes
        -----
        Sockets that are being collected together with the caller, a finalizer, are closed.
        Source: zmq_ctx_term(3).
        """
        cdef void *handle = self.handle
        cdef int err
        get_hub = self._get_hub
        if self.born != fork_generation.current:
            self.drop_inherited()
            return
        if self.is_shadow:
            self.handle = NULL
            return
        if get_hub is None:
            who_waits.begin_blocked(self, "term")
            try:
                # Not once this context was forgotten, by another thread that terminated it or found it freed.
                while self.handle != NULL:
                    termination = self.termination
                    if termination is not None:
                        if wait_for_bell(NULL, termination.fd, -1, self):
                            self.forget(handle)
                            self.termination = None
                            break
                        self.close_what_is_left()
                    elif <size_t> handle in terminating:
                        with nogil:
                            zmq_poll(NULL, 0, TERM_PAUSE)
                    else:
                        self.close_what_is_left()
                        # This may run code of others.
                        termination = new_termination() if self.started else None
                        if self.handle == NULL or <size_t> handle in terminating:
                            continue
                        terminating.add(<size_t> handle)
                        if termination is not None and termination.try_begin(<size_t> handle) == 0:
                            self.termination = termination
                            continue
                        with nogil:
                            err = 0 if zmq_ctx_term(handle) == 0 else zmq_errno()
                        if self.handle == NULL:
                            break
                        if err == 0:
                            forget_handle(handle)
                        else:
                            terminating.discard(<size_t> handle)
                            if err != EINTR:
                                raise_errno(err)
                    PyErr_CheckSignals()
            finally:
                who_waits.end_blocked()
            return
        while self.handle != NULL:
            if self.termination is not None:
                # The main thread was, before the program was monkeypatched.
                wait_readable(get_hub(), self.termination.fd, -1, self)
                self.forget(handle)
                break
            if <size_t> handle in terminating:
                # A thread was, before the program was monkeypatched.
                let_run(get_hub(), TERM_PAUSE / 1000.0)
                continue
            self.close_what_is_left()
            termination = Termination()
            # Both let others run, such as another thread that terminates this context too.
            if self.handle != NULL and <size_t> handle not in terminating:
                termination.begin(<size_t> handle)
                self.termination = termination
                forget_handle(handle)
        # Another greenlet may be waiting too: the last one to know it closes the descriptor.
        termination = self.termination
        if termination is not None:
            if not has_ended(get_hub, self._sockets, termination.fd):
                wait_readable(get_hub(), termination.fd, -1, self)
            self.termination = None

    def destroy(self, linger=None):
        """Close all sockets of the context, then terminate it.

        Parameters
        ----------
        linger : int, optional
            Milliseconds; set as LINGER of every socket before it is closed.

        Notes
        -----
        Sockets that another thread uses must not be closed this way.
        """
        if self.closed:
            self.term()
            return
        if self.born == fork_generation.current and close_all is not None:
            self.destroyed = True
            close_all(self, linger)
        self.term()

    cdef int forget(self, void *handle) except -1:
        """The context was terminated. Who noticed it first may have made another one since, with the same address."""
        return forget_handle(handle) if self.handle == handle else 0

    cdef int close_what_is_left(self) except -1:
        """Close what nobody else will while this waits."""
        close_left()
        if close_unreachable is not None:
            close_unreachable(self, None)
        return 0


cdef option_of(int number):
    """Return an option by its number. What is none, a value in the wrong place perhaps, is in no error."""
    return SocketOption(number)


cdef bint is_usable(Context context) noexcept:
    return (
        context is not None
        and context.handle != NULL
        and (context.born == fork_generation.current or context.can_be_renewed())
    )


cdef bint is_shared(Context context) noexcept:
    """Tell whether this is what `instance` returns: the child of a fork has one of its own, as it has for PyZMQ."""
    return is_usable(context) and context.born == fork_generation.current


cdef size_t address_of(shadow) except? 0:
    """Return the address of what libzmq calls a context or a socket."""
    cdef size_t address
    if isinstance(shadow, int):
        address = shadow
    elif hasattr(shadow, "underlying"):
        address = shadow.underlying
    else:
        from zmq.utils.interop import cast_int_addr
        address = cast_int_addr(shadow)
    if 0 < address < PAGE:
        raise ZMQError(Errno.EFAULT, f"{shadow!r} is no address")
    return address


cpdef bint is_attribute(type cls, str name) except -1:
    """Tell whether a class, or one of its bases, defines or annotates a name."""
    for base in cls.__mro__:
        if name in base.__dict__ or name in annotations_of(base):
            return True
    return False


cdef object checked_name(owner, name, type ours):
    """Return a name if a socket or context may have it; `ours` is the class that has the attribute.

    A subclass that annotates `name` has an attribute of its own: it may put anything there.
    """
    if name is None or isinstance(name, str):
        return name
    for base in type(owner).__mro__:
        if base is ours:
            break
        if "name" in annotations_of(base):
            return name
    raise TypeError(f"a name is a str or None, not {describe(name)}")


cdef annotations_of(type cls):
    """Return the names that a class annotates, none of its bases'."""
    found = cls.__dict__.get("__annotations__")
    if found is not None:
        return found
    # From Python 3.14 on they are found out when asked for; what they say may not be there yet.
    if getattr(cls, "__annotate__", None) is None:
        return ()
    from annotationlib import Format, get_annotations
    return get_annotations(cls, format=Format.FORWARDREF)


cpdef str public_name(type cls):
    """Return the name of a class with the module that users import it from."""
    module = cls.__module__
    if module.startswith("zmq."):
        module = module.partition(".core")[0]
    return f"{module}.{cls.__qualname__}"
