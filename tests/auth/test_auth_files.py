"""Files that authenticators read: passwords and certificates, which may change, break and vanish."""

from __future__ import annotations

import hmac
import logging
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import zmq
from zmq.auth import Authenticator, _policies, create_certificates, load_certificate
from zmq.auth.base import finish
from zmq.utils import z85


def ask(auth: Authenticator, mechanism: str, *credentials: bytes, domain: bytes = b"") -> bytes:
    """Return the status that a request gets."""
    replies: list[tuple[bytes, ...]] = []

    class Door:
        def note(self, message: list[bytes]) -> None:
            pass

        def reply(self, *frames: bytes) -> None:
            replies.append(frames)

        def leave(self) -> None:
            pass

    auth._door = Door()  # type: ignore[assignment]
    finish(auth.handle_zap_message([b"1.0", b"1", domain, b"192.0.2.1", b"", mechanism.encode(), *credentials]))
    ((status, *_),) = replies
    return status


def login(auth: Authenticator, user: str, password: str) -> bool:
    return ask(auth, "PLAIN", user.encode(), password.encode()) == b"200"


@pytest.fixture
def auth() -> Authenticator:
    return Authenticator(zmq.Context.instance(), log=logging.getLogger("zmq.auth.test"))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "passwords"
    file.touch(0o600)
    return file


def age(path: Path, seconds: float = 60) -> None:
    """Make a file look as if it had not changed for some time."""
    then = time.time() - seconds
    os.utime(path, (then, then))


def test_a_password_file(auth: Authenticator, file: Path) -> None:
    file.write_text("# users\n\none=1\r\n two = a b = c \n#three=3\n  # four=4\nfive=\nsix=#6\n", newline="")
    auth.configure_plain("*", str(file))
    assert login(auth, "one", "1") and login(auth, "two", "a b = c") and login(auth, "six", "#6")
    assert login(auth, "five", "")
    for user, password in (("three", "3"), ("#three", "3"), ("# four", "4"), ("one", "1\r"), ("two", "a b")):
        assert not login(auth, user, password)


def test_it_is_read_again_when_it_has_changed(auth: Authenticator, file: Path) -> None:
    file.write_text("one=1\n")
    auth.configure_plain("*", file)
    for password in "23456789":
        # As long as before, and within the same moment.
        file.write_text(f"one={password}\n")
        assert login(auth, "one", password)
        assert not login(auth, "one", "1")


def test_it_is_not_read_while_it_does_not_change(
    auth: Authenticator, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_policies, "COARSE", -(10**18))
    file.write_text("one=1\n")
    auth.configure_plain("*", file)
    reads: list[Path] = []
    users: Any = auth._users["*"]
    load = users.file.load
    monkeypatch.setattr(users.file, "load", lambda path: (reads.append(path), load(path))[1])
    assert login(auth, "one", "1") and login(auth, "one", "1") and not reads
    other = file.with_name("other")
    other.write_text("one=2\n")
    age(other)
    os.replace(other, file)
    assert login(auth, "one", "2") and login(auth, "one", "2") and len(reads) == 1


def test_while_it_is_broken_nobody_is_let_in(auth: Authenticator, file: Path, caplog: pytest.LogCaptureFixture) -> None:
    file.write_text("one=1\n")
    auth.configure_plain("*", file)
    for content in (b"one=1\nnonsense secret\n", b"one=1\none=2\n", b"=1\none=1\n", b"one=1\n\xff=2\n"):
        caplog.clear()
        file.write_bytes(content)
        assert not login(auth, "one", "1")
        assert not login(auth, "one", "1")
        # Once, and without what stands there.
        assert len([record for record in caplog.records if record.levelno == logging.ERROR]) == 1
        assert "passwords" in caplog.text and "nonsense" not in caplog.text
        file.write_text("one=1\n")
        assert login(auth, "one", "1")
    file.unlink()
    assert not login(auth, "one", "1")
    assert "No such file" in caplog.text
    for make, remove in ((Path.mkdir, Path.rmdir), (os.mkfifo, os.unlink)):
        make(file)
        assert not login(auth, "one", "1")
        remove(file)
    file.write_text("one=1\n")
    assert login(auth, "one", "1")


def test_a_file_that_is_wrong_from_the_start(auth: Authenticator, file: Path) -> None:
    with pytest.raises(FileNotFoundError):
        auth.configure_plain("*", file.with_name("other"))
    file.write_text("one 1")
    with pytest.raises(ValueError, match=r"line 1 of .*passwords is not of the form name=password"):
        auth.configure_plain("*", file)
    with pytest.raises(TypeError, match="not a int"):
        auth.configure_plain("*", 5)  # type: ignore[arg-type]
    assert not login(auth, "one", "1")


