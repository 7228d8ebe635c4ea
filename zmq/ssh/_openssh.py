"""Tunnels of OpenSSH's ``ssh``: what it is called with, and how it gets a password.

Lives here: the arguments. What must not: processes in general (`_process.py`), what is allowed in a name (`_names.py`).

A tunnel is a master connection of its own (``ControlMaster``, ssh_config(5)) in the background:

- The command that opens it returns when the connection stands, or with what is wrong.
- ``ControlPersist`` closes it when there was no connection through it for a time.
- The port is forwarded by a second command, so whether somebody else listens there is known for certain, and another
  one can be tried without logging in again.
- A third one closes it. The keeper runs that, a shell that has nothing to do but to wait for the end of its input.

Hosts, users, keys and whether a server is who it says it is are ssh's business, as it is configured. Forwardings that
the configuration has for the host are left out, or they would be in each other's way. So what talks to the master reads
no configuration: all that it needs is the socket, and it would ask for those forwardings with ours, or where the
configuration has ``ClearAllForwardings`` for none at all and call that a success.

A password is asked for by ssh through a program (``SSH_ASKPASS``) that reads it from a named pipe in a folder that
nobody else can enter. So it is never on a disk, in an argument or in a variable of the environment. Others ask through
it too, such as the ssh that a ``ProxyJump`` starts: what is answered are the questions for the password of the user and
host that the tunnel leads through, as ssh names them in its question, and for the passphrase of the key file that was
given. Where the configuration calls that host another name (``HostName``, ``User``, ``HostKeyAlias``), ssh is asked
which (``ssh -G``).
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import socket
import tempfile
import time
from collections.abc import Iterable
from errno import ENXIO

from zmq.core.poll import Poller
from zmq.core.waiting.pipes import close_fd
from zmq.ssh._errors import MaxRetryExceeded, SSHException
from zmq.ssh._names import Server
from zmq.ssh._process import Tunnel, clear_up, run, start

SSH = "ssh"

#: The keeper: its arguments are the folder, and the command that closes the tunnel.
KEEP = """\
folder=$1
shift
read -r _
"$@"
rm -f -- "$folder/control" "$folder/askpass" "$folder/password"
rmdir -- "$folder"
"""

#: Trusts nobody: only the user may. Answers the questions that the password is for, and says which others there were.
ASKPASS = """\
#!/bin/sh
question=$1
user=%(user)s
host=%(host)s
key=%(key)s
refuse() {
    printf 'zmq.ssh has no answer to: %%s\\n' "$question" >&2
    exit 1
}
# Whether it is a question for the password of a user of a host; older versions of ssh cut long names.
is_of() {
    for target in "$1@$2" "$(printf '%%.30s@%%.128s' "$1" "$2")"; do
        case $question in
        "$target's password: " | "($target) "*) return 0 ;;
        esac
    done
    return 1
}
# Whether the ssh that asks is the one that makes the tunnel, which has its socket among its arguments.
is_ours() {
    case $(tr '\\0' ' ' 2>/dev/null <"/proc/$PPID/cmdline" || ps -o args= -p "$PPID") in
    *" -S "%(control)s" "*) return 0 ;;
    esac
    return 1
}
is_for_us() {
    if [ -n "$key" ]; then
        for path in "$key" "$(printf %%.100s "$key")"; do
            [ "$question" = "Enter passphrase for key '$path': " ] && return 0
        done
    fi
    is_ours || return 1
    [ -n "$user" ] && is_of "$user" "$host" && return 0
    user= host= alias=
    found=$(unset SSH_ASKPASS SSH_ASKPASS_REQUIRE; %(configuration)s </dev/null 2>/dev/null)
    while read -r name value; do
        case $name in
        user) user=$value ;;
        hostname) host=$value ;;
        hostkeyalias) alias=$value ;;
        esac
    done <<END
