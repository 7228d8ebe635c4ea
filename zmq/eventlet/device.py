# Written by tools/generate_frameworks.py from zmq/green/device.py: change that, then ``make frameworks``.
"""`device` for eventlet, in the place where programs look for it.

A proxy or device of green sockets is green by itself: see `zmq.core.device`.
"""

from __future__ import annotations

from zmq.core.device import device as _device
from zmq.core.socket import Socket


def device(device_type: int, isocket: Socket, osocket: Socket | None = None) -> None:
    """Relay messages between two sockets as `zmq.device` does; blocks only the greenlet.

    Parameters
    ----------
    device_type : int
        A `zmq.DeviceType`.
    isocket : Socket
    osocket : Socket, optional
        The same as `isocket` when left out.

    Raises
    ------
    ValueError, ContextTerminated, ZMQError
        As `zmq.device` does.
    """
    _device(device_type, isocket, osocket)
