"""Run the tests on every front-end, hub and interpreter, and show passed / failed / skipped for each transport.

``make matrix`` prepares the interpreters. Each run is a process of its own; one that crashes or does not end counts as
a failure.
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree

#: The hubs of each front-end, and the variable of the environment that chooses one. "core" is what needs no front-end.
HUBS: dict[str, tuple[str, list[str]]] = {
    "core": ("", [""]),
    "threads": ("", [""]),
    "gevent": ("GEVENT_LOOP", ["libev-cext", "libev-cffi", "libuv-cffi"]),
    "eventlet": ("EVENTLET_HUB", ["epolls", "poll", "selects", "asyncio"]),
}
TRANSPORTS = ("inproc", "ipc", "tcp", "other")
OUTCOMES = ("passed", "failed", "skipped")

Cell = dict[str, int]  # how often each outcome
Cells = dict[str, Cell]  # by transport
Results = dict[tuple[str, str, str], Cells]  # by column of the table, front-end and hub


@dataclass
class Place:
    """Where tests are run: a column of the table."""

    #: What stands above the column.
    name: str
    #: The tree that the interpreter's environment was made for.
    tree: Path
    #: What runs the interpreter there, which is followed by arguments for it.
    command: list[str | Path]
    #: How a variable of the environment is said in the command; None where it is inherited.
    variable: str | None = None
    variables: dict[str, str] = field(default_factory=dict)

    def start(self, arguments: Iterable[str], **variables: str) -> subprocess.Popen[str]:
        variables = {**self.variables, **variables}
        command = list(self.command)
        if self.variable is not None:
            # In the place of the interpreter's name, which is last.
            command[-1:] = [text for pair in variables.items() for text in (self.variable, "=".join(pair))] + command[
                -1:
            ]
        return subprocess.Popen(
            [*command, *arguments],
            cwd=self.tree if self.variable is None else None,
            env={**os.environ, **variables},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            text=True,
        )


def transport_of(test: str) -> str:
    """Return the transport in the brackets of a test's name; "other" where the test chooses none, or its own."""
    words = re.split(r"[-\[\]]", test)
    return next((transport for transport in TRANSPORTS if transport in words), "other")


def read(report: Path) -> tuple[Cells, list[str]]:
    """Count the outcomes in a report of pytest's, and list what failed."""
    cells: Cells = {transport: collections.Counter(dict.fromkeys(OUTCOMES, 0)) for transport in TRANSPORTS}
    failed = []
    for case in ElementTree.parse(report).iter("testcase"):
        found = {child.tag for child in case}
        outcome = "failed" if found & {"failure", "error"} else "skipped" if "skipped" in found else "passed"
        name = f"{case.get('classname', '')}::{case.get('name', '')}"
        cells[transport_of(name)][outcome] += 1
        if outcome == "failed":
            failed.append(name)
    return cells, failed


