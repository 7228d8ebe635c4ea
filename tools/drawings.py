"""Draws the patterns of docs/patterns: boxes, and arrows with what goes along them.

    python tools/drawings.py            # write docs/pictures/patterns
    python tools/drawings.py --check    # tell which of them are not what this draws

Lives here: where each box is. A picture is plain SVG, for light and dark pages, and needs nothing to be seen.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from html import escape
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "pictures" / "patterns"
WIDTH, HEIGHT = 150, 50  # of a box
LINE = 16
STYLE = """
svg { background: #ffffff; color: #1f2328; }
rect { fill: #f3f5f8; stroke: #8c95a1; stroke-width: 1.2; }
.lost rect { stroke-dasharray: 5 4; }
text { fill: currentColor; font: 13px system-ui, sans-serif; text-anchor: middle; }
.kind { font: 12px ui-monospace, Menlo, Consolas, monospace; fill: #4a7ab5; }
.what { font-size: 12px; paint-order: stroke; stroke: #ffffff; stroke-width: 5px; stroke-linejoin: round; }
path { fill: none; stroke: #4a7ab5; stroke-width: 1.6; }
.lost path { stroke-dasharray: 5 4; }
marker path { fill: #4a7ab5; stroke: none; }
@media (prefers-color-scheme: dark) {
svg { background: #0d1117; color: #e6edf3; }
rect { fill: #1b222c; stroke: #6b7685; }
.what { stroke: #0d1117; }
.kind { fill: #8ab4e8; }
}
"""


@dataclass(frozen=True)
class Box:
    """A participant: its name, its sockets, and the middle of its box."""

    name: str
    kinds: str
    x: int
    y: int
    width: int = WIDTH
    lost: bool = False


@dataclass(frozen=True)
class Arrow:
    """What one box tells another; both ways where `both`, moved aside by `by` pixels."""

    start: Box
    end: Box
    what: str = ""
    both: bool = False
    by: int = 0
    lost: bool = False
    at: float = 0.5


def svg(title: str, parts: list[Box | Arrow]) -> str:
    boxes = [part for part in parts if isinstance(part, Box)]
    right = max(box.x + box.width // 2 for box in boxes) + 20
    bottom = max(box.y for box in boxes) + HEIGHT // 2 + 20
    # As wide as the others: a picture that is stretched has letters of another size.
    left = min(0, (right - 720) // 2)
    shapes = [shape for part in parts if isinstance(part, Arrow) for shape in arrow(part)]
    shapes += [shape for box in boxes for shape in drawn(box)]
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{left} 0 {max(right, 720)} {bottom}" role="img">',
            "<!-- Drawn by tools/drawings.py. -->",
            f"<title>{escape(title)}</title>",
            f"<style>{STYLE}</style>",
            '<marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" '
            'orient="auto-start-reverse"><path d="M0 0L8 4L0 8z"/></marker>',
            *shapes,
            "</svg>",
            "",
        ]
    )


def drawn(box: Box) -> list[str]:
    lost = ' class="lost"' if box.lost else ""
    return [
        f'<g{lost}><rect x="{box.x - box.width // 2}" y="{box.y - HEIGHT // 2}" width="{box.width}" '
        f'height="{HEIGHT}" rx="6"/></g>',
        f'<text x="{box.x}" y="{box.y - 4}">{escape(box.name)}</text>',
        f'<text class="kind" x="{box.x}" y="{box.y + LINE - 2}">{escape(box.kinds)}</text>',
    ]


def edge(box: Box, dx: float, dy: float) -> float:
    """Return how far from the middle of a box a line in a direction leaves it, in parts of that line."""
    across = (box.width / 2 + 2) / abs(dx) if dx else 9.0
    down = (HEIGHT / 2 + 2) / abs(dy) if dy else 9.0
    return min(across, down)


def arrow(each: Arrow) -> list[str]:
    start, end = each.start, each.end
    dx, dy = end.x - start.x, end.y - start.y
    length = (dx * dx + dy * dy) ** 0.5
    # Aside, at right angles to its way.
    ax, ay = -dy / length * each.by, dx / length * each.by
    first, last = edge(start, dx, dy), 1 - edge(end, dx, dy)
    x1, y1 = start.x + dx * first + ax, start.y + dy * first + ay
    x2, y2 = start.x + dx * last + ax, start.y + dy * last + ay
    begin = ' marker-start="url(#head)"' if each.both else ""
    lost = ' class="lost"' if each.lost else ""
    shapes = [f'<g{lost}><path d="M{x1:.0f} {y1:.0f}L{x2:.0f} {y2:.0f}"{begin} marker-end="url(#head)"/></g>']
    lines = each.what.split("\n") if each.what else []
    x, y = x1 + (x2 - x1) * each.at, y1 + (y2 - y1) * each.at
    if not dy:  # above the line, or below it
        y += -8 - (len(lines) - 1) * LINE if each.by <= 0 else 16
    else:
        y += 4 - (len(lines) - 1) * LINE / 2
    for i, line in enumerate(lines):
        shapes.append(f'<text class="what" x="{x:.0f}" y="{y + i * LINE:.0f}">{escape(line)}</text>')
    return shapes


def load_balancing() -> list[Box | Arrow]:
    broker = Box("broker", "ROUTER  ROUTER", 360, 130, 180)
    clients = [Box(f"client {name}", "REQ", 95, y) for name, y in (("a", 45), ("b", 130), ("…", 215))]
    workers = [Box(f"worker {name}", "REQ", 625, y) for name, y in (("1", 45), ("2", 130), ("3", 215))]
    told = [Arrow(clients[0], broker), Arrow(clients[1], broker, "a task", both=True), Arrow(clients[2], broker)]
    served = [Arrow(workers[0], broker, "ready"), Arrow(broker, workers[1], "a task", both=True)]
    return [broker, *clients, *workers, *told, *served, Arrow(workers[2], broker, "an answer")]


def lazy_pirate() -> list[Box | Arrow]:
    client, server = Box("client", "REQ", 110, 130, 160), Box("server", "ROUTER", 600, 130, 160)
    old, new = Box("timed out, closed", "REQ", 110, 45, 160, lost=True), Box("made anew", "REQ", 110, 215, 160)
    return [
        old,
        client,
        new,
        server,
        Arrow(old, server, "request, lost", lost=True, at=0.4),
        Arrow(client, server, "the same again", both=True),
        Arrow(new, server, "and again, so many times", at=0.4),
    ]


def paranoid_pirate() -> list[Box | Arrow]:
    client, queue = Box("client", "lazy pirate: REQ", 85, 130, 140), Box("queue", "ROUTER  ROUTER", 345, 130, 150)
    anne, mary = Box("anne", "DEALER", 635, 50, 130, lost=True), Box("mary", "DEALER", 635, 210, 130)
    return [
        client,
        queue,
        anne,
        mary,
        Arrow(client, queue, "request", both=True),
        Arrow(queue, anne, "silent for too long", lost=True),
        Arrow(queue, mary, "heartbeats, work", both=True),
    ]


def last_value() -> list[Box | Arrow]:
    one, two = Box("publisher", "PUB", 85, 45, 130), Box("publisher", "PUB", 85, 235, 130)
    cache = Box("cache", "SUB  XPUB", 360, 140, 180)
    early, late = Box("subscriber", "SUB", 635, 45, 130), Box("late subscriber", "SUB", 635, 235, 130)
    return [
        one,
        two,
        cache,
        early,
        late,
        Arrow(one, cache, "values"),
        Arrow(two, cache, "values"),
        Arrow(cache, early, "values"),
        Arrow(late, cache, "I subscribe", by=-14, at=0.6),
        Arrow(cache, late, "the last value", by=-14),
    ]


def clone() -> list[Box | Arrow]:
    server = Box("server: the table", "ROUTER  PULL  PUB", 360, 45, 200)
    clients = [Box(f"clone {n}", "DEALER PUSH SUB", x, 245, 160) for n, x in ((1, 110), (2, 360), (3, 610))]
    return [
        server,
        *clients,
        Arrow(clients[0], server, "1. a snapshot,\nand its number", both=True),
        Arrow(clients[1], server, "2. a change\n(PUSH)"),
        Arrow(server, clients[2], "3. each change,\nwith its number\n(PUB)"),
    ]


def majordomo() -> list[Box | Arrow]:
    broker = Box("broker", "ROUTER", 360, 130, 150)
    clients = [Box("client", "REQ", 85, y, 130) for y in (50, 210)]
    workers = [
        Box(f"worker: {service}", "DEALER", 630, y) for service, y in (("upper", 45), ("upper", 130), ("turn", 215))
    ]
    return [
        broker,
        *clients,
        *workers,
        Arrow(clients[0], broker, '"upper", please', both=True),
        Arrow(clients[1], broker, '"turn", please', both=True),
        Arrow(workers[0], broker, "ready, heartbeats", both=True),
        Arrow(workers[1], broker, "request, reply", both=True),
        Arrow(workers[2], broker, "", both=True),
    ]


#: What is drawn, and its title.
PICTURES = {
    "load-balancing": (load_balancing, "Load balancing: clients, a broker, and workers that say when they are free"),
    "lazy-pirate": (lazy_pirate, "Lazy pirate: a client that asks again with a new socket"),
    "paranoid-pirate": (paranoid_pirate, "Paranoid pirate: a queue and its workers exchange heartbeats"),
    "last-value": (last_value, "Last value: a cache between publishers and subscribers"),
    "clone": (clone, "Clone: snapshots, changes and updates of a table"),
    "majordomo": (majordomo, "Majordomo: a broker of named services"),
}


def pictures() -> dict[str, str]:
    """Return the files and their texts."""
    return {f"{name}.svg": svg(title, draw()) for name, (draw, title) in PICTURES.items()}


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing")
    options = parser.parse_args()
    FOLDER.mkdir(exist_ok=True)
    wrong = [
        name for name, text in pictures().items() if not (FOLDER / name).exists() or (FOLDER / name).read_text() != text
    ]
    for name in wrong:
        if options.check:
            print(f"{FOLDER / name} is not what tools/drawings.py draws", file=sys.stderr)
        else:
            (FOLDER / name).write_text(pictures()[name])
    return 1 if wrong and options.check else 0


if __name__ == "__main__":
    sys.exit(main())
