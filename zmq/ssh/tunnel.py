"""Connect sockets through ssh servers.

Lives here: the public functions, for every front-end. What must not: how tunnels are made (`_openssh.py`,
`_paramiko.py`).

A tunnel is a port of this machine: who connects to it is connected, by the server, to an address that the server can
reach. Tunnels are made by the ``ssh`` program as it is configured for the user, or by paramiko if that is asked for.
"""

from __future__ import annotations

import os
import socket as _socket
from collections.abc import Iterator
from typing import Any

from zmq.core.poll import Poller
from zmq.core.socket import Socket
from zmq.ssh import _names, _openssh, _paramiko
from zmq.ssh._errors import MaxRetryExceeded as MaxRetryExceeded
from zmq.ssh._errors import SSHException as SSHException
from zmq.ssh._process import Tunnel as Tunnel

#: How many ports are tried before `open_tunnel` gives up.
TRIES = 10
#: Seconds for `try_passwordless_ssh`.
LIMIT = 60

#: Nothing here needs it: a password is given to ssh in another way. For programs that look whether it is there.
pexpect = None

Path = str | os.PathLike[str]


def __getattr__(name: str) -> Any:
    """Import paramiko when somebody looks for it here; None where it is not installed."""
    if name != "paramiko":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        import paramiko
    except ImportError:
        return None
    return paramiko


def select_random_ports(n: int) -> list[int]:
    """Find ports of this machine that nobody uses now.

    Parameters
    ----------
    n : int
        How many.

    Returns
    -------
    list of int
        All different. Somebody else may take them before you do.

    Raises
    ------
    OSError
        There are not so many.
    """
    sockets: list[_socket.socket] = []
    try:
        for _ in range(n):
            sockets.append(_socket.socket())
            sockets[-1].bind(("127.0.0.1", 0))
        return [socket.getsockname()[1] for socket in sockets]
    finally:
        for socket in sockets:
            socket.close()


def free_ports() -> Iterator[int]:
    for _ in range(TRIES):
        yield from select_random_ports(1)