def test_a_file_that_everybody_can_read_is_warned_of(
    auth: Authenticator, file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    auth.configure_plain("*", file)
    assert not caplog.records
    file.chmod(0o644)
    auth.configure_plain("*", file)
    assert "everybody can read" in caplog.text


def test_another_encoding(tmp_path: Path) -> None:
    auth = Authenticator(zmq.Context.instance(), encoding="latin-1")
    auth.configure_plain("*", {"é": "è"})
    assert ask(auth, "PLAIN", b"\xe9", b"\xe8") == b"200"
    assert ask(auth, "PLAIN", "é".encode(), "è".encode()) == b"400"
    file = tmp_path / "passwords"
    file.write_text("é=è\n", encoding="utf-8")
    auth.configure_plain("*", file)
    assert ask(auth, "PLAIN", b"\xe9", b"\xe8") == b"200"


def test_a_password_takes_as_long_for_an_unknown_user(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As much is computed, of as many bytes."""
    hashed: list[int] = []
    digest = hmac.digest
    monkeypatch.setattr(hmac, "digest", lambda key, text, name: (hashed.append(len(text)), digest(key, text, name))[1])
    long = "x" * 200
    file.write_text(f"one=1\ntwo={long}\n")
    log = logging.getLogger("zmq.auth.test")
    for users in (
        _policies.Passwords({"one": "1", "two": long, "three": b"3"}, "utf-8"),
        _policies.PasswordFile(file, log),
    ):
        # A file that has only just changed is read again.
        monkeypatch.setattr(_policies, "COARSE", -(10**18))
        users.digest_of("one")
        work = []
        for user in ("one", "two", "three", "unknown"):
            hashed.clear()
            assert not _policies.is_password(users, user, b"wrong", "utf-8")
            work.append(list(hashed))
        assert work[0] and work == [work[0]] * 4
    assert not _policies.is_password(None, "one", b"", "utf-8")
    assert not _policies.is_password(_policies.Passwords({}, "utf-8"), "x", _policies.NO_PASSWORD.encode(), "utf-8")


@pytest.mark.parametrize("what", ["passwords", "keys", "the keys of here", "principals"])
def test_a_relative_path_counts_from_where_it_was_named(
    auth: Authenticator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    keys = []
    for name in ("home", "elsewhere"):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "passwords").touch(0o600)
        (folder / "passwords").write_text(f"user={name}\n")
        (folder / "principals").write_text(f"{name}@REALM\n")
        if zmq.has("curve"):
            keys.append(load_certificate(create_certificates(folder, "one")[0])[0])
    monkeypatch.chdir(tmp_path / "home")
    if what == "passwords":
        auth.configure_plain("*", "passwords")
    elif what == "principals":
        auth.configure_gssapi("*", "principals")
    elif not zmq.has("curve"):
        pytest.skip("this libzmq has no CURVE")
    elif what == "keys":
        auth.configure_curve("*", Path("../home"))
    else:
        auth.configure_curve("*")
    monkeypatch.chdir(tmp_path / "elsewhere")
    if what == "passwords":
        assert login(auth, "user", "home") and not login(auth, "user", "elsewhere")
    elif what == "principals":
        assert ask(auth, "GSSAPI", b"home@REALM") == b"200" and ask(auth, "GSSAPI", b"elsewhere@REALM") != b"200"
    else:
        assert [knows(auth, key) for key in keys] == [True, False]


@pytest.mark.parametrize("wrong", [{"user": "geheim€"}, {"user": 5}, None], ids=["no text", "no password", "a mapping"])
def test_a_record_of_the_log_holds_no_password(wrong: Any, caplog: pytest.LogCaptureFixture) -> None:
    """Nor do the frames that it holds on to."""

    class Broken(dict[str, str]):
        def get(self, user: str, default: Any = None) -> Any:
            word = "geheim€"
            raise LookupError(len(word))

    auth = Authenticator(zmq.Context.instance(), encoding="latin-1")
    auth.configure_plain("*", Broken() if wrong is None else wrong)
    assert ask(auth, "PLAIN", b"user", b"geheim") == b"500"
    (record,) = caplog.records
    assert record.exc_info is not None
    _, error, traceback = record.exc_info
    assert error is not None and "geheim" not in repr((error, error.args, error.__context__, error.__cause__))
    frames = 0
    while traceback is not None:
        assert "geheim" not in repr(traceback.tb_frame.f_locals.values())
        traceback = traceback.tb_next
        frames += 1
    # It still says where.
    assert frames > 1 and "_policies.py" in caplog.text


# Certificates.


@pytest.mark.skipif(not zmq.has("curve"), reason="this libzmq has no CURVE")
def test_no_location_lets_nobody_in(auth: Authenticator, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """As with PyZMQ that is logged and nothing is raised."""
    key = load_certificate(create_certificates(tmp_path, "one")[0])[0]
    auth.configure_curve("*", tmp_path)
    assert knows(auth, key) and not caplog.records
    auth.configure_curve(location=None)
    assert not knows(auth, key) and "Failed to load CURVE certs from None" in caplog.text


@pytest.fixture
def many(tmp_path: Path) -> list[bytes]:
    """A directory with many certificates, of which the first and the last are returned."""
    keys = [z85.encode(number.to_bytes(32, "big")) for number in range(1, 301)]
    for number, key in enumerate(keys):
        (tmp_path / f"{number}.key").write_text(f'curve\n    public-key = "{key.decode()}"\n')
    return [keys[0], keys[-1]]


KEY = b"k" * 32


class Released(dict[Any, Any]):
    """A mapping that looks, when it is released, who is let in."""

    look: Callable[[], None] = staticmethod(lambda: None)

    def __del__(self) -> None:
        self.look()


class Watcher(logging.Handler):
    """Looks who is let in whenever something is configured."""

    def __init__(self, look: Callable[[], None]) -> None:
        super().__init__(logging.DEBUG)
        self.look = look

    def emit(self, record: logging.LogRecord) -> None:
        if record.getMessage().startswith("Configure"):
            self.look()


@pytest.mark.parametrize("kind", ["passwords", "certs", "credentials_providers"])
@pytest.mark.parametrize("how", ["assigned", "updated", "cleared"])
def test_policies_change_in_one_step(auth: Authenticator, kind: str, how: str) -> None:
    """A guest is let in where nobody has said who is; to a domain that has its own users he is not, at any moment."""

    class Provider:
        def __init__(self, right: bool) -> None:
            self.right = right

        def callback(self, domain: str, key: bytes) -> bool:
            return self.right

    def policy(guest: bool) -> Any:
        if kind == "credentials_providers":
            return Provider(guest)
        name: Any = "guest" if kind == "passwords" else z85.encode(KEY)
        return Released({name: "guest"} if guest else {b"another": "one"})

    def is_let_in(domain: bytes) -> bool:
        if kind == "passwords":
            return ask(auth, "PLAIN", b"guest", b"guest", domain=domain) == b"200"
        return ask(auth, "CURVE", KEY, domain=domain) == b"200"

    seen: list[bool] = []
    wrong = object() if kind != "passwords" else "/nowhere/passwords"

    def look() -> None:
        seen.append(is_let_in(b"inner"))

    # The domain that has its own users comes first, and last.
    for names in (("inner", "*"), ("*", "inner")):
        setattr(auth, kind, {name: policy(name == "*") for name in names})
        assert is_let_in(b"") and not is_let_in(b"inner")
        Released.look = staticmethod(look)
        auth.log.addHandler(watcher := Watcher(look))
        auth.log.setLevel(logging.DEBUG)
        try:
            if how == "assigned":
                setattr(auth, kind, {name: policy(name == "*") for name in names})
            elif how == "updated":
                getattr(auth, kind).update({name: policy(name == "*") for name in names})
            else:
                getattr(auth, kind).clear()
                assert not getattr(auth, kind) and not is_let_in(b"")
                setattr(auth, kind, {name: policy(name == "*") for name in names})
            # One of them is wrong: nothing has changed.
            with pytest.raises((TypeError, OSError)):
                setattr(auth, kind, {names[0]: policy(True), names[1]: wrong})
            with pytest.raises((TypeError, OSError)):
                getattr(auth, kind).update({names[0]: policy(True), names[1]: wrong})
            assert is_let_in(b"") and set(getattr(auth, kind)) == set(names)
            look()
        finally:
            Released.look = staticmethod(lambda: None)
            auth.log.removeHandler(watcher)
            auth.log.setLevel(logging.NOTSET)
        assert seen and not any(seen)


def test_a_policy_is_looked_for_in_one_state() -> None:
    """Another thread may replace all of them between two looks."""

    class Switching(dict[str, Any]):
        def get(self, domain: str, default: Any = None) -> Any:
            found = super().get(domain, default)
            self.clear()
            self.update({"*": "new"} if domain == "inner" else {"inner": "new"})
            return found

    assert _policies.policy_of(Switching({"*": "old"}), "inner") == "old"
    assert _policies.policy_of(Switching({"inner": "own"}), "inner") == "own"
    assert _policies.policy_of({"inner": None, "*": "old"}, "inner") == "old"
    assert _policies.policy_of({"inner": None}, "inner") is None


@pytest.mark.parametrize("settled", [False, True])
@pytest.mark.parametrize("spares", [False, True])
def test_a_large_directory_is_not_read_for_every_connection(
    tmp_path: Path, many: list[bytes], settled: bool, spares: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if settled:
        monkeypatch.setattr(_policies, "COARSE", -(10**18))
    monkeypatch.setattr(_policies, "CHEAP", -1 if spares else 10**18)
    monkeypatch.setattr(_policies, "SPARING", 10**9)
    opened: list[Path] = []
    read = _policies.load_public_key

    def load(path: Path) -> bytes:
        opened.append(path)
        return read(path)

    monkeypatch.setattr(_policies, "load_public_key", load)
    stats: list[object] = []
    stat = os.stat
    directory = _policies.KeyDirectory(tmp_path, logging.getLogger("zmq.auth.test"))
    assert len(opened) == 300
    opened.clear()
    monkeypatch.setattr(os, "stat", lambda path, **options: (stats.append(path), stat(path, **options))[1])
    first, last = many
    new = z85.encode(bytes(32))
    assert directory.knows(first) and directory.knows(last) and not directory.knows(new)
    if settled:
        assert not opened
        assert len(stats) == (5 if spares else 903)
    # A file that goes, one that comes, one that says something else: at the next connection.
    (tmp_path / "0.key").unlink()
    assert not directory.knows(first)
    (tmp_path / "0.key").write_text(f"public-key = {first.decode()}")
    assert directory.knows(first)
    (tmp_path / "299.key").write_text(f"public-key = {new.decode()}")
    assert not directory.knows(last)
    assert directory.knows(new)
    assert directory.admitted() >= {first, new}


def knows(auth: Authenticator, key: bytes) -> bool:
    return ask(auth, "CURVE", z85.decode(key)) == b"200"


@pytest.mark.skipif(not zmq.has("curve"), reason="this libzmq has no CURVE")
def test_a_directory_of_certificates(auth: Authenticator, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    clients = tmp_path / "clients"
    auth.configure_curve("*", clients)
    assert "No such file" in caplog.text
    keys = [load_certificate(create_certificates(tmp_path, name)[0])[0] for name in ("one", "two", "three")]
    assert [knows(auth, key) for key in keys] == [False, False, False]
    clients.mkdir()
    os.link(tmp_path / "one.key", clients / "one.key")
    os.link(tmp_path / "two.key", clients / "two.key_secret")
    assert [knows(auth, key) for key in keys] == [True, False, False]
    os.link(tmp_path / "three.key", clients / "three.key")
    assert [knows(auth, key) for key in keys] == [True, False, True]
    (clients / "one.key").unlink()
    assert [knows(auth, key) for key in keys] == [False, False, True]
    # In the place of another one.
    os.replace(clients / "two.key_secret", clients / "three.key")
    assert [knows(auth, key) for key in keys] == [False, True, False]
    os.mkfifo(clients / "pipe.key")
    assert [knows(auth, key) for key in keys] == [False, True, False]
    (clients / "three.key").write_text("")
    assert [knows(auth, key) for key in keys] == [False, False, False]


@pytest.mark.skipif(not zmq.has("curve"), reason="this libzmq has no CURVE")
def test_a_broken_certificate_is_logged_once_for_every_change(
    auth: Authenticator, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Not at every connection; and it lets nobody in, nor keeps anybody out."""
    good, broken = tmp_path / "good.key", tmp_path / "broken.key"
    key = load_certificate(create_certificates(tmp_path, "good")[0])[0]
    auth.configure_curve("*", tmp_path)
    content = good.read_text()
    for nonsense in ("nonsense", "other nonsense", "", content, "nonsense"):
        caplog.clear()
        broken.write_text(nonsense)
        for _ in range(3):
            assert knows(auth, key)
        told = [record.getMessage() for record in caplog.records]
        assert len(told) == (nonsense != content)
        assert all(f"No public key found in {broken}" in text for text in told)
    caplog.clear()
    broken.unlink()
    assert knows(auth, key) and not caplog.records
