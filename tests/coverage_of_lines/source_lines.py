"""Which lines of a source file are code, where each of them is, and which lines of C were made of it.

Lives here: reading files. What must not: running tests, or anything that was counted (`coverage_of_lines`).
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import CodeType
from typing import NamedTuple

#: What no run is to reach, and what no one counts: in Python what only type checkers read. A statement that begins so
#: is left out, with what is inside of it.
EXCLUDED = re.compile(r"if (?:typing\.)?TYPE_CHECKING:|class \w+\((?:typing\.)?Protocol\b|@(?:typing\.)?overload\b")

#: What may begin with a docstring.
DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
#: A comment of Cython's: what follows was made of that line.
MARKER = re.compile(r'^ *\/\* "([^"]+)":(\d+)$')
#: What a function or a class begins with, in Python and Cython, and in C; the group that is there is its name.
HEAD = re.compile(
    r"^(?:async +)?(?:def|class) +(\w+)"
    r"|^cp?def +(?:class|struct|enum|union) +(\w+)"
    r"|^cp?def [^(=]*?(\w+)\("
)
#: A docstring, of which some lines have no indentation.
TEXT = re.compile(r'''(?s:""".*?""")''')
C_HEAD = re.compile(r"^[a-z][\w *]*?(\w+)\([^;]*$")


class Region(NamedTuple):
    """A part of a file of C that was made of one line of a source file; `end` is behind its last line."""

    file: str
    line: int
    start: int
    end: int


def regions(text: str) -> Iterator[Region]:
    """Yield what the comments in C made by Cython tell.

    Files are named as they are there: from the top of the tree, or from the folder of whoever cimports them. A region
    ends where the next one begins, and where a function ends: what is behind the last function is no line's.
    """
    begun: tuple[str, int, int] | None = None
    for number, line in enumerate(text.splitlines(), 1):
        marker = MARKER.match(line)
        if begun and (marker or line == "}"):
            yield Region(*begun, number)
            begun = None
        if marker:
            begun = marker[1], int(marker[2]), number


def executed_of(found: Iterable[Region], counts: dict[int, int]) -> Iterator[tuple[str, int, bool]]:
    """Yield file and line of each region that has code, and whether that has begun to run.

    What decides is the first line of C that has code. Behind a statement there may be what is done at the end of the
    one that it is in, and at the end of a function what is done after an error.
    """
    for region in found:
        first = next((counts[line] for line in range(region.start, region.end) if line in counts), None)
        if first is not None:
            yield region.file, region.line, first > 0


def statements(text: str) -> dict[int, int]:
    """Return the lines of Python code that run, each with the first line of the statement that it belongs to."""
    tree = ast.parse(text)
    lines = text.splitlines()
    belongs: dict[int, int] = {}
    excluded: set[int] = set()
    # From the outside to the inside: what is inside has the last word.
    for node in ast.walk(tree):
        if isinstance(node, DOCUMENTED) and ast.get_docstring(node) is not None:
            excluded.update(range(node.body[0].lineno, (node.body[0].end_lineno or 0) + 1))
        if not isinstance(node, (ast.stmt, ast.ExceptHandler, ast.match_case)):
            continue
        first = begin_of(node)
        inside = getattr(node, "body", None) or getattr(node, "cases", None)
        end = getattr(node, "end_lineno", None) or first
        line = getattr(node, "lineno", first)
        if EXCLUDED.match(lines[first - 1].strip()):
            excluded.update(range(first, end + 1))
        # Of what has others inside the head alone.
        last = max(line, begin_of(inside[0]) - 1) if inside else end
        belongs.update(dict.fromkeys(range(first, last + 1), line))
    code = set(lines_of(compile(text, "", "exec")))
    return {line: belongs[line] for line in code if line in belongs and belongs[line] not in excluded}


def begin_of(node: ast.AST) -> int:
    """Return the first line of a statement, or of a part of one."""
    if isinstance(node, ast.match_case):
        return node.pattern.lineno
    decorators: list[ast.expr] = getattr(node, "decorator_list", [])
    line: int = node.lineno  # type: ignore[attr-defined]
    return min([line, *(each.lineno for each in decorators)])


def lines_of(code: CodeType) -> Iterator[int]:
    """Yield the lines that the instructions of a module have, those of its functions too."""
    yield from (line for _, _, line in code.co_lines() if line)
    for each in code.co_consts:
        if isinstance(each, CodeType):
            yield from lines_of(each)


def places(text: str, is_c: bool = False) -> list[str]:
    """Return for each line, the first being 0, the names of the classes and functions that it is in, with dots."""
    found: list[str] = []
    #: Indentation and name of what has begun and not ended.
    begun: list[tuple[int, str]] = []
    for line in TEXT.sub(lambda match: "\n" * match[0].count("\n"), text).splitlines():
        stripped = line.lstrip()
        indentation = len(line) - len(stripped)
        if stripped and not stripped.startswith((")", "#", "{", "}", "]", "/", "*")):
            while begun and begun[-1][0] >= indentation:
                begun.pop()
            found.append(".".join(name for _, name in begun))
            if head := C_HEAD.match(line) if is_c else HEAD.match(stripped):
                begun.append((indentation, next(filter(None, head.groups()))))
        else:
            found.append(".".join(name for _, name in begun))
    return found


def names(path: Path) -> list[tuple[str, str]]:
    """Return what each line of a file is known by wherever it moves: the function that it is in, and its text."""
    text = path.read_text()
    return list(zip(places(text, path.suffix == ".h"), map(str.strip, text.splitlines()), strict=True))
