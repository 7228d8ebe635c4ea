"""Certificates: who can read them, what is left where one can't be written, what is said of broken ones, and keygen."""

from __future__ import annotations

import contextlib
import io
import json
import os
import stat
import subprocess
import sys
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import zmq
from zmq import auth, curve_keygen
from zmq.auth import certs, create_certificates, load_certificate, load_certificates
from zmq.utils import z85

pytestmark = pytest.mark.skipif(not zmq.has("curve"), reason="this libzmq has no CURVE")

#: A pair from the specification of CURVE in libzmq's manual.
PUBLIC, SECRET = b"Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID", b"D:)Q[IlAW!ahhC2ac:9*A}h:p?([4%wOTJ%JR%cs"


@pytest.fixture
def umask() -> Iterator[Any]:
    """Set the umask; afterwards it is what it was."""
    before = os.umask(0o022)
    os.umask(before)
    yield os.umask
    os.umask(before)


def mode(path: str | Path) -> int:
    return stat.S_IMODE(os.stat(path).st_mode)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


# How they are made.


def test_two_files(tmp_path: Path) -> None:
    public_file, secret_file = create_certificates(tmp_path, "server")
    assert (public_file, secret_file) == (f"{tmp_path}/server.key", f"{tmp_path}/server.key_secret")
    assert sorted(contents(tmp_path)) == ["server.key", "server.key_secret"]
    public, secret = load_certificate(secret_file)
    assert secret is not None and zmq.curve_public(secret) == public
    assert load_certificate(public_file) == (public, None)
    assert secret not in Path(public_file).read_bytes()
    other = create_certificates(str(tmp_path), "other")
    assert load_certificate(other[0])[0] != public
    with zmq.Context() as context, context.socket(zmq.PUSH) as socket:
        socket.curve_publickey, socket.curve_secretkey = public, secret


@pytest.mark.parametrize("mask", [0, 0o022, 0o077, 0o177, 0o777], ids=oct)
@pytest.mark.parametrize("overwrite", [True, False])
def test_only_the_owner_can_read_the_secret_from_the_first_moment(
    tmp_path: Path, umask: Any, mask: int, overwrite: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[str, int]] = []
    system_open = os.open

    def watched(path: Any, flags: int, mode: int = 0o777, **options: Any) -> int:
        fd = system_open(path, flags, mode, **options)
        found = os.fstat(fd)
        seen.append((os.fspath(path), stat.S_IMODE(found.st_mode)))
        assert found.st_size == 0
        return fd

    monkeypatch.setattr(os, "open", watched)
    umask(mask)
    public_file, secret_file = create_certificates(tmp_path, "server", overwrite=overwrite)
    umask(0o022)
    created = {path: bits for path, bits in seen if path.startswith(str(tmp_path))}
    secrets = [bits for path, bits in created.items() if "key_secret" in path]
    assert len(created) == 2 and len(secrets) == 1 and not secrets[0] & 0o077
    assert mode(secret_file) == 0o600
    assert mode(public_file) == 0o644 & ~mask | 0o600


def test_what_is_there_is_replaced(tmp_path: Path) -> None:
    """At once: who has the old one open keeps it, nobody's rights stay, and a link is not followed."""
    public_file, secret_file = map(Path, create_certificates(tmp_path, "server"))
    before = load_certificate(secret_file)
    secret_file.chmod(0o644)
    elsewhere = tmp_path / "elsewhere"
    public_file.rename(elsewhere)
    public_file.symlink_to(elsewhere)
    with open(secret_file, "rb") as opened:
        create_certificates(tmp_path, "server")
        after = load_certificate(secret_file)
        assert before[1] is not None and after[1] is not None and after[1] not in opened.read()
    assert after != before and mode(secret_file) == 0o600
    assert load_certificate(public_file)[0] == after[0] and not public_file.is_symlink()
    assert load_certificate(elsewhere)[0] == before[0]
    assert len(contents(tmp_path)) == 3


@pytest.mark.parametrize("there", ["server.key", "server.key_secret"])
def test_what_is_there_can_be_spared(tmp_path: Path, there: str) -> None:
    (tmp_path / there).write_text("precious")
    with pytest.raises(FileExistsError, match="server"):
        create_certificates(tmp_path, "server", overwrite=False)
    assert contents(tmp_path) == {there: b"precious"}
    (tmp_path / there).unlink()
    (tmp_path / there).symlink_to(tmp_path / "nowhere")
    with pytest.raises(FileExistsError):
        create_certificates(tmp_path, "server", overwrite=False)
    assert os.listdir(tmp_path) == [there]


