"""The services that hang, of the examples: one command names the cause of each."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from support import ROOT
from support.front_ends import LIMIT
from zmq import inspect
from zmq.top.causes import causes

EXAMPLES = ROOT / "examples" / "hanging"
CAUSES = {
    "blocked_hub": ("hub", ["The hub of thread 'MainThread' (gevent) has not run", "PULL 'prices'", "watch_prices"]),
    "forgotten_socket": ("term", ["the end of Context 'shop'", "PUSH 'audit log' is still open"]),
    "forgotten_worker": ("unread", ["REQ 'customer'", "nobody receives from its peer ROUTER 'orders'"]),
    "out_of_step": ("step", ["REQ 'till'", "REP 'bank'", "out of step", "REQ_RELAXED"]),
    "slow_subscriber": ("room", ["XPUB 'news' has had no room to send", "nobody receives from SUB 'archive'"]),
}


def test_all_are_here() -> None:
    assert {path.stem for path in EXAMPLES.glob("*.py")} == CAUSES.keys()


def certain(path: Path) -> list[dict[str, Any]]:
    try:
        # A hub that stands still is told of after a second look.
        return [each for each in causes(inspect.ask(path)) if each["certain"]]
    except inspect.NoAnswer:  # not yet
        return []


@pytest.mark.parametrize("name", CAUSES)
def test_one_command_names_the_cause(name: str, path: Path) -> None:
    service = subprocess.Popen(
        [sys.executable, "-W", "error", EXAMPLES / f"{name}.py"], env={**os.environ, "ZMQ_INSPECT": str(path)}
    )
    try:
        end = time.monotonic() + LIMIT
        while not certain(path) and time.monotonic() < end:
            assert service.poll() is None
            time.sleep(0.05)
        command = [sys.executable, "-m", "zmq.top", "--json", path]
        done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT, check=True)
    finally:
        service.kill()
        service.wait()
    kind, words = CAUSES[name]
    found = json.loads(done.stdout)["causes"]
    assert [each["kind"] for each in found if each["certain"]] == [kind], found
    for word in words:
        assert word in found[0]["text"]
    if name == "forgotten_worker":
        assert "REQ 'cook'" in found[1]["text"] and "ROUTER 'kitchen'" in found[1]["text"]


@pytest.mark.parametrize("name", CAUSES)
def test_they_end_in_time(name: str) -> None:
    environment = {key: value for key, value in os.environ.items() if key != "ZMQ_INSPECT"}
    command = [sys.executable, "-W", "error", EXAMPLES / f"{name}.py", "0.5"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=LIMIT)
    assert (done.returncode, done.stderr) == (0, "")
