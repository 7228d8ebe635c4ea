"""Build the extension modules, with the system's libzmq or with one that goes into the wheel.

Where the package is put, and how `import zmq` finds it, is tools/pth_layout.py's. Everything else about the package
is in pyproject.toml.
"""

from __future__ import annotations

import hashlib
import logging
import os
import re
import shlex
import subprocess
import sys
import sysconfig
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from setuptools import Extension, setup
from setuptools.modified import newer_group

ROOT = Path(__file__).resolve().parent
sys.path.insert(0, str(ROOT / "tools"))
import pth_layout  # noqa: E402

#: The library that all modules are in.
LIBRARY = "zmq.core._modules"
#: The folders of ZMQ_PREFIX that ZMQ_BUNDLE puts into it.
BUNDLED = ("lib", "include", "licenses")

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


class Library(Extension):
    """Extension modules in one file. Each is compiled in its own way, and found by its own name (`zmq.core`)."""

    def __init__(self, parts: list[Extension]) -> None:
        first = parts[0]
        libzmq = {name: getattr(first, name) for name in ("library_dirs", "libraries", "runtime_library_dirs")}
        super().__init__(LIBRARY, [], extra_link_args=first.extra_link_args, **libzmq)
        self.parts = parts


def extensions() -> list[Extension]:
    """Return one extension for each .pyx file of zmq.core."""
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
    paths = {".".join(path.with_suffix("").parts): path for path in sorted(Path("zmq/core").rglob("*.pyx"))}
    # The last part of a name is what the loader looks for in the library.
    if len({path.stem for path in paths.values()}) < len(paths):
        sys.exit("Two modules of zmq.core have the same name, if in different folders.")
    return [
        Extension(
            name,
            [str(path)],
            depends=headers,
            extra_compile_args=["-std=c11", "-D_GNU_SOURCE", "-pthread", *speed(), *more],
            # Types that can be changed at run time, as PyZMQ's can: programs and their tests patch methods.
            define_macros=[
                ("CYTHON_USE_TYPE_SPECS", "1"),
                ("GREENZMQ_INCLUDE_DIRS", f'"{includes}"'),
                ("GREENZMQ_LIBRARY_DIRS", f'"{libraries}"'),
                *([("GREENZMQ_MODULES", f'"{",".join(paths)}"')] if name == LIBRARY else []),
            ],
            extra_link_args=["-pthread", *(["-Wl,-rpath,$ORIGIN/../lib"] if inside else [])],
            **libzmq,
        )
        for name, path in paths.items()
    ]


def speed() -> list[str]:
    """Return how the compiler optimizes."""
    # A build for a debugger or a sanitizer says so in CFLAGS, which come before these and would lose.
    if re.search(r"-O[01g]\b", os.environ.get("CFLAGS", "")):
        return []
    if not bundle():
        return ["-O3"]
    # Wheels are to be small. Nothing is thrown through C; who looks at a core dump of it needs a build with debugging
    # information anyway. And a wheel is compressed better than Cython would compress strings.
    return ["-O2", "-fno-asynchronous-unwind-tables", "-fno-ident", "-DCYTHON_COMPRESS_STRINGS=0"]


CIMPORT = re.compile(r"^[ \t]*from (zmq[\w.]*) cimport ([\w, ]*)", re.MULTILINE)


def cimported(path: Path, found: set[Path]) -> set[Path]:
    """Return the .pxd files of ours that a file depends on, in `found`, which has those seen already."""
    for package, names in CIMPORT.findall(path.read_text()):
        for module in (package, *(f"{package}.{name.split(' ')[0]}" for name in names.split(", "))):
            pxd = Path(module.replace(".", "/") + ".pxd")
            if pxd not in found and pxd.is_file():
                found.add(pxd)
                cimported(pxd, found)
    return found


