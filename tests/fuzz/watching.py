"""Runs sequences of calls in processes, sees when one crashes, hangs or fails, and shrinks what did.

`worlds.py` is what runs in a process. Every call has a limit, which is looked at from outside: what hangs with the GIL
held could not look itself.
"""

from __future__ import annotations

import contextlib
import json
import mmap
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import sequences
import worlds

HERE = Path(__file__).resolve().parent
#: Seconds for one call; for the first also what Python needs to begin.
LIMIT = 10.0
BEGIN_WITHIN = 60.0
#: Seconds for the whole of a search for a shorter sequence.
SHRINK_WITHIN = 180.0
LOOK_EVERY = 0.02
#: How often a sequence is carried out in one process that did not fail the first time.
REPEATS = 5


class Outcome(NamedTuple):
    """How a process ended: `kind` is empty where all was well, and else tells one failure from another."""

    kind: str
    text: str
    sequence: int
    step: int
    calls: int


class Interpreter(NamedTuple):
    """What runs the processes: of this Python, or of one built for a sanitizer."""

    python: str = sys.executable
    here: Path = HERE
    variables: dict[str, str] | None = None
    patience: float = 1.0


def kind_of(text: str) -> str:
    """Return what two failures have in common that are the same: the error, and where in the package it was raised."""
    lines = [line for line in text.splitlines()[1:] if line.strip()]
    last = next((line for line in reversed(lines) if re.match(r"[\w.]+(Error|Exception|Exit|Interrupt)\b", line)), "")
    places = re.findall(r'File "\S*?(zmq/[^"]+)", line \d+, in (\S+)', text)
    said = re.sub(r"0x[0-9a-f]+|\d+", "N", last or (lines[0] if lines else text))[:120]
    return f"{said} in {places[-1][0]}:{places[-1][1]}" if places else said


def run(front_end: str, arguments: Sequence[str], which: Interpreter, tell: Callable[[int, int], None]) -> Outcome:
    """Run a process, and end it where a call takes too long."""
    with tempfile.TemporaryDirectory() as folder:
        journal, failures, printed = (Path(folder, name) for name in ("journal", "failures", "printed"))
        journal.write_bytes(worlds.JOURNAL.pack(-1, 0, time.monotonic()))
        command = [which.python, str(which.here / "worlds.py"), front_end, str(journal), str(failures), *arguments]
        with open(journal, "r+b") as file, open(printed, "wb") as output:
            memory = mmap.mmap(file.fileno(), worlds.JOURNAL.size)
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=folder,
                env={**os.environ, **(which.variables or {})},
                start_new_session=True,
            )
            try:
                hung = watch(process, memory, which.patience, tell)
            finally:
                if process.poll() is None:
                    with contextlib.suppress(ProcessLookupError):
                        os.killpg(process.pid, signal.SIGKILL)
                    process.wait()
            sequence, step, _ = worlds.JOURNAL.unpack(memory[:])
            memory.close()
        said = printed.read_text(errors="replace")[-6000:]
        if hung:
            return Outcome("hang", f"a call did not return\n{said}", sequence, step, 0)
        if process.returncode == 0:
            return Outcome("", said, sequence, step, 0)
        if failures.exists() and failures.stat().st_size:
            text = failures.read_text(errors="replace")
            return Outcome(kind_of(text), text, sequence, step, 0)
        name = signal.Signals(-process.returncode).name if process.returncode < 0 else f"status {process.returncode}"
        assertion = re.search(r"^(Assertion failed: .*|.*\(src/\S+:\d+\))$", said, re.MULTILINE)
        return Outcome(f"{name} {assertion[0] if assertion else ''}".strip(), said, sequence, step, 0)


