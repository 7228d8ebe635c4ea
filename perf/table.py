"""Write what `bench.py --json` measured of both wheels into a table of a document: `table.py bench.json DOCUMENT`.

The table is the one that begins with "| workload |"; what stands around it stays.
"""

from __future__ import annotations

import argparse
import math
import statistics
import sys
from pathlib import Path

from figures import Figures

BEGIN = "| workload |"
# Of the many workloads those that say most, and how a reader would call them. In braces is what C takes for the same,
# in two threads or, as "hub", in one.
LINES = {
    "threads-pair": "one thread: send and receive over inproc",
    "threads-pair-busy": "the same beside a thread that computes",
    "threads-poller-1000": "one thread: poll of 1,000 sockets, one of them ready",
    "gevent-push-pull-inproc": "gevent: PUSH/PULL over inproc",
    "gevent-push-pull-tcp-2p": "gevent: PUSH/PULL over tcp, two processes (in C: {limit})",
    "gevent-req-rep-inproc": "gevent: REQ/REP round trip over inproc",
    "gevent-req-rep-tcp": "gevent: REQ/REP round trip over tcp (in C: {hub} in one thread, {limit} in two)",
    "gevent-service": "gevent: a service: JSON over tcp, 20 clients, 10 lines read and 16 KiB digested",
    "gevent-router-200": "gevent: round trip of one of 200 DEALERs over inproc",
    "gevent-router-200-tcp": "gevent: the same over tcp",
    "gevent-arrivals-200-tcp": "gevent: to connect over tcp with 199 others, and ten round trips",
    "gevent-multipart-4": "gevent: message of 4 frames over inproc",
    "gevent-poller-100": "gevent: poll of 100 sockets, one of them ready",
    "gevent-poller-1000": "gevent: poll of 1,000 sockets, one of them ready (in C: {limit})",
    "gevent-proxy-green": "gevent: a message through a green proxy",
    "gevent-open-close": "gevent: to open and to close a socket",
    "gevent-import": "gevent: `import zmq.green`",
    "asyncio-push-pull-inproc": "asyncio: PUSH/PULL over inproc",
    "asyncio-req-rep-inproc": "asyncio: REQ/REP round trip over inproc",
    "asyncio-req-rep-50": "asyncio: the same, 50 pairs in one loop",
    "asyncio-multipart-4": "asyncio: message of 4 frames over inproc",
    "asyncio-poller-1000": "asyncio: poll of 1,000 sockets, one of them ready",
    "uvloop-req-rep-inproc": "uvloop: REQ/REP round trip over inproc",
    "uvloop-req-rep-50": "uvloop: the same, 50 pairs in one loop",
    "eventlet-push-pull-inproc": "eventlet: PUSH/PULL over inproc",
    "eventlet-push-pull-tcp-2p": "eventlet: PUSH/PULL over tcp, two processes",
    "eventlet-req-rep-inproc": "eventlet: REQ/REP round trip over inproc",
    "eventlet-router-200": "eventlet: round trip of one of 200 DEALERs over inproc",
    "eventlet-router-200-tcp": "eventlet: the same over tcp",
    "eventlet-arrivals-200-tcp": "eventlet: to connect over tcp with 199 others, and ten round trips",
}


def in_digits(value: float, digits: int) -> str:
    """Return a number of at least so many digits that mean something, without an exponent."""
    places = digits - 1 - math.floor(math.log10(value))
    return f"{round(value, places):,.{max(0, places)}f}"


def time_of(cost: float | None) -> str:
    return "not measured" if cost is None else in_digits(cost, 3) + " ns"


def ratio_of(ratios: list[float]) -> str:
    value = statistics.median(ratios)
    return in_digits(value, 2 if value < 100 else 3)


def table_of(figures: Figures) -> list[str]:
    table = [f"{BEGIN} {figures.name('theirs')} | {figures.name('ours')} | ratio |", "|---|---:|---:|---:|"]
    for name, line in LINES.items():
        label = line.format(**{side: time_of(figures.cost(name, side)) for side in ("limit", "hub")})
        theirs, ours = (time_of(figures.cost(name, side)) for side in ("theirs", "ours"))
        table.append(f"| {label} | {theirs} | {ours} | {ratio_of(figures.ratios(name))} |")
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("measured", type=Path, help="a file of `bench.py --json`, with --wheel and --our-wheel")
    parser.add_argument("document", type=Path, help="a document in Markdown")
    given = parser.parse_args()
    figures = Figures(given.measured)
    if not figures.are_wheels:
        sys.exit(f"{given.measured} has not measured both wheels: make wheel, and make bench without QUICK")
    lines = given.document.read_text().split("\n")
    begin = next(number for number, line in enumerate(lines) if line.startswith(BEGIN))
    end = lines.index("", begin)
    given.document.write_text("\n".join([*lines[:begin], *table_of(figures), *lines[end:]]))


if __name__ == "__main__":
    main()
