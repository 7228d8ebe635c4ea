"""Types: what mypy and pyright say of programs; and whether the stubs are true, as far as that is quickly told.

``make lint`` compares the stubs in full; ``make matrix`` checks the programs on every version of Python, and with old
versions of numpy.
"""

from __future__ import annotations

import ast
import enum
import importlib
import importlib.util
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from fnmatch import fnmatch
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import zmq.eventlet
import zmq.green
from support import ROOT
from support.front_ends import LONG
from zmq.core import constants
from zmq.core.sockets import option_attributes

PROGRAMS = ROOT / "tests" / "package" / "typed"
#: Folders of other versions of numpy.
NUMPYS = [path for path in os.environ.get("NUMPYS", "").split(os.pathsep) if path]
#: Buffers are a protocol of the language from 3.12 on.
VERSIONS = sorted({"3.10", f"3.{sys.version_info.minor}"})
COMPILED = sorted(path.with_suffix("") for path in (ROOT / "zmq" / "core").rglob("*.pyx"))


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
    assert {path.relative_to(package).with_suffix(".pyi").as_posix() for path in COMPILED} <= set(stubs)
    for path in ("py.typed", *stubs):
        assert (package / path).is_file()
        assert any(fnmatch(path, pattern) for pattern in patterns), path


@pytest.mark.parametrize("path", COMPILED, ids=lambda path: path.name)
def test_a_stub_has_all_public_names(path: Path) -> None:
    module = importlib.import_module(".".join(path.relative_to(ROOT).parts))
    stub = ast.parse(path.with_suffix(".pyi").read_text())
    assert public_names(module) <= set(names_in(stub.body))


@pytest.mark.parametrize("cls", [zmq.Context, zmq.Frame, zmq.MessageTracker, zmq.Poller, zmq.Socket])
def test_a_stub_has_all_public_methods(cls: type[object]) -> None:
    stub = ast.parse((ROOT / "zmq" / "core" / f"{cls.__module__.rpartition('.')[2]}.pyi").read_text())
    (definition,) = (each for each in stub.body if isinstance(each, ast.ClassDef) and each.name == cls.__name__)
    spellings = {spelling for name in zmq.SocketOption.__members__ for spelling in (name, name.lower())}
    public = {name for name in dir(cls) if not name.startswith("_") and not hasattr(option_attributes.MixedCase, name)}
    assert public - spellings <= set(names_in(definition.body))


def test_the_generated_stubs_are_up_to_date() -> None:
    stubs = load(ROOT / "tools" / "stubs.py")
    assert stubs.STUB.read_text().partition(stubs.MARK)[2] == stubs.generated(), "run python tools/stubs.py"
    assert stubs.CONSTANTS.read_text() == stubs.constants_stub(), "run python tools/stubs.py"


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


# Programs. A line that ends with "# wrong" has an error, all others have none.


@cache
def blocks_of_readme() -> dict[str, str]:
    """Return the programs in the README that stand for themselves, each as a file."""
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    return {
        f"readme_{i}.py": block
        for i, block in enumerate(blocks)
        if re.search(r"^asyncio\.run|^gevent\.spawn", block, re.M)
    }


@cache
def names_of_the_api() -> str:
    """Return a program that imports every public name from where it is found."""
    lines: list[str] = []
    for path in sorted((ROOT / "zmq").rglob("*.py")):
        module = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        if "__main__" in module or "._" in module or module.startswith("zmq.demo") or module == "zmq.curve_keygen":
            continue
        for name in getattr(importlib.import_module(module), "__all__", ()):
            lines.append(f"from {module} import {name} as _{len(lines)}")
    return "\n".join([*lines, ""])


@pytest.fixture(
    scope="module",
    params=[(version, None) for version in VERSIONS] + [("3.10", path) for path in NUMPYS],
    ids=lambda param: f"{param[0]}-{Path(param[1]).name}" if param[1] else param[0],
)
def programs(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str, str | None]:
    """A folder with programs, a version of Python, and the folder of a numpy, or None for that which is installed."""
    version, numpy = request.param
    folder = tmp_path_factory.mktemp("programs")
    for path in [*PROGRAMS.glob("*.py")] + ([] if numpy else [*(ROOT / "examples").rglob("*.py")]):
        (folder / path.name).write_text(path.read_text())
    if not numpy:
        for name, text in blocks_of_readme().items():
            (folder / name).write_text(text)
        (folder / "names.py").write_text(names_of_the_api())
    return folder, version, numpy


def run_mypy(folder: Path, version: str, numpy: str | None) -> set[tuple[str, int, str]]:
    """Return the errors: file, line, text."""
    pytest.importorskip("mypy")
    paths = os.pathsep.join([str(ROOT), *([numpy] if numpy else [])])
    command = [sys.executable, "-m", "mypy", "--strict", "--python-version", version, "--show-absolute-path"]
    command += ["--cache-dir", str(folder / "cache"), "--no-pretty", "--no-error-summary", "--hide-error-context"]
    (folder / "mypy.ini").write_text("[mypy]\n[mypy-eventlet.*]\nignore_missing_imports = True\n")
    # The errors of numpy are of no interest.
    command += ["--config-file", "mypy.ini", "--follow-imports", "silent", *map(str, sorted(folder.glob("*.py")))]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder, env={**os.environ, "MYPYPATH": paths})
    assert done.returncode in (0, 1) and not done.stderr, done.stdout + done.stderr
    found = re.findall(rf"^{re.escape(str(folder))}/(\S+?):(\d+): error: (.*)", done.stdout, re.M)
    return {(name, int(line), text) for name, line, text in found}


def run_pyright(folder: Path, version: str, numpy: str | None) -> set[tuple[str, int, str]]:
    pytest.importorskip("basedpyright")
    settings = {
        "typeCheckingMode": "standard",
        "pythonVersion": version,
        "extraPaths": [str(ROOT), *([numpy] if numpy else [])],
        "reportPrivateImportUsage": "error",
        "reportUnusedCoroutine": "error",
        # eventlet has no types.
        "reportMissingTypeStubs": "none",
    }
    (folder / "pyrightconfig.json").write_text(json.dumps(settings))
    command = [sys.executable, "-m", "basedpyright", "--outputjson", "--pythonpath", sys.executable, "-p", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder)
    assert done.returncode in (0, 1), done.stdout + done.stderr
    return {
        (Path(each["file"]).name, each["range"]["start"]["line"] + 1, each["message"])
        for each in json.loads(done.stdout)["generalDiagnostics"]
        if each["severity"] == "error"
    }


@pytest.mark.timeout(240)
@pytest.mark.parametrize("checker", [run_mypy, run_pyright])
def test_programs(checker: Any, programs: tuple[Path, str, str | None]) -> None:
    folder, version, _ = programs
    if not LONG and version != (VERSIONS[0] if checker is run_mypy else VERSIONS[-1]):
        pytest.skip("in the short form each checks one version")
    found = checker(*programs)
    wrong = {
        (path.name, number)
        for path in folder.glob("*.py")
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if line.endswith("# wrong")
    }
    assert len(wrong) > 20
    assert {each for each in found if each[:2] not in wrong} == set()
    assert wrong - {each[:2] for each in found} == set()


def test_the_programs_are_all_there() -> None:
    assert len(blocks_of_readme()) == (ROOT / "README.md").read_text().count("```python") > 0
    assert names_of_the_api().count("zmq.green ") > 300 < names_of_the_api().count("zmq.eventlet ")
