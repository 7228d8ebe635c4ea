"""What reaches ssh: hostile names, paths and passwords, with a stand-in for `ssh` that writes down what it gets."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import zmq
import zmq.ssh
from support import programs, ssh_server
from support.front_ends import FRONT_ENDS, LIMIT, FrontEnd, wait_until
from zmq.ssh import SSHException, _names, _openssh, _process

#: Writes down its arguments and variables, asks for a password and is a master until it is told to exit.
STAND_IN = """\
#!/bin/sh
cd "$STAND_IN" || exit 9
printf '%s\\0' "$@" '' >> arguments
env >> environment
previous= control= operation=
for argument; do
    case $previous in -S) control=$argument ;; -O) operation=$argument ;; esac
    previous=$argument
done
case $1 in -G) cat configuration; exit ;; esac
case $operation in
forward) exit 0 ;;
check) echo "Master running (pid=$(cat "$control"))" >&2; exit 0 ;;
exit) kill "$(cat "$control")"; rm -f "$control"; exit 0 ;;
esac
if [ -e question ]; then
    "$SSH_ASKPASS" "$(cat question)" > answer || echo "status $?" > answer
fi
if [ -e secret ]; then
    "$SSH_ASKPASS" "$(cat asks 2>/dev/null || echo "user@host's password: ")" > answer
    cmp -s answer secret || { echo "user@host: Permission denied (password)." >&2; exit 255; }
fi
sleep 100 < /dev/null > /dev/null 2>&1 &
echo $! > "$control"
"""


@pytest.fixture
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder in which the stand-in works."""
    folder = tmp_path / "stand-in"
    folder.mkdir()
    (folder / "ssh").write_text(STAND_IN)
    (folder / "ssh").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    monkeypatch.setenv("STAND_IN", str(folder))
    monkeypatch.chdir(tmp_path)
    yield folder


def calls(folder: Path) -> list[list[str]]:
    return [call.split("\0") for call in (folder / "arguments").read_text().split("\0\0") if call]


def open_one(server: str = "user@host:2222", addr: str = "tcp://10.0.0.1:5555", **kwargs: Any) -> Any:
    _, tunnel = zmq.ssh.open_tunnel(addr, server, **kwargs)
    tunnel.close()
    return tunnel


def test_what_ssh_is_called_with(stand_in: Path) -> None:
    open_one()
    login, forward, check, leave = calls(stand_in)
    assert login[-6:] == ["-p", "2222", "-l", "user", "--", "host"]
    assert not any("StrictHostKeyChecking" in argument for argument in login)
    assert "-i" not in login
    assert forward[4:6] == ["-O", "forward"] and forward[6] == "-L"
    local, port, remote, rport = forward[7].split(":")
    assert (local, remote, rport) == ("127.0.0.1", "10.0.0.1", "5555") and 1024 < int(port) < 65536
    assert "-F" not in login
    for call in (forward, check, leave):
        assert call[:3] == ["-F", "/dev/null", "-S"] and call[-2:] == ["--", "host"]
    open_one("[::1]:22", "tcp://[fe80::1]:7")
    login, forward, *_ = calls(stand_in)[4:]
    assert login[-4:] == ["-p", "22", "--", "::1"]
    assert forward[7].endswith(":[fe80::1]:7")


HOSTILE = [
    "host/path",
    "a=b",
    "a,b",
    "user@host/../other",
    "user:word@host",
    "",
    "-oProxyCommand=touch marker",
    "--",
    "-v",
    "user@-oProxyCommand=touch marker",
    "-l@host",
    "host;touch marker",
    "$(touch marker)",
    "`touch marker`",
    "user`touch marker`@host",
    "$(touch marker)@host",
    "host touch marker",
    "host\ntouch marker",
    "host\n",
    "host\0",
    "host|touch marker",
    "host&touch marker",
    "host>marker",
    "host'",
    'host"',
    "host\\",
    "user\\@host",
    "host*",
    "~host",
    "%h",
    "{a,b}",
    "host:-1",
    "host:22;touch marker",
    "host:0",
    "host:65536",
    "host:",
    "host:٢٢",
    "@host",
    "user@",
    "[::1",
    "[host]:22",
    "[::1]22",
    "::1;touch marker",
    "höst",
]