@pytest.mark.parametrize("overwrite", [True, False])
@pytest.mark.parametrize("fails", [1, 2])
def test_where_they_cannot_be_written_nothing_is_left_half(
    tmp_path: Path, overwrite: bool, fails: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    if overwrite:
        create_certificates(tmp_path, "server")
    before = contents(tmp_path)
    calls: list[int] = []

    def full(fd: int) -> None:
        calls.append(fd)
        if len(calls) == fails:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        create_certificates(tmp_path, "server", overwrite=overwrite)
    assert contents(tmp_path) == before


def test_of_many_who_make_the_same_one_wins(tmp_path: Path) -> None:
    made: list[tuple[bytes, bytes | None]] = []
    barrier = threading.Barrier(8)

    def make() -> None:
        barrier.wait()
        with contextlib.suppress(FileExistsError):
            made.append(load_certificate(create_certificates(tmp_path, "server", overwrite=False)[1]))

    threads = [threading.Thread(target=make) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert made == [load_certificate(tmp_path / "server.key_secret")]
    assert load_certificate(tmp_path / "server.key")[0] == made[0][0]


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "/a", "a\n", "a\0", "../a"])
def test_what_is_no_name(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="the name of a certificate"):
        create_certificates(tmp_path, name)
    assert not contents(tmp_path)


def test_metadata(tmp_path: Path) -> None:
    _, secret_file = create_certificates(tmp_path, "one", {"owner": "É, of 'here'", "e-mail": 'a "word"'})
    text = Path(secret_file).read_text(encoding="utf-8")
    assert "owner = \"É, of 'here'\"" in text and "e-mail = 'a \"word\"'" in text
    assert load_certificate(secret_file)[1]
    text = Path(create_certificates(tmp_path, "one", {b"owner": "É".encode(), "serial": 17})[0]).read_text("utf-8")
    assert 'owner = "É"' in text and 'serial = "17"' in text
    wrong: list[tuple[str, Any]] = [
        ("a", "b\n    public-key = x"),
        ("a\nb", "c"),
        ("a", "'\""),
        ("", "b"),
        ("a = b", "c"),
        ("public-key", "x"),
        ("given name", "x"),
    ]
    with pytest.raises(ValueError, match="utf-8"):
        create_certificates(tmp_path, "two", {"owner": b"\xff"})
    for key, value in wrong:
        with pytest.raises(ValueError, match="metadata are"):
            create_certificates(tmp_path, "two", {key: value})
    assert len(contents(tmp_path)) == 2


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        create_certificates(tmp_path / "nowhere", "server")


# How they are read.


def written(folder: Path, content: str | bytes, name: str = "some.key") -> Path:
    path = folder / name
    path.touch(0o600)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


CURVE = f'curve\n    public-key = "{PUBLIC.decode()}"\n'


@pytest.mark.parametrize(
    "content",
    [
        CURVE,
        f"\n# other\nmetadata\n    public-key = nothing\ncurve\n  public-key='{PUBLIC.decode()}'  # mine\n",
        f"public-key = {PUBLIC.decode()}",
        f"curve\r\n\tpublic-key = {PUBLIC.decode()}\r\n\r\n",
        f"#\ncurve\n#   secret-key = {SECRET.decode()}\n{CURVE}",
    ],
)
def test_what_other_programs_write(tmp_path: Path, content: str) -> None:
    assert load_certificate(written(tmp_path, content)) == (PUBLIC, None)
    both = f'{CURVE}    secret-key = "{SECRET.decode()}"\n'
    assert load_certificate(str(written(tmp_path, both))) == (PUBLIC, SECRET)


