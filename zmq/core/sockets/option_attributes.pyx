"""Options by their names: as attributes of sockets, in every spelling that programs use.

Lives here: the attributes, and which option has a name. What must not: how libzmq takes a value
(`zmq.core.sockets.option_conversion`). Called by `zmq.core.socket`, `zmq.core.sockets.option_access` and
`zmq.core.context`.
"""

import itertools

from libc.errno cimport EINVAL

from zmq.core.contexts.own_attributes cimport OwnAttributes
from zmq.core.sockets.option_conversion cimport BYTES, HWM, kind_of

from zmq.core._text import encode
from zmq.core.constants import ContextOption, SocketOption
from zmq.core.error import ZMQError

cdef dict socket_options = {name: int(option) for name, option in SocketOption.__members__.items()}
cdef dict context_options = {name: int(option) for name, option in ContextOption.__members__.items()}


cdef int option_named(str name, bint of_context) except -2:
    """Return the option with this name, in any case; -1 where there is none."""
    if of_context:
        return context_options.get(name.upper(), -1)
    return socket_options.get(name.upper(), -1)


cdef object as_assigned(option, value):
    """Return what an option is set to by an assignment: a topic may be text."""
    if isinstance(value, str) and option in (SocketOption.SUBSCRIBE, SocketOption.UNSUBSCRIBE):
        return encode(value)
    return value


cdef object read_attribute(owner, option, name):
    """Return an option of a context or a socket; one that can't be read is no attribute."""
    try:
        return owner.get(option)
    except ZMQError as error:
        if error.errno != EINVAL:
            raise
        raise AttributeError(f"the option {name} can't be read: {error}") from error


# A socket option as an attribute of sockets. A docstring here would be that of each.
cdef class OptionAttribute:

    cdef object option, name

    def __init__(self, option, name):
        self.option = option
        self.name = name

    @property
    def __doc__(self):
        kind = "bytes" if kind_of(self.option) == BYTES else "int"
        return f"{kind} : the socket option {self.option.name}, see zmq_getsockopt(3) and zmq_setsockopt(3)."

    def __get__(self, socket, owner):
        if socket is None:
            return self
        if self.option == HWM:
            raise AttributeError(f"{self.name} attribute is write-only")
        return read_attribute(socket, self.option, self.name)

    def __set__(self, socket, value):
        socket.set(self.option, as_assigned(self.option, value))

    def __delete__(self, socket):
        raise AttributeError(f"an option cannot be deleted: {self.name.upper()}")


cdef class MixedCase(OwnAttributes):
    """A base of sockets whose attributes are their options by names in mixed case, out of the way of all others."""


def add_attributes(type cls):
    """Give a class an attribute for each socket option, in lower and in upper case.

    They are descriptors and not the work of `__getattr__`, because a class with that pays for every attribute and
    method that is looked up on its instances.
    """
    # Not by `hasattr`, which is slow for a class that changes all the time.
    cdef set taken = set().union(*map(vars, cls.__mro__))
    for name, option in SocketOption.__members__.items():
        for owner, spellings in ((cls, {name, name.lower()}), (MixedCase, mixed(name))):
            for spelling in spellings - taken:
                setattr(owner, spelling, OptionAttribute(option, spelling))
            taken |= spellings


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
