"""Who is let in: a user with a password, a key, a principal; from memory or from files that are read when they change.

Lives here: what one domain of an authenticator knows. What must not: requests and replies (`zmq.auth.base`).
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import os
import struct
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Generic, TypeVar

from zmq.auth import _redaction, certs

T = TypeVar("T")

#: Nanoseconds after which a change of a file surely changes its time too: of one whose times are multiples of
#: `CLOCK`, as on file systems that have seconds, and of any other one.
COARSE, FINE = 2_000_000_000, 200_000_000
CLOCK = 10_000_000
#: Nanoseconds of work that may be done for every connection, and how many times as long as it took what takes more is
#: not done again.
CHEAP, SPARING = 500_000, 20
#: Bytes; more is no file of passwords or principals.
LARGEST = 16 * 2**20
#: Passwords are compared as digests with this key, so that all comparisons take the same time.
KEY = os.urandom(32)


def digest(secret: bytes) -> bytes:
    """Return what passwords are compared as; of all that PLAIN can send it takes the same time."""
    return hmac.digest(KEY, struct.pack(">Q", len(secret)) + secret.ljust(LONGEST, b"\0"), hashlib.sha256)


#: Bytes of the longest password that PLAIN can send.
LONGEST = 255
#: Nobody's.
NO_PASSWORD = os.urandom(16).hex()
NO_DIGEST = digest(NO_PASSWORD.encode())


#: What says whether a file has changed; its times come last.
Stamp = tuple[int, ...]
#: What is wrong with a file in one state: that is logged once, not for every connection.
Problem = tuple[str, Stamp | None]


def stamp_of(path: Path) -> Stamp:
    found = os.stat(path)
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def is_settled(stamp: Stamp) -> bool:
    """Tell whether a further change would change the stamp; not where the last one has only just been made."""
    changed = max(stamp[-2:])
    return time.time_ns() - changed > (min(COARSE, FINE) if changed % CLOCK else COARSE)


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

    def __init__(
        self, path: Path, load: Callable[[Path], T], nothing: T, log: logging.Logger, at_once: bool = True
    ) -> None:
        self.path = path
        self.load = load
        self.nothing = nothing
        self.log = log
        self.problem: Problem | None = None
        self.stamp: Stamp | None = None
        self.value = nothing
        #: What is wrong with what it says.
        self.wrong = ""
        if at_once:
            self.read()

    def read(self) -> None:
        stamp = stamp_of(self.path)
        if stamp != self.stamp:
            self.stamp, self.value, self.wrong = None, self.nothing, ""
            try:
                self.value = self.load(self.path)
            except ValueError as error:
                self.wrong = str(error)
            if is_settled(stamp):
                self.stamp = stamp
        if self.wrong:
            raise ValueError(self.wrong)

    def get(self) -> T:
        try:
            self.read()
        except (OSError, ValueError) as error:
            self.value = self.nothing
            problem = problem_of(self.path, error)
            if problem != self.problem:
                self.log.error("nobody is let in, as a file can't be read: %s", str(error))
            self.problem = problem
        else:
            self.problem = None
        return self.value


def read_lines(path: Path) -> list[tuple[int, str]]:
    """Return the lines of a file that say something, with their numbers."""
    data = certs.read_file(path, LARGEST)
    if data is None:
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
        found = self.passwords.get(user)
        password = NO_PASSWORD if found is None else found
        if not isinstance(password, str):
            # Not bytes(): of a number that is as many NULs, and of False or 0 the empty password.
            return digest(memoryview(password).tobytes())
        try:
            raw = password.encode(self.encoding)
        except UnicodeEncodeError:
            # The error would hold the password.
            raw = None
        if raw is None:
            raise ValueError(f"a password of {len(password)} characters is no text in {self.encoding}")
        hashed = digest(raw)
        return None if found is None else hashed


class PasswordFile:
    """Users from a file with lines of the form ``name=password``."""

    def __init__(self, path: Path, log: logging.Logger) -> None:
        none: dict[str, bytes] = {}
        self.file = WatchedFile(path, lambda path: _redaction.kept(lambda: load_passwords(path)), none, log)
        if certs.is_exposed(path):
            log.warning("%s holds passwords, and everybody can read or change it: chmod 600 it", path)

    def digest_of(self, user: str) -> bytes | None:
        return self.file.get().get(user)


def is_password(users: Passwords | PasswordFile | None, user: str, password: bytes, encoding: str) -> bool:
    """Tell whether this is the user's password; for a user who is not there that takes as long."""
    wanted = None if users is None else users.digest_of(user)
    if isinstance(users, PasswordFile) and encoding != "utf-8":
        password = password.decode(encoding).encode()
    same = hmac.compare_digest(digest(password), NO_DIGEST if wanted is None else wanted)
    return same and wanted is not None


