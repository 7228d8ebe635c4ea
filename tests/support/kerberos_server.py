"""A Kerberos server of a test's own, on a loopback port: its realm, the principals and their keys are the test's."""

from __future__ import annotations

import os
import shutil
import subprocess
from itertools import count
from pathlib import Path

import pytest

from support.front_ends import LIMIT
from support.own_servers import free_port, start_server

REALM = "TESTS.EXAMPLE"
#: The principal of servers, as Kerberos writes it, and as a service on a host.
SERVICE, SERVICE_ON_HOST = f"zmq/server.example@{REALM}", b"zmq@server.example"

PATH = os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin"
KRB5KDC, KDB5_UTIL, KADMIN, KINIT = (
    shutil.which(name, path=PATH) for name in ("krb5kdc", "kdb5_util", "kadmin.local", "kinit")
)

numbers = count()


class Kdc:
    """krb5kdc in the foreground, and what its administrator does."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        self.port = free_port()
        # Nobody asks DNS: not for the server, and not for the names of hosts.
        (folder / "krb5.conf").write_text(
            f"[libdefaults]\n default_realm = {REALM}\n dns_lookup_kdc = false\n dns_lookup_realm = false\n"
            ' dns_canonicalize_hostname = false\n rdns = false\n qualify_shortname = ""\n udp_preference_limit = 1\n'
            f"[realms]\n {REALM} = {{\n  kdc = 127.0.0.1:{self.port}\n }}\n"
            "[logging]\n kdc = STDERR\n admin_server = STDERR\n default = STDERR\n"
        )
        (folder / "kdc.conf").write_text(
            f'[kdcdefaults]\n kdc_listen = ""\n kdc_tcp_listen = 127.0.0.1:{self.port}\n'
            f"[realms]\n {REALM} = {{\n  database_name = {folder}/principal\n  key_stash_file = {folder}/stash\n"
            f"  acl_file = {folder}/acl\n  supported_enctypes = aes256-cts-hmac-sha1-96:normal\n }}\n"
        )
        self.settings = {"KRB5_CONFIG": f"{folder}/krb5.conf", "KRB5_KDC_PROFILE": f"{folder}/kdc.conf"}
        self.command(KDB5_UTIL, "create", "-s", "-P", "the master's")
        self.begin()

    def command(self, *arguments: str | None) -> None:
        """Run a command for this realm."""
        environment = {**os.environ, **self.settings}
        words = [str(argument) for argument in arguments]
        done = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=LIMIT)
        assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"

    def begin(self) -> None:
        """Start the server, and wait until it listens."""
        command = [str(KRB5KDC), "-n", "-P", f"{self.folder}/pid"]
        self.process = start_server(command, self.port, self.folder / "log", {**os.environ, **self.settings})

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(LIMIT)

    def admin(self, *words: str) -> None:
        """Have the administrator do something; it counts at once."""
        self.command(KADMIN, *words)

    def add(self, name: str) -> None:
        """Make a principal, whose key nobody knows yet."""
        self.admin("addprinc", "-randkey", "+requires_preauth", name)

    def new(self, kind: str = "user") -> str:
        """Make a principal that no other test has."""
        name = f"{kind}{next(numbers)}"
        self.add(name)
        return name

    def write_keys(self, keytab: Path, *names: str) -> None:
        """Write the keys of principals into a file, beside what is there."""
        self.admin("ktadd", "-norandkey", "-k", str(keytab), *names)

    def change_key(self, name: str) -> None:
        """Give a principal another key; what is in files is the old one."""
        self.admin("cpw", "-randkey", name)

    def log_in(self, name: str, keytab: Path, cache: Path) -> None:
        """Do what a user does before starting a program."""
        self.command(KINIT, "-k", "-t", str(keytab), "-c", f"FILE:{cache}", name)

    def environment(self, folder: Path) -> dict[str, str]:
        """Return the variables of a process that finds its keys and tickets in a folder; a new one has none."""
        (folder / "tickets").mkdir(exist_ok=True)
        return {
            "KRB5_CONFIG": self.settings["KRB5_CONFIG"],
            "KRB5_KTNAME": f"FILE:{folder}/keytab",
            "KRB5_CLIENT_KTNAME": f"FILE:{folder}/keytab",
            "KRB5CCNAME": f"DIR:{folder}/tickets",
            "KRB5RCACHENAME": f"file2:{folder}/replays",
            "HOME": str(folder),
        }


def start(folder: Path) -> Kdc:
    """Start a server, or skip the test where that can't be."""
    if not all((KRB5KDC, KDB5_UTIL, KADMIN, KINIT)):
        pytest.skip("needs krb5kdc, kadmin.local and kinit: Debian's krb5-kdc, krb5-admin-server and krb5-user")
    return Kdc(folder)
