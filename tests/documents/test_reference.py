"""The reference has every public name, and each says what it is."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest

from support import ROOT, tool


@pytest.fixture(scope="module")
def reference() -> Iterator[ModuleType]:
    with tool("reference") as module:
        yield module


def thing_of(reference: ModuleType, modules: list[str], full: str) -> Any:
    """Return what a name of the reference is, as it is in its class."""
    module = max((each for each in modules if full.startswith(f"{each}.")), key=len)
    found = reference.load(module)
    for part in full.removeprefix(f"{module}.").split("."):
        found = inspect.getattr_static(found, part, None) or getattr(found, part)
    return found


def test_every_public_module_has_a_page(reference: ModuleType) -> None:
    modules = set(reference.public_modules())
    assert len(modules) > 60
    paged = {module for module in modules if not reference.is_old_path(module)}
    assert paged == set(reference.pages())
    assert len(reference.pages()) == len(set(reference.pages()))


def is_by_chance(reference: ModuleType, module: str, name: str) -> bool:
    """Tell whether a module has a name because it imports it: PyZMQ's lists of names have those too."""
    found = getattr(reference.load(module), name, None)
    return (
        inspect.ismodule(found)
        or reference.home_of(found) is not None
        or name in reference.names("zmq.constants")
        or not isinstance(found, type)
        or not reference.is_ours(found)
    )


def test_names_that_programs_expect_are_shown(reference: ModuleType) -> None:
    """Those of tests/package/pyzmq_names.txt: of each module, and the members of its classes."""
    text = (ROOT / "tests" / "package" / "pyzmq_names.txt").read_text()
    modules, shown_ones, hidden, members = set(reference.public_modules()), 0, [], set()
    for module, listed in re.findall(r"^\[(.*)\]\n([^\[]*)", text, flags=re.M):
        if module not in modules:
            continue
        for name in {line.partition("(")[0] for line in listed.split("\n") if line}:
            owner, _, member = name.partition(".")
            if owner.startswith("_") or f"{module}.{owner}" in modules:
                continue
            if member and module == "zmq" and owner in ("Context", "Socket", "Frame", "Poller", "MessageTracker"):
                members.add(name)
            elif owner in reference.names(module):
                shown_ones += 1
            elif not is_by_chance(reference, module, owner):
                hidden.append(f"{module}.{name}")
    assert shown_ones > 1000 and hidden == []
    documented = set(reference.documented())
    inherited = {name for name in members if f"zmq.{name}" not in documented}
    assert len(members) > 70
    assert [name for name in inherited if not reference.is_option(name.partition(".")[2])] == []


def test_our_own_names_are_shown(reference: ModuleType) -> None:
    documented = set(reference.documented())
    for module in reference.pages():
        for name in getattr(reference.load(module), "__all__", ()):
            if not name.startswith("_") and not inspect.ismodule(getattr(reference.load(module), name)):
                assert reference.homes()[f"{module}.{name}"] in documented | {f"zmq.constants.{name}"}, (
                    f"{module}.{name}"
                )
    assert {"zmq.Socket.send_many", "zmq.green.monkey.patch_all", "zmq.set_budget", "greenzmq.active"} <= documented


def test_everything_says_what_it_is(reference: ModuleType) -> None:
    silent, modules = [], list(reference.public_modules())
    for full in reference.documented():
        found = thing_of(reference, modules, full)
        found = getattr(found, "__func__", found)
        if callable(found):
            says = inspect.getdoc(found) or reference.is_old_path(full.rpartition(".")[0])
        else:
            says = not inspect.isgetsetdescriptor(found) or found.__doc__ or full in reference.DATA
        if not says:
            silent.append(full)
    assert silent == []


def test_texts_in_the_place_of_docstrings_are_used(reference: ModuleType) -> None:
    pages = "".join(reference.written().values())
    assert [text for text in reference.DATA.values() if text not in pages] == []


def test_a_name_is_documented_once(reference: ModuleType) -> None:
    entries = re.findall(r"\.\. (?:auto|py:)(?!module)\w+:: (\S+)", reference.written()["zmq.rst"])
    assert len(entries) == len(set(entries)) > 100
    assert reference.homes()["zmq.green.ZMQError"] == "zmq.ZMQError"
    assert reference.homes()["zmq.green.Socket"] == "zmq.green.Socket"
    assert reference.homes()["zmq.green.REQ"] == "zmq.constants.REQ"
