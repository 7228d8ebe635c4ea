"""The demonstration, run as its users run it: a process of its own."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

LIMIT = 20  # seconds
PYTHON = [sys.executable, "-W", "error", "-X", "faulthandler"]
SMALL = ["--clients", "50", "--requests", "500"]


def command(*arguments: str, change: str = "") -> list[str]:
    """Return how to run the demonstration, or with `change` how to change its module first."""
    if change:
        return [*PYTHON, "-c", f"import sys\nfrom zmq.green import demo\n{change}\nsys.exit(demo.main())", *arguments]
    return [*PYTHON, "-m", "zmq.green.demo", *arguments]


def run(*arguments: str, change: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(*arguments, change=change), capture_output=True, text=True, timeout=LIMIT)


def table(stdout: str) -> dict[str, str]:
    rows = dict(re.split(r"\s{2,}", line) for line in stdout.splitlines())
    assert list(rows) == [
        "requests done",
        "wrong answers",
        "requests per second",
        "latency p50 / p99 (ms)",
        "longest stall of the ticker (ms)",
        "wake-ups missed",
    ]
    assert rows["wake-ups missed"] == "0"
    return rows


def assert_only_progress(stderr: str) -> None:
    for line in stderr.splitlines():
        assert re.fullmatch(r" *\d+ / \d+ requests +\d+ per second", line), stderr


@pytest.mark.parametrize("transport", ["tcp", "ipc", "inproc"])
def test_all_are_answered(transport: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    done = run(*SMALL, "--transport", transport)
    assert done.returncode == 0, done.stderr
    assert_only_progress(done.stderr)
    assert done.stderr.splitlines()[-1].split()[:3] == ["500", "/", "500"]
    rows = table(done.stdout)
    assert rows["requests done"] == "500 of 500"
    assert rows["wrong answers"] == "0"
    assert float(rows["requests per second"]) > 0
    p50, p99 = map(float, rows["latency p50 / p99 (ms)"].split(" / "))
    assert 0 < p50 <= p99
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("clients", "workers", "requests"), [("7", "3", "500"), ("1", "9", "5"), ("9", "1", "5")])
def test_requests_are_shared_out(clients: str, workers: str, requests: str) -> None:
    done = run("--clients", clients, "--workers", workers, "--requests", requests, "--transport", "inproc")
    assert done.returncode == 0, done.stderr
    assert table(done.stdout)["requests done"] == f"{requests} of {requests}"


def test_limits_are_raised() -> None:
    """There is room for more sockets than a context has by default, and for their descriptors."""
    change = """if True:
        import resource
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (64, hard))
    """
    done = run("--clients", "1100", "--requests", "1100", "--transport", "inproc", change=change)
    assert done.returncode == 0, done.stderr
    assert table(done.stdout)["requests done"] == "1100 of 1100"


def test_a_limit_that_cannot_be_raised() -> None:
    change = "import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256))"
    done = run(*SMALL, "--transport", "tcp", change=change)
    assert done.returncode == 2 and not done.stdout
    assert re.fullmatch(r"demo: error: --clients 50 and --workers 8 need \d+ descriptors, .*\n", done.stderr)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--clients", "0"),
        ("--clients", "-1"),
        ("--clients", "many"),
        ("--clients", "1000000000000"),
        ("--requests", "0"),
        ("--requests", "-20"),
        ("--requests", "2.5"),
        ("--workers", "0"),
        ("--workers", "-8"),
        ("--workers", "two\nlines"),
        ("--workers", "1000000000000"),
        ("--transport", "udp"),
    ],
)
def test_bad_values(option: str, value: str) -> None:
    done = run(option, value)
    assert done.returncode == 2 and not done.stdout
    assert re.fullmatch(r"demo: error: .*\n", done.stderr)
    named = re.escape(value.encode("unicode_escape").decode())
    assert re.search(rf"{option}:? .*(?<!\w){named}(?!\w)", done.stderr)


def test_a_bad_argument_of_several_lines_gives_one() -> None:
    done = run("--no-such\noption")
    assert done.returncode == 2 and not done.stdout
    assert re.fullmatch(r"demo: error: .*--no-such option\n", done.stderr)


@pytest.mark.parametrize(
    ("answer", "wrong"),
    [
        ("lambda request: request", 500),
        ("lambda request: b'' if request == b'request 3 of client 7' else right(request)", 1),
    ],
    ids=["all", "one"],
)
def test_wrong_answers_are_counted(answer: str, wrong: int) -> None:
    done = run(*SMALL, "--transport", "inproc", change=f"right = demo.answer\ndemo.answer = {answer}")
    assert done.returncode == 1
    assert_only_progress(done.stderr)
    rows = table(done.stdout)
    assert rows["requests done"] == "500 of 500"
    assert rows["wrong answers"] == str(wrong)


@pytest.mark.parametrize(
    ("silent", "answered", "latency"), [("request 3 of client 0", 3, r"[\d.]+"), ("hello", 0, "-")], ids=["one", "all"]
)
def test_missing_answers_are_not_waited_for_for_ever(silent: str, answered: int, latency: str) -> None:
    change = f"""if True:
        import gevent
        right, demo.TIMEOUT_MS = demo.answer, 1000
        demo.answer = lambda request: gevent.sleep(60) if request == b"{silent}" else right(request)
    """
    done = run("--clients", "1", "--workers", "1", "--requests", "10", "--transport", "inproc", change=change)
    assert done.returncode == 1
    assert_only_progress(done.stderr)
    rows = table(done.stdout)
    assert rows["requests done"] == f"{answered} of 10"
    assert rows["wrong answers"] == "0"
    assert re.fullmatch(f"{latency} / {latency}", rows["latency p50 / p99 (ms)"])


@pytest.mark.parametrize("lines", [1, 2], ids=["early", "late"])
def test_control_c(lines: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    arguments = command("--clients", "50", "--requests", "1000000000", "--transport", "ipc")
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr
        limit = threading.Timer(LIMIT, process.kill)
        limit.start()
        try:
            seen = "".join(process.stderr.readline() for _ in range(lines))
            process.send_signal(signal.SIGINT)
            stdout, stderr = process.communicate(timeout=LIMIT)
        finally:
            limit.cancel()
            process.kill()
    assert process.returncode == 130, stderr
    assert_only_progress(seen + stderr)
    rows = table(stdout)
    answered, _, total = rows["requests done"].split()
    assert int(answered) < int(total) == 1_000_000_000
    assert int(answered) > 0 or lines == 1
    assert rows["wrong answers"] == "0"
    assert list(tmp_path.iterdir()) == []


def test_a_terminal_gets_one_line_that_is_rewritten() -> None:
    master, slave = os.openpty()
    try:
        try:
            arguments = command(*SMALL, "--transport", "inproc")
            done = subprocess.run(arguments, stdout=subprocess.PIPE, stderr=slave, text=True, timeout=LIMIT)
        finally:
            os.close(slave)
        shown = b""
        try:
            while more := os.read(master, 4096):
                shown += more
        except OSError:
            pass  # the other side is closed
    finally:
        os.close(master)
    assert done.returncode == 0
    assert table(done.stdout)["requests done"] == "500 of 500"
    *lines, rest = shown.decode().replace("\r\n", "\n").split("\n")
    assert len(lines) == 1 and not rest
    assert_only_progress(lines[0].replace("\r", "\n"))
    assert lines[0].count("\r") >= 1
