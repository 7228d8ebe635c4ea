"""The house is in order: its layers, the lengths of its files, and the picture of both; and disorder is seen."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from support import TESTS, tool

DESIGN = """# Design

## Layers

| level | room | what is in it | what it is for |
|---|---|---|---|
| 1 | cellar | `core/low` `core/bell.h` | |
| 2 | left | `core/` `core/high.h` | |
| 2 | right | `other/` | |
| 3 | roof | `__init__` | |
"""


@pytest.fixture(scope="module")
def house() -> Iterator[ModuleType]:
    with tool("house") as module:
        yield module


class Tree:
    """A small house, that is in order but for what a test does."""

    def __init__(self, house: ModuleType, root: Path) -> None:
        self.house = house
        self.root = root
        self.write("docs/design.md", DESIGN)
        self.write("zmq/__init__.py", "from zmq.core import high\n")
        self.write("zmq/core/low.pxd", 'cdef extern from "bell.h":\n    pass\n')
        self.write("zmq/core/bell.h", "#include <zmq.h>\n")
        self.write("zmq/core/high.h", '#include "bell.h"\n')
        self.write("zmq/core/high.pyx", "from zmq.core cimport low\n")
        self.write("zmq/other/__init__.py", "")
        (root / "docs" / "pictures").mkdir()

    def write(self, path: str, text: str) -> None:
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)

    def run(self, *arguments: str) -> int:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("sys.argv", ["house.py", "--root", str(self.root), *arguments])
            return int(self.house.main())


@pytest.fixture
def tree(house: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tree:
    for name in ("AGAINST", "TOO_LONG", "TOO_CROWDED"):
        monkeypatch.setattr(house, name, set())
    tree = Tree(house, tmp_path)
    assert tree.run("picture") == 0
    assert tree.run() == 0
    return tree


def said(tree: Tree, capsys: pytest.CaptureFixture[str]) -> str:
    """Return what is wrong with the house; something is."""
    capsys.readouterr()
    assert tree.run() == 1
    return capsys.readouterr().err


def test_this_house_is_in_order(house: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.argv", ["house.py"])
        status = house.main()
    assert status == 0, capsys.readouterr().err


@pytest.mark.parametrize(
    "path, text, what",
    [
        ("zmq/core/low.py", "import zmq.core.high", "zmq/core/high"),
        ("zmq/core/low.py", "def later():\n    from zmq.core import high, low", "zmq/core/high"),
        ("zmq/core/low.py", "from . import high", "zmq/core/high"),
        ("zmq/core/low.py", "from .. import other", "zmq/other/__init__"),
        ("zmq/core/low.py", "import importlib\nimportlib.import_module('zmq.other')", "zmq/other/__init__"),
        ("zmq/core/low.pyx", "from zmq.core.high cimport (\n    one,  # of two\n    two)", "zmq/core/high"),
        ("zmq/core/low.pyx", "from zmq.core cimport low, high as other", "zmq/core/high"),
        ("zmq/core/low.pxd", "cimport zmq.core.high as high", "zmq/core/high"),
        ("zmq/core/low.pyx", "cdef f():\n    import zmq", "zmq/__init__"),
        ("zmq/core/low.pxd", 'cdef extern from "high.h":\n    pass', "zmq/core/high.h"),
        ("zmq/core/bell.h", '#include "high.h"', "zmq/core/high.h"),
        # Beside it.
        ("zmq/core/high.pyx", "from zmq.other import thing", "zmq/other/__init__"),
        ("zmq/other/thing.py", "from zmq.core.high import thing", "zmq/core/high"),
    ],
)
def test_an_import_against_the_layers_is_seen(
    tree: Tree, capsys: pytest.CaptureFixture[str], path: str, text: str, what: str
) -> None:
    tree.write(path, text + "\n")
    assert f"against the layers: {path} imports {what}\n" in said(tree, capsys)


def test_what_is_known_and_no_more_the_case_is_struck_out(
    tree: Tree, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    tree.write("zmq/core/low.py", "import zmq\n")
    monkeypatch.setattr(tree.house, "AGAINST", {("zmq/core/low.py", "zmq/__init__")})
    assert tree.run() == 0
    tree.write("zmq/core/low.py", "\n")
    assert "strike it out" in said(tree, capsys)


@pytest.mark.parametrize(
    "path, text",
    [
        ("zmq/core/low.py", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import zmq.core.high"),
        ("zmq/core/low.pyx", '"""Such as\n\n    from zmq.core cimport high\n"""'),
        ("zmq/core/low.pyi", "import zmq.core.high"),
        ("zmq/core/low.pyx", "# import zmq.core.high"),
        ("zmq/__init__.py", "import zmq.other, zmq.core.low"),
    ],
)
def test_what_is_none_is_none(tree: Tree, path: str, text: str) -> None:
    tree.write(path, text + "\n")
    tree.run("picture")
    assert tree.run() == 0


def test_a_file_without_a_room_and_a_room_without_a_file_are_seen(
    tree: Tree, capsys: pytest.CaptureFixture[str]
) -> None:
    tree.write("zmq/stray.py", "")
    assert "zmq/stray.py is in no room" in said(tree, capsys)
    (tree.root / "zmq" / "stray.py").unlink()
    (tree.root / "zmq" / "core" / "bell.h").unlink()
    assert "a room for core/bell.h, which is not there" in said(tree, capsys)


@pytest.mark.parametrize("path", ["zmq/core/high.pyx", "tests/test_it.py", "zmq/core/bell.h"])
def test_a_long_file_says_why(tree: Tree, capsys: pytest.CaptureFixture[str], path: str) -> None:
    tree.write(path, "\n" * 800)
    assert tree.run() == 0
    tree.write(path, "\n" * 801)
    assert f"its header does not say why: {path}" in said(tree, capsys)
    begin, end = ("/* ", " */") if path.endswith(".h") else ('"""', '"""')
    tree.write(path, f"{begin}Long.\n\nOne file, because it is short of breath.\n{end}" + "\n" * 801)
    assert tree.run() == 0
    tree.write(path, f"{begin}Long.{end}" + "\n" * 801 + "# one file")
    assert "does not say why" in said(tree, capsys)


def test_a_crowded_folder_has_all_its_files_named(tree: Tree, capsys: pytest.CaptureFixture[str]) -> None:
    names = [f"part_{i}" for i in range(26)]
    for name in names:
        tree.write(f"tests/many/{name}.py", "")
    assert "nothing names them all: tests/many" in said(tree, capsys)
    tree.write("tests/many/README.md", " ".join(names[1:]))
    assert "nothing names them all: tests/many" in said(tree, capsys)
    tree.write("tests/many/README.md", " ".join(names))
    assert tree.run() == 0
    (tree.root / "tests/many/README.md").unlink()
    tree.write("tests/many/__init__.py", f'"""{" ".join(names)}"""')
    assert tree.run() == 0


def test_a_picture_that_is_no_longer_true_is_seen(tree: Tree, capsys: pytest.CaptureFixture[str]) -> None:
    tree.write("zmq/__init__.py", "from zmq.core import high\nimport zmq.other\n")
    assert "is not what the code says" in said(tree, capsys)
    assert tree.run("picture") == 0
    assert tree.run() == 0
    drawn = (tree.root / "docs/pictures/architecture.svg").read_text()
    assert all(f">{room}</text>" in drawn for room in ("cellar", "left", "right", "roof"))
    assert "prefers-color-scheme: dark" in drawn and drawn.count("marker-end") == 3


def test_the_imports_of_a_room_are_listed(tree: Tree, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert tree.run("imports", "left") == 0
    assert capsys.readouterr().out.splitlines() == [
        "zmq/core/high.h:1: left -> cellar: zmq/core/bell.h",
        "zmq/core/high.pyx:1: left -> cellar: zmq/core/low",
    ]


def names(folder: Path) -> set[str]:
    """Return what is in a folder of tests: modules and folders."""
    return {
        path.stem
        for path in folder.iterdir()
        if (path.is_dir() or path.suffix == ".py") and path.stem not in ("__init__", "__pycache__", "conftest")
    }


@pytest.mark.parametrize("guide", ["README.md", "green/README.md", "green/wake_ups/README.md", "support/__init__.py"])
def test_the_guides_of_the_tests_leave_nothing_out(guide: str) -> None:
    path = TESTS / guide
    left = {name for name in names(path.parent) if not re.search(rf"\b{name}\b", path.read_text())}
    assert left == set()