@pytest.mark.parametrize("server", HOSTILE)
@pytest.mark.parametrize("paramiko", [False, True])
def test_hostile_servers_are_refused(stand_in: Path, server: str, paramiko: bool, tmp_path: Path) -> None:
    for call in (
        lambda: zmq.ssh.open_tunnel("tcp://127.0.0.1:5555", server, paramiko=paramiko),
        lambda: zmq.ssh.openssh_tunnel(1, 1, server),
        lambda: zmq.ssh.try_passwordless_ssh(server, None, paramiko),
    ):
        with pytest.raises(ValueError, match=r"ssh|port|from 1 to 65535"):
            call()
    assert not (tmp_path / "marker").exists() and not (stand_in / "arguments").exists()


@pytest.mark.parametrize("host", [host for host in HOSTILE if "@" not in host and ":" not in host])
def test_hostile_remote_hosts_are_refused(stand_in: Path, host: str) -> None:
    with pytest.raises(ValueError, match="host"):
        zmq.ssh.openssh_tunnel(1, 1, "host", remoteip=host)
    with pytest.raises(ValueError, match="host"):
        zmq.ssh.open_tunnel(f"tcp://{host}:5555", "host")
    assert not (stand_in / "arguments").exists()


def test_other_arguments_that_are_refused(stand_in: Path, tmp_path: Path) -> None:
    for error, arguments in {
        ValueError: [
            {"addr": "ipc:///tmp/x"},
            {"addr": "tcp://host"},
            {"addr": "tcp://*:1"},
            {"timeout": 0},
            {"timeout": -1},
            {"timeout": float("nan")},
            {"timeout": 1e99},
            {"password": ""},
            {"password": "a\nb"},
            {"password": "a\0b"},
            {"password": "a" * 1001},
            {"keyfile": "a\0b"},
            {"keyfile": "${HOME}/key"},
            {"keyfile": "%h"},
        ],
        TypeError: [
            {"addr": 1},
            {"server": None},
            {"timeout": "1"},
            {"password": b"a"},
            {"keyfile": 1},
            {"keyfile": b"k"},
        ],
        SSHException: [{"keyfile": "none"}, {"keyfile": "-v"}, {"keyfile": str(tmp_path)}],
    }.items():
        for each in arguments:
            with pytest.raises(error) as caught:
                open_one(**each)
            assert "a\nb" not in str(caught.value)
    for port in (0, -1, 65536):
        with pytest.raises(ValueError, match="65535"):
            zmq.ssh.openssh_tunnel(port, 1, "host")
        with pytest.raises(ValueError, match="65535"):
            zmq.ssh.paramiko_tunnel(1, port, "host")
    with pytest.raises(TypeError, match="lport"):
        zmq.ssh.openssh_tunnel("1:a:1 -v", 1, "host")  # type: ignore[arg-type]
    assert not (stand_in / "arguments").exists()


