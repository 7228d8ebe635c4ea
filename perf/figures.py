"""Read what `bench.py --json` wrote, for those who show it: `pictures.py` and `table.py`."""

from __future__ import annotations

import json
import statistics
from pathlib import Path
from typing import Any


class Figures:
    """What bench.py wrote: that of the two wheels, which is what users compare, where both were measured."""

    def __init__(self, path: Path) -> None:
        self.all: dict[str, Any] = json.loads(path.read_text())
        self.rows = {row["name"]: row for row in self.all["rows"]}
        self.are_wheels = {"wheel", "our_wheel"} <= set(self.all["sides"])
        self.columns = {"ours": "our_wheel", "theirs": "wheel"} if self.are_wheels else {}

    def about(self, side: str) -> dict[str, str]:
        found: dict[str, str] = self.all["sides"][self.columns.get(side, side)]
        return found

    def ratios(self, name: str) -> list[float]:
        """Return how many times faster ours was, in each round."""
        found: list[float] = self.rows.get(name, {}).get("wheels" if self.are_wheels else "ratios", [])
        return found

    def cost(self, name: str, side: str) -> float | None:
        values = self.rows.get(name, {}).get(self.columns.get(side, side))
        return statistics.median(values) if values else None

    def series(self, name: str, side: str) -> list[tuple[float, float]]:
        """Return the points of a series, which are rows of their own."""
        named = [(row, row.split()[1]) for row in self.rows if row.startswith(f"{name} ")]
        points = [(float(point), self.cost(row, side)) for row, point in named]
        return [(x, cost) for x, cost in points if cost is not None]

    def name(self, side: str) -> str:
        return {"ours": "greenzmq", "theirs": "PyZMQ " + self.about("theirs")["implementation"].split()[1]}.get(
            side, "libzmq alone, in C"
        )

    def caption(self) -> str:
        ours, theirs = self.about("ours"), self.about("theirs")
        libzmq = " and ".join(dict.fromkeys((ours["libzmq"], theirs["libzmq"])))
        if self.are_wheels:
            libzmq = f"{ours['libzmq']} in our wheel, {theirs['libzmq']} in theirs"
        return f"Python {ours['python']}, libzmq {libzmq}, {self.all['machine']['processors']} processors"
