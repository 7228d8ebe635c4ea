"""The greenness table: authenticators. To stop one waits until its greenlet has ended; nothing else waits."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import zmq as plain
from support.greenness_table.row import Scene, returns, waits
from zmq.auth.base import finish
from zmq.auth.thread import ThreadAuthenticator

NAME = "auth.GreenAuthenticator"
ENDPOINT = "inproc://zeromq.zap.01"
NULL = [b"1.0", b"1", b"", b"192.0.2.1", b"", b"NULL"]
CURVE = [*NULL[:-1], b"CURVE", bytes(32)]


def make(s: Scene) -> Any:
    """Return an authenticator with a context of its own; where the module has none in greenlets, one in a thread."""
    module = importlib.import_module(f"{s.zmq.__name__}.auth")
    return getattr(module, "GreenAuthenticator", ThreadAuthenticator)(s.ending(s.zmq.Context()))


def started(s: Scene, start: Callable[[Any], object] = lambda auth: auth.start()) -> Any:
    auth = make(s)
    start(auth)
    s.closing.callback(auth.stop)
    return auth


class Provider:
    """Waits until somebody is over with it, also when it is killed."""

    def __init__(self, s: Scene) -> None:
        self.s = s
        self.begun = self.over = False

    def callback(self, domain: str, key: bytes) -> bool:
        self.begun = True
        try:
            self.wait()
        finally:
            self.wait()
        return False

    def wait(self) -> None:
        while not self.over:
            self.s.front_end.sleep(0.001)


def busy(s: Scene) -> tuple[Any, Provider]:
    auth, provider = started(s), Provider(s)
    auth.configure_curve_callback(credentials_provider=provider)
    asker = s.socket(plain.DEALER, auth.context, linger=0)
    s.closing.callback(asker.close)
    asker.connect(ENDPOINT)
    asker.send_multipart([b"", *CURVE])
    while not provider.begun:
        s.front_end.sleep(0.001)
    return auth, provider


def release(s: Scene, auth: Any, provider: Provider) -> None:
    provider.over = True


waits(f"{NAME}.stop", "", busy, lambda s, auth, provider: auth.stop(), release)
waits(f"{NAME}.__exit__", "", busy, lambda s, auth, provider: auth.__exit__(None, None, None), release)
returns(NAME, make)
returns(f"{NAME}.start", started)
returns(f"{NAME}.__enter__", lambda s: started(s, lambda auth: auth.__enter__()))
returns(f"{NAME}.__del__", lambda s: make(s).__del__())
returns(f"{NAME}.is_alive", lambda s: make(s).is_alive())
returns(f"{NAME}.stop", lambda s: make(s).stop(), "it was not started")
returns(f"{NAME}.handle_zap_message", lambda s: finish(make(s).handle_zap_message(NULL)))
for method, arguments in {
    "allow": ("127.0.0.1",),
    "deny": ("127.0.0.1",),
    "configure_plain": ("*", {}),
    "configure_curve": ("*", "*"),
    "configure_curve_callback": ("*", Provider),
    "configure_gssapi": (),
    "curve_user_id": (bytes(32),),
    "metadata": ("*", "NULL", "me"),
}.items():
    returns(f"{NAME}.{method}", lambda s, name=method, arguments=arguments: getattr(make(s), name)(*arguments))
