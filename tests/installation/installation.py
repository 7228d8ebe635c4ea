"""Install this package beside PyZMQ in every way that is offered, with the real installers, and show what happens.

``make installation`` prepares what this needs: a wheel of this tree, and an environment with uv, poetry, mypy, pyright
and jedi. ``make installation INSTALLATION="uv shim"`` runs only what has these words in its name, and
``INSTALLATION=--list`` lists all. Everything is done in a folder that is thrown away. Packages come from where pip and
uv get them; poetry asks for them with ``POETRY_INDEX`` where that is set.

test_installation.py tests the parts of this that need no network and take no minutes.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
import traceback
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PYZMQ = "pyzmq==27.3.0"
#: Something that requires pyzmq, and little else.
CLIENT = "jupyter_client"
LIMIT = 900  # seconds for one command; a build from source takes minutes
#: How much longer Python may take to start.
START_UP = 0.025

Scenario = Callable[["Place"], str]
SCENARIOS: dict[str, Scenario] = {}


def scenario(function: Scenario) -> Scenario:
    """Have a function run: it raises what is wrong, and returns what else there is to say."""
    SCENARIOS[function.__name__] = function
    return function


class Place:
    """A folder to install into, and what is installed."""

    def __init__(self, folder: Path, wheel: Path, tools: Path) -> None:
        self.folder, self.wheel, self.tools = folder, wheel, tools
        kept = ("PATH", "HOME", "LANG", "CC", "ZMQ_PREFIX", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE")
        prefixes = ("PIP_", "UV_", "POETRY_", "XDG_")
        self.variables = {
            name: value for name, value in os.environ.items() if name in kept or name.startswith(prefixes)
        }
        self.variables |= {
            "PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring",
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            "POETRY_VIRTUALENVS_IN_PROJECT": "true",
            "UV_PYTHON_DOWNLOADS": "never",
            "UV_PYTHON": getattr(sys, "_base_executable", sys.executable),
            "UV_LINK_MODE": "copy",
        }

    def run(self, *command: str | Path, folder: Path | None = None, fails: bool = False, **variables: str) -> str:
        """Run a command; return what it printed, errors included."""
        done = subprocess.run(
            [str(word) for word in command],
            cwd=folder or self.folder,
            env={**self.variables, **variables},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=LIMIT,
        )
        if (done.returncode != 0) != fails:
            raise AssertionError(f"{shlex.join(map(str, command))}: status {done.returncode}\n{done.stdout[-3000:]}")
        return done.stdout

    def environment(self, name: str) -> Environment:
        folder = self.folder / name
        self.run(sys.executable, "-m", "venv", folder)
        return Environment(self, folder)

    def shim(self) -> Path:
        """Return the wheel that stands for PyZMQ, in a folder with ours."""
        found = self.folder / "wheels"
        if not found.exists():
            found.mkdir()
            shutil.copy(self.wheel, found)
            self.run(sys.executable, ROOT / "tools" / "empty_pyzmq_wheel.py", found)
        (shim,) = found.glob("pyzmq-*.whl")
        return shim

    def tree(self) -> Path:
        """Return a copy of what is in this tree's index, without anything compiled."""
        copy = self.folder / "tree"
        names = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
        for name in filter(None, names.split("\0")):
            if (ROOT / name).exists():
                (copy / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, copy / name, follow_symlinks=False)
        return copy


class Environment:
    """A virtual environment."""

    def __init__(self, place: Place, folder: Path) -> None:
        self.place, self.folder = place, folder
        self.python = folder / "bin" / "python"

    @property
    def packages(self) -> Path:
        (found,) = self.folder.glob("lib/python*/site-packages")
        return found

    def pip(self, *arguments: str | Path, fails: bool = False) -> str:
        return self.place.run(self.python, "-m", "pip", *arguments, fails=fails)

    def uv(self, *arguments: str | Path) -> str:
        return self.place.run(self.place.tools / "uv", "pip", *arguments, "--python", self.python)

    def ask(self, program: str) -> str:
        return self.place.run(self.python, "-W", "error", "-c", program, folder=Path("/")).strip()

    def zmq(self) -> str:
        """Return where zmq is, below site-packages or absolute."""
        found = Path(self.ask("import zmq; print(zmq.__file__)")).parent
        return str(found.relative_to(self.packages)) if found.is_relative_to(self.packages) else str(found)

    def pyzmq(self) -> str:
        """Return which pyzmq is installed. Whichever it is, ours has to be the one that is imported."""
        equal(self.zmq(), "_greenzmq/zmq")
        return self.ask("import importlib.metadata; print(importlib.metadata.version('pyzmq'))")

    def healthy(self) -> None:
        output = self.place.run(self.python, "-m", "greenzmq", "doctor", folder=Path("/"))
        assert "all is well" in output, output


