# Written by tools/generate_frameworks.py from zmq/green/ssh/__init__.py: change that, then ``make frameworks``.
"""`zmq.ssh` for eventlet: to open a tunnel blocks only the greenlet."""

from __future__ import annotations

from zmq.eventlet.ssh import tunnel as tunnel
from zmq.eventlet.ssh.tunnel import (
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
from zmq.ssh import __all__ as __all__

# pyright does not see an imported list.
__all__ = [*__all__]
