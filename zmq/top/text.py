"""One look, as text.

Lives here: how it is written. Called by `zmq.top.command`. What the process names itself is shown as ``python -m
zmq.log`` shows records: nothing in it commands the terminal, or begins a line.
"""

from __future__ import annotations

from collections.abc import Iterator
from textwrap import wrap
from typing import Any

from zmq.log._escapes import printable
from zmq.top.causes import seconds
from zmq.top.tables import Looks, human


def text(looks: Looks, sort: str = "wait", width: int = 100) -> str:
    """Return what a process does, and why it may hang."""
    return "\n".join(lines(looks, sort, width)) + "\n"


def lines(looks: Looks, sort: str, width: int) -> Iterator[str]:
    state = looks.state
    command = printable(" ".join(" ".join(state["command"]).split()))
    yield f"process {state['pid']}: {command[: width - 20]}"
    found = looks.causes()
    yield ""
    yield "WHY IT MAY HANG" if found else "Nothing seems to hang."
    for each in found:
        mark = "* " if each["certain"] else "? "
        yield from wrap(printable(each["text"]), width, initial_indent=mark, subsequent_indent="  ")
        for place in each["stack"] if len(each["stack"]) > 1 else ():
            yield printable(f'      File "{place["file"]}", line {place["line"]}, in {place["function"]}')
            if place["source"]:
                yield printable(f"        {place['source']}")
    if any(not each["certain"] for each in found):
        yield "  (? is a hint: an idle program looks like that, too)"
    waits = looks.waits()
    yield ""
    yield f"WHO WAITS: {len(waits)}"
    yield from table(
        [("for", 9), ("who", 24), ("does", 11), ("where", 40), ("for what", 0)],
        [
            [
                seconds(row["seconds"]),
                row["who"],
                f"{row['action']}{'!' if row['blocks'] else ''}",
                f"{row['where']} {row['function']}",
                row["waits_for"],
            ]
            for row in waits
        ],
    )
    if any(row["blocks"] for row in waits):
        yield "  (! blocks its thread)"
    rows = looks.sockets(sort)
    yield ""
    yield f"SOCKETS: {len(rows)}"
    yield from table(
        [("type", 7), ("name", 24), ("sent", 7), ("received", 9), ("waits", 9), ("endpoints", 0)],
        [
            [
                row["type"],
                row["name"],
                human(row["messages_sent"]),
                human(row["messages_received"]),
                seconds(row["wait"]) if row["waiters"] else "",
                row["endpoints"],
            ]
            for row in rows
        ],
    )
    yield ""
    yield f"HUBS AND EVENT LOOPS: {len(looks.hubs())}"
    for hub in looks.hubs():
        yield printable(f"  {hub['thread_name'] or hub['thread']} ({hub['framework']}): {hub_state(hub)}")


def hub_state(hub: dict[str, Any]) -> str:
    """Return how a hub does."""
    if not hub["runs"]:
        return "stopped"
    if hub["answers"] is False:
        return f"has not run for {seconds(hub['seconds'])}"
    return f"runs, answered after {1000 * hub['seconds']:.1f} ms"


def table(columns: list[tuple[str, int]], rows: list[list[str]]) -> Iterator[str]:
    """Yield rows below their titles; each column has a width that it may not exceed, but for the last."""
    if not rows:
        return
    lines = [[title for title, _ in columns], *([printable(cell) for cell in row] for row in rows)]
    widths = [min(most, max(len(line[at]) for line in lines)) for at, (_, most) in enumerate(columns)]
    for line in lines:
        cells = [cell[:width].ljust(width) for cell, width in zip(line[:-1], widths[:-1], strict=True)]
        yield f"  {'  '.join([*cells, line[-1]])}".rstrip()
