"""Run pytest in a process of its own and read how each test ended, also where the process crashed or did not end.

`run.py` and `../clients/clients.py` call this; `recorder.py` is the part of it inside of that process.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).resolve().parent
#: An outcome, and what there is to be said of it, by test.
Results = dict[str, tuple[str, str]]
#: Statuses of pytest: all passed, some failed, and there were none.
ENDED_WELL = (0, 1, 5)
#: How much is kept of what a process printed.
KEPT = 4000


class Run(NamedTuple):
    """How the tests ended, how the process did if not by itself, and the end of what it printed.

    Of a test that the end of the process cut short, the outcome is "running".
    """

    results: Results
    ended: str
    output: str


def run_pytest(
    python: Path,
    arguments: Sequence[str],
    folder: Path,
    variables: dict[str, str],
    *,
    limit: float,
    stalled: float = float("inf"),
    tell: Callable[[Results], None] = lambda results: None,
    meanwhile: Callable[[int], object] = lambda process: None,
) -> Run:
    """Run pytest with `recorder.py` in it, and kill it after `limit` seconds, or `stalled` seconds without an outcome.

    `variables` is the environment. `tell` is called with the results until then whenever there are more, and
    `meanwhile`, several times a second, with the number of the process.
    """
    with tempfile.NamedTemporaryFile("r", suffix=".jsonl") as record, tempfile.TemporaryFile() as printed:
        process = subprocess.Popen(
            [
                python,
                "-X",
                "faulthandler",
                "-m",
                "pytest",
                "-q",
                "-p",
                "recorder",
                "-p",
                "no:cacheprovider",
                *arguments,
            ],
            cwd=folder,
            env={**variables, "CONFORMANCE_RECORD": record.name, "PYTHONPATH": str(HERE)},
            # A pipe would stay open, and be waited for, as long as a process has it that was left behind.
            stdout=printed,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
        results: Results = {}
        begun = changed = time.monotonic()
        ended = unread = ""
        try:
            while process.poll() is None and not ended:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(min(0.2, limit, stalled))
                meanwhile(process.pid)
                now = time.monotonic()
                *lines, unread = (unread + record.read()).split("\n")
                if lines:
                    add(lines, results)
                    changed = now
                    tell(results)
                if now - begun > limit:
                    ended = f"did not end in {limit:.0f} s"
                elif now - changed > stalled:
                    ended = f"nothing happened for {stalled:.0f} s"
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        if not ended and process.returncode < 0:
            ended = "crashed"
        elif not ended and process.returncode not in ENDED_WELL:
            ended = f"ended with status {process.returncode}"
        add((unread + record.read()).splitlines(), results)
        printed.seek(max(0, printed.seek(0, os.SEEK_END) - KEPT))
        return Run(results, ended, printed.read().decode(errors="replace"))


def add(lines: Sequence[str], results: Results) -> None:
    """Add to the results what the recorder wrote. The worst of a test's phases counts."""
    for line in lines:
        entry = json.loads(line)
        outcome, text = entry["outcome"], entry["text"]
        before = results.get(entry["test"])
        if before is None or before[0] == "running" or outcome == "failed":
            results[entry["test"]] = (outcome, text)
