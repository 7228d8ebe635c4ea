"""GSSAPI with a real Kerberos server: who is let in, who is not, and that nothing of those arrives."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import zmq as plain
from support import kerberos_server
from support.auth_kit import SUCCESS, Kit, Mechanism, authenticators
from support.front_ends import LIMIT, FrontEnd, ThreadTask, wait_until
from support.kerberos_server import REALM, SERVICE, SERVICE_ON_HOST, Kdc
from support.programs import run
from zmq.auth import require_authenticator
from zmq.utils.monitor import recv_monitor_message

pytestmark = pytest.mark.skipif(not plain.has("gssapi"), reason="this libzmq has no GSSAPI")

#: How a name is meant: zmq.h, ZMQ_GSSAPI_NT_HOSTBASED and the following.
HOST, USER, PRINCIPAL = range(3)
#: Milliseconds after which a client gives up to whom nobody says no: one that Kerberos has left without a ticket, or
#: whose ticket the server can't read. A handshake takes a few.
PATIENCE = 300

Prepare = Callable[[Any], object]


@pytest.fixture(scope="module")
def one_kdc(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kdc]:
    kdc = kerberos_server.start(tmp_path_factory.mktemp("kerberos") / "kdc")
    try:
        names = "one", "two", "three", "old", SERVICE
        for name in (*names, "keyless"):
            kdc.add(name)
        kdc.write_keys(kdc.folder / "keytab", *names)
        kdc.change_key("old")
        yield kdc
    finally:
        kdc.stop()


@pytest.fixture(autouse=True)
def kdc(one_kdc: Kdc, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Kdc:
    """The server, and everybody's keys in the test's folder. Before there is a context, whose threads read this."""
    for name, value in one_kdc.environment(tmp_path).items():
        monkeypatch.setenv(name, value)
    shutil.copy(one_kdc.folder / "keytab", tmp_path / "keytab")
    return one_kdc


@pytest.fixture
def kit(context: Any, zmq: ModuleType, tmp_path: Path) -> Kit:
    return Kit(context, zmq, tmp_path)


@pytest.fixture
def auth(context: Any, zmq: ModuleType) -> Iterator[Any]:
    """The front-end's own authenticator."""
    with authenticators(zmq)[0](context) as auth:
        yield auth


@pytest.fixture(params=[0, 1], ids=["own", "other"])
def each_auth(request: pytest.FixtureRequest, context: Any, zmq: ModuleType) -> Iterator[Any]:
    """That one, and another: that in a thread, or that in an event loop."""
    with authenticators(zmq)[request.param](context) as auth:
        yield auth


class Gssapi(Mechanism):
    name = "gssapi"

    def __init__(self, kit: Kit, plaintext: bool = False) -> None:
        super().__init__(kit)
        self.plaintext = plaintext
        self.file = kit.folder / "principals"

    def configure(self, auth: Any) -> None:
        self.list("one", "two")
        auth.configure_gssapi("*", self.file)

    def list(self, *names: str) -> None:
        self.file.write_text("# users\n" + "".join(f"{name}@{REALM}\n" for name in names))

    def serve(self, server: Any) -> None:
        server.gssapi_server = True
        server.gssapi_principal = SERVICE_ON_HOST
        server.gssapi_plaintext = self.plaintext

    def named(self, name: str, kind: int = USER, **options: Any) -> Prepare:
        def prepare(client: Any) -> None:
            client.gssapi_principal, client.gssapi_principal_nametype = name.encode(), kind
            client.gssapi_service_principal = SERVICE_ON_HOST
            client.gssapi_plaintext = self.plaintext
            for option, value in options.items():
                setattr(client, option, value)

        return prepare

    right = named

    def hasty(self, name: str, **options: Any) -> Prepare:
        """Return what makes a client one to whom nobody will say no."""
        return self.named(name, handshake_ivl=PATIENCE, **options)

    def wrong(self) -> dict[str, Prepare]:
        return {
            "not listed": self.named("three"),
            "the server itself": self.named(SERVICE_ON_HOST.decode(), HOST),
        }

    def revoke(self, auth: Any, name: str) -> None:
        self.file.write_text(self.file.read_text().replace(f"{name}@", "xxx@"))


