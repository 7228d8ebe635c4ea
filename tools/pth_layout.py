"""Lay the package out so that it shares no file with PyZMQ, and `import zmq` finds ours: the commands of setup.py.

Installed, `zmq` is in a folder of its own, `_greenzmq`, and `greenzmq.pth` puts that before site-packages when Python
starts. In an editable installation that folder is the one with setup.py.
"""

from __future__ import annotations

import base64
import hashlib
import os
import zipfile
from pathlib import Path

from setuptools.command.build import build
from setuptools.command.build_ext import build_ext
from setuptools.command.build_py import build_py
from setuptools.command.editable_wheel import editable_wheel

ROOT = Path(__file__).resolve().parents[1]
#: The folder of site-packages that has `zmq`.
FOLDER = "_greenzmq"
README = "greenzmq's zmq. greenzmq.pth puts this folder before site-packages, and so before PyZMQ's zmq.\n"


def start_files(path: str, is_last: str) -> dict[str, str]:
    """Return what makes Python look into a folder before site-packages, as names and contents of files there.

    `path` is the folder, absolute or below site-packages, for those who only read paths, such as type checkers.
    `is_last` is the condition that it is at the end of sys.path.

    That is where Python puts it, unless it is elsewhere on the path already. The second line, which has `sitedir` from
    the `site` module, moves it before site-packages. It is short because every start of Python compiles it, which is
    most of what all this costs. From Python 3.15 on the function that the .start file names does the same (PEP 829).
    """
    move = f"import sys; {is_last} and sys.path.insert(sys.path.index(sitedir), sys.path.pop())"
    return {"greenzmq.pth": f"{path}\n{move}\n", "greenzmq.start": "greenzmq:_move_before_site_packages\n"}


class Build(build):
    """Build what is in a wheel, and nothing that another build left there."""

    sub_commands = [*build.sub_commands, ("build_start", None)]  # noqa: RUF012

    def run(self) -> None:
        super().run()
        commands = [self.get_finalized_command(name) for name in self.get_sub_commands()]
        if any(getattr(command, "editable_mode", False) for command in commands):
            return
        built = {os.path.abspath(path) for command in commands for path in command.get_outputs()}
        for folder, _, names in os.walk(os.path.abspath(self.build_lib)):
            for path in (os.path.join(folder, name) for name in names):
                if path not in built:
                    os.unlink(path)


class BuildPy(build_py):
    """Copy `zmq`."""

    def finalize_options(self) -> None:
        super().finalize_options()
        self.packages = [name for name in self.packages if name != "greenzmq"]
        self.build_lib = os.path.join(self.build_lib, FOLDER)


class BuildExt(build_ext):
    """Compile `zmq.core`."""

    def finalize_options(self) -> None:
        super().finalize_options()
        self.build_lib = os.path.join(self.build_lib, FOLDER)


class BuildStart(build_py):
    """Copy the package `greenzmq`, and write the files that put `zmq` first."""

    def finalize_options(self) -> None:
        super().finalize_options()
        self.packages = ["greenzmq"]

    def run(self) -> None:
        super().run()
        for name, content in self.written().items():
            path = Path(self.build_lib, name)
            self.mkpath(str(path.parent))
            path.write_text(content)

    def get_outputs(self, include_bytecode: bool = True) -> list[str]:
        return [
            *super().get_outputs(include_bytecode),
            *(os.path.join(self.build_lib, name) for name in self.written()),
        ]

    def written(self) -> dict[str, str]:
        if self.editable_mode:
            return {}
        # pip leaves a folder behind that has no file of its own.
        return {**start_files(FOLDER, f"{FOLDER!r} in sys.path[-1]"), f"{FOLDER}/README.txt": README}


class EditableWheel(editable_wheel):
    """Make a wheel that puts this folder before site-packages.

    What setuptools puts into it finds `zmq` behind site-packages, and type checkers do not understand it.
    """

    def run(self) -> None:
        super().run()
        wheel = max(Path(self.dist_dir).glob("*.whl"), key=lambda path: path.stat().st_mtime_ns)
        with zipfile.ZipFile(wheel) as archive:
            files = {name: archive.read(name) for name in archive.namelist()}
        files = {name: content for name, content in files.items() if not name.startswith("__editable__")}
        # Before Python 3.13 .pth files are read in the locale's encoding.
        for name, content in start_files(str(ROOT), f"sys.path[-1] == {str(ROOT)!a}").items():
            files[name] = os.fsencode(content)
        (record,) = (name for name in files if name.endswith(".dist-info/RECORD"))
        del files[record]
        lines = [f"{name},{digest(content)},{len(content)}" for name, content in files.items()]
        files[record] = "\n".join([*lines, f"{record},,", ""]).encode()
        with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in files.items():
                archive.writestr(name, content)


def digest(content: bytes) -> str:
    """Return the hash of a file as a wheel's RECORD has it."""
    return "sha256=" + base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()


#: What setup.py is told to do, and which class does it.
COMMANDS = {
    "build": Build,
    "build_ext": BuildExt,
    "build_py": BuildPy,
    "build_start": BuildStart,
    "editable_wheel": EditableWheel,
}
