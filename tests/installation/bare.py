"""Whether an installed wheel works where there is nothing else: no libzmq, no compiler, no network.

``make wheel`` runs this there, with the Python that has the wheel. Prints what it did, a line for each; the first that
fails raises. Needs nothing but the wheel.
"""

from __future__ import annotations

import glob
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

LIMIT = 20_000  # milliseconds that a call may wait


def place_is_bare() -> str:
    libraries = [path for path in glob.glob("/usr/**/libzmq*", recursive=True) if "greenzmq" not in path]
    assert not libraries, f"there is another libzmq: {libraries}"
    compilers = [name for name in ("cc", "gcc", "clang", "ld") if shutil.which(name)]
    assert not compilers, f"there is a compiler: {compilers}"
    interfaces = [name for _, name in socket.if_nameindex()]
    assert interfaces == ["lo"], f"there is a network: {interfaces}"
    return "no libzmq, no compiler, no network"


def imports() -> str:
    import zmq

    home = Path(zmq.__file__).parent
    assert home.parent.name == "_greenzmq", f"zmq is {home}"
    libraries = mapped()
    assert libraries == {str(home / "lib" / "libzmq-greenzmq.so.5")}, f"these are mapped: {libraries}"
    return f"zmq {zmq.greenzmq_version()}, libzmq {zmq.zmq_version()}, one and its own"


def mapped() -> set[str]:
    """Return the paths of every libzmq of this process."""
    lines = Path("/proc/self/maps").read_text().splitlines()
    paths = {line.split(maxsplit=5)[5] for line in lines if "/" in line}
    return {path for path in paths if os.path.basename(path).startswith("libzmq")}


def has() -> str:
    import zmq

    found = {name: zmq.has(name) for name in ("curve", "ipc", "gssapi", "pgm", "norm", "draft")}
    assert found == {name: name in ("curve", "ipc") for name in found}, found
    return ", ".join(name if there else f"no {name}" for name, there in found.items())


def transports() -> str:
    import zmq

    with zmq.Context() as context:
        for endpoint in ("tcp://127.0.0.1:*", "tcp://[::1]:*", "ipc://*", "inproc://bare"):
            with context.socket(zmq.REP) as rep, context.socket(zmq.REQ) as req:
                for each in (rep, req):
                    each.linger, each.rcvtimeo, each.sndtimeo, each.ipv6 = 0, LIMIT, LIMIT, True
                rep.bind(endpoint)
                req.connect(rep.last_endpoint)
                req.send(b"question")
                rep.send(rep.recv() + b", answer")
                answer = req.recv()
                assert answer == b"question, answer", answer
    return "tcp, ipc, inproc"


def curve() -> str:
    import zmq
    import zmq.auth
    from zmq.auth.thread import ThreadAuthenticator

    with zmq.Context() as context:
        authenticator = ThreadAuthenticator(context)
        authenticator.start()
        try:
            (public, secret), (client_public, client_secret) = zmq.curve_keypair(), zmq.curve_keypair()
            authenticator.configure_curve(domain="*", location=zmq.auth.CURVE_ALLOW_ANY)
            with context.socket(zmq.REP) as rep, context.socket(zmq.REQ) as req:
                for each in (rep, req):
                    each.linger, each.rcvtimeo, each.sndtimeo = 0, LIMIT, LIMIT
                rep.curve_server, rep.curve_secretkey = True, secret
                req.curve_serverkey, req.curve_publickey, req.curve_secretkey = public, client_public, client_secret
                rep.bind("tcp://127.0.0.1:*")
                req.connect(rep.last_endpoint)
                req.send(b"secret")
                frame = rep.recv(copy=False)
                assert frame.bytes == b"secret"
                rep.send(b"answer")
                answer = req.recv()
                assert answer == b"answer", answer
        finally:
            authenticator.stop()
    return "a handshake, with an authenticator"


def forks() -> str:
    """A child has a context of its own, and leaves its parent's sockets alone, though the process id is cached."""
    import zmq

    context = zmq.Context()
    pull, push = context.socket(zmq.PULL), context.socket(zmq.PUSH)
    pull.rcvtimeo = LIMIT
    pull.bind("inproc://forks")
    push.connect("inproc://forks")
    child = os.fork()
    if child == 0:
        status = 1
        try:
            transports()
            pull.close()
            push.close()
            status = 0
        finally:
            os._exit(status)
    _, status = os.waitpid(child, 0)
    assert status == 0, f"the child ended with status {status}"
    push.send(b"still here")
    assert pull.recv() == b"still here"
    pull.close()
    push.close()
    context.term()
    return "parent and child"


def doctor() -> str:
    done = subprocess.run([sys.executable, "-m", "greenzmq", "doctor"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "one libzmq is mapped, that of the wheel" in done.stdout, done.stdout
    return done.stdout.splitlines()[-1]


CHECKS: list[Callable[[], str]] = [place_is_bare, imports, has, transports, curve, forks, doctor]

if __name__ == "__main__":
    for check in CHECKS:
        print(f"{check.__name__}: {check()}", flush=True)
