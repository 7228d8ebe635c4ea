"""Search orders of events for one in which something is lost, doubled, or waited for in vain.

``make schedules`` runs every state machine of this folder with 10,000 examples, in pieces of 1,000, two at a time, and
ends with a table; it fails where one of them found something, which it shows made small. docs/reliability.md says what
they vary, what must hold, and what they have found.

    make schedules SCHEDULES="--examples 500 --only trampoline --only threads"
    make schedules SCHEDULES="--seed 7"    # as it was: the seed is printed
    python schedules.py --run NAME EXAMPLES SEED    # what runs in a process

Every step is decided by hypothesis, on hubs and loops in which nothing happens by itself, so an example depends on the
seed alone; but for the throttle of libzmq's sends, which looks at a clock of its own.
"""

from __future__ import annotations

import argparse
import faulthandler
import importlib
import json
import os
import random
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

HERE = Path(__file__).resolve().parent
for folder in (HERE, HERE.parent):
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))

#: Module and class of each machine, those that take longest first.
MACHINES = {
    "threads": ("thread_machine", "InThreads"),
    "asyncio": ("asyncio_machine", "InALoop"),
    "trampoline": ("trampoline_machine", "Waiting"),
    "poll sets": ("poll_set_machine", "Polling"),
    "streams": ("stream_machine", "Streaming"),
    "relays": ("relay_machine", "Relaying"),
    "loops": ("loop_machine", "Moving"),
}
#: Whether what fails is made small.
SHRINKS = not os.environ.get("ZMQ_TESTS_UNSHRUNK")
EXAMPLES = 10_000
#: Examples of one process: hypothesis keeps what it has tried, and takes three times as long for each after some
#: thousands.
PIECE = 1000
STEPS = 50
JOBS = 2
#: Seconds in which all has to be done; what is not by then is stopped, and has failed.
LIMIT = 3600.0
#: Seconds between two lines about a machine that runs, and without an example until it is taken to hang.
PROGRESS = 10.0
HANGS = 120.0


class Piece(NamedTuple):
    """So many examples of a machine, in a process of their own."""

    name: str
    examples: int
    seed: int


class Found(NamedTuple):
    """What became of a machine, or of a piece of it."""

    name: str
    examples: int
    seconds: float
    failure: str


def machine_of(name: str) -> Any:
    """Return the class of a machine."""
    module, cls = MACHINES[name]
    return getattr(importlib.import_module(module), cls)


def settings_of(examples: int, **more: Any) -> Any:
    """Return hypothesis's settings for so many examples."""
    from hypothesis import HealthCheck, Phase, settings

    # To explain takes longer than to make small, and says little of what has many steps.
    left_out = [Phase.explain] if SHRINKS else [Phase.explain, Phase.shrink]
    return settings(
        phases=[phase for phase in Phase if phase not in left_out],
        max_examples=examples,
        stateful_step_count=STEPS,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        print_blob=False,
        **more,
    )


def search(machine: Any, examples: int, seed: int) -> str:
    """Run a machine; return the shortest example that failed with its error, or nothing."""
    from hypothesis import seed as seeded
    from hypothesis.stateful import run_state_machine_as_test

    # A class of its own, as the seed is noted there.
    machine = seeded(seed)(type(machine.__name__, (machine,), {}))
    try:
        run_state_machine_as_test(machine, settings=settings_of(examples, database=None, report_multiple_bugs=False))
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        # Several errors are a group, and what is thrown into greenlets is no Exception.
        return "".join(traceback.format_exception(error))
    return ""


def run(name: str, examples: int, seed: int) -> int:
    """Run a machine in this process; print how far it is, and at last what it found, each as a line of JSON."""
    from machine import Machine

    begun, over = time.monotonic(), threading.Event()
    faulthandler.enable()

    def tell() -> None:
        looked, since = -1, begun
        while not over.wait(PROGRESS):
            now = time.monotonic()
            if Machine.begun != looked:
                looked, since = Machine.begun, now
            elif now - since > HANGS:
                faulthandler.dump_traceback()
                faulthandler.dump_traceback_later(0.1, exit=True)
            print(json.dumps([Machine.begun, now - begun, None]), flush=True)

    teller = threading.Thread(target=tell, daemon=True)
    teller.start()
    failure = search(machine_of(name), examples, seed)
    over.set()
    teller.join()
    print(json.dumps([Machine.begun, time.monotonic() - begun, failure]), flush=True)
    return bool(failure)


