"""What the tests of authentication share: servers, clients of all kinds, and how one sees that a client was refused."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import importlib
import os
import threading
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import eventlet
import gevent
import greenlet

import zmq as plain
from support.front_ends import LIMIT
from zmq.auth import CURVE_ALLOW_ANY, create_certificates, load_certificate
from zmq.auth.asyncio import AsyncioAuthenticator
from zmq.auth.thread import ThreadAuthenticator
from zmq.utils.monitor import recv_monitor_message

FAILED = (
    plain.Event.HANDSHAKE_FAILED_AUTH | plain.Event.HANDSHAKE_FAILED_NO_DETAIL | plain.Event.HANDSHAKE_FAILED_PROTOCOL
)
SUCCESS = plain.Event.HANDSHAKE_SUCCEEDED
DOMAIN = "tests"
#: Where permitted clients of NULL come from, and where the others do.
HOME, ABROAD = "127.0.0.2", "127.0.0.3"


def authenticators(zmq: ModuleType) -> list[type]:
    """Return the two that work with this front-end's contexts."""
    if zmq is plain:
        return [ThreadAuthenticator, LoopAuthenticator]
    return [importlib.import_module(f"{zmq.__name__}.auth").GreenAuthenticator, ThreadAuthenticator]


class LoopAuthenticator(AsyncioAuthenticator):
    """One of an event loop, which runs in a thread here: a test does not run in a loop."""

    thread: threading.Thread | None = None

    def start(self) -> None:
        if self.thread is None:
            self.loop = asyncio.new_event_loop()
            self.thread = threading.Thread(target=self.run_loop, args=(self.loop,), daemon=True)
            self.thread.start()
        try:
            self.there(super().start)
        except BaseException:
            if not self.is_alive():
                self.end_loop()
            raise

    def run_loop(self, loop: Any) -> None:
        loop.run_forever()
        # What was cancelled ends.
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()

    def there(self, function: Callable[[], Any]) -> Any:
        """Call something in the thread of the loop."""
        if self.thread is None or threading.current_thread() is self.thread or not self.thread.is_alive():
            return function()
        done: concurrent.futures.Future[Any] = concurrent.futures.Future()

        def call() -> None:
            try:
                done.set_result(function())
            except BaseException as error:
                done.set_exception(error)

        self.loop.call_soon_threadsafe(call)
        return done.result(LIMIT)

    def end_loop(self) -> None:
        thread, self.thread = self.thread, None
        if thread is not None and thread.is_alive():
            self.loop.call_soon_threadsafe(self.loop.stop)
            if thread is not threading.current_thread():
                thread.join(LIMIT)

    def stop(self, release: bool = False) -> None:
        self.there(lambda: super(LoopAuthenticator, self).stop(release))
        self.end_loop()


def die(auth: Any) -> None:
    """End what runs an authenticator, from inside one of its callbacks."""
    if isinstance(auth, AsyncioAuthenticator):
        assert auth._task is not None
        auth._task.cancel()
        raise asyncio.CancelledError
    raise SystemExit if isinstance(auth, ThreadAuthenticator) else greenlet.GreenletExit


class OwnError(BaseException):
    """No Exception, and nothing that ends anybody."""


#: What a callback may let out, and nobody is ended by.
LET_OUT: list[type[BaseException]] = [OSError, plain.ContextTerminated, gevent.Timeout, eventlet.Timeout, OwnError]


