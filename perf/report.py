"""From the runs to the table: medians, ratios, and whether the targets are met."""

from __future__ import annotations

import statistics
from typing import Any

from plan import BEHIND_PEER, EVERY_ROUND, FLOOR, NOISE, NOT_JUDGED, OF_LIMIT, OF_OURS, TARGETS

Run = dict[str, Any]  # the line of a worker, or {"error": ...}; with "workload", "side" and "round"
Costs = dict[tuple[str, str], dict[int, float]]  # of a name and a side: what every round cost

SIDES = ("ours", "theirs", "wheel", "our_wheel", "peer", "limit", "hub")
#: What users install: PyZMQ's, and ours.
WHEELS = ("wheel", "our_wheel")


def costs_of(runs: list[Run]) -> Costs:
    """Return what was measured, by name, side and round. A point of a series has a name of its own."""
    costs: Costs = {}
    for run in runs:
        if "error" in run:
            continue
        points = {f"{run['workload']} {point}": cost for point, cost in run.get("points", {}).items()}
        for name, cost in (points or {run["workload"]: run["cost"]}).items():
            costs.setdefault((name, run["side"]), {})[run["round"]] = cost
    return costs


def ratios_of(numerators: dict[int, float], denominators: dict[int, float]) -> list[float]:
    return [numerators[number] / denominators[number] for number in numerators if number in denominators]


def compare(runs: list[Run], rounds: int) -> list[dict[str, Any]]:
    """Return the lines of the table. "met" is None where there is nothing to meet."""
    costs = costs_of(runs)
    rows: list[dict[str, Any]] = []

    def add(name: str, ratios: list[float], target: float | None, every: bool = False, **more: Any) -> None:
        judged = min(ratios, default=0) if every else statistics.median(ratios or [0])
        wanted = "" if target is None else f">= {target:.3g}{' always' if every else ''}"
        if target == FLOOR:
            target -= NOISE
            wanted += f" -{NOISE:.0%}"
        # A round that failed is no round that is met.
        met = None if target is None else len(ratios) == rounds and judged >= target
        rows.append({"name": name, "ratios": ratios, "target": wanted, "met": met, **more})

    names = list(dict.fromkeys(name for name, _ in costs))
    units = {run["workload"]: run["unit"] for run in runs if "unit" in run}
    for name in names:
        by_side = {side: costs[name, side] for side in SIDES if (name, side) in costs}
        if "ours" not in by_side:
            continue
        ours = by_side["ours"]
        target = None
        if "theirs" in by_side and not name.endswith(NOT_JUDGED):
            target = TARGETS.get(name, FLOOR)
        sides: dict[str, Any] = {side: [*found.values()] for side, found in by_side.items()}
        add(
            name,
            ratios_of(by_side.get("theirs", {}), ours),
            target,
            name in EVERY_ROUND,
            unit=units[name.split()[0]],
            wheels=ratios_of(by_side.get("wheel", {}), by_side.get("our_wheel", {})),
            **sides,
        )
        if "peer" in by_side:
            add(f"  {name} / pyomq", ratios_of(by_side["peer"], ours), None if name in BEHIND_PEER else FLOOR)
        if name in OF_LIMIT and "limit" in by_side:
            add(f"  {name} / C", ratios_of(by_side["limit"], ours), OF_LIMIT[name])
        if "hub" in by_side:
            add(f"  {name} / C in one thread", ratios_of(by_side["hub"], ours), None)
    for name, other, least in OF_OURS:
        ours, others = costs.get((name, "ours")), costs.get((other, "ours"))
        if ours and others:
            add(f"  {name} / {other}", ratios_of(others, ours), least)
    return rows


def show(rows: list[dict[str, Any]], runs: list[Run], sides: dict[str, Run]) -> None:
    """Print the table, then what else must be known to read it."""

    def middle(values: list[float] | None, form: str) -> str:
        return format(statistics.median(values), form) if values else "-"

    titles = {"ours": "ours", "theirs": "PyZMQ", "wheel": "its wheel", "our_wheel": "our wheel", "peer": "pyomq"}
    columns = [side for side in titles if side in sides]
    compares_wheels = set(WHEELS) <= set(columns)
    print(f"\n{'workload':<32}{''.join(f'{titles[side]:>12}' for side in columns)}{'C':>10}", end="")
    print(f"{'ratio':>9}{'from':>8}{'to':>8}{'wheels' if compares_wheels else '':>9}  target")
    for row in rows:
        ratios = row["ratios"]
        numbers = "".join(f"{middle(row.get(side), ',.0f') if row.get(side) else '':>12}" for side in columns)
        numbers += f"{middle(row['limit'], ',.0f') if 'limit' in row else '':>10}"
        if "unit" not in row:
            numbers = " " * max(0, len(numbers) + 32 - len(row["name"]))
        low, high = (format(pick(ratios), ".2f") if ratios else "-" for pick in (min, max))
        mark = {None: "", True: "met", False: "MISSED"}[row["met"]]
        numbers += f"{middle(ratios, '.2f'):>9}{low:>8}{high:>8}"
        numbers += f"{middle(row['wheels'], '.2f') if row.get('wheels') else '':>9}"
        print(f"{row['name']:<32}{numbers}  {row['target']:<13}{mark}")
    print("\nns for one operation, bytes for a socket's memory")
    print("ratio: how many times faster ours is; the median of the rounds, the least and the most")
    if compares_wheels:
        print("wheels: how many times faster our wheel is than PyZMQ's, each with its own libzmq; the median")
    for side, about in sides.items():
        print(f"{side}: {about['implementation']}, libzmq {about['libzmq']}, Python {about['python']}")
    limit = next((run for run in runs if run["side"] == "limit" and "error" not in run), None)
    if limit:
        print(f"C: libzmq {limit['libzmq']}")
    for side in sides:
        turns = [r["busy_turns_per_second"] for r in runs if r["side"] == side and "busy_turns_per_second" in r]
        if turns:
            print(f"the busy thread beside {side}: {statistics.median(turns) / 1e6:.1f} million turns a second")
    others = statistics.mean(run.get("others", 0) for run in runs)
    if others > 0.05:
        print(f"\nWARNING: other programs used {others:.2f} processors meanwhile; two idle ones are needed.")
    for run in runs:
        if "error" in run:
            print(f"\nFAILED: {run['workload']}, {run['side']}, round {run['round'] + 1}: {run['error']}")
    missed = [row["name"].strip() for row in rows if row["met"] is False]
    if missed:
        print(f"\nMISSED: {', '.join(missed)}")
