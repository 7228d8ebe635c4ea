"""Call, connect and parse what is wrong, many times, and see that nothing crashes, hangs or lets anybody in.

``make fuzz`` runs all of it and ends with a table; it fails where something was found, or where fewer were tried than
was asked for. docs/reliability.md says what that covers, and what it has found.

    make fuzz FUZZ="calls --calls 20000 --front-end gevent --seed 7"   # one part, on one front-end
    make fuzz FUZZ="calls --under-asan"                                # with AddressSanitizer: 100,000 calls
    make fuzz FUZZ="calls --front-end gevent --seed 7 --first 1234 --calls 60"   # sequence 1234 of seed 7 again

calls    sequences of public calls with hostile arguments (`sequences`, `worlds`, `watching`); one that fails is
         shrunk and printed as a test
streams  malformed streams of ZMTP against sockets of every type (`wire`, `servers`)
parsers  what this package itself parses, with coverage as a guide (`parsers`)
refused  connections that must be refused (`servers`)
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path[:0] = [str(HERE), str(HERE.parent), str(ROOT)]

import sequences  # noqa: E402
import watching  # noqa: E402

PARTS = ("calls", "streams", "parsers", "refused")
#: Seconds between two lines that tell how far it is.
TOLD_EVERY = 15
#: Sequences of one process.
CHUNK = 100
#: How many failures of a front-end are looked into.
MOST_FAILURES = 5


class Row(NamedTuple):
    """A line of the table: how many were asked for and tried, and what was wrong with how many."""

    name: str
    asked: int
    tried: int
    crashes: int
    hangs: int
    wrong: int
    seconds: float
    failures: list[str]


class Teller:
    """Says now and then how far something is."""

    def __init__(self, name: str, whole: int) -> None:
        self.name, self.whole = name, whole
        self.begun = self.told = time.monotonic()

    def __call__(self, tried: int) -> None:
        if time.monotonic() - self.told > TOLD_EVERY:
            self.told = time.monotonic()
            print(f"{self.name}: {tried:,} of {self.whole:,}, {self.seconds:.0f} s", flush=True)

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.begun


def counts(kinds: list[str]) -> tuple[int, int, int]:
    """Return how many of these kinds of failures are crashes, hangs and what is else wrong."""
    hangs = kinds.count("hang")
    crashes = sum(kind.startswith(("SIG", "status")) for kind in kinds)
    return crashes, hangs, len(kinds) - hangs - crashes


def run_calls(front_end: str, options: argparse.Namespace, which: watching.Interpreter) -> Row:
    """Run sequences of calls, and go on behind those that fail."""
    each = -(-options.calls // len(options.front_end)) if not options.each else options.calls
    tell = Teller(f"calls, {front_end}", each)
    tried, number = 0, options.first
    kinds: list[str] = []
    failures: list[str] = []
    while tried < each and tell.seconds < options.limit and len(failures) < MOST_FAILURES:
        first = number
        count = min(CHUNK, -(-(each - tried) // options.length))
        before = tried

        def progress(sequence: int, step: int, first: int = first, before: int = before) -> None:
            tell(before + (sequence - first) * options.length + step)

        outcome = watching.run_numbers(front_end, options.seed, first, count, options.length, which, progress)
        tried += outcome.calls
        number = first + count if not outcome.kind else max(outcome.sequence, first) + 1
        if outcome.kind:
            kinds.append(outcome.kind)
            print(f"calls, {front_end}: {outcome.kind}; looking for the shortest sequence", flush=True)
            failures.append(watching.explain(front_end, options.seed, outcome, first, options.length, which))
            print(f"== {failures[-1]}", flush=True)
    return Row(tell.name, each, tried, *counts(kinds), tell.seconds, failures)


def under_asan(options: argparse.Namespace) -> tuple[watching.Interpreter, Callable[[], list[str]]]:
    """Return an interpreter with modules that were built with AddressSanitizer, and what returns its reports."""
    sys.path.insert(0, str(HERE.parent / "sanitize"))
    import sanitize

    folder = options.build.absolute()
    # Of the same sequences that its processes have.
    sequences.lose_no_memory()
    python = sanitize.build(folder, "address", options.python)
    logs = folder / "logs" / "fuzz"
    logs.mkdir(parents=True, exist_ok=True)
    for path in logs.iterdir():
        path.unlink()
    variables = sanitize.environment("address", logs)
    # Objects of Python are none of ours, and a process that is killed reports nothing.
    which = watching.Interpreter(str(python.absolute()), python.parents[2] / "tests" / "fuzz", variables, 6.0)
    return which, lambda: [f"{report.what} in {report.place}\n{report.text}" for report in sanitize.read_reports(logs)]


def table(rows: list[Row]) -> str:
    lines = [f"{'':24}{'asked':>10}{'tried':>10}{'crashes':>9}{'hangs':>7}{'wrong':>7}{'seconds':>9}"]
    lines += [
        f"{row.name:24}{row.asked:10,}{row.tried:10,}{row.crashes:9}{row.hangs:7}{row.wrong:7}{row.seconds:9.0f}"
        for row in rows
    ]
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", nargs="*", metavar=" | ".join(PARTS), help="all, if none is named")
    parser.add_argument("--front-end", choices=sequences.FRONT_ENDS, action="append", help="this one (may be repeated)")
    parser.add_argument("--seed", default="1", help="what everything depends on (%(default)s)")
    parser.add_argument("--calls", type=int, help="on all front-ends together (1,000,000; with ASan 100,000)")
    parser.add_argument("--each", action="store_true", help="that many on each front-end")
    parser.add_argument("--first", type=int, default=0, help="number of the first sequence (%(default)s)")
    parser.add_argument("--length", type=int, default=sequences.LENGTH, help="calls of a sequence (%(default)s)")
    parser.add_argument("--streams", type=int, default=500_000, help="malformed streams (%(default)s)")
    parser.add_argument("--inputs", type=int, default=200_000, help="inputs of each parser (%(default)s)")
    parser.add_argument("--atheris", type=Path, default=ROOT / ".bench" / "fuzz" / "bin" / "python", help="has Atheris")
    parser.add_argument("--connections", type=int, default=50_000, help="to be refused (%(default)s)")
    parser.add_argument("--under-asan", action="store_true", help="calls alone, with AddressSanitizer")
    parser.add_argument("--limit", type=float, default=3600, metavar="SECONDS", help="for each line (%(default).0f)")
    parser.add_argument("--python", default=sys.executable, help="what environments are made with")
    parser.add_argument("--build", type=Path, default=ROOT / ".bench" / "sanitize", metavar="FOLDER")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the table there")
    options = parser.parse_args()
    if wrong := set(options.what) - set(PARTS):
        parser.error(f"there is no {' '.join(sorted(wrong))}")
    parts = ["calls"] if options.under_asan else options.what or list(PARTS)
    options.front_end = options.front_end or list(sequences.FRONT_ENDS)
    options.calls = options.calls or (100_000 if options.under_asan else 1_000_000)
    print(f"The seed is {options.seed}.", flush=True)
    rows: list[Row] = []
    reports: list[str] = []
    if "calls" in parts:
        which, read = under_asan(options) if options.under_asan else (watching.Interpreter(), list)
        rows += [run_calls(front_end, options, which) for front_end in options.front_end]
        reports = read()
    if "streams" in parts:
        import servers

        rows += servers.run_streams(options)
    if "parsers" in parts:
        import parsers

        rows += parsers.run_parsers(options)
    if "refused" in parts:
        import servers

        rows += servers.run_refused(options)
    for row in rows:
        for failure in row.failures:
            print(f"\n== {row.name}: {failure}")
    for report in reports:
        print(f"\n== AddressSanitizer: {report}")
    print(f"\n{table(rows)}", flush=True)
    if options.under_asan:
        print(f"reports of sanitizers: {len(reports)}")
    if options.json:
        options.json.write_text(json.dumps([row._asdict() for row in rows], indent=1) + "\n")
    return bool(reports) or any(row.failures or row.tried < row.asked for row in rows)


if __name__ == "__main__":
    os.environ.setdefault("PYTHONUNBUFFERED", "1")
    sys.exit(main())
