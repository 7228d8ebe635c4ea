"""Processes that are looked at: what they would say, and those that say it."""

from __future__ import annotations

import copy
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from zmq import inspect

STATE: dict[str, Any] = {
    "zmq.inspect": 1,
    "pid": 4711,
    "time": 1e9,
    "monotonic": 100.0,
    "command": ["python", "shop.py"],
    "python": "3.12.1",
    "greenzmq": "1.0",
    "libzmq": "4.3.5",
    "hubs": [],
    "statistics": {"waiting": [], "blocked": [], "sockets": [], "contexts": []},
}


class Shop:
    """A process that says what a test has it say."""

    def __init__(self) -> None:
        self.state = copy.deepcopy(STATE)

    def socket(self, type: str, name: str | None = None, bound: str = "", connected: str = "", **counters: Any) -> str:
        """Add a socket; return its address. The counters are those of `Socket.counters`."""
        sockets = self.state["statistics"]["sockets"]
        address = hex(0x1000 + len(sockets))
        sockets.append(
            {
                "socket": address,
                "name": name,
                "type": type,
                "class": "zmq.green.Socket",
                "context": "0x1",
                "bound": [bound] if bound else [],
                "connected": [connected] if connected else [],
                "shadows": 0,
                "in_proxy": False,
            }
        )
        if counters:
            sockets[-1]["counters"] = counters
        return address

    def wait(
        self, action: str, *sockets: str, seconds: float = 5.0, context: str | None = None, **more: Any
    ) -> dict[str, Any]:
        """Have somebody wait; with `blocked`, in a plain call."""
        entry = {
            "kind": "greenlet",
            "waiter": "0x2",
            "name": "Greenlet-7",
            "thread": 1,
            "thread_name": "MainThread",
            "function": "serve",
            "file": "/srv/shop.py",
            "line": 31,
            "begun": None,
            "action": action,
            "waits_for": "what it waits for",
            "sockets": list(sockets),
            "context": context,
            "descriptors": [],
            "fd": None,
            "events": 0,
            "route": None,
            "seconds": seconds,
        }
        entry.update(more)
        self.state["statistics"]["blocked" if "greenlet" in more else "waiting"].append(entry)
        return entry

    def hub(self, **more: Any) -> dict[str, Any]:
        hub = {
            "thread": 1,
            "thread_name": "MainThread",
            "framework": "gevent",
            "runs": True,
            "answers": True,
            "seconds": 0.001,
            "keeper": None,
            "stack": [],
            "begun": [],
            **more,
        }
        self.state["hubs"].append(hub)
        return hub

    def later(self, seconds: float = 2.0) -> Shop:
        """Return the same process some time later."""
        shop = Shop()
        shop.state = copy.deepcopy(self.state)
        shop.state["monotonic"] += seconds
        shop.state["time"] += seconds
        return shop


@pytest.fixture
def shop() -> Shop:
    return Shop()


@pytest.fixture
def path() -> Iterator[Path]:
    """Where this process may answer; a short path, as a socket's must be."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder) / "asked"
        inspect.stop()


@pytest.fixture
def serve(path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Shop], Path]:
    """Have this process answer with what a shop says."""
    from zmq.core.inspection import service

    def serve(shop: Shop) -> Path:
        monkeypatch.setattr(service.Looks, "state", lambda self: shop.state)
        inspect.serve(path)
        return path

    return serve