def run_apart(piece: Piece, end: float) -> Found:
    """Run a piece until it is over, or time is."""
    begun = time.monotonic()
    command = [sys.executable, str(HERE / "schedules.py"), "--run", *map(str, piece)]
    last: list[Any] = [0, 0.0, None]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stderr is not None
        errors: list[str] = []
        reader = threading.Thread(target=lambda: errors.extend(process.stderr or ()))
        reader.start()
        timer = threading.Timer(max(0.0, end - begun), process.kill)
        timer.start()
        for line in process.stdout:
            last = json.loads(line)
            print(f"{piece.name}, seed {piece.seed}: {last[0]:,} examples, {last[1]:.0f} s", flush=True)
        process.wait()
        timer.cancel()
        reader.join()
    examples_run, failure = last[0], last[2]
    if failure is None:
        failure = f"it ended with {process.returncode} before it was done\n" + "".join(errors[-60:])
    elif not failure and examples_run < piece.examples:
        failure = f"only {examples_run} of {piece.examples} examples were tried"
    if failure:
        failure = f"seed {piece.seed}, {piece.examples} examples: {failure}"
    return Found(piece.name, examples_run, time.monotonic() - begun, failure)


def pieces(names: Sequence[str], examples: int, seed: int) -> list[Piece]:
    """Return what to run, in this order. Each piece has a seed of its own."""
    return [
        Piece(name, min(PIECE, examples - begun), seed + begun // PIECE)
        for name in names
        for begun in range(0, examples, PIECE)
    ]


def in_all(name: str, found: Sequence[Found]) -> Found:
    """Return what became of a machine."""
    own = [each for each in found if each.name == name]
    failure = "\n".join(each.failure for each in own if each.failure)
    return Found(name, sum(each.examples for each in own), sum(each.seconds for each in own), failure)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--only", choices=sorted(MACHINES), action="append", help="this machine (may be repeated)")
    parser.add_argument("--examples", type=int, default=EXAMPLES, help="of each machine (%(default)s)")
    parser.add_argument("--seed", type=int, help="decides on all of them; one by chance is printed when left out")
    parser.add_argument("--jobs", type=int, default=JOBS, help="pieces at a time (%(default)s)")
    parser.add_argument("--limit", type=float, default=LIMIT, help="seconds for all (%(default)s)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the table there")
    parser.add_argument("--run", nargs=3, metavar=("NAME", "EXAMPLES", "SEED"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.run:
        return run(options.run[0], int(options.run[1]), int(options.run[2]))
    seed = random.randrange(1_000_000) if options.seed is None else options.seed
    names = [name for name in MACHINES if name in (options.only or MACHINES)]
    print(f"seed {seed}: repeat this with --seed {seed}", flush=True)
    begun = time.monotonic()
    with ThreadPoolExecutor(options.jobs) as pool:
        end = begun + options.limit
        parts = list(pool.map(lambda piece: run_apart(piece, end), pieces(names, options.examples, seed)))
    found = [in_all(name, parts) for name in names]
    for each in found:
        if each.failure:
            print(f"\n== {each.name}\n{each.failure}")
    print(f"\n{'machine':14}{'examples':>10}{'seconds':>10}")
    for each in found:
        print(f"{each.name:14}{each.examples:10,}{each.seconds:10.0f}{'  FAILED' if each.failure else ''}")
    print(f"{time.monotonic() - begun:.0f} seconds, seed {seed}", flush=True)
    if options.json:
        rows = [each._asdict() for each in found]
        options.json.write_text(json.dumps({"seed": seed, "machines": rows}, indent=1) + "\n")
    return any(each.failure for each in found)


if __name__ == "__main__":
    sys.exit(main())
