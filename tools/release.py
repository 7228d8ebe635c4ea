"""Make a release of what is committed: build it, check it, write checksums and notes, and tag it.

``make release`` calls it. Nothing is tagged unless all the rest has worked; nothing is uploaded or pushed. What it
refuses it refuses before it builds anything. ``--check`` ends there.

usage: release.py [--check] [--root FOLDER] [--into FOLDER]
"""

from __future__ import annotations

import argparse
import datetime
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from email.parser import Parser
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
NAME = "greenzmq"

HEADING = re.compile(r"^## \[(?P<name>[^\]]+)\](?: - (?P<date>.*\S))?\s*$", re.M)
VERSION = re.compile(r"\d+\.\d+\.\d+(?:(?:a|b|rc)\d+)?")
#: The tags of wheels for a glibc, with the oldest that will do, which auditwheel tells too.
GLIBC = re.compile(r"manylinux_(\d+)_(\d+)_\w+")


class Refused(Exception):
    """What keeps this from being released, and what would mend it."""


def git(root: Path, *arguments: str) -> str:
    done = subprocess.run(["git", "-C", root, *arguments], capture_output=True, text=True)
    if done.returncode:
        raise Refused(f"git {arguments[0]} failed: {done.stderr.strip()}")
    return done.stdout.strip()


def sections(changelog: str) -> list[tuple[str, str | None, str]]:
    """Return the name, the date and the text of each section of a change log, the newest first."""
    headings = list(HEADING.finditer(changelog))
    ends = [heading.start() for heading in headings[1:]] + [len(changelog)]
    return [
        (heading["name"], heading["date"], changelog[heading.end() : end].strip())
        for heading, end in zip(headings, ends, strict=False)
    ]


def version_of(root: Path) -> str:
    """Return the version that the tree has."""
    found = re.findall(r'^GREENZMQ = "(.*)"$', Path(root, "zmq/core/version.pyx").read_text(), re.M)
    if len(found) != 1 or not VERSION.fullmatch(found[0]):
        raise Refused(f"GREENZMQ in zmq/core/version.pyx is to be one version such as 1.2.3; it is {found}")
    return found[0]  # type: ignore[no-any-return]


def notes_of(root: Path, version: str) -> str:
    """Return what the change log says of a version, which has to be the newest one there, and dated."""
    found = sections(Path(root, "CHANGELOG.md").read_text())
    if found and found[0][0] == "Unreleased":
        if found[0][2]:
            raise Refused(
                f'CHANGELOG.md has changes under "Unreleased": give that section the number {version}, if that is new, '
                "and the date"
            )
        del found[0]
    if not found or found[0][0] != version:
        newest = f"it is of {found[0][0]}" if found else "there is none"
        raise Refused(f"the newest section of CHANGELOG.md has to be of {version}, as version.pyx says; {newest}")
    _, date, notes = found[0]
    try:
        day = datetime.date.fromisoformat(date or "")
    except ValueError:
        raise Refused(f'the section of {version} in CHANGELOG.md needs a date: "## [{version}] - 2026-01-31"') from None
    if day > datetime.date.today():
        raise Refused(f"the section of {version} in CHANGELOG.md has a date that is still to come, {day}")
    if not notes:
        raise Refused(f"the section of {version} in CHANGELOG.md is empty")
    return notes + "\n"


def look(root: Path) -> tuple[str, str]:
    """Return the version to release and its notes, or refuse."""
    changed = git(root, "status", "--porcelain")
    if changed:
        raise Refused(f"not everything is committed, so nobody could build this again:\n{changed}")
    version = version_of(root)
    if git(root, "tag", "--list", f"v{version}"):
        raise Refused(f"the tag v{version} is there already: the next release needs another number")
    return version, notes_of(root, version)


def build(root: Path, version: str, into: Path) -> list[Path]:
    """Build the source archive and the wheels, and return them."""
    shutil.rmtree(into, ignore_errors=True)
    into.mkdir(parents=True)
    # Of what is committed: what lies around in the working tree can't get into it.
    with tempfile.TemporaryDirectory(prefix="release-") as folder:
        archive = Path(folder, "tree.tar")
        git(root, "archive", "--format=tar", f"--output={archive}", "HEAD")
        tree = Path(folder, "tree")
        with tarfile.open(archive) as tar:
            tar.extractall(tree, filter="data")
        run([sys.executable, "-m", "build", "--sdist", "--outdir", into, tree])
    # make leaves wheels there, where older ones may be.
    for wheel in Path(root, "dist").glob(f"{NAME}-*.whl"):
        wheel.unlink()
    run([os.environ.get("MAKE", "make"), "-C", root, "--no-print-directory", "wheel"])
    for wheel in sorted(Path(root, "dist").glob(f"{NAME}-*.whl")):
        shutil.move(wheel, into)
    found = sorted(into.glob("*.tar.gz")) + sorted(into.glob("*.whl"))
    name = f"{NAME}-{version}"
    wanted = into / f"{name}.tar.gz"
    others = [path.name for path in found if path != wanted and not path.name.startswith(f"{name}-")]
    if wanted not in found or not any(map(is_wheel, found)) or others:
        raise Refused(f"expected {wanted.name} and wheels of {version}; built were {[path.name for path in found]}")
    return found


