"""The ways to run a device that its tests go: each front-end's, in the foreground and in all kinds of background."""

from __future__ import annotations

import importlib
import multiprocessing
import os
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import zmq
from support.front_ends import FRONT_ENDS, LIMIT, FrontEnd, Task, wait_until

LOOPBACK = "tcp://127.0.0.1"


def threads() -> int:
    """Count the native threads of this process; 0 where that cannot be found out."""
    folder = Path("/proc/self/task")
    return len(os.listdir(folder)) if folder.is_dir() else 0


class Way:
    """How devices are run, with peers to talk to them; leaves no thread, process or device behind."""

    def __init__(self, front_end: FrontEnd, prefix: str) -> None:
        self.front_end = front_end
        self.zmq: ModuleType = front_end.zmq
        self.devices: ModuleType = importlib.import_module(f"{front_end.zmq.__name__}.devices")
        self.prefix = prefix
        self.in_foreground = prefix == ""
        self.in_a_process = prefix == "Process"
        self.in_a_thread = prefix == "Thread"
        self.tasks: dict[Any, Task] = {}
        self.ended: set[Any] = set()
        self.peers: list[Any] = []  # whose sockets are closed with their context, not collected

    def __str__(self) -> str:
        return f"{self.front_end.name}-{self.prefix or 'Foreground'}"

    def __enter__(self) -> Way:
        self.threads = threads()
        if self.in_a_process:
            # The default depends on the version of Python, and others know no classes that a test defines.
            multiprocessing.set_start_method("fork", force=True)
        self.context = self.zmq.Context()
        self.context.linger = 0
        return self

    def __exit__(self, *args: object) -> None:
        for device in [device for device in self.tasks if device not in self.ended]:
            self.stop(device)
        self.context.destroy(linger=0)
        self.peers.clear()
        for module in (zmq, self.zmq):
            # Where devices make their sockets unless they are told otherwise.
            module.Context.instance().term()
        self.tasks.clear()
        self.ended.clear()
        wait_until(self.front_end, lambda: not multiprocessing.active_children())
        if self.in_a_process:
            multiprocessing.set_start_method(None, force=True)
        wait_until(self.front_end, lambda: threads() <= self.threads)

    def pause(self) -> None:
        """Let others run for a moment, where the device runs."""
        # The hub that a forked process inherits may not run there: that depends on who was forked before.
        (time.sleep if self.in_a_thread or self.in_a_process else self.front_end.sleep)(0.005)

    def named(self, kind: str) -> Any:
        """Return the class of a kind of device: "Device", "Proxy", "ProxySteerable" or "MonitoredQueue"."""
        name = f"{self.prefix}Device" if kind == "Device" else f"{self.prefix}{kind}"
        return getattr(self.devices, name)

    def make(self, kind: str, *types: int, **more: Any) -> Any:
        """Make a device, which is not started."""
        return of(self.named(kind), *types, **more)

    def start(self, device: Any) -> Any:
        """Start a device; one in the foreground in a task of its own."""
        if self.in_foreground:
            self.tasks[device] = self.front_end.spawn(device.start)
        else:
            device.start()
            self.tasks[device] = Started(device)
        return device

    def stop(self, device: Any) -> None:
        """Stop a device, which ends well."""
        if self.in_foreground:
            # It may not have begun yet.
            wait_until(self.front_end, lambda: device._sockets or device.done)
        device.stop()
        self.join(device)

    def join(self, device: Any) -> None:
        """Wait until a device has ended; raise what ended it, if that was an error."""
        self.ended.add(device)
        self.tasks[device].get()
        assert device.done

    def peer(self, socket_type: int, address: str | int, bind: bool = False, **options: Any) -> Any:
        """Make a socket at an address, or at a port of the loopback interface."""
        socket = self.context.socket(socket_type)
        self.peers.append(socket)
        socket.reconnect_ivl = 5  # milliseconds; most connect before the device binds
        socket.rcvtimeo = socket.sndtimeo = int(1000 * LIMIT)
        for name, value in options.items():
            setattr(socket, name, value)
        place: Callable[[str], object] = socket.bind if bind else socket.connect
        place(address if isinstance(address, str) else f"{LOOPBACK}:{address}")
        return socket


class Started:
    """A device in the background, as a task."""

    def __init__(self, device: Any) -> None:
        self.device = device

    def get(self) -> None:
        self.device.join(LIMIT)


def of(cls: Any, *types: int, **more: Any) -> Any:
    """Make a device of a class; only those without a third socket are told what they are for."""
    if not hasattr(cls, "bind_mon"):
        types = (zmq.QUEUE, *types)
    return cls(*types, **more)


def ways_of(*prefixes: str) -> list[Way]:
    """Return the ways to run devices that there are, of those asked for."""
    ways = [Way(front_end, prefix) for front_end in FRONT_ENDS for prefix in prefixes]
    return [way for way in ways if hasattr(way.devices, f"{way.prefix}Device")]


EVERY_WAY = ways_of("", "Thread", "Process", "Green")
IN_THE_BACKGROUND = ways_of("Thread", "Process", "Green")
IN_THIS_PROCESS = ways_of("", "Thread", "Green")


def fill(front_end: FrontEnd, socket: Any, enough: int, size: int = 0) -> int:
    """Send numbers until there is no room any more, or enough is enough; return how many went out.

    While something relays what was sent, room may come back: there is none where 50 looks in a row saw none.
    """
    sent = looks = 0
    while looks < 50 and sent < enough:
        try:
            socket.send((b"%d" % sent).ljust(size), front_end.zmq.NOBLOCK)
        except front_end.zmq.Again:
            looks += 1
            front_end.sleep(0.002)
        else:
            sent += 1
            looks = 0
    return sent
