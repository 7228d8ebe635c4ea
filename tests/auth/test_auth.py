"""Authenticators at work: who is let in, who is not, and that nothing of those arrives."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import zmq as plain
from support.auth_kit import (
    ABROAD,
    DOMAIN,
    HOME,
    MECHANISMS,
    WITH_CREDENTIALS,
    Curve,
    Kit,
    Mechanism,
    Null,
    Plain,
    PlainFile,
    authenticators,
    die,
)
from support.front_ends import FrontEnd, wait_until
from support.programs import run
from zmq.auth import _door, base, require_authenticator, secure_client, secure_server
from zmq.auth.thread import ThreadAuthenticator

pytestmark = pytest.mark.skipif(not plain.has("curve"), reason="this libzmq has no CURVE")


@pytest.fixture
def kit(context: Any, zmq: ModuleType, tmp_path: Path) -> Kit:
    return Kit(context, zmq, tmp_path)


@pytest.fixture(params=[0, 1], ids=["own", "other"])
def auth_class(request: pytest.FixtureRequest, zmq: ModuleType) -> type:
    """The front-end's own authenticator, and another: that in a thread, or that in an event loop."""
    return authenticators(zmq)[request.param]


@pytest.fixture
def auth(auth_class: type, context: Any) -> Iterator[Any]:
    auth = auth_class(context)
    auth.start()
    assert auth.is_alive()
    yield auth
    auth.stop()
    assert not auth.is_alive()


@pytest.fixture(params=MECHANISMS, ids=lambda mechanism: mechanism.name)
def mechanism(request: pytest.FixtureRequest, kit: Kit) -> Mechanism:
    return request.param(kit)  # type: ignore[no-any-return]


def test_who_is_right_is_let_in_and_of_the_others_nothing_arrives(kit: Kit, auth: Any, mechanism: Mechanism) -> None:
    mechanism.configure(auth)
    server = kit.server(mechanism.serve)
    for prepare in mechanism.wrong().values():
        kit.refused(server, prepare, mechanism.abroad)
        kit.admitted(server, mechanism.right("one"), mechanism.home)
    kit.admitted(server, mechanism.right("two"), mechanism.home)


def test_before_anything_is_configured_credentials_let_nobody_in(kit: Kit, auth: Any) -> None:
    for kind in (Plain, Curve):
        mechanism = kind(kit)
        server = kit.server(mechanism.serve)
        kit.refused(server, mechanism.right("one"))
        mechanism.configure(auth)
        kit.admitted(server, mechanism.right("one"))


@pytest.mark.parametrize("kind", WITH_CREDENTIALS, ids=lambda mechanism: mechanism.name)
def test_who_is_revoked_is_refused_from_then_on(kit: Kit, auth: Any, kind: type[Mechanism]) -> None:
    mechanism = kind(kit)
    mechanism.configure(auth)
    server = kit.server(mechanism.serve)
    kit.admitted(server, mechanism.right("one"))
    mechanism.revoke(auth, "one")
    kit.refused(server, mechanism.right("one"))
    kit.admitted(server, mechanism.right("two"))


def test_an_address_that_is_denied_later(kit: Kit, auth: Any) -> None:
    server = kit.server(Null(kit).serve)
    kit.admitted(server, lambda client: None, HOME)
    auth.deny(HOME)
    kit.refused(server, lambda client: None, HOME)
    kit.admitted(server, lambda client: None)


def test_right_credentials_from_a_wrong_address(kit: Kit, auth: Any) -> None:
    mechanism = Plain(kit)
    mechanism.configure(auth)
    server = kit.server(mechanism.serve)
    auth.allow(HOME)
    kit.refused(server, mechanism.right("one"))
    kit.admitted(server, mechanism.right("one"), HOME)


def test_a_mapped_address_is_the_same_address(kit: Kit, auth: Any) -> None:
    server = kit.socket(plain.PULL)
    server.ipv6 = True
    server.zap_domain = DOMAIN.encode()
    auth.deny("127.0.0.1")
    try:
        server.bind("tcp://[::]:*")
    except plain.ZMQError:
        pytest.skip("this machine has no IPv6")
    port = server.last_endpoint.decode().rpartition(":")[2]
    client = kit.socket(plain.PUSH)
    client.reconnect_ivl = -1
    monitor = client.get_monitor_socket(plain.EVENT_HANDSHAKE_SUCCEEDED | plain.EVENT_DISCONNECTED)
    client.connect(f"tcp://127.0.0.1:{port}")
    with contextlib.suppress(plain.Again):
        # It may have been refused for good already.
        client.send(b"of one who is refused", plain.NOBLOCK)
    assert plain.utils.monitor.recv_monitor_message(monitor)["event"] == plain.EVENT_DISCONNECTED
    assert not server.poll(0)


