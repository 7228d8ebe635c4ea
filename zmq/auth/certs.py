"""Certificates: files that hold the keys of CURVE.

Lives here: how they are made and read. What must not: whom they let in (`zmq.auth.base`).
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import stat
import warnings
from collections.abc import Iterator, Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import zmq
from zmq.auth import _redaction
from zmq.utils import z85

__all__ = ["create_certificates", "load_certificate", "load_certificates"]

#: Bytes; more is no certificate.
LARGEST = 65536
#: What ZPL can call something; but not what readers that look for nothing else would take for a key.
NAME = re.compile(r"(?!(public|secret)-key)[\w$@.&+/-]+")

PUBLIC = """\
#   Made on {date} by greenzmq
#   CURVE public key. It is no secret, but who gives it to you matters:
#   whoever can exchange it for another can pretend to be its owner.
"""
SECRET = """\
#   Made on {date} by greenzmq
#   CURVE SECRET key. Never give it away, and let nobody else read this file.
"""


def create_certificates(
    key_dir: str | os.PathLike[str],
    name: str,
    metadata: Mapping[str | bytes, object] | Mapping[str, object] | None = None,
    *,
    overwrite: bool = True,
) -> tuple[str, str]:
    """Make a new pair of CURVE keys, and two files with them.

    The file with the secret key can be read by its owner alone, from the moment when it is there.

    Parameters
    ----------
    key_dir : str or path
        The directory, which must be there.
    name : str
        The files are ``name.key``, with the public key alone, and ``name.key_secret``.
    metadata : mapping, optional
        What else the files shall say: names and values, text or UTF-8 in bytes; of others what `str` makes of them.
    overwrite : bool
        Whether files of these names are replaced; each is so at once.

    Returns
    -------
    (str, str)
        The paths of the file with the public key and of that with both.

    Raises
    ------
    ValueError
        `name` is no name of a file, or `metadata` can't be written.
    FileExistsError
        One of the files is there, and `overwrite` is false; then nothing was changed.
    OSError
        They can't be written.
    ZMQError
        This libzmq has no CURVE.

    Notes
    -----
    Source: zmq_curve_keypair(3); the format is that of CZMQ's zcert, which is ZeroMQ RFC 4/ZPL.
    """
    if not name or os.path.basename(name) != name or name in (".", "..") or not name.isprintable():
        raise ValueError(f"the name of a certificate is that of a file, without a directory, not {name!r}")
    lines = ["metadata"]
    for key, value in (map(text_of, item) for item in (metadata or {}).items()):
        quote = "'" if '"' in value else '"'
        if quote in value or not value.isprintable() or not NAME.fullmatch(key):
            raise ValueError(f"metadata are names and lines of text with one kind of quotes, not {key!r}: {value!r}")
        lines.append(f"    {key} = {quote}{value}{quote}")
    return _redaction.kept(lambda: write_certificates(key_dir, name, lines, overwrite))


def text_of(value: object) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def write_certificates(
    key_dir: str | os.PathLike[str], name: str, lines: list[str], overwrite: bool
) -> tuple[str, str]:
    public_key, secret_key = zmq.curve_keypair()
    lines += ["curve", f'    public-key = "{public_key.decode()}"']
    date = f"{datetime.now(timezone.utc):%Y-%m-%d %H:%M:%S} UTC"
    public = "\n".join([PUBLIC.format(date=date), *lines, ""])
    secret = "\n".join([SECRET.format(date=date), *lines, f'    secret-key = "{secret_key.decode()}"', ""])
    public_file, secret_file = (os.path.join(key_dir, name + end) for end in (".key", ".key_secret"))
    if overwrite:
        with written(secret_file, secret, 0o600) as new_secret, written(public_file, public, 0o644) as new_public:
            os.replace(new_secret, secret_file)
            os.replace(new_public, public_file)
    else:
        write(secret_file, secret, 0o600)
        try:
            write(public_file, public, 0o644)
        except BaseException:
            os.unlink(secret_file)
            raise
    return public_file, secret_file


def write(path: str, content: str, mode: int) -> None:
    """Make a new file. Nobody whom `mode` does not name can ever open it."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
    try:
        # Its owner can use it, whatever the umask.
        os.fchmod(fd, stat.S_IMODE(os.fstat(fd).st_mode) | 0o600)
        with open(fd, "w", encoding="utf-8") as file:
            file.write(content)
            file.flush()
            os.fsync(fd)
    except BaseException:
        os.unlink(path)
        raise


@contextlib.contextmanager
def written(path: str, content: str, mode: int) -> Iterator[str]:
    """Write a file that is to be renamed to `path`; one that was not is removed."""
    temporary = f"{path}.{secrets.token_hex(8)}.new"
    write(temporary, content, mode)
    try:
        yield temporary
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)


def is_certificate(name: str) -> bool:
    """Tell whether a file of this name stands for somebody who is let in: not where it is hidden, or put aside so."""
    return name.endswith(".key") and not name.startswith(".")


