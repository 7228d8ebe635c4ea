"""Tunnels of paramiko, seen from the process that wants them: starts the one that has them (`forward.py`)."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import socket
import subprocess
import sys
import time
from contextlib import suppress
from io import FileIO
from pathlib import Path
from typing import Any

from zmq.core.poll import Poller
from zmq.ssh._errors import SSHException
from zmq.ssh._names import Server
from zmq.ssh._process import Output, Tunnel, clear_up, kill, start

#: Where this package is, should the path have changed since it was imported.
ROOT = str(Path(__file__).resolve().parents[2])

#: The process gets all it needs to know through its input, so that no other process can see it.
PROGRAM = """\
import json, sys
config = json.loads(sys.stdin.readline())
sys.path[:] = config["path"]
from zmq.ssh import forward
forward.main(config)
"""

#: How it answers; what else it writes, which only libraries do, is shown when there is no answer.
ANSWER = re.compile(rb"^{.*}$(?=\n)", re.M)


def check() -> None:
    """Raise ImportError where paramiko is not installed. It is not imported."""
    try:
        found = importlib.util.find_spec("paramiko")
    except ValueError:
        found = None
    if found is None:
        raise ImportError(
            "paramiko is not installed, without which there are only the tunnels of OpenSSH", name="paramiko"
        )


def start_process(output: Output) -> tuple[subprocess.Popen[bytes], socket.socket]:
    """Start the process; return it and a socket to write to its input by.

    Its input is no pipe: to write to one whose reader has gone ends programs that have SIGPIPE at its default.
    """
    ours, theirs = socket.socketpair()
    with theirs:
        # The process expects that; in a monkeypatched program none blocks.
        os.set_blocking(theirs.fileno(), True)
        command = [sys.executable, "-I", "-c", PROGRAM]
        try:
            process = start(command, theirs.fileno(), stdout=output.writer, stderr=output.writer)
        except BaseException:
            ours.close()
            raise
    # No socket, as a forked child closes it, where a framework's would ask for its hub.
    process.stdin = FileIO(os.dup(ours.fileno()), "wb")
    return process, ours


def begin(config: dict[str, Any], timeout: int, poller_class: type[Poller]) -> Tunnel:
    check()
    clear_up(poller_class)
    deadline = time.monotonic() + timeout
    path = sys.path if ROOT in sys.path else [ROOT, *sys.path]
    output = Output(poller_class)
    try:
        process, channel = start_process(output)
        output.begun()
        tunnel = Tunnel(process, poller_class)
        try:
            # Should it have ended already, its output says why.
            with channel, suppress(ConnectionError):
                text = json.dumps({**config, "path": path}).encode() + b"\n"
                channel.sendall(text, getattr(socket, "MSG_NOSIGNAL", 0))
            while not ANSWER.search(output.data) and process.poll() is None:
                if time.monotonic() > deadline:
                    raise SSHException(f"no tunnel through {config['host']}: time is over")
                output.wait()
            output.take()
            answer = ANSWER.search(output.data)
            if answer is None:
                raise SSHException(f"no tunnel through {config['host']}: {output.text()}")
            said = json.loads(answer[0])
            if "error" in said:
                raise SSHException(f"no tunnel through {config['host']}: {said['error']}")
        except BaseException:
            # It need not be asked to end.
            kill(process)
            tunnel.close()
            raise
        tunnel.port = said["port"]
        tunnel.stands = True
        return tunnel
    finally:
        output.close()


def open_tunnel(
    port: int,
    remote: tuple[str, int],
    server: Server,
    keyfile: str | None,
    password: str | None,
    timeout: int,
    poller_class: type[Poller],
) -> Tunnel:
    """Open a tunnel from a local port, or any one if it is 0, to a remote address."""
    config = {
        **server._asdict(),
        "keyfile": keyfile,
        "password": password,
        "timeout": timeout,
        "lport": port,
        "remote": remote[0],
        "rport": remote[1],
    }
    return begin(config, timeout, poller_class)


def try_passwordless(server: Server, keyfile: str | None, timeout: int, poller_class: type[Poller]) -> bool:
    """Log in without a password, and log out."""
    try:
        open_tunnel(0, ("", 0), server, keyfile, None, timeout, poller_class).close()
    except SSHException:
        return False
    return True
