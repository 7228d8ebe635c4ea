"""Write what every green framework has from what gevent has.

A framework is two files that are written by hand, `hub.py` and `tasks.py`, and a row of the table below. Everything
else is the same for all of them, and is written from the files of `zmq/green`: ``make frameworks``. With ``--check``,
as ``make lint`` calls it, nothing is written, and files that differ from what would be are named. See
docs/frameworks.md.
"""

from __future__ import annotations

import argparse
import ast
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, fields
from itertools import pairwise
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Framework:
    """A row: the words that stand in each framework's files in the place of gevent's."""

    #: Our package for it.
    package: str
    #: Its own package, which is its name too.
    name: str
    #: What its tasks are.
    task: str
    #: What makes the standard library green.
    patch: str
    #: What our package may be used in the place of.
    place: str = "of `zmq`::"
    #: What the package imports besides.
    imports: tuple[str, ...] = ()

    @property
    def folder(self) -> Path:
        return Path(*self.package.split("."))


MODEL = Framework(
    package="zmq.green",
    name="gevent",
    task="gevent.Greenlet",
    patch="gevent.monkey.patch_all()",
)
FRAMEWORKS = (
    Framework(
        package="zmq.eventlet",
        name="eventlet",
        task="eventlet.greenthread.GreenThread",
        patch="eventlet.monkey_patch()",
        place="of `zmq`, or of `eventlet.green.zmq`::",
        imports=("from zmq.eventlet.replace import install as install",),
    ),
)

#: What is written by hand for each framework, and what only gevent has.
BY_HAND = {"hub.py", "tasks.py"}
ALONE = {"demo.py"}

HEADER = "# Written by tools/generate_frameworks.py from {source}: change that, then ``make frameworks``.\n"


def translated(text: str, framework: Framework) -> str:
    """Return a text about gevent as one about another framework.

    Raises
    ------
    ValueError
        The text speaks of gevent in words that the table does not have.
    """
    words = {
        getattr(MODEL, field.name): getattr(framework, field.name)
        for field in fields(Framework)
        if field.name != "imports"
    }
    # The longest first. Of modules only our own have the same names in all of them.
    known = "|".join(
        re.escape(word) + ("" if word == MODEL.package else r"(?!\.\w)")
        for word in sorted(words, key=len, reverse=True)
    )
    parts = re.split(rf"(?<![\w.])({known})(?!\w)", text)
    for part in parts[::2]:
        left = re.search(r".*(zmq\Wgreen|gevent).*", part, re.IGNORECASE)
        if left is not None:
            raise ValueError(f"only gevent can be meant by: {left[0].strip()}")
    return "".join(words[part] if i % 2 else part for i, part in enumerate(parts))


def imports_sorted(text: str, framework: Framework, more: tuple[str, ...]) -> str:
    """Return a module with more imports of ours, and all of these sorted as the linter wants them."""
    roots = {"zmq", framework.folder.parts[0]}
    lines = text.splitlines(keepends=True)
    found = [
        (node.module, node.lineno - 1, node.end_lineno or node.lineno)
        for node in ast.parse(text).body
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] in roots
    ]
    if not found:
        return text
    begin, end = found[0][1], found[-1][2]
    if not all(after == line for (_, _, after), (_, line, _) in pairwise(found)):
        raise ValueError("the imports from zmq are not in one piece")
    statements = [(module, "".join(lines[first:last])) for module, first, last in found]
    statements += [(line.split()[1], line + "\n") for line in more]
    statements.sort(key=lambda statement: str(statement[0]))
    return "".join([*lines[:begin], *(statement for _, statement in statements), *lines[end:]])


def files(folder: Path) -> Iterator[Path]:
    """Yield the modules and stubs of a package, by their paths within it."""
    for path in sorted(folder.rglob("*")):
        if path.suffix in (".py", ".pyi"):
            yield path.relative_to(folder)


def written(framework: Framework) -> dict[Path, str]:
    """Return what is written for a framework: texts, by their paths in its package.

    Parameters
    ----------
    framework : Framework

    Raises
    ------
    ValueError
        A file speaks of gevent in words that the table does not have.
    """
    found = {}
    for path in files(ROOT / MODEL.folder):
        if str(path) in BY_HAND | ALONE:
            continue
        source = MODEL.folder / path
        try:
            text = translated((ROOT / source).read_text(), framework)
            text = imports_sorted(text, framework, framework.imports if str(path) == "__init__.py" else ())
        except ValueError as error:
            raise ValueError(f"{source}: {error}") from None
        found[path] = HEADER.format(source=source.as_posix()) + text
    return found


def left_over(folder: Path, wanted: dict[Path, str]) -> list[Path]:
    """Return the files that were written once and would not be now."""
    start = HEADER.partition("{")[0]
    return [path for path in files(folder) if path not in wanted and (folder / path).read_text().startswith(start)]


def problems(framework: Framework, root: Path = ROOT) -> list[str]:
    """Return what is wrong with the files of a framework, each as a line.

    Parameters
    ----------
    framework : Framework
    root : Path
        The folder in which its package is.
    """
    folder, wanted = root / framework.folder, written(framework)
    here = set(files(folder))
    return [
        *(f"{folder / path}: not there" for path in sorted({*map(Path, BY_HAND), *wanted} - here)),
        *(
            f"{folder / path}: not what is written from {MODEL.folder / path}"
            for path in sorted(here & set(wanted))
            if (folder / path).read_text() != wanted[path]
        ),
        *(f"{folder / path}: written from a file that is no more" for path in left_over(folder, wanted)),
    ]


def write(framework: Framework, root: Path = ROOT) -> None:
    """Write the files of a framework, and remove those that were written from what is no more.

    Parameters
    ----------
    framework : Framework
    root : Path
        The folder in which its package shall be.
    """
    folder, wanted = root / framework.folder, written(framework)
    for path in left_over(folder, wanted):
        (folder / path).unlink()
    for path, text in wanted.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)


def main() -> None:
    parser = argparse.ArgumentParser(description="Write what every green framework has from what gevent has.")
    parser.add_argument("--check", action="store_true", help="write nothing; name the files that differ")
    options = parser.parse_args()
    if not options.check:
        for framework in FRAMEWORKS:
            write(framework)
    wrong = [problem for framework in FRAMEWORKS for problem in problems(framework)]
    if wrong:
        sys.exit("\n".join([*wrong, "Change the files of zmq/green, then run: make frameworks"]))


if __name__ == "__main__":
    main()
