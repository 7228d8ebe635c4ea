"""Compare greenzmq with PyZMQ, and with what libzmq reaches without Python, in what `workloads` measures.

Every run is a fresh process; ours and theirs take turns. Only the standard library, any interpreter.
Exit status: 0 all targets met, 1 a target missed or a run failed, 2 cannot be run as asked.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import resource
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from plan import DESCRIPTORS, HUB_LIMITS, LIMITS, OF_LIMIT, OF_OURS, OURS_ALONE, PEER_HAS, QUICK, TARGETS
from report import WHEELS, Run, compare, show

HERE = Path(__file__).resolve().parent


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
    python = {"metavar": "PYTHON", "type": interpreter}
    parser.add_argument("--ours", required=True, help="has greenzmq, gevent and eventlet", **python)
    parser.add_argument("--theirs", required=True, help="has PyZMQ, gevent and eventlet", **python)
    parser.add_argument("--wheel", help="has another PyZMQ, for one more column; not with --quick", **python)
    parser.add_argument("--our-wheel", help="has greenzmq as make wheel builds it, to compare with --wheel", **python)
    parser.add_argument("--peer", help="has pyomq, for one more column; not with --quick", **python)
    parser.add_argument("--rounds", metavar="N", type=int, help="default 5, or 3 with --quick")
    parser.add_argument("--seconds", metavar="S", type=positive, help="of one run; default 0.4, or 0.25 with --quick")
    parser.add_argument("--minutes", metavar="M", type=positive, default=25.0, help="start no round that ends later")
    parser.add_argument("--quick", action="store_true", help="fewer workloads in less than two minutes, less exact")
    parser.add_argument("--only", metavar="PATTERN", nargs="+", help="workloads by name, as in 'gevent-poller-*'")
    parser.add_argument("--json", metavar="FILE", type=Path, help="write all runs and the table there, every round")
    parser.add_argument("--add", action="store_true", help="add rounds to those that --json has of this machine")
    parser.add_argument("--build", metavar="FOLDER", type=Path, help="for the C program; default a temporary one")
    given = parser.parse_args()
    if given.rounds is None:
        given.rounds = 3 if given.quick else 5
    if given.rounds < 1:
        parser.error(f"--rounds is 1 or more; got {given.rounds}")
    if given.add and not given.json:
        parser.error("--add adds to what is in the file of --json, which is not given")
    if given.seconds is None:
        given.seconds = 0.25 if given.quick else 0.4
    sides = ("ours", "theirs") if given.quick else ("ours", "theirs", *WHEELS, "peer")
    given.pythons = {side: getattr(given, side) for side in sides if getattr(given, side)}
    return given


def choose(given: argparse.Namespace, known: list[str]) -> list[str]:
    """Return the names of the workloads to run; leave out those for which there are not enough descriptors."""
    planned = {*TARGETS, *QUICK, *OF_LIMIT, *PEER_HAS, *(name for names in OF_OURS for name in names[:2])}
    if strange := sorted(planned.difference(known)):
        raise CannotRun(f"plan.py names what is not in workloads: {', '.join(strange)}")
    patterns = given.only or (QUICK if given.quick else ["*"])
    chosen = [name for name in known if any(fnmatchcase(name, pattern) for pattern in patterns)]
    if not chosen:
        raise CannotRun(f"--only {shlex.join(patterns)} matches none of: {', '.join(known)}")
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    needs = {name: DESCRIPTORS.get(name.partition("-")[2], 0) for name in chosen}
    too_many = [name for name in chosen if hard != resource.RLIM_INFINITY and needs[name] > hard]
    for name in too_many:
        print(f"left out: {name}, which needs {needs[name]:,} descriptors; `ulimit -Hn` is {hard:,}", file=sys.stderr)
    return [name for name in chosen if name not in too_many]


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
    command = [
        *compiler,
        "-O2",
        "-D_GNU_SOURCE",
        "-pthread",
        "-o",
        str(program),
        str(HERE / "limit.c"),
        *libzmq_flags(),
    ]
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
    for side, python in given.pythons.items():
        sides[side] = run_one([python, str(HERE / ("peer.py" if side == "peer" else "worker.py"))], folder, 30)
        if "error" in sides[side]:
            raise CannotRun(f"--{side} {python} is of no use: {sides[side]['error']}")
        if side != "ours" and sides[side]["file"] == sides["ours"]["file"]:
            raise CannotRun(f"ours and {side} both import {sides['ours']['file']}: look at PYTHONPATH")
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


def commands_for(given: argparse.Namespace, name: str, number: int, limit_program: list[str]) -> dict[str, list[str]]:
    """Return what to run for a workload in a round, by side. Wheels have their turn in every other round."""
    give_up = given.give_up
    what = [name, f"--seconds={given.seconds}", f"--limit={give_up}"]
    commands = {
        side: [python, str(HERE / ("peer.py" if side == "peer" else "worker.py")), *what]
        for side, python in given.pythons.items()
        if (side not in WHEELS or number % 2 == 0) and (side != "peer" or name in PEER_HAS)
    }
    of_any = name.partition("-")[2]
    if of_any in OURS_ALONE:
        commands = {"ours": commands["ours"]}
    if of_any in LIMITS:
        commands["limit"] = [*limit_program, of_any, str(given.seconds), str(int(give_up))]
    if of_any in HUB_LIMITS and name.startswith(("gevent", "eventlet")):
        commands["hub"] = [*limit_program, f"{of_any}-hub", str(given.seconds), str(int(give_up))]
    return commands


def run_all(
    given: argparse.Namespace, names: list[str], limit_program: list[str], folder: str, first: int
) -> Iterator[list[Run]]:
    """Run everything round by round, so that a slow minute of the machine does not fall on one workload alone.

    `first` is the number of the first round; yields the runs of each.
    """
    began, done = time.monotonic(), 0
    end = first + given.rounds
    for number in range(first, end):
        rounds = number - first
        if rounds and (time.monotonic() - began) / rounds * (rounds + 1) > given.minutes * 60:
            print(f"{given.minutes:g} minutes are over before another round would be", file=sys.stderr)
            return
        runs: list[Run] = []
        for name in names:
            took = time.monotonic() - began
            left = f"{took / done * (len(names) * given.rounds - done) / 60:4.1f} min left" if done else " " * 13
            print(f"{left}  round {number + 1}/{end}  {name:<27}", end="", file=sys.stderr, flush=True)
            commands = commands_for(given, name, number, limit_program)
            for side in list(commands) if number % 2 == 0 else reversed(commands):
                before, start = seconds_of_others(), time.monotonic()
                run = {"workload": name, "side": side, "round": number}
                run |= run_one(commands[side], folder, given.give_up + 5)
                after = seconds_of_others()
                if before is not None and after is not None:
                    run["others"] = round((after - before) / (time.monotonic() - start), 3)
                shown = "FAILED" if "error" in run else f"{run['cost']:,.0f}"
                print(f"  {side} {shown}", end="", file=sys.stderr, flush=True)
                runs.append(run)
            print(file=sys.stderr)
            done += 1
        yield runs


def rounds_of(runs: list[Run]) -> int:
    return 1 + max((run["round"] for run in runs), default=-1)


def earlier(given: argparse.Namespace, names: list[str], about: dict[str, Any]) -> list[Run]:
    """Return the runs that those of this time are added to."""
    if not given.add or not given.json.exists():
        return []
    found = json.loads(given.json.read_text())
    runs: list[Run] = found["runs"]
    now = {"seconds": given.seconds, "workloads": sorted(names), **about}
    then = found | {"seconds": found["settings"]["seconds"], "workloads": sorted({run["workload"] for run in runs})}
    if differs := [what for what in now if then[what] != now[what]]:
        raise CannotRun(f"--add: {given.json} has other {' and '.join(differs)}; it is replaced without --add")
    return runs


def judge(runs: list[Run]) -> tuple[list[dict[str, Any]], bool]:
    """Return the lines of the table, and whether all is as it has to be."""
    rows = compare(runs, rounds_of(runs))
    return rows, all(row["met"] is not False for row in rows) and not any("error" in run for run in runs)


def write(given: argparse.Namespace, runs: list[Run], about: dict[str, Any]) -> None:
    """Write the file of `--json`."""
    rows, passed = judge(runs)
    date = datetime.date.today().isoformat()
    settings = {"rounds": rounds_of(runs), "seconds": given.seconds, "date": date}
    text = json.dumps({"settings": settings, **about, "rows": rows, "runs": runs, "passed": passed}, indent=1)
    # Whoever is interrupted leaves the one of the round before.
    new = given.json.with_name(f"{given.json.name}.new")
    new.write_text(text + "\n")
    new.replace(given.json)


def machine() -> dict[str, Any]:
    """Return what the figures depend on."""
    processor = platform.processor() or platform.machine()
    with suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        processor = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), processor)
    return {"processor": processor, "processors": os.cpu_count(), "system": platform.platform()}


def main() -> int:
    given = arguments()
    given.give_up = 20 + 10 * given.seconds
    with tempfile.TemporaryDirectory(prefix="greenzmq-bench-") as folder:
        empty = Path(folder, "empty")
        empty.mkdir()
        try:
            sides = identify(given, str(empty))
            names = choose(given, sides["ours"].pop("workloads"))
            wants_limit = any(name.partition("-")[2] in LIMITS for name in names)
            limit_program = build_limit(given.build or Path(folder)) if wants_limit else []
            about = {"machine": machine(), "sides": sides}
            runs = earlier(given, names, about)
        except CannotRun as problem:
            print(f"bench.py: {problem}", file=sys.stderr)
            return 2
        if sides["theirs"]["libzmq"] != sides["ours"]["libzmq"]:
            print("NOTE: PyZMQ is not on the same libzmq as ours; the ratios have that in them.", file=sys.stderr)
        start = time.monotonic()
        try:
            for more in run_all(given, names, limit_program, str(empty), rounds_of(runs)):
                runs += more
                if given.json:
                    write(given, runs, about)
        except KeyboardInterrupt:
            print("\ninterrupted; the rounds before are kept", file=sys.stderr)
            if not runs:
                return 2
    rows, passed = judge(runs)
    show(rows, runs, sides)
    print(f"\n{(time.monotonic() - start) / 60:.1f} minutes, {rounds_of(runs)} rounds of {given.seconds} s")
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
