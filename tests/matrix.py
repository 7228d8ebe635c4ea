"""Run the tests on every front-end, hub and interpreter, and show passed / failed / skipped for each transport.

``make matrix`` prepares the interpreters. Each run is a process of its own; one that crashes or does not end counts as
a failure.
"""

from __future__ import annotations

import argparse
import collections
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
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


def run(python: Path, front_end: str, hub: str, limit: float, more: list[str]) -> tuple[Cells, list[str], str]:
    """Run the tests of one front-end on one hub. Return the counts, what failed, and the output when all went wrong."""
    variable, _ = HUBS[front_end]
    environment = {**os.environ, "ZMQ_TESTS_LONG": "1", **({variable: hub} if variable else {})}
    with tempfile.TemporaryDirectory(prefix="matrix-") as folder:
        report = Path(folder, "report.xml")
        command = [python, "-m", "pytest", "-q", f"--front-end={front_end}", f"--junit-xml={report}", "tests", *more]
        process = subprocess.Popen(
            command,
            # The tree that the interpreter's environment was made for.
            cwd=python.parents[2],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            text=True,
        )
        try:
            output, _ = process.communicate(timeout=limit)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            output, _ = process.communicate()
            output += f"\ndid not end in {limit:.0f} s"
        if report.exists():
            cells, failed = read(report)
            if failed or process.returncode == 0:
                return cells, failed, output if failed else ""
        # It crashed, or nothing could be collected.
        cells = {"other": {"passed": 0, "failed": 1, "skipped": 0}}
        return cells, [f"the whole run, status {process.returncode}"], output


def version_of(python: Path) -> str:
    ask = "import sys; print('%d.%d' % sys.version_info[:2])"
    return subprocess.run([python, "-c", ask], check=True, capture_output=True, text=True).stdout.strip()


def table(results: dict[tuple[str, str, str], Cells]) -> str:
    """Return the results by front-end, hub and transport, with a column for each version of Python."""
    versions = sorted({version for version, _, _ in results}, key=lambda version: int(version.split(".")[1]))
    lines = [f"{'':26}" + "".join(f"{'Python ' + version:>18}" for version in versions)]
    lines.append(f"{'':26}" + f"{'pass / fail / skip':>18}" * len(versions))
    for front_end, hub in dict.fromkeys((front_end, hub) for _, front_end, hub in results):
        for transport in TRANSPORTS:
            cells = [results.get((version, front_end, hub), {}).get(transport) for version in versions]
            if not any(cell and any(cell.values()) for cell in cells):
                continue
            texts = ["-" if cell is None else " / ".join(str(cell[outcome]) for outcome in OUTCOMES) for cell in cells]
            name = f"{front_end} {hub}".strip()
            lines.append(f"{name:19}{transport:7}" + "".join(f"{text:>18}" for text in texts))
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--jobs", type=int, default=2, help="runs at the same time (%(default)s)")
    parser.add_argument("--limit", type=float, default=1200, metavar="SECONDS", help="for one run (%(default)s)")
    parser.add_argument("--only", choices=HUBS, action="append", help="this front-end (may be repeated)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all counts there")
    parser.add_argument("--select", metavar="EXPRESSION", help="of the tests, as pytest's -k")
    parser.add_argument("pythons", nargs="+", type=Path, help="interpreters of virtual environments, each in its tree")
    options = parser.parse_args()

    results: dict[tuple[str, str, str], Cells] = {}
    wrong: list[str] = []
    more = ["-k", options.select] if options.select else []
    runs = [
        (python.absolute(), version_of(python), front_end, hub)
        for python in options.pythons
        for front_end, (_, hubs) in HUBS.items()
        if not options.only or front_end in options.only
        for hub in hubs
    ]

    def one(python: Path, version: str, front_end: str, hub: str) -> None:
        begun = time.monotonic()
        cells, failed, output = run(python, front_end, hub, options.limit, more)
        results[version, front_end, hub] = cells
        name = f"Python {version} {front_end} {hub}".strip()
        counts = [sum(cell[outcome] for cell in cells.values()) for outcome in OUTCOMES]
        shown = ", ".join(f"{n} {outcome}" for n, outcome in zip(counts, OUTCOMES, strict=True))
        # In one go: others print too.
        print(f"{name:34}{shown}   {time.monotonic() - begun:.0f} s\n{output[-8000:]}", end="", flush=True)
        wrong.extend(f"{name}: {test}" for test in failed)

    with ThreadPoolExecutor(options.jobs) as executor:
        for future in [executor.submit(one, *each) for each in runs]:
            future.result()
    results = {each[1:]: results[each[1:]] for each in runs}
    print(f"\n{table(results)}")
    if options.json:
        options.json.write_text(json.dumps([{"run": key, "cells": cells} for key, cells in results.items()], indent=1))
    if wrong:
        print("\nFailed:", *wrong, sep="\n  ")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
