"""What ``make wheel`` is made of, as far as it needs no other Debian: the layout, the process id, the training.

``make wheel`` itself builds the wheels and tries them where there is nothing else.
"""

from __future__ import annotations

import importlib.util
import os
import shlex
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from support import ROOT

LIBZMQ = ROOT / "tools" / "libzmq"
HOME = "_greenzmq/zmq"
#: What check() asks for.
NAMES = (
    f"{HOME}/__init__.py",
    f"{HOME}/include/zmq.h",
    f"{HOME}/lib/libzmq.so",
    f"{HOME}/lib/libzmq-greenzmq.so.5",
    f"{HOME}/licenses/README.txt",
    f"{HOME}/licenses/libsodium.txt",
    "greenzmq.pth",
)

Compile = Callable[..., Path]


@pytest.fixture(scope="module")
def wheels() -> ModuleType:
    spec = importlib.util.spec_from_file_location("wheels", ROOT / "tools" / "wheels.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["wheels"] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def compile(tmp_path: Path) -> Compile:
    """Compile C files to a program."""
    compiler = shutil.which("gcc")
    if compiler is None:
        pytest.skip("there is no gcc")

    def made(*files: Path, flags: tuple[str, ...] = ()) -> Path:
        program = tmp_path / files[0].stem
        command = [compiler, "-O1", "-Wall", "-Wextra", "-Werror", "-pthread", *map(str, files), "-o", str(program)]
        done = subprocess.run([*command, *flags], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return program

    return made


def archive(path: Path, names: tuple[str, ...], size: int = 0, **more: bytes) -> Path:
    """Make a wheel of empty files, but for a library of so many bytes and the modules in `more`."""
    with zipfile.ZipFile(path, "w") as file:
        for name in names:
            file.writestr(name, os.urandom(size) if name.endswith(".so.5") else b"")
        for name, content in more.items():
            file.writestr(f"{HOME}/core/{name}.so", content)
    return path


def test_a_wheel_that_has_what_it_has_to_have(wheels: ModuleType, tmp_path: Path) -> None:
    wheels.check(archive(tmp_path / "good.whl", NAMES))


@pytest.mark.parametrize("name", [name for name in NAMES if not name.endswith("__init__.py")])
def test_a_wheel_that_lacks_something(wheels: ModuleType, tmp_path: Path, name: str) -> None:
    with pytest.raises(wheels.Wrong, match=name.rpartition("/")[2]):
        wheels.check(archive(tmp_path / "lacks.whl", tuple(each for each in NAMES if each != name)))


@pytest.mark.parametrize("name", [f"{HOME}/lib/libzmq.so.5", "greenzmq.libs/libzmq-0a1b.so.5", "zmq/__init__.py"])
def test_a_wheel_that_has_too_much(wheels: ModuleType, tmp_path: Path, name: str) -> None:
    with pytest.raises(wheels.Wrong, match=name):
        wheels.check(archive(tmp_path / "more.whl", (*NAMES, name)))


def test_a_wheel_that_is_too_large(wheels: ModuleType, tmp_path: Path) -> None:
    with pytest.raises(wheels.Wrong, match="bytes, more than"):
        wheels.check(archive(tmp_path / "large.whl", NAMES, size=wheels.MOST))


@pytest.mark.parametrize("path", [b"/opt/python/lib:$ORIGIN/../lib", b"$ORIGIN/../lib:/opt/python/lib"])
def test_a_wheel_that_looks_for_libraries_elsewhere(wheels: ModuleType, tmp_path: Path, path: bytes) -> None:
    wheels.check(archive(tmp_path / "good.whl", NAMES, socket=b"\x7fELF\0$ORIGIN/../lib\0zmq_close\0"))
    with pytest.raises(wheels.Wrong, match=r"socket\.so.*/opt/python/lib"):
        wheels.check(archive(tmp_path / "elsewhere.whl", NAMES, socket=b"\x7fELF\0" + path + b"\0zmq_close\0"))


def test_words_select_within_their_kind(wheels: ModuleType) -> None:
    kinds = r"cp\d+"
    assert wheels.selected("cp311", [], kinds)
    assert wheels.selected("cp311", ["trixie"], kinds)
    assert wheels.selected("cp311", ["cp311", "cp312"], kinds)
    assert not wheels.selected("cp311", ["cp312", "trixie"], kinds)


@pytest.mark.parametrize(
    "prefix, reason",
    [(None, "ZMQ_PREFIX is not set"), ("libzmq.so.5.2.4", "has none that tools/libzmq.sh has built")],
)
def test_only_a_libzmq_of_its_own_name_goes_into_a_wheel(tmp_path: Path, prefix: str | None, reason: str) -> None:
    """Any other would be taken for the system's, or the system's for it."""
    environment = {**os.environ, "ZMQ_BUNDLE": "1"}
    environment.pop("ZMQ_PREFIX", None)
    if prefix:
        for name in ("include/zmq.h", f"lib/{prefix}", "lib/libzmq.so"):
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).write_bytes(b"\x7fELF")
        environment["ZMQ_PREFIX"] = str(tmp_path)
    command = [sys.executable, "setup.py", "-q", "build_py", "--build-lib", str(tmp_path / "built")]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode != 0
    assert reason in done.stderr
    assert not (tmp_path / "built").exists()


PROCESS_IDS = """
    #include <sys/wait.h>
    #include <unistd.h>

    pid_t zmq_process_id(void);

    /* Whether the id is right here and in so many generations after this. */
    static int right(int generations)
    {
        int status = 1;
        pid_t child;
        if (zmq_process_id() != getpid())
            return 0;
        if (generations == 0)
            return 1;
        child = fork();
        if (child == 0)
            _exit(!right(generations - 1));
        return waitpid(child, &status, 0) == child && status == 0 && zmq_process_id() == getpid();
    }

    int main(void)
    {
        return !(right(2) && right(1));
    }
"""


def test_the_process_id_is_that_of_the_process(compile: Compile, tmp_path: Path) -> None:
    """libzmq notices by it that it is in a child."""
    source = tmp_path / "process_ids.c"
    source.write_text(PROCESS_IDS)
    assert subprocess.run([compile(source, LIBZMQ / "process_id.c")], timeout=60).returncode == 0


def test_the_process_id_is_asked_for_once(compile: Compile, tmp_path: Path) -> None:
    (tmp_path / "counted.c").write_text("""
        #include <stdio.h>
        #include <unistd.h>

        static int asked;

        pid_t counted(void)
        {
            asked++;
            return getpid();
        }

        pid_t zmq_process_id(void);

        int main(void)
        {
            for (int i = 0; i < 1000; i++)
                zmq_process_id();
            printf("%d", asked);
            return 0;
        }
    """)
    (tmp_path / "process_id.c").write_text(
        '#include <unistd.h>\npid_t counted(void);\n#define getpid counted\n#include "' + f'{LIBZMQ}/process_id.c"\n'
    )
    program = compile(tmp_path / "counted.c", tmp_path / "process_id.c")
    assert subprocess.run([program], capture_output=True, timeout=60).stdout == b"1"


def test_everything_that_libzmq_is_trained_with_runs(compile: Compile) -> None:
    prefix = os.environ.get("ZMQ_PREFIX")
    flags = (f"-I{prefix}/include", f"-L{prefix}/lib", f"-Wl,-rpath,{prefix}/lib", "-lzmq") if prefix else ("-lzmq",)
    if not prefix:
        found = subprocess.run(["pkg-config", "--cflags", "--libs", "libzmq"], capture_output=True, text=True)
        flags = tuple(shlex.split(found.stdout)) or flags
    program = compile(LIBZMQ / "train.c", flags=flags)
    names = subprocess.run([program, "names"], capture_output=True, text=True, timeout=60).stdout.split()
    assert {"inproc-push-pull", "tcp-req-rep", "ipc-pub-sub", "tcp-curve"} < set(names)
    for name in names:
        done = subprocess.run([program, name, "3"], capture_output=True, text=True, timeout=60)
        assert (name, done.returncode, done.stderr) == (name, 0, "")
    assert subprocess.run([program, "inproc-nothing", "3"], capture_output=True, timeout=60).returncode == 2
