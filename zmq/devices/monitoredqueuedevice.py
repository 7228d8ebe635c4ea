"""`MonitoredQueue`, `ThreadMonitoredQueue`, `ProcessMonitoredQueue`: proxies whose copies say which way they went."""

from __future__ import annotations

from typing import Any

from zmq.core._text import describe
from zmq.core.constants import SocketType
from zmq.core.device import relay
from zmq.core.socket import Socket
from zmq.devices.proxydevice import ProcessProxy, Proxy, ProxyBase, ThreadProxy


class MonitoredQueueBase(ProxyBase):
    """What monitored queues add to a proxy: a first frame of the copies, see `zmq.monitored_queue`.

    Parameters
    ----------
    in_type, out_type, mon_type : int
        As in `ProxyBase`.
    in_prefix, out_prefix : bytes
        The first frame of copies of messages from the in socket, and from the out socket.
    """

    def __init__(
        self,
        in_type: int,
        out_type: int,
        mon_type: int = SocketType.PUB,
        in_prefix: bytes = b"in",
        out_prefix: bytes = b"out",
    ) -> None:
        super().__init__(in_type, out_type, mon_type)
        for name, prefix in (("in_prefix", in_prefix), ("out_prefix", out_prefix)):
            if not isinstance(prefix, bytes):
                raise TypeError(f"{name} is bytes, not {describe(prefix)}")
        self._prefixes = in_prefix, out_prefix

    def _relay(self, *sockets: Socket[Any]) -> None:
        relay(*sockets, prefixes=self._prefixes, block=self._blocks)


class MonitoredQueue(MonitoredQueueBase, Proxy):
    """A monitored queue in the foreground; see `MonitoredQueueBase` and `Device`."""


class ThreadMonitoredQueue(MonitoredQueueBase, ThreadProxy):
    """A monitored queue in a native thread; see `MonitoredQueueBase` and `ThreadDevice`."""


class ProcessMonitoredQueue(MonitoredQueueBase, ProcessProxy):
    """A monitored queue in a process of its own; see `MonitoredQueueBase` and `ProcessDevice`."""


__all__ = ["MonitoredQueue", "ThreadMonitoredQueue", "ProcessMonitoredQueue"]
