"""gunicorn, whose workers use a context made before they were forked."""

from __future__ import annotations

import os
import signal
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import pytest

from support import free_ports, program, until

#: Which workers, which package the application imports, where its context is from and whether it is loaded before
#: the fork.
WAYS = {
    "gevent": ("gevent", "green", "own", "--preload"),
    "gevent-instance": ("gevent", "green", "instance", "--preload"),
    "gevent-loaded-after": ("gevent", "green", "own", ""),
    "threads": ("gthread", "plain", "own", "--preload"),
    "sync": ("sync", "plain", "instance", "--preload"),
}


@pytest.fixture(scope="module", params=WAYS)
def service(request):
    kind, package, context, preload = WAYS[request.param]
    port, worker = free_ports(2)
    variables = {"KIND": package, "CONTEXT": context, "WORKER": f"tcp://127.0.0.1:{worker}"}
    options = ["-k", kind, "-w", 2, "-b", f"127.0.0.1:{port}", "--graceful-timeout", 3, "--no-control-socket"]
    options += ["--threads", 8] if kind == "gthread" else []
    options += [preload] if preload else []
    with program("gunicorn_worker.py", **variables) as behind:
        behind.wait_for("ready")
        with program("gunicorn", *options, "gunicorn_service:application", **variables) as running:
            running.wait_for("Booting worker")
            running.port, running.kind = port, kind
            yield running
            if running.process.poll() is None:
                running.stop()


def ask(service, path="/hello"):
    with urllib.request.urlopen(f"http://127.0.0.1:{service.port}{path}", timeout=20) as response:
        return response.read(), int(response.headers["X-Process"])


def workers(service):
    """Return which processes answer a number of requests."""
    with ThreadPoolExecutor(20) as pool:
        found = list(pool.map(lambda i: (i, *ask(service, f"/n{i}")), range(60)))
    assert all(answer == f"/N{i}".encode() for i, answer, _ in found)
    return {process for _, _, process in found}


def test_request(service):
    assert ask(service)[0] == b"/HELLO"


def test_both_workers(service):
    until(lambda: len(workers(service)) == 2, "answers of both workers")


def test_requests_at_once(service):
    """A worker that waits for an answer serves other requests meanwhile; one that is sync does not."""
    begun = time.monotonic()
    workers(service)
    assert service.kind == "sync" or time.monotonic() - begun < 3


def test_killed_worker(service):
    """Another is forked in its place."""
    killed = ask(service)[1]
    os.kill(killed, signal.SIGKILL)
    time.sleep(0.5)

    def replaced():
        try:
            found = workers(service)
        except OSError:
            return False
        return killed not in found and len(found) == 2

    until(replaced, "another worker")


def test_reload(service):
    before = workers(service)
    service.process.send_signal(signal.SIGHUP)

    def renewed():
        try:
            return not before & workers(service)
        except OSError:
            return False

    until(renewed, "other workers")


def test_stop(service):
    assert service.stop() == 0
    assert "Traceback" not in service.output
