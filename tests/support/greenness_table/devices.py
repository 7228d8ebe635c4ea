"""The greenness table: devices. To run, start or join one waits; to say what it shall be does not."""

from __future__ import annotations

import importlib
import multiprocessing
import os
import select
from collections.abc import Callable
from time import sleep
from typing import Any

import zmq as plain
from support.front_ends import LIMIT
from support.greenness_table.row import Scene, returns, waits
from zmq import PAIR, POLLIN, PULL, PUSH
from zmq.core.native_threads import NativeThread
from zmq.devices import basedevice

KINDS = {
    "Device": ("in", "out"),
    "Proxy": ("in", "out", "mon"),
    "ProxySteerable": ("in", "out", "mon", "ctrl"),
    "MonitoredQueue": ("in", "out", "mon"),
}

#: What the address of no end is, in any test.
LOOPBACK = "tcp://127.0.0.1"


def make(s: Scene, prefix: str, kind: str) -> Any:
    """Return a device; where the module has none in greenlets, one in the foreground."""
    devices = importlib.import_module(f"{s.zmq.__name__}.devices")
    cls = getattr(devices, prefix + kind, None) or getattr(devices, kind)
    device = cls(*([plain.QUEUE] if kind == "Device" else []), PULL, PUSH)
    if prefix == "Process":
        # What its tests give it is known here alone.
        device._launch_class = multiprocessing.get_context("fork").Process
    else:
        device.context_factory = lambda: s.context
    return device


def end(s: Scene, device: Any) -> None:
    device.stop()
    device.join(LIMIT)


# In the foreground, and what runs in a greenlet.


def runs(prefix: str, kind: str, method: str, gives: Any) -> None:
    waits(
        f"devices.{prefix}{kind}.{method}",
        "",
        lambda s: (make(s, prefix, kind),),
        lambda s, device: getattr(device, method)(),
        lambda s, device: device.stop(),
        gives,
    )


def run_after_stop(s: Scene, prefix: str, kind: str, method: str) -> None:
    """What a thread or a process runs is nothing for greenlets, which see it end: it was stopped before."""
    device = make(s, prefix, kind)
    device.stop()
    try:
        getattr(device, method)()
    except plain.ZMQError as error:
        assert error.errno == plain.ENOTSOCK
    device._end_context()


# In the background.


def end_with(parent: int) -> None:
    """End this process as soon as that which has started it is gone: where a row fails, nobody ends it."""
    while os.getppid() == parent:
        sleep(0.05)
    os._exit(1)


def gated(prefix: str, kind: str) -> Callable[[Scene], tuple[Any, ...]]:
    """A device that makes its sockets only when it is told to, and what to write to then."""

    def prepare(s: Scene) -> tuple[Any, int]:
        reader, writer = os.pipe()
        parent = os.getpid()

        def wait() -> Any:
            if prefix == "Green":
                s.zmq.zmq_poll([(reader, POLLIN)])
            while not select.select([reader], [], [], 0.05)[0]:
                if os.getpid() != parent != os.getppid():
                    os._exit(1)  # as in `end_with`
            return s.context if prefix == "Green" else plain.Context()

        device = make(s, prefix, kind)
        device.context_factory = wait
        s.closing.callback(os.close, reader)
        s.closing.callback(os.close, writer)
        if prefix == "Thread":
            s.closing.callback(lambda: device._context.term())
        s.closing.callback(end, s, device)
        return device, writer

    return prepare


def running(prefix: str, kind: str) -> Callable[[Scene], tuple[Any]]:
    """A device that was started, if that does not wait until it ends."""

    def prepare(s: Scene) -> tuple[Any]:
        device = make(s, prefix, kind)
        parent = os.getpid()

        def watched() -> Any:
            NativeThread(lambda: end_with(parent)).start()
            return plain.Context()

        if prefix == "Process":
            device.context_factory = watched
        if isinstance(device, (basedevice.BackgroundDevice, basedevice.ProcessDevice)):
            device.start()
        return (device,)

    return prepare


def let_end(s: Scene, device: Any) -> None:
    device.stop()
    if not isinstance(device, (basedevice.BackgroundDevice, basedevice.ProcessDevice)):
        device.done = True


def make_context(s: Scene, prefix: str, kind: str) -> None:
    """That of the program, or another; as a rule it is a green one, and then nobody but a greenlet may end it."""
    device = make(s, prefix, kind)
    vars(device).pop("context_factory", None)
    context = device.context_factory()
    s.closing.callback(context.term)


for prefix in ("", "Green", "Thread", "Process"):
    for kind, ends in KINDS.items():
        name = f"devices.{prefix}{kind}"
        own = (prefix, kind)
        waits(f"{name}.join", "", running(*own), lambda s, device: device.join(), let_end)
        if prefix in ("", "Green"):
            runs(*own, "run", None)
            runs(*own, "run_device", plain.ZMQError)
        else:
            for method in ("run", "run_device"):
                returns(f"{name}.{method}", lambda s, own=own, method=method: run_after_stop(s, *own, method))
        if prefix == "":
            runs(*own, "start", None)
        else:
            waits(
                f"{name}.start",
                "",
                gated(*own),
                lambda s, device, writer: device.start(),
                lambda s, device, writer: os.write(writer, b"x"),
            )
        if prefix in ("Green", "Thread"):
            returns(f"{name}.__del__", lambda s, own=own: make(s, *own).__del__())
        if prefix == "Process":
            returns(f"{name}.__getstate__", lambda s, own=own: make(s, *own).__getstate__())
        returns(name, lambda s, own=own: make(s, *own))
        returns(f"{name}.stop", lambda s, own=own: make(s, *own).stop())
        returns(f"{name}.context_factory", lambda s, own=own: make_context(s, *own))
        for place in ends:
            for method, arguments in (
                ("bind", (LOOPBACK,)),
                ("connect", (LOOPBACK,)),
                ("setsockopt", (plain.LINGER, 0)),
            ):
                returns(
                    f"{name}.{method}_{place}",
                    lambda s, own=own, method=f"{method}_{place}", arguments=arguments: getattr(make(s, *own), method)(
                        *arguments
                    ),
                )
            returns(
                f"{name}.bind_{place}_to_random_port",
                lambda s, own=own, method=f"bind_{place}_to_random_port": getattr(make(s, *own), method)(LOOPBACK),
            )

waits(
    "monitored_queue",
    "",
    lambda s: (*s.pair(PAIR, PAIR), s.socket(plain.PUB)),
    lambda s, a, b, monitor: s.zmq.monitored_queue(a, a, monitor),
    lambda s, a, b, monitor: a.close(),
    plain.ZMQError,
)
