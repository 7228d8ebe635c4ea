"""What an authenticator answers, frame by frame: right requests, wrong ones and any others."""

from __future__ import annotations

import hmac
import logging
import os
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import gevent
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import zmq as plain
from support.auth_kit import LET_OUT, authenticators
from support.front_ends import LIMIT, FrontEnd
from zmq.auth import Authenticator, _door, _policies, _zap
from zmq.auth._door import Turn
from zmq.auth.base import normal
from zmq.auth.thread import ThreadAuthenticator
from zmq.utils import z85

ENDPOINT = "inproc://zeromq.zap.01"
KEY = bytes(range(32))
Ask = Callable[..., list[bytes]]


@pytest.fixture
def auth(
    request: pytest.FixtureRequest, context: Any, zmq: ModuleType, caplog: pytest.LogCaptureFixture
) -> Iterator[Any]:
    with authenticators(zmq)[getattr(request, "param", 0)](context) as auth:
        yield auth
    # The tracebacks there hold on to the frames of the thread, and these to its descriptors.
    caplog.get_records("call").clear()


@pytest.fixture
def asker(context: Any, auth: Any) -> Any:
    asker = context.socket(plain.DEALER)
    asker.rcvtimeo = int(1000 * LIMIT)
    asker.connect(ENDPOINT)
    return asker


@pytest.fixture
def ask(asker: Any) -> Ask:
    """Send a request as it is, and return the reply without what was there before the status."""

    def ask(*frames: bytes) -> list[bytes]:
        asker.send_multipart([b"", *frames])
        empty, version, request_id, *rest = asker.recv_multipart()
        assert (empty, version) == (b"", b"1.0") and len(rest) == 4
        wanted = frames[1] if len(frames) > 1 else b""
        assert request_id == (wanted if len(wanted) <= 255 else b"")
        return rest

    return ask


def request(mechanism: str, *credentials: bytes, domain: str = "", address: str = "192.0.2.1") -> list[bytes]:
    return [b"1.0", b"id", domain.encode(), address.encode(), b"identity", mechanism.encode(), *credentials]


def refusal(frames: list[bytes]) -> bytes:
    """Return the status with which a request is refused: for GSSAPI one that libzmq heeds."""
    return b"401" if frames[5:6] == [b"GSSAPI"] else b"400"


OK_NULL = [b"200", b"OK", b"anonymous", b""]


def test_right_requests(auth: Any, ask: Ask) -> None:
    auth.configure_plain("*", {"user": "word", "bytes": b"\xff", "é": "è"})
    auth.configure_curve("*", "*")
    assert ask(*request("NULL")) == OK_NULL
    assert ask(*request("PLAIN", b"user", b"word")) == [b"200", b"OK", b"user", b""]
    assert ask(*request("PLAIN", "é".encode(), "è".encode())) == [b"200", b"OK", "é".encode(), b""]
    assert ask(*request("CURVE", KEY)) == [b"200", b"OK", z85.encode(KEY), b""]
    assert ask(*request("GSSAPI", b"user@REALM")) == [b"200", b"OK", b"user@REALM", b""]


