"""Who is let in: a user with a password, a key, a principal; from memory or from files that are read when they change.

Lives here: what one domain of an authenticator knows. What must not: requests and replies (`zmq.auth.base`).
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Generic, TypeVar

from zmq.auth import certs

T = TypeVar("T")

#: Nanoseconds after which a change of a file surely changes its time too.
COARSE = 2_000_000_000
#: Bytes; more is no file of passwords or principals.
LARGEST = 16 * 2**20
#: Passwords are compared as digests with this key, so that all comparisons take the same time.
KEY = os.urandom(32)


def digest(secret: bytes) -> bytes:
    return hmac.digest(KEY, secret, hashlib.sha256)


NO_PASSWORD = digest(os.urandom(32))


#: What says whether a file has changed; its times come last.
Stamp = tuple[int, ...]
#: What is wrong with a file in one state: that is logged once, not for every connection.
Problem = tuple[str, Stamp | None]


def stamp_of(path: Path) -> Stamp:
    found = os.stat(path)
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def problem_of(path: Path, error: Exception) -> Problem:
    try:
        return str(error), stamp_of(path)
    except OSError:
        return str(error), None


class WatchedFile(Generic[T]):
    """What a file says; it is read again when it has changed.

    Raises
    ------
    OSError, ValueError
        It can't be read now. Later that is logged, and the file says nothing.
    """

    def __init__(self, path: Path, load: Callable[[Path], T], nothing: T, log: logging.Logger) -> None:
        self.path = path
        self.load = load
        self.nothing = nothing
        self.log = log
        self.problem: Problem | None = None
        self.stamp: Stamp | None = None
        self.value = nothing
        self.read()

    def read(self) -> None:
        stamp = stamp_of(self.path)
        if stamp == self.stamp:
            return
        self.stamp, self.value = None, self.nothing
        if not os.path.isfile(self.path):
            # To open a named pipe would wait.
            raise ValueError(f"{self.path} is no file")
        self.value = self.load(self.path)
        # One that has only just changed may change once more in the same moment.
        if time.time_ns() - max(stamp[-2:]) > COARSE:
            self.stamp = stamp

    def get(self) -> T:
        try:
            self.read()
        except (OSError, ValueError) as error:
            self.stamp, self.value = None, self.nothing
            problem = problem_of(self.path, error)
            if problem != self.problem:
                self.log.error("nobody is let in, as a file can't be read: %s", str(error))
            self.problem = problem
        else:
            self.problem = None
        return self.value


def read_lines(path: Path) -> list[tuple[int, str]]:
    """Return the lines of a file that say something, with their numbers."""
    with open(path, "rb") as file:
        data = file.read(LARGEST + 1)
    if len(data) > LARGEST:
        raise ValueError(f"{path} has more than {LARGEST} bytes")
    try:
        lines = data.decode().split("\n")
    except UnicodeDecodeError:
        raise ValueError(f"{path} is no UTF-8 text") from None
    numbered = ((number, line.removesuffix("\r")) for number, line in enumerate(lines, 1))
    return [(number, line) for number, line in numbered if line.strip() and not line.lstrip().startswith("#")]


def load_passwords(path: Path) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    for number, line in read_lines(path):
        name, equals, password = line.partition("=")
        name = name.strip()
        # The line itself may hold a password.
        if not equals or not name:
            raise ValueError(f"line {number} of {path} is not of the form name=password")
        if name in found:
            raise ValueError(f"line {number} of {path} names a user for the second time")
        found[name] = digest(password.strip(" \t").encode())
    return found


def load_principals(path: Path) -> frozenset[str]:
    return frozenset(line.strip() for _, line in read_lines(path))


class Passwords:
    """Users from a mapping, which may change at any time."""

    def __init__(self, passwords: Mapping[str, str | bytes], encoding: str) -> None:
        self.passwords = passwords
        self.encoding = encoding

    def digest_of(self, user: str) -> bytes | None:
        password = self.passwords.get(user)
        if password is None:
            return None
        # Not bytes(): of a number that is as many NULs, and of False or 0 the empty password.
        return digest(password.encode(self.encoding) if isinstance(password, str) else memoryview(password).tobytes())


class PasswordFile:
    """Users from a file with lines of the form ``name=password``."""

    def __init__(self, path: Path, log: logging.Logger) -> None:
        none: dict[str, bytes] = {}
        self.file = WatchedFile(path, load_passwords, none, log)
        if certs.is_exposed(path):
            log.warning("%s holds passwords, and everybody can read or change it: chmod 600 it", path)

    def digest_of(self, user: str) -> bytes | None:
        return self.file.get().get(user)


def is_password(users: Passwords | PasswordFile | None, user: str, password: bytes, encoding: str) -> bool:
    """Tell whether this is the user's password; for a user who is not there that takes as long."""
    wanted = None if users is None else users.digest_of(user)
    if isinstance(users, PasswordFile) and encoding != "utf-8":
        password = password.decode(encoding).encode()
    same = hmac.compare_digest(digest(password), NO_PASSWORD if wanted is None else wanted)
    return same and wanted is not None


class KeyDirectory:
    """The public keys of a directory with certificates, which may change at any time."""

    def __init__(self, path: Path, log: logging.Logger) -> None:
        self.path = path
        self.log = log
        self.files: dict[str, WatchedFile[bytes]] = {}
        self.problems: dict[str, Problem] = {}
        self.admitted()

    def admitted(self) -> set[bytes]:
        """Return the keys that are there now; files that are no certificates are logged, and admit nobody."""
        problems: dict[str, Problem] = {}
        keys: set[bytes] = set()
        try:
            names = {name for name in os.listdir(self.path) if name.endswith(".key")}
        except OSError as error:
            names = set()
            problems[""] = str(error), None
        for gone in self.files.keys() - names:
            del self.files[gone]
        for name in sorted(names):
            try:
                if name in self.files:
                    self.files[name].read()
                else:
                    self.files[name] = WatchedFile(self.path / name, load_public_key, b"", self.log)
                keys.add(self.files[name].value)
            except (OSError, ValueError) as error:
                self.files.pop(name, None)
                problems[name] = problem_of(self.path / name, error)
        for name, problem in problems.items():
            if self.problems.get(name) != problem:
                self.log.error("Failed to load CURVE certs from %s: %s", self.path, problem[0])
        self.problems = problems
        return keys


def load_public_key(path: Path) -> bytes:
    return certs.read_certificate(path)[0]


class AnyKey:
    """Lets in everybody who knows the public key of the server."""


class Provider:
    """Asks the program."""

    def __init__(self, provider: Any) -> None:
        self.callback: Callable[[str, bytes], Any] = provider.callback
