"""Tunnels through a real sshd: who is let in, and that nothing of a tunnel is left. For every front-end."""

from __future__ import annotations

import importlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import zmq as plain
import zmq.green
import zmq.ssh
from support import programs, ssh_server
from support.front_ends import FRONT_ENDS, LIMIT, FrontEnd, wait_until
from support.ssh_server import Server, all_below, runs
from zmq.core.native_threads import NativeThread
from zmq.ssh._process import Tunnel

pytestmark = pytest.mark.timeout(120)


@pytest.fixture(scope="module")
def one_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = ssh_server.start(tmp_path_factory.mktemp("ssh") / "server")
    yield server
    server.stop()


@pytest.fixture
def server(one_server: Server, monkeypatch: pytest.MonkeyPatch, folder: Path) -> Iterator[Server]:
    """The server, with its client on the path, and as it was afterwards."""
    for name, value in one_server.environment().items():
        monkeypatch.setenv(name, value)
    for name in ("SSH_AUTH_SOCK", "SSH_ASKPASS", "DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    paths = [one_server.known, one_server.folder / "config", one_server.folder / "bin" / "ssh"]
    before = [path.read_text() for path in paths]
    yield one_server
    for path, text in zip(paths, before, strict=True):
        path.write_text(text)


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where the folders of tunnels are made; nothing of it is left in the end."""
    path = Path(tempfile.mkdtemp(prefix="t-"))
    monkeypatch.setattr(tempfile, "tempdir", str(path))
    yield path
    end = time.monotonic() + LIMIT
    while (left := [*path.iterdir(), *all_below(path)]) and time.monotonic() < end:
        time.sleep(0.01)
    assert not left
    path.rmdir()


@pytest.fixture
def ssh(front_end: FrontEnd) -> ModuleType:
    return importlib.import_module(f"{front_end.zmq.__name__}.ssh")


@pytest.fixture(params=["openssh", "paramiko"])
def paramiko(request: pytest.FixtureRequest) -> bool:
    if request.param == "paramiko":
        pytest.importorskip("paramiko")
    return bool(request.param == "paramiko")


@pytest.fixture
def service(ledger: None) -> Iterator[str]:
    """The address of a REP socket in a native thread, which answers with what it gets."""
    native = plain.Context()
    rep = native.socket(plain.REP)
    rep.linger = 0
    rep.bind("tcp://127.0.0.1:*")
    address = rep.get_string(plain.LAST_ENDPOINT)

    def serve() -> None:
        while (request := rep.recv()) != b"end":
            rep.send(request)
        rep.close()

    thread = NativeThread(serve)
    thread.start()
    yield address
    with native.socket(plain.REQ) as req:
        req.connect(address)
        req.send(b"end")
        thread.join(LIMIT)
    native.term()


@pytest.fixture
def req(context: Any, zmq: ModuleType) -> Any:
    socket = context.socket(zmq.REQ)
    socket.rcvtimeo = int(LIMIT * 1000)
    return socket


def ask(socket: Any) -> None:
    socket.send(b"a question")
    assert socket.recv() == b"a question"


def test_a_socket_is_connected_through_a_server(
    ssh: ModuleType, server: Server, service: str, req: Any, paramiko: bool, front_end: FrontEnd
) -> None:
    with ssh.tunnel_connection(req, service, server.name, server.key, paramiko=paramiko) as tunnel:
        assert tunnel.is_alive() and runs(tunnel.pid) and int(tunnel.pid) == tunnel.__index__()
        ask(req)
        assert f"127.0.0.1:{tunnel.port}" in req.get_string(plain.LAST_ENDPOINT)
    assert not tunnel.is_alive()
    wait_until(front_end, lambda: not runs(tunnel.pid))
    tunnel.close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", tunnel.port))


def test_a_tunnel_from_a_certain_port(
    ssh: ModuleType, server: Server, service: str, req: Any, paramiko: bool, front_end: FrontEnd
) -> None:
    (lport,) = ssh.tunnel.select_random_ports(1)
    rport = int(service.rpartition(":")[2])
    make = ssh.paramiko_tunnel if paramiko else ssh.openssh_tunnel
    with make(lport, rport, server.name, keyfile=server.key) as tunnel:
        assert tunnel.port == lport
        req.connect(f"tcp://127.0.0.1:{lport}")
        ask(req)
        # The port is taken now.
        with pytest.raises(ssh.SSHException, match=r"port|Address already in use"):
            make(lport, rport, server.name, keyfile=server.key)
        assert tunnel.is_alive()


def test_forwardings_of_the_configuration_are_left_out(
    ssh: ModuleType, server: Server, service: str, req: Any, front_end: FrontEnd
) -> None:
    """One that can't be made, because another ssh has it, is in nobody's way, and no other is made."""
    config = server.folder / "config"
    free, far = ssh.tunnel.select_random_ports(2)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        config.write_text(
            f"{config.read_text()}  LocalForward 127.0.0.1:{taken.getsockname()[1]} 127.0.0.1:9\n"
            f"  LocalForward 127.0.0.1:{free} 127.0.0.1:9\n  RemoteForward 127.0.0.1:{far} 127.0.0.1:9\n"
        )
        with ssh.tunnel_connection(req, service, server.name, server.key):
            ask(req)
            for port in (free, far):
                with pytest.raises(ConnectionRefusedError):
                    socket.create_connection(("127.0.0.1", port))


def test_a_configuration_without_forwardings_has_tunnels(
    ssh: ModuleType, server: Server, service: str, req: Any, front_end: FrontEnd
) -> None:
    config = server.folder / "config"
    config.write_text(f"{config.read_text()}  ClearAllForwardings yes\n")
    with ssh.tunnel_connection(req, service, server.name, server.key):
        ask(req)


def test_tunnels_where_nobody_hears_how_ssh_ended(
    server: Server, folder: Path, front_end: FrontEnd, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = """
        import importlib, signal
        ssh = importlib.import_module(f"{zmq.__name__}.ssh")
        name, key, other = sys.argv[1:4]
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        with ssh.open_tunnel("tcp://127.0.0.1:9", name, key)[1] as tunnel:
            assert tunnel.is_alive()
            for key, port, text in ((other, 0, "Permission denied"), (key, tunnel.port, "can't be forwarded")):
                try:
                    ssh.openssh_tunnel(port or ssh.select_random_ports(1)[0], 9, name, keyfile=key)
                except ssh.SSHException as error:
                    assert text in str(error), error
                else:
                    raise AssertionError(text)
        assert not tunnel.is_alive()
    """
    monkeypatch.setenv("TMPDIR", str(folder))
    programs.run(front_end, program, server.name, server.key, server.other)


def test_others_run_while_a_tunnel_is_opened(
    ssh: ModuleType, server: Server, service: str, paramiko: bool, front_end: FrontEnd
) -> None:
    ticks, done = 0, False

    def open_one() -> Any:
        nonlocal done
        try:
            return ssh.open_tunnel(service, server.name, server.key, paramiko=paramiko)
        finally:
            done = True

    # Each look at the process, every 20 ms, lets others run; a login takes several.
    opening = front_end.spawn(open_one)
    while not done:
        ticks += 1
        front_end.sleep(0.005)
    url, tunnel = opening.get()
    assert url == f"tcp://127.0.0.1:{tunnel.port}" and ticks > 5
    tunnel.close()


def test_two_at_once(ssh: ModuleType, server: Server, service: str, context: Any, front_end: FrontEnd) -> None:
    tasks = [front_end.spawn(ssh.open_tunnel, service, server.name, server.key) for _ in range(4)]
    opened = [task.get() for task in tasks]
    assert all(tunnel.is_alive() for _, tunnel in opened) and len({url for url, _ in opened}) == 4
    for _, tunnel in opened:
        tunnel.close()


def test_the_wrong_key(ssh: ModuleType, server: Server, service: str, req: Any, paramiko: bool) -> None:
    with pytest.raises(ssh.SSHException, match=r"Permission denied|Authentication failed|AuthenticationException"):
        ssh.tunnel_connection(req, service, server.name, server.other, paramiko=paramiko)
    assert ssh.try_passwordless_ssh(server.name, server.key, paramiko) is True
    assert ssh.try_passwordless_ssh(server.name, server.other, paramiko) is False


def test_an_unknown_host_is_refused(ssh: ModuleType, server: Server, service: str, req: Any, paramiko: bool) -> None:
    server.known.write_text("")
    with pytest.raises(ssh.SSHException, match=r"Host key verification failed|not found in known_hosts"):
        ssh.tunnel_connection(req, service, server.name, server.key, paramiko=paramiko)
    assert ssh.try_passwordless_ssh(server.name, server.key, paramiko) is False
    assert server.known.read_text() == ""


def test_a_host_with_another_key_is_refused(
    ssh: ModuleType, server: Server, service: str, req: Any, paramiko: bool
) -> None:
    other = Path(server.other).with_suffix(".pub").read_text()
    server.known.write_text(f"[127.0.0.1]:{server.port} {other}")
    with pytest.raises(ssh.SSHException, match=r"Host key verification failed|BadHostKey|does not match"):
        ssh.tunnel_connection(req, service, server.name, server.key, paramiko=paramiko)


def test_a_host_whose_key_is_revoked_is_refused(
    ssh: ModuleType, server: Server, service: str, req: Any, paramiko: bool
) -> None:
    server.known.write_text(f"{server.known.read_text()}@revoked * {server.known.read_text().partition(' ')[2]}")
    with pytest.raises(ssh.SSHException, match=r"Host key verification failed|not found in known_hosts"):
        ssh.tunnel_connection(req, service, server.name, server.key, paramiko=paramiko)


def test_a_host_that_is_known_in_no_file_of_the_configuration_is_refused(
    ssh: ModuleType, server: Server, service: str, req: Any, paramiko: bool
) -> None:
    usual = server.folder / "home" / ".ssh" / "known_hosts"
    usual.write_text(server.known.read_text())
    server.known.write_text("")
    try:
        with pytest.raises(ssh.SSHException, match=r"Host key verification failed|not found in known_hosts"):
            ssh.tunnel_connection(req, service, server.name, server.key, paramiko=paramiko)
    finally:
        usual.unlink()


def test_an_unknown_host_is_refused_though_there_is_a_password_to_give(
    ssh: ModuleType, server: Server, service: str, req: Any
) -> None:
    server.known.write_text("")
    with pytest.raises(ssh.SSHException, match="Host key verification failed"):
        ssh.tunnel_connection(req, service, server.name, server.key, password="secret")
    assert server.known.read_text() == ""


def test_a_server_that_is_not_there(ssh: ModuleType, server: Server, service: str, req: Any, paramiko: bool) -> None:
    (port,) = ssh.tunnel.select_random_ports(1)
    with pytest.raises(ssh.SSHException, match=r"refused|Unable to connect"):
        ssh.tunnel_connection(req, service, f"127.0.0.1:{port}", server.key, paramiko=paramiko)


def test_a_server_that_says_nothing(
    ssh: ModuleType, server: Server, service: str, req: Any, paramiko: bool, front_end: FrontEnd
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        begun = time.monotonic()
        with pytest.raises(ssh.SSHException):
            name = f"127.0.0.1:{silent.getsockname()[1]}"
            ssh.tunnel_connection(req, service, name, server.key, paramiko=paramiko, timeout=1)
        assert 0.9 < time.monotonic() - begun < LIMIT / 2


def test_a_tunnel_that_nobody_uses_ends(server: Server, service: str, paramiko: bool) -> None:
    threads = next(front_end for front_end in FRONT_ENDS if front_end.zmq is plain)
    url, tunnel = plain.ssh.open_tunnel(service, server.name, server.key, paramiko=paramiko, timeout=5)
    with plain.Context() as context, context.socket(plain.REQ) as req:
        req.rcvtimeo = int(LIMIT * 1000)
        req.connect(url)
        ask(req)
        time.sleep(7)
        # Somebody is connected: it stays.
        assert tunnel.is_alive()
        ask(req)
        assert runs(tunnel.pid)
    wait_until(threads, lambda: not tunnel.is_alive())
    wait_until(threads, lambda: not runs(tunnel.pid))
    tunnel.close()


def test_a_timeout_of_the_framework_ends_what_was_begun(
    ssh: ModuleType, server: Server, service: str, paramiko: bool, folder: Path, front_end: FrontEnd
) -> None:
    if not hasattr(front_end, "kill"):
        pytest.skip("a thread can't be ended")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        name = f"127.0.0.1:{silent.getsockname()[1]}"
        task = front_end.spawn(ssh.open_tunnel, service, name, server.key, paramiko=paramiko)
        silent.settimeout(0)
        connection: list[socket.socket] = []

        def connected() -> bool:
            try:
                connection.append(silent.accept()[0])
            except BlockingIOError:
                return False
            return True

        wait_until(front_end, connected)
        front_end.kill(task)
        connection[0].setblocking(False)

        def ended() -> bool:
            try:
                return not connection[0].recv(1000)
            except BlockingIOError:
                return False
            except ConnectionResetError:
                return True

        wait_until(front_end, ended)
        connection[0].close()
        # It may still wait for its keeper.
        wait_until(front_end, lambda: not plain.green.statistics()["waiting"] and not all_below(folder))


# What is left when the program ends.

PROGRAM = """
    import os, signal, sys, tempfile, time
    tempfile.tempdir = sys.argv[4]
    import zmq.ssh
    url, tunnel = zmq.ssh.open_tunnel(*sys.argv[1:4], paramiko=sys.argv[5] == "True")
    print(tunnel.pid, tunnel._keeper.pid, flush=True)
    if sys.argv[6] == "fork":
        if os.fork() == 0:
            # It has nothing of the tunnel, so does not keep it open; its end ends nothing.
            if os.fork() == 0:
                sys.exit(0)
            os.wait()
            os.close(1)
            time.sleep(100)
        time.sleep(0.2)
        assert tunnel.is_alive()
    if sys.argv[6] == "killed" or sys.argv[6] == "fork":
        os.kill(os.getpid(), signal.SIGKILL)
    if sys.argv[6] == "raises":
        raise SystemExit(3)
"""


@pytest.mark.parametrize("way", ["ends", "raises", "killed", "fork"])
def test_no_process_outlives_the_program(server: Server, folder: Path, way: str, paramiko: bool) -> None:
    program = "\n".join(line[4:] for line in PROGRAM.splitlines())
    arguments = ["tcp://127.0.0.1:9", server.name, server.key, str(folder), str(paramiko), way]
    process = subprocess.Popen(
        [sys.executable, "-c", program, *arguments], stdout=subprocess.PIPE, start_new_session=True
    )
    try:
        output, _ = process.communicate(timeout=LIMIT)
        pids = [int(word) for word in output.split()]
        assert len(pids) == 2 and process.returncode == {"ends": 0, "raises": 3}.get(way, -signal.SIGKILL)
        end = time.monotonic() + LIMIT
        while any(map(runs, pids)):
            assert time.monotonic() < end, "a process is left"
            time.sleep(0.01)
    finally:
        if way == "fork":
            os.killpg(process.pid, signal.SIGKILL)


def test_a_tunnel_that_ssh_lost_is_not_alive(
    ssh: ModuleType, server: Server, service: str, paramiko: bool, front_end: FrontEnd
) -> None:
    _, tunnel = ssh.open_tunnel(service, server.name, server.key, paramiko=paramiko)
    os.kill(tunnel.pid, signal.SIGKILL)
    wait_until(front_end, lambda: not tunnel.is_alive())
    # Who opens the next one clears up.
    _, other = ssh.open_tunnel(service, server.name, server.key, paramiko=paramiko)
    other.close()
    assert tunnel._pipe is None


def test_a_tunnel_whose_end_nobody_heard_of_is_not_alive(tmp_path: Path) -> None:
    """In a container there may be no process that hears of those whose parent has ended."""
    with ExitStack() as stack:
        keeper, ssh = (
            stack.enter_context(subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, bufsize=0))
            for _ in range(2)
        )
        (tmp_path / "control").touch()
        tunnel = Tunnel(keeper, plain.Poller, str(tmp_path / "control"))
        stack.callback(tunnel.close)
        tunnel.pid = ssh.pid
        assert tunnel.is_alive()
        assert ssh.stdin is not None
        ssh.stdin.close()
        os.waitid(os.P_PID, ssh.pid, os.WEXITED | os.WNOWAIT)
        assert not tunnel.is_alive()
        ssh.wait()
        assert not tunnel.is_alive()


def test_a_green_socket_waits_in_its_hub_whichever_function_is_called(
    server: Server, service: str, req: Any, front_end: FrontEnd
) -> None:
    done: list[Any] = []
    ticks = 0
    task = front_end.spawn(
        lambda: done.append(plain.ssh.tunnel_connection(req, service, server.name, server.key)),
    )
    while not done:
        ticks += 1
        assert ticks < LIMIT * 1000
        front_end.sleep(0.005)
    task.get()
    assert ticks > 5
    ask(req)
    done[0].close()
