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