@pytest.fixture(params=[False, True], ids=["encrypted", "plaintext"])
def mechanism(request: pytest.FixtureRequest, kit: Kit) -> Gssapi:
    return Gssapi(kit, request.param)


@pytest.fixture
def gssapi(kit: Kit) -> Gssapi:
    return Gssapi(kit)


# What the authenticator says.


def test_who_is_listed_is_let_in_and_of_the_others_nothing_arrives(kit: Kit, each_auth: Any, mechanism: Gssapi) -> None:
    mechanism.configure(each_auth)
    server = kit.server(mechanism.serve)
    for prepare in mechanism.wrong().values():
        kit.refused(server, prepare)
        frame = kit.admitted(server, mechanism.right("one"))
        assert frame["User-Id"] == frame.get("User-Id") == f"one@{REALM}"
    assert kit.admitted(server, mechanism.right("two"))["User-Id"] == f"two@{REALM}"


def test_who_is_revoked_is_refused_from_then_on(kit: Kit, each_auth: Any, gssapi: Gssapi) -> None:
    gssapi.configure(each_auth)
    server = kit.server(gssapi.serve)
    kit.admitted(server, gssapi.right("one"))
    gssapi.revoke(each_auth, "one")
    kit.refused(server, gssapi.right("one"))
    kit.admitted(server, gssapi.right("two"))
    gssapi.file.unlink()
    kit.refused(server, gssapi.right("two"))
    gssapi.list("one")
    kit.admitted(server, gssapi.right("one"))


def test_who_is_listed_later_comes_in_by_himself(kit: Kit, each_auth: Any, gssapi: Gssapi) -> None:
    gssapi.configure(each_auth)
    server = kit.server(gssapi.serve)
    client = kit.socket(plain.PUSH)
    client.reconnect_ivl = 1
    gssapi.right("three")(client)
    client.connect(server.last_endpoint)
    client.send(b"patience")
    for _ in range(3):
        kit.hear(server)
    kit.admitted(server, gssapi.right("one"))
    gssapi.list("three")
    assert server.recv() == b"patience"


def test_after_a_stop_everybody_is_refused_until_the_next_start(kit: Kit, each_auth: Any, gssapi: Gssapi) -> None:
    gssapi.configure(each_auth)
    server = kit.server(gssapi.serve)
    kit.admitted(server, gssapi.right("one"))
    each_auth.stop()
    for prepare in (gssapi.right("one"), *gssapi.wrong().values()):
        kit.refused(server, prepare)
    each_auth.start()
    kit.admitted(server, gssapi.right("one"))


def test_an_error_lets_nobody_in(kit: Kit, each_auth: Any, gssapi: Gssapi, caplog: pytest.LogCaptureFixture) -> None:
    gssapi.configure(each_auth)
    server = kit.server(gssapi.serve)
    each_auth.metadata = lambda domain, mechanism, user_id: {"X-A": 1 / 0}
    kit.refused(server, gssapi.right("one"))
    del each_auth.metadata
    kit.admitted(server, gssapi.right("one"))
    assert "ZeroDivisionError" in caplog.text
    # The tracebacks there hold on to the frames of the thread, and these to its descriptors.
    caplog.get_records("call").clear()


def test_addresses_and_domains(kit: Kit, auth: Any, gssapi: Gssapi) -> None:
    """Kerberos alone is not asked whom to let in, where a domain has a list."""
    gssapi.list("one")
    auth.configure_gssapi("inner", gssapi.file)

    def serve(domain: bytes) -> Any:
        return kit.server(lambda server: (gssapi.serve(server), server.set(plain.ZAP_DOMAIN, domain)))

    outer, inner = serve(b"outer"), serve(b"inner")
    kit.admitted(outer, gssapi.right("three"))
    kit.refused(inner, gssapi.right("three"))
    kit.admitted(inner, gssapi.right("one"))
    auth.deny("127.0.0.1")
    for server in (outer, inner):
        kit.refused(server, gssapi.right("one"))
        kit.admitted(server, gssapi.right("one"), "127.0.0.2")