class Kit:
    """A context with sockets that are closed with it."""

    def __init__(self, context: Any, zmq: ModuleType, folder: Path) -> None:
        self.context = context
        self.zmq = zmq
        self.folder = folder
        self.keys: dict[str, tuple[str, str]] = {}
        #: Of the servers.
        self.monitors: dict[Any, Any] = {}
        #: Those who were refused, with their monitors.
        self.outside: list[tuple[Any, Any]] = []

    def keys_of(self, name: str) -> tuple[bytes, bytes]:
        """Return a pair of keys, which is in no directory of those who are let in."""
        if name not in self.keys:
            self.keys[name] = create_certificates(self.folder, name)
        public, secret = load_certificate(self.keys[name][1])
        assert secret is not None
        return public, secret

    def socket(self, kind: int) -> Any:
        socket = self.context.socket(kind)
        socket.linger = 0
        socket.rcvtimeo = socket.sndtimeo = int(1000 * LIMIT)
        return socket

    def server(self, prepare: Callable[[Any], object]) -> Any:
        server = self.socket(plain.PULL)
        prepare(server)
        self.monitors[server] = server.get_monitor_socket(FAILED)
        server.bind("tcp://127.0.0.1:*")
        return server

    def client(self, server: Any, prepare: Callable[[Any], object], message: bytes, source: str = "") -> Any:
        """Return a client with its monitor, which has sent a message."""
        client = self.socket(plain.PUSH)
        # A refused one shall not come again later and be taken for another.
        client.reconnect_ivl = -1
        prepare(client)
        monitor = client.get_monitor_socket(FAILED | plain.EVENT_DISCONNECTED | SUCCESS)
        address = server.last_endpoint.decode()
        client.connect(address.replace("//", f"//{source}:0;") if source else address)
        with contextlib.suppress(plain.Again):
            # It may have been refused for good already.
            client.send(message, plain.NOBLOCK)
        return client, monitor

    def refused(self, server: Any, prepare: Callable[[Any], object], source: str = "") -> None:
        """See that a client is refused. It stays there: the next `admitted` shows that nothing of it arrives."""
        heard = self.monitors[server]
        while heard.poll(0):
            heard.recv_multipart()
        client, monitor = self.client(server, prepare, b"of one who is refused", source)
        self.outside.append((client, monitor))
        poller = self.zmq.Poller()
        for each in (heard, monitor):
            poller.register(each, plain.POLLIN)
        ready = poller.poll(1000 * LIMIT)
        assert ready, "nobody tells what became of the client"
        event = recv_monitor_message(ready[0][0])["event"]
        assert event != SUCCESS, "the client was let in"

    def hear(self, server: Any) -> None:
        """Wait until a server tells that it refused somebody, which must not be taken for what it tells of the next."""
        assert recv_monitor_message(self.monitors[server])["event"] & FAILED

    def admitted(self, server: Any, prepare: Callable[[Any], object], source: str = "") -> Any:
        """See that what a client sends arrives, and nothing before; return it."""
        client, monitor = self.client(server, prepare, b"sentinel", source)
        frame = server.recv(copy=False)
        assert frame.bytes == b"sentinel"
        self.leave(client, monitor)
        while self.outside:
            client, monitor = self.outside.pop()
            while monitor.poll(0):
                assert recv_monitor_message(monitor)["event"] != SUCCESS, "a client was let in who had been refused"
            self.leave(client, monitor)
        assert not server.poll(0)
        return frame

    def leave(self, client: Any, monitor: Any) -> None:
        client.disable_monitor()
        monitor.close()
        client.close()


class Mechanism:
    """How a mechanism is configured, and who comes."""

    name: str
    #: Addresses that the clients who are permitted come from, and those who are not.
    home = abroad = ""

    def __init__(self, kit: Kit) -> None:
        self.kit = kit

    def configure(self, auth: Any) -> None:
        """Let in "one" and "two"."""

    def serve(self, server: Any) -> None:
        pass

    def right(self, name: str) -> Callable[[Any], object]:
        """Return what makes a client one who is permitted."""
        return lambda client: None

    def wrong(self) -> dict[str, Callable[[Any], object]]:
        """Return what makes a client one who is not."""
        return {"": lambda client: None}

    def revoke(self, auth: Any, name: str) -> None:
        """Let in this one no longer."""


class Null(Mechanism):
    name = "null"
    home, abroad = HOME, ABROAD

    def configure(self, auth: Any) -> None:
        auth.allow(HOME)

    def serve(self, server: Any) -> None:
        server.zap_domain = DOMAIN.encode()


class NullDenied(Null):
    name = "null denied"

    def configure(self, auth: Any) -> None:
        auth.deny(ABROAD)


class Plain(Mechanism):
    name = "plain"

    def configure(self, auth: Any) -> None:
        self.users = {"one": "first secret", "two": "second secret"}
        auth.configure_plain(domain="*", passwords=self.users)

    def serve(self, server: Any) -> None:
        server.plain_server = True

    def login(self, name: str, password: str) -> Callable[[Any], object]:
        def prepare(client: Any) -> None:
            client.plain_username, client.plain_password = name.encode(), password.encode()

        return prepare

    def right(self, name: str) -> Callable[[Any], object]:
        return self.login(name, {"one": "first secret", "two": "second secret"}[name])

    def wrong(self) -> dict[str, Callable[[Any], object]]:
        return {
            "another's password": self.login("one", "second secret"),
            "a part of the password": self.login("one", "first secre"),
            "an unknown user": self.login("three", "first secret"),
            "no credentials": lambda client: None,
        }

    def revoke(self, auth: Any, name: str) -> None:
        del self.users[name]