def equal(found: object, expected: object) -> None:
    assert found == expected, f"{found!r}, not {expected!r}"


# In any order


def in_any_order(place: Place, kind: str) -> str:
    """Install and uninstall with pip or uv, in both orders."""
    for ours_first in (True, False):
        for removed in ("greenzmq", "pyzmq"):
            environment = place.environment(f"{kind}-{ours_first}-{removed}")
            do = environment.pip if kind == "pip" else environment.uv
            yes = ["--yes"] if kind == "pip" else []
            for package in (place.wheel, PYZMQ) if ours_first else (PYZMQ, place.wheel):
                do("install", package)
            do("install", CLIENT)
            equal(environment.zmq(), "_greenzmq/zmq")
            do("check")
            environment.healthy()
            environment.ask("import jupyter_client, jupyter_client.asynchronous, zmq; zmq.Context().term()")
            do("uninstall", *yes, removed)
            if removed == "greenzmq":
                equal(environment.zmq(), "zmq")
                environment.ask("import zmq; zmq.Context().socket(zmq.PUB).close()")
                do("check")
                left = [path.name for path in environment.packages.iterdir() if "greenzmq" in path.name]
                equal(left, [])
            else:
                equal(environment.zmq(), "_greenzmq/zmq")
                do("install", PYZMQ)
                do("check")
    return "installed in both orders, and either uninstalled"


@scenario
def order_pip(place: Place) -> str:
    return in_any_order(place, "pip")


@scenario
def order_uv(place: Place) -> str:
    return in_any_order(place, "uv")


@scenario
def target_pip(place: Place) -> str:
    environment = place.environment("target")
    target = place.folder / "packages"
    environment.pip("install", "--target", target, place.wheel, PYZMQ)
    program = "import zmq; print(hasattr(zmq, 'greenzmq_version'))"
    ask = [str(environment.python), "-c"]
    equal(place.run(*ask, program, PYTHONPATH=str(target)), "False\n")
    first = "import greenzmq; greenzmq.activate()"
    equal(place.run(*ask, f"{first}; {program}", PYTHONPATH=str(target)), "True\n")
    equal(place.run(*ask, program, PYTHONPATH=f"{target}/_greenzmq:{target}"), "True\n")
    place.run(environment.python, "-m", "greenzmq", "doctor", PYTHONPATH=str(target), fails=True)
    return "PyZMQ's zmq comes first, is noticed, and activate() or PYTHONPATH put ours before"


@scenario
def zipapp_shiv(place: Place) -> str:
    """An archive that unpacks itself, and adds what it has as site-packages."""
    application = place.folder / "application.pyz"
    place.run(place.tools / "shiv", "-o", application, place.wheel, PYZMQ)
    program = "import zmq; print(hasattr(zmq, 'greenzmq_version'))"
    found = place.run(sys.executable, application, "-c", program, SHIV_ROOT=str(place.folder / "shiv"))
    equal(found, "True\n")
    return "reads .pth files, ours comes first"


@scenario
def frozen_pyinstaller(place: Place) -> str:
    environment = place.environment("frozen")
    environment.pip("install", place.wheel, PYZMQ, "pyinstaller")
    program = place.folder / "program.py"
    program.write_text("import zmq\nprint(hasattr(zmq, 'greenzmq_version'))\nzmq.Context().socket(zmq.PUB).close()\n")
    place.run(environment.python, "-m", "PyInstaller", "--collect-submodules", "zmq.core", program)
    equal(place.run(place.folder / "dist" / "program" / "program"), "True\n")
    return "has ours, as the environment in which it was frozen"


# From source, and from older ones


@scenario
def source_sdist(place: Place) -> str:
    """An archive of the source gives the same files as this tree does."""
    tree, environment = place.tree(), place.environment("sdist")
    place.run(place.tools / "pyproject-build", "--sdist", "--outdir", place.folder / "archives", tree)
    (archive,) = (place.folder / "archives").glob("*.tar.gz")
    environment.pip("install", PYZMQ, archive)
    environment.healthy()
    with zipfile.ZipFile(place.wheel) as wheel:
        expected = {name for name in wheel.namelist() if ".dist-info/" not in name}
    missing = [name for name in expected if not (environment.packages / name).exists()]
    equal(missing, [])
    return "the same files as of this tree"