def test_without_a_handler_everybody_is_let_in_whom_kerberos_knows(kit: Kit, gssapi: Gssapi) -> None:
    """What libzmq does by itself, whatever the socket requires, which the documentation warns of."""
    server = kit.server(lambda server: (gssapi.serve(server), require_authenticator(server)))
    kit.admitted(server, gssapi.right("three"))


def test_what_is_known_of_who_is_let_in(kit: Kit, auth: Any, gssapi: Gssapi) -> None:
    gssapi.list("one", "zmq/server.example")
    auth.configure_gssapi("*", gssapi.file)
    auth.metadata = lambda domain, mechanism, user_id: {"X-Who": f"{domain} {mechanism} {user_id}"}
    service = {"gssapi_service_principal": SERVICE.encode(), "gssapi_service_principal_nametype": PRINCIPAL}

    def serve_by_principal(server: Any) -> None:
        gssapi.serve(server)
        server.gssapi_principal, server.gssapi_principal_nametype = SERVICE.encode(), PRINCIPAL

    for each in (kit.server(gssapi.serve), kit.server(serve_by_principal)):
        for name, kind, who in (
            ("one", USER, "one"),
            (f"one@{REALM}", PRINCIPAL, "one"),
            (SERVICE_ON_HOST.decode(), HOST, "zmq/server.example"),
            (SERVICE, PRINCIPAL, "zmq/server.example"),
        ):
            for options in ({}, service):
                frame = kit.admitted(each, gssapi.named(name, kind, **options))
                assert frame["User-Id"] == f"{who}@{REALM}" and frame["X-Who"] == f"* GSSAPI {who}@{REALM}"


def test_many_at_once(kit: Kit, auth: Any, gssapi: Gssapi) -> None:
    gssapi.configure(auth)
    server = kit.server(gssapi.serve)
    names = ["one", "three", "two", "three"] * 5
    clients = [kit.client(server, gssapi.named(name), name.encode()) for name in names]
    frames = [server.recv(copy=False) for _ in range(10)]
    assert sorted(frame.bytes for frame in frames) == [b"one"] * 5 + [b"two"] * 5
    assert all(frame["User-Id"] == f"{frame.bytes.decode()}@{REALM}" for frame in frames)
    for name, (client, monitor) in zip(names, clients, strict=True):
        event = recv_monitor_message(monitor)["event"]
        assert event == SUCCESS if name != "three" else event != SUCCESS
        kit.leave(client, monitor)
    kit.admitted(server, gssapi.right("one"))


# What Kerberos says.


def serve_with_any_key(server: Any) -> None:
    """Make a socket one that has no name of its own: whatever is in the file of keys is its name."""
    server.gssapi_server = True


def without_a_service(client: Any) -> None:
    client.gssapi_principal, client.gssapi_principal_nametype = b"one", USER
    client.handshake_ivl = PATIENCE


def with_a_password(client: Any) -> None:
    client.plain_username, client.plain_password = b"one", b"secret"


WRONG: dict[str, Callable[[Gssapi], Prepare]] = {
    "an unknown principal": lambda gssapi: gssapi.hasty("nobody"),
    "no key": lambda gssapi: gssapi.hasty("keyless"),
    "an old key": lambda gssapi: gssapi.hasty("old"),
    "an unknown service": lambda gssapi: gssapi.hasty("one", gssapi_service_principal=b"zmq@elsewhere"),
    "another service": lambda gssapi: gssapi.hasty(
        "one", gssapi_service_principal=b"two", gssapi_service_principal_nametype=USER
    ),
    "no service": lambda gssapi: without_a_service,
    "a server": lambda gssapi: gssapi.hasty("one", gssapi_server=True),
    "plaintext": lambda gssapi: gssapi.named("one", gssapi_plaintext=True),
    "NULL": lambda gssapi: lambda client: None,
    "PLAIN": lambda gssapi: with_a_password,
}


