"""`zmq.ssh` for gevent: to open a tunnel blocks only the greenlet."""

from __future__ import annotations

from zmq.green.ssh import tunnel as tunnel
from zmq.green.ssh.tunnel import (
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
