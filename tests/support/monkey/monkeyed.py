"""What programs that are monkeypatched need to test themselves, whichever framework they use.

Imported by programs that a test runs in a process of their own, which say ``green = monkeyed.GEVENT`` first. Imports
neither zmq nor a framework by itself: when these are imported is what is tested.
"""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

from support import TESTS

#: Seconds after which a program that waits for something is ended, with a traceback of where.
LIMIT = 20.0
#: What a ticker does before it ends the wait.
TICKS = 5

#: How a program begins that needs connected sockets. The context holds on to them, so that `destroy` closes them all.
PAIRS = """
import zmq

class Keeping(zmq.Context):
    def __init__(self):
        super().__init__()
        self._kept = []
        self.linger = 0

    def socket(self, *args):
        self._kept.append(super().socket(*args))
        return self._kept[-1]

    def pair(self, one=zmq.PAIR, other=zmq.PAIR):
        a, b = self.socket(one), self.socket(other)
        address = f"inproc://{len(self._kept)}"
        a.bind(address)
        b.connect(address)
        return a, b

context = Keeping()
a, b = context.pair()
"""


class Framework:
    """gevent or eventlet, and the module of ours that belongs to it."""

    def __init__(self, name: str, front_end: str, can_nest_asyncio: bool, awaits_threads: bool) -> None:
        self.name = name
        self.front_end = front_end
        self.monkey_module = f"{front_end}.monkey"
        #: Whether a program may run an asyncio loop of its own, as tornado does; not where the hub itself is one.
        self.can_nest_asyncio = can_nest_asyncio
        #: Whether a program ends only when the patched threads have.
        self.awaits_threads = awaits_threads

    def patch_world(self) -> None:
        """What the framework does to the standard library."""
        if self.name == "gevent":
            importlib.import_module("gevent.monkey").patch_all()
        else:
            importlib.import_module("eventlet").monkey_patch()

    @property
    def monkey(self) -> Any:
        return importlib.import_module(self.monkey_module)

    @property
    def zmq(self) -> Any:
        return importlib.import_module(self.front_end)

    def spawn(self, function: Callable[..., Any], *args: Any) -> Any:
        return importlib.import_module(self.name).spawn(function, *args)

    def sleep(self, seconds: float = 0) -> None:
        importlib.import_module(self.name).sleep(seconds)

    def join(self, *tasks: Any) -> list[Any]:
        """Wait for what was spawned."""
        return [task.get() if hasattr(task, "get") else task.wait() for task in tasks]

    def wait_until(self, condition: Callable[[], object]) -> None:
        """Let others run until something is true; the limit of the program is the limit."""
        while not condition():
            self.sleep(0.002)

    def beside(self, wait: Callable[[], Any], act: Callable[[], Any]) -> Any:
        """Call `wait` while a greenlet ticks, which after its ticks ends the wait by calling `act`.

        Were the thread blocked there would be neither ticks nor an end.
        """
        ticks = 0

        def ticker() -> Any:
            nonlocal ticks
            while ticks < TICKS:
                self.sleep(0.001)
                ticks += 1
            return act()

        task = self.spawn(ticker)
        result = wait()
        assert ticks == TICKS, f"it ended after {ticks} ticks, by itself"
        self.join(task)
        return result

    def blocks(self, wait: Callable[[], Any]) -> None:
        """See that `wait`, which must end by itself, blocks the thread: a ticker does not get to tick once."""
        ticks = 0

        def ticker() -> None:
            nonlocal ticks
            ticks += 1

        task = self.spawn(ticker)
        wait()
        assert ticks == 0, "others ran meanwhile"
        self.join(task)


on_asyncio = os.environ.get("EVENTLET_HUB") == "asyncio"
GEVENT = Framework("gevent", "zmq.green", can_nest_asyncio=True, awaits_threads=True)
EVENTLET = Framework("eventlet", "zmq.eventlet", can_nest_asyncio=not on_asyncio, awaits_threads=False)
FRAMEWORKS = [GEVENT, EVENTLET]


def native_threads() -> set[int]:
    """Return the threads that the kernel knows of."""
    return {int(name) for name in os.listdir("/proc/self/task")}


def run(framework: Framework, *program: str, arguments: tuple[str, ...] = (), cwd: Path | None = None) -> None:
    """Run a program, given in parts, in an interpreter of its own. It must come to its end and print no error."""
    lines = [
        f"import sys; sys.path.insert(0, {str(TESTS)!r})",
        "from support import watchdog; from support.monkey import monkeyed",
        f"watchdog.limit(monkeyed.LIMIT); green = monkeyed.{framework.name.upper()}",
        *map(textwrap.dedent, program),
        "print('the end')",
    ]
    # gevent on libuv tells how it rounds.
    command = [sys.executable, "-W", "error", "-W", "ignore:libuv only supports", "-c", "\n".join(lines), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT + 20, cwd=cwd)
    assert (done.returncode, done.stdout, done.stderr) == (0, "the end\n", ""), show(done)


def show(done: subprocess.CompletedProcess[str]) -> str:
    return f"status {done.returncode}\n{done.stdout[:2000]}\n{done.stderr[:4000]}"