@pytest.mark.parametrize("who", WRONG)
def test_who_comes_without_a_ticket_for_the_server(who: str, kit: Kit, auth: Any, gssapi: Gssapi) -> None:
    auth.configure_plain("*", {"one": "secret"})
    server = kit.server(gssapi.serve)
    kit.refused(server, WRONG[who](gssapi))
    kit.admitted(server, gssapi.right("one"))


def test_who_speaks_a_protocol_from_before_there_was_security(kit: Kit, auth: Any, gssapi: Gssapi) -> None:
    server = kit.server(gssapi.serve)
    with socket.create_connection(("127.0.0.1", int(server.last_endpoint.rpartition(b":")[2]))) as client:
        # ZMTP 1.0: an identity, which is empty, and a message.
        client.sendall(b"\1\0" + b"\7\0sneaky")
        # The server hangs up.
        client.settimeout(LIMIT)
        with contextlib.suppress(ConnectionResetError):
            while client.recv(100):
                pass
    kit.admitted(server, gssapi.right("one"))


def test_who_does_not_encrypt_what_the_server_does_not_either(kit: Kit, auth: Any) -> None:
    gssapi = Gssapi(kit, plaintext=True)
    server = kit.server(gssapi.serve)
    kit.refused(server, gssapi.named("one", gssapi_plaintext=False))
    kit.admitted(server, gssapi.right("one"))


@pytest.mark.parametrize("how", ["delprinc -force", "modprinc -allow_tix", "cpw -randkey"])
def test_who_is_revoked_at_the_kerberos_server_gets_no_new_ticket(
    how: str, kit: Kit, auth: Any, gssapi: Gssapi, kdc: Kdc, tmp_path: Path
) -> None:
    name = kdc.new()
    kdc.write_keys(tmp_path / "keytab", name)
    gssapi.list("one", name)
    auth.configure_gssapi("*", gssapi.file)
    server = kit.server(gssapi.serve)
    kit.admitted(server, gssapi.right(name))
    kdc.admin(*how.split(), name)
    # Until it expires the ticket is good: only the authenticator can shut the door at once.
    kit.admitted(server, gssapi.right(name))
    for ticket in (tmp_path / "tickets").glob("tkt*"):
        ticket.unlink()
    kit.refused(server, gssapi.hasty(name))
    kit.admitted(server, gssapi.right("one"))


def test_a_server_with_an_old_key_lets_nobody_in(kit: Kit, auth: Any, gssapi: Gssapi, kdc: Kdc, tmp_path: Path) -> None:
    name = kdc.new("server")
    service = {"gssapi_service_principal": name.encode(), "gssapi_service_principal_nametype": USER}
    keytab = tmp_path / "keytab"
    kdc.write_keys(keytab, name)
    server = kit.server(serve_with_any_key)
    kdc.change_key(name)
    kit.refused(server, gssapi.hasty("one", **service))
    kdc.write_keys(keytab, name)
    kit.admitted(server, gssapi.named("one", **service))


def test_while_the_kerberos_server_is_away_tickets_are_good(kit: Kit, auth: Any, gssapi: Gssapi, kdc: Kdc) -> None:
    gssapi.configure(auth)
    server = kit.server(gssapi.serve)
    kit.admitted(server, gssapi.right("one"))
    kdc.stop()
    try:
        kit.refused(server, gssapi.hasty("two"))
        kit.admitted(server, gssapi.right("one"))
    finally:
        kdc.begin()
    kit.admitted(server, gssapi.right("two"))


