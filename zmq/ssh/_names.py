"""What may be in the names, paths and numbers that become arguments of ssh.

No shell of ours ever sees them. But ssh takes for an option what begins with a hyphen, and puts the names of the host
and the user into commands that its configuration has (``ProxyCommand``, ``Match exec``), which a shell runs: so what
means something to a shell is refused here, also where the ssh that is installed would let it pass.
"""

from __future__ import annotations

import os
import re
from math import ceil
from typing import NamedTuple

from zmq.core._text import encode, without_user
from zmq.ssh._errors import SSHException

_HOST = re.compile(r"[^\W_][\w.+-]*", re.ASCII)
_USER = re.compile(r"\w[\w.+=@,-]*(\\[\w.+=@,-]+)?", re.ASCII)
_IPV6 = re.compile(r"[0-9A-Fa-f:.]+(%\w+)?", re.ASCII)
_ADDRESS = re.compile(r"tcp://(?:\[([^\]]+)\]|([^:\[\]]+)):(\d+)", re.ASCII)


class Server(NamedTuple):
    host: str
    user: str | None
    port: int | None


def parse_server(server: str) -> Server:
    """Take ``user@host:port`` apart; only the host has to be there. An IPv6 address with a port needs brackets."""
    if not isinstance(server, str):
        raise TypeError(f"server must be str, not {type(server).__name__}")
    user, at, rest = server.rpartition("@")
    if ":" in user:
        # What may be a password shall not be seen in a traceback.
        raise ValueError(
            "a server is written user@host:port: there is a colon before the @, and a password has no place"
        )
    if at and not _USER.fullmatch(user):
        raise ValueError(f"{user!r} in {server!r} is no name of a user that may be passed to ssh")
    bracketed = re.fullmatch(r"\[([^\]]*)\](?::(.*))?", rest)
    if bracketed:
        host, port = bracketed[1], bracketed[2]
        good = ":" in host and _IPV6.fullmatch(host)
    elif rest.count(":") > 1:
        host, port = rest, None
        good = _IPV6.fullmatch(host)
    else:
        host, colon, port = rest.partition(":")
        port = port if colon else None
        good = _HOST.fullmatch(host)
    if not good:
        raise ValueError(f"{host!r} in {server!r} is no name of a host that may be passed to ssh")
    if port is not None and not re.fullmatch("[0-9]{1,5}", port):
        raise ValueError(f"{port!r} in {server!r} is no port; a server is written user@host:port")
    return Server(host, user if at else None, None if port is None else check_port("the server's port", int(port)))


def parse_address(address: str) -> tuple[str, int]:
    """Return host and port of ``tcp://host:port``."""
    if not isinstance(address, str):
        raise TypeError(f"addr must be str, not {type(address).__name__}")
    found = _ADDRESS.fullmatch(address)
    if not found:
        raise ValueError(f"only tcp://host:port can be reached through a tunnel, not {without_user(address)}")
    return check_remote(found[1] or found[2]), check_port("the port", int(found[3]))


def check_remote(host: str) -> str:
    """Return the name of a host to which a server shall connect, without the brackets of an IPv6 address."""
    if not isinstance(host, str):
        raise TypeError(f"remoteip must be str, not {type(host).__name__}")
    bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    if not (_IPV6.fullmatch(bare) if ":" in bare else _HOST.fullmatch(bare)):
        raise ValueError(f"{host!r} is no name or address of a host that may be passed to ssh")
    return bare


def check_port(name: str, port: int, lowest: int = 1) -> int:
    if isinstance(port, bool) or not isinstance(port, int):
        raise TypeError(f"{name} must be an int, not {type(port).__name__}")
    if not lowest <= port <= 65535:
        raise ValueError(f"{name} must be from {lowest} to 65535, not {port}")
    return port


def check_timeout(timeout: float) -> int:
    """Return whole seconds."""
    if isinstance(timeout, bool) or not isinstance(timeout, (int, float)):
        raise TypeError(f"timeout must be a number of seconds, not {type(timeout).__name__}")
    if not 0 < timeout <= 2**30:
        raise ValueError(f"timeout must be more than 0 and at most 2**30 seconds, not {timeout}")
    return ceil(timeout)


def check_key(keyfile: str | os.PathLike[str] | None) -> str | None:
    """Return the whole path of a private key's file, which must be there: ssh would go on without it."""
    if keyfile is None:
        return None
    path = os.path.abspath(os.path.expanduser(os.fspath(keyfile)))
    if not isinstance(path, str):
        raise TypeError("keyfile must be str, not bytes")
    if "\0" in path or "%" in path or "${" in path:
        # There is no way to have ssh take these as they are.
        raise ValueError(f"ssh can't read a key from {keyfile!r}: it replaces % and ${{...}} in paths")
    if not os.path.isfile(path):
        raise SSHException(f"there is no key file {path!r}")
    return path


def check_password(password: str | None) -> str | None:
    if password is None:
        return None
    if not isinstance(password, str):
        raise TypeError(f"password must be str, not {type(password).__name__}")
    if not password or any(character in password for character in "\0\r\n") or len(encode(password)) > 1000:
        # What it is shall not be seen in a traceback.
        raise ValueError("password must have one line, of 1 to 1,000 bytes, without NUL")
    return password
