"""Many REQ clients, a ROUTER/DEALER broker and a few REP workers, each a greenlet or a thread of one process.

Every answer is checked, and a ticker that only sleeps, again and again, measures for how long the others kept it from
running.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from tempfile import TemporaryDirectory
from time import perf_counter
from types import ModuleType
from typing import Any, Protocol

import zmq

TIMEOUT_MS = 30_000
TICK = 0.005  # seconds
GLANCE = 0.02  # seconds between two looks at how far the clients are, and whether Ctrl-C was pressed


class Tools(Protocol):
    """What differs between greenlets and threads: a module with these names. `zmq` is the one that goes with them."""

    @property
    def zmq(self) -> ModuleType: ...
    def Event(self) -> Any: ...
    def spawn(self, function: Callable[..., None], /, *args: Any) -> Any: ...
    def join(self, job: Any, /) -> None: ...
    def sleep(self, seconds: float, /) -> Any: ...


@dataclass
class Score:
    """What one client writes down. Nobody else writes to it, so it needs no lock. Times are in seconds."""

    connected: bool = False
    finished: bool = False
    latencies: array[float] = field(default_factory=lambda: array("d"))
    wrong: int = 0
    ended: float = 0.0  # when the last answer came


class Tally:
    """What all share: who has come how far, when to start and when to stop."""

    def __init__(self, tools: Tools, clients: int, total: int) -> None:
        self.total = total
        self.scores = [Score() for _ in range(clients)]
        self.start, self.over = tools.Event(), tools.Event()
        self.interrupted = False
        self.began = 0.0
        self.stall = 0.0

    @property
    def done(self) -> int:
        return sum(len(score.latencies) for score in self.scores)

    @property
    def wrong(self) -> int:
        return sum(score.wrong for score in self.scores)

    @property
    def rate(self) -> float:
        return self.done / (max(score.ended for score in self.scores) - self.began) if self.done else 0.0

    def table(self, hub: str) -> str:
        ordered = sorted(latency for score in self.scores for latency in score.latencies)
        p50, p99 = (f"{1000 * ordered[len(ordered) * n // 100]:.2f}" if ordered else "-" for n in (50, 99))
        rows = {
            "hub": hub,
            "requests done": f"{self.done} of {self.total}",
            "wrong answers": self.wrong,
            "requests per second": f"{self.rate:.0f}",
            "latency p50 / p99 (ms)": f"{p50} / {p99}",
            "longest stall of the ticker (ms)": f"{1000 * self.stall:.2f}",
            "wake-ups missed": zmq.statistics()["missed"],
        }
        return "\n".join(f"{name:<34}{value:>20}" for name, value in rows.items())


def answer(request: bytes) -> bytes:
    """Do the work of a worker."""
    return request[::-1]


def worker(socket: zmq.Socket[bytes], address: str) -> None:
    with socket, suppress(zmq.ContextTerminated):
        socket.connect(address)
        while True:
            with suppress(zmq.Again):  # nobody asked for a while
                socket.send(answer(socket.recv()))


def broker(poller: zmq.Poller, frontend: zmq.Socket[bytes], backend: zmq.Socket[bytes]) -> None:
    """Pass requests on to the workers in turn, and the answers back to those who asked."""
    with frontend, backend, suppress(zmq.ContextTerminated):
        poller.register(frontend, zmq.POLLIN)
        poller.register(backend, zmq.POLLIN)
        while True:
            for ready, _ in poller.poll():
                other = backend if ready is frontend else frontend
                other.send_multipart(ready.recv_multipart())


def client(socket: zmq.Socket[bytes], address: str, name: int, count: int, tally: Tally) -> None:
    """Ask one thing after the other, and check the answers; give up where one does not come."""
    score = tally.scores[name]
    try:
        with socket, suppress(zmq.Again, zmq.ContextTerminated):
            try:
                socket.connect(address)
                socket.send(b"hello")
                socket.recv()
            finally:
                score.connected = True
            tally.start.wait()
            for number in range(count):
                request = b"request %d of client %d" % (number, name)
                asked = perf_counter()
                socket.send(request)
                reply = socket.recv()
                score.ended = perf_counter()
                score.latencies.append(score.ended - asked)
                score.wrong += reply[::-1] != request
    finally:
        score.finished = True


def ticker(tools: Tools, tally: Tally) -> None:
    """Sleep over and over, and note by how much the longest sleep was too long."""
    while True:
        before = perf_counter()
        tools.sleep(TICK)
        if tally.over.is_set():
            return
        tally.stall = max(tally.stall, perf_counter() - before - TICK)


def progress(tally: Tally) -> None:
    """Show what is done: in a terminal in one line that is rewritten, elsewhere in a line every second."""
    end, pause = ("\r", 0.25) if sys.stderr.isatty() else ("\n", 1)

    def show(end: str) -> None:
        text = f"{tally.done:>10} / {tally.total} requests {tally.rate:>8.0f} per second"
        print(text, end=end, file=sys.stderr, flush=True)

    show(end)
    while not tally.over.wait(pause):
        show(end)
    show("\n")


def bind(socket: zmq.Socket[bytes], transport: str, folder: str) -> str:
    """Bind to a new address, and return it."""
    if transport == "tcp":
        return f"tcp://127.0.0.1:{socket.bind_to_random_port('tcp://127.0.0.1')}"
    name = socket.socket_type.name.lower()
    address = f"ipc://{folder}/{name}" if transport == "ipc" else f"inproc://{name}"
    socket.bind(address)
    return address


def await_all(tools: Tools, tally: Tally, condition: Callable[[Score], bool]) -> None:
    """Wait until something holds for every client, or Ctrl-C was pressed."""
    while not tally.interrupted and not all(map(condition, tally.scores)):
        tools.sleep(GLANCE)


def run(tools: Tools, tally: Tally, workers: int, transport: str) -> None:
    """Start everybody, wait for the clients, and leave nothing behind.

    A socket belongs to the one who is started with it, who closes it: no thread may close what another one uses. So
    all are stopped by terminating the context, upon which whatever they wait for raises ContextTerminated.
    """
    with TemporaryDirectory(prefix="zmq-") as folder:
        context: zmq.Context[zmq.Socket[bytes]] = tools.zmq.Context()
        context.max_sockets = len(tally.scores) + workers + 2
        # For every socket. The queues need no bound: a client waits for an answer before it asks again.
        context.rcvtimeo = context.sndtimeo = TIMEOUT_MS
        context.rcvhwm = context.sndhwm = context.linger = 0
        jobs: list[Any] = []
        ours: list[zmq.Socket[bytes]] = []  # those that nobody was started with yet

        def new(kind: int) -> zmq.Socket[bytes]:
            ours.append(context.socket(kind))
            return ours[-1]

        def start(job: Callable[..., None], *args: Any) -> None:
            jobs.append(tools.spawn(job, *args))
            ours.clear()

        try:
            start(progress, tally)
            frontend, backend = new(zmq.ROUTER), new(zmq.DEALER)
            front, back = (bind(socket, transport, folder) for socket in (frontend, backend))
            start(broker, tools.zmq.Poller(), frontend, backend)
            for _ in range(workers):
                start(worker, new(zmq.REP), back)
            each, more = divmod(tally.total, len(tally.scores))
            for name in range(len(tally.scores)):
                start(client, new(zmq.REQ), front, name, each + (name < more), tally)
            await_all(tools, tally, lambda score: score.connected)
            start(ticker, tools, tally)
            tally.began = perf_counter()
            tally.start.set()
            await_all(tools, tally, lambda score: score.finished)
        finally:
            tally.over.set()
            tally.start.set()
            for socket in ours:
                socket.close()
            context.term()
            for job in jobs:
                tools.join(job)