# While nobody decides.


def test_after_a_stop_everybody_is_refused_until_the_next_start(kit: Kit, auth: Any, mechanism: Mechanism) -> None:
    mechanism.configure(auth)
    server = kit.server(mechanism.serve)
    kit.admitted(server, mechanism.right("one"), mechanism.home)
    auth.stop()
    assert auth.zap_socket is None
    for prepare in (mechanism.right("one"), *mechanism.wrong().values()):
        kit.refused(server, prepare, mechanism.home)
    auth.start()
    kit.admitted(server, mechanism.right("one"), mechanism.home)


def test_who_waits_comes_in_after_the_next_start(kit: Kit, auth: Any) -> None:
    mechanism = Curve(kit)
    mechanism.configure(auth)
    server = kit.server(mechanism.serve)
    auth.stop()
    client = kit.socket(plain.PUSH)
    # After which libzmq gives a handshake up and begins another.
    client.handshake_ivl, client.reconnect_ivl = 50, 1
    mechanism.right("one")(client)
    client.connect(server.last_endpoint)
    client.send(b"patience")
    kit.hear(server)
    auth.start()
    assert server.recv() == b"patience"


class Deadly(Curve):
    """Its callback kills whoever calls it, unless it is told not to."""

    deadly = True

    def configure(self, auth: Any) -> None:
        self.auth = auth
        auth.configure_curve_callback(credentials_provider=self)

    def callback(self, domain: str, key: bytes) -> bool:
        if self.deadly:
            die(self.auth)
        return key == self.kit.keys_of("one")[0]


def test_when_it_dies_everybody_is_refused(
    kit: Kit, auth: Any, front_end: FrontEnd, caplog: pytest.LogCaptureFixture
) -> None:
    mechanism = Deadly(kit)
    mechanism.configure(auth)
    server = kit.server(mechanism.serve)
    kit.refused(server, mechanism.right("one"))
    wait_until(front_end, lambda: not auth.is_alive())
    kit.refused(server, mechanism.right("one"))
    mechanism.deadly = False
    kit.refused(server, mechanism.right("one"))
    auth.start()
    kit.refused(server, mechanism.right("two"))
    kit.admitted(server, mechanism.right("one"))
    # The traceback there holds on to the frames of the thread, and these to its descriptors.
    caplog.clear()


def test_a_thread_that_ends_says_so(kit: Kit, front_end: FrontEnd, caplog: pytest.LogCaptureFixture) -> None:
    mechanism = Deadly(kit)
    with ThreadAuthenticator(kit.context) as auth:
        mechanism.configure(auth)
        server = kit.server(mechanism.serve)
        assert auth.pipe and auth.thread
        kit.refused(server, mechanism.right("one"))
        wait_until(front_end, lambda: not auth.is_alive())
    # What programs for PyZMQ ask.
    assert auth.pipe is None and auth.thread is None
    told = [(record.levelname, record.getMessage()) for record in caplog.records]
    caplog.clear()
    assert told == [("CRITICAL", "the authenticator ended: everybody is refused now")]


def test_the_thread_is_as_those_of_threading(kit: Kit) -> None:
    """What programs for PyZMQ ask of `thread`, which is native also where those are greenlets."""
    with ThreadAuthenticator(kit.context) as auth:
        thread = auth.thread
        assert thread is not None and thread.is_alive() and thread.ident and thread.native_id
        assert thread.isDaemon() and thread.daemon
        thread.setName("doorkeeper")
        assert thread.getName() == thread.name == "doorkeeper"
    thread.run()
    assert not thread.is_alive()