CLIENT = """
    import json, os
    from support.auth_kit import FAILED, SUCCESS
    from support.front_ends import LIMIT
    from zmq.utils.monitor import recv_monitor_message

    settings, address, service, patience = json.loads(sys.argv[1])
    os.environ.update(settings)
    context = zmq.Context()
    client = context.socket(zmq.PUSH)
    client.reconnect_ivl, client.handshake_ivl = -1, patience
    client.gssapi_service_principal = service.encode()
    monitor = client.get_monitor_socket(FAILED | SUCCESS | zmq.EVENT_DISCONNECTED)
    client.connect(address)
    event = recv_monitor_message(monitor)["event"]
    print(event == SUCCESS)
    client.disable_monitor()
    monitor.close()
    if event == SUCCESS:
        client.send(b"from afar")
    client.close(linger=int(1000 * LIMIT))
    context.term()
    """


def test_processes_that_have_only_what_is_their_own(
    kit: Kit, auth: Any, gssapi: Gssapi, kdc: Kdc, front_end: FrontEnd, tmp_path: Path
) -> None:
    gssapi.configure(auth)
    keys = tmp_path / "keytab"
    keys.rename(tmp_path / "all keys")
    kdc.write_keys(keys, SERVICE)
    server = kit.server(serve_with_any_key)

    def is_let_in(prepare: Callable[[Path], object], patience: int = 0) -> bool:
        folder = tmp_path / f"client {len(os.listdir(tmp_path))}"
        folder.mkdir()
        settings = kdc.environment(folder)
        prepare(folder)
        arguments = json.dumps([settings, server.last_endpoint.decode(), SERVICE_ON_HOST.decode(), patience])
        # In a thread, so that the authenticator can run.
        task = ThreadTask(run, (front_end, CLIENT, arguments), {})
        wait_until(front_end, lambda: not task.thread.is_alive())
        return {"True\n": True, "False\n": False}[task.get()]

    def log_in(name: str) -> Callable[[Path], None]:
        return lambda folder: kdc.log_in(name, tmp_path / "all keys", folder / "tickets" / "tkt")

    assert not is_let_in(lambda folder: None, PATIENCE)
    assert not is_let_in(log_in("three"))
    # A ticket, and a key to get one with.
    assert is_let_in(log_in("one"))
    frame = server.recv(copy=False)
    assert (frame.bytes, frame["User-Id"]) == (b"from afar", f"one@{REALM}")
    assert is_let_in(lambda folder: kdc.write_keys(folder / "keytab", "two"))
    frame = server.recv(copy=False)
    assert (frame.bytes, frame["User-Id"]) == (b"from afar", f"two@{REALM}")
    assert not server.poll(0)


# What is sent.


class Wire:
    """Passes on what a client and a server say, and keeps it."""

    def __init__(self, port: int) -> None:
        self.seen = b""
        self.lock = threading.Lock()
        self.server = socket.create_connection(("127.0.0.1", port))
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"tcp://127.0.0.1:{self.listener.getsockname()[1]}"
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self) -> None:
        client, _ = self.listener.accept()
        with self.listener, client, self.server:
            other = threading.Thread(target=self.copy, args=(self.server, client), daemon=True)
            other.start()
            self.copy(client, self.server)
            other.join(LIMIT)

    def copy(self, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                with self.lock:
                    self.seen += data
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)


def test_what_can_be_read_on_the_way(kit: Kit, auth: Any, mechanism: Gssapi, front_end: FrontEnd) -> None:
    mechanism.configure(auth)
    server, client = kit.socket(plain.PAIR), kit.socket(plain.PAIR)
    mechanism.serve(server)
    mechanism.right("one")(client)
    server.bind("tcp://127.0.0.1:*")
    wire = Wire(int(server.last_endpoint.rpartition(b":")[2]))
    client.connect(wire.address)
    for sender, receiver in ((client, server), (server, client)):
        for message in ([b"a secret of one's own"], [b"", b"several", b"", b"frames"], [b"secret" * 50_000], [b""]):
            sender.send_multipart(message)
            assert receiver.recv_multipart() == message
    client.close()
    server.close()
    wait_until(front_end, lambda: not wire.thread.is_alive())
    assert b"GSSAPI" in wire.seen and len(wire.seen) > 600_000
    assert (b"secret" in wire.seen) is (b"several" in wire.seen) is mechanism.plaintext