BROKEN = {
    "No public key found": ["", "\n\n", "# nothing", "curve\n", "nonsense", f"other\n    public-key = {PUBLIC!r}"],
    "no UTF-8": [b"\xff\xfe", b"curve\n    public-key = \xff\n", os.urandom(7) + b"\xff"],
    "more than 65536 bytes": [b"x" * 65537, bytes(10**7)],
    "public-key in line 2 .* has 3 characters": ["curve\n    public-key = abc"],
    "public-key in line 2 .* has 0 characters": ['curve\n    public-key = ""', "curve\n    public-key ="],
    "no closing quote": [f'curve\n    public-key = "{PUBLIC.decode()}', f"public-key = '{PUBLIC.decode()}' x"],
    "none of Z85's": ["public-key = " + "~" * 40, "public-key = " + "é" * 40],
    "is no Z85": ["public-key = " + "#" * 40],
    "a second public-key": [CURVE + CURVE],
    "are no pair": [f"public-key = {PUBLIC.decode()}\nsecret-key = {PUBLIC.decode()}"],
    "secret-key in line 2 .* has 39 characters": [
        f"public-key = {PUBLIC.decode()}\nsecret-key = {SECRET.decode()[:39]}"
    ],
}


@pytest.mark.parametrize(("said", "content"), [(said, each) for said, contents in BROKEN.items() for each in contents])
def test_what_is_said_of_a_broken_one(tmp_path: Path, said: str, content: str | bytes) -> None:
    path = written(tmp_path, content)
    with pytest.raises(ValueError, match=said) as caught:
        load_certificate(path)
    # Which file it is, and nothing that may be a secret.
    assert str(path) in str(caught.value)
    assert PUBLIC.decode()[:9] not in str(caught.value) and SECRET.decode()[:9] not in str(caught.value)
    with pytest.raises(ValueError, match=said):
        load_certificates(tmp_path)


def test_what_is_not_there_or_no_file(tmp_path: Path) -> None:
    with pytest.raises(OSError, match=r"Invalid certificate file: .*nowhere"):
        load_certificate(tmp_path / "nowhere")
    with pytest.raises(IsADirectoryError):
        load_certificate(tmp_path)
    for path in (tmp_path / "nowhere", written(tmp_path, CURVE)):
        with pytest.raises(OSError, match="Invalid certificate directory"):
            load_certificates(path)


