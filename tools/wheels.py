"""Build wheels that have a libzmq of their own, try them where there is nothing else, and show what happened.

``make wheel`` prepares what this needs. Extension modules and libzmq are compiled in a folder with an older Debian
(tools/chroot.sh), so that what they need of the C library is old enough for most systems; the interpreters are this
system's, of which the compiler reads only the headers. Each wheel is then installed into a virtual environment, and
tried in folders with newer Debians that have neither libzmq nor a compiler, and no network. Needs root, for chroot.

``make wheel WHEEL="cp311 trixie"`` does only what has these words in its name.
"""

from __future__ import annotations

import argparse
import os
import re
import shlex
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
CHROOT = ROOT / "tools" / "chroot.sh"
#: The release whose compiler and C library are used, and what it needs beside.
OLD = (
    *("bullseye", "gcc", "g++", "libc6-dev", "make", "autoconf", "automake", "libtool", "pkg-config"),
    *("clang-16", "lld-16", "llvm-16", "libclang-rt-16-dev", "advancecomp"),
)
#: Where wheels are tried: the smallest that debootstrap makes of each, with its own Python, whose libraries the other
#: Pythons need too; and with a compiler in one more folder.
SUITES = ("bookworm", "trixie")
#: The wheel's own selection of the tests: what libzmq decides, and forks.
TESTS = (
    "tests/sockets/test_patterns.py",
    "tests/sockets/test_contexts.py",
    "tests/sockets/test_options.py",
    "tests/sockets/test_ends_of_sockets.py",
    "tests/messages/test_messages.py",
    "tests/messages/test_whole_messages.py",
    "tests/polling/test_polls.py",
    "tests/processes/test_forks.py",
    "tests/auth/test_auth.py",
)
FRONT_ENDS = ("core", "threads", "gevent", "eventlet")
#: What they read, beside what is installed. tests/toy/package.py writes a framework of the tests' own from zmq/green.
READ = ("tests", "tools", "zmq/green", "pyproject.toml")
#: What a wheel may take, in bytes.
MOST = 2_000_000


class Interpreter(NamedTuple):
    """A CPython of this system: `tag` is ``cp311``, `executable` the real one, `headers` what ``Python.h`` is in."""

    tag: str
    executable: Path
    prefix: Path
    headers: tuple[Path, ...]


class Wrong(Exception):
    """Something is not as it has to be; the text says what."""


def run(*command: str | Path, **options: object) -> str:
    """Run a command, and return what it printed. Raises Wrong if it fails."""
    done = subprocess.run(
        [str(word) for word in command],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        **options,  # type: ignore[call-overload]
    )
    if done.returncode != 0:
        tail = "\n".join(done.stdout.splitlines()[-40:])
        raise Wrong(f"{shlex.join(map(str, command))} ended with status {done.returncode}:\n{tail}")
    return str(done.stdout)


def interpreters() -> list[Interpreter]:
    """Return every CPython that tools/pythons.sh finds."""
    ask = (
        "import sys, sysconfig as s; print('cp%d%d' % sys.version_info[:2], sys._base_executable, sys.base_prefix, "
        "s.get_path('include'), s.get_path('platinclude'), s.get_config_var('MULTIARCH') or '', sep='\\n')"
    )
    found = []
    for path in run("sh", ROOT / "tools" / "pythons.sh").split():
        tag, executable, prefix, *headers, multiarch = run(path, "-c", ask).split("\n")[:6]
        # Debian's Python.h includes files of a folder for the kind of machine.
        headers.append(f"/usr/include/{multiarch}/{Path(headers[0]).name}")
        there = tuple(sorted({Path(each).resolve() for each in headers if os.path.isdir(each)}))
        found.append(Interpreter(tag, Path(executable).resolve(), Path(prefix).resolve(), there))
    return found


def make_chroot(folder: Path, suite: str, *packages: str) -> None:
    subprocess.run(["sh", str(CHROOT), "make", str(folder), suite, *packages], check=True)


