"""Many REQ clients, a ROUTER/DEALER broker and a few REP workers, all greenlets of one process.

Run as python -m zmq.green.demo. Every answer is checked, and a greenlet that only sleeps, again and again, measures
for how long the others kept it from running.
"""

from __future__ import annotations

import argparse
import resource
import signal
import sys
from array import array
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any, NoReturn

import gevent
from gevent.event import Event
from gevent.lock import Semaphore

import zmq.green as zmq

TIMEOUT_MS = 30_000
TICK = 0.005  # seconds
SPARE_DESCRIPTORS = 100  # for Python, for gevent and for libzmq's threads


@dataclass
class Tally:
    """What the clients share: when to start, and what happened so far. Times are in seconds."""

    total: int
    connected: Semaphore = field(default_factory=lambda: Semaphore(0))
    start: Event = field(default_factory=Event)
    wrong: int = 0
    began: float = 0.0
    ended: float = 0.0  # when the last answer came
    stall: float = 0.0
    latencies: array[float] = field(default_factory=lambda: array("d"))

    @property
    def done(self) -> int:
        return len(self.latencies)

    @property
    def rate(self) -> float:
        return self.done / (self.ended - self.began) if self.done else 0.0

    def table(self) -> str:
        ordered = sorted(self.latencies)
        p50, p99 = (f"{1000 * ordered[self.done * n // 100]:.2f}" if ordered else "-" for n in (50, 99))
        rows = {
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


def worker(socket: zmq.Socket, address: str) -> None:
    socket.connect(address)
    while True:
        with suppress(zmq.Again):  # nobody asked for a while
            socket.send(answer(socket.recv()))


def broker(frontend: zmq.Socket, backend: zmq.Socket) -> None:
    """Pass requests on to the workers in turn, and the answers back to those who asked."""
    poller = zmq.Poller()
    poller.register(frontend, zmq.POLLIN)
    poller.register(backend, zmq.POLLIN)
    while True:
        for ready, _ in poller.poll():
            other = backend if ready is frontend else frontend
            other.send_multipart(ready.recv_multipart())


def client(socket: zmq.Socket, address: str, name: int, count: int, tally: Tally) -> None:
    """Ask one thing after the other, and check the answers; give up where one does not come."""
    with socket, suppress(zmq.Again):
        socket.connect(address)
        try:
            socket.send(b"hello")
            socket.recv()
        finally:
            tally.connected.release()
        tally.start.wait()
        for number in range(count):
            request = b"request %d of client %d" % (number, name)
            asked = perf_counter()
            socket.send(request)
            reply = socket.recv()
            tally.ended = perf_counter()
            tally.latencies.append(tally.ended - asked)
            tally.wrong += reply[::-1] != request


def ticker(tally: Tally) -> None:
    """Sleep over and over, and note by how much the longest sleep was too long."""
    while True:
        before = perf_counter()
        gevent.sleep(TICK)
        tally.stall = max(tally.stall, perf_counter() - before - TICK)


def progress(tally: Tally) -> None:
    """Show what is done: in a terminal in one line that is rewritten, elsewhere in a line every second."""
    end, pause = ("\r", 0.25) if sys.stderr.isatty() else ("\n", 1)

    def show(end: str) -> None:
        text = f"{tally.done:>10} / {tally.total} requests {tally.rate:>8.0f} per second"
        print(text, end=end, file=sys.stderr, flush=True)

    try:
        while True:
            show(end)
            gevent.sleep(pause)
    finally:
        show("\n")


def bind(socket: zmq.Socket, transport: str, folder: str) -> str:
    """Bind to a new address, and return it."""
    if transport == "tcp":
        return f"tcp://127.0.0.1:{socket.bind_to_random_port('tcp://127.0.0.1')}"
    name = socket.socket_type.name.lower()
    address = f"ipc://{folder}/{name}" if transport == "ipc" else f"inproc://{name}"
    socket.bind(address)
    return address


def run(options: argparse.Namespace, tally: Tally) -> None:
    """Start everybody, wait for the clients, and leave nothing behind."""
    with TemporaryDirectory(prefix="zmq-") as folder:
        context = zmq.Context()
        context.max_sockets = options.clients + options.workers + 2
        # For every socket. The queues need no bound: a client waits for an answer before it asks again.
        context.rcvtimeo = context.sndtimeo = TIMEOUT_MS
        context.rcvhwm = context.sndhwm = context.linger = 0
        context.backlog = options.clients
        jobs: list[gevent.Greenlet[..., None]] = [gevent.spawn(progress, tally)]
        try:
            frontend, backend = context.socket(zmq.ROUTER), context.socket(zmq.DEALER)
            front, back = (bind(socket, options.transport, folder) for socket in (frontend, backend))
            jobs.append(gevent.spawn(broker, frontend, backend))
            jobs += [gevent.spawn(worker, context.socket(zmq.REP), back) for _ in range(options.workers)]
            each, more = divmod(options.requests, options.clients)
            clients = [
                gevent.spawn(client, context.socket(zmq.REQ), front, name, each + (name < more), tally)
                for name in range(options.clients)
            ]
            jobs += clients
            for _ in clients:
                tally.connected.acquire()
            jobs.append(gevent.spawn(ticker, tally))
            tally.began = perf_counter()
            tally.start.set()
            gevent.joinall(clients)
        finally:
            gevent.killall(jobs)
            context.destroy()


class Parser(argparse.ArgumentParser):
    """Says in one line what is wrong."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: error: {' '.join(message.split())}\n")


def positive(text: str) -> int:
    with suppress(ValueError):
        if int(text) > 0:
            return int(text)
    raise argparse.ArgumentTypeError(f"{text!r} is not a positive whole number")


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line, and make room for the descriptors that it asks for."""
    parser = Parser("demo", description=__doc__, allow_abbrev=False)
    parser.add_argument("--clients", type=positive, default=1000, help="greenlets that ask (%(default)s)")
    parser.add_argument("--workers", type=positive, default=8, help="greenlets that answer (%(default)s)")
    parser.add_argument("--requests", type=positive, default=20_000, help="shared out to the clients (%(default)s)")
    parser.add_argument("--transport", choices=["tcp", "ipc", "inproc"], default="tcp", help="(%(default)s)")
    options = parser.parse_args(arguments)
    # Each socket has a descriptor of its own, and each connection has two: both its ends are in this process.
    connections = options.clients + options.workers
    needed = connections * (1 if options.transport == "inproc" else 3) + SPARE_DESCRIPTORS
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < needed:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))
        except (OSError, OverflowError, ValueError):
            parser.error(
                f"--clients {options.clients} and --workers {options.workers} need {needed} descriptors, "
                "more than the system allows (ulimit -Hn)"
            )
    return options


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demonstration and print what came of it.

    Parameters
    ----------
    arguments : sequence of str, optional
        Those of the command line when left out.

    Returns
    -------
    int
        The exit status: 0 when all requests were answered rightly, 130 after Ctrl-C, else 1.

    Raises
    ------
    SystemExit
        The arguments are wrong.
    """
    options = parse(arguments)
    tally = Tally(options.requests)
    interrupt = Event()
    handler = gevent.signal_handler(signal.SIGINT, interrupt.set)
    running = gevent.spawn(run, options, tally)
    awaited: list[Any] = [running, interrupt]
    gevent.wait(awaited, count=1)
    running.kill()
    print(tally.table(), flush=True)
    handler.cancel()
    if interrupt.is_set():
        return 130
    return 0 if tally.done == tally.total and not tally.wrong else 1


if __name__ == "__main__":
    sys.exit(main())
