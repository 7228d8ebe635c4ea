"""Socket options: what C type each has, and how its value becomes a Python object and back.

Lives here: getting and setting by handle, and options by their names. What must not: attributes, contexts, waiting.
Called by `zmq.core.sockets.option_access` and `zmq.core.context`.
"""

import itertools

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.errno cimport EINTR, EINVAL
from libc.stdint cimport int64_t

from zmq.core.check cimport raise_errno
from zmq.core.libzmq cimport zmq_errno, zmq_getsockopt, zmq_setsockopt

from zmq.core._text import describe
from zmq.core.constants import ContextOption, SocketOption, _OptType
from zmq.core.error import ZMQError

cdef dict kinds = {
    int(option): {_OptType.int: INT, _OptType.int64: INT64, _OptType.bytes: BYTES, _OptType.fd: FD}[option._opt_type]
    for option in SocketOption
}
cdef dict socket_options = {name: int(option) for name, option in SocketOption.__members__.items()}
cdef dict context_options = {name: int(option) for name, option in ContextOption.__members__.items()}

# The longest value that libzmq hands out is an endpoint or a key; options it may yet learn are given room.
cdef enum:
    LONGEST = 4096
    ROUTING_ID = 5
    CURVE_PUBLICKEY = 48
    CURVE_SERVERKEY = 50
    Z85_KEY = 41    # bytes of a key as text, with the 0 at its end: libzmq takes no larger buffer


cdef int kind_of(option) except -1:
    return kinds.get(option, INT)


cdef int option_named(str name, bint of_context) except -2:
    """Return the option with this name, in any case; -1 where there is none."""
    if of_context:
        return context_options.get(name.upper(), -1)
    return socket_options.get(name.upper(), -1)


cdef object get_option(void *handle, int number):
    """Return the value of a socket option."""
    cdef int kind = kind_of(number)
    cdef int as_int = 0
    cdef int64_t as_int64 = 0
    cdef char as_bytes[LONGEST]
    cdef void *value
    cdef size_t size
    if kind == BYTES:
        value = as_bytes
        size = Z85_KEY if CURVE_PUBLICKEY <= number <= CURVE_SERVERKEY else LONGEST
    elif kind == INT64:
        value = &as_int64
        size = sizeof(int64_t)
    else:
        value = &as_int
        size = sizeof(int)
    while zmq_getsockopt(handle, number, value, &size) != 0:
        if zmq_errno() != EINTR:
            raise_errno(zmq_errno())
    if kind == INT64:
        return as_int64
    if kind != BYTES:
        return as_int
    if number != ROUTING_ID and size > 0 and as_bytes[size - 1] == 0:
        size -= 1
    return PyBytes_FromStringAndSize(as_bytes, <Py_ssize_t> size)


cdef int take_value(Setting *setting, int number, value) except -1:
    """Prepare to set a socket option: all that may run code of others. `value` has to live until it is set.

    Errors never show what has the type of a password: it is described.
    """
    cdef int kind = kind_of(number)
    setting.number = number
    if kind == BYTES:
        if isinstance(value, str):
            raise TypeError(f"option {name_of(number)} takes bytes: use set_string to set a str")
        if not isinstance(value, bytes):
            raise TypeError(f"option {name_of(number)}: expected bytes, got: {describe(value)}")
        setting.data = PyBytes_AS_STRING(value)
        setting.size = <size_t> PyBytes_GET_SIZE(value)
    else:
        if not isinstance(value, int):
            raise TypeError(f"option {name_of(number)}: expected int, got: {describe(value)}")
        if kind == INT64:
            setting.as_int64 = value
            setting.data = &setting.as_int64
            setting.size = sizeof(int64_t)
        else:
            setting.as_int = value
            setting.data = &setting.as_int
            setting.size = sizeof(int)
    return 0


cdef int set_option(void *handle, Setting *setting, value) except -1:
    """Set a socket option."""
    cdef int kind
    while zmq_setsockopt(handle, setting.number, setting.data, setting.size) != 0:
        if zmq_errno() == EINTR:
            continue
        if zmq_errno() == EINVAL:
            from zmq.core.error import error_for
            kind = kind_of(setting.number)
            shown = describe(value) if kind == BYTES else setting.as_int64 if kind == INT64 else setting.as_int
            name = name_of(setting.number)
            raise error_for(EINVAL, f"Invalid argument: option {name} does not take {shown} here")
        raise_errno(zmq_errno())
    return 0


def name_of(int option):
    """Return the name of a socket option, or its number."""
    try:
        return SocketOption(option).name
    except ValueError:
        return str(option)


cdef object read_attribute(owner, option, name):
    """Return an option of a context or a socket; one that can't be read is no attribute."""
    try:
        return owner.get(option)
    except ZMQError as error:
        if error.errno != EINVAL:
            raise
        raise AttributeError(f"the option {name} can't be read: {error}") from error


cdef class OptionAttribute:
    """A socket option as an attribute of sockets."""

    cdef object option, name, __doc__

    def __init__(self, option, name):
        self.option = option
        self.name = name
        kind = {INT: "int", INT64: "int", BYTES: "bytes", FD: "int"}[kind_of(option)]
        self.__doc__ = f"{kind} : the socket option {option.name}, see zmq_getsockopt(3) and zmq_setsockopt(3)."

    def __get__(self, socket, owner):
        if socket is None:
            return self
        if self.option == HWM:
            raise AttributeError(f"{self.name} attribute is write-only")
        return read_attribute(socket, self.option, self.name)

    def __set__(self, socket, value):
        socket.set(self.option, value)

    def __delete__(self, socket):
        raise AttributeError(f"an option cannot be deleted: {self.name.upper()}")


cdef class MixedCase:
    """A base of sockets whose attributes are their options by names in mixed case, out of the way of all others."""


def add_attributes(type cls):
    """Give a class an attribute for each socket option, in lower and in upper case.

    They are descriptors and not the work of `__getattr__`, because a class with that pays for every attribute and
    method that is looked up on its instances.
    """
    for name, option in SocketOption.__members__.items():
        for spelling in (name, name.lower()):
            if not hasattr(cls, spelling):
                setattr(cls, spelling, OptionAttribute(option, spelling))
        for spelling in mixed(name):
            add_spelling(spelling, option)


def add_spelling(str spelling, option):
    """Give sockets one more attribute for an option, by its name in mixed case."""
    if not spelling.isupper() and not spelling.islower() and not hasattr(MixedCase, spelling):
        setattr(MixedCase, spelling, OptionAttribute(option, spelling))


# Options of one word that reads as several.
cdef dict words = {
    "MAXMSGSIZE": ("MAX", "MSG", "SIZE"),
    "RCVBUF": ("RCV", "BUF"),
    "RCVHWM": ("RCV", "HWM"),
    "RCVMORE": ("RCV", "MORE"),
    "RCVTIMEO": ("RCV", "TIMEO"),
    "SNDBUF": ("SND", "BUF"),
    "SNDHWM": ("SND", "HWM"),
    "SNDTIMEO": ("SND", "TIMEO"),
}


cdef set mixed(str name):
    """Return the spellings of an option in mixed case that programs use, such as Linger, rcvHWM and Last_Endpoint."""
    cdef set found = {name.capitalize(), name.title()}
    for parts in itertools.product(*((part, part.lower(), part.capitalize()) for part in words.get(name, ()))):
        if parts:
            found.add("".join(parts))
    return found
