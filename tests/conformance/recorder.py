"""A pytest plugin that writes down how each test ended as soon as it did, so that a crash loses nothing.

Loaded by `run.py` into the processes that run another project's tests. `CONFORMANCE_RECORD` names the file.
"""

from __future__ import annotations

import importlib.util
import json
import os
import sys
import types

import pytest

MODE = os.environ["CONFORMANCE_MODE"]

if MODE == "monkey":
    import gevent.monkey

    gevent.monkey.patch_all()

    import zmq

    if hasattr(zmq, "greenzmq_version"):
        importlib.import_module("zmq.green.monkey").patch_all()

# Modules that the tests' conftest imports; as long as they are not written yet their names are classes of no use.
for name in ("zmq.asyncio",):
    if importlib.util.find_spec(name) is None:
        module = sys.modules[name] = types.ModuleType(name, "Not there yet.")
        module.__getattr__ = lambda name: type(name, (), {})  # type: ignore[method-assign]

if MODE == "green":
    import zmq.green

    # What the tests reach as ``zmq.x`` after ``import zmq.x``, which the rewriting took apart.
    vars(zmq.green)["asyncio"] = importlib.import_module("zmq.asyncio")
    if not hasattr(zmq, "greenzmq_version"):
        # PyZMQ's own green module lacks a few names that these tests use; without them none of its files can be run.
        for name in dir(zmq):
            if not hasattr(zmq.green, name):
                setattr(zmq.green, name, getattr(zmq, name))
elif MODE != "eventlet":
    import zmq

    vars(zmq)["asyncio"] = importlib.import_module("zmq.asyncio")


def write(**record: str) -> None:
    with open(os.environ["CONFORMANCE_RECORD"], "a") as file:
        file.write(json.dumps(record) + "\n")


def name_of(node: str) -> str:
    """Return what a test is called, without its file."""
    return node.partition("::")[2]


def pytest_runtest_logstart(nodeid: str) -> None:
    write(test=name_of(nodeid), outcome="running", text="")


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    # The worst of the three phases counts; `run.py` takes the last word on each test.
    if report.when == "call" or report.outcome != "passed":
        outcome = "skipped" if report.skipped else report.outcome
        write(test=name_of(report.nodeid), outcome=outcome, text=str(report.longrepr or "")[-4000:])


def pytest_collectreport(report: pytest.CollectReport) -> None:
    if report.outcome != "passed":
        outcome = "skipped" if report.skipped else "failed"
        write(test=name_of(report.nodeid) or "(import)", outcome=outcome, text=str(report.longrepr)[-4000:])
