"""Build the extension modules with GCC's sanitizers, and run the tests and some programs with them.

``make sanitize`` runs all of it: the suite on core, threads, gevent and eventlet with AddressSanitizer, LeakSanitizer
and UndefinedBehaviorSanitizer, and the programs in `threads` with ThreadSanitizer. It ends with a table, and fails
where there was a report or a test failed. docs/reliability.md says what that covers, and what it has found.

    make sanitize SANITIZE="threads"                               # ThreadSanitizer alone
    make sanitize SANITIZE="address --front-end gevent -- tests/messages tests/polling/test_polls.py -k shadow"

Each sanitizer has a copy of the tree with a virtual environment of its own, as its modules can't be loaded without its
runtime, which LD_PRELOAD has loaded first. The sanitizers print nothing, as tests look at what their programs print:
all reports go to files, those of every process that a test starts too, and are read afterwards. What AddressSanitizer
reports ends the process; the tests that are left run in another one.

`left_out.json` has the tests that say nothing here, with the reasons. `races.supp` has what ThreadSanitizer shall not
report, which is for other software than this package. Leaks are counted where this package or libzmq has allocated the
memory: at its end CPython leaves much behind, and so do compilers that a test starts.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(HERE.parent / "conformance"))

from outcomes import Results, run_pytest  # noqa: E402

FRONT_ENDS = ("core", "threads", "gevent", "eventlet")
#: Seconds between two lines that tell how far it is.
TOLD_EVERY = 30
#: Seconds without an outcome after which a test hangs: more than one is given (TIMEOUT).
STALLED = 360
TIMEOUT = 300
#: How many times the tests of a front-end are taken up again after one that crashed or hung.
MOST_INTERRUPTED = 10
#: Seconds for one program of `threads`.
PROGRAM_WITHIN = 300
#: What is dropped in the programs is so on purpose.
WARNINGS = ("-W", "error", "-W", "ignore::ResourceWarning")
#: How many lines of a report's stack are shown.
SHOWN = 16

#: A frame of a stack, with its function and where that is.
FRAME = re.compile(r"^ +#\d+ (?:0x[0-9a-f]+ in )?(\S+) (.*)$", re.MULTILINE)
#: Where a report begins, by what writes it. Warnings, such as that an allocation failed, are none.
BEGINS = {
    "address": re.compile(r"^==\d+==ERROR: AddressSanitizer: (.*)$", re.MULTILINE),
    "undefined": re.compile(r"^\S+: runtime error: (.*)$", re.MULTILINE),
    "leaks": re.compile(r"^((?:Direct|Indirect) leak) of .*$", re.MULTILINE),
    "threads": re.compile(r"^WARNING: ThreadSanitizer: (.*?)(?: \(pid=\d+\))?$", re.MULTILINE),
}
#: What must have allocated memory whose leak is counted. Objects of Python are CPython's, which leaves many behind;
#: the ledger of tests/conftest.py counts what matters of those.
LEAKS = re.compile(r"zmq/core/|libzmq|zmq::")
#: Which of them each runtime writes.
WRITES = {"address": ("address", "leaks"), "undefined": ("undefined",), "threads": ("threads",)}


class Sanitizer(NamedTuple):
    """How the modules are built, which runtimes are loaded first, and what these are told."""

    flags: str
    runtimes: tuple[str, ...]
    variables: dict[str, str]


SANITIZERS = {
    "address": Sanitizer(
        # Variables on the stack have no red zones: a greenlet that is switched out has its part of the stack copied
        # away, while the red zones would stay where they are, in the midst of what the next one has there.
        "-O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined --param asan-stack=0",
        ("libasan.so", "libubsan.so"),
        {
            "ASAN_OPTIONS": ":".join(
                [
                    "log_path={logs}/address",
                    # As above: a stack of the sanitizer's own does not move with its greenlet.
                    "detect_stack_use_after_return=0",
                    # Else faulthandler would take the signals, and the report of what crashed would be lost.
                    "handle_segv=2:handle_sigbus=2:handle_sigfpe=2:handle_sigill=2",
                    # What asks for too much gets NULL, as without.
                    "allocator_may_return_null=1",
                    "quarantine_size_mb=64",
                    # Looked for when a process ends; it must end as it would have.
                    "detect_leaks=1",
                ]
            ),
            "LSAN_OPTIONS": "exitcode=0",
            "UBSAN_OPTIONS": "log_path={logs}/undefined:print_stacktrace=1",
            # Every object has memory of its own, so that its neighbours are noticed.
            "PYTHONMALLOC": "malloc",
        },
    ),
    "threads": Sanitizer(
        "-O1 -g -fno-omit-frame-pointer -fsanitize=thread",
        ("libtsan.so",),
        {
            "TSAN_OPTIONS": ":".join(
                [
                    "log_path={logs}/threads",
                    "suppressions={here}/races.supp",
                    "halt_on_error=0",
                    "exitcode=0",
                    "history_size=4",
                    # A process may end beside daemon threads and libzmq's own.
                    "report_thread_leaks=0",
                ]
            ),
            "PYTHONMALLOC": "malloc",
        },
    ),
}


class Report(NamedTuple):
    """What a sanitizer said; `place` is the first frame of this package, or the first there is."""

    kind: str
    what: str
    place: str
    text: str


class Row(NamedTuple):
    """A line of the table."""

    name: str
    tests: int
    failed: list[str]
    reports: list[Report]
    seconds: float


def reports_in(text: str, runtime: str) -> Iterator[Report]:
    """Return the reports in what a runtime wrote to its file."""
    found = [(match, kind) for kind in WRITES[runtime] for match in BEGINS[kind].finditer(text)]
    found.sort(key=lambda each: each[0].start())
    ends = [match.start() for match, _ in found[1:]] + [len(text)] * bool(found)
    for (match, kind), end in zip(found, ends, strict=True):
        body = text[match.start() : end]
        frames = [f"{function} {where}" for function, where in FRAME.findall(body)]
        # The runtime's own, and others where this package is in the stack, say little.
        frames = [frame for frame in frames if "libsanitizer" not in frame] or frames
        ours = next((frame for frame in frames if "zmq/core" in frame), frames[0] if frames else "")
        # Addresses and numbers of bytes differ from one to the next.
        what = re.sub(r"0x[0-9a-f]+|\bat pc .*", "", match[1]).strip()
        place = re.sub(r"\(BuildId: .*?\)|0x[0-9a-f]+|\s*\+$", "", ours).strip()
        if kind == "leaks" and not (frames and LEAKS.search(frames[0])):
            continue
        yield Report(kind, what, place, "\n".join(body.rstrip().splitlines()))


class Times:
    """Notes which tests ran when a process reported: some die of it before they have said where they were."""

    def __init__(self, logs: Path) -> None:
        self.logs = logs
        self.tests: dict[str, str] = {}
        self.ended = 0

    def note(self, results: Results) -> None:
        """Whatever was written since the last call belongs to the tests that there were not yet, or that ran on."""
        here = [*results][max(0, self.ended - 1) :]
        self.ended = len(results)
        for path in self.logs.iterdir():
            self.tests.setdefault(path.name, ", ".join(here))


def read_reports(logs: Path, tests: Mapping[str, str] | None = None) -> list[Report]:
    """Return the reports in a folder, each once, however many processes wrote it, with the tests that ran then."""
    found: dict[tuple[str, str, str], Report] = {}
    for path in sorted(logs.iterdir()):
        for report in reports_in(path.read_text(errors="replace"), path.name.partition(".")[0]):
            if tests is not None:
                when = f"while {tests[path.name]} ran" if path.name in tests else "after the last test"
                report = report._replace(text=f"{when}\n{report.text}")
            found.setdefault(report[:3], report)
    return list(found.values())


def left_out(path: Path = HERE / "left_out.json") -> dict[str, str]:
    """Return the tests that are not run, by the beginning of their name, with the reasons."""
    listed: dict[str, str] = json.loads(path.read_text())
    return listed


def environment(name: str, logs: Path) -> dict[str, str]:
    """Return the variables that a process needs to have a sanitizer's runtime and to report to a folder."""
    sanitizer = SANITIZERS[name]
    runtimes = [find_runtime(each) for each in sanitizer.runtimes]
    return {
        **os.environ,
        **{key: value.format(logs=logs, here=HERE) for key, value in sanitizer.variables.items()},
        "LD_PRELOAD": " ".join(runtimes),
    }


