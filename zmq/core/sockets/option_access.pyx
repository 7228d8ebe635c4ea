"""The options of a socket, as its users get and set them.

Lives here: `get` and `set` in all their spellings, subscriptions and groups. What must not: how libzmq takes an option
(`zmq.core.sockets.option_conversion`). A base of `zmq.core.socket.Socket`.
"""

from contextvars import ContextVar

cimport cython
from cpython.object cimport PyObject_GenericSetAttr
from cpython.unicode cimport PyUnicode_FromObject

from zmq.core.check cimport check
from zmq.core.context cimport is_attribute
from zmq.core.libzmq cimport (
    ZMQ_EVENTS,
    ZMQ_FD,
    ZMQ_LINGER,
    ZMQ_POLLIN,
    ZMQ_RCVMORE,
    zmq_join,
    zmq_leave,
)
from zmq.core.sockets cimport overrides
from zmq.core.sockets.arguments cimport encoded, need_draft
from zmq.core.sockets.life cimport is_owned, overridden
from zmq.core.sockets.overrides cimport GET, GETSOCKOPT, METHODS, SET, SETSOCKOPT, find_overrides_of
from zmq.core.sockets.option_attributes cimport as_assigned, option_named
from zmq.core.sockets.option_conversion cimport HWM, Setting, get_option, set_option, take_value

from zmq.core._text import decode, describe, encode
from zmq.core.constants import SocketOption
from zmq.core.sockets.option_attributes import add_spelling


# What an argument is that was left out.
cdef object LEFT_OUT = object()


cdef either(value, other, str method, str name):
    """Return an argument that has two names."""
    if (value is LEFT_OUT) is (other is LEFT_OUT):
        raise TypeError(f"{method}() needs {name}, once")
    return other if value is LEFT_OUT else value


# The sockets, by address, whose own `getsockopt` or `setsockopt` this thread, greenlet or task is in the midst of, each
# with which: they may call `get` and `set`, by which they were called.
cdef object inside = ContextVar("inside", default=())


cdef enter_own(Life socket, int method, int caller):
    """Return a token for `inside.reset` where a method of the socket's own is to be called now, or None.

    `caller` is the method that calls it, which a class may have beside it.
    """
    if overridden(socket) & (method | caller) != method:
        return None
    outer = inside.get()
    key = <size_t> <void *> socket, method
    return None if key in outer else inside.set((key, *outer))


cdef class OptionAccess(Life):
    """A socket that has options."""

    cdef int usable_for_options(self, bint harmless) except -1:
        """Raise unless options can be used; those that touch nothing else may be used by others than the owner."""
        if harmless and is_owned(self):
            return 0
        return self.usable()

    def getsockopt(self, option):
        """Return the value of a socket option; the same as `get`."""
        cdef int number = option
        self.usable_for_options(number != ZMQ_EVENTS)
        if number == ZMQ_FD:
            return self.waited().descriptor()
        value = get_option(self.handle, number)
        if number == ZMQ_EVENTS:
            if self.trampoline is not None and self.trampoline.returned:
                value |= ZMQ_POLLIN
            self.operated()
        elif number == ZMQ_RCVMORE and self.trampoline is not None and self.trampoline.more >= 0:
            value = self.trampoline.more
        return value

    # PyZMQ's green sockets call the arguments `opt` and `val`; what is shown are the names of all others.
    @cython.embedsignature(False)
    def get(self, option=LEFT_OUT, *, opt=LEFT_OUT):
        """get($self, option)
--

        Return the value of a socket option.

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
        option = either(option, opt, "get", "option")
        token = enter_own(self, GETSOCKOPT, GET)
        if token is None:
            return overrides.socket_class.getsockopt(self, option)
        try:
            return self.getsockopt(option)
        finally:
            inside.reset(token)

    def setsockopt(self, option, optval):
        """Set a socket option; the same as `set`."""
        cdef Setting setting
        cdef int number = option
        self.usable_for_options(number == ZMQ_LINGER)
        if number == HWM:
            self.set_hwm(optval)
            return
        take_value(&setting, number, optval)
        # That may have run code of others.
        self.usable_for_options(number == ZMQ_LINGER)
        set_option(self.handle, &setting, optval)
        self.operated()

    @cython.embedsignature(False)
    def set(self, option=LEFT_OUT, optval=LEFT_OUT, *, opt=LEFT_OUT, val=LEFT_OUT):
        """set($self, option, optval)
--

        Set a socket option.

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
        option = either(option, opt, "set", "option")
        optval = either(optval, val, "set", "optval")
        token = enter_own(self, SETSOCKOPT, SET)
        if token is None:
            overrides.socket_class.setsockopt(self, option, optval)
            return
        try:
            self.setsockopt(option, optval)
        finally:
            inside.reset(token)

    def __setattr__(self, name, value):
        cdef int option
        # Names of enums are of a subclass.
        name = PyUnicode_FromObject(name)
        if (
            name.startswith("_")
            or is_attribute(type(self), name) and name not in ("subscribe", "unsubscribe")
            or self.has_own(name)
        ):
            PyObject_GenericSetAttr(self, name, value)
            if name in METHODS:
                self.overrides = find_overrides_of(self)
            return
        option = option_named(name, False)
        if option < 0:
            raise AttributeError(f"{type(self).__name__} has no such option: {name.upper()}")
        # What can be written can be read.
        add_spelling(name, SocketOption(option))
        self.set(SocketOption(option), as_assigned(option, value))

    def __delattr__(self, name):
        name = PyUnicode_FromObject(name)
        self.delete(name)
        if name in METHODS:
            self.overrides = find_overrides_of(self)

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

    def fileno(self):
        """Return the descriptor that rings when the socket may have news; edge-triggered, so best left alone.

        Notes
        -----
        Source: zmq_getsockopt(3), ZMQ_FD.
        """
        return self.get(SocketOption.FD)
