"""Run the tests and show which lines of the package no test runs: of its Python code, of its Cython code and of its C.

``make coverage`` runs the suite on core, threads, gevent and eventlet, and what a hub decides on their other hubs. It
ends with a table. It fails where less than 95 % of the Python or of the Cython code was run, where a line of zmq/core
was not and `reasons.json` does not say why, where that names a line that is not there or was run, and where a test
failed. docs/reliability.md says how lines are counted.

    make coverage COVERAGE="--front-end gevent"                 # one front-end
    make coverage COVERAGE="--front-end core --add -- tests/log tests/top"    # some tests, added to what was run before
    make coverage COVERAGE="--show zmq/log zmq/core/poll.pyx"   # what is not covered there; nothing is run

The modules are compiled for gcov in a copy of the tree, with CPython 3.12 or newer: its `sys.monitoring` tells of every
line once, whatever tests do with ``sys.settrace``, and costs next to nothing. `left_out.json` has the tests that say
nothing here, with the reasons.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path[:0] = [str(HERE), str(HERE.parent / "sanitize"), str(HERE.parent)]

import sanitize  # noqa: E402
from matrix import HUBS  # noqa: E402
from source_lines import executed_of, names, regions, statements  # noqa: E402

REASONS = HERE / "reasons.json"
WANTED = 0.95
#: Where every line that is not covered has a reason.
EXPLAINED = "zmq/core"
#: What is run on each hub: everything on the default ones, and on others what they decide.
EVERYTHING = ("tests",)
OF_HUBS = tuple(
    f"tests/green/test_{name}.py"
    for name in ("hub_contract", "hubs", "eventloop", "idle_hubs", "native_threads", "kills_and_closes")
)
#: Of these the short form leaves to other runs what the long one does on each hub.
LONG_FORMS = ("tests/green/monkey/test_ctrl_c_asleep.py",)
KINDS = {".py": "Python", ".pyx": "Cython", ".pxd": "Cython", ".pxi": "Cython", ".h": "C"}
#: How modules are compiled.
FLAGS = "-O0 --coverage -fprofile-abs-path"

#: Whether each line that is code was run, by file and number.
Lines = dict[str, dict[int, bool]]


class Reason(NamedTuple):
    """Why some lines are not covered: each by its file, the function that it is in, and its text.

    Those of a reason that is `by_chance` may be run and may not: who is faster decides, and every run has some of them.
    """

    why: str
    lines: list[tuple[str, str, str]]
    by_chance: bool = False


def read_reasons(path: Path = REASONS) -> list[Reason]:
    """Return the reasons. In the file each has its lines by file and function."""
    return [
        Reason(
            entry["why"],
            [
                (file, function, text)
                for file, functions in entry["lines"].items()
                for function, texts in functions.items()
                for text in texts
            ],
            entry.get("by chance", False),
        )
        for entry in json.loads(path.read_text())
    ]


class Run(NamedTuple):
    """Tests that one process runs, on a front-end and a hub."""

    front_end: str
    hub: str
    tests: tuple[str, ...]
    is_long: bool = False

    def variables(self) -> dict[str, str]:
        chosen = {HUBS[self.front_end][0]: self.hub} if self.hub else {}
        return chosen | ({"ZMQ_TESTS_LONG": "1"} if self.is_long else {})


def runs(front_ends: Sequence[str] | None, tests: Sequence[str]) -> Iterator[Run]:
    """Yield all that is run on these front-ends, or on all; of certain tests, if some were named."""
    for front_end, (_, hubs) in HUBS.items():
        if not front_ends or front_end in front_ends:
            for hub in hubs:
                yield Run(front_end, hub, tuple(tests) or (EVERYTHING if hub == hubs[0] else OF_HUBS))
            if len(hubs) > 1 and not tests:
                yield Run(front_end, hubs[0], LONG_FORMS, is_long=True)


# Before the tests.


def build(folder: Path, interpreter: str) -> Path:
    """Have a copy of the tree with modules that count; return its interpreter."""
    folder.mkdir(parents=True, exist_ok=True)
    source, counts, keeps = HERE / "keep_counters.c", folder / "keep_counters.o", preload(folder)
    if not keeps.exists() or keeps.stat().st_mtime < source.stat().st_mtime:
        for library in folder.glob("tree/zmq/core/*.so"):
            library.unlink()
        for made, *options in ((counts, "-DIN_LIBRARY", "-c"), (keeps, "-shared")):
            subprocess.run(["gcc", "-O1", "-fPIC", *options, source, "-o", made], check=True)
    return sanitize.build(folder, "tree", interpreter, compiled_with(folder))


def compiled_with(folder: Path) -> dict[str, str]:
    return {"CFLAGS": FLAGS, "LDFLAGS": f"--coverage {folder / 'keep_counters.o'}"}


def preload(folder: Path) -> Path:
    return folder / "keep_counters.so"


def find_interpreter() -> str:
    """Return the newest CPython that has sys.monitoring, or end with a message for a person."""
    found = subprocess.run(["sh", "tools/pythons.sh"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for path in reversed(found.split()):
        if subprocess.run([path, "-c", "import sys; sys.monitoring"], capture_output=True).returncode == 0:
            return path
    sys.exit("make coverage needs CPython 3.12 or newer beside that which runs it, for its sys.monitoring.")


def python_files(tree: Path) -> list[Path]:
    return sorted(path for name in ("zmq", "greenzmq") for path in (tree / name).rglob("*.py"))


def index(tree: Path) -> dict[Path, int]:
    """Return where the bytes for the lines of each Python file begin."""
    found, at = {}, 0
    for path in python_files(tree):
        found[path] = at
        at += path.read_text().count("\n") + 2
    return found


def begin(python: Path, add: bool) -> None:
    """Have every interpreter of the environment tell which lines it runs, and forget what was run before."""
    tree = python.parents[2]
    (site,) = python.parents[1].glob("lib/python*/site-packages")
    shutil.copy(HERE / "watch_lines.py", site)
    # As it is for other environments, into which tests install the package.
    place = f"import sys; sys.path.insert(0, {str(site)!r}); import watch_lines; sys.path.remove({str(site)!r})\n"
    (site / "watch_lines.pth").write_text(place)
    begins = "".join(f"{path}\t{at}\n{path.relative_to(tree)}\t{at}\n" for path, at in index(tree).items())
    if add and (site / "lines.index").exists() and (site / "lines.index").read_text() == begins:
        return
    size = max(index(tree).values()) + 10**5
    (site / "lines.index").write_text(begins)
    (site / "lines.seen").write_bytes(bytes(size))
    for path in tree.glob("build/modules/**/*.gcda"):
        path.unlink()


# After them.


def python_lines(python: Path) -> Lines:
    tree = python.parents[2]
    (seen,) = (path.read_bytes() for path in python.parents[1].glob("lib/python*/site-packages/lines.seen"))
    found: Lines = {}
    for path, at in index(tree).items():
        lines = found.setdefault(str(path.relative_to(tree)), {})
        for line, first in statements(path.read_text()).items():
            lines[first] = lines.get(first, False) or bool(seen[at + line])
    return found


def compiled_lines(tree: Path) -> Lines:
    """Return the lines of Cython code and of headers, as the counters of all modules have them together."""
    found: Lines = defaultdict(dict)

    def add(file: str, line: int, was_run: bool) -> None:
        found[file][line] = found[file].get(line, False) or was_run

    # No two have the same name, so that is enough where there is no folder with it.
    sources = {path.name: str(path.relative_to(tree)) for path in (tree / "zmq").rglob("*.p*") if path.suffix in KINDS}
    for path in sorted((tree / "zmq" / "core").rglob("*.pyx")):
        name = str(path.relative_to(tree))
        made = path.with_suffix(".c")
        # One that was compiled in another way before may be there too.
        notes = max(
            tree.glob(f"build/modules/*/{Path(name).with_suffix('.gcno')}"), key=lambda each: each.stat().st_mtime
        )
        counted = read_counters(notes, tree)
        source = str(made.relative_to(tree))
        for file, line, was_run in executed_of(regions(made.read_text()), counted.pop(source, {})):
            if file in sources or (tree / file).is_file():
                add(file if "/" in file else sources[file], line, was_run)
        for file, counts in counted.items():
            if file.startswith("zmq/core/"):
                for line, count in counts.items():
                    add(file, line, count > 0)
    return dict(found)


def read_counters(notes: Path, tree: Path) -> dict[str, dict[int, int]]:
    """Return how often each line of C was run, by file, relative to the tree."""
    done = subprocess.run(
        ["gcov", "--json-format", "--stdout", notes], cwd=tree, capture_output=True, text=True, check=True
    )
    found: dict[str, dict[int, int]] = {}
    for file in json.loads(done.stdout)["files"]:
        path = Path(file["file"])
        name = str(path.relative_to(tree)) if path.is_relative_to(tree) else file["file"]
        counts = found.setdefault(name, {})
        for line in file["lines"]:
            counts[line["line_number"]] = max(counts.get(line["line_number"], 0), line["count"])
    return found


def not_run(counted: dict[int, bool]) -> list[int]:
    return sorted(line for line, was_run in counted.items() if not was_run)


def unexplained(lines: Lines, tree: Path, reasons: Sequence[Reason]) -> tuple[dict[str, dict[int, str]], list[str]]:
    """Return the reason of each line that was not run and has to have one, or "", and what reasons say wrongly."""
    known = {line: reason.why for reason in reasons for line in reason.lines}
    by_chance = {line for reason in reasons for line in reason.lines if reason.by_chance}
    found: dict[str, dict[int, str]] = {}
    used = set()
    for file, counted in lines.items():
        if not file.startswith(f"{EXPLAINED}/"):
            continue
        names_of_lines = names(tree / file)
        for line in not_run(counted):
            key = (file, *names_of_lines[line - 1])
            used.add(key)
            found.setdefault(file, {})[line] = known.get(key, "")
        used |= by_chance & {(file, *name) for name in names_of_lines}
    wrong = [f"{file}: {function}: {text}" for file, function, text in known if (file, function, text) not in used]
    return found, wrong


def table(lines: Lines) -> str:
    """Return the lines by kind and folder, and in all."""
    counts: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0])
    for file, counted in lines.items():
        kind = KINDS[Path(file).suffix]
        for folder in (str(Path(file).parent), "all"):
            counts[kind, folder][0] += len(counted)
            counts[kind, folder][1] += sum(counted.values())
    rows = [f"{'':32}{'lines':>8}{'covered':>9}{'%':>8}"]
    for kind in dict.fromkeys(KINDS.values()):
        here = {folder: both for (other, folder), both in counts.items() if other == kind and both[0]}
        if here:
            # In all comes last.
            for folder in [*sorted(here.keys() - {"all"}), "all"]:
                number, covered = here[folder]
                rows.append(
                    f"{kind if folder == 'all' else folder:32}{number:8,}{covered:9,}{100 * covered / number:8.1f}"
                )
            rows.append("")
    return "\n".join(rows[:-1])


def share(lines: Lines, kind: str) -> float:
    """Return which part of the lines of a kind was run."""
    both = [
        was_run for file, counted in lines.items() if KINDS[Path(file).suffix] == kind for was_run in counted.values()
    ]
    return sum(both) / max(1, len(both))


def ranges(numbers: Iterable[int]) -> str:
    """Return numbers, which ascend, as text, with what follows each other as one."""
    found: list[list[int]] = []
    for number in numbers:
        if found and found[-1][1] == number - 1:
            found[-1][1] = number
        else:
            found.append([number, number])
    return ", ".join(str(first) if first == last else f"{first}-{last}" for first, last in found)


def judge(lines: Lines, tree: Path, reasons: Sequence[Reason]) -> list[str]:
    """Print what was not run, and the table. Return what is wrong."""
    found, stale = unexplained(lines, tree, reasons)
    print("\nNot run, of what needs no reason:")
    for file, counted in sorted(lines.items()):
        if file not in found and not all(counted.values()):
            print(f"  {file}: {ranges(not_run(counted))}")
    by_reason: dict[str, list[str]] = defaultdict(list)
    for file, explained in found.items():
        text = (tree / file).read_text().splitlines()
        for line, why in explained.items():
            by_reason[why].append(f"  {file}:{line}: {text[line - 1].strip()}")
    for why, entries in sorted(by_reason.items(), reverse=True):
        print(f"\nNot run: {why or 'NO REASON'}", *entries, sep="\n")
    print(f"\n{table(lines)}")
    wrong = [f"a reason for what was run, or is not there: {each}" for each in stale]
    for kind in ("Python", "Cython"):
        if (part := share(lines, kind)) < WANTED:
            wrong.append(f"{part:.1%} of the {kind} code was run; {WANTED:.0%} are wanted")
    if by_reason.get(""):
        wrong.append(f"{len(by_reason[''])} lines of {EXPLAINED} were not run and have no reason")
    return wrong


def show(lines: Lines, tree: Path, folders: Sequence[str]) -> None:
    """Print the lines that were not run below some folders, or of some files."""
    for file, counted in sorted(lines.items()):
        if any(file == folder or file.startswith(f"{folder.rstrip('/')}/") for folder in folders):
            names_of_lines = names(tree / file)
            for line in not_run(counted):
                print(f"{file}:{line}: {': '.join(names_of_lines[line - 1])}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--front-end", choices=HUBS, action="append", help="this one (may be repeated)")
    parser.add_argument("--limit", type=float, default=3600, metavar="SECONDS", help="for a run (%(default).0f)")
    parser.add_argument("--jobs", type=int, default=2, help="runs at the same time (%(default)s)")
    parser.add_argument("--add", action="store_true", help="keep what was run before, unless the sources changed")
    parser.add_argument("--show", nargs="+", metavar="PLACE", help="files or folders: what was not run before there")
    parser.add_argument("--again", action="store_true", help="judge what was run before once more; nothing is run")
    parser.add_argument("--python", help="what the environment is made with; the newest that is found")
    parser.add_argument("--build", type=Path, default=ROOT / ".bench" / "coverage", metavar="FOLDER")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the lines there that were run and were not")
    ours, more = sanitize.arguments()
    options = parser.parse_args(ours)
    folder: Path = options.build.absolute()
    tree = folder / "tree"
    python = tree / ".venv" / "bin" / "python"
    if options.show:
        show(python_lines(python) | compiled_lines(tree), tree, options.show)
        return 0
    wrong = [] if options.again else run_all(folder, options, more)
    lines = python_lines(python) | compiled_lines(tree)
    wrong += judge(lines, tree, read_reasons())
    if options.json:
        options.json.write_text(json.dumps(lines, indent=1) + "\n")
    print(*[f"\n{each}" for each in wrong], sep="", flush=True)
    return 1 if wrong else 0


def run_all(folder: Path, options: argparse.Namespace, more: Sequence[str]) -> list[str]:
    """Build, and run the tests. Return what failed."""
    python = build(folder, options.python or find_interpreter())
    begin(python, options.add)
    skipped = [f"--deselect={test}" for test in sanitize.left_out(HERE / "left_out.json")]
    # Who builds a wheel in a test finds all compiled.
    variables = {**os.environ, **compiled_with(folder)}
    variables |= {"LD_PRELOAD": str(preload(folder)), "GCOV_ERROR_FILE": os.devnull}
    wrong: list[str] = []

    def execute(run: Run) -> None:
        begun = time.monotonic()
        name = f"{run.front_end} {run.hub}{', long' if run.is_long else ''}".strip()
        arguments = [f"--front-end={run.front_end}", *skipped, *run.tests]
        results = sanitize.run_tests(python, name, options.limit, arguments, variables | run.variables())
        failed = sanitize.failures(results)
        print(f"{name}: {len(results)} tests, {len(failed)} failed, {time.monotonic() - begun:.0f} s", flush=True)
        wrong.extend(f"{name}: {each}" for each in failed)

    with ThreadPoolExecutor(options.jobs) as pool:
        for future in [pool.submit(execute, run) for run in runs(options.front_end, more)]:
            future.result()
    return wrong


if __name__ == "__main__":
    sys.exit(main())
