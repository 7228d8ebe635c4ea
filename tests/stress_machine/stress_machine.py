"""Run what depends on time again on a machine that is busy, small or stands still now and then, and show what failed.

``make stress-machine`` runs the tests of what waits, ten times in each of these ways:

busy
    Three processes compute beside.
one
    There is one processor.
still
    All of a run stands still at the same moment, again and again, for longer than any test should notice: as on a
    machine that is a guest of another one. It takes the freezer of control groups, and so root.

    make stress-machine STRESS_MACHINE="--times 1 --way still --front-end gevent"

A test that fails here is wrong, or what it tests is: none may depend on how long something takes.

As many runs go on beside each other as there are processors. Ten times of all take hours: ``--add`` adds to what
earlier ones have counted.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import queue
import random
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))

import matrix  # noqa: E402

from support.load import computing  # noqa: E402

#: Where time decides most.
TESTS = tuple(
    f"tests/{name}"
    for name in ("green", "loops", "log", "polling", "processes", "proxies", "sockets", "soak", "streams", "top")
)
#: Processes that compute.
BUSY = 3
#: Seconds for which a run stands still, and about which it runs before.
STILL = (0.3, 1.2)
RUNS = 3.0
#: Folders in which control groups with a freezer are made, and the file that freezes one, with what is written there.
FREEZERS = (
    (Path("/sys/fs/cgroup/freezer"), "freezer.state", "FROZEN", "THAWED"),
    (Path("/sys/fs/cgroup"), "cgroup.freeze", "1", "0"),
)


#: What says how a Python is run, by the number of the run among those beside each other.
Command = Callable[[int], list[str | Path]]


class Impossible(Exception):
    """This machine can't be disturbed in this way; the text says why."""


@contextlib.contextmanager
def busy() -> Iterator[Command]:
    """Have processes compute beside what runs by the command that this yields."""
    with computing(BUSY):
        yield lambda _: [sys.executable]


@contextlib.contextmanager
def one() -> Iterator[Command]:
    """Yields a command that may use one processor; another one for each of those that run beside each other."""
    processors = sorted(os.sched_getaffinity(0))
    run = "os.execv(sys.executable, [sys.executable, *sys.argv[1:]])"

    def command(number: int) -> list[str | Path]:
        processor = processors[number % len(processors)]
        return [sys.executable, "-c", f"import os, sys; os.sched_setaffinity(0, [{processor}]); {run}"]

    yield command


class Freezer:
    """A control group whose processes can be made to stand still."""

    def __init__(self) -> None:
        for parent, name, frozen, thawed in FREEZERS:
            with contextlib.suppress(OSError):
                self.folder = Path(tempfile.mkdtemp(prefix="greenzmq-", dir=parent))
                if (self.folder / name).exists():
                    self.state, self.frozen, self.thawed = self.folder / name, frozen, thawed
                    return
                self.folder.rmdir()
        raise Impossible("it takes a control group with a freezer, which only root can make")

    def command(self) -> list[str | Path]:
        """Return what runs a Python in this group."""
        enter = 'echo $$ >"$0" && exec "$@"'
        return ["sh", "-c", enter, self.folder / "cgroup.procs", sys.executable]

    def freeze(self, seconds: float) -> None:
        """Have all of it stand still."""
        self.state.write_text(self.frozen)
        try:
            time.sleep(seconds)
        finally:
            self.state.write_text(self.thawed)

    def close(self) -> None:
        """Remove the group, which is empty but for what has not quite ended."""
        end = time.monotonic() + 10
        while True:
            try:
                return self.folder.rmdir()
            except OSError:
                if time.monotonic() > end:
                    raise
                time.sleep(0.05)


@contextlib.contextmanager
def still() -> Iterator[Command]:
    """Have what runs by the command that this yields stand still now and then."""
    freezer = Freezer()
    over = threading.Event()

    def disturb() -> None:
        while not over.wait(random.uniform(0.3, 1.7) * RUNS):
            freezer.freeze(random.uniform(*STILL))

    thread = threading.Thread(target=disturb)
    thread.start()
    try:
        yield lambda _: freezer.command()
    finally:
        over.set()
        thread.join()
        freezer.close()


WAYS = {"busy": busy, "one": one, "still": still}


