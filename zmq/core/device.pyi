from typing import Any

from zmq.core.socket import Socket

def proxy(frontend: Socket[Any], backend: Socket[Any], capture: Socket[Any] | None = None) -> None: ...
def proxy_steerable(
    frontend: Socket[Any],
    backend: Socket[Any],
    capture: Socket[Any] | None = None,
    control: Socket[Any] | None = None,
) -> None: ...
def device(device_type: int, frontend: Socket[Any], backend: Socket[Any] | None = None) -> None: ...
def monitored_queue(
    in_socket: Socket[Any],
    out_socket: Socket[Any],
    mon_socket: Socket[Any],
    in_prefix: bytes = b"in",
    out_prefix: bytes = b"out",
) -> None: ...
def relay(
    frontend: Socket[Any],
    backend: Socket[Any],
    capture: Socket[Any] | None = None,
    control: Socket[Any] | None = None,
    *,
    prefixes: tuple[bytes, bytes] | None = None,
    block: bool = False,
) -> None: ...