MALFORMED = {
    "one frame": [b"1.0"],
    "an empty frame": [b""],
    "no mechanism": request("NULL")[:-1],
    "another version": [b"2.0", *request("NULL")[1:]],
    "no version": [b"", *request("NULL")[1:]],
    "an unknown mechanism": request("KERBEROS"),
    "a mechanism in small letters": request("null"),
    "no mechanism's name": request(""),
    "NULL with credentials": request("NULL", b""),
    "PLAIN without credentials": request("PLAIN"),
    "PLAIN without a password": request("PLAIN", b"user"),
    "PLAIN with more": request("PLAIN", b"user", b"word", b""),
    "PLAIN that is no text": request("PLAIN", b"\xff", b"word"),
    "a password that is no text": request("PLAIN", b"user", b"\xff"),
    "a user with a NUL": request("PLAIN", b"user\0", b"word"),
    "a long user": request("PLAIN", b"u" * 256, b"word"),
    "a huge password": request("PLAIN", b"user", bytes(10_000_000)),
    "CURVE without a key": request("CURVE"),
    "a short key": request("CURVE", KEY[:-1]),
    "a long key": request("CURVE", KEY + b"1"),
    "a key as text": request("CURVE", z85.encode(KEY)),
    "two keys": request("CURVE", KEY, KEY),
    "GSSAPI without a principal": request("GSSAPI"),
    "a principal with a NUL": request("GSSAPI", b"user\0@REALM"),
    "a domain that is no text": [b"1.0", b"1", b"\xff", b"192.0.2.1", b"", b"NULL"],
    "an address that is no text": [b"1.0", b"1", b"", b"\xff", b"", b"NULL"],
    "a huge domain": request("NULL", domain="d" * 1_000_000),
    "a huge request id": [b"1.0", bytes(1_000_000), b"", b"192.0.2.1", b"", b"NULL"],
    "a huge identity": [b"1.0", b"1", b"", b"192.0.2.1", bytes(1_000_000), b"NULL"],
    "many frames": [b"1.0"] * 10_000,
}


@pytest.mark.parametrize("frames", MALFORMED.values(), ids=MALFORMED)
def test_malformed_requests(auth: Any, ask: Ask, frames: list[bytes], caplog: pytest.LogCaptureFixture) -> None:
    auth.configure_plain("*", {"user": "word"})
    auth.configure_curve("*", "*")
    assert ask(*frames) == [refusal(frames), b"malformed request", b"", b""]
    assert "malformed ZAP request" in caplog.text and "word" not in caplog.text
    assert ask(*request("NULL")) == OK_NULL


def test_what_is_no_request_at_all(asker: Any, ask: Ask) -> None:
    # libzmq's REP socket drops what has no envelope.
    for frames in ([b"x"], [b"1.0", b"x"], [b"x"] * 10, [b""]):
        asker.send_multipart(frames)
    assert ask(*request("NULL")) == OK_NULL


PARTS = st.sampled_from([b"", b"1.0", b"id", b"192.0.2.1", b"NULL", b"PLAIN", b"CURVE", b"GSSAPI", b"user", KEY, b"*"])
FRAMES = st.lists(PARTS | st.binary(max_size=300), min_size=1, max_size=9)
ALTERED = st.builds(
    lambda valid, at, frame: [*valid[:at], frame, *valid[at + 1 :]],
    st.sampled_from([request("NULL"), request("PLAIN", b"user", b"x"), request("CURVE", KEY), request("GSSAPI", b"u")]),
    st.integers(0, 8),
    PARTS | st.binary(max_size=300),
)


@given(data=st.data())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_comes_is_refused_and_answered(auth: Any, ask: Ask, data: st.DataObject) -> None:
    auth.configure_plain("*", {"user": os.urandom(16).hex()})
    auth.configure_curve("*", "/nowhere")
    auth.allow("203.0.113.9")
    frames = data.draw(FRAMES | ALTERED)
    assert ask(*frames)[0] == refusal(frames)
    assert ask(*request("NULL", address="203.0.113.9")) == OK_NULL


def test_what_is_not_right_is_denied(auth: Any, ask: Ask) -> None:
    denied = [b"400", b"denied", b"", b""]
    assert ask(*request("PLAIN", b"user", b"word")) == ask(*request("CURVE", KEY)) == denied
    auth.configure_plain("*", {"user": "word", "nobody": None})
    for credentials in ((b"user", b""), (b"user", b"Word"), (b"User", b"word"), (b"", b""), (b"nobody", b"")):
        assert ask(*request("PLAIN", *credentials)) == denied
    auth.configure_plain("inner", {})
    assert ask(*request("PLAIN", b"user", b"word", domain="inner")) == denied
    auth.configure_plain("*")
    assert ask(*request("PLAIN", b"user", b"word")) == denied
    auth.configure_curve("*", "/nowhere")
    assert ask(*request("CURVE", KEY)) == denied


