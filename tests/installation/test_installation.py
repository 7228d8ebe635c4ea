"""What is installed: a `zmq` that shares no file with PyZMQ's and comes before it, and a doctor that says so.

A wheel is made of what is compiled in this tree already, and installed into environments beside a small package that
stands for PyZMQ. ``make installation`` does the same with the real one, with other installers and from source.
"""

from __future__ import annotations

import base64
import hashlib
import importlib.machinery
import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import textwrap
import venv
import zipfile
from collections.abc import Callable
from importlib.metadata import distributions
from pathlib import Path

import pytest

import zmq
from greenzmq import _doctor
from support import ROOT

SUFFIX = importlib.machinery.EXTENSION_SUFFIXES[0]
LIMIT = 120  # seconds for one command; they take a few
PYZMQ = {
    "zmq/__init__.py": """
        from zmq.sugar import version
        __version__ = version.VERSION
        def pyzmq_version(): return __version__
        def zmq_version(): return "4.3.5"
    """,
    "zmq/sugar/__init__.py": "",
    "zmq/sugar/version.py": "VERSION = '27.3.0'",
    "zmq/py.typed": "",
    # Some prefer a stub to a module.
    "zmq/__init__.pyi": "def pyzmq_version() -> str: ...",
}

pytestmark = pytest.mark.timeout(300)


def write_wheel(folder: Path, name: str, version: str, files: dict[str, str], requires: tuple[str, ...] = ()) -> Path:
    """Make a wheel of these files."""
    info = f"{name}-{version}.dist-info"
    metadata = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
    metadata += [f"Requires-Dist: {each}" for each in requires]
    contents = {name: textwrap.dedent(text).encode() for name, text in files.items()}
    contents[f"{info}/METADATA"] = "\n".join([*metadata, ""]).encode()
    contents[f"{info}/WHEEL"] = b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    contents[f"{info}/top_level.txt"] = "".join(sorted({f"{file.partition('/')[0]}\n" for file in files})).encode()
    lines = []
    for file, content in contents.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
        lines.append(f"{file},sha256={digest},{len(content)}\n")
    contents[f"{info}/RECORD"] = "".join([*lines, f"{info}/RECORD,,\n"]).encode()
    wheel = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for file, content in contents.items():
            archive.writestr(file, content)
    return wheel


class Environment:
    """A virtual environment without pip, into which wheels are unpacked."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        venv.create(folder, with_pip=False, symlinks=True)
        self.python = folder / "bin" / "python"
        (self.packages,) = folder.glob("lib/python*/site-packages")
        # Where it is counted which lines are run, it is here too.
        counting = Path(sysconfig.get_path("purelib"), "watch_lines.pth")
        if counting.exists():
            shutil.copy(counting, self.packages)

    def unpack(self, *wheels: Path, into: Path | None = None) -> None:
        for wheel in wheels:
            with zipfile.ZipFile(wheel) as archive:
                archive.extractall(into or self.packages)

    def pip(self, *arguments: str | Path) -> str:
        """Call the pip of the Python that runs the tests, with nothing from elsewhere."""
        if "install" in arguments:
            arguments = (*arguments, "--no-index", "--no-compile")
        command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", self.python, *arguments]
        done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def start(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Start Python elsewhere than here."""
        return subprocess.run(
            [self.python, *arguments],
            env={**os.environ, "PYTHONPATH": "", **variables},
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=LIMIT,
        )

    def run(self, program: str, *options: str, **variables: str) -> str:
        """Run a program; return what it printed. It writes no error."""
        done = self.start(*options, "-c", textwrap.dedent(program), **variables)
        assert done.returncode == 0 and not done.stderr, done.stdout + done.stderr
        return done.stdout.strip()

    def zmq(self, *options: str, **variables: str) -> str:
        """Return where zmq is imported from, below site-packages."""
        found = self.run("import zmq; print(zmq.__file__)", *options, **variables)
        return str(Path(found).relative_to(self.packages).parent)

    def doctor(self, *options: str, **variables: str) -> tuple[int, str]:
        done = self.start(*options, "-m", "greenzmq", "doctor", **variables)
        assert not done.stderr, done.stderr
        return done.returncode, done.stdout


