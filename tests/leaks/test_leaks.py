"""A short form of ``make leaks`` on each front-end, and whether it would find what grows."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

LEAKS = Path(__file__).resolve().parent
sys.path.insert(0, str(LEAKS))

import leaks  # noqa: E402


@pytest.mark.parametrize("name", leaks.FRONT_ENDS)
def test_nothing_grows(name: str) -> None:
    done = subprocess.run(
        [sys.executable, str(LEAKS / "leaks.py"), "--front-end", name, "--part", "100"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("field", leaks.Counts._fields)
def test_what_grows_is_found(field: str) -> None:
    before = leaks.Counts(1000, 1000, 10, 3, 2)
    assert leaks.problem(before, before) == ""
    assert field in leaks.problem(before, before._replace(**{field: 2000}))


def test_a_socket_that_is_kept_is_found(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    kept = []

    def keep(self: leaks.Ways, count: int) -> None:
        kept.extend(self.socket() for _ in range(count))

    monkeypatch.setattr(leaks, "TIMES", dict.fromkeys(leaks.TIMES, 100))
    monkeypatch.setattr(leaks.Ways, "open_and_close", keep)
    leaks.run("threads", 1)
    first, *rest = capsys.readouterr().out.splitlines()
    # Of objects there may be more or less, by what other tests have left in this process.
    assert "descriptors" in first and rest and not any("descriptors" in line for line in rest)
