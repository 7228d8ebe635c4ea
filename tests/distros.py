"""Run the tests on several releases of Debian, with the Python and the libzmq of each, and show a table of matrix.py's.

``make distros`` does. Each release is in a folder of its own that debootstrap makes, from the mirror that this system's
packages come from; there it is kept, with a copy of the tree and a virtual environment. For root, on Debian. pip is to
find there what it finds here: it gets the settings that it has here as variables of the environment, and the files that
they name.
"""

from __future__ import annotations

import argparse
import ast
import os
import shutil
import subprocess
import sys
from pathlib import Path

from matrix import HUBS, Place, add_options, run_all

ROOT = Path(__file__).resolve().parents[1]
CHROOT = ROOT / "tools" / "chroot.sh"

SUITES = ["bookworm", "trixie", "sid"]

#: What "make test" needs there before it installs anything itself.
PACKAGES = ["ca-certificates", "gcc", "libc6-dev", "libzmq3-dev", "make", "pkg-config"]
PACKAGES += ["python3", "python3-dev", "python3-venv"]

#: Where the tree is there.
TREE = "/greenzmq"

#: How to get to package indexes, besides pip's settings.
NETWORK = ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY"]

VERSIONS = """
import sys, zmq
print("%d.%d" % sys.version_info[:2], zmq.zmq_version())
"""


def mirror() -> str:
    """Return where this system's packages come from, or "" for Debian's own choice."""
    ask = ["apt-get", "indextargets", "--format", "$(ORIGIN) $(LABEL) $(REPO_URI)", "Created-By: Packages"]
    if shutil.which(ask[0]) is None:
        return ""
    found = subprocess.run(ask, capture_output=True, text=True).stdout.split("\n")
    return next((line.split()[2] for line in found if line.startswith("Debian Debian ")), "")


def settings_of_pip() -> dict[str, str]:
    """Return pip's settings here, from all its files, as variables of the environment."""
    ask = [sys.executable, "-m", "pip", "config", "list"]
    lines = subprocess.run(ask, check=True, capture_output=True, text=True).stdout.splitlines()
    found = [line.split("=", 1) for line in lines]
    # A variable comes before what files say.
    found.sort(key=lambda each: each[0].startswith(":env:"))
    return {
        "PIP_" + name.rpartition(".")[2].upper().replace("-", "_"): ast.literal_eval(value) for name, value in found
    }


def named_files(settings: dict[str, str]) -> list[Path]:
    """Return the files and folders that settings name; of an index the folder around it, where its files are."""
    found = set()
    for word in (word for value in settings.values() for word in value.split()):
        path = Path(word.removeprefix("file://"))
        if path.is_absolute() and path.exists():
            is_index = word.startswith("file://") and path.is_dir() and len(path.parts) > 2
            found.add(path.parent if is_index else path)
    return sorted(path for path in found if not found & {*path.parents})


class Release:
    """A release of Debian in a folder."""

    def __init__(self, suite: str, build: Path) -> None:
        self.suite = suite
        self.folder = build / suite
        settings = {**settings_of_pip(), **{name: os.environ[name] for name in NETWORK if name in os.environ}}
        self.options = [text for path in named_files(settings) for text in ("-r", f"{path}:{path}")]
        self.options += [text for pair in settings.items() for text in ("-e", "=".join(pair))]

    def command(self, *command: str) -> list[str | Path]:
        """Return what runs a command in the tree there."""
        return ["sh", CHROOT, "run", self.folder, *self.options, "-d", TREE, *command]

    def prepare(self) -> Place:
        """Make it, and build the package there."""
        subprocess.run(
            ["sh", CHROOT, "make", self.folder, self.suite, *PACKAGES],
            check=True,
            env={**os.environ, "DEBIAN_MIRROR": os.environ.get("DEBIAN_MIRROR") or mirror()},
        )
        tree = self.folder / TREE[1:]
        subprocess.run(["sh", ROOT / "tools" / "copy_tree.sh", tree], check=True, cwd=ROOT)
        subprocess.run(self.command("make", "--no-print-directory", "installed", "system-for-tests"), check=True)
        ask = self.command(".venv/bin/python", "-c", VERSIONS)
        python, libzmq = subprocess.run(ask, check=True, capture_output=True, text=True).stdout.split()
        return Place(f"{self.suite} {python} {libzmq}", tree, self.command(".venv/bin/python"), variable="-e")


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    add_options(parser, jobs=1, limit=3600)
    parser.add_argument("--build", type=Path, required=True, metavar="FOLDER", help="where the releases are kept")
    parser.add_argument("--hubs", action="store_true", help="every hub, not only the default one of each front-end")
    parser.add_argument("suites", nargs="*", metavar="SUITE", help=f"releases of Debian ({', '.join(SUITES)})")
    options = parser.parse_args()
    if os.geteuid():
        parser.exit(2, "make distros is for root: it mounts, and changes the root folder of processes\n")
    runs = []
    failed = []
    for suite in options.suites or SUITES:
        print(f"== {suite}", flush=True)
        try:
            place = Release(suite, options.build.absolute()).prepare()
        except subprocess.CalledProcessError as error:
            # The others are tested all the same.
            print(f"{suite} could not be prepared: {error}", flush=True)
            failed.append(suite)
            continue
        runs += [
            (place, front_end, hub)
            for front_end, (_, hubs) in HUBS.items()
            if not options.only or front_end in options.only
            for hub in (hubs if options.hubs else hubs[:1])
        ]
    status = run_all(runs, options) if runs else 1
    if failed:
        print(f"\nNot prepared: {', '.join(failed)}")
    return 1 if failed else status


if __name__ == "__main__":
    sys.exit(main())
