"""Tunnels of paramiko: the server on the local port, and the process that it runs in.

Lives here: all that touches paramiko. What must not: what a caller of `zmq.ssh` sees (`tunnel.py`), in whose process
paramiko is never imported, so that whatever it blocks is nobody else's business.
"""

from __future__ import annotations

import json
import logging
import os
import select
import socket
import socketserver
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

logger = logging.getLogger("ssh")


class ForwardServer(socketserver.ThreadingTCPServer):
    """Listens on the local port; every connection has threads of its own."""

    daemon_threads = True
    allow_reuse_address = True
    #: How many connections there are, and since when there was none.
    active = 0
    idle_since = 0.0

    def __init__(
        self,
        server_address: tuple[str, int],
        RequestHandlerClass: Callable[[Any, Any, Any], socketserver.BaseRequestHandler],
        bind_and_activate: bool = True,
    ) -> None:
        self.counting = threading.Lock()
        self.idle_since = time.monotonic()
        super().__init__(server_address, RequestHandlerClass, bind_and_activate)

    def count(self, change: int) -> None:
        """Note that a connection has begun (1) or ended (-1)."""
        with self.counting:
            self.active += change
            self.idle_since = time.monotonic()

    def idle(self) -> float:
        """Return for how many seconds there has been no connection."""
        with self.counting:
            return 0.0 if self.active else time.monotonic() - self.idle_since

    def handle_error(self, request: Any, client_address: Any) -> None:
        logger.exception("the connection of %s broke", client_address)


class Handler(socketserver.BaseRequestHandler):
    """Moves the bytes of one connection, both ways. Subclasses say through what, and where to."""

    chain_host: str
    chain_port: int
    ssh_transport: Any

    def handle(self) -> None:
        """Move what comes and goes on one connection, until it ends."""
        server: Any = self.server
        count = getattr(server, "count", lambda change: None)
        count(1)
        try:
            self.relay()
        finally:
            count(-1)

    def relay(self) -> None:
        """Open a channel of ssh's for the connection and move bytes both ways."""
        target = (self.chain_host, self.chain_port)
        try:
            channel = self.ssh_transport.open_channel("direct-tcpip", target, self.request.getpeername())
        except Exception as error:
            logger.info("no connection to %s:%d: %s", *target, error)
            return
        # One thread for each direction: neither waits for the other to take what it has.
        back = threading.Thread(target=move, args=(channel, self.request), daemon=True)
        back.start()
        try:
            move(self.request, channel)
            back.join()
        finally:
            channel.close()


def move(source: Any, target: Any) -> None:
    """Move bytes until the source has no more, then tell the target so."""
    try:
        while data := source.recv(65536):
            target.sendall(data)
    except OSError as error:
        logger.debug("a connection broke: %s", error)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)


def make_server(local_port: int, remote_host: str, remote_port: int, transport: Any) -> ForwardServer:
    """Return a server on a local port whose connections go through a paramiko transport."""
    target = {"chain_host": remote_host, "chain_port": remote_port, "ssh_transport": transport}
    return ForwardServer(("127.0.0.1", local_port), type("SubHandler", (Handler,), target))


def forward_tunnel(local_port: int, remote_host: str, remote_port: int, transport: Any) -> None:
    """Forward a local port through a connection of paramiko. Blocks for ever.

    Parameters
    ----------
    local_port : int
        Of 127.0.0.1.
    remote_host : str
        As the server calls it.
    remote_port : int
    transport : paramiko.Transport

    Raises
    ------
    OSError
        The port is taken.
    """
    with make_server(local_port, remote_host, remote_port, transport) as server:
        server.serve_forever()


def known_hosts(known: dict[str, str]) -> bytes:
    """Return the lines of the files where ssh would look for a server's key, without those whose key is revoked.

    paramiko does not know of revoked keys.
    """
    names = known.get("userknownhostsfile", "~/.ssh/known_hosts ~/.ssh/known_hosts2").split()
    names += known.get("globalknownhostsfile", "/etc/ssh/ssh_known_hosts /etc/ssh/ssh_known_hosts2").split()
    lines: list[list[bytes]] = []
    for name in names:
        with suppress(OSError), open(os.path.expanduser(name), "rb") as file:
            lines += [line.split() for line in file]
    revoked = {key for first, *rest in filter(None, lines) if first == b"@revoked" for key in rest[2:3]}
    return b"".join(b" ".join(line) + b"\n" for line in lines if not revoked.intersection(line))


def connect(config: dict[str, Any]) -> Any:
    """Return a client of paramiko that has logged in.

    Defaults come from the user's ``~/.ssh/config``. The key of the server must be known there; nobody is asked.
    """
    import paramiko

    known: Any = {"hostname": config["host"]}
    path = os.path.expanduser("~/.ssh/config")
    if os.path.exists(path):
        known = paramiko.SSHConfig.from_path(path).lookup(config["host"])
    client = paramiko.SSHClient()
    client.set_missing_host_key_policy(paramiko.RejectPolicy())
    with tempfile.NamedTemporaryFile() as file:
        file.write(known_hosts(known))
        file.flush()
        client.load_system_host_keys(file.name)
    proxy = known.get("proxycommand")
    client.connect(
        known["hostname"],
        port=config["port"] or int(known.get("port", 22)),
        username=config["user"] or known.get("user"),
        password=config["password"],
        key_filename=config["keyfile"] or known.get("identityfile"),
        timeout=config["timeout"],
        banner_timeout=config["timeout"],
        auth_timeout=config["timeout"],
        look_for_keys=not config["keyfile"],
        sock=paramiko.ProxyCommand(proxy) if proxy and proxy != "none" else None,
    )
    return client


def main(config: dict[str, Any]) -> None:
    """Be the process of a tunnel: say what came of it in one line, and end when the input does."""
    try:
        client = connect(config)
        server = None
        if config["rport"]:
            server = make_server(config["lport"], config["remote"], config["rport"], client.get_transport())
    except BaseException as error:
        print(json.dumps({"error": f"{type(error).__name__}: {error}"}), flush=True)
        os._exit(1)
    print(json.dumps({"port": server.server_address[1] if server else 0}), flush=True)
    # Nobody reads that any more.
    with open(os.devnull, "wb") as null:
        for descriptor in (1, 2):
            os.dup2(null.fileno(), descriptor)
    if server is not None:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        while server.idle() < config["timeout"] and client.get_transport().is_active():
            if select.select([sys.stdin], [], [], min(0.5, config["timeout"] / 2))[0]:
                break
    client.close()
    # Whatever paramiko's threads do.
    os._exit(0)
