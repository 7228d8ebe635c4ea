"""Connections through ssh servers: see `zmq.ssh.tunnel`."""

from __future__ import annotations

from zmq.ssh import tunnel as tunnel
from zmq.ssh.tunnel import (
    MaxRetryExceeded,
    SSHException,
    Tunnel,
    open_tunnel,
    openssh_tunnel,
    paramiko_tunnel,
    select_random_ports,
    ssh_tunnel,
    try_passwordless_ssh,
    tunnel_connection,
)

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
    "tunnel",
    "tunnel_connection",
]
