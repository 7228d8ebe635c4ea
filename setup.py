"""Build the extension modules, and lay the package out so that it shares no file with PyZMQ.

Installed, `zmq` is in a folder of its own, `_greenzmq`, and `greenzmq.pth` puts that before site-packages when Python
starts. In an editable installation that folder is this one. Everything else about the package is in pyproject.toml.
"""

from __future__ import annotations

import base64
import hashlib
import os
import re
import shlex
import subprocess
import sys
import zipfile
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build import build
from setuptools.command.build_ext import build_ext
from setuptools.command.build_py import build_py
from setuptools.command.editable_wheel import editable_wheel

ROOT = Path(__file__).resolve().parent
#: The folder of site-packages that has `zmq`.
FOLDER = "_greenzmq"
#: What no message passes through is compiled to be small where libzmq is inside: else this would be a third of a wheel.
SELDOM = {
    *("capabilities", "context", "curve", "device", "includes", "native_threads", "version"),
    *(
        "contexts/making",
        "contexts/members",
        "contexts/termination",
        "relays/running",
        "waiting/forks",
        "waiting/pipes",
    ),
    "inspection/dump_signal",
    *("sockets/endpoints", "sockets/label", "sockets/life", "sockets/methods", "sockets/monitors"),
    *("sockets/option_access", "sockets/option_attributes", "sockets/option_types"),
}
#: The folders of ZMQ_PREFIX that ZMQ_BUNDLE puts into it.
BUNDLED = ("lib", "include", "licenses")
README = "greenzmq's zmq. greenzmq.pth puts this folder before site-packages, and so before PyZMQ's zmq.\n"

MISSING = """
greenzmq needs libzmq 4.2 or newer with its headers, and did not find it{where}.
Install it:
    Debian, Ubuntu:  apt-get install libzmq3-dev
    Fedora, RHEL:    dnf install zeromq-devel
    macOS:           brew install zeromq
or set ZMQ_PREFIX to a folder with include/zmq.h and lib/libzmq.so.
"""
NO_BUNDLE = """
ZMQ_BUNDLE puts the libzmq of ZMQ_PREFIX into a wheel. {why}
"""


def find_libzmq() -> dict[str, list[str]]:
    """Return the arguments of an Extension that find libzmq, or stop with a message for a person."""
    prefix = os.environ.get("ZMQ_PREFIX")
    if prefix:
        root = Path(prefix).expanduser().resolve()
        libraries = [folder for folder in (root / "lib", root / "lib64") if any(folder.glob("libzmq.*"))]
        if not (root / "include" / "zmq.h").is_file() or not libraries:
            sys.exit(MISSING.format(where=f" in ZMQ_PREFIX={prefix}"))
        folders = [str(folder) for folder in libraries]
        found = {"include_dirs": [str(root / "include")], "library_dirs": folders, "libraries": ["zmq"]}
        return found if bundle() else found | {"runtime_library_dirs": folders}
    pkg_config = shlex.split(os.environ.get("PKG_CONFIG", "pkg-config"))
    try:
        found = subprocess.run([*pkg_config, "--cflags", "--libs", "libzmq >= 4.2"], capture_output=True, text=True)
        flags = shlex.split(found.stdout) if found.returncode == 0 else None
    except OSError:
        flags = None
    if flags is not None:
        return {
            "include_dirs": [flag[2:] for flag in flags if flag.startswith("-I")],
            "library_dirs": [flag[2:] for flag in flags if flag.startswith("-L")],
            "libraries": [flag[2:] for flag in flags if flag.startswith("-l")],
            "extra_compile_args": [flag for flag in flags if flag.startswith("-D")],
        }
    # Without pkg-config the compiler's own folders may have it.
    for folder in ("/usr/include", "/usr/local/include", "/opt/homebrew/include"):
        if (Path(folder) / "zmq.h").is_file():
            return {
                "include_dirs": [folder],
                "library_dirs": [str(Path(folder).parent / "lib")],
                "libraries": ["zmq"],
            }
    sys.exit(MISSING.format(where=" with pkg-config"))


def bundle() -> dict[str, Path]:
    """Return the files that ZMQ_BUNDLE puts into the package, with their names there, or stop with a message.

    Only a libzmq as tools/libzmq.sh makes it will do: lib/libzmq.so is a script for linkers that names the library,
    and the library has a name that no other in the process has. Extension modules look for it beside them.
    """
    if os.environ.get("ZMQ_BUNDLE", "0") in ("", "0"):
        return {}
    root = Path(os.environ.get("ZMQ_PREFIX") or sys.exit(NO_BUNDLE.format(why="ZMQ_PREFIX is not set.")))
    root = root.expanduser().resolve()
    if not root.joinpath("lib/libzmq.so").read_bytes().startswith(b"INPUT("):
        sys.exit(NO_BUNDLE.format(why=f"{root} has none that tools/libzmq.sh has built."))
    files = [path for name in BUNDLED for path in sorted(root.joinpath(name).iterdir())]
    return {str(path.relative_to(root)): path for path in files}


def version() -> str:
    """Return our version, which is said in version.pyx alone."""
    (found,) = re.findall(r'^GREENZMQ = "(.*)"$', Path(ROOT, "zmq/core/version.pyx").read_text(), re.MULTILINE)
    return found


