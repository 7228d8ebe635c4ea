"""What is wrong with the `zmq` of an environment, and how to mend it.

Reads what installers have written down (`importlib.metadata`), the files that are there, and the libraries that this
process has mapped. Changes nothing. Only ``python -m greenzmq doctor`` and tests call it.
"""

from __future__ import annotations

import base64
import csv
import hashlib
import importlib
import importlib.metadata
import os
import re
import sys
from collections.abc import Iterator
from importlib.metadata import Distribution
from pathlib import Path
from typing import Any, NamedTuple

import greenzmq

#: Where `packaging` may be, which nobody needs to have installed.
PACKAGING = ("packaging", "pip._vendor.packaging", "setuptools._vendor.packaging")
MAPS = Path("/proc/self/maps")
#: Installers that leave files as they are in the wheel; packages of distributions and conda are built anew.
VERBATIM = ("pip", "uv", "poetry", "pdm")
COMPILED = re.compile(r"\.(so|dylib|pyd)\b")
#: Where the package manager of a system keeps Python's packages.
SYSTEM = re.compile(r"/(usr/(lib|lib32|lib64|libexec|share)|nix|gnu)/")
REQUIREMENT = re.compile(r"\s*pyzmq(?![\w.-])\s*(?:\[[^]]*\])?\s*\(?([^;)]*)\)?\s*(?:;(.*))?$", re.IGNORECASE)


class Finding(NamedTuple):
    """`level` is ``"ok"``, ``"note"`` or ``"wrong"``."""

    level: str
    text: str
    mend: str = ""


def examine() -> list[Finding]:
    """Look at everything. What is wrong comes with how to mend it."""
    installed = distributions()
    level, loaded = load()
    return [
        *which(installed),
        *loaded,
        *pyzmq(installed, level),
        *requirements(installed, level),
        *files(installed),
    ]


def load() -> tuple[str | None, list[Finding]]:
    """Import zmq. Return the level of its API, None where it has none, and what is to be said of it."""
    greenzmq._watch_no_more()
    try:
        zmq = importlib.import_module("zmq")
        level = str(zmq.pyzmq_version())
        found = greenzmq.active()
        ours = f"{zmq.greenzmq_version()}, PyZMQ's API {level}" if found.name == "greenzmq" else level
        text = f"it is {found.name} {ours}, with libzmq {zmq.zmq_version()}"
    except Exception as error:
        mend = "install greenzmq again, and libzmq if it was built against the system's"
        return None, [Finding("wrong", f"import zmq fails: {type(error).__name__}: {error}", mend)]
    return level, [Finding("ok", text), *mapped()]


def report(findings: list[Finding]) -> str:
    """Return the findings as lines for a person."""
    lines = []
    for level, text, mend in findings:
        lines.append(f"{level + ':':6} {text}")
        if mend:
            lines.append(f"       to mend it: {mend}")
    wrong = sum(finding.level == "wrong" for finding in findings)
    lines.append(f"{wrong} wrong" if wrong else "all is well")
    return "\n".join(lines)


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def name_of(distribution: Distribution) -> str:
    return canonical(distribution.metadata["Name"] or "")


def distributions() -> list[Distribution]:
    """Return what is installed, in the order of `sys.path`, each folder's once."""
    found: dict[tuple[str, str], Distribution] = {}
    for each in importlib.metadata.distributions():
        found.setdefault((name_of(each), place_of(each)), each)
    # What a build has left in a working tree is not installed there.
    return [each for (name, place), each in found.items() if place != os.path.realpath(greenzmq._HOME)]


def place_of(distribution: Distribution) -> str:
    return os.path.realpath(str(distribution.locate_file("")))


def first(installed: list[Distribution], name: str) -> Distribution | None:
    return next((each for each in installed if name_of(each) == name), None)


def is_shim(distribution: Distribution) -> bool:
    """Tell whether this is the wheel of ours that only says that pyzmq is installed."""
    return "greenzmq" in distribution.version.partition("+")[2]


