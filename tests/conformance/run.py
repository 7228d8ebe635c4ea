"""Run other projects' own tests against this package and against PyZMQ, and show every test where the two differ.

``make conformance`` downloads what this needs. The tests are never part of this project: they are read from the source
archives of PyZMQ and eventlet, and unpacked, for one mode rewritten, into a folder that is thrown away. The modes:

plain     PyZMQ's tests as they are.
green     The same as if they said ``import zmq.green as zmq``.
monkey    As they are, in a process that gevent has monkeypatched, and we have besides. What passes with PyZMQ where
          nothing is patched must pass.
eventlet  eventlet's tests of its `eventlet.green.zmq`, unmodified, on each of its hubs.
"""

from __future__ import annotations

import argparse
import collections
import fnmatch
import json
import os
import re
import sys
import tarfile
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from outcomes import Results, run_pytest

HERE = Path(__file__).resolve().parent
MODES = ("plain", "green", "monkey", "eventlet")
EVENTLET_HUBS = ("epolls", "poll", "selects", "asyncio")
OUTCOMES = ("passed", "failed", "skipped")
#: Seconds for a file with PyZMQ in a process that only gevent has patched. It hangs where a thread that waits for
#: another is a greenlet now; that is shown but not judged, and so is not waited for as long as usual.
PATCHED_LIMIT = 20
#: How often a test is run whose outcome depends on chance; the reason stands in `differences.json`.
ATTEMPTS = 3


class Part(NamedTuple):
    """One file of tests, perhaps one of several ways to run it."""

    name: str
    file: str
    variables: dict[str, str]


def green(text: str) -> str:
    """Return a test file as if it said ``import zmq.green as zmq``."""
    text = re.sub(r"^(\s*)import zmq$", r"\1import zmq.green as zmq", text, flags=re.M)
    text = re.sub(r"^(\s*)from zmq import (?!green)", r"\1from zmq.green import ", text, flags=re.M)
    # A plain ``import zmq.x`` would make the name stand for the plain module again.
    return re.sub(r"^(\s*)import zmq\.(?!green)([\w.]+)$", r"\1__import__('zmq.\2')", text, flags=re.M)


def is_wanted(path: str, mode: str) -> bool:
    """Tell whether a file of a source archive is needed to run its tests."""
    if mode == "eventlet":
        return path in ("tests/__init__.py", "tests/conftest.py", "tests/zmq_test.py")
    return path.startswith(("tests/", "mypy_tests/", "examples/")) or path in ("pytest.ini", "mypy.ini")


def unpack(archive: Path, folder: Path, mode: str) -> None:
    """Put the tests of an sdist into `folder`, rewritten for a mode."""
    with tarfile.open(archive) as sdist:
        for member in sdist.getmembers():
            _, _, path = member.name.partition("/")
            if not (is_wanted(path, mode) and member.isfile()):
                continue
            source = sdist.extractfile(member)
            assert source is not None
            target = folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            data = source.read()
            if mode == "green" and path.endswith(".py"):
                data = green(data.decode()).encode()
            target.write_bytes(data)


def parts_of(folder: Path, mode: str) -> list[Part]:
    """Return what is to be run of the tests in `folder`."""
    if mode == "eventlet":
        return [Part(f"zmq_test.py {hub}", "zmq_test.py", {"EVENTLET_HUB": hub}) for hub in EVENTLET_HUBS]
    return [Part(path.name, path.name, {}) for path in sorted((folder / "tests").glob("test_*.py"))]


def run_part(
    python: Path, folder: Path, mode: str, part: Part, limit: float, *, select: str = "", test: str = ""
) -> Results:
    """Run one file in a process of its own: all of it, what pytest's -m would select, or one test."""
    options = ["--durations=0", "--durations-min=60", "-p", "modes", "-m", select]
    arguments = [*options, f"tests/{part.file}{test and '::' + test}"]
    variables = {**os.environ, **part.variables, "CONFORMANCE_MODE": mode}
    found, ended, output = run_pytest(python, arguments, folder, variables, limit=limit)
    results = {node.partition("::")[2] or "(import)": result for node, result in found.items()}
    for test, (outcome, _) in results.items():
        if outcome == "running":
            results[test] = ("failed", f"{ended or 'did not finish'}\n{output}")
    if ended and not any(outcome == "failed" for outcome, _ in results.values()):
        results["(end)"] = ("failed", f"{ended}\n{output}")
    if not results:
        results["(import)"] = ("failed", output)
    return results


