# Written by tools/generate_frameworks.py from zmq/green/devices.py: change that, then ``make frameworks``.
"""`zmq.devices` for eventlet: devices in greenlets too, and to start or join one blocks only the greenlet."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from zmq.core.constants import DeviceType as DeviceType
from zmq.core.device import monitored_queue as monitored_queue
from zmq.core.device import proxy as proxy
from zmq.core.device import proxy_steerable as proxy_steerable
from zmq.devices import basedevice, monitoredqueuedevice, proxydevice, proxysteerabledevice
from zmq.devices import monitoredqueue as monitoredqueue
from zmq.eventlet import tasks
from zmq.eventlet.core import Context
from zmq.eventlet.device import device as device
from zmq.eventlet.poll import Poller


class Device(basedevice.Device):
    """A device in the foreground: only the greenlet that starts it waits."""

    context_factory: Callable[[], Any] = Context.instance
    _poller_class = Poller


class GreenDevice(basedevice.BackgroundDevice):
    """A `Device` in a greenlet; its messages are moved by a native thread. Kill its launcher, or `stop` it.

    Attributes
    ----------
    launcher : eventlet.greenthread.GreenThread
        The greenlet, once it was started.
    """

    context_factory: Callable[[], Any] = Context.instance
    launcher: tasks.Task | None = None
    _poller_class = Poller

    def _launch(self, target: Callable[[], None]) -> tasks.Task:
        greenlet = tasks.spawn(target)
        tasks.when_ended(greenlet, self._end)
        return greenlet


class ThreadDevice(basedevice.ThreadDevice):
    _poller_class = Poller


class ProcessDevice(basedevice.ProcessDevice):
    _poller_class = Poller


class Proxy(proxydevice.ProxyBase, Device):
    pass


class GreenProxy(proxydevice.ProxyBase, GreenDevice):
    pass


class ThreadProxy(proxydevice.ProxyBase, ThreadDevice):
    pass


class ProcessProxy(proxydevice.ProxyBase, ProcessDevice):
    pass


class ProxySteerable(proxysteerabledevice.ProxySteerableBase, Proxy):
    pass


class GreenProxySteerable(proxysteerabledevice.ProxySteerableBase, GreenProxy):
    pass


class ThreadProxySteerable(proxysteerabledevice.ProxySteerableBase, ThreadProxy):
    pass


class ProcessProxySteerable(proxysteerabledevice.ProxySteerableBase, ProcessProxy):
    pass


class MonitoredQueue(monitoredqueuedevice.MonitoredQueueBase, Proxy):
    pass


class GreenMonitoredQueue(monitoredqueuedevice.MonitoredQueueBase, GreenProxy):
    pass


class ThreadMonitoredQueue(monitoredqueuedevice.MonitoredQueueBase, ThreadProxy):
    pass


class ProcessMonitoredQueue(monitoredqueuedevice.MonitoredQueueBase, ProcessProxy):
    pass


__all__ = [
    "Device",
    "DeviceType",
    "GreenDevice",
    "GreenMonitoredQueue",
    "GreenProxy",
    "GreenProxySteerable",
    "MonitoredQueue",
    "ProcessDevice",
    "ProcessMonitoredQueue",
    "ProcessProxy",
    "ProcessProxySteerable",
    "Proxy",
    "ProxySteerable",
    "ThreadDevice",
    "ThreadMonitoredQueue",
    "ThreadProxy",
    "ThreadProxySteerable",
    "device",
    "monitored_queue",
    "proxy",
    "proxy_steerable",
]
