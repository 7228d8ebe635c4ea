"""The hot paths take no more instructions than they did: see perf/instructions.py."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from support import ROOT

PERF = ROOT / "perf"
GROWN, NOT_COUNTED = 1, 2


def compare(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, PERF / "instructions.py", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=240)


@pytest.mark.timeout(300)
def test_the_hot_paths_take_no_more_instructions_than_before():
    done = compare()
    if done.returncode == NOT_COUNTED:
        pytest.skip(done.stdout.strip())
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("what", ["python", "compiler", "machine", "libzmq"])
def test_counts_of_another_environment_are_not_compared(tmp_path, what):
    found = json.loads((PERF / "instructions.json").read_text())
    found["environment"][what] = "another"
    other = tmp_path / "other.json"
    other.write_text(json.dumps(found))
    done = compare("--stored", other)
    assert done.returncode == NOT_COUNTED
    assert "not another" in done.stdout


# What a small message takes that is sent and received may grow by so much for counting it.
FOR_COUNTING = 0.02
MESSAGES = 500
SEND_AND_RECEIVE = f"""
import zmq
with zmq.Context() as context, context.socket(zmq.PAIR) as one, context.socket(zmq.PAIR) as other:
    one.bind("inproc://counting")
    other.connect("inproc://counting")
    for _ in range({MESSAGES}):
        one.send(b"0123456789abcdef0123456789abcdef")
        other.recv()
"""


def lines_of(source: list[str], function: str) -> set[int]:
    """Return the numbers of a C function's lines."""
    start = next(number for number, line in enumerate(source, 1) if f"{function}(" in line and line.endswith("{"))
    return set(range(start, next(number for number in range(start, len(source)) if source[number - 1] == "}")))


@pytest.mark.timeout(300)
def test_to_count_a_message_takes_a_fiftieth_of_what_it_takes_at_most(tmp_path):
    source = ROOT / "zmq" / "core" / "socket.c"
    if shutil.which("valgrind") is None or not source.exists():
        pytest.skip("valgrind or the C code is not there")
    out = tmp_path / "out"
    options = ["--tool=callgrind", "--compress-pos=no", "--compress-strings=no", f"--callgrind-out-file={out}"]
    subprocess.run(["valgrind", "-q", *options, sys.executable, "-c", SEND_AND_RECEIVE], check=True, timeout=240)
    lines = source.read_text().splitlines()
    counting = lines_of(lines, "sending_several_count_sent") | lines_of(lines, "counters_count_received")
    cost = {True: 0, False: 0}
    in_socket = is_call = False
    for line in out.read_text().splitlines():
        name, _, value = line.partition("=")
        if name in ("fl", "fi", "fe"):
            in_socket = value.endswith("zmq/core/socket.c")
        elif name == "calls":
            is_call = True  # the next line is what the called function cost
        elif line[:1].isdigit():
            number, instructions = map(int, line.split()[:2])
            if in_socket and not is_call:
                cost[number in counting] += instructions
            is_call = False
    if not cost[False]:
        pytest.skip("there is no debugging information, which says what each line costs")
    path = json.loads((PERF / "instructions.json").read_text())["counts"]["send and recv"]
    assert 0 < cost[True] / MESSAGES < FOR_COUNTING * path, cost