$found
END
    [ -n "$user" ] && is_of "$user" "${alias:-$host}"
}
case $question in
*"(yes/no"*) echo no; exit ;;
esac
case $SSH_ASKPASS_PROMPT in
?*) refuse ;;
esac
is_for_us || refuse
# One line: it may be offered again before this has ended. And none, where it was offered to the one who asked before.
while [ -p "${0%%/*}/password" ]; do
    if IFS= read -r password <"${0%%/*}/password"; then
        printf '%%s\\n' "$password"
        exit
    fi
done 2>/dev/null
exit 1
"""

#: Where `run` has no status.
LOST = "how ssh ended is not known, because SIGCHLD is ignored or something else in the program waits for its children"
#: The longest path that leaves ssh room to make a socket and rename it, in bytes.
LONGEST = 80


def askpass(control: str, server: Server, keyfile: str | None) -> str:
    """Return the program that answers what ssh asks."""
    return ASKPASS % {
        "control": shlex.quote(escaped(control)),
        "user": shlex.quote(server.user or ""),
        "host": shlex.quote(server.host.lower()),
        "key": shlex.quote(keyfile or ""),
        "configuration": shlex.join([SSH, "-G", *where(server, keyfile)]),
    }


class Password:
    """Gives ssh a password whenever it asks."""

    def __init__(self, folder: str, control: str, password: str, server: Server, keyfile: str | None) -> None:
        self.password = password.encode() + b"\n"
        self.pipe = os.path.join(folder, "password")
        self.program = os.path.join(folder, "askpass")
        os.mkfifo(self.pipe, 0o600)
        descriptor = os.open(self.program, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o700)
        try:
            os.write(descriptor, askpass(control, server, keyfile).encode(errors="surrogateescape"))
        finally:
            close_fd(descriptor)

    def environment(self) -> dict[str, str]:
        # Versions before 8.4 use the program only if there is a display, and no terminal.
        return {"DISPLAY": ":0", **os.environ, "SSH_ASKPASS": self.program, "SSH_ASKPASS_REQUIRE": "force"}

    def offer(self) -> None:
        """Write the password if somebody reads."""
        try:
            descriptor = os.open(self.pipe, os.O_WRONLY | os.O_NONBLOCK)
        except OSError as error:
            if error.errno != ENXIO:
                raise
            return
        try:
            # There was a reader. Should it go away now, this is one: else SIGPIPE came, which ends some programs.
            reader = os.open(self.pipe, os.O_RDONLY | os.O_NONBLOCK)
            try:
                os.write(descriptor, self.password)
            finally:
                close_fd(reader)
        finally:
            close_fd(descriptor)

    def withdraw(self) -> None:
        """Let nobody wait for it any more."""
        # Nobody can come after it has gone, and who was there before hears that it has.
        descriptor = os.open(self.pipe, os.O_RDWR | os.O_NONBLOCK)
        os.unlink(self.pipe)
        os.unlink(self.program)
        close_fd(descriptor)


def where(server: Server, keyfile: str | None) -> list[str]:
    """Return the arguments that say where to connect, and as who."""
    arguments = []
    if server.port is not None:
        arguments += ["-p", str(server.port)]
    if server.user is not None:
        arguments += ["-l", server.user]
    if keyfile is not None:
        arguments += ["-i", keyfile]
    return [*arguments, "--", server.host]


def escaped(path: str) -> str:
    """Return a path as ssh takes it in arguments: it replaces what follows a percent sign."""
    return path.replace("%", "%%")


def make_folder() -> str:
    """Make one that nobody else can enter, with a path that is short enough for sockets."""
    folder = tempfile.mkdtemp(prefix="zmq-ssh-")
    if len(os.fsencode(folder)) > LONGEST:
        os.rmdir(folder)
        folder = tempfile.mkdtemp(prefix="zmq-ssh-", dir="/tmp")
    return folder


def listens(path: str) -> bool:
    """Tell whether somebody listens on a socket of this path, who then takes the tunnel for one that is used."""
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(path)
        except OSError:
            return False
    return True


def open_tunnel(
    ports: Iterable[int],
    remote: tuple[str, int],
    server: Server,
    keyfile: str | None,
    password: str | None,
    timeout: int,
    poller_class: type[Poller],
) -> Tunnel:
    """Open a tunnel from a local port to a remote address.

    The first of the `ports` that is free is used.
    """
    clear_up(poller_class)
    deadline = time.monotonic() + timeout
    folder = make_folder()
    control = os.path.join(folder, "control")
    to_master = [SSH, "-F", os.devnull, "-S", escaped(control), "-O"]
    try:
        keeper = start(["/bin/sh", "-c", KEEP, "sh", folder, *to_master, "exit", "--", server.host])
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    tunnel = Tunnel(keeper, poller_class, control)
    try:
        connect(folder, control, server, keyfile, password, timeout, deadline, poller_class)
        tried = []
        for port in ports:
            tried.append(port)
            host = f"[{remote[0]}]" if ":" in remote[0] else remote[0]
            forward = f"127.0.0.1:{port}:{host}:{remote[1]}"
            command = [*to_master, "forward", "-L", forward, "--", server.host]
            status, said = run(command, deadline, poller_class)
            # What fails says why.
            if status == 0 or (status is None and not said):
                break
            if not listens(control):
                raise SSHException(f"the connection to {server.host} ended at once: {said}")
        else:
            what = SSHException if len(tried) == 1 else MaxRetryExceeded
            raise what(f"port {tried[-1]} of 127.0.0.1 can't be forwarded: {said}")
        tunnel.port = port
        status, said = run([*to_master, "check", "--", server.host], deadline, poller_class)
        found = re.search(r"pid=(\d+)", said)
        if status or not found:
            raise SSHException(f"the tunnel through {server.host} ended at once: {said}")
        tunnel.pid = int(found[1])
        tunnel.stands = True
        return tunnel
    except BaseException:
        tunnel.close()
        # Where the path leads to no rm either.
        shutil.rmtree(folder, ignore_errors=True)
        raise


def connect(
    folder: str,
    control: str,
    server: Server,
    keyfile: str | None,
    password: str | None,
    timeout: int,
    deadline: float,
    poller_class: type[Poller],
) -> None:
    """Log in, and leave the connection in the background."""
    options = [
        "ClearAllForwardings=yes",
        f"ConnectTimeout={timeout}",
        f"ControlPersist={timeout}",
        "ControlMaster=yes",
        "RemoteCommand=none",
    ]
    if password is not None:
        options.append("NumberOfPasswordPrompts=1")
    command = [SSH, "-S", escaped(control), "-N", "-T"]
    for option in options:
        command += ["-o", option]
    command += where(server, keyfile)
    if password is None:
        status, said = run(command, deadline, poller_class)
    else:
        giver = Password(folder, control, password, server, keyfile)
        try:
            status, said = run(command, deadline, poller_class, giver.environment(), giver.offer, new_session=True)
        finally:
            giver.withdraw()
    if status is None:
        # It ends when the connection stands, or there is none.
        stands, ended = listens(control), LOST
    else:
        stands, ended = status == 0, f"ssh ended with status {status}"
    if not stands:
        raise SSHException(f"no tunnel through {server.host}: {said or ended}")


def try_passwordless(server: Server, keyfile: str | None, timeout: int, poller_class: type[Poller]) -> bool:
    """Log in, ask nobody for anything, and log out."""
    command = [SSH, "-T", "-S", "none"]
    for option in (
        "BatchMode=yes",
        "ClearAllForwardings=yes",
        f"ConnectTimeout={timeout}",
        "ControlMaster=no",
        "RemoteCommand=none",
    ):
        command += ["-o", option]
    status, _ = run([*command, *where(server, keyfile), "exit"], time.monotonic() + timeout, poller_class)
    if status is None:
        raise SSHException(f"whether {server.host} lets in without a password can't be told: {LOST}")
    # 255: ssh's own; whatever else comes from the shell over there.
    return status not in (255, -1) and status >= 0