def watch(
    process: subprocess.Popen[bytes], memory: mmap.mmap, patience: float, tell: Callable[[int, int], None]
) -> bool:
    """Wait until a process ends; tell whether a call took too long, upon which it was asked where it is and ended."""
    before = None
    while process.poll() is None:
        time.sleep(LOOK_EVERY)
        now = sequence, step, begun = worlds.JOURNAL.unpack(memory[:])
        # What is just being written is not what was there the last time.
        is_same, before = now == before, now
        if sequence >= 0 and begun:
            tell(sequence, step)
        if is_same and time.monotonic() - begun > patience * (LIMIT if sequence >= 0 else BEGIN_WITHIN):
            # faulthandler writes where every thread is.
            process.send_signal(signal.SIGABRT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(5)
            return True
    return False


def run_numbers(
    front_end: str,
    seed: str,
    first: int,
    count: int,
    length: int,
    which: Interpreter,
    tell: Callable[[int, int], None] = lambda sequence, step: None,
) -> Outcome:
    """Run so many sequences of a seed; those after one that failed are not run."""
    outcome = run(front_end, [seed, str(first), str(count), str(length)], which, tell)
    done = max(outcome.sequence - first, 0) * length + outcome.step
    return outcome._replace(calls=done)


def run_lines(front_end: str, all_lines: Sequence[Sequence[str]], which: Interpreter) -> Outcome:
    """Run sequences that are there as lines."""
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(all_lines, file)
        file.flush()
        return run(front_end, [file.name], which, lambda sequence, step: None)


def parts(lines: Sequence[str], count: int) -> Iterator[list[str]]:
    """Return the lines without one of so many parts, for each of these."""
    size = -(-len(lines) // count)
    for start in range(0, len(lines), size):
        yield [*lines[:start], *lines[start + size :]]


def shrink(lines: Sequence[str], fails: Callable[[Sequence[str]], bool], within: float = SHRINK_WITHIN) -> list[str]:
    """Return few of the lines that still fail: leave parts out, ever smaller ones, as long as that helps.

    That is the delta debugging of Zeller and Hildebrandt ("Simplifying and Isolating Failure-Inducing Input"), by
    complements alone.
    """
    end = time.monotonic() + within
    found, count = list(lines), 2
    while len(found) > 1 and time.monotonic() < end:
        for shorter in parts(found, count):
            if time.monotonic() > end:
                return found
            if fails(shorter):
                found, count = shorter, max(count - 1, 2)
                break
        else:
            if count >= len(found):
                break
            count = min(2 * count, len(found))
    return found


def as_test(front_end: str, lines: Sequence[str], why: str) -> str:
    """Return a test that carries out these lines."""
    name = re.sub(r"\W+", "_", why.lower()).strip("_")[:50] or "failure"
    body = "\n".join(f"        {line!r}," for line in lines)
    return (
        f"def test_{front_end}_{name}() -> None:\n    lines = [\n{body}\n    ]\n"
        f"    assert watching.run_lines({front_end!r}, [lines], watching.Interpreter()).kind == ''\n"
    )


def explain(front_end: str, seed: str, outcome: Outcome, first: int, length: int, which: Interpreter) -> str:
    """Return what a person needs of a failure: the shortest sequence found, as a test, and how to repeat it."""
    again = f"--seed {seed} --first {first} --front-end {front_end}"
    whole = sequences.sequence(f"{seed}/{outcome.sequence}", front_end, length)
    copies = 1

    def fails(some: Sequence[str]) -> bool:
        return run_lines(front_end, [some] * copies, which).kind == outcome.kind

    said = f"{front_end}: {outcome.kind}, sequence {outcome.sequence} at step {outcome.step}; repeat with {again}"
    # What threads decide between them happens at one of several times.
    tries = [(lines, often) for often in (1, REPEATS) for lines in (whole[: outcome.step + 1], whole)]
    for lines, copies in tries:  # noqa: B007
        if fails(lines):
            break
    else:
        return f"{said}\nAlone the sequence does not fail, so something before it matters.\n{outcome.text}"
    short = shrink(lines, fails)
    return f"{said}\n{as_test(front_end, short, outcome.kind)}\n{outcome.text}"
