"""`Proxy`, `ThreadProxy` and `ProcessProxy`: devices that copy every message to a third socket."""

from __future__ import annotations

from typing import Any

from zmq.core.constants import DeviceType, SocketType
from zmq.devices.basedevice import Device, End, ProcessDevice, ThreadDevice


class ProxyBase(Device):
    """What proxies add to a device: a socket that gets a copy of every message.

    Parameters
    ----------
    in_type, out_type : int
        As in `Device`.
    mon_type : int
        That of the socket for the copies; PUB when left out.
    """

    def __init__(self, in_type: int, out_type: int, mon_type: int = SocketType.PUB) -> None:
        super().__init__(DeviceType.QUEUE, in_type, out_type)
        self.mon_type = mon_type
        self._ends["mon"] = End(mon_type)

    def bind_mon(self, addr: str) -> None:
        """Have the socket for the copies bind to an address; see `bind_in`."""
        self._ends["mon"].binds.append(addr)

    def bind_mon_to_random_port(self, addr: str, *args: Any, **kwargs: Any) -> int:
        """Have the socket for the copies bind to a free port; see `bind_in_to_random_port`."""
        return self._reserve("mon", addr, *args, **kwargs)

    def connect_mon(self, addr: str) -> None:
        """Have the socket for the copies connect to an address; see `connect_in`."""
        self._ends["mon"].connects.append(addr)

    def setsockopt_mon(self, opt: int, value: Any) -> None:
        """Set an option of the socket for the copies; see `setsockopt_in`."""
        self._ends["mon"].options.append((opt, value))


class Proxy(ProxyBase, Device):
    """A proxy in the foreground; see `ProxyBase` and `Device`."""


class ThreadProxy(ProxyBase, ThreadDevice):
    """A proxy in a native thread; see `ProxyBase` and `ThreadDevice`."""


class ProcessProxy(ProxyBase, ProcessDevice):
    """A proxy in a process of its own; see `ProxyBase` and `ProcessDevice`."""


__all__ = ["Proxy", "ThreadProxy", "ProcessProxy"]