def write_compiler(path: Path, chroot: Path, folders: Iterable[Path], kept: Iterable[Path]) -> None:
    """Write a program that compiles with the compiler of a chroot, where these folders are what they are here."""
    options = [word for folder in folders for word in ("-r", f"{folder}:{folder}")]
    options += [word for folder in kept for word in ("-b", f"{folder}:{folder}")]
    command = shlex.join(["sh", str(CHROOT), "run", str(chroot), "-t", *options])
    path.write_text(f'#!/bin/sh\nexec {command} -d "$PWD" gcc "$@"\n')
    path.chmod(0o755)


def make_environment(folder: Path, interpreter: Interpreter, *groups: str) -> Path:
    """Make a virtual environment with these groups of pyproject.toml, and return its Python."""
    python = folder / "bin" / "python"
    stamp = folder / ".installed"
    if not stamp.exists() or stamp.stat().st_mtime < (ROOT / "pyproject.toml").stat().st_mtime:
        run(interpreter.executable, "-m", "venv", folder)
        run(python, "-m", "pip", "install", "--quiet", "--upgrade", "pip")
        for group in groups:
            run(python, "-m", "pip", "install", "--quiet", "--group", f"{ROOT}/pyproject.toml:{group}")
        stamp.touch()
    return python


def build(interpreter: Interpreter, folder: Path, libzmq: Path, old: Path, auditwheel: Path, dist: Path) -> Path:
    """Build the wheel of one interpreter, and return it."""
    tree, out = folder / "tree", folder / "out"
    tree.mkdir(parents=True, exist_ok=True)
    python = make_environment(folder / "build", interpreter, "build")
    run("sh", "tools/copy_tree.sh", tree, cwd=ROOT)
    compiler = folder / "cc"
    write_compiler(compiler, old, [*interpreter.headers, libzmq], [folder])
    variables = {
        **os.environ,
        "CC": str(compiler),
        "ZMQ_PREFIX": str(libzmq),
        "ZMQ_BUNDLE": "1",
        # Instead of the interpreter's own, which may say where its libraries are on this system.
        "LDSHARED": f"{shlex.quote(str(compiler))} -shared",
        "LDFLAGS": "-Wl,-O1 -Wl,--as-needed -Wl,-s",
    }
    for name in ("CFLAGS", "ZMQ_DRAFT_API"):
        variables.pop(name, None)
    for path in (out, folder / "repaired"):
        shutil.rmtree(path, ignore_errors=True)
    command = (python, "-m", "pip", "wheel", "--no-build-isolation", "--no-deps", "--wheel-dir", out, ".")
    (folder / "log").write_text(run(*command, cwd=tree, env=variables))
    (made,) = out.glob("*.whl")
    # It finds the oldest tag that holds; there is nothing for it to put into the wheel.
    paths = {**os.environ, "PATH": f"{auditwheel.parent}{os.pathsep}{os.environ['PATH']}"}
    run(auditwheel, "-m", "auditwheel", "repair", "--wheel-dir", folder / "repaired", made, env=paths)
    (repaired,) = (folder / "repaired").glob("*.whl")
    # As small as the format allows; installers read it as any other.
    run("sh", CHROOT, "run", old, "-b", f"{folder}:{folder}", "advzip", "--recompress", "-4", "--quiet", repaired)
    check(repaired)
    dist.mkdir(parents=True, exist_ok=True)
    for older in dist.glob(f"greenzmq-*-{interpreter.tag}-*.whl"):
        older.unlink()
    return Path(shutil.copy2(repaired, dist))