def cythonized() -> list[Library]:
    from Cython.Build import cythonize

    # Cython overlooks that a module depends on another one where that is cimported from its package by name.
    for path in Path("zmq/core").rglob("*.pyx"):
        made = path.with_suffix(".c")
        if made.is_file() and any(pxd.stat().st_mtime > made.stat().st_mtime for pxd in cimported(path, set())):
            made.unlink()
    parts = cythonize(
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
    return [Library(parts)]


def digest(text: str) -> str:
    return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()[:12]


class BuildPy(pth_layout.BuildPy):
    """Copy `zmq`, and the libzmq of a bundle."""

    def run(self) -> None:
        super().run()
        if self.editable_mode and bundle():
            sys.exit(NO_BUNDLE.format(why="An editable installation is none."))
        for target, source in self.bundled().items():
            self.mkpath(os.path.dirname(target))
            # It may be of another libzmq, and newer.
            Path(target).unlink(missing_ok=True)
            self.copy_file(str(source), target)

    def get_outputs(self, include_bytecode: bool = True) -> list[str]:
        return [*super().get_outputs(include_bytecode), *self.bundled()]

    def find_data_files(self, package: str, src_dir: str) -> list[str]:
        found = super().find_data_files(package, src_dir)
        # Where libzmq is inside, too, the sources of what is compiled are left out: they only show in tracebacks.
        return [path for path in found if not (bundle() and path.endswith((".pyx", ".pxi")))]

    def bundled(self) -> dict[str, Path]:
        return {os.path.join(self.build_lib, "zmq", name): path for name, path in bundle().items()}


class BuildExt(pth_layout.BuildExt):
    """Compile `zmq.core`, one module on each processor, and link what has changed and what has not."""

    def finalize_options(self) -> None:
        super().finalize_options()
        if self.inplace or self.editable_mode:
            # Where pip has a folder that it throws away.
            self.build_temp = str(ROOT / "build" / "modules")

    def build_extension(self, library: Library) -> None:
        with ThreadPoolExecutor(self.parallel or os.cpu_count()) as pool:
            compiled = [pool.submit(self.compile, part) for part in library.parts]
            try:
                library.extra_objects = [each.result() for each in compiled]
            except Exception:
                pool.shutdown(cancel_futures=True)
                raise
        library.depends = library.extra_objects
        path = self.get_ext_fullpath(library.name)
        stamp = Path(self.build_temp, f"{os.path.basename(path)}.linked")
        try:
            as_before = stamp.read_text() == self.linked(library, path)
        except FileNotFoundError:
            as_before = False
        if not as_before:
            # Its object files may be older than the library, which is that of another configuration.
            self.force = self.compiler.force = True
        stamp.unlink(missing_ok=True)
        super().build_extension(library)
        stamp.write_text(self.linked(library, path))

    def linked(self, library: Library, path: str) -> str:
        """Return what tells whether the library that is there was linked as this one is to be."""
        names = ("library_dirs", "libraries", "runtime_library_dirs")
        said = [getattr(each, name) for each in (self.compiler, library) for name in names]
        said += [self.compiler.linker_so, library.extra_objects, library.extra_link_args, self.debug]
        libzmq = [file for folder in library.library_dirs for file in sorted(Path(folder).glob("libzmq*"))]
        states = [(file.stat().st_mtime_ns, file.stat().st_size) for file in (Path(path), *libzmq) if file.is_file()]
        return digest(repr((said, states)))

    def compile(self, part: Extension) -> str:
        """Compile a module, unless that was done in the same way since it changed, and return its object file."""
        macros, options = part.define_macros, part.extra_compile_args
        python = sysconfig.get_path("include")
        said = repr((self.compiler.compiler_so, python, macros, sorted(part.include_dirs), options, self.debug))
        folder = os.path.join(self.build_temp, digest(said))
        (made,) = self.compiler.object_filenames(part.sources, output_dir=folder)
        if self.force or newer_group([*part.sources, *part.depends], made):
            logging.info("compiling %s", part.name)
            self.compiler.compile(
                part.sources, folder, macros, part.include_dirs, self.debug, [], options, part.depends
            )
        return made


needs_build = not {"egg_info", "dist_info", "sdist", "--version", "--name"} & set(sys.argv)
# In an editable installation this folder is on the path, where what a build leaves would look like another version.
(ROOT / "build").mkdir(exist_ok=True)
setup(
    version=version(),
    options={"egg_info": {"egg_base": "build"}},
    ext_modules=cythonized() if needs_build else [],
    cmdclass={**pth_layout.COMMANDS, "build_ext": BuildExt, "build_py": BuildPy},
)
