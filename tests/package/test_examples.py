"""The examples, run as their readers run them."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

import zmq
from support import ROOT

EXAMPLES = ROOT / "examples"
LIMIT = 30  # seconds


def start(name: str, *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-W", "error", "-X", "faulthandler", str(EXAMPLES / name), *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def ended(process: subprocess.Popen[str]) -> list[str]:
    """Wait until an example has ended, well and without complaint; return the lines it printed."""
    output, errors = process.communicate(timeout=LIMIT)
    assert process.returncode == 0 and not errors, errors
    return output.splitlines()


def rates(lines: list[str], clients: int) -> None:
    """Look at what the monitored queue prints each second; on a busy machine it may be little."""
    for second, line in enumerate(lines, 1):
        found = re.fullmatch(r" +(\d+) +([\d,]+) +([\d,]+) +(\d+)", line)
        assert found, line
        assert int(found[1]) == second and int(found[4]) == clients
        assert int(found[2].replace(",", "")) > 0


def test_monitored_queue() -> None:
    title, *seconds, result = ended(start("monitored_queue.py", "--seconds", "2", "--clients", "3", "--workers", "2"))
    assert title.split() == ["second", "requests/s", "replies/s", "clients"]
    assert len(seconds) == 2
    rates(seconds, 3)
    answers = re.fullmatch(r"([\d,]+) right answers, 0 wrong ones", result)
    assert answers and int(answers[1].replace(",", "")) > 0


def test_monitored_queue_ends_on_ctrl_c() -> None:
    process = start("monitored_queue.py", "--seconds", "100", "--clients", "2", "--workers", "1")
    assert process.stdout is not None
    seen = [process.stdout.readline() for _ in range(2)]
    rates([seen[1].rstrip("\n")], 2)
    process.send_signal(signal.SIGINT)
    *_, told, result = ended(process)
    assert told == "interrupted"
    assert result.endswith("right answers, 0 wrong ones")


def test_steerable_proxy() -> None:
    lines = ended(start("steerable_proxy.py"))
    told = [line for line in lines if not line.startswith(" ")]
    assert told == ["STATISTICS", "PAUSE", "STATISTICS", "RESUME", "TERMINATE", "the proxy has ended"]
    numbers = dict(line.strip().split(": ") for line in lines if line.startswith(" "))
    assert int(numbers["messages in"]) == int(numbers["messages out"]) > 0
    assert int(numbers["bytes in"]) == int(numbers["bytes out"]) >= int(numbers["messages in"])
    assert numbers["received while it paused"] == "0"
    assert int(numbers["received since it goes on"]) >= 100
    assert numbers["none was lost"] == "True"


def test_metrics() -> None:
    parser = pytest.importorskip("prometheus_client.parser")
    process = start("metrics.py", "--seconds", "100", "--port", "0")
    assert process.stdout is not None
    page = process.stdout.readline().strip()
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/metrics", page)

    def scrape() -> dict[tuple[str, ...], float]:
        with urllib.request.urlopen(page, timeout=LIMIT) as answer:
            assert answer.headers["Content-Type"].startswith("text/plain")
            text = answer.read().decode()
        families = list(parser.text_string_to_metric_families(text))
        assert all(family.documentation for family in families)
        samples = [sample for family in families for sample in family.samples]
        return {(each.name, *each.labels.values()): each.value for each in samples}

    received = ("zmq_socket_received_messages_total", "orders", "REP")
    end = time.monotonic() + LIMIT
    while scrape().get(received, 0) < 3:
        assert time.monotonic() < end
    first, second = scrape(), scrape()
    assert all(second[key] >= value for key, value in first.items() if key[0].endswith("_total"))
    assert second["zmq_sockets_open", "shop", "REQ"] == second["zmq_contexts_open",] == 1
    assert second["zmq_socket_received_bytes_total", "orders", "REP"] >= 7 * second[received]
    process.send_signal(signal.SIGINT)
    assert ended(process)[-1] == "interrupted"


@pytest.mark.skipif(not zmq.has("curve"), reason="this libzmq has no CURVE")
def test_curve(tmp_path: Path) -> None:
    assert ended(start("curve.py", "--folder", str(tmp_path))) == [
        "mallory was refused",
        "'hello from alice' from alice",
        "bob's certificate is taken away",
        "bob was refused",
        "nothing else came",
    ]
    # Whose it is, nobody else can use it.
    assert (tmp_path / "server.key_secret").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in (tmp_path / "known").iterdir()] == ["alice.key"]


def test_the_list_of_examples_is_complete() -> None:
    listed = re.findall(r"`(\w+\.py)`", (EXAMPLES / "README.md").read_text())
    assert listed == sorted(path.name for path in EXAMPLES.glob("*.py"))


def test_examples_are_short() -> None:
    for path in EXAMPLES.glob("*.py"):
        assert len(path.read_text().splitlines()) < 100