def test_it_can_be_stopped_by_its_own_callback(kit: Kit, auth: Any, front_end: FrontEnd) -> None:
    mechanism = Deadly(kit)
    mechanism.configure(auth)
    mechanism.callback = lambda domain, key: auth.stop() is None  # type: ignore[method-assign]
    mechanism.configure(auth)
    server = kit.server(mechanism.serve)
    client, _ = kit.client(server, mechanism.right("one"), b"the last")
    wait_until(front_end, lambda: auth._door is None)
    client.close()
    # What the server tells first may be of him.
    for _ in range(2):
        kit.refused(server, mechanism.right("two"))


def test_another_authenticator_takes_over(kit: Kit, auth_class: type, context: Any) -> None:
    mechanism = Curve(kit)
    first, second = auth_class(context), auth_class(context)
    mechanism.configure(second)
    first.start()
    with pytest.raises(plain.ZMQError) as caught:
        second.start()
    assert caught.value.errno == plain.EADDRINUSE and not second.is_alive()
    server = kit.server(mechanism.serve)
    kit.refused(server, mechanism.right("one"))
    first.stop()
    second.start()
    kit.admitted(server, mechanism.right("one"))
    first.stop()
    kit.admitted(server, mechanism.right("one"))
    second.stop()
    second.stop()


def test_there_is_nothing_to_authenticate_in_a_terminated_context(auth_class: type, zmq: ModuleType) -> None:
    """Its address is 0, of which a shadow would be a new context."""
    context = zmq.Context()
    auth = auth_class(context)
    context.term()
    doors = {**_door.doors}
    with pytest.raises(plain.ZMQError) as caught:
        auth.start()
    assert caught.value.errno == plain.EFAULT and not auth.is_alive()
    assert _door.doors == doors
    auth.stop()


def test_a_stop_that_releases_leaves_room_for_other_handlers(kit: Kit, auth: Any, context: Any) -> None:
    auth.stop()
    own = kit.socket(plain.REP)
    with pytest.raises(plain.ZMQError):
        own.bind("inproc://zeromq.zap.01")
    auth.start()
    auth.stop(release=True)
    own.bind("inproc://zeromq.zap.01")


def test_without_a_handler_a_socket_that_requires_one_refuses(kit: Kit) -> None:
    curve, null = Curve(kit), Null(kit)

    def enforced(serve: Callable[[Any], object]) -> Callable[[Any], object]:
        return lambda server: (serve(server), require_authenticator(server, DOMAIN))

    # What libzmq does by itself, which the documentation warns of.
    open_curve, open_null = kit.server(curve.serve), kit.server(null.serve)
    kit.admitted(open_curve, curve.right("stranger"))
    kit.admitted(open_null, null.right("stranger"))
    closed_curve, closed_null = kit.server(enforced(curve.serve)), kit.server(enforced(null.serve))
    kit.refused(closed_curve, curve.right("stranger"))
    # libzmq asks once more for one without credentials. If an authenticator runs by then it is that which refuses him,
    # so it has to know whom it lets in before it is started.
    kit.refused(closed_null, null.right("stranger"), ABROAD)
    auth = ThreadAuthenticator(kit.context)
    curve.configure(auth)
    null.configure(auth)
    with auth:
        kit.admitted(closed_curve, curve.right("one"), HOME)
        kit.admitted(closed_null, null.right("one"), HOME)


def test_a_secure_server_and_its_client(kit: Kit, auth: Any) -> None:
    mechanism = Curve(kit)
    mechanism.configure(auth)
    for name in ("server", "three"):
        kit.keys_of(name)
    server = kit.server(lambda server: secure_server(server, kit.keys["server"][1]))
    assert server.zap_domain == b"global"

    def client(name: str) -> Callable[[Any], object]:
        return lambda client: secure_client(client, kit.keys[name][1], kit.keys["server"][0])

    kit.refused(server, client("three"))
    kit.admitted(server, client("one"))
    kit.admitted(server, lambda client: secure_client(client, kit.keys_of("two"), kit.keys_of("server")[0]))
    auth.stop(release=True)
    kit.refused(server, client("one"))
    with pytest.raises(ValueError, match="domain"):
        require_authenticator(server, "")
    with pytest.raises(ValueError, match="secret key"):
        secure_server(server, kit.keys["server"][0])