def run(
    python: Path,
    folder: Path,
    mode: str,
    part: Part,
    chance: dict[str, str],
    limit: float,
    *,
    others: bool = False,
) -> Results:
    """Run one file, and again those of its tests that failed and of which `chance` tells that they may.

    With `others` also those that failed beside such a one, alone: with PyZMQ a test of logs that fails leaves a handler
    behind, which raises in all that come after it.
    """
    results = run_part(python, folder, mode, part, limit)
    failed = [test for test, (outcome, _) in results.items() if outcome == "failed"]
    reasons = {test: find(chance, f"{mode} {part.name}::{test}") for test in failed}
    beside = "beside one that is left to chance" if others and any(reasons.values()) else ""
    for test, reason in reasons.items():
        reason = reason or beside
        for _ in range(1, ATTEMPTS if reason else 1):
            results[test] = run_part(python, folder, mode, part, limit, test=test).get(test, results[test])
            if results[test][0] == "passed":
                print(f"{part.name}::{test} failed before it passed: {reason}")
                break
    return results


def find(listed: dict[str, str], key: str) -> str:
    """Return what is listed for a file or one of its tests."""
    return next((what for pattern, what in listed.items() if fnmatch.fnmatchcase(key, pattern)), "")


def count(results: Results) -> list[int]:
    counts = collections.Counter(outcome for outcome, _ in results.values())
    return [counts[outcome] for outcome in OUTCOMES]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--ours", type=Path, required=True, help="the interpreter that has this package")
    parser.add_argument("--theirs", type=Path, required=True, help="the interpreter that has PyZMQ")
    parser.add_argument("--archive", type=Path, required=True, help="PyZMQ's source archive")
    parser.add_argument("--eventlet", type=Path, help="eventlet's source archive, for the mode of that name")
    parser.add_argument("--limit", type=float, default=120, metavar="SECONDS", help="for one file")
    parser.add_argument("--mode", choices=MODES, action="append", help="only this one (may be repeated)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all results there")
    parser.add_argument("--verbose", action="store_true", help="show how tests failed that pass with PyZMQ")
    parser.add_argument("files", nargs="*", help="only these, for example test_poll.py")
    options = parser.parse_args()
    archives = {mode: options.eventlet if mode == "eventlet" else options.archive for mode in MODES}
    modes = options.mode or [mode for mode in MODES if archives[mode]]
    if not all(archives[mode] for mode in modes):
        parser.error("the mode eventlet needs --eventlet")

    known = json.loads((HERE / "differences.json").read_text())
    deliberate: dict[str, str] = known["deliberate"]
    chance: dict[str, str] = known["left to chance"]
    everything: dict[str, dict[str, dict[str, Results]]] = {}
    wrong, differing, stale = [], [], set(deliberate)
    for mode in modes:
        print(f"\n== {mode}", flush=True)
        print(f"{'':24}{'this package':>22}{'PyZMQ':>22}")
        print(f"{'passed / failed / skipped':24}", flush=True)
        with tempfile.TemporaryDirectory(prefix="conformance-") as place:
            folder = Path(place)
            unpack(archives[mode], folder, mode)
            total = {"ours": [0, 0, 0], "theirs": [0, 0, 0]}
            for part in parts_of(folder, mode):
                name = part.name
                if options.files and part.file not in options.files:
                    continue
                begun = time.monotonic()
                settings = (folder, mode, part, chance, options.limit)
                pair = {"ours": run(options.ours.absolute(), *settings)}
                if mode == "monkey":
                    limit = min(options.limit, PATCHED_LIMIT)
                    pair["theirs"] = run_part(options.theirs.absolute(), folder, mode, part, limit, select="not large")
                else:
                    pair["theirs"] = run(options.theirs.absolute(), *settings, others=True)
                everything.setdefault(mode, {})[name] = pair
                cells = []
                for who, results in pair.items():
                    counts = count(results)
                    total[who] = [a + b for a, b in zip(total[who], counts, strict=True)]
                    cells.append("/".join(f"{n:5}" for n in counts))
                print(f"{name:24}{cells[0]:>22}{cells[1]:>22}{time.monotonic() - begun:7.0f} s", flush=True)
                standard = pair["theirs"]
                if mode == "monkey":
                    # What is judged is whether patching breaks what passes without it.
                    plain = everything.setdefault("plain", {}).setdefault(name, {})
                    if "theirs" not in plain:
                        settings = (folder, "plain", part, chance, options.limit)
                        plain["theirs"] = run(options.theirs.absolute(), *settings, others=True)
                    standard = plain["theirs"]
                for test in sorted({*pair["ours"], *standard}):
                    ours, text = pair["ours"].get(test, ("not run", ""))
                    theirs, _ = standard.get(test, ("not run", ""))
                    key = f"{mode} {name}::{test}"
                    stale.discard(key)
                    if ours != theirs:
                        differing.append((key, ours, theirs, deliberate.get(key, "")))
                        if theirs == "passed" and key not in deliberate:
                            wrong.append((key, ours, text))
            cells = ["/".join(f"{n:5}" for n in total[who]) for who in ("ours", "theirs")]
            print(f"{'total':24}{cells[0]:>22}{cells[1]:>22}", flush=True)

    print("\n== differences")
    for key, ours, theirs, reason in differing:
        where = "unpatched PyZMQ" if key.startswith("monkey ") else "PyZMQ"
        print(f"{key}: {ours} here, {theirs} with {where}{'; ' + reason if reason else ''}")
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
