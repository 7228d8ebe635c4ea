"""Carries out sequences of calls, in a process of its own: what the names of `sequences` mean on each front-end.

    python worlds.py FRONT_END JOURNAL FAILURES FILE    # the sequences in FILE, as JSON
    python worlds.py FRONT_END JOURNAL FAILURES SEED FIRST COUNT LENGTH

Before every step its number and the time are written to JOURNAL, memory that whoever watches has mapped too. A step
fails if it raises what no call may raise (`is_wrong`); that something was raised in a callback fails it too, and that a
sequence leaves somebody waiting. The first failure is written to FAILURES, and ends the process with status 1.
"""

from __future__ import annotations

import array
import asyncio
import contextlib
import copy
import faulthandler
import gc
import importlib
import io
import json
import mmap
import os
import resource
import struct
import sys
import tempfile
import time
import traceback
import warnings
import weakref
from collections.abc import Awaitable, Callable, Sequence
from types import ModuleType
from typing import Any

os.environ["EVENTLET_TESTS"] = "1"  # otherwise it warns that it is old

import sequences

import zmq as plain
from zmq.core.statistics import statistics

#: The sequence, the step and the time when it began.
JOURNAL = struct.Struct("=qqd")
#: Milliseconds that a call may wait.
WAIT_MS = 3
#: Address space of a process: what asks for too much is refused, and does not bring the machine down.
MOST_MEMORY = 8 << 30
MODULES = {"threads": "zmq", "gevent": "zmq.green", "eventlet": "zmq.eventlet", "asyncio": "zmq.asyncio"}


class Wrong:
    """Answers to nothing that it is asked."""

    def refuse(self, *args: Any, **kwargs: Any) -> Any:
        raise ValueError("asked what it is")

    __index__ = __len__ = __iter__ = __bytes__ = __str__ = __bool__ = __fspath__ = __getitem__ = __int__ = refuse
    fileno = __float__ = refuse


class Meddler:
    """Does something when it is looked at, and answers then."""

    def __init__(self, do: Callable[[], object]) -> None:
        self.do = do

    def meddle(self, answer: Any) -> Any:
        do, self.do = self.do, lambda: None
        with contextlib.suppress(Exception):
            do()
        return answer

    def __index__(self) -> int:
        return self.meddle(1)

    def __len__(self) -> int:
        return self.meddle(2)

    def __iter__(self) -> Any:
        return self.meddle(iter([b"a", b"b"]))

    def __bytes__(self) -> bytes:
        return self.meddle(b"bytes")

    def __str__(self) -> str:
        return self.meddle("text")

    def __bool__(self) -> bool:
        return self.meddle(True)

    def __float__(self) -> float:
        return self.meddle(0.001)

    def __fspath__(self) -> str:
        return self.meddle("path")

    def __eq__(self, other: object) -> bool:
        return self.meddle(False)

    def __hash__(self) -> int:
        return self.meddle(7)

    def fileno(self) -> int:
        return self.meddle(-1)


class Nothing:
    """What is in a slot that is empty."""


class Failure(Exception):
    """A step did what none may do."""


def is_wrong(error: BaseException, line: str) -> bool:
    """Tell whether this is what no call may raise, however wrong its arguments are."""
    if isinstance(error, AttributeError):
        # Something of ours that is not there (any more), unless the line itself has it in that place.
        return "'NoneType' object has no attribute" in str(error) and "None" not in line
    wrong = (SystemError, AssertionError, UnboundLocalError, RecursionError, ReferenceError)
    return isinstance(error, wrong) or type(error).__name__ == "LoopExit" or not isinstance(error, Exception)