@pytest.fixture
def environment(tmp_path: Path) -> Environment:
    return Environment(tmp_path / "environment")


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a wheel of this tree, built as any other, but for the compiler, which finds all done."""
    pytest.importorskip("setuptools")
    pytest.importorskip("Cython")
    if not Path(zmq.__file__).is_relative_to(ROOT):
        pytest.skip("what is tested is not this tree")
    place = tmp_path_factory.mktemp("wheel")
    # What builds of long ago have left is not shipped.
    for stale in ("lib/zmq/__init__.py", "lib/_greenzmq/zmq/gone.py"):
        (place / stale).parent.mkdir(parents=True, exist_ok=True)
        (place / stale).touch()
    settings = f"""
        [build]
        build_base = {place}
        build_temp = {ROOT}/build/modules
        build_lib = {place}/lib
        [egg_info]
        egg_base = {place}
        [bdist_wheel]
        bdist_dir = {place}/unpacked
        dist_dir = {place}/dist
    """
    (place / "settings.cfg").write_text(textwrap.dedent(settings))
    done = subprocess.run(
        [sys.executable, "setup.py", "--quiet", "bdist_wheel"],
        cwd=ROOT,
        env={**os.environ, "DIST_EXTRA_CONFIG": str(place / "settings.cfg")},
        capture_output=True,
        text=True,
        timeout=250,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (built,) = (place / "dist").glob("*.whl")
    return built


@pytest.fixture(scope="session")
def pyzmq(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a wheel with what is looked at of PyZMQ's."""
    return write_wheel(tmp_path_factory.mktemp("pyzmq"), "pyzmq", "27.3.0", PYZMQ)