def check(wheel: Path) -> None:
    """Look whether what has to be in a wheel is in it, and nothing else. Raises Wrong."""
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    home = "_greenzmq/zmq"
    libraries = [name for name in names if re.search(r"libzmq.*\.so", name)]
    expected = [f"{home}/lib/libzmq-greenzmq.so.5", f"{home}/lib/libzmq.so"]
    if sorted(libraries) != expected:
        raise Wrong(f"{wheel.name} has {libraries}, not {expected}")
    wanted = [f"{home}/include/zmq.h", f"{home}/licenses/README.txt", f"{home}/licenses/libsodium.txt", "greenzmq.pth"]
    if lacking := [name for name in wanted if name not in names]:
        raise Wrong(f"{wheel.name} lacks {lacking}")
    if strange := [name for name in names if re.match(r"(zmq|tests|tools|build|greenzmq\.libs)/", name)]:
        raise Wrong(f"{wheel.name} has {strange}")
    if elsewhere := looks_elsewhere(wheel):
        raise Wrong(f"{wheel.name} has modules that look for libraries outside of it: {elsewhere}")
    if wheel.stat().st_size > MOST:
        raise Wrong(f"{wheel.name} has {wheel.stat().st_size:,} bytes, more than {MOST:,}")


def looks_elsewhere(wheel: Path) -> dict[str, str]:
    """Return the modules of a wheel that look for libraries in other folders than the wheel's, and where."""
    found = {}
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            if name.endswith(".so"):
                for path in re.findall(rb"[^\0]*\$ORIGIN[^\0]*", archive.read(name)):
                    if not re.fullmatch(rb"\$ORIGIN(/[\w.]+)*", path):
                        found[name] = path.decode(errors="replace")
    return found


class Place(NamedTuple):
    """Where a wheel is tried: a folder of `chroot.sh` and how its Python is called there."""

    suite: str
    interpreter: Interpreter
    own: bool

    @property
    def name(self) -> str:
        return f"{self.suite} {self.interpreter.tag}{', its own' if self.own else ''}"


def places(folder: Path, found: list[Interpreter]) -> list[Place]:
    """Return every place to try wheels in: each interpreter, and each release's own where there is a wheel for it."""
    by_tag = {interpreter.tag: interpreter for interpreter in found}
    result = []
    for suite in SUITES:
        make_chroot(folder / suite, suite, "python3")
        # Debian's own Python of this system cannot be bound to where it is.
        result += [Place(suite, each, False) for each in found if each.prefix != Path("/usr")]
        ask = "import sys; print('cp%d%d' % sys.version_info[:2])"
        tag = run("sh", CHROOT, "run", folder / suite, "python3", "-c", ask).strip()
        if tag in by_tag:
            result.append(Place(suite, by_tag[tag], True))
    return result


def options_for(environment: Path) -> list[str]:
    """Return the options of `chroot.sh` for a place without network that has an environment, and the tests in /src."""
    bound = [f"{environment}:{environment}", *(f"{ROOT / name}:/src/{name}" for name in READ)]
    options = ["-t", "-n", "-d", "/src", "-e", "PYTHONDONTWRITEBYTECODE=1"]
    return options + [word for each in bound for word in ("-r", each)]


def try_wheel(place: Place, chroots: Path, environment: Path) -> dict[str, str]:
    """Try what is installed in an environment, and return what came of it by the names of what was tried."""
    interpreter = place.interpreter
    site = environment / "lib" / f"python3.{interpreter.tag[3:]}" / "site-packages"
    options = options_for(environment)
    python = f"{environment}/bin/python"
    prepare = ":"
    if place.own:
        python = "/tmp/own/bin/python"
        prepare = f"python3 -m venv --without-pip /tmp/own && cp -a {site}/. /tmp/own/lib/python3*/site-packages/"
    else:
        options += ["-r", f"{interpreter.prefix}:{interpreter.prefix}"]

    def tried(*commands: str) -> str:
        script = " && ".join([prepare, *(f"{python} {command}" for command in commands)])
        try:
            return run("sh", CHROOT, "run", chroots / place.suite, *options, "sh", "-ec", script)
        except Wrong as error:
            raise Wrong(f"{place.name}: {error}") from None

    def tests(*arguments: str) -> str:
        output = tried(f"-m pytest -q -p no:cacheprovider --timeout=300 {' '.join(arguments)}")
        return re.sub(r"^=* ?| in .*$", "", output.strip().splitlines()[-1])

    demo = "-m zmq.green.demo --clients 50 --requests 2000 --hub"
    steps: dict[str, Callable[[], str]] = {
        "alone": lambda: tried("tests/installation/bare.py") and "ok",
        "demos": lambda: tried(f"{demo} gevent", f"{demo} eventlet") and "ok",
    }
    for front_end in FRONT_ENDS:
        steps[front_end] = lambda front_end=front_end: tests(f"--front-end={front_end}", *TESTS)  # type: ignore[misc]
    return {name: outcome(step) for name, step in steps.items()}