@pytest.mark.parametrize("kind", ["pipe", "device"])
def test_what_would_have_to_be_waited_for_is_not_opened(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "some.key"
    if kind == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to("/dev/zero")
    for load in (load_certificate, lambda path: load_certificates(path.parent)):
        with pytest.raises(ValueError, match=r"some\.key is no regular file"):
            load(path)


def test_what_becomes_a_pipe_in_the_midst_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, regular = tmp_path / "some.key", written(tmp_path, CURVE, "other")
    os.mkfifo(path)
    stat_of = os.stat
    monkeypatch.setattr(os, "stat", lambda found, **options: stat_of(regular if found == path else found, **options))
    with pytest.raises(ValueError, match="no regular file"):
        certs.read_certificate(path)


# What is raised holds no secret.


def held(error: BaseException) -> list[object]:
    """Return what an error and those that it came from hold, the locals of the frames of `zmq.auth` included."""
    found: list[object] = []
    left: list[BaseException | None] = [error]
    while left:
        each = left.pop()
        if each is None:
            continue
        found += [str(each), *each.args, getattr(each, "object", None)]
        traceback = each.__traceback__
        while traceback is not None:
            frame = traceback.tb_frame
            if frame.f_globals["__name__"].startswith("zmq.auth"):
                found += frame.f_locals.values()
            traceback = traceback.tb_next
        left += [each.__cause__, each.__context__]
    return found


TELLTALE = "HUNTER2"


def configured(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"\n" + TELLTALE.encode())
    auth.Authenticator(zmq.Context.instance()).configure_plain("*", path)


@pytest.mark.parametrize(
    "call",
    [
        lambda path: zmq.curve_public(TELLTALE + "é" * 33),
        lambda path: zmq.curve_public(TELLTALE),
        lambda path: z85.decode(f"{TELLTALE}   "),
        lambda path: z85.decode(f"%nSc1{TELLTALE}###"),
        lambda path: load_certificate(path),
        lambda path: load_certificates(path.parent),
        lambda path: configured(path),
    ],
)
@pytest.mark.parametrize(
    "content",
    [
        f'public-key = "{PUBLIC.decode()}"\nsecret-key = "{TELLTALE}{"x" * 32}"',
        f'secret-key = "{TELLTALE}é{"x" * 32}"',
        b"secret-key = " + TELLTALE.encode() + b"\xff",
    ],
)
def test_what_is_raised_holds_no_secret(tmp_path: Path, call: Any, content: str | bytes) -> None:
    path = written(tmp_path, content)
    with pytest.raises(ValueError) as caught:
        call(path)
    assert not [each for each in held(caught.value) if TELLTALE in repr(each)]


@pytest.mark.parametrize(
    "secret", [TELLTALE, TELLTALE + "é" * 33, TELLTALE.encode() * 6, [TELLTALE], TELLTALE + " " * 33]
)
def test_a_socket_that_cannot_be_secured_tells_no_secret(secret: Any) -> None:
    with zmq.Context() as context, context.socket(zmq.PULL) as socket:
        for call in (
            lambda: auth.secure_server(socket, (PUBLIC, secret)),
            lambda: auth.secure_client(socket, (PUBLIC, secret), PUBLIC),
        ):
            with pytest.raises((ValueError, TypeError)) as caught:
                call()
            shown = [str(caught.value), *caught.value.args, caught.value.__context__, caught.value.__cause__]
            assert not [each for each in shown if TELLTALE in repr(each)]


def test_a_secret_that_others_can_read_is_warned_of(tmp_path: Path) -> None:
    public_file, secret_file = create_certificates(tmp_path, "server")
    for bits, others in ((0o600, False), (0o640, False), (0o644, True), (0o602, True)):
        os.chmod(secret_file, bits)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            assert load_certificate(secret_file)[1]
            load_certificate(public_file)
        assert [str(each.message).startswith(secret_file) for each in caught] == [True] * others
        assert all(each.filename == __file__ for each in caught)


def test_a_folder_of_them(tmp_path: Path) -> None:
    assert load_certificates(tmp_path) == {}
    names = ["one", "two"]
    keys = [load_certificate(create_certificates(tmp_path, name)[0])[0] for name in names]
    written(tmp_path, "nonsense", "notes.txt")
    # What is hidden was put aside, or is what a system keeps beside a file.
    written(tmp_path, "nonsense", "._one.key")
    create_certificates(tmp_path, ".three")
    assert load_certificates(tmp_path) == load_certificates(str(tmp_path)) == dict.fromkeys(keys, True)


def test_old_names() -> None:
    assert auth.certs is certs
    assert {auth.create_certificates, auth.load_certificate, auth.load_certificates} == {
        getattr(certs, name) for name in certs.__all__
    }


# The command.


def test_the_command() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "zmq.curve_keygen"], capture_output=True, text=True, timeout=30
    )
    assert done.returncode == 0 and not done.stderr
    title, public, other, secret = done.stdout.splitlines()
    assert (title, other) == ("== CURVE PUBLIC KEY ==", "== CURVE SECRET KEY ==")
    assert zmq.curve_public(secret.encode()) == public.encode()


def test_the_command_gives_json(capsys: pytest.CaptureFixture[str]) -> None:
    curve_keygen.main(["--json"])
    one = json.loads(capsys.readouterr().out)
    curve_keygen.main(["--json"])
    assert zmq.curve_public(one["secret"].encode()) == one["public"].encode()
    assert json.loads(capsys.readouterr().out) != one


@pytest.mark.parametrize(
    "arguments", [["--secret", SECRET.decode()], [f"--secret={SECRET.decode()}"], ["--secret", "-"]]
)
def test_the_command_knows_the_public_key_of_a_secret_one(
    arguments: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"{SECRET.decode()}\n"))
    curve_keygen.main([*arguments, "--json"])
    assert json.loads(capsys.readouterr().out) == {"public": PUBLIC.decode(), "secret": SECRET.decode()}


@pytest.mark.parametrize("secret", ["", "short", SECRET.decode()[:39] + "~", "é" * 40, SECRET.decode() + "00000"])
def test_the_command_does_not_show_a_wrong_key(secret: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        curve_keygen.main(["--secret", secret])
    assert str(caught.value) == "that is no secret key: it has 40 characters of Z85"
    assert capsys.readouterr().out == ""


def test_a_libzmq_without_curve(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zmq, "has", lambda capability: False)
    with pytest.raises(SystemExit, match="no CURVE"):
        curve_keygen.main([])
    assert capsys.readouterr().out == ""