class Tunnels:
    """The functions of this module, which wait with a `Poller` of a front-end."""

    def __init__(self, poller_class: type[Poller]) -> None:
        self._poller_class = poller_class

    def tunnel_connection(
        self,
        socket: Socket[Any],
        addr: str,
        server: str,
        keyfile: Path | None = None,
        password: str | None = None,
        paramiko: bool | None = None,
        timeout: float = 60,
    ) -> Tunnel:
        """Connect a socket to an address that only an ssh server can reach.

        While the tunnel is made only the caller waits if the socket is green, whichever module this was called from.

        Parameters
        ----------
        socket : Socket
        addr : str
            ``tcp://host:port``, as the server would connect to it.
        server, keyfile, password, paramiko, timeout
            As in `open_tunnel`.

        Returns
        -------
        Tunnel
            What may be closed. It need not be kept.

        Raises
        ------
        SSHException, MaxRetryExceeded, ImportError, TypeError, ValueError
            As in `open_tunnel`.
        ZMQError
            The socket can't connect; the tunnel is closed then.

        Examples
        --------
        >>> tunnel_connection(socket, "tcp://10.0.1.2:5555", "user@gateway.example.org:2222")
        """
        tunnels = self
        get_hub = getattr(type(socket), "_get_hub", None)
        if get_hub is not None:
            tunnels = Tunnels(type("GreenPoller", (Poller,), {"_get_hub": staticmethod(get_hub)}))
        url, tunnel = tunnels.open_tunnel(addr, server, keyfile, password, paramiko, timeout)
        try:
            socket.connect(url)
        except BaseException:
            tunnel.close()
            raise
        return tunnel

    def open_tunnel(
        self,
        addr: str,
        server: str,
        keyfile: Path | None = None,
        password: str | None = None,
        paramiko: bool | None = None,
        timeout: float = 60,
    ) -> tuple[str, Tunnel]:
        """Open a tunnel from any local port to an address.

        Parameters
        ----------
        addr : str
            ``tcp://host:port``, as the server would connect to it.
        server : str
            ``user@host:port``; user and port may be left out. The host may be a name of ssh's configuration.
        keyfile : path, optional
            Of a private key, to try besides those of the configuration.
        password : str, optional
            For the server, or for the key. When left out, ssh asks for one where it has a terminal; paramiko does not.
        paramiko : bool, optional
            Whether paramiko makes the tunnel, in a process of its own; when left out, it is the ``ssh`` program.
        timeout : float
            Seconds, rounded up to whole ones, in which the tunnel must stand; and after which it ends when nobody is
            connected through it.

        Returns
        -------
        str, Tunnel
            Where to connect to, and what may be closed. It need not be kept: the tunnel is open until the program
            ends, unless it is closed, or ends because nobody uses it.

        Raises
        ------
        SSHException
            The server can't be reached, is not who it says it is, or does not let you in; the message has what ssh
            said. Or time is over.
        MaxRetryExceeded
            All ports that were tried had been taken meanwhile.
        ImportError
            paramiko is not installed.
        TypeError, ValueError
            A name or number is none that may be passed to ssh.
        """
        return self._open(None, addr, server, keyfile, password, paramiko, timeout)

    def _open(
        self,
        lport: int | None,
        addr: str | tuple[str, int],
        server: str,
        keyfile: Path | None,
        password: str | None,
        paramiko: bool | None,
        timeout: float,
    ) -> tuple[str, Tunnel]:
        remote = addr if isinstance(addr, tuple) else _names.parse_address(addr)
        rest = (
            _names.parse_server(server),
            _names.check_key(keyfile),
            _names.check_password(password),
            _names.check_timeout(timeout),
            self._poller_class,
        )
        if paramiko:
            tunnel = _paramiko.open_tunnel(lport or 0, remote, *rest)
        else:
            tunnel = _openssh.open_tunnel([lport] if lport else free_ports(), remote, *rest)
        return f"tcp://127.0.0.1:{tunnel.port}", tunnel

    def _open_at(self, lport: int, rport: int, remoteip: str, *rest: Any) -> Tunnel:
        remote = _names.check_remote(remoteip), _names.check_port("rport", rport)
        return self._open(_names.check_port("lport", lport), remote, *rest)[1]

    def openssh_tunnel(
        self,
        lport: int,
        rport: int,
        server: str,
        remoteip: str = "127.0.0.1",
        keyfile: Path | None = None,
        password: str | None = None,
        timeout: float = 60,
    ) -> Tunnel:
        """Open a tunnel of the ``ssh`` program.

        Parameters
        ----------
        lport : int
            The port of 127.0.0.1 to listen to.
        rport : int
        remoteip : str
            Where the server shall connect to, as it calls it; by default itself.
        server, keyfile, password, timeout
            As in `open_tunnel`.

        Returns
        -------
        Tunnel

        Raises
        ------
        SSHException, TypeError, ValueError
            As in `open_tunnel`; SSHException too when the port is taken.
        """
        return self._open_at(lport, rport, remoteip, server, keyfile, password, False, timeout)

    ssh_tunnel = openssh_tunnel

    def paramiko_tunnel(
        self,
        lport: int,
        rport: int,
        server: str,
        remoteip: str = "127.0.0.1",
        keyfile: Path | None = None,
        password: str | None = None,
        timeout: float = 60,
    ) -> Tunnel:
        """Open a tunnel of paramiko, in a process of its own.

        From ``~/.ssh/config`` come the defaults for host, user, port, key and proxy. The server's key must be in one
        of the files where ssh would look for it, as ``~/.ssh/known_hosts``, and not be revoked there.

        Parameters
        ----------
        lport, rport, server, remoteip, keyfile, password, timeout
            As in `openssh_tunnel`.

        Returns
        -------
        Tunnel

        Raises
        ------
        SSHException, TypeError, ValueError
            As in `openssh_tunnel`.
        ImportError
            paramiko is not installed.
        """
        return self._open_at(lport, rport, remoteip, server, keyfile, password, True, timeout)

    def try_passwordless_ssh(self, server: str, keyfile: Path | None = None, paramiko: bool | None = None) -> bool:
        """Tell whether a server lets you in without a password, so that you need not ask for one.

        Parameters
        ----------
        server, keyfile, paramiko
            As in `open_tunnel`.

        Returns
        -------
        bool
            False also when the server can't be reached or is not known.

        Raises
        ------
        SSHException
            There is no ``ssh`` program, no such key, or no answer for a minute. Or nobody can tell how ssh ended: the
            program ignores SIGCHLD, or something else in it waits for all children.
        ImportError, TypeError, ValueError
            As in `open_tunnel`.
        """
        try_it = _paramiko.try_passwordless if paramiko else _openssh.try_passwordless
        return try_it(_names.parse_server(server), _names.check_key(keyfile), LIMIT, self._poller_class)


_plain = Tunnels(Poller)
open_tunnel = _plain.open_tunnel
openssh_tunnel = _plain.openssh_tunnel
paramiko_tunnel = _plain.paramiko_tunnel
ssh_tunnel = _plain.ssh_tunnel
try_passwordless_ssh = _plain.try_passwordless_ssh
tunnel_connection = _plain.tunnel_connection

__all__ = [
    "MaxRetryExceeded",
    "SSHException",
    "Tunnel",
    "open_tunnel",
    "openssh_tunnel",
    "paramiko_tunnel",
    "select_random_ports",
    "ssh_tunnel",
    "try_passwordless_ssh",
    "tunnel_connection",
]
