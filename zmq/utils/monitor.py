"""Reading what `Socket.monitor` and `Socket.get_monitor_socket` send.

Works for every kind of socket: what receives later gives something to await.
"""

from __future__ import annotations

import struct
from collections.abc import Awaitable, Sequence
from typing import TYPE_CHECKING, Any, TypedDict, overload

from zmq.core._text import describe
from zmq.core.constants import Event
from zmq.core.socket import Socket

if TYPE_CHECKING:
    import zmq.asyncio

_HEADER = struct.Struct("=HI")


class _MonitorMessage(TypedDict):
    event: Event
    value: int
    endpoint: bytes


def parse_monitor_message(msg: Sequence[Any]) -> _MonitorMessage:
    """Return what a message of a monitor says.

    Parameters
    ----------
    msg : list of bytes or Frame
        The event (2 bytes) and its value (4 bytes) in one frame, and the endpoint.

    Returns
    -------
    dict
        ``event``: a `zmq.Event`. ``value``: an int, of which the event says what it means: a descriptor, an error
        code, milliseconds; an `zmq.Event` where it tells which protocol error made a handshake fail.
        ``endpoint``: bytes.

    Raises
    ------
    RuntimeError
        This is no message of a monitor.

    Notes
    -----
    Source: zmq_socket_monitor(3).
    """
    try:
        header, endpoint = msg
        number, value = _HEADER.unpack(header)
        where = memoryview(endpoint).tobytes()
    except (TypeError, ValueError, struct.error):
        raise RuntimeError(
            "a monitor's message has two frames, 6 bytes for event and value and then the endpoint; "
            f"got {describe(msg)}"
        ) from None
    event = Event(number)
    if event == Event.HANDSHAKE_FAILED_PROTOCOL:
        value = Event(value)
    return {"event": event, "value": value, "endpoint": where}


@overload
def recv_monitor_message(socket: zmq.asyncio.Socket, flags: int = 0) -> Awaitable[_MonitorMessage]: ...
@overload
def recv_monitor_message(socket: Socket[bytes], flags: int = 0) -> _MonitorMessage: ...
@overload
def recv_monitor_message(socket: Socket[Awaitable[Any]], flags: int = 0) -> Awaitable[_MonitorMessage]: ...
def recv_monitor_message(socket: Any, flags: int = 0) -> Any:
    """Receive a message of a monitor.

    Parameters
    ----------
    socket : Socket
        The PAIR socket that `Socket.get_monitor_socket` returned, or one connected to the address of a monitor.
    flags : int
        As in `Socket.recv_multipart`.

    Returns
    -------
    dict
        As `parse_monitor_message` returns it; for a socket of `zmq.asyncio`, something to await that gives it.

    Raises
    ------
    RuntimeError
        The message is not one of a monitor.
    Again, ContextTerminated, ZMQError
        As in `Socket.recv_multipart`.

    Examples
    --------
    >>> monitor = socket.get_monitor_socket()
    >>> port = socket.bind_to_random_port("tcp://127.0.0.1")
    >>> recv_monitor_message(monitor)["event"]
    <Event.LISTENING: 8>
    """
    received = socket.recv_multipart(flags)
    if isinstance(received, Awaitable):
        return _parse_later(received)
    return parse_monitor_message(received)


async def _parse_later(received: Awaitable[Sequence[Any]]) -> _MonitorMessage:
    return parse_monitor_message(await received)


__all__ = ["parse_monitor_message", "recv_monitor_message"]
