"""What `tools/generate_frameworks.py` writes: the files of every framework but two, from those of gevent's."""

from __future__ import annotations

import pickle
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from toy.package import generate_frameworks as tool

import zmq.eventlet
import zmq.eventlet.core

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A folder with a copy of every package that is written."""
    for framework in tool.FRAMEWORKS:
        shutil.copytree(ROOT / framework.folder, tmp_path / framework.folder)
    return tmp_path


def check(root: Path) -> list[str]:
    return [problem.removeprefix(f"{root}/") for each in tool.FRAMEWORKS for problem in tool.problems(each, root)]


def test_the_files_are_what_is_written() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "tools" / "generate_frameworks.py", "--check"], capture_output=True, text=True
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_what_differs_is_named(copy: Path) -> None:
    assert check(copy) == []
    folder = copy / "zmq/eventlet"
    (folder / "poll.py").write_text((folder / "poll.py").read_text() + "\n")
    (folder / "core.pyi").unlink()
    (folder / "tasks.py").unlink()
    (folder / "old.py").write_text((folder / "device.py").read_text())
    wrong = [
        "zmq/eventlet/core.pyi: not there",
        "zmq/eventlet/tasks.py: not there",
        "zmq/eventlet/poll.py: not what is written from zmq/green/poll.py",
        "zmq/eventlet/old.py: written from a file that is no more",
    ]
    assert check(copy) == wrong
    (framework,) = tool.FRAMEWORKS
    tool.write(framework, copy)
    # What is written by hand stays as it is.
    assert check(copy) == [wrong[1]]
    assert (folder / "replace.py").is_file() and not (folder / "old.py").exists()


@pytest.mark.parametrize(
    "text", ["gevent.pool.Pool", "In Gevent this is so.", "see zmq/green/poll.py", "as `zmq.green` and pygevent do"]
)
def test_what_only_gevent_can_be_meant_by_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="only gevent"):
        tool.translated(f"Well.\n{text}\n", tool.FRAMEWORKS[0])


def test_imports_that_could_not_be_sorted_are_refused() -> None:
    text = "from zmq.core import hub\nimport os\nfrom zmq.eventlet import core\n"
    with pytest.raises(ValueError, match="in one piece"):
        tool.imports_sorted(text, tool.FRAMEWORKS[0], ())


def test_every_word_of_a_row_is_used() -> None:
    """A word that stands nowhere would be one that nobody notices to be wrong."""
    for framework in tool.FRAMEWORKS:
        text = "".join(tool.written(framework).values())
        for word in (framework.package, framework.name, framework.task, framework.patch, framework.place):
            assert word in text, word
        assert all(f"\n{line}\n" in text for line in framework.imports)


def test_what_is_written_is_a_module_as_any_other() -> None:
    """It says what it was written from; its classes are found by their names, by pickle and by whoever reads."""
    source = Path(zmq.eventlet.core.__file__).read_text()
    assert source.startswith("# Written by tools/generate_frameworks.py from zmq/green/core.py")
    for cls in (zmq.eventlet.Context, zmq.eventlet.Socket, zmq.eventlet.Frame, zmq.eventlet.Poller):
        assert pickle.loads(pickle.dumps(cls)) is cls
        assert f"\nclass {cls.__name__}(" in Path(sys.modules[cls.__module__].__file__).read_text()