def is_exposed(path: str | os.PathLike[str]) -> bool:
    """Tell whether everybody can read or change a file."""
    return bool(os.stat(path).st_mode & (stat.S_IROTH | stat.S_IWOTH))


def read_file(path: Path, largest: int) -> bytes | None:
    """Return what a regular file holds, or None where that is more than `largest` bytes.

    Raises
    ------
    ValueError
        It is something else. Nothing is waited for: to open a named pipe would wait for a writer.
    """
    kind = os.stat(path).st_mode
    if not stat.S_ISDIR(kind) and not stat.S_ISREG(kind):
        raise ValueError(f"{path} is no regular file")
    # It may have become a pipe meanwhile.
    with open(path, "rb", opener=lambda path, flags: os.open(path, flags | os.O_NONBLOCK | os.O_NOCTTY)) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise ValueError(f"{path} is no regular file")
        data = file.read(largest + 1)
    return data if len(data) <= largest else None


def read_certificate(filename: str | os.PathLike[str]) -> tuple[bytes, bytes | None]:
    path = Path(filename)
    data = read_file(path, LARGEST)
    if data is None:
        raise ValueError(f"{path} is no certificate: it has more than {LARGEST} bytes")
    try:
        lines = data.decode().splitlines()
    except UnicodeDecodeError:
        raise ValueError(f"{path} is no certificate: it is no UTF-8 text") from None
    keys: dict[str, bytes] = {}
    section = "curve"
    for number, line in enumerate(lines, 1):
        name, equals, value = line.partition("=")
        name = name.strip()
        if not name or name.startswith("#"):
            continue
        if not equals:
            section = name
        elif section == "curve" and name in ("public-key", "secret-key"):
            if name in keys:
                raise ValueError(f"line {number} of {path} has a second {name}")
            keys[name] = key_of(value, f"the {name} in line {number} of {path}")
    public, secret = keys.get("public-key"), keys.get("secret-key")
    if public is None:
        raise ValueError(f"No public key found in {path}")
    if secret is not None and zmq.has("curve") and zmq.curve_public(secret) != public:
        raise ValueError(f"the two keys in {path} are no pair")
    return public, secret


def key_of(value: str, what: str) -> bytes:
    """Return a key that stands in a file. What is said of a wrong one does not show it: it may be a secret."""
    text = value.strip()
    for quote in "\"'":
        if text.startswith(quote):
            inner, closing, rest = text[1:].partition(quote)
            rest = rest.strip()
            if not closing or (rest and not rest.startswith("#")):
                raise ValueError(f"{what} has no closing quote, or something after it")
            text = inner
            break
    if len(text) != 40:
        raise ValueError(f"{what} has {len(text)} characters; a key has 40")
    # What is no ASCII does not stay one character, and must not become another.
    key = text.encode()
    if any(char not in z85.Z85MAP for char in key):
        raise ValueError(f"{what} has a character that is none of Z85's")
    try:
        z85.decode(key)
    except ValueError:
        raise ValueError(f"{what} is no Z85") from None
    return key


# The secret key is None where there is none; but who loads it to use it knows that it is there.
def load_certificate(filename: str | os.PathLike[str]) -> tuple[bytes, bytes | Any]:
    """Read a certificate.

    Parameters
    ----------
    filename : str or path

    Returns
    -------
    (bytes, bytes or None)
        The public key and the secret one, if it is there, as Z85: what ``socket.curve_publickey`` and
        ``socket.curve_secretkey`` are set to.

    Raises
    ------
    OSError
        The file can't be read.
    ValueError
        It is no certificate: it is no regular file, has no public key, or a key that is none, or two that are no
        pair. What is said does not show what stands there.

    Warns
    -----
    UserWarning
        It has a secret key, and everybody can read or change it.
    """
    if not os.path.exists(filename):
        raise OSError(f"Invalid certificate file: {os.fspath(filename)}")
    public, secret = _redaction.kept(lambda: read_certificate(filename))
    if secret is not None and is_exposed(filename):
        warnings.warn(
            f"{os.fspath(filename)} holds a secret key, and everybody can read or change it: chmod 600 it, "
            "and think of the key as known",
            UserWarning,
            stacklevel=2,
        )
    return public, secret


def load_certificates(directory: str | os.PathLike[str] = ".") -> dict[bytes, bool]:
    """Read the public keys of all certificates in a directory.

    Parameters
    ----------
    directory : str or path
        The files whose names end with ``.key`` are read, but hidden ones, whose names begin with a dot.

    Returns
    -------
    dict
        The keys, as Z85, each with True.

    Raises
    ------
    OSError
        It is no directory, or a file can't be read.
    ValueError
        A file is no certificate.
    """
    if not os.path.isdir(directory):
        raise OSError(f"Invalid certificate directory: {os.fspath(directory)}")
    files = [Path(directory, name) for name in sorted(filter(is_certificate, os.listdir(directory)))]
    return {_redaction.kept(lambda: read_certificate(path)[0]): True for path in files}  # noqa: B023
