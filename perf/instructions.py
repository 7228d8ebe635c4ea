"""Count the instructions of the hot paths with valgrind, and compare them with those stored in instructions.json.

Instructions, unlike times, are the same on a busy machine. They depend on the interpreter and on libzmq: a comparison
is made only with those the stored counts are of. What one operation takes is the difference between some operations
and twice as many. Exit status: 0 as before, 1 a count has grown, 2 nothing to compare with.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
STORED = HERE / "instructions.json"
MAY_GROW = 0.15


class CannotCount(Exception):
    """There is no valgrind, or nothing to compare with; the text is for the user."""


def environment() -> dict[str, str]:
    """Return what the counts depend on."""
    import zmq

    return {
        "python": ".".join(platform.python_version_tuple()[:2]),
        "compiler": platform.python_compiler(),
        "machine": platform.machine(),
        "libzmq": zmq.zmq_version(),
    }


def stored(path: Path) -> dict[str, int]:
    """Return the stored counts, if they are of an environment like this."""
    found = json.loads(path.read_text())
    here = environment()
    differences = [f"{what} {here[what]}, not {was}" for what, was in found["environment"].items() if here[what] != was]
    if differences:
        raise CannotCount(f"the stored counts are of another environment; this is {', '.join(differences)}")
    return found["counts"]


def count() -> dict[str, int]:
    """Return the instructions of one operation of every path."""
    from counted import OPERATIONS, PATHS

    valgrind = shutil.which("valgrind")
    if valgrind is None:
        raise CannotCount("valgrind is not installed")
    with tempfile.TemporaryDirectory(prefix="greenzmq-count-") as folder:
        out = Path(folder, "out")
        options = ["--tool=callgrind", "--dump-before=getppid", "--combine-dumps=yes", f"--callgrind-out-file={out}"]
        command = [valgrind, "-q", *options, sys.executable, str(HERE / "counted.py")]
        environ = os.environ | {"PYTHONHASHSEED": "0", "GEVENT_LOOP": "libev-cext"}
        done = subprocess.run(command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if done.returncode != 0:
            raise RuntimeError(f"{command} ended with status {done.returncode}:\n{done.stdout}")
        with out.open() as lines:
            totals = [int(line.split()[1]) for line in lines if line.startswith("totals:")]
    # Every path has four marks: the ends of what comes before, the operations, what comes between, twice as many.
    assert len(totals) == 4 * len(PATHS) + 1, f"{len(totals)} totals for {len(PATHS)} paths"
    return {name: (totals[4 * i + 3] - totals[4 * i + 1]) // OPERATIONS for i, name in enumerate(PATHS)}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--store", action="store_true", help="store the counts, as what later ones are compared with")
    parser.add_argument("--stored", metavar="FILE", type=Path, default=STORED, help="default: instructions.json beside")
    given = parser.parse_args()
    try:
        before = {} if given.store else stored(given.stored)
        counts = count()
    except CannotCount as reason:
        print(f"not counted: {reason}")
        return 2
    if given.store:
        given.stored.write_text(json.dumps({"environment": environment(), "counts": counts}, indent=2) + "\n")
    grown = False
    print(f"{'instructions of one':<52}{'now':>8}{'stored':>8}")
    for name, now in counts.items():
        was = before.get(name, now)
        grown |= now > was * (1 + MAY_GROW)
        print(f"{name:<52}{now:>8,}{was:>8,}{now / was - 1:>+8.1%}{'  GROWN' if now > was * (1 + MAY_GROW) else ''}")
    if grown:
        print(f"\nMore than {MAY_GROW:.0%} above what is stored. Find out why: callgrind_annotate shows where.")
        print("If it has to be so, store the new counts: python perf/instructions.py --store")
    return int(grown)


if __name__ == "__main__":
    sys.exit(main())
