# The one error path: what libzmq returned becomes an exception here and nowhere else.
# `errno` is read at once, before any Python can run.

from zmq.core.libzmq cimport zmq_errno


cdef inline int raise_errno(int errno) except -1:
    from zmq.core.error import error_for
    raise error_for(errno)


cdef inline int check(int rc) except -1:
    """Raise libzmq's last error when a call returned -1."""
    if rc == -1:
        raise_errno(zmq_errno())
    return rc
