"""The greenness table: tunnels. To open or close one waits for programs, which here end when a row says so.

`test_ssh.py` sees others run while real ones log in.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable
from typing import Any
from unittest import mock

from support.greenness_table.row import Scene, numbers, returns, waits
from zmq import PAIR, Poller
from zmq.ssh import _openssh, _paramiko
from zmq.ssh._process import start

#: Does what the step of OpenSSH's tunnels that it is called for does, as far as it is seen.
SSH = """\
#!/bin/sh
case "$*" in *{step}*) read -r _ <{pipe} ;; esac
case "$*" in *"-O check"*) echo "Master running (pid=$$)" >&2 ;; esac
"""
#: What the arguments of each step have.
STEPS = {"it logs in": "ControlMaster=yes", "the port is forwarded": '"-O forward"', "it is looked at": '"-O check"'}

#: As the process of paramiko's.
PARAMIKO = """\
import json, sys
config = json.loads(sys.stdin.readline())
open({pipe!r}).readline()
print(json.dumps({{"port": config["lport"] or 5}}), flush=True)
sys.stdin.read()
"""


def module(s: Scene) -> Any:
    return importlib.import_module(f"{s.zmq.__name__}.ssh")


def make_pipe(s: Scene) -> tuple[str, int]:
    """Return a named pipe, which somebody reads until there is a line in it, and what to write that to."""
    path = f"{s.folder}/pipe-{next(numbers)}"
    os.mkfifo(path)
    writer = os.open(path, os.O_RDWR)
    s.closing.callback(os.close, writer)
    return path, writer


def with_ssh(step: str) -> Callable[[Scene], tuple[int]]:
    def prepare(s: Scene) -> tuple[int]:
        pipe, writer = make_pipe(s)
        path = f"{s.folder}/ssh-{next(numbers)}"
        with open(path, "w", opener=lambda path, flags: os.open(path, flags, 0o700)) as file:
            file.write(SSH.format(step=step, pipe=pipe))
        s.closing.enter_context(mock.patch.object(_openssh, "SSH", path))
        return (writer,)

    return prepare


def with_paramiko(s: Scene) -> tuple[int]:
    pipe, writer = make_pipe(s)
    s.closing.enter_context(mock.patch.object(_paramiko, "PROGRAM", PARAMIKO.format(pipe=pipe)))
    s.closing.enter_context(mock.patch.object(_paramiko, "check", lambda: None))
    return (writer,)


def go_on(s: Scene, *things: int) -> None:
    os.write(things[-1], b"\n")


def stands(s: Scene, tunnel: Any) -> bool:
    s.closing.callback(tunnel.close)
    return bool(tunnel.stands)


def opens(name: str, *arguments: Any) -> Callable[..., bool]:
    def call(s: Scene, writer: int, **options: Any) -> bool:
        return stands(s, getattr(module(s), name)(*arguments, "host", **options))

    return call


def open_any(s: Scene, writer: int, **options: Any) -> bool:
    url, tunnel = module(s).open_tunnel("tcp://127.0.0.1:9", "host", **options)
    return stands(s, tunnel) and url == f"tcp://127.0.0.1:{tunnel.port}"


def connect(s: Scene, writer: int, **options: Any) -> bool:
    return stands(s, module(s).tunnel_connection(s.socket(PAIR, linger=0), "tcp://127.0.0.1:9", "host", **options))


def try_it(s: Scene, writer: int, **options: Any) -> bool:
    return bool(module(s).try_passwordless_ssh("host", **options))


def with_option(call: Callable[..., bool], **options: Any) -> Callable[..., bool]:
    return lambda s, writer: call(s, writer, **options)


LOGS_IN = with_ssh(STEPS["it logs in"])
for name, call in {"open_tunnel": open_any, "tunnel_connection": connect}.items():
    for case, step in STEPS.items():
        waits(f"ssh.{name}", case, with_ssh(step), call, go_on, True)
    waits(f"ssh.{name}", "a password", LOGS_IN, with_option(call, password="secret"), go_on, True)
    waits(f"ssh.{name}", "paramiko", with_paramiko, with_option(call, paramiko=True), go_on, True)
for name in ("openssh_tunnel", "ssh_tunnel"):
    waits(f"ssh.{name}", "", LOGS_IN, opens(name, 5, 9), go_on, True)
waits("ssh.paramiko_tunnel", "", with_paramiko, opens("paramiko_tunnel", 5, 9), go_on, True)
waits("ssh.try_passwordless_ssh", "", with_ssh("BatchMode"), try_it, go_on, True)
waits("ssh.try_passwordless_ssh", "paramiko", with_paramiko, with_option(try_it, paramiko=True), go_on, True)
returns("ssh.select_random_ports", lambda s: module(s).select_random_ports(3))


def make(s: Scene, keeper: str = "read -r _", *arguments: str, poller_class: Any = None) -> Any:
    """Return a tunnel with a keeper that ends when it is closed."""
    process = start(["/bin/sh", "-c", keeper, "sh", *arguments])
    tunnel = module(s).Tunnel(process, poller_class or s.zmq.Poller)
    tunnel.stands = True
    s.closing.callback(tunnel.close)
    return tunnel


def busy(s: Scene, poller_class: Any = None) -> tuple[Any, int]:
    """Return one with a keeper that has something to do first."""
    pipe, writer = make_pipe(s)
    return make(s, 'read -r _; read -r _ <"$1"', pipe, poller_class=poller_class), writer


def lost(s: Scene) -> tuple[int]:
    """Leave one of another part of the program, in no greenlet, that ssh has lost, with such a keeper."""
    with_ssh("nothing")(s)
    tunnel, writer = busy(s, Poller)
    # Where nothing is.
    tunnel._control = f"{s.folder}/control"
    return (writer,)


for name, arguments in {"close": (), "terminate": (), "__exit__": (None, None, None)}.items():
    waits(
        f"ssh.Tunnel.{name}",
        "",
        busy,
        lambda s, tunnel, writer, name=name, arguments=arguments: getattr(tunnel, name)(*arguments),
        go_on,
    )
waits("ssh.open_tunnel", "another one was lost", lost, open_any, go_on, True)
returns("ssh.Tunnel", make)
returns("ssh.Tunnel.is_alive", lambda s: make(s).is_alive())
for name in ("__enter__", "__index__", "__repr__"):
    returns(f"ssh.Tunnel.{name}", lambda s, name=name: getattr(make(s), name)())