@pytest.mark.parametrize(
    "name", ["-oProxyCommand=touch marker", "$(touch marker)", ";touch marker", "a b", "'\"\\", "~"]
)
def test_hostile_paths_of_keys_are_one_argument(stand_in: Path, tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("")
    open_one(keyfile=str(tmp_path / name))
    login = calls(stand_in)[0]
    assert login[login.index("-i") + 1] == str(tmp_path / name)
    assert not (tmp_path / "marker").exists() and not (stand_in / "marker").exists()


@pytest.mark.parametrize(
    "password",
    ["secret", "$(touch marker)", "`touch marker`'\"; touch marker", "%s -n \\n", " é "],
    ids=["plain", "substitution", "quotes", "percent", "blanks"],
)
def test_a_password_arrives_as_it_is_and_nowhere_else(stand_in: Path, tmp_path: Path, password: str) -> None:
    (stand_in / "secret").write_text(password + "\n")
    (stand_in / "question").write_text("Enter passphrase for key 'key': ")  # asked twice
    open_one(password=password)
    assert password not in (stand_in / "arguments").read_text()
    assert password not in (stand_in / "environment").read_text()
    assert "SSH_ASKPASS_REQUIRE=force" in (stand_in / "environment").read_text()
    assert "NumberOfPasswordPrompts=1" in calls(stand_in)[0]
    assert not (tmp_path / "marker").exists() and not (stand_in / "marker").exists()


def test_the_wrong_password(stand_in: Path) -> None:
    (stand_in / "secret").write_text("right\n")
    with pytest.raises(SSHException, match="Permission denied") as caught:
        open_one(password="wrong")
    assert "wrong" not in str(caught.value)
    open_one(password="right")


def test_whether_to_trust_a_host_is_not_answered_with_the_password(stand_in: Path) -> None:
    (stand_in / "question").write_text("Are you sure you want to continue connecting (yes/no/[fingerprint])? ")
    open_one(password="yes")
    assert (stand_in / "answer").read_text() == "no\n"


@pytest.mark.parametrize(
    ("server", "question"),
    [
        ("user@host", "user@host's password: "),
        ("user@host:22", "(user@host) Passwort: "),
        ("user@HOST", "user@host's password: "),
        ("DOMAIN\\u@host", "DOMAIN\\u@host's password: "),
        ("user@::1", "user@::1's password: "),
        ("user@alias", "user@real.example.org's password: "),
        ("alias", "me@real.example.org's password: "),
        ("alias", "(me@real.example.org) Password: "),
        (f"{'u' * 40}@host", f"{'u' * 30}@host's password: "),
    ],
)
def test_whoever_the_password_is_for_gets_it(stand_in: Path, server: str, question: str) -> None:
    me = "user" if "@" in server else "me"
    (stand_in / "configuration").write_text(f"host alias\nuser {me}\nhostname real.example.org\nport 22\n")
    (stand_in / "secret").write_text("secret\n")
    (stand_in / "asks").write_text(question)
    open_one(server, password="secret")
    assert (stand_in / "answer").read_text() == "secret\n"


def test_a_host_may_have_another_name_for_its_key(stand_in: Path) -> None:
    (stand_in / "configuration").write_text("user user\nhostname 10.0.0.7\nhostkeyalias known\n")
    (stand_in / "secret").write_text("secret\n")
    (stand_in / "asks").write_text("user@known's password: ")
    open_one("user@host", password="secret")


@pytest.mark.parametrize(
    "question",
    [
        "jumper@jump's password: ",
        "user@jump's password: ",
        "jumper@host's password: ",
        "user@host.example.org's password: ",
        "xuser@host's password: ",
        "user@real.example.org's password: ",
        "(user@jump) Password: ",
        "(jumper@host) Password: ",
        "(jumper@jump) user@host's password: ",
        "user@host's password: for somebody else",
        "Enter user@host's old password: ",
        "Password: ",
        "Verification code: ",
        "Enter passphrase for key '/home/user/.ssh/id_rsa': ",
        "Enter PIN for 'card': ",
        "",
        "*",
    ],
)
def test_nobody_else_gets_the_password(stand_in: Path, tmp_path: Path, question: str) -> None:
    (stand_in / "configuration").write_text("user me\nhostname host\n")
    (tmp_path / "key").write_text("")
    (stand_in / "secret").write_text("secret\n")
    (stand_in / "asks").write_text(question)
    with pytest.raises(SSHException, match="has no answer to") as caught:
        open_one(password="secret", keyfile=str(tmp_path / "key"))
    assert question in str(caught.value) and (stand_in / "answer").read_text() == ""


def test_another_ssh_does_not_get_the_password(stand_in: Path) -> None:
    """That of a jump host, say, where user and host are called the same and only the port is another one."""
    jump = 'sh -c \'"$SSH_ASKPASS" "$1" > answer; exit\' ssh'
    text = STAND_IN.replace('"$SSH_ASKPASS" "$(cat asks', f'{jump} "$(cat asks')
    assert text != STAND_IN
    (stand_in / "ssh").write_text(text)
    (stand_in / "configuration").write_text("user user\nhostname host\n")
    (stand_in / "secret").write_text("secret\n")
    with pytest.raises(SSHException, match="has no answer to: user@host's password"):
        open_one(password="secret")


def test_the_passphrase_of_the_key_that_was_given(stand_in: Path, tmp_path: Path) -> None:
    key = tmp_path / f"it's {'k' * 120}"
    key.write_text("")
    (stand_in / "secret").write_text("secret\n")
    for path in (str(key), str(key)[:100]):
        (stand_in / "asks").write_text(f"Enter passphrase for key '{path}': ")
        open_one(password="secret", keyfile=str(key))
        assert (stand_in / "answer").read_text() == "secret\n"


def test_no_password_no_variables(stand_in: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSH_ASKPASS", raising=False)
    open_one()
    assert "SSH_ASKPASS" not in (stand_in / "environment").read_text()


def test_without_ssh_or_paramiko_it_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "paramiko", None)
    with pytest.raises(ImportError, match="paramiko is not installed"):
        open_one(paramiko=True)
    assert zmq.ssh.tunnel.paramiko is None
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SSHException, match="ssh can't be run: No such file"):
        open_one()
    with pytest.raises(SSHException, match="ssh can't be run"):
        zmq.ssh.try_passwordless_ssh("host")


