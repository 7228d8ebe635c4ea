"""`ProxySteerable`, `ThreadProxySteerable` and `ProcessProxySteerable`: proxies that obey a fourth socket."""

from __future__ import annotations

from typing import Any

from zmq.core.constants import SocketType
from zmq.devices.basedevice import End
from zmq.devices.proxydevice import ProcessProxy, Proxy, ProxyBase, ThreadProxy


class ProxySteerableBase(ProxyBase):
    """What steerable proxies add to a proxy: a socket for commands, see `zmq.proxy_steerable`.

    Parameters
    ----------
    in_type, out_type, mon_type : int
        As in `ProxyBase`.
    ctrl_type : int
        That of the socket for the commands: PAIR, PULL, SUB or REP; PAIR when left out.
    """

    def __init__(
        self,
        in_type: int,
        out_type: int,
        mon_type: int = SocketType.PUB,
        ctrl_type: int | None = None,
    ) -> None:
        super().__init__(in_type, out_type, mon_type)
        self.ctrl_type = SocketType.PAIR if ctrl_type is None else ctrl_type
        self._ends["ctrl"] = End(self.ctrl_type)

    def bind_ctrl(self, addr: str) -> None:
        """Have the socket for commands bind to an address; see `bind_in`."""
        self._ends["ctrl"].binds.append(addr)

    def bind_ctrl_to_random_port(self, addr: str, *args: Any, **kwargs: Any) -> int:
        """Have the socket for commands bind to a free port; see `bind_in_to_random_port`."""
        return self._reserve("ctrl", addr, *args, **kwargs)

    def connect_ctrl(self, addr: str) -> None:
        """Have the socket for commands connect to an address; see `connect_in`."""
        self._ends["ctrl"].connects.append(addr)

    def setsockopt_ctrl(self, opt: int, value: Any) -> None:
        """Set an option of the socket for commands; see `setsockopt_in`."""
        self._ends["ctrl"].options.append((opt, value))


class ProxySteerable(ProxySteerableBase, Proxy):
    """A steerable proxy in the foreground; see `ProxySteerableBase` and `Device`."""


class ThreadProxySteerable(ProxySteerableBase, ThreadProxy):
    """A steerable proxy in a native thread; see `ProxySteerableBase` and `ThreadDevice`."""


class ProcessProxySteerable(ProxySteerableBase, ProcessProxy):
    """A steerable proxy in a process of its own; see `ProxySteerableBase` and `ProcessDevice`."""


__all__ = ["ProxySteerable", "ThreadProxySteerable", "ProcessProxySteerable"]
