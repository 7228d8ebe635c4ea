"""The benchmark's driver: what it has measured is kept, and added to only where it is the same that is measured."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support import tool


@pytest.fixture
def bench() -> Iterator[Any]:
    with tool("bench", "perf") as module:
        yield module


def runs_of(first: int, rounds: int) -> list[dict[str, Any]]:
    return [
        {"workload": name, "side": side, "round": number, "cost": cost + number, "unit": "ns"}
        for number in range(first, first + rounds)
        for name in ("threads-pair", "gevent-pair")
        for side, cost in (("ours", 10), ("theirs", 1000))
    ]


NAMES = ["gevent-pair", "threads-pair"]
ABOUT = {"machine": {"processors": 2}, "sides": {"ours": {"libzmq": "4.3.4"}}}


def test_rounds_are_added_to_those_of_before(bench: Any, tmp_path: Path) -> None:
    given = Namespace(add=True, json=tmp_path / "bench.json", seconds=0.4)
    runs = bench.earlier(given, NAMES, ABOUT)
    assert runs == [] and bench.rounds_of(runs) == 0
    runs += runs_of(0, 3)
    bench.write(given, runs, ABOUT)
    again = bench.earlier(given, NAMES, ABOUT)
    assert again == runs and bench.rounds_of(again) == 3
    again += runs_of(3, 2)
    bench.write(given, again, ABOUT)
    assert bench.earlier(given, NAMES, ABOUT) == again
    rows, passed = bench.judge(again)
    assert passed and {len(row["ratios"]) for row in rows} == {5}
    assert [path.name for path in tmp_path.iterdir()] == ["bench.json"]


@pytest.mark.parametrize(
    ("what", "seconds", "names", "about"),
    [
        ("machine", 0.4, NAMES, ABOUT | {"machine": {"processors": 4}}),
        ("sides", 0.4, NAMES, ABOUT | {"sides": {"ours": {"libzmq": "4.3.5"}}}),
        ("seconds", 0.25, NAMES, ABOUT),
        ("workloads", 0.4, NAMES[:1], ABOUT),
    ],
    ids=["machine", "sides", "seconds", "workloads"],
)
def test_what_differs_is_not_added(
    bench: Any, tmp_path: Path, what: str, seconds: float, names: list[str], about: dict[str, Any]
) -> None:
    given = Namespace(add=True, json=tmp_path / "bench.json", seconds=0.4)
    bench.write(given, runs_of(0, 3), ABOUT)
    given.seconds = seconds
    with pytest.raises(bench.CannotRun, match=f"has other {what};"):
        bench.earlier(given, names, about)
    # It is replaced where nothing is to be added.
    given.add = False
    assert bench.earlier(given, names, about) == []
