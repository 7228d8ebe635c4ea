"""setup.py on a small tree: what was built of another libzmq, or in another way, is not taken for what is asked for."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from support import ROOT

pytestmark = pytest.mark.timeout(180)

COPIED = ("setup.py", "pyproject.toml", "README.md", "LICENSE", "tools/pth_layout.py", "zmq/core/_modules.pyx")
#: What would be another configuration.
VARIABLES = ("CFLAGS", "LDFLAGS", "ZMQ_BUNDLE", "ZMQ_DRAFT_API", "ZMQ_PREFIX")


RUN = "import runpy, sys; sys.argv[0] = 'setup.py'; runpy.run_path('setup.py', run_name='__main__')"


class Tree:
    """One module, two libzmq in folders of their own, and the project's own setup.py."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in COPIED:
            self.write(name, (ROOT / name).read_text())
        for name in ("zmq/__init__.py", "zmq/core/__init__.py", "greenzmq/__init__.py", "empty.c"):
            self.write(name, "")
        self.write("zmq/core/version.pyx", 'GREENZMQ = "0.0.1"\n')
        for name in "ab":
            self.write(f"{name}/include/zmq.h", f"/* {name} */\n")
            self.write(f"{name}/lib/libzmq.so", "INPUT(libzmq-greenzmq.so.5)\n")
            self.write(f"{name}/licenses/README.txt", name)
            self.make_libzmq(name)

    def write(self, name: str, text: str) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def make_libzmq(self, name: str) -> None:
        library = self.folder / name / "lib" / "libzmq-greenzmq.so.5"
        soname = f"-Wl,-soname,{library.name}"
        source = self.folder / "empty.c"
        subprocess.run(["cc", "-shared", "-fPIC", soname, "-o", library, source], check=True, timeout=60)

    def run(self, prefix: str, *command: str, before: str = "", **variables: str) -> None:
        """Run setup.py with the libzmq of a folder, and a statement before it."""
        environment = {name: value for name, value in os.environ.items() if name not in VARIABLES}
        done = subprocess.run(
            [sys.executable, "-c", f"{before}\n{RUN}", *command],
            cwd=self.folder,
            env={**environment, "ZMQ_PREFIX": str(self.folder / prefix), **variables},
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, done.stdout + done.stderr

    def built(self, pattern: str) -> Path:
        (found,) = self.folder.glob(f"build/lib*/_greenzmq/zmq/{pattern}")
        return found

    def build(self, prefix: str, **variables: str) -> tuple[set[str], int]:
        """Build the library; return where it looks for others, and when it was made."""
        self.run(prefix, "build_ext", **variables)
        path = self.built("core/_modules*.so")
        folders = {f"{self.folder}/{name}/lib" for name in "ab"} | {"/nowhere"}
        content = path.read_bytes()
        found = {Path(folder).parent.name or folder for folder in folders if folder.encode() in content}
        return found, path.stat().st_mtime_ns


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    pytest.importorskip("setuptools")
    pytest.importorskip("Cython")
    if shutil.which("cc") is None:
        pytest.skip("there is no C compiler")
    return Tree(tmp_path)


def test_the_library_is_linked_as_it_is_asked_for(tree: Tree) -> None:
    """Also where the object files of that are older than the library, which is linked in another way."""
    for prefix in "aba":
        found, made = tree.build(prefix)
        assert found == {prefix}
    # Nothing has changed.
    assert tree.build("a") == ({"a"}, made)
    # What only the linker is told.
    assert tree.build("a", LDFLAGS="-Wl,-rpath,/nowhere")[0] == {"a", "/nowhere"}
    found, made = tree.build("a")
    assert found == {"a"}
    # Its name may be another one now.
    tree.make_libzmq("a")
    found, again = tree.build("a")
    assert found == {"a"} and again > made


def test_a_library_that_another_command_has_linked_is_not_taken_for_ones_own(tree: Tree) -> None:
    """An installation in place has a folder of its own for object files, but not for the library."""
    assert tree.build("a")[0] == {"a"}
    tree.run("b", "build_ext", "--inplace")
    assert tree.build("a")[0] == {"a"}


def test_object_files_are_of_the_python_that_they_were_compiled_for(tree: Tree) -> None:
    """Two Pythons may call their compiler in the same way, and share a folder where they build in place."""
    other = """if True:
        import sysconfig
        def get_path(name, *args, get_path=sysconfig.get_path, **kwargs):
            return "/another/include" if name == "include" else get_path(name, *args, **kwargs)
        sysconfig.get_path = get_path
    """
    counts = []
    for before in ("", "", other):
        tree.run("a", "build_ext", "--inplace", before=before)
        counts.append(len(list(tree.folder.glob("build/modules/*/zmq/core/_modules.o"))))
    assert counts == [1, 1, 2]


def test_the_libzmq_of_a_wheel_is_the_one_of_its_prefix(tree: Tree) -> None:
    """Also where that of another one was newer."""
    for name, seconds in {"a": 2000, "b": 1000}.items():
        for path in (tree.folder / name).rglob("*.*"):
            os.utime(path, (seconds, seconds))
    for name in "ab":
        tree.run(name, "build_py", ZMQ_BUNDLE="1")
        assert tree.built("include/zmq.h").read_text() == f"/* {name} */\n"
        assert tree.built("licenses/README.txt").read_text() == name
