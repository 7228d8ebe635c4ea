"""How ``make clients`` and ``make conformance`` read, compare and end what they run."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import sysconfig
import tarfile
import venv
from pathlib import Path

import pytest

CLIENTS = Path(__file__).resolve().parent
sys.path.insert(0, str(CLIENTS))

import clients  # noqa: E402
import outcomes  # noqa: E402

PASSED, FAILED, SKIPPED = ("passed", ""), ("failed", "why"), ("skipped", "")


@pytest.mark.parametrize(
    ("here", "there", "differs", "is_wrong"),
    [
        (PASSED, PASSED, False, False),
        (FAILED, FAILED, False, False),
        (FAILED, PASSED, True, True),
        (SKIPPED, PASSED, True, True),
        (None, PASSED, True, True),
        (PASSED, FAILED, True, False),
        (FAILED, SKIPPED, True, False),
        (FAILED, None, True, False),
    ],
)
def test_what_counts_as_a_difference(here, there, differs, is_wrong) -> None:
    sides = [{} if outcome is None else {"a.py::test": outcome} for outcome in (here, there)]
    found = clients.compare("program", *sides, {})
    assert [each.test for each in found] == ["program a.py::test"] * differs
    assert [each.is_wrong for each in found] == [is_wrong] * differs
    if differs and here == FAILED:
        assert found[0].text == "why"


def test_deliberate_differences() -> None:
    """They are shown with their reason, and fail nothing; by name or by a pattern, of their own program alone."""
    here = {"a.py::one[x]": FAILED, "a.py::two": FAILED}
    there = {"a.py::one[x]": PASSED, "a.py::two": PASSED}
    for listed in ({"program a.py::one[x]": "so"}, {"program a.py::one*": "so"}):
        found = clients.compare("program", here, there, listed)
        assert [(each.reason, each.is_wrong) for each in found] == [("so", False), ("", True)]
    assert all(each.is_wrong for each in clients.compare("other", here, there, {"program *": "so"}))


def test_what_is_listed_for_nothing() -> None:
    listed = {"program a.py::one": "", "program b.py::*": "", "gone *": ""}
    assert clients.unused(listed, {"program a.py::one", "program b.py::x[1]"}) == ["gone *"]


def test_a_comparison_with_nothing() -> None:
    """That a process ended well does not make up for tests of which none passed."""
    assert not clients.something_passed({clients.END: PASSED, "a.py::test": FAILED})
    assert clients.something_passed({"a.py::test": PASSED})


def test_what_fails_with_both() -> None:
    """It is no difference, and is shown by itself."""
    pair = {"here": {"a": FAILED, "b": FAILED, "c": PASSED}, "pyzmq": {"a": FAILED, "b": PASSED, "c": FAILED}}
    assert clients.failed_with_both("program", pair) == ["program a"]


@pytest.fixture
def environment(tmp_path: Path) -> Path:
    """An environment whose PyZMQ is an empty module."""
    venv.create(tmp_path / "environment")
    packages = sysconfig.get_path(
        "platlib", vars={"base": str(tmp_path / "environment"), "platbase": str(tmp_path / "environment")}
    )
    zmq = Path(packages, "zmq")
    zmq.mkdir()
    (zmq / "__init__.py").write_text("__version__, zmq_version = '27.3.0', lambda: '4.3.5'\n")
    return tmp_path / "environment"


def test_which_zmq_an_environment_has(environment: Path) -> None:
    assert clients.which(environment, "pyzmq") == "PyZMQ 27.3.0, libzmq 4.3.5"
    with pytest.raises(RuntimeError, match=r"imports zmq, PyZMQ 27\.3\.0"):
        clients.which(environment, "here")


def test_pyzmq_is_not_used_unnoticed(environment: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor by who does without us where it can't be imported."""
    monkeypatch.setattr(clients, "pip", lambda *arguments: None)
    clients.put_in_place(environment, Path("greenzmq.whl"))
    program = "try:\n    import zmq\nexcept ImportError: pass"
    with pytest.raises(subprocess.CalledProcessError) as failed:
        clients.ask(environment, program)
    assert "where greenzmq should be" in failed.value.stderr