class World:
    """What the lines of one sequence act on. This one is for threads."""

    def __init__(self, front_end: str, folder: str) -> None:
        self.front_end = front_end
        self.zmq: ModuleType = importlib.import_module(MODULES[front_end])
        self.package: Any = Package(self.zmq)
        self.slots: dict[str, list[Any]] = {kind: [Nothing()] * size for kind, size in sequences.SLOTS.items()}
        self.numbers = iter(range(1 << 40))
        self.errors: list[str] = []
        #: All that were ever in a slot: a poller may hold on to one, and a shadow's are not closed with its context.
        self.made: weakref.WeakSet[Any] = weakref.WeakSet()
        self.folder = folder
        self.names: dict[str, Any] = {
            **self.slots,
            "zmq": self.package,
            "folder": folder,
            "Wrong": Wrong,
            "Meddler": Meddler,
            "array": array.array,
            "copy": copy,
            "gc": gc,
            "io": io,
        }
        for name in ("now", "later", "end", "keep", "pair", "end_context", "where", "drop", "turn"):
            self.names[name] = getattr(self, name)
        for number in range(sequences.SLOTS["contexts"]):
            self.slots["contexts"][number] = self.zmq.Context()
        for number in range(sequences.SLOTS["pollers"]):
            self.slots["pollers"][number] = self.zmq.Poller()
        for number in range(sequences.SLOTS["frames"]):
            self.slots["frames"][number] = self.package.Frame(b"frame" * 10 ** (number % 4), copy=number < 4)
        self.slots["trackers"][:] = [self.package.MessageTracker() for _ in self.slots["trackers"]]

    # What lines call.

    def now(self, call: Callable[[], Any]) -> Any:
        return call()

    def later(self, number: int, call: Callable[[], Any]) -> None:
        """Have something done beside what follows; threads have no sockets to share, and do it at once."""
        self.now(call)

    def end(self, number: int) -> None:
        """End what is done beside."""

    def turn(self) -> None:
        """Let others run."""

    def keep(self, slot: str, call: Callable[[], Any]) -> None:
        """Have what a call returns in a slot, if it is of the kind that is there."""
        self.put(slot, self.now(call))

    def put(self, slot: str, found: Any) -> None:
        kind, _, number = slot.rstrip("]").partition("[")
        wanted = {"sockets": plain.Socket, "contexts": plain.Context, "pollers": plain.Poller, "frames": plain.Frame}
        if isinstance(found, wanted.get(kind, plain.MessageTracker)):
            if isinstance(found, plain.Socket):
                found = self.tame(found)
            self.slots[kind][int(number)] = found

    def tame(self, socket: Any) -> Any:
        """See that nobody waits long for a socket."""
        self.made.add(socket)
        with contextlib.suppress(plain.ZMQError):
            for option in (plain.RCVTIMEO, plain.SNDTIMEO):
                socket.setsockopt(option, WAIT_MS)
            socket.setsockopt(plain.LINGER, 0)
        return socket

    def pair(self, a: int, b: int, context: Any, one: int, other: int, transport: str) -> None:
        """Have two connected sockets in two slots."""
        sockets = self.slots["sockets"]
        sockets[a] = self.tame(context.socket(one))
        sockets[b] = self.tame(context.socket(other))
        number = next(self.numbers)
        address = {
            "inproc": f"inproc://pair-{number}",
            "tcp": "tcp://127.0.0.1:*",
            "ipc": f"ipc://{self.folder}/{number}",
        }[transport]
        if plain.SUB in (one, other):
            sockets[b].subscribe(b"")
        sockets[a].bind(address)
        sockets[b].connect(sockets[a].get_string(plain.LAST_ENDPOINT))

    def where(self, socket: Any) -> str:
        address: str = socket.get_string(plain.LAST_ENDPOINT)
        return address

    def drop(self, slot: str) -> None:
        kind, _, number = slot.rstrip("]").partition("[")
        if kind == "contexts":
            # There is one always: else most of what follows would be in vain.
            self.slots[kind][int(number)] = self.zmq.Context()
        elif kind == "pollers":
            self.slots[kind][int(number)] = self.zmq.Poller()
        else:
            self.slots[kind][int(number)] = Nothing()

    def end_context(self, number: int, terminate: bool) -> None:
        """End a context: with its sockets closed, as nobody here would close them while it waits."""
        context = self.slots["contexts"][number]
        for socket in list(self.made):
            socket.close(0)
        context.destroy(0)
        if terminate:
            context.term()
        self.slots["contexts"][number] = self.zmq.Context()

    # How they are carried out.

    def step(self, line: str, number: int) -> None:
        try:
            exec(compile(line, f"<step {number}>", "exec"), self.names)
        except BaseException as error:
            self.judge(error, line)

    def judge(self, error: BaseException, line: str = "None") -> None:
        if is_wrong(error, line):
            self.errors.append("".join(traceback.format_exception(error)))

    def run(self, lines: Sequence[str], tell: Callable[[int], None]) -> None:
        """Carry out lines, and end everything.

        Raises
        ------
        Failure
            One of them did what none may do.
        """
        missed = statistics()["missed"]
        try:
            for number, line in enumerate(lines):
                tell(number)
                self.step(line, number)
                if self.errors:
                    raise Failure(f"step {number}: {line}\n{self.errors[0]}")
            tell(len(lines))
        finally:
            self.close()
        self.check_end(missed)

    def check_end(self, missed: int) -> None:
        """Raise where something went wrong since the last step, or somebody is forgotten."""
        if self.errors:
            raise Failure(f"the end\n{self.errors[0]}")
        now = statistics()
        if now["missed"] != missed:
            raise Failure(f"the end\n{now['missed'] - missed} wake-ups were missed")
        if now["waiting"]:
            raise Failure(f"the end\nsomebody still waits: {now['waiting']}")

    def close(self) -> None:
        for socket in list(self.made):
            socket.close(0)
        for context in self.slots["contexts"]:
            context.destroy(0)
        self.names.clear()
        for slots in self.slots.values():
            slots[:] = []
        gc.collect(1)