def test_ports_that_are_taken_are_not_tried_for_ever(stand_in: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = STAND_IN.replace("forward) exit 0", "forward) echo taken >&2; exit 255")
    (stand_in / "ssh").write_text(text)
    monkeypatch.setattr(_openssh, "listens", lambda path: True)
    with pytest.raises(zmq.ssh.MaxRetryExceeded, match="taken"):
        open_one()
    tried = [call for call in calls(stand_in) if "forward" in call]
    assert len(tried) == zmq.ssh.tunnel.TRIES
    with pytest.raises(SSHException, match=r"port 77 of 127\.0\.0\.1 can't be forwarded: taken") as caught:
        zmq.ssh.openssh_tunnel(77, 1, "host")
    assert type(caught.value) is SSHException


# How ssh ended.

REFUSES = """\
#!/bin/sh
[ -e silent ] || echo "user@host: Permission denied (publickey)." >&2
exit 255
"""


@pytest.mark.parametrize("waitid", [True, False])
def test_the_status_of_what_ran(monkeypatch: pytest.MonkeyPatch, waitid: bool) -> None:
    if not waitid:
        # There are systems without it.
        monkeypatch.delattr(os, "waitid")
    for text, expected in {"exit 0": 0, "exit 3": 3, "kill -9 $$": -9}.items():
        end = time.monotonic() + LIMIT
        assert _process.run(["sh", "-c", f"echo said >&2; {text}"], end, zmq.Poller) == (expected, "said")


def test_a_refusal_counts_where_its_status_is_lost(stand_in: Path, front_end: FrontEnd) -> None:
    """Popen takes it for 0 where SIGCHLD is ignored, and the kernel says nothing."""
    (stand_in / "ssh").write_text(REFUSES)
    program = """
        import importlib, os, signal
        ssh = importlib.import_module(f"{zmq.__name__}.ssh")
        os.chdir(sys.argv[1])
        assert ssh.try_passwordless_ssh("user@host") is False

        def refused(call, text):
            try:
                call()
            except ssh.SSHException as error:
                assert text in str(error), error
            else:
                raise AssertionError("was let in")

        open_one = lambda: ssh.open_tunnel("tcp://127.0.0.1:1", "user@host")
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        refused(open_one, "no tunnel through host: user@host: Permission denied")
        refused(lambda: ssh.try_passwordless_ssh("user@host"), "SIGCHLD is ignored")
        open("silent", "x").close()
        refused(open_one, "no tunnel through host: how ssh ended is not known")
    """
    programs.run(front_end, program, str(stand_in))


def test_a_refusal_counts_where_another_waits_for_all_children(stand_in: Path) -> None:
    """Gevent does from its first process on, also in a program that is not monkeypatched."""
    (stand_in / "ssh").write_text(REFUSES)
    program = """
        import gevent.subprocess
        import zmq.green.ssh as ssh

        assert gevent.subprocess.call(["true"]) == 0
        for _ in range(5):
            try:
                ssh.open_tunnel("tcp://127.0.0.1:1", "user@host")
            except ssh.SSHException as error:
                assert str(error) == "no tunnel through host: user@host: Permission denied (publickey)."
            else:
                raise AssertionError("was let in")
    """
    program = "\n".join(line[8:] for line in program.splitlines())
    subprocess.run([sys.executable, "-c", program], check=True, timeout=30)


def test_who_asks_for_the_password_and_goes_away_ends_nobody(front_end: FrontEnd, tmp_path: Path) -> None:
    """Where a program has SIGPIPE at its default, as those of the command line do, a write to nobody ends it."""
    program = """
        import os, signal
        from zmq.ssh import _names, _openssh

        giver = _openssh.Password(sys.argv[1], "control", "secret", _names.parse_server("user@host"), None)
        reader = os.open(giver.pipe, os.O_RDONLY | os.O_NONBLOCK)
        write = os.write

        def late(fd, data):
            os.close(reader)
            return write(fd, data)

        os.write = late
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        giver.offer()
        os.write = write
        # Nobody hears it afterwards.
        reader = os.open(giver.pipe, os.O_RDONLY | os.O_NONBLOCK)
        assert os.read(reader, 1) == b""
        os.close(reader)
        giver.withdraw()
    """
    programs.run(front_end, program, str(tmp_path))


@pytest.mark.parametrize("module", ["zmq.green.monkey", "zmq.eventlet.monkey", "this"])
def test_a_process_that_ends_before_it_hears_what_to_do_ends_nobody(tmp_path: Path, module: str) -> None:
    (tmp_path / "python").write_text("#!/bin/sh\necho there is no Python here\n")
    (tmp_path / "python").chmod(0o755)
    program = """
        import os, signal, sys
        from contextlib import suppress
        import zmq.ssh
        from zmq.ssh import _paramiko

        def start(*args, start=_paramiko.start, **kwargs):
            process = start(*args, **kwargs)
            # Where gevent has heard of its end, nobody else can.
            with suppress(ChildProcessError):
                os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
            return process

        _paramiko.check = lambda: None
        _paramiko.start = start
        sys.executable = sys.argv[1]
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        try:
            zmq.ssh.open_tunnel("tcp://127.0.0.1:1", "host", paramiko=True)
        except zmq.ssh.SSHException as error:
            assert str(error) == "no tunnel through host: there is no Python here", error
            print("the end")
    """
    (tmp_path / "program.py").write_text("\n".join(line[8:] for line in program.splitlines()))
    by = [] if module == "this" else ["-m", module]
    done = subprocess.run(
        [sys.executable, *by, str(tmp_path / "program.py"), str(tmp_path / "python")],
        env={**os.environ, "EVENTLET_TESTS": "1"},
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "the end\n", "")


def test_importing_it_imports_no_paramiko() -> None:
    program = "import sys, zmq.ssh; assert 'paramiko' not in sys.modules; zmq.ssh.tunnel.pexpect"
    subprocess.run([sys.executable, "-W", "error", "-c", program], check=True, timeout=30)


def test_names_that_are_allowed() -> None:
    for text, expected in {
        "host": ("host", None, None),
        "a-b.example.org:22": ("a-b.example.org", None, 22),
        "DOMAIN\\user@host": ("host", "DOMAIN\\user", None),
        "user@example.org@host:7": ("host", "user@example.org", 7),
        "::1": ("::1", None, None),
        "[fe80::1%eth0]:22": ("fe80::1%eth0", None, 22),
        "my_alias": ("my_alias", None, None),
        "10.0.0.1": ("10.0.0.1", None, None),
    }.items():
        assert _names.parse_server(text) == expected


def test_select_random_ports() -> None:
    ports = zmq.ssh.select_random_ports(50)
    assert len({*ports}) == 50 and zmq.ssh.select_random_ports(0) == []


# With the real ssh.


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ssh_server.Server]:
    server = ssh_server.start(tmp_path / "server")
    for name, value in server.environment().items():
        monkeypatch.setenv(name, value)
    yield server
    server.stop()


