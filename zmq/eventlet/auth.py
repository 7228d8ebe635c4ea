# Written by tools/generate_frameworks.py from zmq/green/auth.py: change that, then ``make frameworks``.
"""`zmq.auth` for eventlet: authenticators in greenlets too."""

from __future__ import annotations

from typing import Any

from zmq.auth import CURVE_ALLOW_ANY as CURVE_ALLOW_ANY
from zmq.auth import Authenticator as Authenticator
from zmq.auth import base as base
from zmq.auth import certs as certs
from zmq.auth import create_certificates as create_certificates
from zmq.auth import load_certificate as load_certificate
from zmq.auth import load_certificates as load_certificates
from zmq.auth import require_authenticator as require_authenticator
from zmq.auth import secure_client as secure_client
from zmq.auth import secure_server as secure_server
from zmq.auth._green import GreenAuthenticatorBase, GreenTurn
from zmq.auth.thread import ThreadAuthenticator as ThreadAuthenticator
from zmq.eventlet import tasks
from zmq.eventlet.core import Context
from zmq.eventlet.poll import Poller


class GreenAuthenticator(GreenAuthenticatorBase):
    """An `Authenticator` in a greenlet of the hub in which it is started; there is no thread while it runs.

    Callbacks run in that greenlet: they may wait as greenlets do, and one request is answered after the other. It is
    stopped in the thread in which it was started; one that is dropped ends by itself.

    Attributes
    ----------
    greenlet : eventlet.greenthread.GreenThread or None
        Where it runs.
    """

    _poller_class = Poller

    def _default_context(self) -> Any:
        return Context.instance()

    def _spawn(self, turn: GreenTurn) -> tasks.Task:
        greenlet = tasks.spawn(turn.run, self._poller_class)
        tasks.when_ended(greenlet, turn.finish)
        return greenlet

    def _kill(self, greenlet: tasks.Task) -> None:
        tasks.kill(greenlet)

    def _join(self, greenlet: tasks.Task) -> None:
        tasks.join(greenlet)


__all__ = [
    "CURVE_ALLOW_ANY",
    "Authenticator",
    "GreenAuthenticator",
    "ThreadAuthenticator",
    "create_certificates",
    "load_certificate",
    "load_certificates",
    "require_authenticator",
    "secure_client",
    "secure_server",
]
