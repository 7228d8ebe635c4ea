"""Draw the pictures from what `bench.py --json` wrote: `pictures.py bench.json FOLDER`, each as PNG and SVG.

Needs matplotlib. A picture for which nothing was measured is left out.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib
from figures import Figures

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullFormatter, NullLocator

GREY = "#5b6472"
COLOURS = {"ours": "#1b7f5c", "theirs": "#c8553d", "limit": GREY}
FRONT_ENDS = {"threads": "#3d6fb6", "gevent": "#1b7f5c", "eventlet": "#d08a1d", "asyncio": "#8658a5"}
STYLE = {
    "font.family": "DejaVu Sans",
    "font.size": 11,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 13,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titlepad": 26,
    "axes.grid": True,
    "grid.color": "#e3e6ea",
    "axes.axisbelow": True,
    "legend.frameon": False,
    "lines.linewidth": 2.2,
    "lines.markersize": 5.5,
    "figure.dpi": 110,
    "savefig.bbox": "tight",
    "savefig.pad_inches": 0.2,
    "svg.hashsalt": "greenzmq",
}
# Of the many workloads those that say most, and how a reader would call them.
BARS = {
    "pair": "send and recv in one thread",
    "pair-busy": "the same beside a busy thread",
    "push-pull-inproc": "PUSH/PULL, inproc",
    "push-pull-tcp-2p": "PUSH/PULL, tcp, 2 processes",
    "req-rep-inproc": "REQ/REP round trip, inproc",
    "req-rep-tcp": "REQ/REP round trip, tcp",
    "pub-sub-100-inproc": "PUB to 100 SUBs, inproc",
    "service": "a service: JSON over tcp, 20 clients",
    "router-200": "ROUTER with 200 DEALERs",
    "router-2000": "ROUTER with 2,000 DEALERs",
    "multipart-4": "message of 4 frames",
    "64k-lent-inproc": "64 KiB, not copied, inproc",
    "poller-100": "poll of 100 sockets",
    "poller-1000": "poll of 1,000 sockets",
    "proxy-green": "green proxy",
    "open-close": "open and close a socket",
    "import": "import",
}

Series = dict[str, list[tuple[float, float]]]  # of every side


def in_words(value: float, _: Any = None) -> str:
    """Return a number as a label of an axis: 1, 10, 1,000, 10 k, 2 M."""
    for factor, unit in ((1e6, " M"), (1e4, " k")):
        if value >= factor:
            return f"{value / (factor if unit == ' M' else 1e3):g}{unit}"
    return f"{value:,.0f}" if value >= 1 else f"{value:g}"


def in_bytes(value: float, _: Any = None) -> str:
    if value >= 1 << 20:
        return f"{value / (1 << 20):g} MiB"
    return f"{value / 1024:g} KiB" if value >= 1024 else f"{value:g} B"


def plain_log(axis: Any, label: Callable[..., str] = in_words) -> None:
    """Make a logarithmic axis readable: numbers, not powers of ten."""
    axis.set_major_formatter(FuncFormatter(label))
    axis.set_minor_formatter(NullFormatter())


def heading(axes: Axes, title: str, below: str) -> None:
    axes.set_title(title)
    axes.annotate(below, (0, 1), (0, 9), "axes fraction", "offset points", color=GREY, fontsize=10)


def curves(figures: Figures, axes: Axes, series: Series, legend: str = "best") -> None:
    for side, points in series.items():
        if points:
            style = "--" if side == "limit" else "-"
            axes.plot(*zip(*points, strict=True), style, marker="o", color=COLOURS[side], label=figures.name(side))
    axes.legend(loc=legend)


def ratios(figures: Figures) -> Figure | None:
    """How many times faster, by workload: one panel for every front-end, in two columns."""
    panels: dict[str, list[tuple[str, list[float]]]] = {}
    for front_end in FRONT_ENDS:
        for name, words in BARS.items():
            found = figures.ratios(f"{front_end}-{name}")
            if found:
                panels.setdefault(front_end, []).append((words, found))
    if not panels:
        return None
    every = [ratio for bars in panels.values() for _, found in bars for ratio in found]
    most = max(len(bars) for bars in panels.values())
    rows = (len(panels) + 1) // 2
    figure, grid = plt.subplots(
        rows, 2, figsize=(14, rows * (0.3 * most + 1.1)), sharex=True, squeeze=False, layout="constrained"
    )
    figure.get_layout_engine().set(h_pad=0.12, w_pad=0.12)
    for axes in grid.flat[len(panels) :]:
        axes.remove()
    for axes, (front_end, bars) in zip(grid.flat, panels.items(), strict=False):
        places = range(len(bars))
        middles = [statistics.median(found) for _, found in bars]
        axes.barh(places, [middle - 1 for middle in middles], left=1, height=0.66, color=FRONT_ENDS[front_end])
        for place, middle, (_, found) in zip(places, middles, bars, strict=True):
            axes.plot([min(found), max(found)], [place, place], color="#22262b", linewidth=1, alpha=0.55)
            text = f"{middle:,.0f}" if middle >= 10 else f"{middle:.1f}"
            end = (max(1, *found), place)
            axes.annotate(text, end, (6, 0), textcoords="offset points", va="center", fontsize=10)
        axes.set_title(front_end, color=FRONT_ENDS[front_end], pad=8)
        axes.set_yticks(places, [words for words, _ in bars])
        axes.set_ylim(most - 0.5, -0.5)  # bars of the same width in all panels
        axes.set_xscale("log")
        axes.set_xlim(min(0.7, min(every) * 0.9), max(every) * 3)
        axes.grid(False, axis="y")
        axes.tick_params(axis="y", length=0)
        axes.tick_params(axis="x", labelbottom=True)
        axes.axvline(1, color="#22262b", linewidth=1)
        plain_log(axes.xaxis)
    title = f"How many times faster than {figures.name('theirs')}"
    figure.suptitle(title, x=0.01, ha="left", fontsize=15, fontweight="bold")
    figure.supxlabel(
        f"median of the rounds; the thin line goes from the least to the most. {figures.caption()}",
        color=GREY,
        fontsize=10,
    )
    return figure


def sizes(figures: Figures) -> Figure | None:
    """Throughput over the size of a message."""
    series = {side: figures.series("gevent-sizes-tcp-2p", side) for side in COLOURS}
    if not series["ours"]:
        return None
    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.6))
    curves(figures, left, {side: [(x, 1e9 / ns) for x, ns in points] for side, points in series.items()})
    curves(figures, right, {side: [(x, x * 1e3 / ns) for x, ns in points] for side, points in series.items()})
    heading(left, "PUSH/PULL over tcp, by size", "messages a second, gevent, two processes")
    heading(right, "", "MB a second")
    for axes in (left, right):
        axes.set_xlabel("size of a message")
        axes.set_xscale("log", base=2)
        axes.set_yscale("log")
        axes.xaxis.set_major_locator(FixedLocator([1, 32, 1024, 1 << 15, 1 << 20]))
        plain_log(axes.xaxis, in_bytes)
        plain_log(axes.yaxis)
    figure.tight_layout(w_pad=3)
    figure.text(0.99, 0, figures.caption(), ha="right", va="top", color=GREY, fontsize=9.5)
    return figure


def one_panel(figures: Figures, title: str, below: str, x: str, series: Series, legend: str = "best") -> Figure:
    figure, axes = plt.subplots(figsize=(8, 4.6))
    curves(figures, axes, series, legend)
    heading(axes, title, below)
    axes.set_xlabel(x)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.xaxis.set_minor_locator(NullLocator())
    plain_log(axes.xaxis)
    plain_log(axes.yaxis)
    figure.text(0.9, -0.03, figures.caption(), ha="right", va="top", color=GREY, fontsize=9.5)
    return figure


def latency(figures: Figures) -> Figure | None:
    """How long round trips take, by percentile; the last ones have the most room."""
    series = {side: figures.series("gevent-latency-tcp", side) for side in COLOURS}
    if not series["ours"]:
        return None
    # One in so many is slower: 50 % is 2, 99 % is 100.
    shown = {side: [(100 / (100 - x), ns / 1e3) for x, ns in points if x >= 50] for side, points in series.items()}
    below = "µs; two greenlets of gevent in one hub, in C two threads"
    figure = one_panel(figures, "REQ/REP round trip over tcp", below, "percentile", shown)
    axes = figure.axes[0]
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    marks = [50, 75, 90, 95, 99, 99.5, 99.9]
    axes.xaxis.set_major_locator(FixedLocator([100 / (100 - mark) for mark in marks]))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 - 100 / value:.4g}"))
    return figure


def polls(figures: Figures) -> Figure | None:
    """What a poll costs, over the number of sockets."""
    counts = (10, 100, 400, 1000)
    series = {}
    for side in ("ours", "theirs"):
        points = [(float(n), figures.cost(f"gevent-poller-{n}", side)) for n in counts]
        series[side] = [(n, ns / 1e3) for n, ns in points if ns is not None]
    if len(series["ours"]) < 2:
        return None
    below = "µs for a send, a poll that finds it and the receive; gevent, inproc"
    figure = one_panel(figures, "What a poll costs", below, "sockets in the poller", series)
    figure.axes[0].xaxis.set_major_locator(FixedLocator(counts))
    return figure


def greenlets(figures: Figures) -> Figure | None:
    """Throughput over the number of greenlets."""
    series = {
        side: [(x, 1e9 / ns) for x, ns in figures.series("gevent-greenlets", side)] for side in ("ours", "theirs")
    }
    if not series["ours"]:
        return None
    below = "round trips a second; greenlets with a DEALER each, gevent, inproc"
    figure = one_panel(figures, "Many greenlets ask one that has a ROUTER", below, "greenlets", series, "lower left")
    figure.axes[0].xaxis.set_major_locator(FixedLocator([1, 3, 10, 30, 100, 300, 1000]))
    figure.axes[0].set_ylim(bottom=min(y for points in series.values() for _, y in points) / 3)
    return figure


PICTURES = {"ratios": ratios, "sizes": sizes, "latency": latency, "polls": polls, "greenlets": greenlets}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("json", type=Path)
    parser.add_argument("folder", type=Path)
    given = parser.parse_args()
    figures = Figures(given.json)
    given.folder.mkdir(parents=True, exist_ok=True)
    plt.rcParams.update(STYLE)
    for name, draw in PICTURES.items():
        figure = draw(figures)
        if figure is None:
            print(f"{name}: nothing was measured for it")
            continue
        figure.savefig(given.folder / f"{name}.png", metadata={"Software": None})
        figure.savefig(given.folder / f"{name}.svg", metadata={"Date": None, "Creator": None})
        plt.close(figure)
        print(given.folder / f"{name}.png")


if __name__ == "__main__":
    main()