def test_a_key_with_a_passphrase_in_a_strange_place(server: ssh_server.Server, tmp_path: Path) -> None:
    key = tmp_path / "$(touch marker) 'key'"
    key.write_bytes(Path(server.key).read_bytes())
    key.chmod(0o600)
    subprocess.run(
        ["ssh-keygen", "-q", "-p", "-P", "", "-N", "it's $(touch m)", "-f", str(key)], check=True, timeout=30
    )
    open_one(server.name, keyfile=key, password="it's $(touch m)")
    with pytest.raises(SSHException, match="Permission denied"):
        open_one(server.name, keyfile=key, password="another")
    assert not zmq.ssh.try_passwordless_ssh(server.name, str(key))
    assert not list(tmp_path.rglob("marker")) and not list(tmp_path.rglob("m"))


PATCHED = """
    import sys, threading, time
    import zmq, zmq.ssh
    assert zmq.Socket._get_hub is not None
    ticks, done = 0, []

    def tick():
        global ticks
        while not done:
            ticks += 1
            time.sleep(0.005)

    ticker = threading.Thread(target=tick, daemon=True)
    ticker.start()
    context = zmq.Context()
    rep, req = context.socket(zmq.REP), context.socket(zmq.REQ)
    port = rep.bind_to_random_port("tcp://127.0.0.1")
    for paramiko in (False, True)[:int(sys.argv[3])]:
        before = ticks
        address = f"tcp://127.0.0.1:{port}"
        with zmq.ssh.tunnel_connection(req, address, sys.argv[1], sys.argv[2], paramiko=paramiko) as tunnel:
            assert ticks > before + 5, ticks
            req.send(b"1")
            assert rep.recv() == b"1"
            rep.send(b"2")
            assert req.recv() == b"2"
            req.disconnect(req.last_endpoint)
        assert zmq.ssh.try_passwordless_ssh(sys.argv[1], sys.argv[2], paramiko)
    url, left = zmq.ssh.open_tunnel(address, sys.argv[1], sys.argv[2])
    done.append(1)
    ticker.join()
    req.close(); rep.close(); context.term()
    print("the end", left.pid)
"""


@pytest.mark.parametrize("module", ["zmq.green.monkey", "zmq.eventlet.monkey"])
@pytest.mark.timeout(120)
def test_in_a_monkeypatched_program_others_run(server: ssh_server.Server, tmp_path: Path, module: str) -> None:
    (tmp_path / "program.py").write_text("\n".join(line[4:] for line in PATCHED.splitlines()))
    try:
        import paramiko  # noqa: F401
    except ImportError:
        kinds = "1"
    else:
        kinds = "2"
    command = [sys.executable, "-m", module, str(tmp_path / "program.py"), server.name, server.key, kinds]
    done = subprocess.run(
        command, env={**os.environ, "EVENTLET_TESTS": "1"}, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0 and not done.stderr, done.stderr
    assert done.stdout.startswith("the end ")
    pid = int(done.stdout.split()[-1])
    wait_until(FRONT_ENDS[0], lambda: not ssh_server.runs(pid))
