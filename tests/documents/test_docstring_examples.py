"""Every example in a docstring runs as it stands there, and answers what stands there."""

from __future__ import annotations

import doctest
import re
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from support import ROOT
from support.front_ends import LIMIT

DOCSTRING = re.compile(r'"""(.*?)"""', re.S)


PAIR = """
context = zmq.Context()
push, pull = context.socket(zmq.PUSH), context.socket(zmq.PULL)
pull.bind("inproc://pair")
push.connect("inproc://pair")
"""
END = "context.destroy(0)"


@dataclass
class Scene:
    """What a docstring has no room for: lines before the example, lines after it, and what stands in it instead."""

    before: str = ""
    after: str = ""
    instead: dict[str, str] = field(default_factory=dict)
    not_run: str = ""


#: By how an example begins.
SCENES = {
    "handler = PUBHandler(": Scene(
        "import logging; from zmq.log.handlers import PUBHandler", "handler.close()", {"127.0.0.1:5558": "127.0.0.1:*"}
    ),
    "logger = TopicLogger(": Scene(
        "from zmq.log.handlers import PUBHandler, TopicLogger",
        "logger.handlers[0].close()",
        {"127.0.0.1:5558": "127.0.0.1:*"},
    ),
    "tunnel_connection(": Scene(not_run="it needs that gateway"),
    "@context(io_threads=2)": Scene(
        """
        import threading; from zmq.decorators import context, socket
        own = zmq.Context(); pull = own.socket(zmq.PULL); pull.bind("ipc://pull")
        """,
        "assert pull.recv() == b'hello'; own.destroy()",
        {"tcp://127.0.0.1:5555": "ipc://pull"},
    ),
    "@socket(": Scene("from zmq.decorators import socket", 'serve("inproc://served")'),
    "secure_server(": Scene(
        'from zmq.auth import create_certificates, secure_server; create_certificates(".", "server")\n'
        "context = zmq.Context(); socket = context.socket(zmq.REP)",
        "assert socket.curve_server\n" + END,
        {"tcp://*:5555": "tcp://127.0.0.1:*"},
    ),
    "auth = ThreadAuthenticator(": Scene(
        'import os; from zmq.auth.thread import ThreadAuthenticator; os.mkdir("clients"); context = zmq.Context()',
        "auth.stop()\n" + END,
        {"/etc/service/clients": "clients"},
    ),
    "stream = ZMQStream(": Scene(
        """
        import functools, tornado.ioloop; from zmq.eventloop.zmqstream import ZMQStream
        context = zmq.Context(); socket = context.socket(zmq.REP); socket.bind("inproc://stream")
        client = context.socket(zmq.REQ); client.connect("inproc://stream"); client.send(b"x")
        loop = tornado.ioloop.IOLoop(make_current=False); ZMQStream = functools.partial(ZMQStream, io_loop=loop)
        """,
        "stream.on_send(lambda *sent: loop.stop()); loop.start(); assert client.recv() == b'x'; stream.close()\n" + END,
    ),
    "import zmq.eventlet": Scene(after='assert zmq.Context.__module__.startswith("zmq.eventlet")'),
    "watch = Stopwatch()": Scene(
        "import warnings; warnings.simplefilter('ignore'); from zmq.core.stopwatch import Stopwatch",
        "",
        {"watch.stop()": "watch.stop() * 0 + 13"},
    ),
    "with zmq.Context() as ctx": Scene("", "assert ctx.closed and push.closed"),
    "zmq.install_dump(": Scene("import signal", "assert zmq.uninstall_dump(signal.SIGUSR1)"),
    "zmq.inspect.serve(": Scene("import zmq.inspect", "assert zmq.inspect.stop()", {"/run/shop/": ""}),
    "zmq.inspect.ask(": Scene(
        'import zmq.inspect; zmq.inspect.serve("orders.4711")', "assert zmq.inspect.stop()", {"/run/shop/": ""}
    ),
    "tracker = socket.send(": Scene(
        PAIR + "import threading; socket = push; big = bytes(1_000_000)\nthreading.Thread(target=pull.recv).start()",
        "assert tracker.done\n" + END,
    ),
    "poller = zmq.Poller()": Scene(PAIR + 'socket = pull; push.send(b"x")', "assert ready is pull\n" + END),
    "monitor = socket.get_monitor_socket()": Scene(
        "from zmq.utils.monitor import recv_monitor_message; context = zmq.Context(); socket = context.socket(zmq.REP)",
        "socket.disable_monitor()\n" + END,
    ),
    "sent = zmq.metrics.collect()": Scene(
        """
        import zmq.metrics; context = zmq.Context(); socket = context.socket(zmq.PUB, name="orders")
        socket.send_many([b"x"] * 12)
        """,
        END,
    ),
    "zmq.metrics.Collector(": Scene("import prometheus_client, zmq.metrics", "", {"9090": "0"}),
    "with allow_interrupt(": Scene(
        PAIR
        + "from zmq.utils.win32 import allow_interrupt; stop = push; poller = zmq.Poller(); poller.register(pull)\n"
        + 'push.send(b"x")',
        END,
    ),
    "device = ThreadDevice(": Scene(
        "from zmq.devices import ThreadDevice",
        "assert device.launcher.is_alive()",
        {"127.0.0.1:5559": "127.0.0.1:*", "127.0.0.1:5560": "127.0.0.1:*"},
    ),
    "class Mine(": Scene(
        "import multiprocessing; from zmq.devices import ProcessDevice", "Mine(zmq.QUEUE, zmq.ROUTER, zmq.DEALER)"
    ),
}


def examples() -> Iterator[tuple[str, list[doctest.Example]]]:
    for path in sorted([*(ROOT / "zmq").rglob("*.py"), *(ROOT / "zmq").rglob("*.pyx")]):
        for docstring in DOCSTRING.findall(path.read_text()):
            if example := doctest.DocTestParser().get_examples(docstring):
                yield str(path.relative_to(ROOT)), example


def test_every_scene_has_an_example() -> None:
    begins = [example[0].source for _, example in examples()]
    assert [key for key in SCENES if not any(source.startswith(key) for source in begins)] == []


@pytest.mark.parametrize(
    "example",
    [pytest.param(example, id=f"{path}: {example[0].source.splitlines()[0]}") for path, example in examples()],
)
def test_an_example_runs(example: list[doctest.Example], tmp_path: Path) -> None:
    scene = next((scene for begin, scene in SCENES.items() if example[0].source.startswith(begin)), Scene())
    lines = ["import zmq", textwrap.dedent(scene.before)]
    for step in example:
        source = step.source
        for this, that in scene.instead.items():
            source = source.replace(this, that)
        lines.append(f"assert repr({source.strip()}) == {step.want.strip()!r}" if step.want else source)
    lines += [textwrap.dedent(scene.after), "print('the end')"]
    program = "\n".join(lines)
    if scene.not_run:
        compile(program, "<example>", "exec")
        pytest.skip(scene.not_run)
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, timeout=LIMIT, cwd=tmp_path
    )
    assert (done.returncode, done.stdout) == (0, "the end\n"), f"{program}\n{done.stdout}{done.stderr}"