def extensions() -> list[Extension]:
    """Return one extension module for each .pyx file of zmq.core."""
    libzmq = find_libzmq()
    more = libzmq.pop("extra_compile_args", [])
    # A libzmq with its draft API says so through pkg-config; for one in ZMQ_PREFIX the user does.
    if os.environ.get("ZMQ_DRAFT_API", "0") not in ("", "0"):
        more = [*more, "-DZMQ_BUILD_DRAFT_API=1"]
    headers = sorted(str(path) for path in Path("zmq/core").rglob("*.h"))
    # What zmq.get_includes and zmq.get_library_dirs return, below the package if not absolute.
    inside = bundle()
    headers += [str(path) for name, path in inside.items() if name.startswith("include/")]
    includes = os.pathsep.join(["include"] if inside else libzmq["include_dirs"])
    libraries = os.pathsep.join(["lib"] if inside else libzmq["library_dirs"])
    libzmq["include_dirs"] = [*libzmq["include_dirs"], "zmq/core"]
    return [
        Extension(
            ".".join(path.with_suffix("").parts),
            [str(path)],
            depends=headers,
            extra_compile_args=["-std=c11", "-D_GNU_SOURCE", "-pthread", *speed(path), *more],
            # Types that can be changed at run time, as PyZMQ's can: programs and their tests patch methods.
            define_macros=[
                ("CYTHON_USE_TYPE_SPECS", "1"),
                ("GREENZMQ_INCLUDE_DIRS", f'"{includes}"'),
                ("GREENZMQ_LIBRARY_DIRS", f'"{libraries}"'),
            ],
            extra_link_args=["-pthread", *([f"-Wl,-rpath,{beside(path)}"] if inside else [])],
            **libzmq,
        )
        for path in sorted(Path("zmq/core").rglob("*.pyx"))
    ]


def speed(path: Path) -> list[str]:
    """Return how the compiler optimizes a module."""
    # A build for a debugger or a sanitizer says so in CFLAGS, which come before these and would lose.
    if re.search(r"-O[01g]\b", os.environ.get("CFLAGS", "")):
        return []
    if not bundle():
        return ["-O3"]
    seldom = path.relative_to("zmq/core").with_suffix("").as_posix() in SELDOM
    # Nothing is thrown through C; who looks at a core dump of it needs a build with debugging information anyway.
    return ["-Os" if seldom else "-O2", "-fno-asynchronous-unwind-tables"]


def beside(path: Path) -> str:
    """Return where an extension module finds the libraries of a bundle, for the dynamic loader."""
    return "/".join(["$ORIGIN", *[".."] * (len(path.parts) - 2), "lib"])


def cythonized() -> list[Extension]:
    from Cython.Build import cythonize

    return cythonize(
        extensions(),
        annotate=bool(os.environ.get("ANNOTATE")),
        nthreads=0,
        language_level=3,
        compiler_directives={
            "boundscheck": False,
            "wraparound": True,
            # Methods are plain ones of C: called faster, and only with an object of their class.
            "binding": False,
            "embedsignature": True,
            "embedsignature.format": "clinic",
            "freethreading_compatible": False,
        },
    )


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
    """Copy `zmq`, and the libzmq of a bundle."""

    def finalize_options(self) -> None:
        super().finalize_options()
        self.packages = [name for name in self.packages if name != "greenzmq"]
        self.build_lib = os.path.join(self.build_lib, FOLDER)

    def run(self) -> None:
        super().run()
        if self.editable_mode and bundle():
            sys.exit(NO_BUNDLE.format(why="An editable installation is none."))
        for target, source in self.bundled().items():
            self.mkpath(os.path.dirname(target))
            self.copy_file(str(source), target)

    def get_outputs(self, include_bytecode: bool = True) -> list[str]:
        return [*super().get_outputs(include_bytecode), *self.bundled()]

    def find_data_files(self, package: str, src_dir: str) -> list[str]:
        found = super().find_data_files(package, src_dir)
        # Where libzmq is inside, too, the sources of what is compiled are left out: they only show in tracebacks.
        return [path for path in found if not (bundle() and path.endswith((".pyx", ".pxi")))]

    def bundled(self) -> dict[str, Path]:
        return {os.path.join(self.build_lib, "zmq", name): path for name, path in bundle().items()}


class BuildExt(build_ext):
    """Compile `zmq.core`, one module on each processor."""

    def finalize_options(self) -> None:
        super().finalize_options()
        if self.parallel is None:
            self.parallel = os.cpu_count()
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


needs_build = not {"egg_info", "dist_info", "sdist", "--version", "--name"} & set(sys.argv)
# In an editable installation this folder is on the path, where what a build leaves would look like another version.
(ROOT / "build").mkdir(exist_ok=True)
setup(
    version=version(),
    options={"egg_info": {"egg_base": "build"}},
    ext_modules=cythonized() if needs_build else [],
    cmdclass={
        "build": Build,
        "build_ext": BuildExt,
        "build_py": BuildPy,
        "build_start": BuildStart,
        "editable_wheel": EditableWheel,
    },
)
