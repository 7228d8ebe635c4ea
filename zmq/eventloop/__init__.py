"""0MQ in tornado's event loop: streams with callbacks (`zmqstream`) and sockets with futures (`future`).

Green loops are built on `hubloop`, `selector` and `running`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tornado.ioloop import IOLoop as IOLoop

__all__ = ["IOLoop"]


def __getattr__(name: str) -> Any:
    # Not before somebody asks: without tornado the rest can be imported even so.
    if name == "IOLoop":
        from tornado.ioloop import IOLoop

        return IOLoop
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