def end_all(process: subprocess.Popen[str]) -> None:
    """End what is left of a process that `Place.start` has started, and of those that it has started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def run(
    place: Place, front_end: str, hub: str, limit: float, tests: Iterable[str] = ("tests",)
) -> tuple[Cells, list[str], str]:
    """Run the tests of one front-end on one hub. Return the counts, what failed, and the output when all went wrong."""
    variable, _ = HUBS[front_end]
    # In the tree, as /tmp may be another one there.
    report = Path("build", f"report-{front_end}-{hub}.xml")
    arguments = ["-m", "pytest", "-q", f"--front-end={front_end}", f"--junit-xml={report}", *tests]
    found = place.tree / report
    found.unlink(missing_ok=True)
    process = place.start(arguments, **({variable: hub} if variable else {}))
    try:
        output, _ = process.communicate(timeout=limit)
    except subprocess.TimeoutExpired:
        end_all(process)
        output, _ = process.communicate()
        output += f"\ndid not end in {limit:.0f} s"
    # A run that ends in the midst of a test leaves the programs behind that this has started.
    end_all(process)
    if found.exists():
        cells, failed = read(found)
        if failed or process.returncode == 0:
            return cells, failed, output if failed else ""
    # It crashed, or nothing could be collected.
    cells = {"other": {"passed": 0, "failed": 1, "skipped": 0}}
    return cells, [f"the whole run, status {process.returncode}"], output


def version_of(python: Path) -> str:
    ask = "import sys; print('%d.%d' % sys.version_info[:2])"
    return subprocess.run([python, "-c", ask], check=True, capture_output=True, text=True).stdout.strip()


def table(results: Results) -> str:
    """Return the results by front-end, hub and transport, with a column for each place."""
    names = list(dict.fromkeys(name for name, _, _ in results))
    width = max(18, *(len(name) + 2 for name in names))
    lines = [f"{'':26}" + "".join(f"{name:>{width}}" for name in names)]
    lines.append(f"{'':26}" + f"{'pass / fail / skip':>{width}}" * len(names))
    for front_end, hub in dict.fromkeys((front_end, hub) for _, front_end, hub in results):
        for transport in TRANSPORTS:
            cells = [results.get((name, front_end, hub), {}).get(transport) for name in names]
            if not any(cell and any(cell.values()) for cell in cells):
                continue
            texts = ["-" if cell is None else " / ".join(str(cell[outcome]) for outcome in OUTCOMES) for cell in cells]
            row = f"{front_end} {hub}".strip()
            lines.append(f"{row:19}{transport:7}" + "".join(f"{text:>{width}}" for text in texts))
    return "\n".join(lines)


def add_options(parser: argparse.ArgumentParser, jobs: int, limit: float) -> None:
    parser.add_argument("--jobs", type=int, default=jobs, help="runs at the same time (%(default)s)")
    parser.add_argument("--limit", type=float, default=limit, metavar="SECONDS", help="for one run (%(default)s)")
    parser.add_argument("--only", choices=HUBS, action="append", help="this front-end (may be repeated)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all counts there")
    parser.add_argument("--select", metavar="EXPRESSION", help="of the tests, as pytest's -k")


def run_all(runs: list[tuple[Place, str, str]], options: argparse.Namespace) -> int:
    """Run tests in places, each on a front-end and a hub, and show a table. Return the exit status."""
    results: Results = {}
    wrong: list[str] = []
    tests = ["tests", *(["-k", options.select] if options.select else [])]

    def one(place: Place, front_end: str, hub: str) -> None:
        begun = time.monotonic()
        cells, failed, output = run(place, front_end, hub, options.limit, tests)
        results[place.name, front_end, hub] = cells
        name = f"{place.name} {front_end} {hub}".strip()
        counts = [sum(cell[outcome] for cell in cells.values()) for outcome in OUTCOMES]
        shown = ", ".join(f"{n} {outcome}" for n, outcome in zip(counts, OUTCOMES, strict=True))
        # In one go: others print too.
        print(f"{name:34}{shown}   {time.monotonic() - begun:.0f} s\n{output[-8000:]}", end="", flush=True)
        wrong.extend(f"{name}: {test}" for test in failed)

    with ThreadPoolExecutor(options.jobs) as executor:
        for future in [executor.submit(one, *each) for each in runs]:
            future.result()
    results = {key: results[key] for key in ((place.name, front_end, hub) for place, front_end, hub in runs)}
    print(f"\n{table(results)}")
    if options.json:
        options.json.write_text(json.dumps([{"run": key, "cells": cells} for key, cells in results.items()], indent=1))
    if wrong:
        print("\nFailed:", *wrong, sep="\n  ")
    return 1 if wrong else 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_options(parser, jobs=2, limit=1200)
    parser.add_argument("pythons", nargs="+", type=Path, help="interpreters of virtual environments, each in its tree")
    options = parser.parse_args()
    pythons = [(version_of(python), python.absolute()) for python in options.pythons]
    places = [
        Place(f"Python {version}", python.parents[2], [python], variables={"ZMQ_TESTS_LONG": "1"})
        for version, python in sorted(pythons, key=lambda each: int(each[0].split(".")[1]))
    ]
    runs = [
        (place, front_end, hub)
        for place in places
        for front_end, (_, hubs) in HUBS.items()
        if not options.only or front_end in options.only
        for hub in hubs
    ]
    return run_all(runs, options)


if __name__ == "__main__":
    sys.exit(main())
