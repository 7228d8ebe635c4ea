"""Programs that a test runs in a process of their own, on any front-end.

For what changes or ends its whole process: forks, signals, limits, crashes. A program is the text of a test's body; it
finds the names `front_end` and `zmq` as a test does, and must come to its end.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from support import TESTS
from support.front_ends import LIMIT, FrontEnd, named
from support.watchdog import limit

#: Seconds after which a program is ended, with a traceback of where it was.
PATIENCE = 2 * LIMIT


def begin(name: str) -> FrontEnd:
    """Return the front-end of this name. The program's own first line calls this."""
    limit(PATIENCE)
    front_end: FrontEnd = named(name)
    return front_end


def behind_others(library: Path) -> str:
    """Return what LD_PRELOAD has to be so that a library is loaded too, behind the runtimes of a sanitizer."""
    return f"{os.environ.get('LD_PRELOAD', '')} {library}".strip()


def before_libzmq(source: Path, folder: Path) -> str:
    """Build C code that stands before libzmq; return what LD_PRELOAD is then. Skips the test where that can't be."""
    if shutil.which("cc") is None or not Path("/proc/self/maps").exists():
        pytest.skip("needs a C compiler and LD_PRELOAD")
    library = folder / source.with_suffix(".so").name
    subprocess.run(["cc", "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True)
    found = re.search(r"(/\S*libzmq\S*\.so\S*)", Path("/proc/self/maps").read_text())
    assert found
    return f"{behind_others(library)} {found[1]}"


def run(front_end: FrontEnd, program: str, *arguments: str, quiet: bool = True) -> str:
    """Run a program; return what it printed.

    It must end with status 0, reach its last line and, where it is `quiet`, write no error.
    """
    lines = [
        f"import sys; sys.path.insert(0, {str(TESTS)!r})",
        f"from support import programs; front_end = programs.begin({front_end.name!r}); zmq = front_end.zmq",
        textwrap.dedent(program),
        "print('the end')",
    ]
    # What is said of forks beside threads, and what gevent on libuv says of how it rounds.
    ignored = ["-W", "ignore:This process", "-W", "ignore:Using fork", "-W", "ignore:libuv only supports"]
    command = [sys.executable, "-W", "error", *ignored, "-c", "\n".join(lines), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE + LIMIT)
    assert done.returncode == 0, f"status {done.returncode}\n{done.stdout}{done.stderr}"
    assert not (quiet and done.stderr), done.stderr
    output, end, rest = done.stdout.rpartition("the end\n")
    assert end and not rest, done.stdout
    return output