def is_wheel(path: Path) -> bool:
    return path.suffix == ".whl"


def check(built: list[Path], version: str) -> None:
    """See that what was built can be published."""
    run([sys.executable, "-m", "twine", "check", "--strict", *built])
    wheels = [path for path in built if is_wheel(path)]
    # Two files are the same where pyright and Python look for one each; what is at the top is seen to below.
    run([Path(sys.executable).with_name("check-wheel-contents"), "--ignore=W002,W003,W009", *wheels])
    for path in built:
        said = metadata_of(path)
        if said != (NAME, version):
            raise Refused(f"{path.name} says of itself that it is {' '.join(said)}")
    for wheel in wheels:
        check_top(wheel)
        check_tag(wheel)


def metadata_of(path: Path) -> tuple[str, str]:
    """Return the name and the version that an archive has inside."""
    if is_wheel(path):
        with zipfile.ZipFile(path) as wheel:
            (name,) = (name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
            text = wheel.read(name).decode()
    else:
        with tarfile.open(path) as tar:
            file = tar.extractfile(f"{path.name.removesuffix('.tar.gz')}/PKG-INFO")
            assert file is not None
            text = file.read().decode()
    said = Parser().parsestr(text, headersonly=True)
    return str(said["Name"]), str(said["Version"])


def check_top(wheel: Path) -> None:
    """See that a wheel has nothing in site-packages that is not called as we are, such as a file of PyZMQ's name."""
    with zipfile.ZipFile(wheel) as archive:
        names = {name.partition("/")[0] for name in archive.namelist()}
    others = sorted(name for name in names if name != f"_{NAME}" and not name.startswith((f"{NAME}.", f"{NAME}-")))
    if set(others) != {NAME}:
        raise Refused(f"{wheel.name} is to have {NAME} in site-packages, and files of that name; it has {others} too")


def check_tag(wheel: Path) -> None:
    """See that no symbol inside needs a newer glibc than the wheel's tag promises."""
    promised = GLIBC.findall(wheel.name)
    if not promised:
        raise Refused(f"{wheel.name} is for this system alone, as its tag says; what is published is manylinux")
    shown = subprocess.run([sys.executable, "-m", "auditwheel", "show", wheel], capture_output=True, text=True)
    if shown.returncode:
        raise Refused(f"auditwheel can't read {wheel.name}: {shown.stderr.strip()}")
    needed = re.search(r'following platform tag:\s*"([^"]*)"', " ".join(shown.stdout.split()))
    found = GLIBC.match(needed[1]) if needed else None
    if found is None:
        raise Refused(f"auditwheel finds {wheel.name} fit for no glibc in particular:\n{shown.stdout}")
    oldest = min(tuple(map(int, each)) for each in promised)
    if tuple(map(int, found.groups())) > oldest:
        raise Refused(f"{wheel.name} has symbols that are in {found[0]} and later alone")
    print(f"{wheel.name}: needs {found[0]}")


def checksums(built: list[Path]) -> str:
    """Return what ``sha256sum --check`` reads."""
    return "".join(f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in sorted(built))


def tag(root: Path, version: str, notes: str) -> None:
    """Make the annotated tag, with the notes as its message, which have lines that look like comments."""
    with tempfile.TemporaryDirectory(prefix="release-") as folder:
        message = Path(folder, "message")
        message.write_text(f"{NAME} {version}\n\n{notes}")
        git(root, "tag", "--annotate", "--cleanup=verbatim", "--file", str(message), f"v{version}")


def run(command: list[str | Path]) -> None:
    if subprocess.run(command).returncode:
        raise Refused(f"failed: {' '.join(map(str, command))}")


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--check", action="store_true", help="only tell whether this could be released")
    parser.add_argument("--root", type=Path, default=ROOT, help="the tree (%(default)s)")
    parser.add_argument("--into", type=Path, help="where it is put (dist/VERSION)")
    options = parser.parse_args(arguments)
    try:
        version, notes = look(options.root)
        if options.check:
            print(f"{version} can be released")
            return 0
        into = (options.into or options.root / "dist" / version).absolute()
        built = build(options.root, version, into)
        check(built, version)
        Path(into, "SHA256SUMS").write_text(checksums(built))
        Path(into, "NOTES.md").write_text(notes)
        # Building may have taken an hour.
        if look(options.root) != (version, notes):
            raise Refused("the tree has changed meanwhile")
        tag(options.root, version, notes)
    except Refused as error:
        print(f"Not released: {error}", file=sys.stderr)
        return 1
    print(f"Tagged v{version}; what is to be published is in {into}.")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