def test_what_is_no_password_lets_nobody_in(auth: Any, ask: Ask) -> None:
    auth.configure_plain("*", {"off": False, "zero": 0, "list": [], "view": memoryview(b"word")})
    for user in (b"off", b"zero", b"list"):
        assert ask(*request("PLAIN", user, b"")) == [b"500", b"internal error", b"", b""]
    assert ask(*request("PLAIN", b"view", b"word"))[0] == b"200"


def test_addresses_with_zones(auth: Any, ask: Ask) -> None:
    def statuses(*addresses: str) -> list[bytes]:
        return [ask(*request("NULL", address=address))[0] for address in addresses]

    auth.deny("fe80::1", "fe80::2%eth0")
    assert statuses("fe80::1", "fe80:0::1%eth0", "fe80::2%eth0") == [b"400"] * 3
    assert statuses("fe80::2", "fe80::2%eth1", "fe80::3%eth0") == [b"200"] * 3
    auth._denied.clear()
    auth.allow("fe80::1", "fe80::2%eth0")
    assert statuses("fe80::1", "fe80:0::1%eth0", "fe80::2%eth0") == [b"200"] * 3
    assert statuses("fe80::2", "fe80::2%eth1", "fe80::3%eth0") == [b"400"] * 3


def test_who_has_a_long_principal(auth: Any, ask: Ask) -> None:
    principal = b"x" * 4089 + b"@REALM"
    assert ask(*request("GSSAPI", principal))[::2] == [b"200", principal]
    assert ask(*request("GSSAPI", principal + b"xx"))[:2] == [b"401", b"malformed request"]


def test_gssapi_principals_from_a_file(auth: Any, ask: Ask, tmp_path: Path) -> None:
    file = tmp_path / "principals"
    file.write_text("# those of the house\none@REALM\n")
    auth.configure_gssapi("*", file)
    assert ask(*request("GSSAPI", b"one@REALM"))[0] == b"200"
    assert ask(*request("GSSAPI", b"two@REALM"))[0] == b"401"
    file.write_text("two@REALM\n")
    assert ask(*request("GSSAPI", b"one@REALM"))[0] == b"401"
    assert ask(*request("GSSAPI", b"two@REALM"))[0] == b"200"
    file.unlink()
    assert ask(*request("GSSAPI", b"two@REALM"))[0] == b"401"
    file.write_bytes(b"two@REALM\n\xff\n")
    assert ask(*request("GSSAPI", b"two@REALM"))[0] == b"401"
    other = tmp_path / "others"
    other.write_text("three@REALM\n")
    auth.configure_gssapi("inner", other)
    for domain, status in (("inner", b"200"), ("outer", b"401"), ("", b"401")):
        assert ask(*request("GSSAPI", b"three@REALM", domain=domain))[0] == status
    auth.metadata = lambda domain, mechanism, user_id: {"X-Who": f"{domain} {mechanism} {user_id}"}
    assert ask(*request("GSSAPI", b"three@REALM", domain="inner")) == [
        b"200",
        b"OK",
        b"three@REALM",
        _zap.encode_metadata({"X-Who": "inner GSSAPI three@REALM"}),
    ]
    del auth.metadata
    auth.allow("203.0.113.9")
    auth.configure_gssapi("*")
    assert ask(*request("GSSAPI", b"two@REALM"))[0] == b"401"
    assert ask(*request("GSSAPI", b"two@REALM", address="203.0.113.9"))[0] == b"200"


class Raising:
    def __init__(self, error: type[BaseException]) -> None:
        self.error = error

    def callback(self, domain: str, key: bytes) -> Any:
        # A new one each time: it keeps its traceback alive, and what the frames there hold.
        raise self.error()


class RaisingLater(Raising):
    async def callback(self, domain: str, key: bytes) -> bool:
        raise self.error()


BOTH = pytest.mark.parametrize("auth", [0, 1], ids=["own", "other"], indirect=True)


