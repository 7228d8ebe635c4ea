"""A pytest plugin that writes down how each test ended as soon as it did, so that a crash loses nothing.

Loaded by `outcomes.py` into the processes that run another project's tests. `CONFORMANCE_RECORD` names the file;
`CONFORMANCE_SKIP`, where it is there, one with the tests that are not to be run.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest


def write(**record: str) -> None:
    with open(os.environ["CONFORMANCE_RECORD"], "a") as file:
        file.write(json.dumps(record) + "\n")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if "CONFORMANCE_SKIP" in os.environ:
        skipped = set(Path(os.environ["CONFORMANCE_SKIP"]).read_text().splitlines())
        config.hook.pytest_deselected(items=[item for item in items if item.nodeid in skipped])
        items[:] = [item for item in items if item.nodeid not in skipped]


def pytest_runtest_logstart(nodeid: str) -> None:
    write(test=nodeid, outcome="running", text="")


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    # The worst of the three phases counts; `outcomes.py` sees to that.
    if report.when == "call" or report.outcome != "passed":
        outcome = "skipped" if report.skipped else report.outcome
        write(test=report.nodeid, outcome=outcome, text=str(report.longrepr or "")[-4000:])


def pytest_collectreport(report: pytest.CollectReport) -> None:
    if report.outcome != "passed":
        outcome = "skipped" if report.skipped else "failed"
        write(test=report.nodeid or "(import)", outcome=outcome, text=str(report.longrepr)[-4000:])