def try_derivative(suite: str, interpreter: Interpreter, chroots: Path, environment: Path) -> str:
    """Compile Cython code that builds on the wheel, where a compiler and Python are all there is, and run it."""
    folder = chroots / f"{suite}-compiler"
    make_chroot(folder, suite, "python3", "gcc", "libc6-dev")
    options = [*options_for(environment), "-r", f"{interpreter.prefix}:{interpreter.prefix}"]
    command = "-m pytest -q -p no:cacheprovider tests/package/test_cython.py -k forwarder"
    return outcome(
        lambda: (
            run("sh", CHROOT, "run", folder, *options, f"{environment}/bin/python", *command.split())
            .strip()
            .splitlines()[-1]
        )
    )


def outcome(step: Callable[[], str]) -> str:
    """Return what a step says, or FAILED, having shown why."""
    try:
        return step()
    except Wrong as error:
        print(error, flush=True)
        return "FAILED"


def show(rows: list[list[str]]) -> None:
    """Print a table, whose first row is its head."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=Path, default=ROOT / ".bench", help="folder for what is made on the way")
    parser.add_argument("--dist", type=Path, default=ROOT / "dist", help="folder for the wheels")
    parser.add_argument("--auditwheel", type=Path, default=Path(sys.executable), help="a Python that has it")
    parser.add_argument("words", nargs="*", help="only what has these in its name, such as cp311, trixie")
    given = parser.parse_args()
    place = given.build.resolve()
    old = place / "chroot" / OLD[0]
    make_chroot(old, *OLD)
    libzmq = place / "libzmq-wheel"
    subprocess.run(["sh", str(ROOT / "tools" / "libzmq.sh"), str(libzmq), str(old)], check=True)
    wanted = [each for each in interpreters() if selected(each.tag, given.words, r"cp\d+")]
    wheels = {}
    for interpreter in wanted:
        print(f"Building the wheel for {interpreter.tag}...", flush=True)
        folder = place / "wheels" / interpreter.tag
        wheels[interpreter.tag] = build(interpreter, folder, libzmq, old, given.auditwheel.absolute(), given.dist)
    failed = False
    rows = [["", "alone", "demos", *FRONT_ENDS]]
    environments = {}
    for interpreter in wanted:
        environments[interpreter.tag] = environment = place / "wheels" / interpreter.tag / "test"
        python = make_environment(environment, interpreter, "wheel-test")
        archive = f"{wheels[interpreter.tag]}[gevent,eventlet,tornado]"
        run(python, "-m", "pip", "install", "--quiet", archive)
        run(python, "-m", "pip", "install", "--quiet", "--force-reinstall", "--no-deps", archive)
    for each in places(place / "chroot", wanted):
        if selected(each.suite, given.words, "|".join(SUITES)):
            print(f"Trying it in {each.name}...", flush=True)
            found = try_wheel(each, place / "chroot", environments[each.interpreter.tag])
            rows.append([each.name, *found.values()])
            failed |= "FAILED" in found.values()
    print()
    show(rows)
    print()
    rows = [["", "bytes", "Cython code builds on it"]]
    for interpreter in wanted:
        built = try_derivative(SUITES[0], interpreter, place / "chroot", environments[interpreter.tag])
        failed |= built == "FAILED"
        wheel = wheels[interpreter.tag]
        rows.append([wheel.name, f"{wheel.stat().st_size:,}", built])
    show(rows)
    return int(failed)


def selected(name: str, words: list[str], pattern: str) -> bool:
    """Tell whether the words, those of this kind alone, name it; without any of this kind, all are named."""
    named = [word for word in words if re.fullmatch(pattern, word)]
    return not named or name in named


if __name__ == "__main__":
    sys.exit(main())
