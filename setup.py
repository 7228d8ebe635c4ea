"""Build the extension modules. Everything else about the package is in pyproject.toml."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

from setuptools import Extension, setup

MISSING = """
greenzmq needs libzmq 4.2 or newer with its headers, and did not find it{where}.
Install it:
    Debian, Ubuntu:  apt-get install libzmq3-dev
    Fedora, RHEL:    dnf install zeromq-devel
    macOS:           brew install zeromq
or set ZMQ_PREFIX to a folder with include/zmq.h and lib/libzmq.so.
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
        return {
            "include_dirs": [str(root / "include")],
            "library_dirs": folders,
            "runtime_library_dirs": folders,
            "libraries": ["zmq"],
        }
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


def extensions() -> list[Extension]:
    """Return one extension module for each .pyx file of zmq.core."""
    libzmq = find_libzmq()
    more = libzmq.pop("extra_compile_args", [])
    # A libzmq with its draft API says so through pkg-config; for one in ZMQ_PREFIX the user does.
    if os.environ.get("ZMQ_DRAFT_API", "0") not in ("", "0"):
        more = [*more, "-DZMQ_BUILD_DRAFT_API=1"]
    folders = os.pathsep.join(libzmq["include_dirs"])
    libzmq["include_dirs"] = [*libzmq["include_dirs"], "zmq/core"]
    headers = sorted(str(path) for path in Path("zmq/core").glob("*.h"))
    return [
        Extension(
            ".".join(path.with_suffix("").parts),
            [str(path)],
            depends=headers,
            extra_compile_args=["-O3", "-std=c11", "-D_GNU_SOURCE", "-pthread", *more],
            # Types that can be changed at run time, as PyZMQ's can: programs and their tests patch methods.
            define_macros=[("CYTHON_USE_TYPE_SPECS", "1"), ("GREENZMQ_INCLUDE_DIRS", f'"{folders}"')],
            extra_link_args=["-pthread"],
            **libzmq,
        )
        for path in sorted(Path("zmq/core").glob("*.pyx"))
    ]


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


needs_build = not {"egg_info", "dist_info", "sdist", "--version", "--name"} & set(sys.argv)
setup(ext_modules=cythonized() if needs_build else [])
