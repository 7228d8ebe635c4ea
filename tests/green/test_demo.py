"""The demonstration, run as its users run it: a process of its own."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

LIMIT = 20  # seconds
PYTHON = [sys.executable, "-W", "error", "-X", "faulthandler"]
SMALL = ["--clients", "50", "--requests", "500"]


@dataclass
class Variant:
    arguments: list[str]
    hub: str  # what the table says of it
    sockets: str  # the module whose class the sockets have
    threads: int  # native ones in which workers run, of which there are 8


VARIANTS = {
    "gevent": Variant(["--hub", "gevent"], "gevent", "zmq.green.core", 1),
    "eventlet": Variant(["--hub", "eventlet"], "eventlet", "zmq.eventlet.core", 1),
    "threads": Variant(["--hub", "threads"], "threads", "zmq.core.socket", 8),
    "gevent-legacy": Variant(["--hub", "gevent", "--legacy"], "gevent (legacy)", "zmq.core.socket", 1),
    "eventlet-legacy": Variant(["--hub", "eventlet", "--legacy"], "eventlet (legacy)", "zmq.core.socket", 1),
}


@pytest.fixture(params=VARIANTS.values(), ids=VARIANTS)
def variant(request: pytest.FixtureRequest) -> Variant:
    return request.param


@pytest.fixture(autouse=True)
def as_users_have_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EVENTLET_TESTS", raising=False)  # which keeps eventlet's warning away


#: A change upon which `tallies` has what the clients share.
KEEP_TALLY = """if True:
    tallies = []
    class Tally(program.Tally):
        def __init__(self, *args):
            super().__init__(*args)
            tallies.append(self)
    program.Tally = Tally
