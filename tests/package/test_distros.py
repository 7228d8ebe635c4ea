"""What `make matrix` and `make distros` do besides running tests: pip's settings elsewhere, places, the table."""

from __future__ import annotations

import os
import select
import sys
from pathlib import Path

import distros
import matrix
import pytest

from support.front_ends import LIMIT


def test_pip_finds_there_what_it_finds_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("simple", "wheels", "index/simple"):
        (tmp_path / name).mkdir(parents=True)
    limits, certificate = tmp_path / "limits.txt", tmp_path / "wheels" / "certificate"
    for path in (limits, certificate):
        path.touch()
    configuration = tmp_path / "pip.conf"
    configuration.write_text(f"""\
[global]
constraint = {limits}
extra-index-url = file://{tmp_path}/index/simple
    https://example.org/simple
cert = /nowhere
[install]
find-links = {tmp_path}/wheels /nowhere/either
""")
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", str(configuration))
    monkeypatch.setenv("PIP_CERT", str(certificate))
    settings = distros.settings_of_pip()
    assert settings["PIP_CONSTRAINT"] == str(limits)
    assert settings["PIP_EXTRA_INDEX_URL"].split() == [f"file://{tmp_path}/index/simple", "https://example.org/simple"]
    assert settings["PIP_CERT"] == str(certificate), "the environment comes first"
    here = [path for path in distros.named_files(settings) if path.is_relative_to(tmp_path)]
    # What is in another one is there with it; an index has its files beside it.
    assert here == [tmp_path / "index", limits, configuration, tmp_path / "wheels"]


def test_variables_are_said_before_the_interpreter(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "import sys; print(sys.argv[1:])", "python"]
    place = matrix.Place("there", tmp_path, [*command], variable="-e", variables={"ONE": "1"})
    output, _ = place.start(["-m", "pytest"], TWO="2").communicate()
    assert output == "['-e', 'ONE=1', '-e', 'TWO=2', 'python', '-m', 'pytest']\n"
    program = "import os; print(os.environ['ONE'], os.environ['TWO'], os.getcwd())"
    place = matrix.Place("here", tmp_path, [sys.executable], variables={"ONE": "1"})
    output, _ = place.start(["-c", program], TWO="2").communicate()
    assert output == f"1 2 {tmp_path}\n"


def test_what_a_run_leaves_behind_ends_with_it(tmp_path: Path) -> None:
    """As one that is ended in the midst of a test leaves the program behind which this has started."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    child = f"import time; file = open({str(fifo)!r}, 'w'); print('runs', file=file, flush=True); time.sleep(600)"
    program = f"""
import subprocess, sys
subprocess.Popen([sys.executable, "-c", {child!r}], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
open({str(fifo)!r}).read(1)
"""
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    place = matrix.Place("here", tmp_path, [sys.executable, "-c", program])
    assert matrix.run(place, "core", "", LIMIT)[1] == ["the whole run, status 0"]
    # It hangs up when nobody has it open for writing any more.
    poller = select.poll()
    poller.register(reader, select.POLLHUP)
    assert poller.poll(1000 * LIMIT) == [(reader, select.POLLHUP)]
    os.close(reader)


def test_the_table_has_a_column_for_each_place() -> None:
    def cells(passed: int) -> matrix.Cells:
        return {
            name: {"passed": passed if name == "tcp" else 0, "failed": 0, "skipped": 1} for name in ("tcp", "other")
        }

    lines = matrix.table(
        {
            ("bookworm 3.11 4.3.4", "gevent", "libev-cext"): cells(5),
            ("sid", "gevent", "libev-cext"): cells(6),
            ("sid", "threads", ""): cells(7),
        }
    ).splitlines()
    assert [line.split() for line in lines] == [
        ["bookworm", "3.11", "4.3.4", "sid"],
        ["pass", "/", "fail", "/", "skip"] * 2,
        ["gevent", "libev-cext", "tcp", *["5", "/", "0", "/", "1", "6", "/", "0", "/", "1"]],
        ["gevent", "libev-cext", "other", *["0", "/", "0", "/", "1", "0", "/", "0", "/", "1"]],
        ["threads", "tcp", "-", *["7", "/", "0", "/", "1"]],
        ["threads", "other", "-", *["0", "/", "0", "/", "1"]],
    ]
    assert len({len(line) for line in lines}) == 1
