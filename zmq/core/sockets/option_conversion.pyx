"""Socket options: how the value of each, of the type that `zmq.core.constants` names, becomes a Python object and back.

Lives here: getting and setting by handle. What must not: names and attributes (`zmq.core.sockets.option_attributes`),
waiting. Called by the other modules of options, and by `zmq.core.sockets.endpoints`.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.errno cimport EINTR, EINVAL
from libc.stdint cimport int64_t

from zmq.core.check cimport raise_errno
from zmq.core.libzmq cimport zmq_errno, zmq_getsockopt, zmq_setsockopt

from zmq.core._text import describe
from zmq.core.constants import SocketOption

# By their values, as enums hash slowly.
cdef dict kinds_by_type = {"int": INT, "int64": INT64, "bytes": BYTES, "fd": FD}
cdef dict kinds = {int(option): kinds_by_type[option._opt_type._value_] for option in SocketOption}
# The longest value that libzmq hands out is an endpoint or a key; options it may yet learn are given room.
cdef enum:
    LONGEST = 4096
    ROUTING_ID = 5
    CURVE_PUBLICKEY = 48
    CURVE_SERVERKEY = 50
    Z85_KEY = 41    # bytes of a key as text, with the 0 at its end: libzmq takes no larger buffer


cdef int kind_of(option) except -1:
    return kinds.get(option, INT)


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
