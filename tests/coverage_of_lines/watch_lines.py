"""Which lines of the package's Python code this process runs, told to a file that all processes share.

`coverage_of_lines` puts this into the environment of its copy of the tree, with a .pth file that has every interpreter
import it before anything else. Beside it are `lines.index`, which says where the lines of each file begin, as it is in
the tree and as it is installed, and `lines.seen`, which has one byte for each line. That file is mapped: what a process
has run is there however it ends.

Nothing is imported that an interpreter has not anyway, but for mmap. What is looked for is told once for each line
(``sys.monitoring``), in all threads and greenlets, beside whatever uses ``sys.settrace``.
"""

import mmap
import os
import sys
from types import CodeType

HERE = os.path.dirname(os.path.abspath(__file__))
TOOL = 1  # sys.monitoring.COVERAGE_ID


def offsets() -> "dict[str, int]":
    with open(os.path.join(HERE, "lines.index")) as index:
        pairs = [line.rstrip("\n").rpartition("\t") for line in index]
    return {path: int(offset) for path, _, offset in pairs}


class Begins(dict):
    """Where the lines of each file begin, or None; of one that was installed from the tree, too."""

    def __missing__(self, path: str) -> "int | None":
        _, packages, installed = path.partition("/site-packages/")
        begins = self.get(installed.removeprefix("_greenzmq/")) if packages and "greenzmq/" in installed else None
        self[path] = begins
        return begins


def watch() -> None:
    begins = Begins(offsets())
    with open(os.path.join(HERE, "lines.seen"), "r+b") as file:
        # No descriptor stays, where that can be had: tests count those.
        more = {"trackfd": False} if sys.version_info >= (3, 13) else {}
        seen = mmap.mmap(file.fileno(), 0, **more)
    monitoring = sys.monitoring
    enough, line_events = monitoring.DISABLE, monitoring.events.LINE

    def on_start(code: CodeType, at: int) -> object:
        if begins[code.co_filename] is not None:
            monitoring.set_local_events(TOOL, code, line_events)
        return enough

    def on_line(code: CodeType, line: int) -> object:
        seen[begins[code.co_filename] + line] = 1
        return enough

    monitoring.use_tool_id(TOOL, "lines")
    monitoring.register_callback(TOOL, monitoring.events.PY_START, on_start)
    monitoring.register_callback(TOOL, monitoring.events.LINE, on_line)
    monitoring.set_events(TOOL, monitoring.events.PY_START)


if os.path.exists(os.path.join(HERE, "lines.seen")):
    watch()