def is_pyzmq(distribution: Distribution) -> bool:
    return name_of(distribution) == "pyzmq" and not is_shim(distribution)


def which(installed: list[Distribution]) -> Iterator[Finding]:
    """Tell which zmq is found, and why if it is another than ours."""
    found = greenzmq.active()
    if found.ours:
        yield Finding("ok", str(found))
    else:
        yield Finding("wrong", str(found), mend_order(found))
    ours = [each for each in installed if name_of(each) == "greenzmq"]
    for each in ours[1:]:
        yield Finding(
            "note",
            f"greenzmq {each.version} is also installed in {each.locate_file('')}; the first on sys.path is used",
        )


def mend_order(found: greenzmq.Active) -> str:
    home = greenzmq._HOME
    if home not in sys.path:
        return (
            f".pth files were not read here: import greenzmq and call greenzmq.activate() before anything imports zmq, "
            f"or set PYTHONPATH={home}"
        )
    place = os.path.dirname(found.folder)
    if place in ("", os.getcwd()):
        return f"{found.folder} is in the current folder, which Python looks into first: start it elsewhere"
    if is_managed(place):
        return f"{place} comes before {home} on sys.path: have that before it, as by PYTHONPATH={home}"
    return f"{place} comes before {home} on sys.path: take zmq away there, or install greenzmq there"


def mapped() -> Iterator[Finding]:
    """Tell which libzmq this process has, of which there must be one."""
    try:
        maps = MAPS.read_text(errors="surrogateescape")
    except OSError:
        yield Finding("note", "which libzmq is mapped cannot be told on this system")
        return
    paths = {line.split(maxsplit=5)[5] for line in maps.splitlines() if line.count("/")}
    libraries = sorted(path for path in paths if re.match(r"libzmq\b.*\.so\b", os.path.basename(path)))
    if len(libraries) > 1:
        yield Finding(
            "wrong",
            f"{len(libraries)} libzmq are mapped, whose sockets do not know each other: {', '.join(libraries)}",
            "build what brings the other one with zmq.get_includes() and zmq.get_library_dirs(), and link it with zmq",
        )
    elif libraries:
        own = os.path.join(os.path.realpath(greenzmq._HOME), "zmq", "lib")
        inside = os.path.dirname(os.path.realpath(libraries[0])) == own
        yield Finding("ok", f"one libzmq is mapped, {'that of the wheel, ' if inside else ''}{libraries[0]}")
    else:
        yield Finding("note", "no shared libzmq is mapped: it is part of an extension module")


def pyzmq(installed: list[Distribution], level: str | None) -> Iterator[Finding]:
    """Tell whether PyZMQ, or what stands in for it, is installed too."""
    theirs = first(installed, "pyzmq")
    if theirs is None:
        return
    if not is_shim(theirs):
        used = "which is used" if greenzmq.active().name == "PyZMQ" else "which is not used"
        yield Finding("ok", f"PyZMQ {theirs.version} is installed too, {used}")
    elif level and theirs.version.partition("+")[0] != level:
        yield Finding(
            "wrong",
            f"pyzmq {theirs.version} stands in for PyZMQ, but greenzmq is at the level of {level}",
            "install the one that make pyzmq-shim builds now",
        )
    else:
        yield Finding("ok", f"pyzmq {theirs.version} stands in for PyZMQ")


def requirements(installed: list[Distribution], level: str | None) -> Iterator[Finding]:
    """Tell what requires pyzmq, whether our level will do, and whether the installers are content."""
    theirs = first(installed, "pyzmq")
    seen = set()
    for each in installed:
        if name_of(each) in seen:
            continue
        seen.add(name_of(each))
        for line in each.requires or []:
            parts = REQUIREMENT.match(line)
            if not parts:
                continue
            requires = f"{each.metadata['Name']} {each.version} requires {line}"
            specifier, marker = parts[1].strip(), (parts[2] or "").strip()
            applies = holds(marker)
            if not applies:
                why = "not here" if applies is False else "which cannot be judged without packaging"
                if "extra" in marker:
                    why = "if that extra is wanted"
                yield Finding("note", f"{requires}, {why}")
                continue
            admitted = admits(specifier, level) if level else None
            if admitted is False:
                yield Finding(
                    "wrong",
                    f"{requires}, which PyZMQ's level {level} is not",
                    f"install a version of {each.metadata['Name']} that admits {level}, or it has to be tried",
                )
            elif admitted is None:
                yield Finding("note", f"{requires}, which cannot be judged")
            else:
                yield Finding("ok", f"{requires}, which admits {level}")
            if theirs is None:
                yield Finding(
                    "wrong",
                    f"pyzmq is not installed, so pip check complains of {each.metadata['Name']}",
                    "install pyzmq beside greenzmq, which stays the one that is used, or the wheel of make pyzmq-shim",
                )


