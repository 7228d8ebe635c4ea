"""Authentication: who may connect, as ZeroMQ RFC 27/ZAP has it, and the certificates of CURVE.

An authenticator answers the requests that libzmq makes for every connection to a socket with security: run one in a
thread (`zmq.auth.thread`), in a greenlet (`zmq.green.auth`, `zmq.eventlet.auth`) or in an event loop
(`zmq.auth.asyncio`, `zmq.auth.ioloop`).
"""

from __future__ import annotations

from zmq.auth import base as base
from zmq.auth import certs as certs
from zmq.auth.base import CURVE_ALLOW_ANY as CURVE_ALLOW_ANY
from zmq.auth.base import Authenticator as Authenticator
from zmq.auth.certs import create_certificates as create_certificates
from zmq.auth.certs import load_certificate as load_certificate
from zmq.auth.certs import load_certificates as load_certificates
from zmq.auth.servers import require_authenticator as require_authenticator
from zmq.auth.servers import secure_client as secure_client
from zmq.auth.servers import secure_server as secure_server

__all__ = [
    "CURVE_ALLOW_ANY",
    "Authenticator",
    "create_certificates",
    "load_certificate",
    "load_certificates",
    "require_authenticator",
    "secure_client",
    "secure_server",
]
