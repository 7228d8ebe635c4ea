"""Sockets with CURVE that admit nobody whom no authenticator has let in."""

from __future__ import annotations

import os
from typing import Any

import zmq
from zmq.auth import _redaction, certs
from zmq.utils import z85

__all__ = ["require_authenticator", "secure_client", "secure_server"]

Certificate = str | os.PathLike[str] | tuple[bytes, bytes]


def key_of(key: Any, what: str) -> bytes:
    """Return a key as it has to be. What is said of a wrong one does not show it: it may be a secret."""
    if isinstance(key, str) and key.isascii():
        key = key.encode()
    if not isinstance(key, bytes):
        raise TypeError(f"{what} is bytes, 40 characters of Z85, not a {type(key).__name__} like this")
    if len(key) not in (32, 40):
        raise ValueError(f"{what} has 40 characters of Z85, not {len(key)}")
    if len(key) == 40:
        z85.decode(key)
    return key


def keys_of(certificate: Certificate) -> tuple[bytes, bytes]:
    if isinstance(certificate, tuple):
        public, found = certificate
    else:
        public, found = certs.load_certificate(certificate)
        if found is None:
            raise ValueError(f"No secret key found in {os.fspath(certificate)}")
    return key_of(public, "a public key"), key_of(found, "a secret key")


def require_authenticator(socket: zmq.Socket[Any], domain: str = "global") -> None:
    """Have a socket refuse whomever no authenticator lets in, also while none runs.

    By itself libzmq admits every NULL connection where no ZAP handler is bound, and every CURVE connection of those
    who know the server's public key. Call this before the socket binds or connects.

    For GSSAPI libzmq enforces nothing: there only an authenticator that is started before the socket binds helps.

    Parameters
    ----------
    socket : Socket
        That of the server.
    domain : str
        Its ZAP_DOMAIN, which authenticators may have policies for.

    Raises
    ------
    ValueError
        The domain is empty: then nothing could be enforced.
    ZMQError
        EINVAL: this libzmq is older than 4.3.

    Notes
    -----
    Source: zmq_setsockopt(3), ZMQ_ZAP_DOMAIN and ZMQ_ZAP_ENFORCE_DOMAIN.
    """
    if not domain:
        # libzmq 4.3 aborts the process when a peer comes to a PLAIN server that enforces no domain.
        raise ValueError("a domain that is enforced has a name")
    socket.setsockopt(zmq.ZAP_DOMAIN, domain.encode())
    socket.setsockopt(zmq.ZAP_ENFORCE_DOMAIN, 1)


def secure_server(socket: zmq.Socket[Any], certificate: Certificate, domain: str = "global") -> None:
    """Make a socket a CURVE server that admits only those whom an authenticator lets in.

    Call this before the socket binds or connects.

    Parameters
    ----------
    socket : Socket
    certificate : str or path or (bytes, bytes)
        The file with the secret key of the server, or its public key and its secret one.
    domain : str
        Its ZAP_DOMAIN, which authenticators may have policies for.

    Raises
    ------
    OSError, ValueError
        The certificate can't be read, or has no secret key; the domain is empty; a key is none. Nothing that is raised
        shows a key, or holds on to one but for the arguments.

    Notes
    -----
    Source: zmq_curve(7).

    Examples
    --------
    >>> secure_server(socket, "server.key_secret")
    >>> socket.bind("tcp://*:5555")
    """

    def secure() -> None:
        public, secret = keys_of(certificate)
        require_authenticator(socket, domain)
        socket.setsockopt(zmq.CURVE_PUBLICKEY, public)
        socket.setsockopt(zmq.CURVE_SECRETKEY, secret)
        socket.setsockopt(zmq.CURVE_SERVER, 1)

    _redaction.kept(secure)


def secure_client(socket: zmq.Socket[Any], certificate: Certificate, server: str | os.PathLike[str] | bytes) -> None:
    """Make a socket a CURVE client of one server.

    Call this before the socket connects.

    Parameters
    ----------
    socket : Socket
    certificate : str or path or (bytes, bytes)
        The file with the secret key of the client, or its public key and its secret one.
    server : str or path or bytes
        The file with the public key of the server, or that key.

    Raises
    ------
    OSError, ValueError
        A certificate can't be read, or that of the client has no secret key; a key is none. Nothing that is raised
        shows a key, or holds on to one but for the arguments.

    Notes
    -----
    Source: zmq_curve(7).
    """

    def secure() -> None:
        public, secret = keys_of(certificate)
        key = key_of(server, "a public key") if isinstance(server, bytes) else certs.read_certificate(server)[0]
        socket.setsockopt(zmq.CURVE_SERVERKEY, key)
        socket.setsockopt(zmq.CURVE_PUBLICKEY, public)
        socket.setsockopt(zmq.CURVE_SECRETKEY, secret)

    _redaction.kept(secure)
