"""An sshd of a test's own, on a loopback port, and the `ssh` that knows it: keys, users and settings are the test's."""

from __future__ import annotations

import getpass
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from support.front_ends import LIMIT
from support.own_servers import free_port, start_server

SSHD = shutil.which("sshd", path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")


def make_key(path: Path) -> str:
    """Make a pair of keys; return the public one."""
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)], check=True, timeout=LIMIT)
    kind, key, *_ = path.with_suffix(".pub").read_text().split()
    return f"{kind} {key}"


class Server:
    """sshd in the foreground, which lets in whoever has the key, and what a client needs."""

    def __init__(self, folder: Path) -> None:
        assert SSHD is not None
        self.folder = folder
        folder.mkdir()
        host_key = make_key(folder / "host")
        (folder / "authorized").write_text(make_key(folder / "key") + "\n")
        make_key(folder / "other")
        self.port = free_port()
        self.name = f"{getpass.getuser()}@127.0.0.1:{self.port}"
        self.key = str(folder / "key")
        self.other = str(folder / "other")
        self.known = folder / "known"
        self.known.write_text(f"[127.0.0.1]:{self.port} {host_key}\n")
        (folder / "sshd_config").write_text(
            f"Port {self.port}\nListenAddress 127.0.0.1\nHostKey {folder}/host\nPidFile none\nUsePAM no\n"
            f"StrictModes no\nAuthorizedKeysFile {folder}/authorized\nPermitRootLogin prohibit-password\n"
            "PasswordAuthentication no\nKbdInteractiveAuthentication no\nLogLevel VERBOSE\nMaxStartups 100\n"
        )
        # Newer ones turn away for a while whoever was not let in.
        lenient = ["-o", "PerSourcePenalties=no"]
        test = [SSHD, "-t", "-f", str(folder / "sshd_config"), *lenient]
        if subprocess.run(test, capture_output=True).returncode:
            lenient = []
        # What the user who runs the tests has configured is left out.
        (folder / "home" / ".ssh").mkdir(parents=True)
        for path in (folder / "config", folder / "home" / ".ssh" / "config"):
            path.write_text(f"Host *\n  UserKnownHostsFile {self.known}\n  GlobalKnownHostsFile /dev/null\n")
        (folder / "bin").mkdir()
        # What a sanitizer has loaded first dies in the sandbox of sshd.
        self.write_ssh(f'unset LD_PRELOAD; exec {shutil.which("ssh")} -F {folder}/config -o IdentityAgent=none "$@"')
        command = ["env", "-u", "LD_PRELOAD", SSHD, "-D", "-e", "-f", str(folder / "sshd_config"), *lenient]
        self.process = start_server(command, self.port, folder / "log")

    def write_ssh(self, text: str) -> None:
        """Write the `ssh` that a test finds."""
        path = self.folder / "bin" / "ssh"
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)

    def environment(self) -> dict[str, str]:
        """Return the variables with which the server's client is found."""
        return {"PATH": f"{self.folder}/bin:{os.environ['PATH']}", "HOME": f"{self.folder}/home"}

    def stop(self) -> None:
        """End the server, but not what it has begun for those who are connected."""
        self.process.terminate()
        self.process.wait(LIMIT)


def start(folder: Path) -> Server:
    """Start a server, or skip the test where that can't be."""
    if SSHD is None or shutil.which("ssh") is None or shutil.which("ssh-keygen") is None:
        pytest.skip("needs ssh, ssh-keygen and sshd: Debian's openssh-client and openssh-server")
    if os.geteuid() == 0:
        # Where sshd locks itself in; the init script makes it.
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    return Server(folder)


def runs(pid: int) -> bool:
    """Tell whether a process runs; one that has ended and that nobody has waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def all_below(folder: Path) -> list[str]:
    """Return the command lines of the processes that have a path in their arguments."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                arguments = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if os.fsencode(folder) in arguments:
                found.append(arguments.replace(b"\0", b" ").decode(errors="replace"))
    return found