@scenario
def source_editable(place: Place) -> str:
    """In editable mode the tree itself comes first, for type checkers too."""
    tree = place.tree()
    for kind in ("pip", "uv"):
        environment = place.environment(f"editable-{kind}")
        do = environment.pip if kind == "pip" else environment.uv
        do("install", PYZMQ)
        do("install", "--editable", tree)
        equal(environment.zmq(), str(tree / "zmq"))
        do("check")
        environment.healthy()
        see_types(place, environment)
        do("uninstall", *(["--yes"] if kind == "pip" else []), "greenzmq")
        equal(environment.zmq(), "zmq")
    return "the tree comes first"


@scenario
def upgrade(place: Place) -> str:
    """From a wheel whose files were at zmq/ in site-packages, alone and mixed with PyZMQ's in both orders."""
    (place.folder / "old").mkdir()
    old = place.folder / "old" / place.wheel.name
    with zipfile.ZipFile(place.wheel) as source, zipfile.ZipFile(old, "w") as target:
        for name in source.namelist():
            content = source.read(name)
            if name.endswith(".dist-info/RECORD"):
                lines = [re.sub("^_greenzmq/", "", line) for line in content.decode().splitlines()]
                kept = [line for line in lines if not re.match(r"greenzmq(/|\.)|README", line)]
                content = "\n".join([*kept, ""]).encode()
            if name.startswith("_greenzmq/zmq/") or ".dist-info/" in name:
                target.writestr(name.removeprefix("_greenzmq/"), content)
    for kind in ("pip", "uv"):
        for number, packages in enumerate([[str(old)], [PYZMQ, str(old)], [str(old), PYZMQ]]):
            environment = place.environment(f"{kind}-{number}")
            do = environment.pip if kind == "pip" else environment.uv
            again = "--force-reinstall" if kind == "pip" else "--reinstall"
            for package in packages:
                do("install", package)
            do("install", again, "--no-deps", place.wheel)
            equal(environment.zmq(), "_greenzmq/zmq")
            if len(packages) == 1:
                environment.healthy()
                assert not (environment.packages / "zmq").exists()
                continue
            output = place.run(environment.python, "-m", "greenzmq", "doctor", folder=Path("/"), fails=True)
            assert "PyZMQ's files" in output and "--force-reinstall --no-deps pyzmq==" in output, output
            do("install", again, "--no-deps", PYZMQ)
            environment.healthy()
    return "works at once; the doctor tells how to mend PyZMQ where the two were mixed"


# Who reads types


def see_types(place: Place, environment: Environment) -> None:
    program = place.folder / "program.py"
    program.write_text("import zmq\nimport zmq.green\nreveal_type(zmq.greenzmq_version())\nprint(zmq.green.Context)\n")
    mypy = place.run(place.tools / "mypy", "--strict", "--python-executable", environment.python, program)
    assert 'Revealed type is "str"' in mypy.replace("builtins.", ""), mypy
    pyright = place.run(place.tools / "pyright", "--pythonpath", environment.python, program)
    assert 'Type of "zmq.greenzmq_version()" is "str"' in pyright, pyright
    jedi = f"""
import jedi
environment = jedi.create_environment({str(environment.folder)!r}, safe=False)
script = jedi.Script("import zmq; zmq.greenz", environment=environment)
print([name.name for name in script.complete()])
"""
    equal(place.run(place.tools / "python", "-c", jedi), "['greenzmq_version']\n")


@scenario
def types(place: Place) -> str:
    environment = place.environment("types")
    environment.pip("install", PYZMQ, place.wheel)
    see_types(place, environment)
    return "mypy, pyright and jedi see ours"


# Start


@scenario
def start_up(place: Place) -> str:
    """What it costs to start Python, in instructions, which a busy machine does not change.

    Without any, Python starts in about 38 million, in 10 ms or so.
    """
    environment = place.environment("start")
    environment.pip("install", place.wheel)
    there = environment.packages / "greenzmq.pth"
    count = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", str(environment.python), "-c", ""]
    counts = []
    for _ in range(2):
        # The first start may still have to write what it has compiled.
        found = [re.findall(r"Collected : (\d+)", place.run(*count, PYTHONHASHSEED="0")) for _ in range(3)]
        counts.append(min(int(number) for (number,) in found))
        there.unlink(missing_ok=True)
    more = counts[0] - counts[1]
    assert more / counts[1] < START_UP, f"{more:,} instructions more than {counts[1]:,}"
    return f"{more:,} instructions more than {counts[1]:,}"


