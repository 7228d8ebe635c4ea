"""CURVE keys: `curve_keypair` and `curve_public`.

Lives here: the two functions of libzmq that make keys. What must not: files of keys (`zmq.auth.certs`). Called by
users.
"""

from zmq.core.check cimport check
from zmq.core.libzmq cimport zmq_curve_keypair, zmq_curve_public

from zmq.core._text import encode


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
        The key has not 40 characters, or other than those of ASCII. No error has anything of the key.
    ZMQError
        EINVAL: the key is no Z85; ENOTSUP: libzmq was built without CURVE.

    Notes
    -----
    Source: zmq_curve_public(3).
    """
    if isinstance(secret_key, str):
        secret_key = encode(secret_key, "ascii")
    if not isinstance(secret_key, bytes):
        raise TypeError(f"secret_key must be bytes or str, not {type(secret_key).__name__}")
    if len(secret_key) != 40:
        raise ValueError(f"a CURVE key has 40 characters of Z85, got {len(secret_key)}")
    cdef char public[41]
    cdef bytes secret = secret_key
    check(zmq_curve_public(public, secret))
    return public[:40]