class PlainFile(Plain):
    name = "plain, a file"

    def configure(self, auth: Any) -> None:
        self.file = self.kit.folder / "passwords"
        self.file.touch(0o600)
        self.file.write_text("# users\none=first secret\n two = second secret\n")
        auth.configure_plain(DOMAIN, self.file)

    def serve(self, server: Any) -> None:
        super().serve(server)
        server.zap_domain = DOMAIN.encode()

    def revoke(self, auth: Any, name: str) -> None:
        # No longer, and no shorter.
        self.file.write_text(self.file.read_text().replace(name, "xxx"))


class Curve(Mechanism):
    name = "curve"

    def configure(self, auth: Any) -> None:
        for name in ("one", "two"):
            self.kit.keys_of(name)
        self.clients = self.kit.folder / "clients"
        self.clients.mkdir()
        for name in ("one", "two"):
            os.link(self.kit.keys[name][0], self.clients / f"{name}.key")
        auth.configure_curve(domain="*", location=self.clients)

    def serve(self, server: Any) -> None:
        server.curve_publickey, server.curve_secretkey = self.kit.keys_of("server")
        server.curve_server = True

    def keyed(self, name: str, server: str = "server") -> Callable[[Any], object]:
        def prepare(client: Any) -> None:
            client.curve_serverkey = self.kit.keys_of(server)[0]
            client.curve_publickey, client.curve_secretkey = self.kit.keys_of(name)

        return prepare

    def right(self, name: str) -> Callable[[Any], object]:
        return self.keyed(name)

    def wrong(self) -> dict[str, Callable[[Any], object]]:
        return {
            "another key": self.keyed("three"),
            "a wrong key of the server": self.keyed("one", server="three"),
            "no keys": lambda client: None,
        }

    def revoke(self, auth: Any, name: str) -> None:
        (self.clients / f"{name}.key").unlink()


class CurveKeys(Curve):
    name = "curve, a mapping"

    def configure(self, auth: Any) -> None:
        self.known = {self.kit.keys_of("one")[0]: True, self.kit.keys_of("three")[0]: False}
        auth.certs["*"] = self.known
        auth.certs["*"][self.kit.keys_of("two")[0]] = True

    def revoke(self, auth: Any, name: str) -> None:
        del auth.certs["*"][self.kit.keys_of(name)[0]]


class CurveCallback(Curve):
    name = "curve, a callback"

    def configure(self, auth: Any) -> None:
        self.known = {self.kit.keys_of(name)[0] for name in ("one", "two")}
        auth.configure_curve_callback(domain="*", credentials_provider=self)

    def callback(self, domain: str, key: bytes) -> bool:
        assert domain == "*"
        return key in self.known

    def revoke(self, auth: Any, name: str) -> None:
        self.known.discard(self.kit.keys_of(name)[0])


class CurveCoroutine(CurveCallback):
    name = "curve, a coroutine"

    async def callback(self, domain: str, key: bytes) -> bool:  # type: ignore[override]
        import asyncio

        await asyncio.sleep(0.001)
        return key in self.known


class CurveAny(Curve):
    name = "curve, any key"

    def configure(self, auth: Any) -> None:
        auth.configure_curve(domain="*", location=CURVE_ALLOW_ANY)

    def wrong(self) -> dict[str, Callable[[Any], object]]:
        wrong = super().wrong()
        del wrong["another key"]
        return wrong

    def revoke(self, auth: Any, name: str) -> None:
        known = {self.kit.keys_of("one")[0], self.kit.keys_of("two")[0]} - {self.kit.keys_of(name)[0]}

        class Provider:
            def callback(self, domain: str, key: bytes) -> bool:
                return key in known

        auth.configure_curve_callback(credentials_provider=Provider())


WITH_CREDENTIALS = [Plain, PlainFile, Curve, CurveKeys, CurveCallback, CurveCoroutine, CurveAny]
MECHANISMS = [Null, NullDenied, *WITH_CREDENTIALS]
