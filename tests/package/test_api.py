"""The public names and parameter names of the API that this package implements."""

from __future__ import annotations

import importlib
import inspect
import re
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest


def listed() -> Iterator[tuple[str, list[str]]]:
    """Yield the modules of pyzmq_names.txt, each with its names."""
    text = Path(__file__).with_name("pyzmq_names.txt").read_text()
    for module, names in re.findall(r"^\[(.*)\]\n([^\[]*)", text, flags=re.M):
        yield module, names.split("\n")


def parameters(function: Any) -> list[str]:
    return [parameter.name for parameter in inspect.signature(function).parameters.values()]


def by_position(function: Any) -> list[str]:
    """Return the parameters that can't be given by name."""
    found = inspect.signature(function).parameters.values()
    return [each.name for each in found if each.kind is each.POSITIONAL_ONLY and each.name not in ("self", "cls")]


def is_module(name: str) -> bool:
    """Import a module, if there is one."""
    try:
        importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name:
            raise
        return False
    return True


def missing(module: Any, entry: str) -> str:
    """Tell what is wrong with one name; the empty string when nothing is."""
    name, _, rest = entry.partition("(")
    if name.startswith(("ZMQEventLoop.", "ForwardServer.allow_")):
        # Inherited: each version of Python has its own.
        return ""
    found = module
    for part in name.split("."):
        if not hasattr(found, part) and not (found is module and is_module(f"{module.__name__}.{part}")):
            return f"{entry}: not there"
        found = getattr(found, part)
    wanted = [parameter for parameter in rest.rstrip(")").split(", ") if parameter]
    if not wanted:
        return ""
    have = parameters(found)
    # Ours may have more, after those or by keyword alone.
    rest_of_ours = [parameter for parameter in have if parameter in wanted]
    if rest_of_ours != wanted and not ("kwargs" in have or "args" in have):
        return f"{entry}: has the parameters {', '.join(have)}"
    # As there.
    if name.rpartition(".")[2] in ("recv_into", "count", "index"):
        return ""
    nameless = [parameter for parameter in by_position(found) if parameter in wanted]
    return f"{entry}: {', '.join(nameless)} can't be given by name" if nameless else ""


@pytest.mark.parametrize(("module", "names"), [pytest.param(*each, id=each[0]) for each in listed()])
def test_names_and_parameters(module: str, names: list[str]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        found = importlib.import_module(module)
        problems = [problem for name in names if name and (problem := missing(found, name))]
    assert problems == []


def example(name: str, /, other: str) -> None:
    """A function that takes its first argument by position alone."""


def test_what_can_not_be_given_by_name() -> None:
    here = importlib.import_module(__name__)
    assert missing(here, "example(name, other)") and not missing(here, "example(other)")


#: Classes, and of which others they are, there as here.
DERIVED = {
    "MonitoredQueue": "Proxy",
    "ThreadMonitoredQueue": "ThreadProxy",
    "ProcessMonitoredQueue": "ProcessProxy",
    "ProxySteerable": "Proxy",
    "ThreadProxySteerable": "ThreadProxy",
    "ProcessProxySteerable": "ProcessProxy",
    "Proxy": "Device",
    "ThreadProxy": "ThreadDevice",
    "ProcessProxy": "ProcessDevice",
}


@pytest.mark.parametrize("module", ["zmq.devices", "zmq.green.devices", "zmq.eventlet.devices"])
@pytest.mark.parametrize("derived", DERIVED)
def test_what_is_derived_from_what(module: str, derived: str) -> None:
    devices = importlib.import_module(module)
    assert issubclass(getattr(devices, derived), getattr(devices, DERIVED[derived]))


def test_the_list_is_read() -> None:
    modules = dict(listed())
    assert len(modules) > 40 and len(modules["zmq"]) > 300
    assert missing(importlib.import_module("zmq"), "Socket.no_such_method(self)")
    assert missing(importlib.import_module("zmq"), "Socket.bind(self, address)")
