"""Every program on the pages of the documentation, run as its readers run it, and what the pages name.

A block of Python is a program of its own. Comments of HTML before it, which no reader sees, say otherwise:

``<!-- goes on -->``
    It goes on where the block before it on the page ended.
``<!-- first ... -->``, ``<!-- last ... -->``
    Lines that come before it, or after it: what the page has no room for.
``<!-- elsewhere: this = that -->``
    It runs with that in the place of this; ``{folder}`` is one of its own.
``<!-- prints -->``, before a block of text
    What the program so far has printed.
``<!-- not run: why -->``
    It is only compiled.
"""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import zmq
from support import ROOT

LIMIT = 40  # seconds
PAGES = sorted([*(ROOT / "docs").rglob("*.md"), *ROOT.glob("*.md"), *ROOT.glob("*/README.md")])
#: A comment, or a block of code.
PART = re.compile(r"<!-- ?(?P<comment>.*?)-->|^(?P<indent> *)```(?P<language>\w+)\n(?P<code>.*?)^ *```$", re.S | re.M)


@dataclass
class Program:
    page: str
    line: int
    text: str
    prints: str | None = None
    is_run: bool = True

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def split(comment: str) -> tuple[str, str, str]:
    return comment.partition("\n")


def programs_of(page: str, text: str) -> Iterator[Program]:
    """Yield the programs of a page."""
    program: Program | None = None
    notes: list[str] = []
    for part in PART.finditer(text):
        if part["comment"] is not None:
            word, _, rest = split(part["comment"].rstrip())
            if word == "last":
                assert program, f"{page}: nothing is before this: {part[0]}"
                program.text += textwrap.dedent(rest) + "\n"
            else:
                notes.append(part["comment"].rstrip())
            continue
        code = textwrap.dedent(part["code"])
        for note in notes:
            if note.startswith("elsewhere: "):
                this, that = note.removeprefix("elsewhere: ").split(" = ")
                assert this in code, f"{page}: {this} is not in:\n{code}"
                code = code.replace(this, that)
        first = "".join(f"{textwrap.dedent(rest)}\n" for word, _, rest in map(split, notes) if word == "first")
        if part["language"] == "python":
            if "goes on" in notes:
                assert program, f"{page}: nothing is before this: {code}"
                program.text += first + code
            else:
                if program:
                    yield program
                program = Program(page, text.count("\n", 0, part.start()) + 1, first + code)
            program.is_run &= not any(note.startswith("not run: ") for note in notes)
        elif "prints" in notes:
            assert program, f"{page}: nothing is before this: {code}"
            program.prints = (program.prints or "") + code
        notes.clear()
    if program:
        yield program


def all_programs() -> list[Program]:
    return [each for path in PAGES for each in programs_of(str(path.relative_to(ROOT)), path.read_text())]


@pytest.mark.parametrize("program", all_programs(), ids=str)
def test_a_program_on_a_page(program: Program, tmp_path: Path) -> None:
    compile(program.text, str(program), "exec", dont_inherit=True)
    if not program.is_run:
        return
    for package in ("numpy", "prometheus_client"):
        if f"import {package}" in program.text:
            pytest.importorskip(package)
    if "create_certificates" in program.text and not zmq.has("curve"):
        pytest.skip("this libzmq has no CURVE")
    file = tmp_path / "program.py"  # where multiprocessing finds it
    file.write_text(program.text.replace("{folder}", str(tmp_path)))
    # What is said of forks beside threads, which the pages speak of.
    command = [sys.executable, "-W", "error", "-W", "ignore:This process", "-W", "ignore:Using fork", file]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=LIMIT)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    if program.prints is not None:
        assert done.stdout == program.prints


def test_programs_are_found() -> None:
    page = textwrap.dedent(
        """
        <!-- first
        a = 1
        -->
        ```python
        print(a)
        ```
        and then

        <!-- goes on -->
        ```python
        b = 2
        ```
        <!-- last
        print(b)
        -->
        <!-- prints -->
        ```text
        1
        2
        ```
        - in a list

          ```python
          c = 3
          ```
        <!-- not run: it has no end -->
        ```python
        while True: pass
        ```
        ```sh
        ls
        ```
        """
    )
    one, two, three = programs_of("page", page)
    assert one.text.split("\n") == ["a = 1", "print(a)", "b = 2", "print(b)", ""] and one.prints == "1\n2\n"
    assert two.text == "c = 3\n" and two.is_run and two.line == 24
    assert not three.is_run and three.text == "while True: pass\n"


def test_few_programs_are_not_run() -> None:
    programs = all_programs()
    assert len(programs) > 40
    assert len([program for program in programs if not program.is_run]) <= 4


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_commands_on_a_page_are_there(path: Path) -> None:
    text = path.read_text()
    targets = re.findall(r"^([\w-]+)(?=:(?!=))|(?<=^\.PHONY: )(.*)", (ROOT / "Makefile").read_text(), re.M)
    known = {name for names in targets for part in names for name in part.split()}
    for target in re.findall(r"(?:^ {4}|`)make ([a-z][\w-]*)", text, re.M):
        assert target in known, f"make {target}"
    for module in re.findall(r"python3? -m ((?:zmq|greenzmq)[a-z_.]*)(?!\w)", text):
        assert importlib.util.find_spec(module.rstrip(".")), module


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_on_a_page_are_there(path: Path) -> None:
    """Where a page names a file of the tree from its top; CHANGELOG.md names some that are no more."""
    if path.name == "CHANGELOG.md":
        return
    found = re.findall(r"`((?:docs|examples|greenzmq|perf|tests|tools|zmq)/[\w/.-]+?)`", path.read_text())
    found = [name for name in found if "NAME" not in name]  # it stands for any
    assert [name for name in found if not (ROOT / name).exists() and not (path.parent / name).exists()] == []