"""


def command(*arguments: str, change: str = "") -> list[str]:
    """Return how to run the demonstration, or with `change` how to change its program first."""
    if change:
        lines = ["import sys", "from zmq.demo import program", change]
        lines += ["from zmq.demo.__main__ import main", "sys.exit(main())"]
        return [*PYTHON, "-c", "\n".join(lines), *arguments]
    return [*PYTHON, "-m", "zmq.demo", *arguments]


def run(*arguments: str, change: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(*arguments, change=change), capture_output=True, text=True, timeout=LIMIT)


def table(stdout: str, hub: str = "gevent") -> dict[str, str]:
    rows = dict(re.split(r"\s{2,}", line) for line in stdout.splitlines())
    assert list(rows) == [
        "hub",
        "requests done",
        "wrong answers",
        "requests per second",
        "latency p50 / p99 (ms)",
        "longest stall of the ticker (ms)",
        "wake-ups missed",
    ]
    assert rows["hub"] == hub
    assert rows["wake-ups missed"] == "0"
    return rows


def assert_only_progress(stderr: str) -> None:
    for line in stderr.splitlines():
        assert re.fullmatch(r" *\d+ / \d+ requests +\d+ per second", line), stderr


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Have temporary files made where it can be seen that none is left."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    yield
    assert list(tmp_path.iterdir()) == []


def test_all_are_answered(variant: Variant, transport: str, temporary: None) -> None:
    done = run(*SMALL, *variant.arguments, "--transport", transport)
    assert done.returncode == 0, done.stderr
    assert_only_progress(done.stderr)
    assert done.stderr.splitlines()[-1].split()[:3] == ["500", "/", "500"]
    rows = table(done.stdout, variant.hub)
    assert rows["requests done"] == "500 of 500"
    assert rows["wrong answers"] == "0"
    assert float(rows["requests per second"]) > 0
    p50, p99 = map(float, rows["latency p50 / p99 (ms)"].split(" / "))
    assert 0 < p50 <= p99


def test_the_name_it_has_for_gevent() -> None:
    done = subprocess.run(
        [*PYTHON, "-m", "zmq.green.demo", *SMALL], capture_output=True, text=True, timeout=LIMIT, check=True
    )
    assert table(done.stdout)["requests done"] == "500 of 500"


def test_what_everybody_runs_on(variant: Variant) -> None:
    """Native threads or greenlets of one, and with --legacy the classes that a program for threads knows."""
    change = """if True:
        import atexit, threading
        threads, classes = set(), set()
        answer, worker = program.answer, program.worker
        def spied_answer(request):
            threads.add(threading.get_native_id())
            return answer(request)
        def spied_worker(socket, address):
            classes.add(type(socket).__module__)
            worker(socket, address)
        program.answer, program.worker = spied_answer, spied_worker
        atexit.register(lambda: print(*classes, len(threads), threading.get_native_id() in threads))
    """
    done = run(*SMALL, *variant.arguments, "--transport", "inproc", change=change)
    assert done.returncode == 0, done.stderr
    *lines, last = done.stdout.splitlines()
    assert table("\n".join(lines), variant.hub)["requests done"] == "500 of 500"
    assert last == f"{variant.sockets} {variant.threads} {variant.threads == 1}"


@pytest.mark.parametrize(
    ("missing", "hub"), [("eventlet", "gevent"), ("gevent", "eventlet"), ("gevent", "threads"), ("eventlet", "threads")]
)
def test_only_the_framework_that_is_asked_for_is_needed(missing: str, hub: str) -> None:
    done = run(*SMALL, "--hub", hub, "--transport", "inproc", change=f"sys.modules['{missing}'] = None")
    assert done.returncode == 0, done.stderr
    assert table(done.stdout, hub)["requests done"] == "500 of 500"


@pytest.mark.parametrize("legacy", [[], ["--legacy"]], ids=["native", "legacy"])
@pytest.mark.parametrize("hub", ["gevent", "eventlet"])
def test_a_framework_that_is_missing(hub: str, legacy: list[str]) -> None:
    done = run("--hub", hub, *legacy, change=f"sys.modules['{hub}'] = None")
    assert done.returncode == 2 and not done.stdout
    assert re.fullmatch(rf"demo: error: --hub {hub} needs {hub}, .*\n", done.stderr)


@pytest.mark.parametrize(("clients", "workers", "requests"), [("7", "3", "500"), ("1", "9", "5"), ("9", "1", "5")])
def test_requests_are_shared_out(clients: str, workers: str, requests: str) -> None:
    done = run("--clients", clients, "--workers", workers, "--requests", requests, "--transport", "inproc")
    assert done.returncode == 0, done.stderr
    assert table(done.stdout)["requests done"] == f"{requests} of {requests}"


def test_limits_are_raised(variant: Variant) -> None:
    """There is room for more sockets than a context has by default, and for their descriptors."""
    if "eventlet" in variant.arguments and os.environ.get("EVENTLET_HUB") == "selects":
        pytest.skip("select() knows no descriptors above 1,023")
    change = """if True:
        import resource
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (64, hard))
    """
    arguments = ["--clients", "1100", "--requests", "1100", "--transport", "inproc"]
    done = run(*variant.arguments, *arguments, change=change)
    assert done.returncode == 0, done.stderr
    assert table(done.stdout, variant.hub)["requests done"] == "1100 of 1100"


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
        ("--hub", "twisted"),
    ],
)
def test_bad_values(option: str, value: str) -> None:
    done = run(option, value)
    assert done.returncode == 2 and not done.stdout
    assert re.fullmatch(r"demo: error: .*\n", done.stderr)
    named = re.escape(value.encode("unicode_escape").decode())
    assert re.search(rf"{option}:? .*(?<!\w){named}(?!\w)", done.stderr)


def test_threads_are_no_hub_to_patch_for() -> None:
    done = run("--hub", "threads", "--legacy")
    assert done.returncode == 2 and not done.stdout
    assert re.fullmatch(r"demo: error: --legacy .*--hub gevent .*--hub eventlet\n", done.stderr)


def test_more_threads_than_the_system_allows(temporary: None) -> None:
    """Those that were started, clients that have not begun to ask included, are stopped."""
    change = """if True:
        import threading, time
        start = threading.Thread.start
        def limited(thread):
            if threading.active_count() == 30:
                while not any(score.connected for score in tallies[0].scores):
                    time.sleep(0.01)
                raise RuntimeError("can't start new thread")
            start(thread)
        threading.Thread.start = limited
    """
    done = run(*SMALL, "--hub", "threads", "--transport", "ipc", change=KEEP_TALLY + change)
    assert done.returncode == 1 and not done.stdout
    *lines, last = done.stderr.splitlines()
    assert_only_progress("\n".join(lines))
    assert last == "demo: error: can't start new thread"


def test_an_address_that_is_too_long(variant: Variant, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / ("x" * 100)
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    done = run(*SMALL, *variant.arguments, "--transport", "ipc")
    assert done.returncode == 1 and not done.stdout
    *lines, last = done.stderr.splitlines()
    assert_only_progress("\n".join(lines))
    assert re.fullmatch(r"demo: error: .*too long.*", last)
    assert list(folder.iterdir()) == []


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
    done = run(*SMALL, "--transport", "inproc", change=f"right = program.answer\nprogram.answer = {answer}")
    assert done.returncode == 1
    assert_only_progress(done.stderr)
    rows = table(done.stdout)
    assert rows["requests done"] == "500 of 500"
    assert rows["wrong answers"] == str(wrong)


@pytest.mark.parametrize(
    ("silent", "answered", "latency"), [("request 3 of client 0", 3, r"[\d.]+"), ("hello", 0, "-")], ids=["one", "all"]
)
def test_missing_answers_are_not_waited_for_for_ever(
    variant: Variant, silent: str, answered: int, latency: str
) -> None:
    change = f"""if True:
        right, program.TIMEOUT_MS = program.answer, 1000
        program.answer = lambda request: tallies[0].over.wait() and b"" if request == b"{silent}" else right(request)
    """
    arguments = ["--clients", "1", "--workers", "1", "--requests", "10", "--transport", "inproc"]
    done = run(*variant.arguments, *arguments, change=KEEP_TALLY + change)
    assert done.returncode == 1
    assert_only_progress(done.stderr)
    rows = table(done.stdout, variant.hub)
    assert rows["requests done"] == f"{answered} of 10"
    assert rows["wrong answers"] == "0"
    assert re.fullmatch(f"{latency} / {latency}", rows["latency p50 / p99 (ms)"])


@pytest.mark.parametrize("early", [True, False], ids=["early", "late"])
def test_control_c(variant: Variant, early: bool, temporary: None) -> None:
    arguments = command("--clients", "50", "--requests", "1000000000", "--transport", "ipc", *variant.arguments)
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr
        limit = threading.Timer(LIMIT, process.kill)
        limit.start()
        try:
            seen = line = process.stderr.readline()
            while line and not early and int(line.split()[0]) == 0:
                seen += (line := process.stderr.readline())
            process.send_signal(signal.SIGINT)
            stdout, stderr = process.communicate(timeout=LIMIT)
        finally:
            limit.cancel()
            process.kill()
    assert process.returncode == 130, stderr
    assert_only_progress(seen + stderr)
    rows = table(stdout, variant.hub)
    answered, _, total = rows["requests done"].split()
    assert int(answered) < int(total) == 1_000_000_000
    assert int(answered) > 0 or early
    assert rows["wrong answers"] == "0"


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