def table(counts: dict[tuple[str, str], list[int]], ways: list[str]) -> str:
    """Return, for each front-end and way, how many tests ran and how many of them failed."""
    lines = [f"{'':12}" + "".join(f"{way:>20}" for way in ways)]
    lines.append(f"{'':12}" + f"{'run / failed':>20}" * len(ways))
    for front_end in dict.fromkeys(front_end for front_end, _ in counts):
        cells = ["{:,} / {:,}".format(*counts.get((front_end, way), [0, 0])) for way in ways]
        lines.append(f"{front_end:12}" + "".join(f"{cell:>20}" for cell in cells))
    return "\n".join(lines)


class Record:
    """What was counted, here and in earlier runs that are added to."""

    def __init__(self, path: Path | None, adds: bool) -> None:
        self.path = path
        self.counts: dict[tuple[str, str], list[int]] = {}
        self.failed: Counter[str] = Counter()
        if adds and path is not None and path.exists():
            found = json.loads(path.read_text())
            self.counts = {(each["front_end"], each["way"]): [each["run"], each["failed"]] for each in found["counts"]}
            self.failed.update(found["failed"])

    def add(self, front_end: str, way: str, run: int, wrong: list[str]) -> None:
        count = self.counts.setdefault((front_end, way), [0, 0])
        count[0] += run
        count[1] += len(wrong)
        self.failed.update(f"{way}, {front_end}: {test}" for test in wrong)
        if self.path is not None:
            told = [
                {"front_end": front_end, "way": way, "run": run, "failed": failed}
                for (front_end, way), (run, failed) in self.counts.items()
            ]
            self.path.write_text(json.dumps({"counts": told, "failed": self.failed}, indent=1))


def disturb_all(options: argparse.Namespace, way: str, record: Record) -> None:
    """Run everything so many times in one way."""
    free: queue.SimpleQueue[int] = queue.SimpleQueue()
    for number in range(options.jobs):
        free.put(number)
    lock = threading.Lock()

    def disturb(time_: int, front_end: str) -> None:
        number, begun = free.get(), time.monotonic()
        try:
            place = matrix.Place(way, ROOT, command(number))
            hub = matrix.HUBS[front_end][1][0]
            cells, wrong, output = matrix.run(place, front_end, hub, options.limit, options.tests)
        finally:
            free.put(number)
        took = f"{time.monotonic() - begun:.0f} s"
        with lock:
            record.add(front_end, way, sum(cell["passed"] + cell["failed"] for cell in cells.values()), wrong)
            print(f"{time_ + 1} of {options.times}, {way}, {front_end}: {len(wrong)} failed, {took}", flush=True)
            if wrong:
                print(output[-8000:], flush=True)

    with WAYS[way]() as command, ThreadPoolExecutor(options.jobs) as pool:
        runs = [(time_, front_end) for time_ in range(options.times) for front_end in options.front_end or matrix.HUBS]
        for done in [pool.submit(disturb, *run) for run in runs]:
            done.result()


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--times", type=int, default=10, help="how often (%(default)s)")
    parser.add_argument("--way", choices=WAYS, action="append", help="this one alone (may be repeated)")
    parser.add_argument("--front-end", choices=matrix.HUBS, action="append", help="this one alone (may be repeated)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="runs beside each other (%(default)s)")
    parser.add_argument("--limit", type=float, default=3600, metavar="SECONDS", help="for one run (%(default)s)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the counts there")
    parser.add_argument("--add", action="store_true", help="add to the counts that are there")
    parser.add_argument("tests", nargs="*", default=TESTS, help="files or folders (all of what depends on time)")
    options = parser.parse_args(arguments)
    ways = options.way or [*WAYS]
    record = Record(options.json, options.add)
    for way in list(ways):
        try:
            disturb_all(options, way, record)
        except Impossible as error:
            print(f"{way} is left out: {error}", flush=True)
            ways.remove(way)
    counted = [way for way in WAYS if any(way == each for _, each in record.counts)]
    print(f"\n{table(record.counts, counted)}")
    for test, often in record.failed.most_common():
        print(f"  failed {often} times: {test}")
    return 1 if record.failed or not record.counts else 0


if __name__ == "__main__":
    sys.exit(main())
