"""What ``make coverage`` needs to be right: which lines are code, what was run of them, and what is said of the others.

The package is not compiled here, nor is its suite run.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from support import ROOT

sys.path.insert(0, str(Path(__file__).parent))

import coverage_of_lines
import source_lines
from coverage_of_lines import HERE, Reason

#: Made by Cython, shortened: an `if` whose body ends with what belongs to the `if`, and a function behind it.
MADE = """
/* "zmq/core/poll.pyx":10
 * cdef int first(int a):             # <<<<<<<<<<<<<<
*/
static int first(int a) {
  int r;
  /* "zmq/core/poll.pyx":11
 *     if a:             # <<<<<<<<<<<<<<
*/
  if (a) {
    /* "waiters.pxi":3
 *         do_it()             # <<<<<<<<<<<<<<
*/
    do_it();
    /* "zmq/core/poll.pyx":11
 *     if a:             # <<<<<<<<<<<<<<
*/
    clear();
  }
  /* "zmq/core/poll.pyx":13
 *     cdef int b             # <<<<<<<<<<<<<<
*/
  /* "zmq/core/poll.pyx":14
 *     return 1             # <<<<<<<<<<<<<<
*/
  r = 1;
  goto end;
  error:;
  r = -1;
  return r;
}

static int of_no_line(void) {
  return 1;
}
"""


def counts_of(text: str, run: dict[str, int]) -> dict[int, int]:
    """Return counters as gcov has them, for the lines with these texts."""
    return {number: run[line.strip()] for number, line in enumerate(text.splitlines(), 1) if line.strip() in run}


def test_which_lines_ran_by_what_was_made_of_them() -> None:
    """A statement ran if it began to; the code behind it, and behind the last function, says nothing."""
    run = {"static int first(int a) {": 2, "if (a) {": 2, "do_it();": 0, "clear();": 0, "r = 1;": 0, "r = -1;": 2}
    counts = counts_of(MADE, {**run, "return r;": 2, "return 1;": 5})
    found = list(source_lines.executed_of(source_lines.regions(MADE), counts))
    poll, part = "zmq/core/poll.pyx", "waiters.pxi"
    assert found == [(poll, 10, True), (poll, 11, True), (part, 3, False), (poll, 11, False), (poll, 14, False)]


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ('"""What it is."""\nimport os\n', {2}),
        ("if a:\n    b = [\n        1,\n    ]\nelse:\n    c()\n", {1, 2, 6}),
        ("@one\n@two\ndef f(\n    a,\n):\n    '''Do it.'''\n    return a\n", {3, 7}),
        ("try:\n    a()\nexcept (\n    B,\n):\n    c()\n", {1, 2, 3, 6}),
        ("match a:\n    case 1:\n        b()\n    case _:\n        c()\n", {1, 2, 3, 4, 5}),
        ("from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import os\na = 1\n", {1, 4}),
        ("class A(Protocol):\n    def f(self): ...\n\nclass B:\n    a: int\n    b = 1\n", {4, 5, 6}),
        ("@overload\ndef f(a): ...\n\ndef f(a):\n    return a\n", {4, 5}),
        ("def f():\n    global a\n    a = lambda: (\n        1\n    )\n", {1, 3}),
    ],
)
def test_which_lines_of_python_are_code(text: str, lines: set[int]) -> None:
    assert set(source_lines.statements(text).values()) == lines


def test_what_a_line_is_known_by(tmp_path: Path) -> None:
    """Class and function, whatever is between its head and the line."""
    cython = tmp_path / "some.pyx"
    cython.write_text(
        'cdef class A(B):\n    """A()\n--\n\n    Text.\n    """\n\n    cdef int f(self,\n          int a) except -1:\n'
        "        if a:\n            return 1\n    # that is it\n    def g(\n        self\n    ):\n        pass\n\n"
        "cdef void h() noexcept with gil:\n    a = b(1)\n"
    )
    found = source_lines.names(cython)
    assert found[10] == ("A.f", "return 1")
    assert found[15] == ("A.g", "pass")
    assert found[18] == ("h", "a = b(1)")
    header = tmp_path / "some.h"
    header.write_text("static int first(void) {\n    if (second(1)) {\n        return 2;\n    }\n    return 3;\n}\n")
    assert source_lines.names(header)[2] == ("first", "return 2;")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    core = tmp_path / "zmq" / "core"
    core.mkdir(parents=True)
    (core / "a.py").write_text("def f():\n    return 1\n")
    (core / "b.pyx").write_text("def g():\n    return 2\n")
    return tmp_path


def reason(file: str, function: str, text: str, by_chance: bool = False) -> Reason:
    return Reason("it cannot", [(file, function, text)], by_chance)


@pytest.mark.parametrize(
    ("missed", "reasons", "wrong"),
    [
        ([], [], []),
        ([2], [reason("zmq/core/a.py", "f", "return 1")], []),
        ([2], [], ["1 lines of zmq/core were not run and have no reason"]),
        (
            [],
            [reason("zmq/core/a.py", "f", "return 1")],
            ["a reason for what was run, or is not there: zmq/core/a.py: f: return 1"],
        ),
        ([], [reason("zmq/core/a.py", "f", "return 1", by_chance=True)], []),
        ([2], [reason("zmq/core/a.py", "f", "return 1", by_chance=True)], []),
        (
            [],
            [reason("zmq/core/a.py", "f", "return 3", by_chance=True)],
            ["a reason for what was run, or is not there: zmq/core/a.py: f: return 3"],
        ),
        (
            [2],
            [reason("zmq/core/a.py", "f", "return 1"), reason("zmq/core/a.py", "h", "return 1")],
            ["a reason for what was run, or is not there: zmq/core/a.py: h: return 1"],
        ),
    ],
)
def test_what_is_wrong_with_lines_that_were_not_run(
    tree: Path, missed: list[int], reasons: list[Reason], wrong: list[str]
) -> None:
    lines = {
        "zmq/core/a.py": {1: True, 2: 2 not in missed},
        "zmq/core/b.pyx": {1: True, 2: True},
        "zmq/many.py": dict.fromkeys(range(100), True),
    }
    assert coverage_of_lines.judge(lines, tree, reasons) == wrong


@pytest.mark.parametrize(("covered", "wrong"), [(95, []), (94, ["94.0% of the Python code was run; 95% are wanted"])])
def test_how_many_lines_have_to_be_run(tree: Path, covered: int, wrong: list[str]) -> None:
    lines = {"zmq/a.py": {line: line < covered for line in range(100)}, "zmq/core/b.pyx": {1: True}}
    assert coverage_of_lines.judge(lines, tree, []) == wrong


def test_every_reason_is_for_a_line_that_is_there() -> None:
    reasons = coverage_of_lines.read_reasons()
    named = [line for each in reasons for line in each.lines]
    assert len(named) == len(set(named))
    assert len({each.why for each in reasons}) == len(reasons) and all(each.why for each in reasons)
    files = {file: set(source_lines.names(ROOT / file)) for file, _, _ in named}
    assert [line for line in named if line[1:] not in files[line[0]]] == []
    assert all(file.startswith(coverage_of_lines.EXPLAINED) for file in files)


PROGRAM = """
import os, sys, threading
sys.path.insert(0, {folder!r})
import watch_lines, watched
threading.Thread(target=watched.in_a_thread).start()
sys.settrace(None)
if os.fork() == 0:
    watched.in_a_child()
    os._exit(0)
