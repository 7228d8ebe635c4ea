"""`zmq_toy`: the two files of toy's adapter, and what `tools/generate_frameworks.py` writes from toy's row."""

from __future__ import annotations

import atexit
import importlib
import os
import shutil
import sys
import tempfile
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "tools"))

import generate_frameworks  # noqa: E402

ROW = generate_frameworks.Framework(package="zmq_toy", name="toy", task="toy.Task", patch="toy.patch()")

#: Where the package is, for programs that a test runs.
VARIABLE = "ZMQ_TOY"


def write() -> str:
    """Write the package into a folder that is removed when this process ends."""
    folder = tempfile.mkdtemp(prefix="zmq_toy-")
    owner = os.getpid()
    atexit.register(lambda: os.getpid() == owner and shutil.rmtree(folder, ignore_errors=True))
    shutil.copytree(Path(__file__).parent / "zmq_toy", Path(folder) / "zmq_toy", ignore=shutil.ignore_patterns("__*"))
    generate_frameworks.write(ROW, Path(folder))
    return folder


def package() -> ModuleType:
    """Return `zmq_toy`; it is written once, also for the programs that a test runs."""
    if "zmq_toy" not in sys.modules:
        if VARIABLE not in os.environ:
            os.environ[VARIABLE] = write()
        sys.path.append(os.environ[VARIABLE])
    return importlib.import_module("zmq_toy")