# Environments that are locked to the wheel that stands for PyZMQ


def newer(place: Place) -> Path:
    """Return a folder with a PyZMQ that is newer than all there are."""
    folder = place.folder / "newer"
    if not folder.exists():
        folder.mkdir()
        with (
            zipfile.ZipFile(place.shim()) as source,
            zipfile.ZipFile(folder / "pyzmq-99.0.0-py3-none-any.whl", "w") as target,
        ):
            for name in source.namelist():
                text = source.read(name).decode().replace("27.3.0+greenzmq", "99.0.0")
                lines = [re.sub(",sha256=.*", ",,", line) for line in text.splitlines() if "Requires-Dist" not in line]
                target.writestr(name.replace("27.3.0+greenzmq", "99.0.0"), "\n".join([*lines, ""]))
    return folder


@scenario
def shim_pip(place: Place) -> str:
    """With a constraint it stays; without, what upgrades pyzmq itself replaces it."""
    environment, shim = place.environment("environment"), place.shim()
    constraint = place.folder / "constraints.txt"
    constraint.write_text("pyzmq==27.3.0+greenzmq\n")
    links = ["--find-links", str(shim.parent)]
    constrained = ["--constraint", str(constraint), *links]
    environment.pip("install", *constrained, "greenzmq", CLIENT)
    equal(environment.pyzmq(), "27.3.0+greenzmq")
    environment.pip("check")
    environment.healthy()
    newest = ["--find-links", str(newer(place))]
    commands: dict[str, tuple[list[str], bool]] = {
        "install": ([CLIENT], True),
        "install PyZMQ of that release": ([PYZMQ], True),
        "install -U of what requires it": (["-U", CLIENT], True),
        "install -U pyzmq": (["-U", "pyzmq"], False),
        "install -U --upgrade-strategy eager": (["-U", "--upgrade-strategy", "eager", CLIENT], False),
        "install --force-reinstall": (["--force-reinstall", CLIENT], False),
        "install of a range without it": (["pyzmq<27.3"], False),
    }
    replaced = []
    for name, (arguments, stays) in commands.items():
        environment.pip("install", "--force-reinstall", "--no-deps", shim)
        environment.pip("install", *arguments, *newest)
        equal((name, environment.pyzmq() == "27.3.0+greenzmq"), (name, stays))
        replaced += [] if stays else [name]
        environment.pip("install", "--force-reinstall", "--no-deps", shim)
        environment.pip("install", *arguments, *newest, *constrained, fails="<" in arguments[0])
        equal((name, environment.pyzmq()), (name, "27.3.0+greenzmq"))
    return f"stays with a constraint; without, replaced by {', '.join(replaced)}"


def project(place: Place, name: str, text: str) -> Environment:
    folder = place.folder / name
    folder.mkdir()
    (folder / "pyproject.toml").write_text(text)
    return Environment(place, folder / ".venv")


@scenario
def shim_uv_sources(place: Place) -> str:
    shim = place.shim()
    text = f"""
[project]
name = "application"
version = "1"
requires-python = "=={sys.version_info.major}.{sys.version_info.minor}.*"
dependencies = ["greenzmq", "pyzmq", "{CLIENT}"]

[tool.uv.sources]
greenzmq = {{ path = "{shim.parent / place.wheel.name}" }}
pyzmq = {{ path = "{shim}" }}
"""
    return keeps_with_uv(place, project(place, "sources", text), ["--upgrade pyzmq", f"--reinstall {CLIENT}"])


@scenario
def shim_uv_override(place: Place) -> str:
    text = f"""
[project]
name = "application"
version = "1"
requires-python = "=={sys.version_info.major}.{sys.version_info.minor}.*"
dependencies = ["greenzmq", "{CLIENT}"]

[tool.uv]
override-dependencies = ["pyzmq==27.3.0+greenzmq"]
find-links = ["{place.shim().parent}"]
"""
    return keeps_with_uv(place, project(place, "override", text), [])