@BOTH
@pytest.mark.parametrize("provider", [Raising, RaisingLater], ids=["function", "coroutine"])
@pytest.mark.parametrize("error", LET_OUT, ids=lambda error: f"{error.__module__}.{error.__name__}")
def test_what_a_callback_lets_out_refuses_one_and_ends_nobody(
    auth: Any, ask: Ask, provider: type[Raising], error: type[BaseException], caplog: pytest.LogCaptureFixture
) -> None:
    auth.configure_curve_callback("*", provider(error))
    for _ in range(2):
        assert ask(*request("CURVE", KEY)) == [b"500", b"internal error", b"", b""]
        (record,) = caplog.get_records("call")
        assert record.levelname == "ERROR" and record.exc_info is not None and record.exc_info[0] is error
        caplog.clear()
    assert ask(*request("NULL")) == OK_NULL


def test_what_a_callback_may_answer(auth: Any, ask: Ask) -> None:
    class Provider:
        answer: Any = None

        def callback(self, domain: str, key: bytes) -> Any:
            assert (domain, key) == ("inner", z85.encode(KEY))
            return self.answer

    provider = Provider()
    auth.configure_curve_callback("inner", provider)
    for provider.answer, status in ((None, b"400"), (False, b"400"), (0, b"400"), ("", b"400"), (True, b"200")):
        assert ask(*request("CURVE", KEY, domain="inner"))[0] == status
    for wrong in (None, object(), provider.callback):
        with pytest.raises(TypeError, match="callback"):
            auth.configure_curve_callback("*", wrong)


def raises(error: type[BaseException]) -> Callable[..., Any]:
    return lambda *args: Raising(error).callback("", b"")


WRONG_METHODS: dict[str, tuple[str, Callable[..., Any]]] = {
    "a user id that is None": ("curve_user_id", lambda client_public_key: None),
    "a name with a space": ("metadata", lambda *args: {"a name": "x"}),
    "an error": ("handle_zap_message", lambda msg: 1 / 0),
    # As those of sockets of its own; the context of the authenticator is not meant.
    "no room": ("handle_zap_message", raises(plain.Again)),
    "the end of a context": ("handle_zap_message", raises(plain.ContextTerminated)),
    "a time-out": ("handle_zap_message", raises(gevent.Timeout)),
}


@BOTH
@pytest.mark.parametrize(("name", "method"), WRONG_METHODS.values(), ids=WRONG_METHODS)
def test_a_method_that_is_replaced_by_a_wrong_one(auth: Any, ask: Ask, name: str, method: Callable[..., Any]) -> None:
    auth.configure_curve("*", "*")
    setattr(auth, name, method)
    assert ask(*request("CURVE", KEY)) == [b"500", b"internal error", b"", b""]
    if name != "curve_user_id":
        assert ask(*request("GSSAPI", b"user@REALM")) == [b"501", b"internal error", b"", b""]
    delattr(auth, name)
    auth.curve_user_id = lambda client_public_key: "x" * 256
    assert ask(*request("CURVE", KEY))[0] == b"500"
    auth.curve_user_id = lambda client_public_key: "x" * 255
    assert ask(*request("CURVE", KEY))[2] == b"x" * 255


