"""The hot paths take no more instructions than they did: see perf/instructions.py."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from support import ROOT

PERF = ROOT / "perf"
GROWN, NOT_COUNTED = 1, 2


def compare(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, PERF / "instructions.py", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=240)


@pytest.mark.timeout(300)
def test_the_hot_paths_take_no_more_instructions_than_before():
    done = compare()
    if done.returncode == NOT_COUNTED:
        pytest.skip(done.stdout.strip())
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("what", ["python", "compiler", "machine", "libzmq"])
def test_counts_of_another_environment_are_not_compared(tmp_path, what):
    found = json.loads((PERF / "instructions.json").read_text())
    found["environment"][what] = "another"
    other = tmp_path / "other.json"
    other.write_text(json.dumps(found))
    done = compare("--stored", other)
    assert done.returncode == NOT_COUNTED
    assert "not another" in done.stdout
