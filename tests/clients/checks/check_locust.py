"""locust: a master and two workers, without a page, against a local server."""

from __future__ import annotations

import csv
import signal
import threading
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from support import HERE, free_ports, program, until


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *arguments):
        pass


@pytest.fixture(scope="module")
def host():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


class Swarm:
    """A master and two workers."""

    def __init__(self, stack, host, *options):
        (port,) = free_ports()
        common = ["locust", "-f", HERE / "locust_file.py", "--headless"]
        master = [*common, "--master", "--master-bind-host", "127.0.0.1", "--master-bind-port", port]
        self.master = stack.enter_context(program(*master, "--host", host, "--expect-workers", 2, *options))
        worker = [
            "locust",
            "-f",
            HERE / "locust_file.py",
            "--worker",
            "--master-host",
            "127.0.0.1",
            "--master-port",
            port,
        ]
        self.workers = [stack.enter_context(program(*worker)) for _ in range(2)]


@pytest.fixture
def start(host):
    with ExitStack() as stack:
        yield lambda *options: Swarm(stack, host, *options)


@pytest.fixture(scope="module")
def finished(host, tmp_path_factory):
    """A run of a few seconds that has ended, and what it counted."""
    table = tmp_path_factory.mktemp("locust") / "run"
    with ExitStack() as stack:
        swarm = Swarm(stack, host, "-u", 10, "-r", 10, "-t", "4s", "--csv", table)
        swarm.statuses = [swarm.master.wait(60), *(worker.wait(30) for worker in swarm.workers)]
        with open(f"{table}_stats.csv") as file:
            swarm.rows = {row["Name"]: row for row in csv.DictReader(file)}
        yield swarm


def test_ends(finished):
    assert finished.statuses == [0, 0, 0], finished.master.output


def test_both_workers_connect(finished):
    assert "2 workers connected" in finished.master.output


def test_users_are_spawned(finished):
    assert "to 2 ready workers" in finished.master.output


def test_requests_are_counted(finished):
    """What the workers report arrives: 10 users for 4 s, each every 50 ms or a little more."""
    row = finished.rows["Aggregated"]
    assert int(row["Request Count"]) > 200 and row["Failure Count"] == "0"


def test_messages(finished):
    """Messages of the user's own, from the master to the workers and back."""
    assert "both answered" in finished.master.output
    assert all("told something" in worker.output for worker in finished.workers)


def test_stopped_master(start):
    """Ctrl-C ends the master, which ends its workers."""
    swarm = start("-u", 4, "-r", 4, "-t", "60s")
    swarm.master.wait_for("total users)")
    assert swarm.master.stop(signal.SIGINT) == 0
    assert [worker.wait() for worker in swarm.workers] == [0, 0]


def test_worker_that_leaves(start):
    swarm = start("-u", 4, "-r", 4, "-t", "60s")
    swarm.master.wait_for("total users)")
    assert swarm.workers[0].stop() == 0
    swarm.master.wait_for("quit")


def test_killed_worker(start):
    """Its heartbeat stops, and the other worker gets its users."""
    swarm = start("-u", 4, "-r", 4, "-t", "60s")
    swarm.master.wait_for("total users)")
    swarm.workers[0].kill()
    swarm.master.wait_for("missing")
    assert swarm.master.process.poll() is None


def test_workers_that_come_first(host):
    """They wait for their master."""
    (port,) = free_ports()
    common = ["locust", "-f", HERE / "locust_file.py"]
    with ExitStack() as stack:
        worker = [*common, "--worker", "--master-host", "127.0.0.1", "--master-port", port]
        workers = [stack.enter_context(program(*worker)) for _ in range(2)]
        workers[0].wait_for("Failed to connect to master", 60)
        master = [*common, "--headless", "--master", "--master-bind-host", "127.0.0.1", "--master-bind-port", port]
        options = ["--host", host, "--expect-workers", 2, "-u", 2, "-r", 2, "-t", "2s"]
        started = stack.enter_context(program(*master, *options))
        assert started.wait(60) == 0
        until(lambda: all(each.process.poll() == 0 for each in workers), "the workers' end")
