"""Run PyZMQ's own tests against this package and against PyZMQ, and show every test where the two differ.

``make conformance`` downloads what this needs. The tests are never part of this project: they are read from PyZMQ's
source archive, and where a mode needs other imports they are rewritten into a folder that is thrown away.
"""

from __future__ import annotations

import argparse
import collections
import fnmatch
import json
import os
import re
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
MODES = ("plain", "green")
OUTCOMES = ("passed", "failed", "skipped")
Results = dict[str, tuple[str, str]]


def green(text: str) -> str:
    """Return a test file as if it said ``import zmq.green as zmq``."""
    text = re.sub(r"^(\s*)import zmq$", r"\1import zmq.green as zmq", text, flags=re.M)
    text = re.sub(r"^(\s*)from zmq import (?!green)", r"\1from zmq.green import ", text, flags=re.M)
    # A plain ``import zmq.x`` would make the name stand for the plain module again.
    return re.sub(r"^(\s*)import zmq\.(?!green)([\w.]+)$", r"\1__import__('zmq.\2')", text, flags=re.M)


def unpack(archive: Path, folder: Path, mode: str) -> None:
    """Put the tests of an sdist into `folder`, rewritten for a mode."""
    with tarfile.open(archive) as sdist:
        for member in sdist.getmembers():
            _, _, path = member.name.partition("/")
            wanted = path.startswith(("tests/", "mypy_tests/", "examples/")) or path in ("pytest.ini", "mypy.ini")
            if not (wanted and member.isfile()):
                continue
            source = sdist.extractfile(member)
            assert source is not None
            target = folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            data = source.read()
            if mode == "green" and path.endswith(".py"):
                data = green(data.decode()).encode()
            target.write_bytes(data)


def run_file(python: Path, folder: Path, mode: str, name: str, limit: float) -> Results:
    """Run one file in a process of its own."""
    with tempfile.NamedTemporaryFile("r", suffix=".jsonl") as record:
        environment = {
            **os.environ,
            "CONFORMANCE_RECORD": record.name,
            "CONFORMANCE_MODE": mode,
            "PYTHONPATH": str(HERE),
        }
        options = ["-q", "--durations=0", "--durations-min=60", "-p", "recorder", "-p", "no:cacheprovider"]
        process = subprocess.Popen(
            [python, "-X", "faulthandler", "-m", "pytest", *options, f"tests/{name}"],
            cwd=folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            text=True,
        )
        try:
            output, _ = process.communicate(timeout=limit)
            ended = "crashed" if process.returncode < 0 else ""
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, 9)
            output, _ = process.communicate()
            ended = f"did not end in {limit:.0f} s"
        results: Results = {}
        for line in record:
            entry = json.loads(line)
            outcome, text = entry["outcome"], entry["text"]
            before = results.get(entry["test"])
            if before is None or before[0] == "running" or outcome == "failed":
                results[entry["test"]] = (outcome, text)
    for test, (outcome, _) in results.items():
        if outcome == "running":
            results[test] = ("failed", f"{ended or 'did not finish'}\n{output[-4000:]}")
    if ended and not any(outcome == "failed" for outcome, _ in results.values()):
        results["(end)"] = ("failed", f"{ended}\n{output[-4000:]}")
    if not results:
        results["(import)"] = ("failed", output[-4000:])
    return results


def needed(pending: dict[str, str], key: str) -> str:
    """Return what a file, or one of its tests, needs and does not find yet."""
    return next((what for pattern, what in pending.items() if fnmatch.fnmatchcase(key, pattern)), "")


def count(results: Results) -> list[int]:
    counts = collections.Counter(outcome for outcome, _ in results.values())
    return [counts[outcome] for outcome in OUTCOMES]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--ours", type=Path, required=True, help="the interpreter that has this package")
    parser.add_argument("--theirs", type=Path, required=True, help="the interpreter that has PyZMQ")
    parser.add_argument("--archive", type=Path, required=True, help="PyZMQ's source archive")
    parser.add_argument("--limit", type=float, default=120, metavar="SECONDS", help="for one file")
    parser.add_argument("--mode", choices=MODES, action="append", help="only this one (may be repeated)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all results there")
    parser.add_argument("--verbose", action="store_true", help="show how tests failed that pass with PyZMQ")
    parser.add_argument("files", nargs="*", help="only these, for example test_poll.py")
    options = parser.parse_args()

    known = json.loads((HERE / "differences.json").read_text())
    pending: dict[str, str] = known["not there yet"]
    deliberate: dict[str, str] = known["deliberate"]
    everything: dict[str, dict[str, dict[str, Results]]] = {}
    wrong, differing, stale = [], [], set(deliberate)
    for mode in options.mode or MODES:
        print(f"\n== {mode}", flush=True)
        print(f"{'':24}{'this package':>22}{'PyZMQ':>22}")
        print(f"{'passed / failed / skipped':24}", flush=True)
        with tempfile.TemporaryDirectory(prefix="conformance-") as place:
            folder = Path(place)
            unpack(options.archive, folder, mode)
            files = options.files or sorted(path.name for path in (folder / "tests").glob("test_*.py"))
            total = {"ours": [0, 0, 0], "theirs": [0, 0, 0]}
            for name in files:
                begun = time.monotonic()
                pair = {
                    "ours": run_file(options.ours.absolute(), folder, mode, name, options.limit),
                    "theirs": run_file(options.theirs.absolute(), folder, mode, name, options.limit),
                }
                everything.setdefault(mode, {})[name] = pair
                cells = []
                for who, results in pair.items():
                    counts = count(results)
                    total[who] = [a + b for a, b in zip(total[who], counts, strict=True)]
                    cells.append("/".join(f"{n:5}" for n in counts))
                lacking = needed(pending, name)
                note = f"   needs {lacking}, which is not there yet" if lacking else ""
                print(f"{name:24}{cells[0]:>22}{cells[1]:>22}{time.monotonic() - begun:7.0f} s{note}", flush=True)
                for test in sorted({*pair["ours"], *pair["theirs"]}):
                    ours, text = pair["ours"].get(test, ("not run", ""))
                    theirs, _ = pair["theirs"].get(test, ("not run", ""))
                    key = f"{mode} {name}::{test}"
                    stale.discard(key)
                    if ours != theirs and not lacking and not needed(pending, f"{name}::{test}"):
                        differing.append((key, ours, theirs, deliberate.get(key, "")))
                        if theirs == "passed" and key not in deliberate:
                            wrong.append((key, ours, text))
            cells = ["/".join(f"{n:5}" for n in total[who]) for who in ("ours", "theirs")]
            print(f"{'total':24}{cells[0]:>22}{cells[1]:>22}", flush=True)

    print("\n== differences")
    for key, ours, theirs, reason in differing:
        print(f"{key}: {ours} here, {theirs} with PyZMQ{'; ' + reason if reason else ''}")
    if not differing:
        print("none")
    if options.verbose:
        for key, ours, text in wrong:
            print(f"\n-- {key}: {ours}\n{text}")
    if options.json:
        options.json.write_text(json.dumps(everything, indent=1))
    if stale and not options.files and not options.mode:
        print("\nListed as deliberate, and not run at all:", *sorted(stale), sep="\n  ")
        return 1
    if wrong:
        print(f"\n{len(wrong)} tests that pass with PyZMQ do not pass here:", *(key for key, *_ in wrong), sep="\n  ")
        return 1
    print("\nEvery test that passes with PyZMQ passes here, but for the deliberate differences.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