def packaging(module: str) -> Any:
    """Return a module of `packaging`, or None where nobody has brought it."""
    for name in PACKAGING:
        try:
            return importlib.import_module(f"{name}.{module}")
        except ImportError:
            continue
    return None


def holds(marker: str) -> bool | None:
    """Tell whether a requirement with this marker counts here, without extras. None where that cannot be told."""
    if not marker:
        return True
    markers = packaging("markers")
    try:
        return bool(markers.Marker(marker).evaluate({"extra": ""})) if markers else None
    except ValueError:
        return None


def admits(specifier: str, version: str) -> bool | None:
    """Tell whether a range of versions has one, which is a plain release. None where that cannot be told."""
    specifiers = packaging("specifiers")
    if specifiers:
        try:
            return bool(specifiers.SpecifierSet(specifier).contains(version, prereleases=True))
        except ValueError:
            return None
    release = numbers(version)
    for clause in filter(None, (clause.strip() for clause in specifier.split(","))):
        parts = re.fullmatch(r"(===?|!=|~=|<=?|>=?)\s*(\d+(?:\.\d+)*)(\.\*)?", clause)
        if not parts:
            return None
        operator, bound = parts[1], numbers(parts[2])
        # Releases are compared as if the shorter one ended in zeros, and a prefix only as far as it goes.
        length = len(bound) if parts[3] else max(len(bound), len(release))
        ours, theirs = ((*each, *[0] * length)[:length] for each in (release, bound))
        if not {
            "==": ours == theirs,
            "===": ours == theirs,
            "!=": ours != theirs,
            "<": ours < theirs,
            "<=": ours <= theirs,
            ">": ours > theirs,
            ">=": ours >= theirs,
            "~=": ours >= theirs and ours[: len(bound) - 1] == bound[:-1],
        }[operator]:
            return False
    return True


def numbers(release: str) -> tuple[int, ...]:
    return tuple(int(part) for part in release.split("."))


def files(installed: list[Distribution]) -> Iterator[Finding]:
    """Tell where the files of the two are mixed, or some are missing, after older installations."""
    owned: set[str] = set()
    for each in installed:
        if name_of(each) in ("greenzmq", "pyzmq"):
            owned.update(os.path.realpath(str(each.locate_file(file))) for file, _ in recorded(each))
    for each in installed:
        if name_of(each) == "greenzmq":
            yield from files_of_ours(each)
        elif is_pyzmq(each):
            yield from files_of_theirs(each)
    for place in dict.fromkeys(map(place_of, installed)):
        folder = Path(place, "zmq")
        if os.path.realpath(folder) == os.path.realpath(os.path.join(greenzmq._HOME, "zmq")):
            continue
        here = [each for each in installed if is_pyzmq(each) and place_of(each) == place]
        if not all(map(is_recorded, here)):
            # All of it may be that one's.
            continue
        stray = [path for path in sorted(folder.rglob("*")) if path.is_file() and path.suffix != ".pyc"]
        stray = [path for path in stray if os.path.realpath(path) not in owned]
        if not stray:
            continue
        found = f"{folder} has {len(stray)} files that belong to no installed package, {stray[0]} for example"
        if is_managed(place):
            yield Finding("note", f"{found}, if the package manager that keeps {place} knows of none either")
        else:
            again = "; then pip install --force-reinstall --no-deps pyzmq" if here else ""
            yield Finding("wrong", f"{found}: left from an older installation", f"rm -r {folder}{again}")