def test_the_end_of_the_context_ends_it(auth_class: type, zmq: ModuleType, front_end: FrontEnd) -> None:
    for method in ("term", "destroy"):
        for state in ("runs", "stopped", "again"):
            context = zmq.Context()
            auth = auth_class(context)
            auth.start()
            front_end.sleep(0.001)
            if state != "runs":
                auth.stop()
            if state == "again":
                auth.start()
            getattr(context, method)()
            wait_until(front_end, lambda: not auth.is_alive())  # noqa: B023
            auth.stop()
            with pytest.raises(plain.ZMQError):
                auth.start()


def test_the_end_of_the_context_in_the_midst_of_a_callback_ends_it(zmq: ModuleType, front_end: FrontEnd) -> None:
    context = zmq.Context()
    auth = authenticators(zmq)[0](context)
    terminating: list[Any] = []

    class Provider:
        def callback(self, domain: str, key: bytes) -> bool:
            terminating.append(front_end.spawn(context.term))
            with pytest.raises(plain.ContextTerminated):
                while True:
                    auth.zap_socket.get(plain.EVENTS)
                    front_end.sleep(0.001)
            return True

    auth.configure_curve_callback(credentials_provider=Provider())
    auth.start()
    with context.socket(plain.DEALER) as asker:
        asker.linger = 0
        asker.connect("inproc://zeromq.zap.01")
        asker.send_multipart([b"", b"1.0", b"1", b"", b"192.0.2.1", b"", b"CURVE", bytes(32)])
        wait_until(front_end, lambda: terminating)
    terminating[0].get()
    wait_until(front_end, lambda: not auth.is_alive())


# What is known of those who are let in.


def test_user_ids_and_metadata(kit: Kit, auth_class: type, context: Any) -> None:
    class Knowing(auth_class):  # type: ignore[misc]
        def metadata(self, domain: str, mechanism: str, user_id: str) -> dict[str, Any]:
            return {"X-Who": f"{domain} {mechanism} {user_id}", "X-Raw": "é".encode()}

    plain_users, keys, null = Plain(kit), Curve(kit), Null(kit)
    with Knowing(context) as auth:
        plain_users.configure(auth)
        keys.configure(auth)
        frame = kit.admitted(kit.server(plain_users.serve), plain_users.right("one"))
        assert (frame["User-Id"], frame["X-Who"], frame["X-Raw"]) == ("one", "* PLAIN one", "é")
        server = kit.server(keys.serve)
        key = kit.keys_of("one")[0].decode()
        frame = kit.admitted(server, keys.right("one"))
        assert (frame["User-Id"], frame["X-Who"]) == (key, f"* CURVE {key}")
        auth.curve_user_id = lambda client_public_key: f"custom {len(client_public_key)}"
        assert kit.admitted(server, keys.right("one"))["User-Id"] == "custom 32"
        frame = kit.admitted(kit.server(null.serve), null.right("one"))
        assert (frame["User-Id"], frame["X-Who"]) == ("anonymous", f"{DOMAIN} NULL anonymous")


def test_policies_of_domains(kit: Kit, auth: Any) -> None:
    users = Plain(kit)
    auth.configure_plain("*", {"one": "first secret"})
    auth.configure_plain("inner", {"two": "second secret"})

    def serve(domain: bytes) -> Any:
        return kit.server(lambda server: (users.serve(server), server.set(plain.ZAP_DOMAIN, domain)))

    for server in (kit.server(users.serve), serve(b"outer")):
        kit.refused(server, users.right("two"))
        kit.admitted(server, users.right("one"))
    server = serve(b"inner")
    kit.refused(server, users.right("one"))
    kit.admitted(server, users.right("two"))


