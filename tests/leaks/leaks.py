"""Open, close, drop, time out and kill many times, and see that nothing is left.

``make leaks`` does so on threads, gevent, eventlet and asyncio, each in a process of its own, and ends with a table; it
fails where something grew. docs/reliability.md says what that covers, and what it has found.

    make leaks LEAKS="--front-end gevent --part 100"    # a hundredth of everything, on gevent
    python leaks.py --run FRONT_END PART                # what runs in a process

Everything is done a fiftieth as often first, so that what is made once is there; then it is counted what there is,
before and after: objects that the garbage collector knows, blocks of memory that Python has allocated, descriptors,
threads, and what is armed in the hub, watchers and timers.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import heapq
import json
import os
import subprocess
import sys
import time
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

FRONT_ENDS = ("threads", "gevent", "eventlet", "asyncio")
#: How often each thing is done on each front-end.
TIMES = {"opened and closed": 500_000, "dropped": 10_000, "time-outs": 100_000, "kills": 20_000}
#: Those who wait at the same time.
BESIDE = 50
#: Part of it that is done before anything is counted.
WARM = 50
#: Blocks by which a process may grow, however often something was done: Python keeps some for itself.
MOST_BLOCKS = 500
#: What of objects is the counting itself, and what a framework keeps for the next time.
MOST_OBJECTS = 20
#: Seconds for a front-end.
LIMIT = 1800.0


class Counts(NamedTuple):
    objects: int
    blocks: int
    descriptors: int
    threads: int
    armed: int


class Ways:
    """How things are done with threads."""

    name = "threads"

    def __init__(self) -> None:
        from support.front_ends import named

        self.front_end: Any = named(self.name)
        self.zmq: Any = self.front_end.zmq
        self.context = self.zmq.Context()
        self.context.max_sockets = 2000

    def socket(self) -> Any:
        socket = self.context.socket(self.zmq.PAIR)
        socket.linger = 0
        return socket

    def open_and_close(self, count: int) -> None:
        for number in range(count):
            socket = self.socket()
            if number % 100 == 0:
                socket.bind("tcp://127.0.0.1:*")
            socket.close()

    def drop(self, count: int) -> None:
        for _ in range(count):
            self.socket()

    def time_out(self, count: int) -> None:
        self.wait_at_once()
        tasks = [self.front_end.spawn(self.time_out_one, count // BESIDE) for _ in range(BESIDE)]
        for task in tasks:
            task.get()

    def wait_at_once(self) -> None:
        """Have as many wait as may ever do: what wakes them is kept for the next."""
        from support.front_ends import wait_until
        from zmq import statistics

        sockets = [self.socket() for _ in range(BESIDE)]
        tasks = [self.front_end.spawn(self.wait_for, socket) for socket in sockets]
        wait_until(self.front_end, lambda: sum(len(statistics()[how]) for how in ("waiting", "blocked")) >= BESIDE)
        for socket in sockets:
            socket.close()
        for task in tasks:
            task.get()

    def time_out_one(self, count: int) -> None:
        with self.socket() as socket:
            socket.rcvtimeo = 1
            for number in range(count):
                if number % 2:
                    assert not socket.poll(1)
                    continue
                try:
                    socket.recv()
                except self.zmq.Again:
                    continue

    def kill(self, count: int) -> None:
        """End calls that wait; those of threads by closing their socket."""
        for _ in range(count):
            socket = self.socket()
            task = self.front_end.spawn(self.wait_for, socket)
            self.front_end.sleep(0)
            socket.close()
            task.get()

    def wait_for(self, socket: Any) -> None:
        with contextlib.suppress(self.zmq.ZMQError):
            socket.recv()

    def armed(self) -> int:
        return 0

    def run(self, what: Callable[[int], Any], count: int) -> None:
        what(count)

    def settle(self) -> None:
        """Let everything end that is about to."""
        for _ in range(5):
            self.front_end.sleep(0.05)
            gc.collect()

    def close(self) -> None:
        self.context.destroy(0)


class Gevent(Ways):
    name = "gevent"

    def kill(self, count: int) -> None:
        with self.socket() as socket:
            for _ in range(count):
                task = self.front_end.spawn(socket.recv)
                self.front_end.sleep(0)
                self.front_end.kill(task)

    def armed(self) -> int:
        return int(self.front_end.armed())


class Eventlet(Gevent):
    name = "eventlet"

    def settle(self) -> None:
        super().settle()
        # eventlet's hub keeps timers that were cancelled until their time has come or there are a thousand.
        hub = self.zmq.hub.get_hub().hub
        hub.timers[:] = [each for each in hub.timers if not each[1].called]
        heapq.heapify(hub.timers)
        hub.timers_canceled = 0


class Asyncio(Ways):
    """With an event loop, in which everything is a coroutine."""

    name = "asyncio"

    def __init__(self) -> None:
        import zmq.asyncio

        self.zmq = zmq.asyncio
        self.context = zmq.asyncio.Context()
        self.loop = asyncio.new_event_loop()

    def socket(self) -> Any:
        import zmq

        socket = self.context.socket(zmq.PAIR)
        socket.linger = 0
        return socket

    def run(self, what: Callable[[int], Any], count: int) -> None:
        self.loop.run_until_complete(self.as_coroutine(what, count))

    async def as_coroutine(self, what: Callable[[int], Any], count: int) -> None:
        found = what(count)
        if found is not None:
            await found

    def open_and_close(self, count: int) -> Any:
        return self.use_and_close(count)

    async def use_and_close(self, count: int) -> None:
        for number in range(count):
            socket = self.socket()
            # Else it would never have been the loop's.
            if number % 10 == 0:
                await socket.poll(0)
            socket.close()

    def time_out(self, count: int) -> Any:
        return asyncio.gather(*(self.time_out_later(count // BESIDE) for _ in range(BESIDE)))

    async def time_out_later(self, count: int) -> None:
        import zmq

        with self.socket() as socket:
            socket.rcvtimeo = 1
            for number in range(count):
                if number % 2:
                    assert not await socket.poll(1)
                    continue
                with contextlib.suppress(zmq.Again):
                    await socket.recv()

    def kill(self, count: int) -> Any:
        return self.cancel(count)

    async def cancel(self, count: int) -> None:
        with self.socket() as socket:
            for _ in range(count):
                task = asyncio.ensure_future(self.receive(socket))
                await asyncio.sleep(0)
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task

    async def receive(self, socket: Any) -> None:
        await socket.recv()

    def armed(self) -> int:
        selector: Any = self.loop._selector  # type: ignore[attr-defined]
        scheduled: Any = self.loop._scheduled  # type: ignore[attr-defined]
        return len(selector.get_map()) + sum(not timer.cancelled() for timer in scheduled)

    def settle(self) -> None:
        for _ in range(5):
            self.loop.run_until_complete(asyncio.sleep(0.05))
            gc.collect()

    def close(self) -> None:
        super().close()
        self.loop.close()


def count(ways: Ways) -> Counts:
    """Return what there is, once what was about to end has."""
    ways.settle()
    armed = ways.armed()
    gc.collect()
    return Counts(
        len(gc.get_objects()),
        sys.getallocatedblocks(),
        len(os.listdir("/proc/self/fd")),
        len(os.listdir("/proc/self/task")),
        armed,
    )


def kinds() -> Counter[str]:
    return Counter(f"{type(each).__module__}.{type(each).__qualname__}" for each in gc.get_objects())


def problem(before: Counts, after: Counts) -> str:
    """Return what grew, if anything did."""
    most = Counts(MOST_OBJECTS, MOST_BLOCKS, 0, 0, 0)
    grown = {
        name: [had, has]
        for name, had, has, more in zip(Counts._fields, before, after, most, strict=True)
        if has - had > more
    }
    return f"grew: {grown}" if grown else ""


def run(front_end: str, part: int) -> int:
    """Do everything on a front-end; print a line of JSON for each thing."""
    warnings.simplefilter("ignore")
    classes: list[type[Ways]] = [Ways, Gevent, Eventlet, Asyncio]
    ways = next(each for each in classes if each.name == front_end)()
    things = dict(zip(TIMES, (ways.open_and_close, ways.drop, ways.time_out, ways.kill), strict=True))
    # Counting has caches too.
    kinds()
    for name, thing in things.items():
        times = max(TIMES[name] // part, BESIDE)
        begun = time.monotonic()
        ways.run(thing, max(times // WARM, 2 * BESIDE))
        before, kinds_before = count(ways), kinds()
        ways.run(thing, times)
        after = count(ways)
        wrong = problem(before, after)
        if wrong:
            wrong += f"; most of them: {(kinds() - kinds_before).most_common(5)}"
        seconds = time.monotonic() - begun
        print(json.dumps([name, times, before, after, wrong, seconds]), flush=True)
    from zmq import statistics

    found = statistics()
    assert not found["missed"] and not found["waiting"], found
    ways.close()
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--front-end", choices=FRONT_ENDS, action="append", help="this one (may be repeated)")
    parser.add_argument("--part", type=int, default=1, help="do everything one so-many-th as often (%(default)s)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the table there")
    parser.add_argument("--run", nargs=2, metavar=("FRONT_END", "PART"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.run:
        return run(options.run[0], int(options.run[1]))
    lines, failures, rows = [], [], []
    for front_end in options.front_end or FRONT_ENDS:
        command = [sys.executable, str(HERE / "leaks.py"), "--run", front_end, str(options.part)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            found = []
            for line in process.stdout:
                name, times, before, after, wrong, seconds = json.loads(line)
                found.append(name)
                print(f"{front_end}, {name}: {times:,}, {seconds:.0f} s", flush=True)
                more = [has - had for had, has in zip(before, after, strict=True)]
                lines.append(f"{front_end + ', ' + name:30}{times:9,}" + "".join(f"{each:13}" for each in more))
                rows.append([front_end, name, times, before, after])
                if wrong:
                    failures.append(f"{front_end}, {name}: {wrong}")
            try:
                process.wait(LIMIT)
            except subprocess.TimeoutExpired:
                process.kill()
        if process.returncode or found != list(TIMES):
            failures.append(f"{front_end}: ended with {process.returncode}")
    for failure in failures:
        print(f"\n== {failure}")
    print(f"\n{'grew by':30}{'times':>9}" + "".join(f"{name:>13}" for name in Counts._fields))
    print("\n".join(lines), flush=True)
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1) + "\n")
    return bool(failures)


if __name__ == "__main__":
    sys.exit(main())