def find_runtime(name: str) -> str:
    """Return where GCC has a library, or end with a message for a person."""
    found = subprocess.run(
        ["gcc", f"-print-file-name={name}"], capture_output=True, text=True, check=True
    ).stdout.strip()
    if not os.path.isabs(found):
        sys.exit(
            f"GCC has no {name}. Debian has it in libgcc-12-dev, for GCC 12; Fedora in libasan, libubsan and libtsan."
        )
    return found


def wait(process: subprocess.Popen[bytes], what: str, limit: float = float("inf")) -> bool:
    """Wait until a process has ended, and tell now and then that it has not; kill it after so many seconds."""
    begun = time.monotonic()
    try:
        while process.poll() is None and time.monotonic() - begun < limit:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(min(TOLD_EVERY, limit))
            if process.poll() is None:
                print(f"{what}: {time.monotonic() - begun:.0f} s", flush=True)
        return process.poll() is not None
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def build(folder: Path, name: str, interpreter: str, variables: Mapping[str, str] | None = None) -> Path:
    """Have a copy of the tree with modules that were built for a sanitizer; return its interpreter.

    `variables` are those of the compiler, for what is built for something else.
    """
    variables = variables or {"CFLAGS": SANITIZERS[name].flags}
    copy = folder / name
    stamp = copy / ".flags"
    # Where one of these has changed all is made again.
    built_with = "\n".join([*variables.values(), interpreter, os.environ.get("ZMQ_PREFIX", ""), *packages()])
    if not stamp.exists() or stamp.read_text() != built_with:
        shutil.rmtree(copy, ignore_errors=True)
        copy.mkdir(parents=True)
    subprocess.run(["sh", ROOT / "tools" / "copy_tree.sh", copy], cwd=ROOT, check=True)
    python = copy / ".venv" / "bin" / "python"
    # The environment is made once; then only what has changed is built, which pip cannot.
    environment = ["make", "--no-print-directory", ".venv/.installed", f"PYTHON={interpreter}", "VENV=.venv"]
    modules = [str(python), "setup.py", "-q", "build_ext", "--inplace"]
    with open(copy / "build.log", "w") as log:
        process = subprocess.Popen(
            modules if stamp.exists() else environment,
            cwd=copy,
            env={**os.environ, **variables},
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        wait(process, f"Building for {name}")
    if process.returncode != 0:
        sys.exit(f"the build for {name} failed:\n{Path(log.name).read_text()}")
    stamp.write_text(built_with)
    return python


def packages() -> list[str]:
    """Return the sections of pyproject.toml that say what is installed."""
    section = r"^\[(?:project\.optional-dependencies|dependency-groups)\]\n.*?(?=^\[)"
    return re.findall(section, (ROOT / "pyproject.toml").read_text(), re.MULTILINE | re.DOTALL)


def run_suite(python: Path, front_end: str, limit: float, more: Sequence[str], logs: Path) -> Row:
    """Run the tests of a front-end with AddressSanitizer."""
    begun = time.monotonic()
    skipped = [f"--deselect={test}" for test in left_out()]
    options = [f"--front-end={front_end}", *skipped, *(more or ["tests"])]
    times = Times(logs)
    results = run_tests(python, front_end, limit, options, environment("address", logs), times.note)
    reports = read_reports(logs, times.tests)
    return Row(front_end, len(results), failures(results), reports, time.monotonic() - begun)


def run_tests(
    python: Path,
    name: str,
    limit: float,
    options: Sequence[str],
    variables: Mapping[str, str],
    note: Callable[[Results], None] = lambda results: None,
) -> Results:
    """Run tests with these options of pytest's, and go on behind those that crash or hang; `note` sees all results."""
    begun = time.monotonic()
    show_progress = progress(name, begun)

    def tell(results: Results) -> None:
        note(results)
        show_progress(results)

    results: Results = {}
    arguments = ["-o", f"timeout={TIMEOUT}", "-o", f"faulthandler_timeout={TIMEOUT - 20}", *options]
    with tempfile.NamedTemporaryFile("w+") as skip:
        for _ in range(MOST_INTERRUPTED):
            Path(skip.name).write_text("\n".join(results))
            found, ended, output = run_pytest(
                python.absolute(),
                arguments,
                python.parents[2],
                {**variables, "CONFORMANCE_SKIP": skip.name},
                limit=max(1.0, begun + limit - time.monotonic()),
                stalled=STALLED,
                tell=lambda new: tell({**results, **new}),
            )
            interrupted = [test for test, (outcome, _) in found.items() if outcome == "running"]
            for test in interrupted:
                found[test] = ("failed", f"{ended or 'did not finish'}\n{output}")
            results.update(found)
            if not interrupted or time.monotonic() > begun + limit:
                if ended:
                    results["(end)"] = ("failed", f"{ended}\n{output}")
                break
    return results


def failures(results: Results) -> list[str]:
    return [f"{test}\n{text}" for test, (outcome, text) in results.items() if outcome == "failed"]


def progress(name: str, begun: float) -> Callable[[Results], None]:
    """Return what tells now and then how far the tests are."""
    told = begun

    def tell(results: Results) -> None:
        nonlocal told
        if time.monotonic() - told > TOLD_EVERY:
            told = time.monotonic()
            counts = Counter(outcome for outcome, _ in results.values())
            print(f"{name}: {len(results)} tests, {counts['failed']} failed, {told - begun:.0f} s", flush=True)

    return tell


def programs() -> list[Path]:
    return sorted((HERE / "threads").glob("*.py"))


def run_program(python: Path, path: Path, rounds: int, logs: Path) -> Row:
    """Run a program with ThreadSanitizer."""
    begun = time.monotonic()
    with tempfile.TemporaryFile() as printed:
        process = subprocess.Popen(
            [python.absolute(), *WARNINGS, python.parents[2] / path.relative_to(ROOT), str(rounds)],
            cwd=python.parents[2],
            env=environment("threads", logs),
            stdin=subprocess.DEVNULL,
            stdout=printed,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        ended = wait(process, path.stem, PROGRAM_WITHIN)
        printed.seek(0)
        output = printed.read().decode(errors="replace")
    is_right = ended and process.returncode == 0 and output == "the end\n"
    why = f"{path.name}: {'status ' + str(process.returncode) if ended else 'did not end'}\n{output}"
    return Row(path.stem, 1, [] if is_right else [why], read_reports(logs), time.monotonic() - begun)


def table(rows: Sequence[Row]) -> str:
    lines = [f"{'':24}{'tests':>8}{'failed':>8}{'reports':>9}{'seconds':>9}"]
    for row in rows:
        counts = f"{row.tests:8}{len(row.failed):8}{len(row.reports):9}{row.seconds:9.0f}"
        lines.append(f"{row.name:24}{counts}")
    return "\n".join(lines)


def show(rows: Sequence[Row]) -> None:
    """Print what failed and what was reported, then the table."""
    for row in rows:
        for failure in row.failed:
            print(f"\n== {row.name}: {failure}")
        for report in row.reports:
            print(f"\n== {row.name}: {report.what} in {report.place}")
            print("\n".join(report.text.splitlines()[: 3 * SHOWN]))
    print(f"\n{table(rows)}", flush=True)


def arguments() -> tuple[list[str], list[str]]:
    """Return those of the command line that are ours, and those behind ``--``, which are pytest's."""
    given = sys.argv[1:]
    place = given.index("--") if "--" in given else len(given)
    return given[:place], given[place + 1 :]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", nargs="*", metavar="address | threads", help="both, if none is named")
    parser.add_argument("--front-end", choices=FRONT_ENDS, action="append", help="this one (may be repeated)")
    parser.add_argument("--limit", type=float, default=5400, metavar="SECONDS", help="for a front-end (%(default).0f)")
    parser.add_argument("--rounds", type=int, default=200, help="of each program in threads (%(default)s)")
    parser.add_argument("--python", default=sys.executable, help="what the environments are made with")
    parser.add_argument("--build", type=Path, default=ROOT / ".bench" / "sanitize", metavar="FOLDER")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the table there")
    ours, more = arguments()
    options = parser.parse_args(ours)
    if wrong := set(options.what) - SANITIZERS.keys():
        parser.error(f"there is no {shlex.join(sorted(wrong))}")
    rows: list[Row] = []
    for name in options.what or SANITIZERS:
        python = build(options.build.absolute(), name, options.python)
        for each in options.front_end or FRONT_ENDS if name == "address" else programs():
            logs = options.build.absolute() / "logs" / name / Path(each).stem
            shutil.rmtree(logs, ignore_errors=True)
            logs.mkdir(parents=True)
            if isinstance(each, Path):
                row = run_program(python, each, options.rounds, logs)
            else:
                row = run_suite(python, each, options.limit, more, logs)
            print(f"{row.name}: {len(row.failed)} failed, {len(row.reports)} reports, {row.seconds:.0f} s", flush=True)
            rows.append(row)
    show(rows)
    if options.json:
        options.json.write_text(json.dumps([row._asdict() for row in rows], default=str, indent=1) + "\n")
    return any(row.failed or row.reports for row in rows)


if __name__ == "__main__":
    sys.exit(main())
