"""`tools/system.sh`, which `make` calls first: it asks nobody for anything where nothing lacks, and says what does.

Programs that stand for the system's are all that it finds on its path.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from support import ROOT

#: What each program of the system does, where a test says nothing else.
PROGRAMS = {
    "id": "echo ${AS:-1000}",
    "cc": "exit 0",
    "pkg-config": "exit 0",
    "ssh": "",
    "sshd": "",
    "krb5kdc": "",
    "kadmin.local": "",
    "kinit": "",
    "valgrind": "",
    "chromium": "",
    "spin": "",
    "gcc": "",
    # With a password, unless PASSWORDLESS.
    "sudo": 'echo "sudo $*" >>"$LOG"; if [ "$1" = -n ]; then [ -n "${PASSWORDLESS:-}" ]; else "$@"; fi',
    "apt-get": 'echo "apt-get $*" >>"$LOG"; exit ${APT:-0}',
    "env": 'shift; "$@"',
}


class System:
    def __init__(self, folder: Path) -> None:
        self.path = folder / "bin"
        self.log = folder / "log"
        self.path.mkdir()
        self.script = (ROOT / "tools" / "system.sh").read_text()
        for name, text in PROGRAMS.items():
            program = self.path / name
            program.write_text(f"#!{shutil.which('sh')}\n{text}\n")
            program.chmod(0o755)

    def lacks(self, *names: str) -> None:
        for name in names:
            (self.path / name).unlink()

    def set_up(self, what: str, **variables: str) -> tuple[int, str, list[str]]:
        """Return the status, what is said, and which programs were called to change anything."""
        self.log.write_text("")
        environment = {"PATH": str(self.path), "LOG": str(self.log), "PYTHON": sys.executable, **variables}
        # The system's own programs and headers are not to be found either.
        script = re.sub(r"/(usr|opt)/", r"/nowhere/\1/", self.script)
        done = subprocess.run(
            [shutil.which("sh") or "sh", "-c", script, "system.sh", what],
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=20,
        )
        return done.returncode, done.stdout + done.stderr, self.log.read_text().splitlines()


@pytest.fixture
def system(tmp_path: Path) -> System:
    return System(tmp_path)


@pytest.mark.parametrize("what", ["build", "test", "model"])
def test_where_nothing_lacks_nobody_is_asked(system: System, what: str) -> None:
    assert system.set_up(what) == (0, "", [])
    system.lacks("sudo", "apt-get")
    assert system.set_up(what) == (0, "", [])


def test_a_libzmq_of_ones_own_will_do(system: System) -> None:
    (system.path / "pkg-config").write_text("#!/bin/sh\nexit 1\n")
    assert system.set_up("build", ZMQ_PREFIX="/opt/libzmq")[0] == 0
    assert system.set_up("build", PKG_CONFIG="cc")[0] == 0
    assert system.set_up("build")[0] == 1


@pytest.mark.parametrize(
    "lacking, why",
    [
        (["apt-get"], "no apt-get"),
        (["sudo"], "only root"),
        ([], "sudo asks for a password"),
    ],
)
def test_who_may_not_install_is_told_what_lacks(system: System, lacking: list[str], why: str) -> None:
    (system.path / "pkg-config").write_text("#!/bin/sh\nexit 1\n")
    system.lacks("valgrind", "sshd", "spin", *lacking)
    status, said, calls = system.set_up("build")
    assert status == 1 and why in said and "libzmq3-dev pkg-config" in said and "ZMQ_PREFIX" in said
    assert not any("apt-get" in call for call in calls)
    status, said, calls = system.set_up("test")
    assert status == 0 and why in said and "skipped: openssh-server valgrind" in said
    assert not any("apt-get" in call for call in calls)
    status, said, calls = system.set_up("model")
    assert status == 1 and why in said and "spin" in said
    assert not any("apt-get" in call for call in calls)


@pytest.mark.parametrize("who", [{"AS": "0"}, {"PASSWORDLESS": "1"}])
def test_only_what_lacks_is_installed(system: System, who: dict[str, str]) -> None:
    system.lacks("cc", "gcc", "kinit", *(["sudo"] if "AS" in who else []))
    status, said, calls = system.set_up("build", **who)
    assert (status, said) == (0, "Installing gcc libc6-dev...\n")
    assert [call for call in calls if call.startswith("apt-get")] == [
        "apt-get update -qq",
        "apt-get install -y -qq gcc libc6-dev",
    ]
    status, said, calls = system.set_up("test", **who)
    assert status == 0 and calls[-1] == "apt-get install -y -qq krb5-user krb5-kdc krb5-admin-server"


@pytest.mark.parametrize("what, status", [("build", 1), ("test", 0), ("model", 1)])
def test_what_cannot_be_installed_is_said(system: System, what: str, status: int) -> None:
    system.lacks("cc", "gcc", "valgrind")
    done, said, _ = system.set_up(what, AS="0", APT="100")
    assert done == status and "could not install" in said


def test_make_is_content_with_what_is_there() -> None:
    """Here, where the tests run, everything that the build needs is there."""
    done = subprocess.run(
        ["sh", "tools/system.sh", "build"],
        cwd=ROOT,
        env={**os.environ, "PYTHON": sys.executable},
        capture_output=True,
        text=True,
        timeout=20,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