def test_policies_are_mappings_too(kit: Kit, auth: Any) -> None:
    one, two = (kit.keys_of(name)[0] for name in ("one", "two"))
    mechanism = Curve(kit)
    mechanism.configure(auth)
    # Keys of a directory are seen there.
    assert dict(auth.certs["*"]) == {one: True, two: True} and set(auth.certs) == {"*"} and not auth.allow_any
    with pytest.raises(TypeError):
        auth.certs["*"][one] = False
    # One kind takes the place of the other, in that domain.
    provider = Deadly(kit)
    auth.credentials_providers["inner"] = provider
    assert auth.credentials_providers == {"inner": provider} and set(auth.certs) == {"*"}
    for policies in (auth.certs, auth.credentials_providers):
        with pytest.raises(KeyError):
            policies["outer"]
        with pytest.raises(KeyError):
            del policies["outer"]
    with pytest.raises(KeyError):
        del auth.certs["inner"]
    with pytest.raises(TypeError, match="callback"):
        auth.credentials_providers["inner"] = object()
    with pytest.raises(TypeError, match="keys are a mapping"):
        auth.certs["inner"] = [one]
    auth.certs = {"inner": {two: 1}}
    assert auth.certs == {"inner": {two: 1}} and not auth.credentials_providers
    auth.credentials_providers = {"outer": provider}
    assert set(auth.credentials_providers) == {"outer"} and set(auth.certs) == {"inner"}
    del auth.certs["inner"]
    assert len(auth.certs) == 0
    auth.passwords["*"] = users = {"one": "first secret"}
    assert auth.passwords["*"] is users and "secret" not in repr(auth.passwords) and "*" in repr(auth.passwords)
    auth.passwords = {"inner": users}
    assert set(auth.passwords) == {"inner"}
    PlainFile(kit).configure(auth)
    # What passwords of files are is not known.
    assert DOMAIN not in auth.passwords


def test_any_key_is_let_in_or_not_any_more(kit: Kit, auth: Any) -> None:
    mechanism = Curve(kit)
    server = kit.server(mechanism.serve)
    auth.allow_any = True
    assert auth.allow_any
    kit.admitted(server, mechanism.right("two"))
    auth.configure_curve("inner", base.CURVE_ALLOW_ANY)
    auth.allow_any = False
    assert not auth.allow_any
    kit.refused(server, mechanism.right("two"))
    inner = kit.server(lambda server: (mechanism.serve(server), server.set(plain.ZAP_DOMAIN, b"inner")))
    auth.certs["*"] = {kit.keys_of("one")[0]: True}
    kit.refused(inner, mechanism.right("one"))
    kit.refused(server, mechanism.right("two"))
    kit.admitted(server, mechanism.right("one"))
    auth.allow_any = False
    kit.admitted(server, mechanism.right("one"))


def test_users_of_a_mapping_that_was_put_there(kit: Kit, auth: Any) -> None:
    mechanism = Plain(kit)
    server = kit.server(mechanism.serve)
    auth.passwords["*"] = {}
    kit.refused(server, mechanism.right("one"))
    auth.passwords["*"]["one"] = "first secret"
    kit.admitted(server, mechanism.right("one"))
    kit.refused(server, mechanism.right("two"))
    del auth.passwords["*"]
    kit.refused(server, mechanism.right("one"))


def test_the_log_holds_no_secrets(kit: Kit, auth: Any, caplog: pytest.LogCaptureFixture) -> None:
    users, keys = Plain(kit), Curve(kit)
    with caplog.at_level(logging.DEBUG, "zmq"):
        users.configure(auth)
        keys.configure(auth)
        server = kit.server(users.serve)
        kit.refused(server, users.login("one", "my other password"))
        kit.admitted(server, users.right("one"))
        server = kit.server(keys.serve)
        kit.refused(server, keys.right("three"))
        kit.admitted(server, keys.right("one"))
    assert "user 'one' is unknown, or the password wrong" in caplog.text
    assert "let in a PLAIN connection from '127.0.0.1'" in caplog.text
    assert "the key is unknown" in caplog.text
    secrets = ["first secret", "second secret", "my other password"]
    secrets += [kit.keys_of(name)[1].decode() for name in ("one", "three", "server")]
    assert not [secret for secret in secrets if secret in caplog.text]


# In one process.


def test_it_is_changed_while_it_runs(kit: Kit, auth: Any, front_end: FrontEnd) -> None:
    users = Plain(kit)
    users.configure(auth)
    server = kit.server(users.serve)
    over = threading.Event()

    def change(number: int) -> int:
        count = 0
        while not over.is_set():
            auth.configure_plain(f"domain {number} {count % 100}", {"one": "x"})
            auth.deny(f"10.{number}.0.{count % 256}")
            auth.configure_plain("*", users.users)
            count += 1
            front_end.sleep(0.001)
        return count

    tasks = [front_end.spawn(change, number) for number in range(3)]
    for _ in range(10):
        kit.refused(server, users.login("one", "x"))
        kit.admitted(server, users.right("one"))
    over.set()
    assert all(task.get() for task in tasks)
    assert len(auth._users) > 1


