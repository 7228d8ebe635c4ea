"""What the views show: rows, with rates between two looks, in an order that can be chosen.

Lives here: what is in a column. What must not: how it is drawn. Called by `zmq.top.text`, `zmq.top.terminal` and
`zmq.top.web`.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable
from typing import Any

from zmq.top.causes import Findings, causes, counters

#: Looks that are kept for the charts.
KEPT = 120
COUNTED = ("messages_sent", "messages_received", "bytes_sent", "bytes_received")
RATES = {"messages_sent": "out", "messages_received": "in", "bytes_sent": "bytes_out", "bytes_received": "bytes_in"}

Row = dict[str, Any]


def short(path: str | None, line: int | None) -> str:
    return "" if path is None else f"{os.path.basename(path)}:{line}"


def named(title: str | None) -> str | None:
    """Return the name in the title of a greenlet, which is long; the title where there is none."""
    return title if title is None or title.count("'") < 2 else title[title.index("'") + 1 : title.rindex("'")]


def human(number: float | None) -> str:
    """Return a number in 5 characters."""
    if number is None:
        return ""
    for unit in ("", "k", "M", "G"):
        if abs(number) < 999.5:
            return f"{number:.0f}{unit}" if unit == "" or number >= 99.5 else f"{number:.1f}{unit}"
        number /= 1000
    return f"{number:.0f}T"


#: By what rows can be sorted: the key, and what is compared.
SORTS: dict[str, Callable[[Row], Any]] = {
    "wait": lambda row: -row["wait"],
    "rate": lambda row: -((row["in"] or 0) + (row["out"] or 0)),
    "queue": lambda row: -(row["queue"] or 0),
    "name": lambda row: (row["type"], row["name"]),
}


class Looks:
    """The looks at a process so far."""

    def __init__(self) -> None:
        self.state: dict[str, Any] = {}
        self.before: dict[str, Any] | None = None
        #: For the charts, of each look: its time, messages in and out per second, the longest wait, the delay of hubs.
        self.history: deque[dict[str, float]] = deque(maxlen=KEPT)
        #: How often a hub was found not to answer, each time once.
        self.stalls = 0
        self.longest_stall = 0.0
        self.late: set[int] = set()

    def add(self, state: dict[str, Any]) -> None:
        """Take another look."""
        self.before, self.state = self.state or None, state
        late = {hub["thread"] for hub in state["hubs"] if hub["answers"] is False and hub["runs"]}
        self.stalls += len(late - self.late)
        self.late = late
        delay = max((hub["seconds"] for hub in state["hubs"] if hub["runs"]), default=0.0)
        if late:
            self.longest_stall = max(self.longest_stall, delay)
        rows = self.sockets()
        self.history.append(
            {
                "time": state["time"],
                "in": sum(row["in"] or 0 for row in rows),
                "out": sum(row["out"] or 0 for row in rows),
                "wait": max((row["seconds"] for row in self.waits()), default=0.0),
                "hub": delay,
            }
        )

    def counts(self) -> bool:
        """Tell whether the process counts messages."""
        return any(counters(socket) for socket in self.state["statistics"]["sockets"])

    def causes(self) -> list[dict[str, Any]]:
        return causes(self.state, self.before)

    # Rows.

    def waits(self) -> list[Row]:
        """Return who waits, longest first."""
        found = self.state["statistics"]
        blocked = {id(entry) for entry in found["blocked"]}
        rows = [
            {
                "seconds": entry["seconds"],
                "who": named(entry.get("greenlet")) or entry["name"] or entry["kind"],
                "kind": entry["kind"],
                "thread": entry["thread_name"] or str(entry["thread"]),
                "action": entry["action"],
                "waits_for": entry["waits_for"],
                "where": short(entry["file"], entry["line"]),
                "function": entry["function"] or "",
                "file": entry["file"],
                "line": entry["line"],
                "begun": entry["begun"],
                "blocks": id(entry) in blocked,
            }
            for entry in (*found["waiting"], *found["blocked"])
        ]
        return sorted(rows, key=lambda row: -row["seconds"])

    def sockets(self, sort: str = "wait") -> list[Row]:
        """Return the sockets, with what goes through them each second, where that is counted."""
        findings = Findings(self.state, self.before, 0)
        span = self.state["monotonic"] - self.before["monotonic"] if self.before else 0.0
        rows = []
        for socket in self.state["statistics"]["sockets"]:
            now, before = counters(socket), counters(findings.before.get(socket["socket"], {}))
            waiters = findings.waiters.get(socket["socket"], [])
            row: Row = {
                "type": socket["type"],
                "name": socket["name"] or socket["socket"],
                "endpoints": ", ".join([*socket["bound"], *(f"> {each}" for each in socket["connected"])]),
                "waiters": len(waiters),
                "wait": max((entry["seconds"] for entry in waiters), default=0.0),
                "longest": max(now.get("longest_send_wait", 0.0), now.get("longest_receive_wait", 0.0))
                if now
                else None,
                "again": now.get("send_again", 0) + now.get("receive_again", 0) if now else None,
                "queue": queue_of(findings, socket),
                "in_proxy": socket["in_proxy"],
            }
            for key in COUNTED:
                row[key] = now.get(key)
                known = span > 0 and key in now and key in before
                row[RATES[key]] = (now[key] - before[key]) / span if known else None
            rows.append(row)
        return sorted(rows, key=SORTS[sort])

    def hubs(self) -> list[Row]:
        return list(self.state["hubs"])

    def as_json(self, sort: str = "wait") -> dict[str, Any]:
        """Return all of it, for a page."""
        return {
            "pid": self.state["pid"],
            "command": " ".join(self.state["command"]),
            "versions": f"Python {self.state['python']}, greenzmq {self.state['greenzmq']}, "
            f"libzmq {self.state['libzmq']}",
            "time": self.state["time"],
            "counts": self.counts(),
            "causes": self.causes(),
            "waits": self.waits(),
            "sockets": self.sockets(sort),
            "hubs": self.hubs(),
            "contexts": self.state["statistics"]["contexts"],
            "history": list(self.history),
            "stalls": self.stalls,
            "longest_stall": self.longest_stall,
        }


def queue_of(findings: Findings, socket: dict[str, Any]) -> int | None:
    """Return how many messages are on their way to a socket, where that can be told: from one peer to it alone."""
    peers = findings.peers(socket)
    if len(peers) != 1 or len(findings.peers(peers[0])) != 1 or "PUB" in peers[0]["type"]:
        return None
    sent, received = counters(peers[0]).get("messages_sent"), counters(socket).get("messages_received")
    return None if sent is None or received is None else max(0, sent - received)
