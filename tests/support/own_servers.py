"""Servers of other projects that a test starts for itself, on a loopback port."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from support.front_ends import LIMIT


def free_port(kind: socket.SocketKind = socket.SOCK_STREAM) -> int:
    """Return a port, of TCP or UDP, that nobody has now at any address."""
    with socket.socket(type=kind) as probe:
        probe.bind(("", 0))
        return int(probe.getsockname()[1])


def start_server(
    command: Sequence[str], port: int, log: Path, environment: Mapping[str, str] | None = None
) -> subprocess.Popen[bytes]:
    """Start a server that writes a log, and return when it listens."""
    with log.open("ab") as output:
        process = subprocess.Popen(command, env=environment, stdout=output, stderr=output)
    end = time.monotonic() + LIMIT
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return process
        except ConnectionRefusedError:
            assert process.poll() is None and time.monotonic() < end, log.read_text()
            time.sleep(0.01)