os.wait()
os.kill(os.getpid(), 9)
"""
WATCHED = """def in_a_thread():
    return 2

def in_a_child():
    return 5

def never():
    return 8
"""


@pytest.mark.skipif(not hasattr(sys, "monitoring"), reason="sys.monitoring is of CPython 3.12")
def test_every_process_tells_which_lines_it_runs(tmp_path: Path) -> None:
    """In threads and children, and however it ends."""
    shutil.copy(HERE / "watch_lines.py", tmp_path)
    watched = tmp_path / "watched.py"
    watched.write_text(WATCHED)
    (tmp_path / "lines.index").write_text(f"{watched}\t100\n")
    (tmp_path / "lines.seen").write_bytes(bytes(200))
    subprocess.run([sys.executable, "-c", PROGRAM.format(folder=str(tmp_path))], timeout=50)
    seen = (tmp_path / "lines.seen").read_bytes()
    assert [at - 100 for at, byte in enumerate(seen) if byte] == [1, 2, 4, 5, 7]


ENDS = {
    "by itself": "counted()",
    "with _exit": "counted(); os._exit(0)",
    "as another program": "counted(); os.execv('/bin/true', ['true'])",
    "by its own signal": "counted(); os.kill(os.getpid(), signal.SIGKILL)",
    "by Ctrl-C": "counted(); raise KeyboardInterrupt",
    "a child with _exit": "(os.fork() or (counted(), os._exit(0))) and os.wait()",
    # It has the memory of its parent until then.
    "a vfork that finds no program": "\ntry: subprocess.run(['/there/is/none'])\nexcept OSError: counted()",
}


@pytest.fixture(scope="module")
def counting(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., int]:
    """Compile a library that counts; return what runs a program and tells how often it called that."""
    if not shutil.which("gcc") or not shutil.which("gcov"):
        pytest.skip("there is no gcc")
    folder = tmp_path_factory.mktemp("counting")
    (folder / "counted.c").write_text("int counted(void) {\n    return 1;\n}\n")
    keeps = HERE / "keep_counters.c"
    for arguments in (
        ["-c", "-DIN_LIBRARY", keeps, "-o", "keep.o"],
        ["-shared", keeps, "-o", "keep.so"],
        ["-c", "-O0", "--coverage", "counted.c"],
        ["-shared", "--coverage", "counted.o", "keep.o", "-o", "counted.so"],
    ):
        subprocess.run(["gcc", "-fPIC", *arguments], cwd=folder, check=True, timeout=50)

    def run(program: str, preload: str = str(folder / "keep.so")) -> int:
        (folder / "counted.gcda").unlink(missing_ok=True)
        load = f"import ctypes, os, signal, subprocess; counted = ctypes.CDLL('{folder}/counted.so').counted; {program}"
        variables = {**os.environ, "LD_PRELOAD": preload}
        subprocess.run([sys.executable, "-c", load], env=variables, timeout=50)
        if not (folder / "counted.gcda").exists():
            return 0
        counters = coverage_of_lines.read_counters(folder / "counted.gcno", folder)
        return counters["counted.c"][2]

    return run


@pytest.mark.parametrize("end", ENDS)
def test_counters_are_kept_however_a_process_ends(counting: Callable[..., int], end: str) -> None:
    assert counting(ENDS[end]) == 1


def test_ctrl_c_needs_no_other_library(counting: Callable[..., int]) -> None:
    """Tests have libraries of their own loaded first."""
    assert counting(ENDS["by Ctrl-C"], preload="") == 1
    assert counting(ENDS["with _exit"], preload="") == 0


def test_what_is_run() -> None:
    """Everything on each front-end, once, and what hubs decide on the others."""
    everything = list(coverage_of_lines.runs(None, []))
    assert [(run.front_end, run.hub) for run in everything if run.tests == ("tests",)] == [
        (front_end, hubs[0]) for front_end, (_, hubs) in coverage_of_lines.HUBS.items()
    ]
    assert {(run.front_end, run.hub) for run in everything} == {
        (front_end, hub) for front_end, (_, hubs) in coverage_of_lines.HUBS.items() for hub in hubs
    }
    assert all((ROOT / path).exists() for run in everything for path in run.tests)
    (some,) = coverage_of_lines.runs(["core"], ["tests/log"])
    assert (some.tests, some.variables()) == (("tests/log",), {})