def keeps_with_uv(place: Place, environment: Environment, expected: list[str]) -> str:
    folder = environment.folder.parent

    def uv(*arguments: str | Path) -> None:
        place.run(place.tools / "uv", *arguments, folder=folder)

    newest = ["--find-links", str(newer(place))]
    for arguments in (["sync"], ["sync", "--upgrade"], ["add", "iniconfig"], ["lock", "--upgrade-package", "pyzmq"]):
        uv(*arguments, *newest)
        equal((arguments, environment.pyzmq()), (arguments, "27.3.0+greenzmq"))
    uv("pip", "check", "--python", environment.python)
    environment.healthy()
    replaced = []
    for arguments in (["--upgrade", "pyzmq"], ["--reinstall", CLIENT]):
        uv("pip", "install", "--python", environment.python, *arguments, *newest)
        replaced += [] if environment.pyzmq() == "27.3.0+greenzmq" else [" ".join(arguments)]
        uv("sync", *newest)
        equal((arguments, environment.pyzmq()), (arguments, "27.3.0+greenzmq"))
    equal(replaced, expected)
    return f"stays with sync, lock and add; by uv pip install replaced with {' and '.join(expected) or 'no command'}"


@scenario
def shim_uv_pip(place: Place) -> str:
    environment, shim = place.environment("environment"), place.shim()
    override = place.folder / "overrides.txt"
    override.write_text("pyzmq==27.3.0+greenzmq\n")
    keep = ["--override", str(override), "--find-links", str(shim.parent)]
    newest = ["--find-links", str(newer(place))]
    for arguments in (["greenzmq", CLIENT], ["--upgrade", CLIENT], ["--upgrade", "pyzmq"], ["--reinstall", CLIENT]):
        environment.uv("install", *arguments, *keep, *newest)
        equal((arguments, environment.pyzmq()), (arguments, "27.3.0+greenzmq"))
    environment.uv("check")
    # uv upgrades everything where it upgrades one.
    environment.uv("install", "--upgrade", CLIENT, *newest)
    equal(environment.pyzmq(), "99.0.0")
    return "stays with an override; without, replaced by --upgrade of whatever requires it"


@scenario
def shim_poetry(place: Place) -> str:
    shim = place.shim()
    index = os.environ.get("POETRY_INDEX")
    source = f'\n[[tool.poetry.source]]\nname = "index"\nurl = "{index}"\npriority = "primary"\n' if index else ""
    text = f"""
[tool.poetry]
package-mode = false

[tool.poetry.dependencies]
python = "~{sys.version_info.major}.{sys.version_info.minor}"
greenzmq = {{ path = "{shim.parent / place.wheel.name}" }}
pyzmq = {{ path = "{shim}" }}
{CLIENT} = "*"
{source}"""
    environment = project(place, "poetry", text)
    folder = environment.folder.parent

    def poetry(*arguments: str) -> None:
        place.run(place.tools / "poetry", "--no-interaction", *arguments, folder=folder)

    for arguments in (["install"], ["update"], ["add", "iniconfig"], ["sync"]):
        poetry(*arguments)
        equal((arguments, environment.pyzmq()), (arguments, "27.3.0+greenzmq"))
    environment.healthy()
    poetry("add", "pyzmq@^27")
    equal(environment.pyzmq(), "27.3.0")
    return "stays with install, update, add and sync; replaced by add pyzmq"


def chosen(words: list[str]) -> Iterator[str]:
    for name in SCENARIOS:
        if not words or any(word in name.split("_") or word == name for word in words):
            yield name


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--wheel", type=Path, required=True, help="this package, built")
    parser.add_argument("--tools", type=Path, required=True, metavar="FOLDER", help="where uv, mypy and the others are")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write what happened there")
    parser.add_argument("--list", action="store_true", help="list what there is to run")
    parser.add_argument("words", nargs="*", metavar="WORD", help="only what has this word in its name")
    options = parser.parse_args()
    names = list(chosen(options.words))
    if options.list or not names:
        print(*SCENARIOS, sep="\n")
        return 0 if options.list else 2
    results = {}
    for name in names:
        begun = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="installation-") as folder:
            place = Place(Path(folder).resolve(), options.wheel.resolve(), options.tools.absolute() / "bin")
            try:
                results[name] = ("well", SCENARIOS[name](place))
            except Exception:
                results[name] = ("wrong", traceback.format_exc())
        print(f"{name:20} {results[name][0]:6} {time.monotonic() - begun:4.0f} s  {results[name][1]}", flush=True)
    if options.json:
        options.json.write_text(json.dumps(results, indent=1))
    wrong = [name for name, (outcome, _) in results.items() if outcome == "wrong"]
    print(f"wrong: {', '.join(wrong)}" if wrong else "all is well")
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