def test_a_program_that_can_not_be_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Others run, and the comparison has failed."""

    def prepare(folder: Path, name: str, who: str, wheel: Path) -> Path:
        if name == "zerorpc" and who == "here":
            raise OSError("no such package")
        return folder

    for name, value in {
        "prepare": prepare,
        "which": lambda environment, who: who,
        "run": lambda *arguments: {"check_it.py::test_one": PASSED},
        "adopt_orphans": lambda: None,
    }.items():
        monkeypatch.setattr(clients, name, value)
    monkeypatch.setattr(clients.signal, "signal", lambda *arguments: None)
    found = {}
    for programs in (["zerorpc", "locust"], ["locust"]):
        arguments = ["--wheel", "x.whl", "--build", str(tmp_path), "--json", str(tmp_path / "json"), *programs]
        monkeypatch.setattr(sys, "argv", ["clients.py", *arguments])
        found[len(programs)] = clients.main()
        shown = capsys.readouterr().out
        assert ("zerorpc with this package: OSError('no such package')" in shown) == ("zerorpc" in programs)
        assert "locust, passed/failed/skipped" in shown and "locust (here; pyzmq)" in shown
        assert json.loads((tmp_path / "json").read_text())["zmq"]["locust"] == {"here": "here", "pyzmq": "pyzmq"}
    assert found == {2: 1, 1: 0}


def test_versions() -> None:
    """Every program and all tools of the checks have one, whatever the case and dashes of their names."""
    for program in clients.PROGRAMS.values():
        for package in (*program.packages, *([program.archive] if program.archive else [])):
            assert clients.version_of(package.partition("[")[0])
    with pytest.raises(LookupError):
        clients.version_of("pyzm")


def test_listed_differences() -> None:
    """All are of programs that there are, and have reasons."""
    known = json.loads((CLIENTS / "differences.json").read_text())
    assert set(known) == {"deliberate", "left to chance"}
    for test, reason in {**known["deliberate"], **known["left to chance"]}.items():
        assert test.split()[0] in clients.PROGRAMS
        assert reason


def test_the_worst_phase_counts() -> None:
    results: outcomes.Results = {}
    for outcome in ("running", "passed", "failed", "passed"):
        outcomes.add([json.dumps({"test": "a", "outcome": outcome, "text": outcome})], results)
    assert results == {"a": ("failed", "failed")}


ENVIRONMENT = Path(sys.executable).parent.parent
TESTS = """
import os, pytest
def test_first(): pass
def test_fails(): assert 0, "on purpose"
def test_crashes():
    print("last words")
    os._exit(3)