class GreenWorld(World):
    """One with greenlets, which may share sockets."""

    def __init__(self, front_end: str, folder: str) -> None:
        super().__init__(front_end, folder)
        self.tasks = importlib.import_module(f"{MODULES[front_end]}.tasks")
        self.framework = importlib.import_module(front_end)
        self.beside: dict[int, Any] = {}

    def later(self, number: int, call: Callable[[], Any]) -> None:
        self.end(number)
        self.beside[number] = self.framework.spawn(self.carefully, call)
        self.framework.sleep(0)

    def carefully(self, call: Callable[[], Any]) -> None:
        try:
            call()
        except BaseException as error:
            if type(error).__name__ != "GreenletExit":
                self.judge(error)

    def end(self, number: int) -> None:
        if number in self.beside:
            self.beside.pop(number).kill()

    def turn(self) -> None:
        self.framework.sleep(0.0005)

    def close(self) -> None:
        for number in list(self.beside):
            self.end(number)
        super().close()


class AsyncioWorld(World):
    """One with an event loop, which runs all the time."""

    def __init__(self, front_end: str, folder: str) -> None:
        super().__init__(front_end, folder)
        self.beside: dict[int, asyncio.Future[Any]] = {}
        #: What a line has begun, and what to do with what it gives.
        self.begun: list[tuple[Any, Callable[[Any], None]]] = []

    def now(self, call: Callable[[], Any]) -> Any:
        found = call()
        if isinstance(found, Awaitable):
            self.begun.append((found, lambda value: None))
            return None
        return found

    def keep(self, slot: str, call: Callable[[], Any]) -> None:
        found = call()
        if isinstance(found, Awaitable):
            self.begun.append((found, lambda value: self.put(slot, value)))
        else:
            self.put(slot, found)

    def later(self, number: int, call: Callable[[], Any]) -> None:
        self.end(number)
        found = call()
        if isinstance(found, Awaitable):
            self.beside[number] = asyncio.ensure_future(found)

    def end(self, number: int) -> None:
        if number in self.beside:
            future = self.beside.pop(number)
            future.add_done_callback(self.look)
            future.cancel()

    def look(self, future: asyncio.Future[Any]) -> None:
        if not future.cancelled() and future.exception() is not None:
            error = future.exception()
            assert error is not None
            self.judge(error)

    def turn(self) -> None:
        self.begun.append((asyncio.sleep(0.0005), lambda value: None))

    async def settle(self) -> None:
        """Wait for what a line has begun, for a while, and give it up then."""
        while self.begun:
            awaitable, use = self.begun.pop()
            future = asyncio.ensure_future(awaitable)
            await asyncio.wait([future], timeout=10 * WAIT_MS / 1000)
            if not future.done():
                future.cancel()
                await asyncio.wait([future])
            if future.cancelled():
                continue
            error = future.exception()
            if error is not None:
                self.judge(error)
            else:
                use(future.result())

    def run(self, lines: Sequence[str], tell: Callable[[int], None]) -> None:
        asyncio.run(self.run_in_loop(lines, tell))

    async def run_in_loop(self, lines: Sequence[str], tell: Callable[[int], None]) -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(self.hear)
        missed = statistics()["missed"]
        try:
            for number, line in enumerate(lines):
                tell(number)
                self.step(line, number)
                await self.settle()
                if self.errors:
                    raise Failure(f"step {number}: {line}\n{self.errors[0]}")
            tell(len(lines))
            for number in list(self.beside):
                self.end(number)
            await asyncio.sleep(0)
        finally:
            self.close()
        await asyncio.sleep(0)
        self.check_end(missed)

    def hear(self, loop: asyncio.AbstractEventLoop, about: dict[str, Any]) -> None:
        error = about.get("exception")
        # Of a future that nobody asked for its error nobody asked.
        if "never retrieved" not in about["message"]:
            self.errors.append(f"{about['message']}: {error!r}")


