# Written by tools/generate_frameworks.py from zmq/green/ssh/tunnel.py: change that, then ``make frameworks``.
"""`zmq.ssh.tunnel` for eventlet: to open or close a tunnel blocks only the greenlet."""

from __future__ import annotations

from zmq.eventlet.poll import Poller
from zmq.ssh.tunnel import MaxRetryExceeded as MaxRetryExceeded
from zmq.ssh.tunnel import SSHException as SSHException
from zmq.ssh.tunnel import Tunnel as Tunnel
from zmq.ssh.tunnel import Tunnels as _Tunnels
from zmq.ssh.tunnel import __all__ as __all__
from zmq.ssh.tunnel import select_random_ports as select_random_ports

_green = _Tunnels(Poller)
open_tunnel = _green.open_tunnel
openssh_tunnel = _green.openssh_tunnel
paramiko_tunnel = _green.paramiko_tunnel
ssh_tunnel = _green.ssh_tunnel
try_passwordless_ssh = _green.try_passwordless_ssh
tunnel_connection = _green.tunnel_connection