@pytest.mark.parametrize("x", [1, 2])
def test_later(x): pass
def test_kills(): os.kill(os.getpid(), 9)
@pytest.mark.skip
def test_skipped(): pass
"""


def archive(folder: Path, text: str) -> Path:
    """Make a source archive with one file of tests."""
    path = folder / "program-1.tar.gz"
    with tarfile.open(path, "w:gz") as made:
        for name, content in {
            "tests/test_it.py": text,
            "pyproject.toml": "",
            "program/module.py": "not needed",
        }.items():
            member = tarfile.TarInfo(f"program-1/{name}")
            member.size = len(content)
            made.addfile(member, io.BytesIO(content.encode()))
    return path


@pytest.fixture
def leave_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """The processes of other tests are not its business."""
    monkeypatch.setattr(clients, "end_descendants", lambda: 0)
    monkeypatch.setattr(clients, "reap_orphans", lambda tests: None)


def test_what_crashes_is_one_failure(tmp_path: Path, leave_others: None) -> None:
    """Another process runs the rest."""
    program = clients.Program((), ("tests",), "program", ("-p", "no:randomly"), limit=50, stalled=40)
    results = clients.run(ENVIRONMENT, program, archive(tmp_path, TESTS), "program")
    assert {test.removeprefix("tests/test_it.py::"): outcome for test, (outcome, _) in results.items()} == {
        "test_first": "passed",
        "test_fails": "failed",
        "test_crashes": "failed",
        "test_later[1]": "passed",
        "test_later[2]": "passed",
        "test_kills": "failed",
        "test_skipped": "skipped",
        "(end)": "passed",
    }
    assert "status 3" in results["tests/test_it.py::test_crashes"][1]
    assert "crashed" in results["tests/test_it.py::test_kills"][1]
    assert "on purpose" in results["tests/test_it.py::test_fails"][1]


def test_a_process_that_ends_badly(tmp_path: Path, leave_others: None) -> None:
    """Where all tests had ended, that is a failure too."""
    program = clients.Program((), ("tests",), "program", ("-p", "no:randomly"), limit=50, stalled=40)
    text = "import atexit, os\natexit.register(os.abort)\ndef test_one(): pass"
    results = clients.run(ENVIRONMENT, program, archive(tmp_path, text), "program")
    assert [results[test][0] for test in ("tests/test_it.py::test_one", "(end)")] == ["passed", "failed"]


def stand_in(folder: Path, script: str) -> Path:
    """Make an interpreter that writes down an outcome and then does as the script says."""
    path = folder / "python"
    lines = [{"test": "a", "outcome": "passed", "text": ""}, {"test": "b", "outcome": "running", "text": ""}]
    written = "".join(f"echo '{json.dumps(line)}' >>\"$CONFORMANCE_RECORD\"\n" for line in lines)
    path.write_text(f"#!/bin/sh\necho hello\n{written}{script}\n")
    path.chmod(0o755)
    return path


@pytest.mark.parametrize(
    ("limit", "stalled", "ended"), [(0.2, 50, "did not end in 0 s"), (50, 0.2, "nothing happened for 0 s")]
)
def test_what_does_not_end(tmp_path: Path, limit: float, stalled: float, ended: str) -> None:
    """It is killed with all of its group, and a process beside that which holds its output is not waited for."""
    python = stand_in(tmp_path, "sleep 100 & exec sleep 100")
    results, how, output = outcomes.run_pytest(python, [], tmp_path, {**os.environ}, limit=limit, stalled=stalled)
    assert results == {"a": ("passed", ""), "b": ("running", "")}
    assert (how, output) == (ended, "hello\n")


LEFT_BEHIND = """
import os, subprocess, sys
import clients

clients.adopt_orphans()
# A session of its own, whose child loses its parent at once.
script = "setsid sh -c 'sleep 100 & echo $!; sleep 0' & wait"
process = subprocess.Popen(["sh", "-c", script], stdout=subprocess.PIPE, text=True)
pid = int(process.stdout.readline())
process.wait()
os.kill(pid, 0)
assert pid in clients.descendants()
assert clients.end_descendants() >= 1
assert not list(clients.descendants())
try:
    os.kill(pid, 0)
except ProcessLookupError:
    print("ended")
"""


#: A test that starts a daemon, ends it, and waits until it is gone.
DAEMON = """
import os, subprocess, time
def test_daemon():
    script = "sleep 100 >/dev/null & echo $!"
    pid = int(subprocess.run(["setsid", "sh", "-c", script], stdout=subprocess.PIPE, text=True).stdout)
    os.kill(pid, 9)
    while True:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            break
        time.sleep(0.01)
"""

RUN_DAEMON = f"""
import sys
from pathlib import Path
import clients

clients.adopt_orphans()
program = clients.Program((), ("tests",), "program", ("-p", "no:randomly"), limit=40, stalled=20)
results = clients.run(Path({str(ENVIRONMENT)!r}), program, Path(sys.argv[1]), "program")
assert [outcome for outcome, _ in results.values()] == ["passed", "passed"], results
print("ended")
"""


def run_alone(script: str, *arguments: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments],
        cwd=CLIENTS,
        capture_output=True,
        text=True,
        timeout=50,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
    )
    assert done.stdout.splitlines()[-1:] == ["ended"], done.stderr


only_linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells who lost its parent")


@only_linux
def test_what_is_left_behind_is_ended() -> None:
    run_alone(LEFT_BEHIND)


@only_linux
def test_what_has_lost_its_parent_and_ended_is_gone(tmp_path: Path) -> None:
    run_alone(RUN_DAEMON, str(archive(tmp_path, DAEMON)))
