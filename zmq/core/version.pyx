"""Versions, capabilities, error texts and CURVE keys: the functions of libzmq that need no object.

What must not live here: anything that touches a context or a socket. Called by everybody.
"""

import os

from zmq.core.check cimport check
from zmq.core.libzmq cimport (
    GREENZMQ_DRAFT,
    GREENZMQ_INCLUDE_DIRS,
    GREENZMQ_IPC_PATH_MAX,
    zmq_curve_keypair,
    zmq_curve_public,
    zmq_errno as c_zmq_errno,
    zmq_has,
    zmq_strerror,
    zmq_version as c_zmq_version,
)

#: The level of PyZMQ's API that is implemented; clients test it.
PYZMQ_API = "27.3.0"
#: Our own version.
GREENZMQ = "0.1.0"

#: Whether this build knows libzmq's draft API.
DRAFT_API = bool(GREENZMQ_DRAFT)
#: The same by PyZMQ's name.
PYZMQ_DRAFT_API = DRAFT_API

#: The longest path of an ipc address, in bytes.
IPC_PATH_MAX_LEN = GREENZMQ_IPC_PATH_MAX


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


def get_includes():
    """Return the folders that C and Cython code which builds on this package needs to include.

    Returns
    -------
    list of str
        The package's own, and those of the libzmq it was built with if they are not the system's.
    """
    package = os.path.dirname(os.path.dirname(__file__))
    own = [package, os.path.join(package, "utils"), os.path.join(package, "core")]
    return own + [folder for folder in GREENZMQ_INCLUDE_DIRS.decode("utf-8").split(os.pathsep) if folder]


def get_library_dirs():
    """Return the folders to look in for shared libraries that belong to this package.

    Returns
    -------
    list of str
        The package itself. libzmq is not part of it: link with that as the system, or your build of it, says.
    """
    return [os.path.dirname(os.path.dirname(__file__))]


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


def has(str capability):
    """Tell whether libzmq was built with a capability.

    Parameters
    ----------
    capability : str
        Such as ``"ipc"``, ``"curve"``, ``"gssapi"``, ``"draft"``.

    Returns
    -------
    bool

    Notes
    -----
    Source: zmq_has(3).
    """
    return bool(zmq_has(capability.encode("utf-8")))


def curve_keypair():
    """Make a new CURVE key pair.

    Returns
    -------
    tuple of bytes
        (public, secret), each 40 characters of Z85.

    Raises
    ------
    ZMQError
        ENOTSUP: libzmq was built without CURVE.

    Notes
    -----
    Source: zmq_curve_keypair(3).
    """
    cdef char public[41]
    cdef char secret[41]
    check(zmq_curve_keypair(public, secret))
    return public[:40], secret[:40]


def curve_public(secret_key):
    """Return the public key that belongs to a CURVE secret key.

    Parameters
    ----------
    secret_key : bytes or str
        40 characters of Z85.

    Returns
    -------
    bytes
        40 characters of Z85.

    Raises
    ------
    ValueError
        The key has not 40 characters, or is not ASCII.
    ZMQError
        EINVAL: the key is no Z85; ENOTSUP: libzmq was built without CURVE.

    Notes
    -----
    Source: zmq_curve_public(3).
    """
    if isinstance(secret_key, str):
        if not secret_key.isascii():
            # The error of an encoder would hold the key.
            raise ValueError(f"a CURVE key is ASCII; of {len(secret_key)} characters some are not")
        secret_key = secret_key.encode("ascii")
    if not isinstance(secret_key, bytes):
        raise TypeError(f"secret_key must be bytes or str, not {type(secret_key).__name__}")
    if len(secret_key) != 40:
        raise ValueError(f"a CURVE key has 40 characters of Z85, got {len(secret_key)}")
    cdef char public[41]
    cdef bytes secret = secret_key
    check(zmq_curve_public(public, secret))
    return public[:40]
