"""A short form of ``make stress-machine``, and whether the machine is what it says meanwhile."""

from __future__ import annotations

import itertools
import os
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.front_ends import LIMIT

STRESS_MACHINE = Path(__file__).resolve().parent
sys.path.insert(0, str(STRESS_MACHINE))

import stress_machine  # noqa: E402

TELL_TIME = "import time\nwhile True: print(time.monotonic(), flush=True); time.sleep(0.001)"


@pytest.fixture
def freezer() -> Iterator[stress_machine.Freezer]:
    try:
        freezer = stress_machine.Freezer()
    except stress_machine.Impossible as error:
        pytest.skip(str(error))
    yield freezer
    freezer.close()


@pytest.mark.parametrize("way", stress_machine.WAYS)
def test_a_disturbed_run_is_right(way: str, capsys: pytest.CaptureFixture[str], request: pytest.FixtureRequest) -> None:
    if way == "still":
        request.getfixturevalue("freezer")
    arguments = ["--times", "1", "--way", way, "--front-end", "gevent", "tests/polling/test_poll_interrupts.py"]
    assert stress_machine.main(arguments) == 0, capsys.readouterr().out
    assert "0 failed" in capsys.readouterr().out


def test_all_of_a_group_stands_still(freezer: stress_machine.Freezer) -> None:
    process = subprocess.Popen([*freezer.command(), "-c", TELL_TIME], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        process.stdout.readline()
        begun = time.monotonic()
        freezer.freeze(0.2)
        end = time.monotonic()
        told = [begun]
        while told[-1] < end:
            told.append(float(process.stdout.readline()))
            assert time.monotonic() < end + LIMIT
        # It may have gone on before this thread did.
        assert max(after - before for before, after in itertools.pairwise(told)) > 0.15
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def test_a_run_on_one_processor_has_one() -> None:
    with stress_machine.one() as command:
        asked = [*command(3), "-c", "import os; print(len(os.sched_getaffinity(0)))"]
        assert subprocess.run(asked, capture_output=True, text=True, check=True).stdout == "1\n"


def test_who_computes_ends_with_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    hogs: list[subprocess.Popen[bytes]] = []
    popen = subprocess.Popen

    def begin(*arguments: Any, **options: Any) -> subprocess.Popen[bytes]:
        hogs.append(popen(*arguments, **options))
        return hogs[-1]

    monkeypatch.setattr(subprocess, "Popen", begin)
    with pytest.raises(KeyError), stress_machine.busy():
        assert [hog.poll() for hog in hogs] == [None] * stress_machine.BUSY
        raise KeyError
    assert all(hog.returncode for hog in hogs)


def test_who_computes_ends_with_a_run_that_is_killed() -> None:
    program = "import stress_machine, time\nwith stress_machine.busy(): print(flush=True); time.sleep(600)"
    run = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, cwd=STRESS_MACHINE)
    assert run.stdout is not None
    with run.stdout:
        run.stdout.readline()
        run.kill()
        run.wait()
        # They have its output too.
        assert select.select([run.stdout], [], [], LIMIT)[0] and run.stdout.read() == b""


def test_what_failed_is_told(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    cells = {"other": {"passed": 3, "failed": 1, "skipped": 2}}
    monkeypatch.setattr(stress_machine.matrix, "run", lambda *_: (cells, ["tests.test_x::test_y"], "why"))
    assert stress_machine.main(["--times", "2", "--way", "one", "--front-end", "threads"]) == 1
    told = capsys.readouterr().out
    assert "8 / 2" in told and "why" in told and "failed 2 times: one, threads: tests.test_x::test_y" in told


def test_what_was_counted_before_is_added_to(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    cells = {"other": {"passed": 4, "failed": 0, "skipped": 2}}
    monkeypatch.setattr(stress_machine.matrix, "run", lambda *_: (cells, [], ""))
    arguments = ["--times", "3", "--way", "one", "--front-end", "threads", "--json", str(tmp_path / "counts.json")]
    for more, expected in ([], "12 / 0"), (["--add"], "24 / 0"), ([], "12 / 0"):
        assert stress_machine.main([*arguments, *more]) == 0
        assert expected in capsys.readouterr().out


def test_each_of_those_beside_each_other_has_a_processor_of_its_own() -> None:
    processors = sorted(os.sched_getaffinity(0))
    with stress_machine.one() as command:
        asked = [*command(1), "-c", "import os; print(*os.sched_getaffinity(0))"]
        told = subprocess.run(asked, capture_output=True, text=True, check=True).stdout
    assert int(told) == processors[1 % len(processors)]


def test_where_no_group_can_be_made_nothing_stands_still(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(stress_machine, "FREEZERS", ())
    assert stress_machine.main(["--times", "1", "--way", "still"]) == 1
    assert "still is left out" in capsys.readouterr().out
