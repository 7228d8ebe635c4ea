"""The examples of event loops run, show what they promise and end cleanly."""

from __future__ import annotations

import re
import subprocess
import sys
import urllib.request

import pytest

from support import ROOT

EXAMPLES = ROOT / "examples"
LIMIT = 40


@pytest.mark.parametrize("name", ["asyncio_workers", "gevent_workers"])
def test_every_task_is_done_and_every_worker_has_a_share(name: str) -> None:
    command = [sys.executable, "-W", "error", EXAMPLES / f"{name}.py", "--seconds", "1.5", "--workers", "3"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT)
    assert done.returncode == 0 and not done.stderr, done.stderr
    shares = re.findall(r"worker-\d: (\d+) tasks", done.stdout)
    total = re.search(r"^(\d+) of (\d+) tasks done$", done.stdout, re.MULTILINE)
    assert total and total[1] == total[2] and int(total[1]) > 3
    assert len(shares) == 3 and sum(map(int, shares)) == int(total[1])


def test_the_page_shows_live_messages() -> None:
    command = [sys.executable, "-W", "error", EXAMPLES / "tornado_page.py", "--seconds", "3", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as program:
        try:
            assert program.stdout is not None
            address = program.stdout.readline().strip()
            with urllib.request.urlopen(address, timeout=LIMIT) as page:
                assert b"EventSource" in page.read()
            with urllib.request.urlopen(address + "events", timeout=LIMIT) as events:
                lines = [events.readline() for _ in range(6)]
            output, errors = program.communicate(timeout=LIMIT)
        finally:
            program.kill()
    assert program.returncode == 0 and not errors, errors
    assert re.fullmatch(r"[1-9]\d* messages published\n", output)
    found = [int(number) for number in re.findall(rb"data: message (\d+)\n", b"".join(lines))]
    assert len(found) == 3 and found == list(range(found[0], found[0] + 3))
    assert lines[1::2] == [b"\n"] * 3
