"""Change the code that waits in many small ways, one at a time, and see which of them the tests notice.

``make mutants`` does: it takes changes at random, the same for the same ``--seed``, compiles the module that each is
in, and runs the tests of what waits until one fails twice. What no test notices is shown: a test lacks, or it is a
change that changes nothing, for which `explained.json` says why.

    make mutants MUTANTS="--count 20 trampoline"

Each change is made in a copy of the tree. It takes hours, and may be ended at any time: what was noticed once is not
tried again as long as the file that it is in stays as it is (`judged.json` in the folder of the copies; ``--anew``
forgets it). What was not noticed is, as there may be a test by now.

Exit status: 0 where at least 95 % were noticed and the others are explained.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))

from changes import Change, changes_of  # noqa: E402
from matrix import HUBS, Place, run  # noqa: E402

EXPLAINED = Path(__file__).with_name("explained.json")
#: What is changed: the trampoline, handing over, the operation, the attempt, the poll sets.
FILES = (
    "waiting/trampoline.pyx",
    "waiting/handover.pxi",
    "sockets/wait_and_retry.pyx",
    "messages/whole_message_attempts.pxd",
    "polling/bell_set.pyx",
    "polling/readiness.pyx",
    "polling/in_hub.pyx",
)
#: The tests, in the order in which they are run: those that decide soonest first. Tests on a fake hub are "core".
TESTS = (
    ("core", "tests/green/wake_ups", "tests/schedules"),
    ("gevent", "tests/green/wake_ups", "tests/messages/test_whole_messages.py", "tests/polling/test_polls.py"),
    (
        "gevent",
        *("tests/green/test_kills_and_closes.py", "tests/green/test_fairness.py", "tests/green/test_outer_timeouts.py"),
        *("tests/green/test_statistics.py", "tests/green/test_idle_hubs.py", "tests/polling", "tests/sockets"),
        *("tests/green/test_hubs.py", "tests/green/test_native_threads.py", "tests/green/test_green_devices.py"),
    ),
    ("core", "tests/polling", "tests/messages", "tests/sockets", "tests/loops"),
    ("threads", "tests/sockets", "tests/polling", "tests/messages", "tests/loops"),
)
WANTED = 0.95
#: Seconds for one test, and for one of TESTS; what takes longer hangs. A machine that is busy needs no more than half.
ONE = 30
ALL = 1200
#: Where pytest notes which test has failed.
CACHE = "build/mutants-cache"


class Mutant(NamedTuple):
    """A change of a file."""

    file: str
    change: Change

    @property
    def name(self) -> str:
        return f"{self.file}: {self.change.before.strip()} -> {self.change.after.strip()}"


class Verdict(NamedTuple):
    """What became of a mutant: "caught", "survived", or "no code" where it does not compile; and by what."""

    outcome: str
    by: str
    seconds: float


class Judged:
    """What was noticed in earlier runs, in a file."""

    def __init__(self, path: Path, anew: bool) -> None:
        self.path = path
        found = json.loads(path.read_text()) if path.exists() and not anew else {}
        self.verdicts = {key: Verdict(*verdict) for key, verdict in found.items()}
        # As they are when the copies are made.
        self.texts = {file: (ROOT / "zmq" / "core" / file).read_text() for file in FILES}

    def key(self, mutant: Mutant) -> str:
        told = "\0".join([self.texts[mutant.file], str(mutant.change.line), mutant.change.after])
        return hashlib.sha256(told.encode()).hexdigest()

    def find(self, mutant: Mutant) -> Verdict | None:
        return self.verdicts.get(self.key(mutant))

    def add(self, mutant: Mutant, verdict: Verdict) -> None:
        if verdict.outcome != "survived":
            self.verdicts[self.key(mutant)] = verdict
            self.path.write_text(json.dumps(self.verdicts, indent=1) + "\n")


class Tree:
    """A copy of the tree in which one change is made at a time."""

    def __init__(self, folder: Path, python: Path) -> None:
        self.folder, self.python = folder, python
        # The quickest compilation; and that a schedule fails is all there is to know.
        self.variables = {"PYTHONPATH": str(folder), "CFLAGS": "-O0", "ZMQ_TESTS_UNSHRUNK": "1"}

    def prepare(self) -> None:
        subprocess.run(["sh", "tools/copy_tree.sh", self.folder], cwd=ROOT, check=True)
        if not self.build():
            raise SystemExit(f"the code as it is does not compile in {self.folder}")

    def build(self) -> bool:
        command = [self.python, "setup.py", "-q", "build_ext", "--inplace"]
        done = subprocess.run(
            command, cwd=self.folder, env={**os.environ, **self.variables}, capture_output=True, text=True
        )
        return done.returncode == 0

    def judge(self, mutant: Mutant) -> Verdict:
        path = self.folder / "zmq" / "core" / mutant.file
        text = path.read_text()
        lines = text.splitlines(keepends=True)
        start = time.monotonic()
        try:
            lines[mutant.change.line - 1] = mutant.change.after + "\n"
            path.write_text("".join(lines))
            if not self.build():
                return Verdict("no code", "the compiler", time.monotonic() - start)
            return self.test(start)
        finally:
            path.write_text(text)

    def test(self, start: float) -> Verdict:
        place = Place("mutants", self.folder, [self.python], variables=self.variables)
        # What takes too long ends the run, also with the GIL held: hypothesis would try what never ends once more.
        limits = ("-o", f"faulthandler_timeout={ONE}", "-o", "faulthandler_exit_on_timeout=true")
        options = ("--stepwise", "-o", f"cache_dir={CACHE}", *limits, "-p", "no:randomly")
        for front_end, *tests in TESTS:
            shutil.rmtree(self.folder / CACHE, ignore_errors=True)
            last = None
            # From the one that failed on. What fails only once may have done so for another reason.
            while failed := run(place, front_end, HUBS[front_end][1][0], ALL, (*options, *tests))[1]:
                if failed[0] == last:
                    return Verdict("caught", last.partition("::")[2] or last, time.monotonic() - start)
                last = failed[0]
        return Verdict("survived", "", time.monotonic() - start)


def chosen(words: list[str], seed: int) -> list[Mutant]:
    """Return all changes of the files that have one of these words in their name, in an order of chance.

    Each has a place of its own: where code is edited the others stay in the order that they had.
    """
    files = [file for file in FILES if not words or any(word in file for word in words)]
    found = [
        Mutant(file, change) for file in files for change in changes_of((ROOT / "zmq" / "core" / file).read_text())
    ]
    alike = Counter[str]()
    places = {}
    for mutant in found:
        alike[mutant.name] += 1
        told = f"{seed} {mutant.name} {alike[mutant.name]}"
        places[mutant] = hashlib.sha256(told.encode()).digest()
    return sorted(found, key=places.__getitem__)


def judge_all(mutants: list[Mutant], count: int, trees: list[Tree], judged: Judged) -> dict[Mutant, Verdict]:
    """Judge so many that compile, and tell of each as soon as it is done."""
    verdicts: dict[Mutant, Verdict] = {}
    lock, waiting = threading.Lock(), iter(mutants)

    def enough() -> bool:
        return sum(verdict.outcome != "no code" for verdict in verdicts.values()) >= count

    def work(tree: Tree) -> None:
        while True:
            with lock:
                mutant = None if enough() else next(waiting, None)
            if mutant is None:
                return
            verdict = judged.find(mutant) or tree.judge(mutant)
            with lock:
                judged.add(mutant, verdict)
                if not enough():
                    verdicts[mutant] = verdict
                done = sum(each.outcome != "no code" for each in verdicts.values())
            print(
                f"{done:>4}/{count} {verdict.outcome:<8} {verdict.seconds:4.0f} s  "
                f"{mutant.name} (line {mutant.change.line})  {verdict.by}",
                flush=True,
            )

    with ThreadPoolExecutor(len(trees)) as pool:
        list(pool.map(work, trees))
    return verdicts


def show(verdicts: dict[Mutant, Verdict]) -> bool:
    """Print a table, and what was not noticed. Tells whether enough was."""
    explained: dict[str, str] = json.loads(EXPLAINED.read_text())
    table = {file: Counter[str]() for file in FILES}
    for mutant, verdict in verdicts.items():
        table[mutant.file][verdict.outcome] += 1
    print(f"\n{'':<40}{'changes':>9}{'caught':>9}{'survived':>9}{'of them explained':>19}")
    survived = [mutant for mutant, verdict in verdicts.items() if verdict.outcome == "survived"]
    for file, found in table.items():
        judged = found["caught"] + found["survived"]
        reasons = sum(mutant.file == file and mutant.name in explained for mutant in survived)
        if judged:
            print(f"{file:<40}{judged:>9}{found['caught']:>9}{found['survived']:>9}{reasons:>19}")
    caught = sum(verdict.outcome == "caught" for verdict in verdicts.values())
    judged = caught + len(survived)
    print(f"\n{caught} of {judged} were caught, {caught / max(1, judged):.0%}; {WANTED:.0%} are wanted")
    for mutant in survived:
        where = f"zmq/core/{mutant.file}:{mutant.change.line}"
        print(f"\n{where}\n  - {mutant.change.before.strip()}\n  + {mutant.change.after.strip()}")
        print(f"  {explained.get(mutant.name, 'NOT EXPLAINED: a test lacks')}")
    return judged > 0 and caught >= WANTED * judged and all(mutant.name in explained for mutant in survived)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=Path, required=True, metavar="FOLDER", help="where the copies are kept")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all verdicts there")
    parser.add_argument("--count", type=int, default=120, help="how many changes that compile")
    parser.add_argument("--seed", default=1, type=int)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="how many at once")
    parser.add_argument("--anew", action="store_true", help="try again what was noticed in earlier runs")
    parser.add_argument("--list", action="store_true", help="list the changes that would be made")
    parser.add_argument("words", nargs="*", metavar="WORD", help="only files that have one of these in their name")
    given = parser.parse_args()
    mutants = chosen(given.words, given.seed)
    if given.list:
        print("\n".join(mutant.name for mutant in mutants[: given.count]))
        return 0
    print(f"{len(mutants):,} changes are possible; {given.count} of them, by chance", flush=True)
    judged = Judged(given.build / "judged.json", given.anew)
    trees = [Tree(given.build / str(number), Path(sys.executable)) for number in range(given.jobs)]
    for tree in trees:
        tree.prepare()
    verdicts = judge_all(mutants, given.count, trees, judged)
    if given.json:
        found = [{"name": mutant.name, **verdict._asdict()} for mutant, verdict in verdicts.items()]
        given.json.write_text(json.dumps(found, indent=1) + "\n")
    return 0 if show(verdicts) else 1


if __name__ == "__main__":
    sys.exit(main())