class KeyDirectory:
    """The public keys of a directory with certificates, which may change at any time.

    Whether a key is let in is found out from the times of the file that it stands in, which are looked at every time:
    who was taken out is refused. What else has become of the directory is found out from its own times and those of all
    files. Anybody can have that done before he has shown that he owns a key. So in a directory of many files those that
    were written anew in their places are looked for now and then only; files that came, went or were renamed always.
    """

    def __init__(self, path: Path, log: logging.Logger) -> None:
        self.path = path
        self.log = log
        self.files: dict[str, WatchedFile[bytes]] = {}
        #: The names of the files by what they said when all were looked at.
        self.names: dict[bytes, list[str]] = {}
        self.problems: dict[str, Problem] = {}
        #: Of the directory, if that tells whether a file has come or gone.
        self.stamp: Stamp | None = None
        #: Nanoseconds: when all files were looked at last, and how long that took.
        self.looked = self.took = 0
        self.admitted()

    def admitted(self) -> set[bytes]:
        """Return the keys that are there now; files that are no certificates are logged, and admit nobody."""
        began = time.thread_time_ns()
        problems: dict[str, Problem] = {}
        keys: dict[bytes, list[str]] = {}
        try:
            stamp = stamp_of(self.path)
            if stamp != self.stamp:
                self.list(stamp)
        except OSError as error:
            self.stamp = None
            self.files = {}
            problems[""] = str(error), None
        for name, file in self.files.items():
            try:
                file.read()
                keys.setdefault(file.value, []).append(name)
            except (OSError, ValueError) as error:
                problems[name] = problem_of(file.path, error)
        for name in sorted(problems):
            if self.problems.get(name) != problems[name]:
                self.log.error("Failed to load CURVE certs from %s: %s", self.path, problems[name][0])
        self.problems, self.names = problems, keys
        self.took, self.looked = time.thread_time_ns() - began, time.monotonic_ns()
        return set(keys)

    def list(self, stamp: Stamp) -> None:
        """Have a `WatchedFile` for every certificate of the directory."""
        files: dict[str, WatchedFile[bytes]] = {}
        for name in sorted(filter(certs.is_certificate, os.listdir(self.path))):
            file = self.files.get(name)
            files[name] = WatchedFile(self.path / name, load_public_key, b"", self.log, False) if file is None else file
        self.files = files
        self.stamp = stamp if is_settled(stamp) else None

    def is_current(self) -> bool:
        """Tell whether no file has come or gone, and it is too early to look at all of them."""
        if self.took > CHEAP and time.monotonic_ns() - self.looked > SPARING * self.took:
            return False
        try:
            return self.took > CHEAP and stamp_of(self.path) == self.stamp
        except OSError:
            return False

    def knows(self, key: bytes) -> bool:
        """Tell whether a key is let in now."""
        if not self.is_current():
            return key in self.admitted()
        for name in self.names.get(key, ()):
            file = self.files[name]
            try:
                file.read()
            except (OSError, ValueError):
                return key in self.admitted()
            return file.value == key or key in self.admitted()
        return False


