"""Every framework supplies what `hub_contract` asks for; and what there is to supply is told in the same words."""

from __future__ import annotations

import re
from pathlib import Path

from hub_contract import *  # noqa: F403

import zmq.asyncio
import zmq.eventlet.hub
import zmq.green.hub
from support.on_toy import Toy
from zmq.core.waiting import hub
from zmq.core.waiting.hub import Hub

DESIGN = Path(__file__).resolve().parents[2] / "docs" / "design.md"
TITLE = "What a framework supplies"


def names(items: list[str]) -> list[set[str]]:
    return [{*re.findall(r"`(\w+)`", item)} for item in items]


def told_in_the_docstring() -> list[set[str]]:
    section = re.split(r"\n-{5,}\n", hub.__doc__.partition(TITLE)[2])[1]
    return names(re.findall(r"^- .*(?:\n  .*)*", section, re.M))


def told_in_the_design() -> list[set[str]]:
    section = DESIGN.read_text().partition(f"## {TITLE}\n")[2].partition("\n## ")[0]
    return names(re.findall(r"^\| .*", section, re.M)[1:])


def supplied(adapter: type[Hub]) -> set[str]:
    """Return what an adapter has of its own in the place of what there is."""
    return {name for cls in adapter.__mro__[: -len(Hub.__mro__)] for name in vars(cls) if not name.startswith("__")} & {
        *dir(Hub)
    }


def test_what_there_is_to_supply_is_told_in_the_same_words() -> None:
    told = told_in_the_docstring()
    assert told == told_in_the_design()
    assert len(told) == 7 and all(told)


def test_what_there_is_to_supply_is_told_wholly() -> None:
    """All that our own adapters do, and nothing that there is not."""
    told = set.union(*told_in_the_docstring())
    arguments = {*re.findall(r"^    (\w+) : ", Hub.__doc__ or "", re.M)}
    assert (
        {"current", "park", "call_soon", "watcher", "native_watcher", "lingers", "get_hub", "find", "found"}
        == arguments
        <= told
    )
    assert told - arguments <= {*dir(Hub)}
    for adapter in (zmq.green.hub.Hub, zmq.eventlet.hub.Hub, zmq.asyncio.Hub, Toy().zmq.hub.Hub):
        assert supplied(adapter) <= told, adapter
        assert {"call_at"} <= supplied(adapter), adapter


def test_the_toy_supplies_what_everybody_must_and_little_else() -> None:
    every, can, *_ = told_in_the_docstring()
    adapter = Toy().zmq.hub.Hub
    assert every - {"current", "park", "call_soon", "watcher"} <= supplied(adapter) <= every | can
