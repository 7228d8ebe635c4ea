"""Compare greenzmq with PyZMQ, and with what libzmq reaches without Python, in what workloads.py measures.

Every run is a fresh process; ours and theirs take turns. Only the standard library, any interpreter.
Exit status: 0 all targets met, 1 a target missed or a run failed, 2 cannot be run as asked.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shlex
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent

# How many times faster than theirs; None: measured, not required.
TARGETS: dict[str, float | None] = {
    "threads-pair": 3.5,
    "threads-pair-busy": 8,
    "open-close": 1,
    "import": 1,
    "asyncio-push-pull-inproc": 3,
    "asyncio-req-rep-inproc": 1.5,
    "gevent-push-pull-inproc": 30,
    "gevent-push-pull-tcp": 15,
    "gevent-req-rep-inproc": 5,
    "gevent-router-200": None,
    "gevent-multipart-inproc": 12,
    "gevent-poller-10": None,
    "gevent-poller-100": 10,
    "gevent-poller-400": None,
    "gevent-poller-wait-10": None,
    "gevent-poller-wait-100": None,
    "gevent-poller-wait-400": None,
    "eventlet-push-pull-inproc": 15,
    "eventlet-push-pull-tcp": 10,
    "eventlet-req-rep-inproc": 2.5,
    "eventlet-router-200": 1.5,
}
EVERY_ROUND = {"threads-pair-busy"}  # the others: the median of the rounds
LIMIT_OF = "gevent-push-pull-tcp"  # what limit.c does too
FRACTION_OF_LIMIT = 0.5
POLLER_GROWTH = 1.5  # 400 sockets may cost so many times what 10 do

Run = dict[str, Any]  # the line of a worker, or {"error": ...}; with "side" and "round"


class CannotRun(Exception):
    """The comparison is not possible as asked; the text is for the user."""


def interpreter(text: str) -> str:
    """Return the full path of an interpreter. Symbolic links stay: the one in a virtual environment says which."""
    found = shutil.which(text)
    if found is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not a program; give the path of a Python interpreter")
    return os.path.abspath(found)


def positive(text: str) -> float:
    number = float(text)
    if not 0 < number < float("inf"):
        raise ValueError
    return number


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--ours", metavar="PYTHON", required=True, type=interpreter, help="has greenzmq, gevent and eventlet"
    )
    parser.add_argument(
        "--theirs", metavar="PYTHON", required=True, type=interpreter, help="has PyZMQ, gevent and eventlet"
    )
    parser.add_argument("--rounds", metavar="N", type=int, help="default 5, or 3 with --quick")
    parser.add_argument("--seconds", metavar="S", type=positive, help="of one run; default 1, or 0.25 with --quick")
    parser.add_argument("--quick", action="store_true", help="less than two minutes, less exact")
    parser.add_argument("--only", metavar="PATTERN", default="*", help="workloads by name, as in 'gevent-poller-*'")
    parser.add_argument("--json", metavar="FILE", type=Path, help="write all runs and the table there")
    parser.add_argument("--build", metavar="FOLDER", type=Path, help="for the C program; default a temporary one")
    given = parser.parse_args()
    if given.rounds is None:
        given.rounds = 3 if given.quick else 5
    if given.rounds < 1:
        parser.error(f"--rounds is 1 or more; got {given.rounds}")
    if given.seconds is None:
        given.seconds = 0.25 if given.quick else 1.0
    given.workloads = [name for name in TARGETS if fnmatchcase(name, given.only)]
    if not given.workloads:
        parser.error(f"--only {given.only!r} matches none of: {', '.join(TARGETS)}")
    return given


def libzmq_flags() -> list[str]:
    """Return the compiler's flags for libzmq, found where setup.py finds it."""
    prefix = os.environ.get("ZMQ_PREFIX")
    if prefix:
        root = Path(prefix).expanduser().resolve()
        folders = [root / name for name in ("lib", "lib64")]
        return [f"-I{root / 'include'}", *(f"-L{f}" for f in folders), *(f"-Wl,-rpath,{f}" for f in folders), "-lzmq"]
    command = [*shlex.split(os.environ.get("PKG_CONFIG", "pkg-config")), "--cflags", "--libs", "libzmq"]
    try:
        return shlex.split(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    except (OSError, subprocess.CalledProcessError):
        return ["-lzmq"]


def build_limit(folder: Path) -> list[str]:
    """Compile limit.c and return the command that runs it."""
    folder.mkdir(parents=True, exist_ok=True)
    program = folder.resolve() / "limit"
    compiler = shlex.split(os.environ.get("CC", "cc"))
    command = [*compiler, "-O2", "-D_GNU_SOURCE", "-o", str(program), str(HERE / "limit.c"), *libzmq_flags()]
    try:
        done = subprocess.run(command, capture_output=True, text=True)
    except OSError as error:
        raise CannotRun(f"cannot build limit.c: {error}") from error
    if done.returncode != 0:
        raise CannotRun(f"cannot build limit.c: {shlex.join(command)}\n{done.stderr}")
    return [str(program)]


def run_one(command: list[str], folder: str, limit: float) -> Run:
    """Run a program that prints one line of JSON; on any failure return what it said instead.

    The folder is an empty one: a `zmq` in the current folder must not stand in for the interpreter's own.
    """
    process = subprocess.Popen(
        command,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    late = ""
    try:
        try:
            output, errors = process.communicate(timeout=limit)
        except subprocess.TimeoutExpired:
            late = f"not done after {limit:.0f} s\n"
            os.killpg(process.pid, signal.SIGKILL)
            output, errors = process.communicate()
    finally:
        if process.returncode != 0:
            # A worker that failed may have left its sending process behind.
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
    if process.returncode == 0:
        try:
            return json.loads(output)
        except ValueError:
            errors = f"printed no JSON: {output!r}\n{errors}"
    return {"error": f"{late}status {process.returncode}: {shlex.join(command)}\n{errors.strip()}"}


def identify(given: argparse.Namespace, folder: str) -> dict[str, Run]:
    """Return which `zmq` each side has, and refuse to compare one with itself."""
    sides = {}
    for side in ("ours", "theirs"):
        sides[side] = run_one([getattr(given, side), str(HERE / "worker.py")], folder, 30)
        if "error" in sides[side]:
            raise CannotRun(f"--{side} {getattr(given, side)} is of no use: {sides[side]['error']}")
    if sides["ours"]["file"] == sides["theirs"]["file"]:
        raise CannotRun(f"ours and theirs both import {sides['ours']['file']}: look at PYTHONPATH")
    return sides


def seconds_of_others() -> float | None:
    """Return the processor time that is not ours, since some moment; None where the system does not tell."""
    try:
        user, nice, system, _, _, irq, softirq, steal = map(int, Path("/proc/stat").read_text().split()[1:9])
    except (OSError, ValueError):
        return None
    total = (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")
    mine = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return total - sum(usage.ru_utime + usage.ru_stime for usage in mine)


def run_all(given: argparse.Namespace, limit_program: list[str], folder: str) -> Iterator[Run]:
    """Run everything round by round, so that a slow minute of the machine does not fall on one workload alone."""
    give_up = 20 + 10 * given.seconds
    for number in range(given.rounds):
        for name in given.workloads:
            worker = [str(HERE / "worker.py"), name, f"--seconds={given.seconds}", f"--limit={give_up}"]
            commands = {"ours": [given.ours, *worker], "theirs": [given.theirs, *worker]}
            if name == LIMIT_OF:
                commands["limit"] = [*limit_program, str(given.seconds), str(int(give_up))]
            print(f"round {number + 1}/{given.rounds}  {name:<25}", end="", file=sys.stderr, flush=True)
            for side in list(commands) if number % 2 == 0 else reversed(commands):
                before, start = seconds_of_others(), time.monotonic()
                run = {"workload": name, "side": side, "round": number} | run_one(commands[side], folder, give_up + 5)
                after = seconds_of_others()
                if before is not None and after is not None:
                    run["others"] = round((after - before) / (time.monotonic() - start), 3)
                shown = "FAILED" if "error" in run else f"{run['ns_per_op']:,.0f}"
                print(f"  {side} {shown}", end="", file=sys.stderr, flush=True)
                yield run
            print(file=sys.stderr)


def times(runs: list[Run], name: str, side: str) -> dict[int, float]:
    """Return the ns per operation of every round that has one."""
    return {r["round"]: r["ns_per_op"] for r in runs if (r["workload"], r["side"]) == (name, side) and "error" not in r}


def per_round(numerators: dict[int, float], denominators: dict[int, float]) -> list[float]:
    return [numerators[number] / denominators[number] for number in numerators if number in denominators]


def compare(runs: list[Run], given: argparse.Namespace) -> list[dict[str, Any]]:
    """Return the lines of the table. "met" is None where there is nothing to meet."""
    rows: list[dict[str, Any]] = []

    def add(name: str, ratios: list[float], sign: str, target: float | None, every: bool = False, **more: Any) -> None:
        whole = len(ratios) == given.rounds
        judged = min(ratios, default=0) if every else statistics.median(ratios or [0])
        met = None if target is None and whole else whole
        if target is not None and whole:
            met = judged >= target if sign == ">=" else judged <= target
        wanted = "" if target is None else f"{sign} {target:g}{' always' if every else ''}"
        rows.append({"name": name, "ratios": ratios, "target": wanted, "met": met, **more})

    for name in given.workloads:
        ours, theirs = times(runs, name, "ours"), times(runs, name, "theirs")
        ratios, every = per_round(theirs, ours), name in EVERY_ROUND
        add(name, ratios, ">=", TARGETS[name], every, ours=[*ours.values()], theirs=[*theirs.values()])
    if LIMIT_OF in given.workloads:
        ours, limit = times(runs, LIMIT_OF, "ours"), times(runs, LIMIT_OF, "limit")
        ratios = per_round(limit, ours)
        name = "  ours / the limit (theirs: C)"
        add(name, ratios, ">=", FRACTION_OF_LIMIT, ours=[*ours.values()], theirs=[*limit.values()])
    for kind, target in ("gevent-poller", POLLER_GROWTH), ("gevent-poller-wait", None):
        few, many = f"{kind}-10", f"{kind}-400"
        if few in given.workloads and many in given.workloads:
            ratios = per_round(times(runs, many, "ours"), times(runs, few, "ours"))
            add(f"  ours: {kind} 400 / 10", ratios, "<=", target)
    return rows


def show(rows: list[dict[str, Any]], runs: list[Run], sides: dict[str, Run]) -> None:
    """Print the table, then what else must be known to read it."""

    def median(values: list[float], form: str) -> str:
        return format(statistics.median(values), form) if values else "-"

    print(f"\n{'workload':<33}{'ours':>12}{'theirs':>12}{'ratio':>9}{'min':>9}  {'target':<12}")
    print(f"{'':<33}{'ns/op':>12}{'ns/op':>12}{'median':>9}{'':>9}")
    for row in rows:
        ratios = row["ratios"]
        numbers = f"{median(row.get('ours', []), ',.0f'):>12}{median(row.get('theirs', []), ',.0f'):>12}"
        ratio = f"{median(ratios, '.2f'):>9}{format(min(ratios), '.2f') if ratios else '-':>9}"
        mark = {None: "", True: "pass", False: "FAIL"}[row["met"]]
        print(f"{row['name']:<33}{numbers}{ratio}  {row['target']:<12}{mark}")
    print()
    for side, about in sides.items():
        print(f"{side}: {about['implementation']}, libzmq {about['libzmq']}, Python {about['python']}")
    limit = next((run for run in runs if run["side"] == "limit" and "error" not in run), None)
    if limit:
        print(f"limit: C, libzmq {limit['libzmq']}")
    for side in sides:
        turns = [r["busy_turns_per_second"] for r in runs if r["side"] == side and "busy_turns_per_second" in r]
        if turns:
            print(f"the busy thread beside {side}: {statistics.median(turns) / 1e6:.1f} million turns a second")
    others = statistics.mean(run.get("others", 0) for run in runs)
    if others > 0.05:
        print(f"\nWARNING: other programs used {others:.2f} processors meanwhile; two idle ones are needed.")
    for run in runs:
        if "error" in run:
            print(f"\nFAILED: {run['workload']}, {run['side']}, round {run['round'] + 1}: {run['error']}")


def main() -> int:
    given = arguments()
    with tempfile.TemporaryDirectory(prefix="greenzmq-bench-") as folder:
        empty = Path(folder, "empty")
        empty.mkdir()
        try:
            sides = identify(given, str(empty))
            wants_limit = LIMIT_OF in given.workloads
            limit_program = build_limit(given.build or Path(folder)) if wants_limit else []
        except CannotRun as problem:
            print(f"bench.py: {problem}", file=sys.stderr)
            return 2
        runs = list(run_all(given, limit_program, str(empty)))
    rows = compare(runs, given)
    show(rows, runs, sides)
    passed = all(row["met"] is not False for row in rows) and not any("error" in run for run in runs)
    if given.json:
        settings = {"rounds": given.rounds, "seconds": given.seconds, "processors": os.cpu_count()}
        everything = {"settings": settings, "sides": sides, "rows": rows, "runs": runs, "passed": passed}
        given.json.write_text(json.dumps(everything, indent=2) + "\n")
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
