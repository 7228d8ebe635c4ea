"""Files that authenticators read: passwords and certificates, which may change, break and vanish."""

from __future__ import annotations

import logging
import os
import time
from pathlib import Path
from typing import Any

import pytest

import zmq
from zmq.auth import Authenticator, _policies, create_certificates, load_certificate
from zmq.auth.base import finish
from zmq.utils import z85


def ask(auth: Authenticator, mechanism: str, *credentials: bytes) -> bytes:
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
    finish(auth.handle_zap_message([b"1.0", b"1", b"", b"192.0.2.1", b"", mechanism.encode(), *credentials]))
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


# Certificates.


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