class Package:
    """The names of a front-end's module, and of `zmq` where it has none of its own."""

    def __init__(self, module: ModuleType) -> None:
        self.module = module
        # The submodules that lines name.
        for name in ("zmq.utils.monitor", "zmq.utils.z85", "zmq.utils.jsonapi"):
            importlib.import_module(name)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.module, name) if hasattr(self.module, name) else getattr(plain, name)


WORLDS: dict[str, type[World]] = {
    "threads": World,
    "gevent": GreenWorld,
    "eventlet": GreenWorld,
    "asyncio": AsyncioWorld,
}


def carry_out(front_end: str, lines: Sequence[str], tell: Callable[[int], None] = lambda number: None) -> None:
    """Carry out one sequence.

    Raises
    ------
    Failure
        It did what none may do.
    """
    with tempfile.TemporaryDirectory() as folder:
        world = WORLDS[front_end](front_end, folder)
        before, sys.unraisablehook = sys.unraisablehook, lambda unraisable: hear(world, unraisable)
        try:
            world.run(lines, tell)
        finally:
            sys.unraisablehook = before


def hear(world: World, unraisable: Any) -> None:
    # What a line itself wants raised where nothing can be raised is its own; so are files that nobody closed.
    error = unraisable.exc_value
    if not isinstance(error, (ResourceWarning, ZeroDivisionError)) and "asked what it is" not in str(error):
        text = "".join(traceback.format_exception(unraisable.exc_type, error, unraisable.exc_traceback))
        world.errors.append(f"{unraisable.err_msg or 'raised in'} {unraisable.object!r}\n{text}")


def main() -> int:
    front_end, journal, failures, *which = sys.argv[1:]
    faulthandler.enable()
    warnings.simplefilter("ignore")
    if "libasan" in os.environ.get("LD_PRELOAD", ""):
        sequences.lose_no_memory()
    else:
        resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with open(journal, "r+b") as file:
        memory = mmap.mmap(file.fileno(), JOURNAL.size)
    if len(which) == 1:
        with open(which[0]) as given:
            all_lines: Any = enumerate(json.load(given))
    else:
        seed, first, count, length = which
        numbers = range(int(first), int(first) + int(count))
        all_lines = ((n, sequences.sequence(f"{seed}/{n}", front_end, int(length))) for n in numbers)
    for sequence, lines in all_lines:

        def tell(step: int, sequence: int = sequence) -> None:
            JOURNAL.pack_into(memory, 0, sequence, step, time.monotonic())

        try:
            carry_out(front_end, lines, tell)
        except Failure as failure:
            with open(failures, "w") as said:
                said.write(str(failure))
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
