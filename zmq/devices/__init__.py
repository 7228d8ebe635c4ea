"""Devices that make their own sockets and run in threads or processes, in the background.

Those that run in greenlets are in `zmq.green.devices` and `zmq.eventlet.devices`.
"""

from __future__ import annotations

from zmq.core.constants import DeviceType
from zmq.core.device import device, monitored_queue, proxy, proxy_steerable
from zmq.devices import (
    basedevice,
    monitoredqueue,
    monitoredqueuedevice,
    proxydevice,
    proxysteerabledevice,
)
from zmq.devices.basedevice import Device, ProcessDevice, ThreadDevice
from zmq.devices.monitoredqueuedevice import MonitoredQueue, ProcessMonitoredQueue, ThreadMonitoredQueue
from zmq.devices.proxydevice import ProcessProxy, Proxy, ThreadProxy
from zmq.devices.proxysteerabledevice import ProcessProxySteerable, ProxySteerable, ThreadProxySteerable

__all__ = [
    "Device",
    "DeviceType",
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
