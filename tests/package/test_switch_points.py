"""The list of what blocks and what switches, in docs/design.md, is that of the code."""

from __future__ import annotations

import re
from collections.abc import Iterator

from support import ROOT

CORE = ROOT / "zmq" / "core"
DESIGN = ROOT / "docs" / "design.md"
#: What parks a greenlet, switches to one, or lets other threads run.
TELLTALES = re.compile(r"\.park\(\)|\.switch\(\)|\bwith nogil:")
DEFINITION = re.compile(r"\s*(?:(?:cdef |cpdef )?class (\w+)|(?:def|cdef|cpdef) [^=]*?(\w+)\(.*:\s*$)")


def telltale(text: str) -> Iterator[str]:
    """Yield the names of the functions that do any of that, with their classes."""
    outer: list[tuple[int, str]] = []
    quoted = False
    for line in text.splitlines():
        if quoted or '"""' in line:
            quoted ^= line.count('"""') % 2 == 1
            continue
        code = line.partition("#")[0].rstrip()
        if not code:
            continue
        depth = len(code) - len(code.lstrip())
        while outer and outer[-1][0] >= depth:
            outer.pop()
        if found := DEFINITION.match(code):
            outer.append((depth, found[1] or found[2]))
        elif TELLTALES.search(code):
            yield ".".join(name for _, name in outer)


def listed() -> set[tuple[str, str]]:
    section = DESIGN.read_text().partition("\n## What blocks, and what switches\n")[2].partition("\n## ")[0]
    found = set()
    for functions, places, what in re.findall(r"^\| (`.+?) \| (`.+?) \| (.+) \|$", section, re.M):
        assert what
        names, files = re.findall(r"`(.+?)`", functions), re.findall(r"`(.+?)`", places)
        found |= set(zip(names, files, strict=True))
    return found


def test_the_list_of_what_blocks_and_what_switches_is_complete() -> None:
    code = {
        (name, path.relative_to(CORE).as_posix())
        for path in CORE.rglob("*")
        if path.suffix in {".pyx", ".pxi", ".pxd"}
        for name in telltale(path.read_text())
    }
    assert code == listed()


def test_what_the_list_is_compared_with() -> None:
    text = """
cdef class Relay:
    def run(self):
        \"\"\"Park: with nogil: as text.\"\"\"
        with nogil:  # it blocks
            poll()

    cdef int give(self, x) except -1:
        # self.hub.park()
        return 0

cdef int wait(hub) except -1:
    for i in range(3):
        hub.park()
"""
    assert list(telltale(text)) == ["Relay.run", "wait"]