def test_a_forked_child_leaves_it_alone(front_end: FrontEnd) -> None:
    if not front_end.forks_quietly:
        pytest.skip("the framework prints an error")
    run(
        front_end,
        """
        import os
        from support import auth_kit
        for auth_class in auth_kit.authenticators(zmq):
            context = zmq.Context()
            kit = auth_kit.Kit(context, zmq, None)
            users = auth_kit.Plain(kit)
            running, stopped = auth_class(context), auth_class(zmq.Context())
            running.start()
            stopped.start()
            stopped.stop()
            users.configure(running)
            server = kit.server(users.serve)
            kit.admitted(server, users.right("one"))
            sys.stdout.flush()
            pid = front_end.fork()
            if not pid:
                running.stop()
                stopped.stop()
                os._exit(0)
            assert os.waitpid(pid, 0)[1] == 0
            kit.refused(server, users.login("one", "x"))
            kit.admitted(server, users.right("one"))
            running.stop()
            server.close()
            context.destroy()
            stopped.context.destroy()
        """,
    )


def test_the_end_of_the_program_does_not_wait(front_end: FrontEnd) -> None:
    run(
        front_end,
        """
        from support import auth_kit
        for auth_class in auth_kit.authenticators(zmq):
            for stops in (True, False):
                context = zmq.Context()
                auth = auth_class(context)
                auth.start()
                front_end.sleep(0.001)
                if stops:
                    auth.stop()
                globals()[f"kept {auth_class} {stops}"] = context, auth
        last = authentic = auth_class(zmq.Context.instance())
        last.start()
        """,
    )


def test_to_allow_and_to_deny_exclude_each_other() -> None:
    auth = base.Authenticator(plain.Context.instance())
    auth.deny("127.0.0.1")
    with pytest.raises(ValueError, match="not both"):
        auth.allow("127.0.0.2")
    with pytest.raises(TypeError, match="a str"):
        auth.deny(b"127.0.0.1")  # type: ignore[arg-type]
    auth = base.Authenticator(plain.Context.instance())
    auth.allow("127.0.0.1", "::1")
    with pytest.raises(ValueError, match="not both"):
        auth.deny("127.0.0.2")


class Stricter:
    """What replaces the steps of a decision, by PyZMQ's names of them."""

    asked: list[tuple[str, str]]

    def _authenticate_plain(self, domain: str, username: str, password: str) -> tuple[bool, bytes]:
        self.asked.append((domain, username))
        verdict = super()._authenticate_plain(domain, username, password)  # type: ignore[misc]
        return (False, b"locked out") if username == "one" else verdict

    async def _authenticate_curve(self, domain: str, client_key: bytes) -> tuple[bool, bytes]:
        self.asked.append((domain, plain.utils.z85.encode(client_key).decode()))
        verdict = await super()._authenticate_curve(domain, client_key)  # type: ignore[misc]
        return (False, b"locked out") if self.asked[-1][1].encode() == self.locked else verdict

    locked = b""


@pytest.mark.parametrize("kind", [Plain, Curve])
def test_a_subclass_that_is_stricter(
    auth_class: type, kit: Kit, kind: type[Mechanism], caplog: pytest.LogCaptureFixture
) -> None:
    auth = type("Strict", (Stricter, auth_class), {})(kit.context)
    auth.asked = []
    auth.start()
    try:
        mechanism = kind(kit)
        mechanism.configure(auth)
        server = kit.server(mechanism.serve)
        if kind is Curve:
            auth.locked = kit.keys_of("one")[0]
        with caplog.at_level(logging.INFO):
            kit.refused(server, mechanism.right("one"))
        assert "locked out" in caplog.text
        kit.admitted(server, mechanism.right("two"))
        assert {domain for domain, _ in auth.asked} <= {"*", DOMAIN} and len({who for _, who in auth.asked}) == 2
    finally:
        auth.stop()


def test_a_reply_that_a_subclass_would_send_is_refused(auth_class: type, context: Any) -> None:
    with pytest.raises(TypeError, match="_send_zap_reply would not be called"):
        type("Own", (auth_class,), {"_send_zap_reply": print})(context)
