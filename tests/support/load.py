"""Processes that compute, so that what is tested has less of the processors."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator


@contextlib.contextmanager
def computing(count: int) -> Iterator[None]:
    """Have so many processes compute meanwhile. They end with this process, however that ends."""
    compute = f"import os\nwhile os.getppid() == {os.getpid()}: sum(range(10000))"
    with contextlib.ExitStack() as stack:
        for _ in range(count):
            process = stack.enter_context(subprocess.Popen([sys.executable, "-S", "-c", compute]))
            stack.callback(process.kill)
        yield