@pytest.fixture(scope="session")
def client(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a wheel of something that requires pyzmq."""
    return write_wheel(tmp_path_factory.mktemp("client"), "client", "1.0", {"client.py": "import zmq"}, ("pyzmq>=25",))


@pytest.fixture(scope="session")
def shim(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shim")
    subprocess.run([sys.executable, ROOT / "tools" / "empty_pyzmq_wheel.py", folder], check=True, timeout=LIMIT)
    (built,) = folder.iterdir()
    return built


def test_the_wheel_has_everything_in_folders_of_its_own(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert {name.partition("/")[0] for name in names} == {"_greenzmq", "greenzmq", "greenzmq.pth", "greenzmq.start"}
    shipped = {
        path.relative_to(ROOT).as_posix()
        for path in (*(ROOT / "zmq").rglob("*"), *(ROOT / "greenzmq").rglob("*"))
        if path.suffix in (".py", ".pyi", ".pyx", ".pxd", ".pxi", ".h", ".html", ".typed") or path.name.endswith(SUFFIX)
    }
    expected = {f"_greenzmq/{name}" if name.startswith("zmq/") else name for name in shipped}
    assert names - {"greenzmq.pth", "greenzmq.start", "_greenzmq/README.txt"} == expected


def test_metadata(environment: Environment, wheel: Path, pyzmq: Path) -> None:
    environment.unpack(wheel, pyzmq)
    found = environment.run("""
        import importlib.metadata as metadata, json
        packages = metadata.packages_distributions()
        print(json.dumps([metadata.version("greenzmq"), sorted(packages["zmq"]), packages["greenzmq"]]))
    """)
    assert json.loads(found) == [zmq.greenzmq_version(), ["greenzmq", "pyzmq"], ["greenzmq"]]


@pytest.mark.parametrize(("ours_first", "removed"), [(True, "greenzmq"), (False, "pyzmq")])
def test_installed_and_uninstalled_in_any_order(
    environment: Environment, wheel: Path, pyzmq: Path, client: Path, ours_first: bool, removed: str
) -> None:
    for each in (wheel, pyzmq) if ours_first else (pyzmq, wheel):
        environment.pip("install", each)
    environment.pip("install", client)
    assert environment.zmq() == "_greenzmq/zmq"
    assert "No broken requirements" in environment.pip("check")
    assert environment.doctor()[0] == 0
    environment.pip("uninstall", "--yes", removed)
    left = sorted(path.name for path in environment.packages.iterdir() if "zmq" in path.name)
    if removed == "greenzmq":
        assert environment.zmq() == "zmq"
        assert "No broken requirements" in environment.pip("check")
        assert left == ["pyzmq-27.3.0.dist-info", "zmq"]
    else:
        assert environment.zmq() == "_greenzmq/zmq"
        assert "zmq" not in left and len(left) == 5


def test_our_folder_comes_just_before_site_packages(environment: Environment, wheel: Path) -> None:
    environment.unpack(wheel)
    (environment.packages / "zz").mkdir()
    (environment.packages / "zz.pth").write_text("zz\n")
    packages, ours = str(environment.packages), str(environment.packages / "_greenzmq")
    path = json.loads(environment.run("import json, sys; print(json.dumps(sys.path))"))
    assert path[-3:] == [ours, packages, str(environment.packages / "zz")]
    assert path.count(ours) == 1


def test_it_stays_where_the_user_has_put_it(environment: Environment, wheel: Path, pyzmq: Path) -> None:
    environment.unpack(wheel)
    elsewhere = environment.folder / "elsewhere"
    environment.unpack(pyzmq, into=elsewhere)
    ours = environment.packages / "_greenzmq"
    assert environment.zmq(PYTHONPATH=f"{ours}:{elsewhere}") == "_greenzmq/zmq"
    # Site-packages itself may be there too.
    found = environment.run("import sys; print(*sys.path)", PYTHONPATH=f"{environment.packages}:{elsewhere}").split()
    assert found.index(str(ours)) == found.index(str(environment.packages)) - 1


def test_starting_python_imports_nothing_more(environment: Environment, wheel: Path) -> None:
    program = "import sys; print(*sorted(sys.modules))"
    # Newer versions of Python import what decodes .pth files.
    (environment.packages / "another.pth").write_text("# A comment.\n")
    before = environment.run(program)
    environment.unpack(wheel)
    if sys.version_info >= (3, 15):
        before = " ".join(sorted([*before.split(), "greenzmq"]))
    assert environment.run(program) == before


def test_the_start_file_does_the_same(environment: Environment, wheel: Path, pyzmq: Path) -> None:
    """From Python 3.15 on paths are appended first, and then such functions called."""
    environment.unpack(wheel, pyzmq)
    name = (environment.packages / "greenzmq.start").read_text().strip()
    found = environment.run(f"""
        import pkgutil, sys
        site = {str(environment.packages)!r}
        sys.path += [site, site + "/_greenzmq", "/nowhere"]
        move = pkgutil.resolve_name({name!r})
        move()
        move()
        assert sys.path[-3:] == [site + "/_greenzmq", site, "/nowhere"], sys.path
        import zmq
        print(zmq.pyzmq_version(), zmq.greenzmq_version())
    """, "-S", "-W", "error")  # fmt: skip
    assert found == f"27.3.0 {zmq.greenzmq_version()}"


def test_an_editable_installation_comes_first_too(environment: Environment, pyzmq: Path) -> None:
    installed = [file for each in distributions(name="greenzmq") for file in each.files or []]
    files = [file.locate() for file in installed if ".dist-info" not in str(file)]
    if {file.name for file in files} != {"greenzmq.pth", "greenzmq.start"}:
        pytest.skip("greenzmq is not installed in editable mode")
    environment.unpack(pyzmq)
    for file in files:
        shutil.copy(str(file), environment.packages)
    home = str(Path(zmq.__file__).parents[1])
    assert environment.run("import zmq; print(zmq.__file__)") == zmq.__file__
    path = environment.run("import sys; print(*sys.path, sep='\\n')").split("\n")
    assert path[-2:] == [home, str(environment.packages)]
    # The path is there for those who do not run the line after it.
    assert (environment.packages / "greenzmq.pth").read_text().split("\n")[0] == home


# Where .pth files are not read


@pytest.fixture
def without_site(environment: Environment, wheel: Path, pyzmq: Path) -> Callable[[str], str]:
    """Run programs in an environment with both where Python has looked at no .pth file."""
    environment.unpack(wheel, pyzmq)

    def run(program: str) -> str:
        return environment.run(program, "-S", PYTHONPATH=str(environment.packages))

    return run


def test_activate(without_site: Callable[[str], str]) -> None:
    found = without_site("""
        import greenzmq
        before = greenzmq.active()
        greenzmq.activate()
        greenzmq.activate()
        after = greenzmq.active()
        import zmq
        greenzmq.activate()
        print(before.name, before.ours, before.imported, after.name, after.ours, greenzmq.active().imported)
        print(zmq.greenzmq_version())
    """)
    assert found == f"PyZMQ False False greenzmq True True\n{zmq.greenzmq_version()}"


def test_activate_too_late(without_site: Callable[[str], str]) -> None:
    found = without_site("""
        import warnings
        import zmq
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            import greenzmq
        assert "zmq is PyZMQ" in str(caught[0].message), caught
        try:
            greenzmq.activate()
        except RuntimeError as error:
            print(error)
    """)
    assert re.fullmatch(
        r"zmq is PyZMQ, .*/zmq, and it is imported already: call greenzmq.activate\(\) before .*", found
    )


def test_pyzmq_imported_later_is_noticed(without_site: Callable[[str], str]) -> None:
    found = without_site("""
        import warnings
        import greenzmq
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            import zmq, zmq.sugar
        (warning,) = caught
        print(warning.category.__name__, warning.filename, warning.message)
        print(repr(greenzmq.active()))
    """)
    warning, active = found.split("\n")
    assert re.fullmatch(r"RuntimeWarning <string> zmq will be PyZMQ, .* call greenzmq.activate\(\) .*", warning)
    assert active.startswith("<zmq is PyZMQ, ")


def test_nothing_is_said_where_all_is_well(environment: Environment, wheel: Path) -> None:
    environment.unpack(wheel)
    environment.run("import greenzmq, zmq; greenzmq.activate()", "-W", "error")
    environment.run("import zmq, greenzmq; greenzmq.activate()", "-W", "error")
    assert environment.run("import greenzmq, sys; print(sys.meta_path)").count("greenzmq") == 0


def test_no_zmq_at_all(environment: Environment, wheel: Path) -> None:
    environment.unpack(wheel)
    program = """
        import greenzmq
        print(greenzmq.active())
        try:
            import zmq
        except ImportError:
            greenzmq.activate()
        import zmq
        print(zmq.greenzmq_version())
    """
    found = environment.run(program, "-S", "-W", "error", PYTHONPATH=str(environment.packages))
    assert found == f"there is no zmq\n{zmq.greenzmq_version()}"


def test_a_folder_of_packages_on_the_path(environment: Environment, wheel: Path, pyzmq: Path) -> None:
    """As of ``pip install --target``."""
    target = environment.folder / "target"
    environment.unpack(wheel, pyzmq, into=target)
    program = "import zmq; print(zmq.__file__)"
    assert environment.run(program, PYTHONPATH=str(target)) == str(target / "zmq" / "__init__.py")
    ours = str(target / "_greenzmq" / "zmq" / "__init__.py")
    assert environment.run(program, PYTHONPATH=f"{target}/_greenzmq:{target}") == ours
    # Whoever adds it as a site folder has the .pth read.
    assert environment.run(f"import site; site.addsitedir({str(target)!r}); {program}") == ours


@pytest.mark.parametrize("how", ["greenzmq.activate()", "import zmq"])
def test_site_packages_comes_first_later(environment: Environment, wheel: Path, pyzmq: Path, how: str) -> None:
    """As where tests that are installed are run by pytest, and before a script that lies there."""
    environment.unpack(wheel, pyzmq)
    ours = str(environment.packages / "_greenzmq" / "zmq")
    move = f"import sys; sys.path.insert(0, {str(environment.packages)!r})"
    told = "import greenzmq; print(greenzmq.active().folder)"
    assert environment.run(f"{move}; {told}") == str(environment.packages / "zmq")
    lines = ["import greenzmq", how, move] if how == "import zmq" else [move, "import greenzmq", how]
    assert environment.run("\n".join([*lines, told])) == ours


# Type checkers


CHECKERS = {
    "mypy": ["--strict", "--config-file", "", "--cache-dir", "cache", "--python-executable"],
    "basedpyright": ["--pythonpath"],
}


@pytest.mark.parametrize("checker", CHECKERS)
def test_a_type_checker_sees_our_types(environment: Environment, wheel: Path, pyzmq: Path, checker: str) -> None:
    pytest.importorskip(checker)
    environment.unpack(wheel, pyzmq)
    program = environment.folder / "program.py"
    program.write_text("import zmq\nreveal_type(zmq.greenzmq_version())\nreveal_type(zmq.Context().socket(zmq.PULL))\n")
    command = [sys.executable, "-m", checker, *CHECKERS[checker], str(environment.python), str(program)]
    done = subprocess.run(command, cwd=environment.folder, capture_output=True, text=True, timeout=250)
    assert done.returncode == 0, done.stdout + done.stderr
    revealed = re.findall(r'(?:Revealed type|Type of ".*") is "(.*)"', done.stdout.replace("builtins.", ""))
    assert [each.removeprefix("zmq.core.socket.") for each in revealed] == ["str", "Socket[bytes]"]


# The doctor


def wrong(output: str) -> list[str]:
    """Return what the doctor calls wrong, each with how to mend it."""
    return re.findall(r"^wrong: .*\n {7}to mend it: .*", output, re.M)


def test_a_healthy_environment(environment: Environment, wheel: Path, pyzmq: Path, client: Path) -> None:
    environment.unpack(wheel, pyzmq, client)
    status, output = environment.doctor()
    assert status == 0 and not wrong(output), output
    assert f"zmq is greenzmq, {environment.packages}/_greenzmq/zmq\n" in output
    assert f"greenzmq {zmq.greenzmq_version()}, PyZMQ's API {zmq.pyzmq_version()}, with libzmq" in output
    assert "PyZMQ 27.3.0 is installed too, which is not used" in output
    assert "client 1.0 requires pyzmq>=25, which admits 27.3.0" in output
    if sys.platform == "linux":
        assert output.count("one libzmq is mapped, /") == 1
    done = environment.start("-m", "greenzmq")
    assert done.returncode == 0
    assert done.stdout == f"zmq will be greenzmq, {environment.packages}/_greenzmq/zmq\n"


def test_pth_files_were_not_read(environment: Environment, wheel: Path, pyzmq: Path) -> None:
    environment.unpack(wheel, pyzmq)
    variables = {"PYTHONPATH": str(environment.packages)}
    status, output = environment.doctor("-S", **variables)
    (found,) = wrong(output)
    assert status == 1 and "greenzmq.activate()" in found and f"PYTHONPATH={environment.packages}/_greenzmq" in found
    assert environment.doctor("-S", PYTHONPATH=f"{environment.packages}/_greenzmq:{environment.packages}")[0] == 0
    assert environment.start("-S", "-m", "greenzmq", **variables).returncode == 1


def test_another_zmq_comes_first(environment: Environment, wheel: Path, pyzmq: Path) -> None:
    environment.unpack(wheel)
    elsewhere = environment.folder / "elsewhere"
    environment.unpack(pyzmq, into=elsewhere)
    status, output = environment.doctor(PYTHONPATH=str(elsewhere))
    assert status == 1 and f"{elsewhere} comes before {environment.packages}/_greenzmq" in wrong(output)[0]
    (environment.folder / "zmq.py").touch()
    status, output = environment.doctor()
    assert status == 1 and "is in the current folder" in wrong(output)[0]


def test_a_zmq_that_cannot_be_imported(environment: Environment, wheel: Path) -> None:
    environment.unpack(wheel)
    (environment.packages / "_greenzmq" / "zmq" / "core" / f"_modules{SUFFIX}").write_bytes(b"")
    status, output = environment.doctor()
    assert status == 1
    assert "import zmq fails: ImportError" in wrong(output)[0]
    assert "greenzmq's files" in wrong(output)[1] and "1 changed" in wrong(output)[1]


@pytest.mark.parametrize("ours_first", [True, False], ids=["ours-first", "theirs-first"])
def test_upgrade_of_what_was_mixed(environment: Environment, wheel: Path, pyzmq: Path, ours_first: bool) -> None:
    """Up to 0.1.0 the two wrote over each other's files; pip takes away what is listed for greenzmq."""
    old = {"zmq/__init__.py": "import zmq.core", "zmq/core/__init__.py": "", "zmq/core/socket.pyi": ""}
    mixed = write_wheel(environment.folder, "greenzmq", "0.1.0", old)
    for each in (mixed, pyzmq) if ours_first else (pyzmq, mixed):
        environment.pip("install", each)
    environment.pip("install", "--force-reinstall", "--no-deps", wheel)
    assert environment.zmq() == "_greenzmq/zmq"
    status, output = environment.doctor()
    (found,) = wrong(output)
    assert status == 1 and "PyZMQ's files" in found and "1 missing" in found
    assert "--force-reinstall --no-deps pyzmq==27.3.0" in found
    environment.pip("install", "--force-reinstall", "--no-deps", pyzmq)
    assert environment.doctor()[0] == 0
    environment.pip("uninstall", "--yes", "greenzmq")
    assert environment.zmq() == "zmq"


def test_what_an_older_installation_left(environment: Environment, wheel: Path, pyzmq: Path) -> None:
    environment.unpack(wheel)
    stray = environment.packages / "zmq" / "core"
    stray.mkdir(parents=True)
    (stray / "socket.pyi").touch()
    status, output = environment.doctor()
    (found,) = wrong(output)
    assert status == 1 and "1 files that belong to no installed package" in found and f"rm -r {stray.parent}" in found
    environment.unpack(pyzmq)
    (environment.packages / "zmq" / "__init__.py").write_text("import zmq.core")
    status, output = environment.doctor()
    changed, found = wrong(output)
    assert status == 1 and "1 changed" in changed
    assert found.endswith("; then pip install --force-reinstall --no-deps pyzmq")
    # Compiled files are nobody's.
    shutil.rmtree(environment.packages / "zmq")
    environment.unpack(pyzmq)
    (environment.packages / "zmq" / "__pycache__").mkdir()
    (environment.packages / "zmq" / "__pycache__" / "old.pyc").touch()
    assert environment.doctor()[0] == 0


def test_an_installation_without_a_folder_of_its_own(environment: Environment, wheel: Path) -> None:
    environment.unpack(wheel)
    elsewhere = environment.folder / "elsewhere"
    old = write_wheel(environment.folder, "greenzmq", "0.1.0", {"zmq/__init__.py": ""})
    environment.unpack(old, into=elsewhere)
    status, output = environment.doctor(PYTHONPATH=f"{environment.packages}/_greenzmq:{elsewhere}")
    (found,) = wrong(output)
    assert status == 1 and f"greenzmq 0.1.0 in {elsewhere} is of before" in found
    assert "is also installed in" in output


def test_what_requires_pyzmq(environment: Environment, wheel: Path, pyzmq: Path, client: Path) -> None:
    requires = (
        "pyzmq<27; python_version > '3'",
        "pyzmq>99; python_version < '3'",
        "pyzmq>99; extra == 'more'",
        "pyzmqx",
    )
    old = write_wheel(environment.folder, "old_client", "2.0", {"old_client.py": ""}, requires)
    environment.unpack(wheel, old, client)
    for name in ("packaging", "setuptools", "pip"):
        assert not (environment.packages / name).exists()
    status, output = environment.doctor()
    assert status == 1
    assert output.count("old_client 2.0 requires") == 3 and "pyzmqx" not in output
    assert output.count("cannot be judged without packaging") == 2 and "if that extra is wanted" in output
    assert "pyzmq is not installed, so pip check complains of client" in wrong(output)[0]
    # Now with what evaluates the conditions.
    packaging = pytest.importorskip("packaging")
    shutil.copytree(Path(packaging.__file__).parent, environment.packages / "packaging")
    environment.unpack(pyzmq)
    status, output = environment.doctor()
    (found,) = wrong(output)
    assert status == 1 and "requires pyzmq<27" in found and "level 27.3.0 is not" in found
    assert output.count("not here") == 1 and output.count("if that extra is wanted") == 1


RANGES = {
    "": True, ">=25.0": True, ">=27.3": True, ">=27.3.1": False, ">27.3": False, "<28,>=26": True, "<27": False,
    "<=27.3.0": True, "==27.3": True, "==27.3.0": True, "==27.*": True, "==27.2.*": False, "!=27.3.0": False,
    "!=27.3.*": False, "!=26.*,>20": True, "~=27.1": True, "~=27.1.0": False, "~=27.3.0": True, "~=28.0": False,
    "===27.3.0": True, ">=17": True,
}  # fmt: skip


@pytest.mark.parametrize("specifier", RANGES)
@pytest.mark.parametrize("with_packaging", [True, False])
def test_ranges(specifier: str, with_packaging: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if with_packaging:
        pytest.importorskip("packaging")
    else:
        monkeypatch.setattr(_doctor, "PACKAGING", ())
    assert _doctor.admits(specifier, "27.3.0") is RANGES[specifier]


@pytest.mark.parametrize("modules", [_doctor.PACKAGING, ()], ids=["with_packaging", "without"])
@pytest.mark.parametrize("specifier", ["@ file:///tmp/pyzmq.whl", "newest"])
def test_a_range_that_is_none(specifier: str, modules: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_doctor, "PACKAGING", modules)
    assert _doctor.admits(specifier, "27.3.0") is None


@pytest.mark.parametrize(
    ("libraries", "level"),
    [
        (["/usr/lib/libzmq.so.5.2.4"], "ok"),
        (["/usr/lib/libzmq.so.5.2.4", "/a b/greenzmq.libs/libzmq-0a1b2c.so.5"], "wrong"),
        ([], "note"),
    ],
)
def test_libraries_that_are_mapped(
    libraries: list[str], level: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    others = ["/usr/lib/libc.so.6", "/usr/lib/libzmqpp.so.1", "[heap]", "/tmp/libzmq.txt"]
    lines = [f"7f00-7f01 r-xp 00000000 08:01 1234    {path}\n" for path in [*libraries, *libraries, *others]]
    (tmp_path / "maps").write_text("".join([*lines, "7f02-7f03 rw-p 00000000 00:00 0\n"]))
    monkeypatch.setattr(_doctor, "MAPS", tmp_path / "maps")
    (finding,) = _doctor.mapped()
    assert finding.level == level
    assert all(path in finding.text for path in libraries)
    monkeypatch.setattr(_doctor, "MAPS", tmp_path / "none")
    (finding,) = _doctor.mapped()
    assert finding.level == "note"


# What stands in for PyZMQ


def test_the_shim(environment: Environment, wheel: Path, pyzmq: Path, client: Path, shim: Path) -> None:
    environment.pip("install", pyzmq, wheel, client)
    environment.pip("install", shim)
    assert "No broken requirements" in environment.pip("check")
    assert sorted(path.name for path in environment.packages.glob("*zmq*")) == [
        "_greenzmq",
        "greenzmq",
        f"greenzmq-{zmq.greenzmq_version()}.dist-info",
        "greenzmq.pth",
        "greenzmq.start",
        f"pyzmq-{zmq.pyzmq_version()}+greenzmq.dist-info",
    ]
    status, output = environment.doctor()
    assert status == 0 and "+greenzmq stands in for PyZMQ" in output, output


def test_a_shim_of_another_level(environment: Environment, wheel: Path) -> None:
    environment.unpack(wheel, write_wheel(environment.folder, "pyzmq", "26.0.0+greenzmq", {}))
    status, output = environment.doctor()
    (found,) = wrong(output)
    assert status == 1 and "pyzmq 26.0.0+greenzmq stands in for PyZMQ, but greenzmq is at the level of 27.3.0" in found


def test_the_shim_is_the_same_every_time(shim: Path, tmp_path: Path) -> None:
    subprocess.run([sys.executable, ROOT / "tools" / "empty_pyzmq_wheel.py", tmp_path], check=True, timeout=LIMIT)
    assert (tmp_path / shim.name).read_bytes() == shim.read_bytes()


def test_the_shim_brings_greenzmq(shim: Path) -> None:
    with zipfile.ZipFile(shim) as archive:
        (metadata,) = (name for name in archive.namelist() if name.endswith("/METADATA"))
        lines = archive.read(metadata).decode().splitlines()
        assert {name.rpartition("/")[0] for name in archive.namelist()} == {metadata.rpartition("/")[0]}
    assert [line for line in lines if line.startswith("Requires-Dist:")] == ["Requires-Dist: greenzmq"]
