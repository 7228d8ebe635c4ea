"""Which changes of Cython code are made, and that each is one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from support import ROOT

sys.path.insert(0, str(Path(__file__).parent))

import changes
import mutants

SOURCES = [ROOT / "zmq" / "core" / file for file in mutants.FILES]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("if a < b and not c:\n    pass\n", ["if a <= b and not c:", "if a < b or not c:", "if a < b and c:"]),
        ("if a is None:\n    pass\n", ["if a is not None:"]),
        ("if a is not None:\n    pass\n", ["if a is None:"]),
        ("if a not in b:\n    pass\n", []),
        ("return 0\n", []),
        ("return 2\n", ["return 3"]),
        ("cdef int count = 0\n", ["cdef int count = 1"]),
        ("cdef bint is_there(self, int number=0)\n", []),
        ("self.count += 1\n", ["self.count -= 1", "self.count += 2", "pass"]),
        ("found = <Waiter> self.first\n", ["pass"]),
        ("zmq_msg_init(&outcome.msg)\n", ["pass"]),
        ("return -a & b\n", ["return -a | b"]),
        ('def method(self, int flags=0):\n    """Do it; returns 1."""\n', []),
        ("for each in all:\n    continue\n", ["break"]),
        ("cdef enum:\n    FIRST = 1\n    ROOM = 64   # so many\n\nlimit = 5\n", ["limit = 6", "pass"]),
    ],
)
def test_the_changes_of_a_text(text: str, expected: list[str]) -> None:
    assert [change.after.strip() for change in changes.changes_of(text)] == expected


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_every_change_is_of_one_line_and_changes_it(path: Path) -> None:
    lines = path.read_text().splitlines()
    found = list(changes.changes_of(path.read_text()))
    assert len(found) > 20
    for change in found:
        assert lines[change.line - 1] == change.before != change.after
        assert "\n" not in change.after


def test_the_same_seed_chooses_the_same() -> None:
    assert mutants.chosen([], 1) == mutants.chosen([], 1) != mutants.chosen([], 2)
    assert {mutant.file for mutant in mutants.chosen(["handover"], 1)} == {"waiting/handover.pxi"}


@pytest.mark.parametrize(
    ("survive", "explained", "is_enough"), [(0, 0, True), (1, 1, True), (1, 0, False), (2, 2, False), (20, 20, False)]
)
def test_how_many_have_to_be_noticed(
    survive: int, explained: int, is_enough: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    *chosen, uncompiled = mutants.chosen([], 1)[:21]
    reasons = tmp_path / "explained.json"
    reasons.write_text(json.dumps({mutant.name: "changes nothing" for mutant in chosen[:explained]}))
    monkeypatch.setattr(mutants, "EXPLAINED", reasons)
    outcomes = ["survived" if number < survive else "caught" for number in range(len(chosen))]
    verdicts = {mutant: mutants.Verdict(outcome, "", 1.0) for mutant, outcome in zip(chosen, outcomes, strict=True)}
    verdicts[uncompiled] = mutants.Verdict("no code", "", 1.0)
    assert mutants.show(verdicts) is is_enough


def test_nothing_judged_is_not_enough() -> None:
    assert mutants.show({}) is False


def test_a_copy_is_built_of_what_is_there_now(tmp_path: Path) -> None:
    """Also where a change was left in it, or what is changed here was changed before the copy was built."""
    here, copy = tmp_path / "here", tmp_path / "copy"
    here.mkdir()
    for name in ("same", "changed here", "changed there", "gone"):
        (here / name).write_text("before")
    (here / "link").symlink_to("same")
    subprocess.run(["git", "init", "-q"], cwd=here, check=True)

    def make() -> None:
        subprocess.run(["sh", ROOT / "tools" / "copy_tree.sh", copy], cwd=here, check=True)

    make()
    (here / "changed here").write_text("after")
    (here / "gone").unlink()
    (copy / "changed there").write_text("a mutant")
    (copy / "built").touch()
    # Older than all that was built.
    for path in (here / "changed here", here / "changed there", copy / "changed there", copy / "same"):
        os.utime(path, ns=(1, 1))
    make()
    found = {path.name: path.read_text() for path in copy.iterdir() if path.name != ".files"}
    expected = {"same": "before", "link": "before", "changed here": "after", "changed there": "before", "built": ""}
    assert found == expected
    assert (copy / "link").is_symlink() and (copy / "same").stat().st_mtime_ns == 1
    built = (copy / "built").stat().st_mtime_ns
    assert all((copy / name).stat().st_mtime_ns >= built for name in ("changed here", "changed there"))


@pytest.mark.parametrize(
    ("failures", "by"),
    [
        ([["tests.a::one"], ["tests.a::one"]], "one"),
        ([["tests.a::one"], ["tests.b::two"], ["tests.b::two"]], "two"),
        ([["tests.a::one"], [], ["tests.a::one"], ["tests.a::one"]], "one"),
        ([["tests.a::one"], [], ["tests.a::one"]], ""),
        ([["the whole run, status -11"], ["the whole run, status -11"]], "the whole run, status -11"),
    ],
)
def test_what_fails_once_is_not_caught(
    failures: list[list[str]], by: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    results = iter(failures)
    monkeypatch.setattr(mutants, "run", lambda *args: ({}, next(results, []), ""))
    verdict = mutants.Tree(tmp_path, Path(sys.executable)).test(0)
    assert (verdict.outcome, verdict.by) == ("caught" if by else "survived", by)
    assert next(results, None) is None
