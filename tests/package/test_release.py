"""`tools/release.py`: what is not released, and what a release is made of."""

from __future__ import annotations

import datetime
import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "tools" / "release.py"
#: Whose settings and variables count for nothing.
ENVIRONMENT = {
    **{name: value for name, value in os.environ.items() if not name.startswith("GIT_")},
    **{f"GIT_{who}_{what}": "a@example.org" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")},
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_SYSTEM": os.devnull,
}

CHANGELOG = """\
# Changelog

## [Unreleased]

## [1.2.3] - 2026-01-31

### Added

- `One` thing.

## [1.2.2] - 2025-12-24

- Another.
"""
NOTES = "### Added\n\n- `One` thing.\n"

pytestmark = pytest.mark.skipif(
    shutil.which("git") is None or not SCRIPT.exists(), reason="needs git and the tree of the project"
)


@pytest.fixture
def release(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    spec = importlib.util.spec_from_file_location("release", SCRIPT)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def git(tree: Path, *arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=tree, env=ENVIRONMENT, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def commit(tree: Path) -> None:
    git(tree, "add", "--all")
    git(tree, "commit", "--quiet", "--allow-empty", "--message", "More")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A committed tree that could be released."""
    tree = tmp_path / "tree"
    (tree / "zmq" / "core").mkdir(parents=True)
    (tree / "zmq" / "core" / "version.pyx").write_text('PYZMQ_API = "27.3.0"\nGREENZMQ = "1.2.3"\n')
    (tree / "CHANGELOG.md").write_text(CHANGELOG)
    (tree / ".gitignore").write_text("/dist/\n")
    git(tmp_path, "init", "--quiet", str(tree))
    commit(tree)
    return tree


@pytest.fixture
def is_refused(tree: Path, release: ModuleType, capsys: pytest.CaptureFixture[str]) -> Callable[[str], None]:
    """See that it is refused before anything is built, also when it is not only asked for."""

    def see(why: str) -> None:
        tags = git(tree, "tag")
        for arguments in (["--check"], []):
            assert release.main(["--root", str(tree), *arguments]) == 1
            said = capsys.readouterr()
            assert said.out == "" and said.err.startswith("Not released: ") and why in said.err
        assert git(tree, "tag") == tags
        assert not (tree / "dist").exists()

    return see


def test_it_can_be_released(tree: Path, release: ModuleType) -> None:
    command = [sys.executable, str(SCRIPT), "--root", str(tree), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, env=ENVIRONMENT, timeout=50)
    assert (done.returncode, done.stdout, done.stderr) == (0, "1.2.3 can be released\n", "")
    assert release.look(tree) == ("1.2.3", NOTES)
    assert git(tree, "tag") == ""
    # An empty section for what comes next need not be there.
    (tree / "CHANGELOG.md").write_text(CHANGELOG.replace("## [Unreleased]\n", ""))
    commit(tree)
    assert release.look(tree) == ("1.2.3", NOTES)


TOMORROW = str(datetime.date.today() + datetime.timedelta(2))


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("[Unreleased]\n", "[Unreleased]\n\n- News.\n", 'changes under "Unreleased"'),
        ("[1.2.3]", "[1.2.4]", "has to be of 1.2.3, as version.pyx says; it is of 1.2.4"),
        ("## [1.2.3]", "## [1.3.0] - 2026-02-01\n\n- News.\n\n## [1.2.3]", "it is of 1.3.0"),
        (CHANGELOG, "# Changelog\n", "there is none"),
        (" - 2026-01-31", "", "needs a date"),
        ("2026-01-31", "2026-02-31", "needs a date"),
        ("2026-01-31", "soon", "needs a date"),
        ("2026-01-31", TOMORROW, "still to come"),
        (NOTES, "", "is empty"),
    ],
)
def test_what_the_change_log_has_to_say(
    tree: Path, is_refused: Callable[[str], None], old: str, new: str, why: str
) -> None:
    assert old in CHANGELOG
    (tree / "CHANGELOG.md").write_text(CHANGELOG.replace(old, new))
    commit(tree)
    is_refused(why)


@pytest.mark.parametrize("version", ["", "1.2", "1.2.3.dev0", "1.2.3+local"])
def test_what_is_no_version(tree: Path, is_refused: Callable[[str], None], version: str) -> None:
    (tree / "zmq" / "core" / "version.pyx").write_text(f'GREENZMQ = "{version}"\n')
    commit(tree)
    is_refused("one version such as 1.2.3")


@pytest.mark.parametrize("change", ["new", "changed", "gone", "staged"])
def test_a_tree_with_something_that_is_not_committed(
    tree: Path, is_refused: Callable[[str], None], change: str
) -> None:
    if change in ("new", "staged"):
        (tree / "new.py").touch()
    if change == "changed":
        (tree / "CHANGELOG.md").write_text(CHANGELOG + "- More.\n")
    if change == "gone":
        (tree / ".gitignore").unlink()
    if change == "staged":
        git(tree, "add", "--all")
    is_refused("not everything is committed")


def test_a_tag_that_is_there(tree: Path, is_refused: Callable[[str], None]) -> None:
    git(tree, "tag", "v1.2.3")
    is_refused("the tag v1.2.3 is there already")


def test_a_folder_that_is_no_repository(tree: Path, release: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.rmtree(tree / ".git")
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tree.parent))
    with pytest.raises(release.Refused, match="not a git repository"):
        release.look(tree)


def test_the_tag_has_the_notes(tree: Path, release: ModuleType) -> None:
    """Their headings look like what git takes for comments."""
    release.tag(tree, "1.2.3", NOTES)
    assert git(tree, "cat-file", "-t", "v1.2.3") == "tag"
    assert git(tree, "tag", "--list", "--format=%(contents)", "v1.2.3") == f"greenzmq 1.2.3\n\n{NOTES}".strip()
    assert git(tree, "rev-parse", "v1.2.3^{commit}") == git(tree, "rev-parse", "HEAD")


@pytest.mark.parametrize("more", ["", "zmq/__init__.py", "zmq.py", "greenzmq_more/__init__.py"])
def test_what_is_at_the_top_of_a_wheel(tmp_path: Path, release: ModuleType, more: str) -> None:
    wheel = tmp_path / "greenzmq-1.2.3-py3-none-any.whl"
    names = ["_greenzmq/zmq/__init__.py", "greenzmq/__init__.py", "greenzmq.pth", "greenzmq.libs/libzmq.so.5"]
    with zipfile.ZipFile(wheel, "w") as archive:
        for name in [*names, "greenzmq-1.2.3.dist-info/METADATA", *filter(None, [more])]:
            archive.writestr(name, "")
    if not more:
        release.check_top(wheel)
        return
    with pytest.raises(release.Refused, match=more.partition("/")[0]):
        release.check_top(wheel)


@pytest.mark.parametrize(
    ("tag", "needs", "why"),
    [
        ("manylinux_2_31_x86_64", "manylinux_2_31_x86_64", None),
        ("manylinux_2_31_x86_64", "manylinux_2_17_x86_64", None),
        ("manylinux_2_17_x86_64.manylinux_2_31_x86_64", "manylinux_2_17_x86_64", None),
        ("manylinux_2_9_x86_64", "manylinux_2_17_x86_64", "and later alone"),
        ("manylinux_2_17_x86_64.manylinux_2_31_x86_64", "manylinux_2_28_x86_64", "and later alone"),
        ("manylinux_2_31_x86_64", "linux_x86_64", "no glibc in particular"),
        ("linux_x86_64", "manylinux_2_17_x86_64", "for this system alone"),
        ("manylinux_2_31_x86_64", None, "can't read"),
    ],
)
def test_what_a_wheel_needs_of_a_glibc(
    release: ModuleType, monkeypatch: pytest.MonkeyPatch, tag: str, needs: str | None, why: str | None
) -> None:
    """As auditwheel shows it, which breaks its lines anywhere."""

    def show(command: list[str | Path], **_: object) -> subprocess.CompletedProcess[str]:
        text = f'It is consistent with the\nfollowing platform\ntag: "{needs}".\n\nThis constrains the tag to "x".'
        return subprocess.CompletedProcess(command, int(needs is None), text, "")

    monkeypatch.setattr(release.subprocess, "run", show)
    wheel = Path(f"greenzmq-1.2.3-cp311-cp311-{tag}.whl")
    if why is None:
        release.check_tag(wheel)
        return
    with pytest.raises(release.Refused, match=why):
        release.check_tag(wheel)


def test_nothing_is_tagged_where_building_fails(
    tree: Path, release: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    commands = []

    def fail(command: list[str | Path]) -> None:
        commands.append(command)
        if "wheel" in command:
            raise release.Refused("failed: make wheel")

    monkeypatch.setattr(release, "run", fail)
    assert release.main(["--root", str(tree)]) == 1
    assert len(commands) == 2 and git(tree, "tag") == ""


@pytest.mark.parametrize("built", [["1.2.3"], [], ["1.2.4"], ["1.2.3", "1.2.4"]], ids=" ".join)
def test_what_make_built_is_what_is_released(
    tree: Path, release: ModuleType, monkeypatch: pytest.MonkeyPatch, built: list[str]
) -> None:
    """Not what was there before, nor what is of another version, nor what lies around in the tree."""
    wheel = "greenzmq-{}-cp311-cp311-manylinux_2_31_x86_64.whl"
    into = tree / "dist" / "1.2.3"
    into.mkdir(parents=True)
    for left in (into / "left.whl", tree / "dist" / wheel.format("1.2.2")):
        left.touch()
    (tree / ".gitignore").write_text("/dist/\nignored\n")
    commit(tree)
    (tree / "ignored").touch()
    sources: list[set[str]] = []

    def pretend(command: list[str | Path]) -> None:
        if "wheel" in command:
            for version in built:
                (tree / "dist" / wheel.format(version)).touch()
        else:
            sources.append({path.name for path in Path(command[-1]).iterdir()})
            (into / "greenzmq-1.2.3.tar.gz").touch()

    monkeypatch.setattr(release, "run", pretend)
    if built == ["1.2.3"]:
        assert release.build(tree, "1.2.3", into) == [into / "greenzmq-1.2.3.tar.gz", into / wheel.format("1.2.3")]
    else:
        with pytest.raises(release.Refused, match="and wheels of"):
            release.build(tree, "1.2.3", into)
    assert sources == [{".gitignore", "CHANGELOG.md", "zmq"}]


def test_all_of_it_in_order(tree: Path, release: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    into = tree / "dist" / "1.2.3"
    built = [into / "greenzmq-1.2.3.tar.gz", into / "greenzmq-1.2.3-cp311-cp311-manylinux_2_31_x86_64.whl"]
    steps: list[str] = []

    def pretend(root: Path, version: str, folder: Path) -> list[Path]:
        steps.append("build")
        assert (root, version, folder) == (tree, "1.2.3", into)
        into.mkdir(parents=True)
        for path in built:
            path.write_text(path.name)
        return built

    monkeypatch.setattr(release, "build", pretend)
    monkeypatch.setattr(release, "check", lambda paths, version: steps.append(f"check {git(tree, 'tag')}"))
    assert release.main(["--root", str(tree)]) == 0
    assert steps == ["build", "check "] and git(tree, "tag") == "v1.2.3"
    assert (into / "NOTES.md").read_text() == NOTES
    lines = (into / "SHA256SUMS").read_text().splitlines()
    assert dict(reversed(line.split("  ")) for line in lines) == {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in built
    }
    assert release.main(["--root", str(tree)]) == 1, "twice"


def test_a_tree_that_changes_while_it_is_built(
    tree: Path, release: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    def change(root: Path, version: str, folder: Path) -> list[Path]:
        folder.mkdir(parents=True)
        (root / "new.py").touch()
        return []

    monkeypatch.setattr(release, "build", change)
    monkeypatch.setattr(release, "check", lambda paths, version: None)
    assert release.main(["--root", str(tree)]) == 1
    assert git(tree, "tag") == ""


def test_the_source_archive_has_every_file_but_what_is_for_repositories(tmp_path: Path) -> None:
    """Tests and targets of make find what they need there."""
    pytest.importorskip("setuptools")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True)
    names = {name for name in listed.stdout.split("\0") if name and (ROOT / name).exists()}
    if not names:
        pytest.skip("this is no repository")
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    subprocess.run([sys.executable, "setup.py", "-q", "egg_info"], cwd=tmp_path, check=True, capture_output=True)
    (sources,) = tmp_path.glob("build/*.egg-info/SOURCES.txt")
    left_out = names - set(sources.read_text().splitlines())
    assert [name for name in left_out if not name.startswith(".")] == []


def test_public_ci_calls_make_and_nothing_else() -> None:
    workflow = ROOT / ".github" / "workflows" / "ci.yml"
    if not workflow.exists():
        pytest.skip("it is not in the source archive")
    commands = re.findall(r"^\s*(?:- )?run:\s*(.*)$", workflow.read_text(), re.M)
    (phony,) = re.findall(r"^\.PHONY: demo ((?:.*\\\n)*.*)$", (ROOT / "Makefile").read_text(), re.M)
    assert commands
    for command in commands:
        make, target = command.split()
        assert make == "make" and target in phony.split()


def test_there_is_a_folder_for_what_make_writes_down(tmp_path: Path) -> None:
    rules = (ROOT / "Makefile").read_text().replace("\\\n", "")
    targets = re.findall(r"^([a-z-]+):.*\n(?:\t.*\n)*?\t.* --json .*\n", rules, re.M)
    assert "soak" in targets and "bench" in targets
    found = tmp_path / "found"
    for target in targets:
        told = subprocess.run(
            ["make", "-n", target, f"BENCH={found}"], cwd=ROOT, capture_output=True, text=True, check=True
        ).stdout
        assert f"mkdir -p {found}\n" in told[: told.index(f"--json {found}/")], target
