"""circus: circusd with its clients and its statistics, and an arbiter whose streams are green."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
from circus.client import CircusClient
from circus.consumer import CircusConsumer
from circus.green.client import CircusClient as GreenClient
from circus.green.consumer import CircusConsumer as GreenConsumer

from support import free_ports, program, until

TICK = "import time\nwhile True: print('tick', flush=True); time.sleep(0.1)"


class Circus:
    """What runs, where it listens and where its watcher's output is found."""

    def __init__(self, folder: Path) -> None:
        self.controller, self.events, self.statistics = (f"tcp://127.0.0.1:{port}" for port in free_ports(3))
        self.output = folder / "output"

    def call(self, command, **properties):
        """Send a command, and again while the arbiter is busy with another."""
        while True:
            client = CircusClient(endpoint=self.controller, timeout=15)
            try:
                reply = client.send_message(command, **properties)
            finally:
                client.stop()
            if "already running" not in reply.get("reason", ""):
                break
            time.sleep(0.1)
        assert reply["status"] != "error", reply
        return reply

    def pids(self):
        return sorted(self.call("list", name="worker")["pids"])


@contextmanager
def circusd(folder):
    circus = Circus(folder)
    script = folder / "tick.py"
    script.write_text(TICK)
    (folder / "circus.ini").write_text(f"""\
[circus]
endpoint = {circus.controller}
pubsub_endpoint = {circus.events}
stats_endpoint = {circus.statistics}
statsd = True
check_delay = 0.5

[watcher:worker]
cmd = {sys.executable} {script}
numprocesses = 2
copy_env = True
stdout_stream.class = FileStream
stdout_stream.filename = {circus.output}
""")
    with program("circusd", folder / "circus.ini") as circus.program:
        circus.program.wait_for("worker started")
        yield circus
        if circus.program.process.poll() is None:
            circus.program.stop()


@contextmanager
def arbiter(folder):
    circus = Circus(folder)
    script = ["circus_arbiter.py", circus.controller, circus.events, circus.output]
    with program(*script) as circus.program:
        circus.program.wait_for("begins")
        until(lambda: circus.call("status")["statuses"].get("worker") == "active", "the watcher")
        yield circus


#: circusd, and an arbiter in a program of greenlets.
@pytest.fixture(scope="module", params=["circusd", "green"])
def circus(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("circus")
    with circusd(folder) if request.param == "circusd" else arbiter(folder) as circus:
        circus.kind = request.param
        yield circus


def test_status(circus):
    assert circus.call("status")["statuses"]["worker"] == "active"


def test_output(circus):
    until(lambda: circus.output.exists() and circus.output.read_text().count("tick") > 10, "the output")


def test_number_of_processes(circus):
    assert len(circus.pids()) == 2
    circus.call("incr", name="worker", waiting=True)
    until(lambda: len(circus.pids()) == 3, "one more")
    circus.call("decr", name="worker", waiting=True)
    until(lambda: len(circus.pids()) == 2, "one less")


def test_killed_process(circus):
    before = circus.pids()
    os.kill(before[0], signal.SIGKILL)
    until(lambda: len(circus.pids()) == 2 and before[0] not in circus.pids(), "another in its place")


def test_restart(circus):
    before = circus.pids()
    circus.call("restart", name="worker", waiting=True)
    until(lambda: len(circus.pids()) == 2 and not set(before) & set(circus.pids()), "other processes")


def test_stop_and_start(circus):
    circus.call("stop", name="worker", waiting=True)
    assert circus.call("status")["statuses"]["worker"] == "stopped"
    circus.call("start", name="worker", waiting=True)
    until(lambda: len(circus.pids()) == 2, "both processes")


def test_unknown_command(circus):
    with pytest.raises(AssertionError, match="error"):
        circus.call("no-such-command")


def test_clients_at_once(circus):
    done = []

    def ask():
        for _ in range(20):
            done.append(circus.call("status")["statuses"]["worker"])

    threads = [threading.Thread(target=ask) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert done == ["active"] * 100


def test_events(circus):
    """A subscriber is told of what happens."""
    topics = []
    consumer = CircusConsumer(["watcher.worker."], endpoint=circus.events, timeout=0.2)

    def listen():
        for _, topic in consumer:
            topics.append(topic.decode() if isinstance(topic, bytes) else topic)
            if len(topics) >= 2:
                return

    thread = threading.Thread(target=listen, daemon=True)
    thread.start()
    for _ in range(10):
        circus.call("restart", name="worker", waiting=True)
        thread.join(0.5)
        if not thread.is_alive():
            break
    assert len(topics) >= 2


def test_green_client(circus):
    client = GreenClient(endpoint=circus.controller, timeout=15)
    assert client.send_message("numwatchers")["status"] == "ok"
    client.stop()


def test_green_consumer(circus):
    import gevent

    heard = []
    consumer = GreenConsumer(["watcher.worker."], endpoint=circus.events, timeout=0.2)
    client = GreenClient(endpoint=circus.controller, timeout=15)

    def listen():
        for message in consumer:
            heard.append(message)
            return

    greenlet = gevent.spawn(listen)
    for _ in range(10):
        client.send_message("restart", name="worker", waiting=True)
        greenlet.join(0.5)
        if heard:
            break
    client.stop()
    greenlet.kill()
    assert heard


def test_command_line(circus):
    command = [Path(sys.executable).parent / "circusctl", "--endpoint", circus.controller, "--json", "status"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30)
    assert json.loads(done.stdout)["statuses"]["worker"] == "active", done


def test_statistics(circus):
    if circus.kind != "circusd":
        pytest.skip("circusd alone starts a process for them")
    consumer = CircusConsumer(["stat.worker"], endpoint=circus.statistics, timeout=0.2)
    found = []

    def listen():
        for message in consumer:
            found.append(message)
            return

    thread = threading.Thread(target=listen, daemon=True)
    thread.start()
    thread.join(30)
    assert found


def test_other_greenlets_run(circus):
    """The arbiter's loop waits in the hub."""
    if circus.kind == "circusd":
        pytest.skip("it has no greenlets")
    count = len([line for line in circus.program.lines if line.startswith("beat")])
    circus.program.wait_for(f"beat {count + 10}", 10)


def test_reload(circus):
    circus.call("reload", waiting=True)
    until(lambda: len(circus.pids()) == 2, "both processes")


def test_quit(circus):
    circus.call("quit")
    assert circus.program.wait() == 0
    if circus.kind != "circusd":
        circus.program.wait_for("ended")