def files_of_ours(ours: Distribution) -> Iterator[Finding]:
    missing, changed = differing(ours)
    if missing or changed:
        mend = "install greenzmq again with --force-reinstall --no-deps"
        yield Finding("wrong", not_as_installed("greenzmq", ours, missing, changed), mend)
    elif any(file.startswith("zmq/") for file, _ in recorded(ours)):
        yield Finding(
            "wrong",
            f"greenzmq {ours.version} in {ours.locate_file('')} is of before it had a folder of its own",
            "uninstall it, then install this one again",
        )


def files_of_theirs(theirs: Distribution) -> Iterator[Finding]:
    place = theirs.locate_file("")
    installer = installer_of(theirs)
    if not is_recorded(theirs):
        what = "has no list of its files, as those of Linux distributions: whether they are whole can't be told"
        yield Finding("note", f"PyZMQ {theirs.version} in {place} {what}")
    missing, changed = differing(theirs)
    if installer not in VERBATIM:
        compiled = [path for path in changed if COMPILED.search(os.path.basename(path))]
        changed = [path for path in changed if path not in compiled]
        if compiled:
            yield Finding(
                "note",
                f"{len(compiled)} of PyZMQ's compiled files in {place} are not those of the list of its files, "
                f"{compiled[0]} for example: whoever packaged it may have stripped them",
            )
    if missing or changed:
        mend = f"pip install --force-reinstall --no-deps pyzmq=={theirs.version}"
        if is_managed(place_of(theirs)) or installer not in ("", *VERBATIM):
            mend = f"install PyZMQ {theirs.version} again with {installer or 'what has installed it'}"
        yield Finding("wrong", not_as_installed("PyZMQ", theirs, missing, changed), mend)


def not_as_installed(title: str, distribution: Distribution, missing: list[str], changed: list[str]) -> str:
    counts = [f"{len(missing)} missing"] * bool(missing) + [f"{len(changed)} changed"] * bool(changed)
    return (
        f"{title}'s files in {distribution.locate_file('')} are not what was installed: {', '.join(counts)}, "
        f"{(missing + changed)[0]} for example"
    )


def installer_of(distribution: Distribution) -> str:
    """Return what has installed a package, without its version; ``""`` where nothing says so."""
    words = (distribution.read_text("INSTALLER") or "").lower().split()
    return words[0] if words else ""


def is_managed(place: str) -> bool:
    """Tell whether a folder is kept by the system's package manager, or conda's: nobody else may remove files there."""
    return bool(SYSTEM.match(place)) or any((parent / "conda-meta").is_dir() for parent in Path(place).parents)


def differing(distribution: Distribution) -> tuple[list[str], list[str]]:
    """Return the files of a package that are gone, and those that are not what was installed."""
    missing, changed = [], []
    for file, digest in recorded(distribution):
        if not digest:
            continue
        algorithm, _, expected = digest.partition("=")
        path = Path(str(distribution.locate_file(file)))
        try:
            found = hashlib.new(algorithm, path.read_bytes()).digest()
        except OSError:
            missing.append(str(path))
            continue
        if base64.urlsafe_b64encode(found).rstrip(b"=").decode() != expected:
            changed.append(str(path))
    return missing, changed


def is_recorded(distribution: Distribution) -> bool:
    """Tell whether a package came with a list of its files. Packages of Linux distributions mostly do not."""
    return any(distribution.read_text(name) is not None for name in ("RECORD", "installed-files.txt"))


def recorded(distribution: Distribution) -> list[tuple[str, str]]:
    """Return the files that a package came with, and their hashes or ``""``.

    From Python 3.12 on `Distribution.files` has only those that are still there.
    """
    record = distribution.read_text("RECORD")
    if record is None:
        return [(str(file), "") for file in distribution.files or []]
    return [(row[0], row[1] if len(row) > 1 else "") for row in csv.reader(record.splitlines()) if row]