class Unwritable(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        raise OSError("the disk is full")


@BOTH
def test_a_log_that_fails(auth: Any, ask: Ask) -> None:
    auth.configure_curve_callback("*", Raising(OSError))
    auth.log = logging.Logger("zmq.test")
    auth.log.addHandler(Unwritable())
    for frames in (request("CURVE", KEY), request("PLAIN", b"user", b"word"), request("NULL", b"")):
        assert ask(*frames)[0] in (b"400", b"500")
    auth.log = logging.getLogger("zmq.auth")
    assert ask(*request("NULL")) == OK_NULL


def test_many_who_ask_at_once(auth: Any, context: Any) -> None:
    auth.configure_plain("*", {"user": "word"})
    askers = [context.socket(plain.DEALER) for _ in range(20)]
    for number, asker in enumerate(askers):
        asker.connect(ENDPOINT)
        for password in (b"word", b"sword"):
            frames = request("PLAIN", b"user", password)
            frames[1] = b"%d" % number
            asker.send_multipart([b"", *frames])
    for number, asker in enumerate(askers):
        replies = [asker.recv_multipart() for _ in range(2)]
        assert [reply[2:4] for reply in replies] == [[b"%d" % number, b"200"], [b"%d" % number, b"400"]]


def test_who_goes_before_the_answer(auth: Any, ask: Ask, context: Any) -> None:
    with context.socket(plain.DEALER) as gone:
        gone.connect(ENDPOINT)
        gone.send_multipart([b"", *request("NULL")])
    assert ask(*request("NULL")) == OK_NULL


def test_by_hand(context: Any) -> None:
    """A program may receive the requests itself."""
    auth = Authenticator(context)
    auth.stop()
    assert auth.zap_socket is None
    auth.start()
    asker = context.socket(plain.REQ)
    asker.connect(ENDPOINT)
    for frames, status in ((request("NULL"), b"200"), (request("PLAIN", b"1", b"2"), b"400"), ([b"1"], b"400")):
        asker.send_multipart(frames)
        assert auth.zap_socket is not None and auth.zap_socket.poll(1000 * LIMIT)
        message = auth.zap_socket.recv_multipart()
        assert message == frames
        with pytest.raises(StopIteration):
            auth.handle_zap_message(message).send(None)
        assert asker.recv_multipart()[2] == status
    auth.stop()


@BOTH
def test_who_asks_while_it_starts_gets_its_answer(
    auth: Any, ask: Ask, front_end: FrontEnd, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its turn begins before the call that starts it goes on."""
    auth.stop()
    answers: list[list[bytes]] = []
    begin = _door.begin

    def begin_and_ask(context: Any, turn: Turn) -> None:
        begin(context, turn)
        if turn.in_thread:
            answers.append(ask(*request("NULL")))

    monkeypatch.setattr(_door, "begin", begin_and_ask)
    auth.start()
    assert answers == [OK_NULL] * isinstance(auth, ThreadAuthenticator)
    assert ask(*request("NULL")) == OK_NULL


def test_metadata_as_zmtp_has_them() -> None:
    assert _zap.encode_metadata({}) == b""
    assert _zap.encode_metadata({"X-A": "é", "b": b""}) == b"\x03X-A" + struct.pack(
        ">I", 2
    ) + "é".encode() + b"\1b" + bytes(4)
    for name in ("", "a b", "é", "a\0", "x" * 256):
        with pytest.raises(ValueError, match="the name"):
            _zap.encode_metadata({name: "x"})
    with pytest.raises(TypeError):
        _zap.encode_metadata({"X-A": None})  # type: ignore[dict-item]


def test_addresses() -> None:
    assert normal("::ffff:127.0.0.1") == normal("127.0.0.1") == "127.0.0.1"
    assert normal("0:0::1") == "::1"
    assert normal("") == "" and normal("1000:100:1") == "1000:100:1"


def test_an_address_that_can_match_nobody_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    auth = Authenticator(plain.Context.instance(), log=logging.getLogger("zmq.test"))
    auth.deny("localhost", "10.0.0.0/8", "127.0.0.1")
    assert [record.args[1] for record in caplog.records if record.args] == ["localhost", "10.0.0.0/8"]  # type: ignore[index]


def test_passwords_are_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[bytes, bytes]] = []

    def compare(one: bytes, other: bytes) -> bool:
        seen.append((one, other))
        return same(one, other)

    same = hmac.compare_digest
    monkeypatch.setattr(hmac, "compare_digest", compare)
    users = _policies.Passwords({"user": "word"}, "utf-8")
    tried = [
        (users, "user", b"word"),
        (users, "user", b"w" * 1000),
        (users, "nobody", b"word"),
        (None, "user", b"word"),
    ]
    results = [_policies.is_password(who, name, password, "utf-8") for who, name, password in tried]
    assert results == [True, False, False, False]
    # Always once, and always of the same length.
    assert len(seen) == 4 and {len(each) for pair in seen for each in pair} == {32}


class Unequal(str):
    """Text that is equal to nothing."""

    def __eq__(self, other: object) -> bool:
        return False

    __hash__ = str.__hash__


def test_passwords_are_not_compared_as_text() -> None:
    users = _policies.Passwords({"user": Unequal("word")}, "utf-8")
    assert _policies.is_password(users, "user", b"word", "utf-8")
