"""The stubs of the compiled modules, as far as that is quickly told; ``make lint`` compares them in full."""

from __future__ import annotations

import ast
import enum
import importlib
import importlib.util
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path
from types import ModuleType

import pytest

import zmq.eventlet
import zmq.green
from zmq.core import constants

ROOT = Path(__file__).resolve().parents[1]
COMPILED = sorted(path.stem for path in (ROOT / "zmq" / "core").glob("*.pyx"))


def load(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def names_in(body: list[ast.stmt]) -> Iterator[str]:
    """Yield what the statements of a stub define."""
    for statement in body:
        if isinstance(statement, ast.ClassDef | ast.FunctionDef):
            yield statement.name
        elif isinstance(statement, ast.AnnAssign):
            yield ast.unparse(statement.target)
        elif isinstance(statement, ast.Assign):
            yield from map(ast.unparse, statement.targets)
        elif isinstance(statement, ast.ImportFrom):
            yield from (alias.asname for alias in statement.names if alias.asname)


def public_names(module: ModuleType) -> set[str]:
    """Return what a module defines, and not only imports, for others."""
    return {
        name
        for name, value in vars(module).items()
        if not name.startswith("_") and getattr(value, "__module__", "") == module.__name__
    }


def test_stubs_are_shipped() -> None:
    tomllib = pytest.importorskip("tomllib")
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    patterns = settings["tool"]["setuptools"]["package-data"]["zmq"]
    package = ROOT / "zmq"
    stubs = [path.relative_to(package).as_posix() for path in package.rglob("*.pyi")]
    assert {f"core/{name}.pyi" for name in COMPILED} <= set(stubs)
    for path in ("py.typed", *stubs):
        assert (package / path).is_file()
        assert any(fnmatch(path, pattern) for pattern in patterns), path


@pytest.mark.parametrize("name", COMPILED)
def test_a_stub_has_all_public_names(name: str) -> None:
    module = importlib.import_module(f"zmq.core.{name}")
    stub = ast.parse((ROOT / "zmq" / "core" / f"{name}.pyi").read_text())
    assert public_names(module) <= set(names_in(stub.body))


@pytest.mark.parametrize("cls", [zmq.Context, zmq.Frame, zmq.MessageTracker, zmq.Poller, zmq.Socket])
def test_a_stub_has_all_public_methods(cls: type[object]) -> None:
    stub = ast.parse((ROOT / "zmq" / "core" / f"{cls.__module__.rpartition('.')[2]}.pyi").read_text())
    (definition,) = (each for each in stub.body if isinstance(each, ast.ClassDef) and each.name == cls.__name__)
    options = {spelling for name in zmq.SocketOption.__members__ for spelling in (name, name.lower())}
    public = {name for name in vars(cls) if not name.startswith("_")}
    assert public - options <= set(names_in(definition.body))


def test_the_generated_stubs_are_up_to_date() -> None:
    stubs = load(ROOT / "tools" / "stubs.py")
    assert stubs.STUB.read_text().partition(stubs.MARK)[2] == stubs.generated(), "run python tools/stubs.py"


def test_every_constant_is_listed() -> None:
    """Type checkers read a literal list, and no computed one."""
    found = [
        name
        for name, value in vars(constants).items()
        if isinstance(value, enum.Enum)
        or (isinstance(value, type) and issubclass(value, enum.Enum) and not name.startswith("_"))
    ]
    assert constants.__all__ == found


@pytest.mark.parametrize("module", [zmq.green, zmq.eventlet], ids=lambda module: module.__name__)
def test_a_green_module_has_every_name(module: ModuleType) -> None:
    assert module.__all__ == zmq.__all__
    assert [name for name in zmq.__all__ if not hasattr(module, name)] == []
    assert len(set(zmq.__all__)) == len(zmq.__all__)