def load_public_key(path: Path) -> bytes:
    return _redaction.kept(lambda: certs.read_certificate(path)[0])


class Keys:
    """The keys of a mapping, which may change at any time: those whose values are true."""

    def __init__(self, keys: Mapping[bytes, Any]) -> None:
        self.keys = keys

    def knows(self, key: bytes) -> bool:
        return bool(self.keys.get(key))


class AnyKey:
    """Lets in everybody who knows the public key of the server."""

    def knows(self, key: bytes) -> bool:
        return True


class NoKey:
    """Lets in nobody."""

    def knows(self, key: bytes) -> bool:
        return False


class Provider:
    """Asks the program."""

    def __init__(self, provider: Any) -> None:
        self.provider = provider
        self.callback: Callable[[str, bytes], Any] = provider.callback


#: What says which keys are let in to a domain.
KeyPolicy = KeyDirectory | Keys | AnyKey | NoKey | Provider


def policy_of(policies: Mapping[str, Any], domain: str) -> Any:
    """Return what counts for a domain: its own policy, or else that of all; None where nobody has said anything.

    Another thread may replace both at any time, so both are looked for in the same state.
    """
    now = dict(policies)
    own = now.get(domain)
    return now.get("*") if own is None else own


class Domains(MutableMapping[str, Any]):
    """Those policies of an authenticator that are of one kind, by domain; what is put there is in force at once.

    `show` returns what a policy is made of, or None where it is of another kind, and `make` makes one for a domain. Its
    own text tells the domains alone.
    """

    def __init__(
        self, policies: dict[str, Any], show: Callable[[Any], Any], make: Callable[[str, Any], object]
    ) -> None:
        self.policies = policies
        self.show = show
        self.make = make

    def __getitem__(self, domain: str) -> Any:
        shown = self.show(self.policies[domain])
        if shown is None:
            raise KeyError(domain)
        return shown

    def __setitem__(self, domain: str, value: Any) -> None:
        self.put({domain: value})

    def __delitem__(self, domain: str) -> None:
        if domain not in self:
            raise KeyError(domain)
        del self.policies[domain]

    def __iter__(self) -> Iterator[str]:
        return iter([domain for domain, policy in list(self.policies.items()) if self.show(policy) is not None])

    def __len__(self) -> int:
        return len(list(iter(self)))

    def __repr__(self) -> str:
        return f"<{', '.join(map(repr, self)) or 'no domain'}>"

    def clear(self) -> None:
        self.put({}, gone=self)

    def update(self, *args: Any, **kwargs: Any) -> None:
        self.put(dict(*args, **kwargs))

    def replace(self, values: Mapping[str, Any]) -> None:
        """Have these alone."""
        self.put(dict(values), gone=self)

    def put(self, values: dict[str, Any], gone: Iterable[str] = ()) -> None:
        """Have these in force, and no others of the domains that are gone, in one step; where one is wrong, in none.

        One step, without a lock, is one method of a dict during which nothing of Python runs: so a domain that is gone
        stays there as None, and what was there is released afterwards.
        """
        changed: dict[str, Any] = dict.fromkeys(gone)
        for domain, value in values.items():
            changed[domain] = self.make(domain, value)
        before = self.policies.copy()
        self.policies.update(changed)
        before.clear()


def keys_of(policy: Any) -> Mapping[bytes, Any] | None:
    """Return the keys that a policy lets in; those of a directory can't be changed."""
    if isinstance(policy, Keys):
        return policy.keys
    return MappingProxyType(dict.fromkeys(policy.admitted(), True)) if isinstance(policy, KeyDirectory) else None


def passwords_of(policy: Any) -> Mapping[str, str | bytes] | None:
    return policy.passwords if isinstance(policy, Passwords) else None


def provider_of(policy: Any) -> Any:
    return policy.provider if isinstance(policy, Provider) else None
