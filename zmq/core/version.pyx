"""Versions, and libzmq's error codes: what is told of the libraries in use.

What must not live here: anything that touches a context or a socket. Called by everybody. Capabilities, CURVE keys and
the folders for compilers, which were here, are in modules of their own.
"""

from zmq.core.libzmq cimport (
    zmq_errno as c_zmq_errno,
    zmq_strerror,
    zmq_version as c_zmq_version,
)

from zmq.core.capabilities import DRAFT_API, IPC_PATH_MAX_LEN, PYZMQ_DRAFT_API, has  # no-cython-lint
from zmq.core.curve import curve_keypair, curve_public  # no-cython-lint
from zmq.core.includes import get_includes, get_library_dirs  # no-cython-lint

#: The level of PyZMQ's API that is implemented; clients test it.
PYZMQ_API = "27.3.0"
#: Our own version.
GREENZMQ = "0.2.0"


def zmq_version_info():
    """Return the version of libzmq in use as a tuple.

    Returns
    -------
    tuple of int
        (major, minor, patch)
    """
    cdef int major, minor, patch
    c_zmq_version(&major, &minor, &patch)
    return major, minor, patch


def zmq_version():
    """Return the version of libzmq in use, such as ``"4.3.4"``."""
    return "%i.%i.%i" % zmq_version_info()


def pyzmq_version():
    """Return the version of PyZMQ whose API this package implements."""
    return PYZMQ_API


def pyzmq_version_info():
    """Return the version of PyZMQ whose API this package implements, as a tuple of int."""
    return tuple(int(part) for part in PYZMQ_API.split("."))


def greenzmq_version():
    """Return the version of this package, greenzmq."""
    return GREENZMQ


def zmq_errno():
    """Return the error code of the calling thread's last libzmq call."""
    return c_zmq_errno()


def strerror(int errno):
    """Return libzmq's text for an error code.

    Parameters
    ----------
    errno : int
        The code, of the platform or of libzmq.

    Returns
    -------
    str
    """
    return zmq_strerror(errno).decode("utf-8", "replace")
