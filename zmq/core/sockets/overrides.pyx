"""Which methods are those of `Socket` itself, and which of them a subclass replaces, or one socket.

Lives here: how `Socket` gets the methods of its bases, and `overrides`. What must not: what the methods do. Called by
`zmq.core.socket` when it is imported, and by its bases.
"""

import weakref
from types import GetSetDescriptorType, MethodDescriptorType, WrapperDescriptorType

from cpython.object cimport PyObject

from zmq.core.sockets.option_attributes cimport MixedCase

cdef extern from "Python.h":
    ctypedef struct PyTypeObject:
        PyObject *tp_dict
        unsigned int tp_version_tag
    ctypedef struct PyMethodDescrObject:
        void *d_method
    ctypedef struct PyGetSetDescrObject:
        void *d_getset
    ctypedef struct PyWrapperDescrObject:
        void *d_base
        void *d_wrapped
    object PyDescr_NewMethod(type cls, void *method)
    object PyDescr_NewGetSet(type cls, void *getset)
    object PyDescr_NewWrapper(type cls, void *base, void *wrapped)

cdef extern from "sockets/inherited_methods.h":
    int GREENZMQ_INHERITED
    object greenzmq_inherit(int number, type cls, type base, name, descriptor)
    bint greenzmq_takes_fast_calls(object descriptor)

# `zmq.core.socket.Socket`, which its bases can't import. What they call by its name may have been patched there.
cdef object socket_class = None
cdef object own_close = None


def complete(type cls):
    """Give `Socket` the methods and properties of its bases as its own.

    CPython specializes a call of a method of the object's own class alone; errors and `help` name the class that
    programs know.

    Parameters
    ----------
    cls : type
    """
    global socket_class, own_close
    cdef dict copies = {}   # of methods that have several names
    cdef PyWrapperDescrObject *wrapper
    for base in cls.__mro__[1:cls.__mro__.index(MixedCase)]:
        for name, value in vars(base).items():
            if name in vars(cls):
                continue
            if value not in copies:
                if isinstance(value, MethodDescriptorType):
                    copies[value] = PyDescr_NewMethod(cls, (<PyMethodDescrObject *> value).d_method)
                elif isinstance(value, GetSetDescriptorType):
                    copies[value] = PyDescr_NewGetSet(cls, (<PyGetSetDescrObject *> value).d_getset)
                elif isinstance(value, WrapperDescriptorType):
                    wrapper = <PyWrapperDescrObject *> value
                    copies[value] = PyDescr_NewWrapper(cls, wrapper.d_base, wrapper.d_wrapped)
                else:
                    continue
            setattr(cls, name, copies[value])
    socket_class = cls
    own_close = vars(cls)["close"]
    for name in METHODS:
        originals[name] = vars(cls)[name]


# Those that a service calls for each message.
cdef tuple FREQUENT = ("send", "recv", "send_multipart", "recv_multipart")

# What subclasses have as their own of these; how many that are.
cdef set inherited = set()


def with_own_methods(cls):
    """Give a subclass of `Socket` the methods that are called for each message as its own: a decorator.

    See `complete`. Where somebody replaces such a method in the class that it is inherited from, that one is called.

    Parameters
    ----------
    cls : type

    Returns
    -------
    type
        The same class.
    """
    for name in FREQUENT:
        base = next(each for each in cls.__mro__ if name in vars(each))
        method = vars(base)[name]
        if base is cls or not isinstance(method, MethodDescriptorType) or not greenzmq_takes_fast_calls(method):
            continue
        if len(inherited) == GREENZMQ_INHERITED:
            # Called as those of any other class.
            break
        own = greenzmq_inherit(len(inherited), cls, base, name, method)
        inherited.add(own)
        setattr(cls, name, own)
    return cls


cdef unsigned int version_of(type cls) noexcept:
    """Return CPython's number for the state of a class, which changes with it; 0 is none."""
    return (<PyTypeObject *> cls).tp_version_tag


cdef dict METHODS = {
    "send": SEND,
    "recv": RECV,
    "getsockopt": GETSOCKOPT,
    "setsockopt": SETSOCKOPT,
    "get": GET,
    "set": SET,
}

# What `Socket` itself had of these when it was made.
cdef dict originals = {}

# What is replaced, by class, and in which state of it; see "Options" in docs/design.md.
cdef object overrides_of = weakref.WeakKeyDictionary()
cdef unsigned int socket_version = 0
cdef int overrides_of_socket = 0


cdef defined(type cls, str name):
    """Return the method that a call of a class's ends in, past those that call what they inherit."""
    cdef PyObject *members
    for each in cls.__mro__:
        # Past `vars`, which takes several times as long: some ask for each message. Builtin classes have it elsewhere.
        members = (<PyTypeObject *> each).tp_dict
        if members == NULL:
            method = vars(each).get(name)
        else:
            method = (<dict> members).get(name)
        if method is not None and not (isinstance(method, MethodDescriptorType) and method in inherited):
            return method


cdef int find_overrides(type cls) except -1:
    """Tell which methods a subclass of `Socket` replaced, or somebody in the place of a class's own."""
    global socket_version, overrides_of_socket
    cdef int found = 0
    cdef unsigned int version = version_of(cls)
    if cls is socket_class:
        if version == socket_version and version != 0:
            return overrides_of_socket
    else:
        known = overrides_of.get(cls)
        if known is not None and known[0] == version and version != 0:
            return known[1]
    for name, bit in METHODS.items():
        if defined(cls, name) is not originals[name]:
            found |= bit
    found &= heeded(cls)
    # Looking for it gave the class a number if it had none.
    version = version_of(cls)
    if cls is socket_class:
        socket_version, overrides_of_socket = version, found
    else:
        overrides_of[cls] = version, found
    return found


cdef int find_overrides_of(socket) except -1:
    """Tell which methods a subclass of `Socket` replaced, or somebody on this socket alone."""
    cdef int found = 0
    for name, bit in METHODS.items():
        if name in socket.__dict__:
            found |= bit
    return found & heeded(type(socket)) | find_overrides(type(socket))


cdef int heeded(type cls) except -1:
    """Tell which methods others are made of, once they are replaced.

    Where they return something else than what was sent or received, none is made of `send` and `recv`.
    """
    return GETSOCKOPT | SETSOCKOPT | GET | SET | (0 if cls._defers else SEND | RECV)
