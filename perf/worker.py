"""Run one workload with the `zmq` of this interpreter and print the result as one line of JSON.

Only public calls that greenzmq and PyZMQ both have. `bench.py` starts it, a fresh process for every run.
"""

from __future__ import annotations

import argparse
import faulthandler
import importlib.metadata
import importlib.util
import json
import random
import resource
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import zmq

SIZE = 32
PAYLOAD = bytes(range(SIZE))
FRAMES = 4

now = time.perf_counter
Run = Callable[[int], float]  # performs so many operations, returns the seconds they took
Result = dict[str, float]  # "operations", "seconds", and what else a workload has to say


class WrongMessage(Exception):
    """A message is not the one that was sent."""


def measure(run: Run, seconds: float, goes: int = 20) -> Result:
    """Return how many operations were done in about `seconds`, and the exact time they took.

    One go lasts about `seconds / goes`. Doubling up to there is the warm-up, and goes on later: beside a busy thread
    a first go can be luckier or unluckier than those that follow. So the end is late by two goes at the most.
    """
    enough = seconds / goes
    count = 1
    while run(count) < enough:
        count *= 2
    operations, total = 0, 0.0
    while total < seconds:
        elapsed = run(count)
        operations += count
        total += elapsed
        if elapsed < enough:
            count *= 2
    return {"operations": operations, "seconds": total}


@contextmanager
def connected(module: ModuleType, sender: int, receiver: int, count: int = 1) -> Iterator[list[tuple[Any, Any]]]:
    """Give `count` inproc pairs of a sending and a receiving socket; close them and terminate their context."""
    context = module.Context()
    opened = []
    try:
        for number in range(count):
            opened.append((context.socket(sender), context.socket(receiver)))
            opened[-1][1].bind(f"inproc://perf-{number}")
            opened[-1][0].connect(f"inproc://perf-{number}")
        yield opened
    finally:
        for sending, receiving in opened:
            sending.close(linger=0)
            receiving.close(linger=0)
        context.term()


def together(*loops: Callable[[int], None]) -> Run:
    """Return a run that does every one of `loops` in a greenlet of its own and waits for all of them."""
    import gevent

    def run(count: int) -> float:
        start = now()
        gevent.joinall([gevent.spawn(loop, count) for loop in loops], raise_error=True)
        return now() - start

    return run


def threads_pair(seconds: float) -> Result:
    """One operation is a send and a recv, both in the one thread."""
    with connected(zmq, zmq.PAIR, zmq.PAIR) as [(sending, receiving)]:

        def run(count: int) -> float:
            send, recv = sending.send, receiving.recv
            start = now()
            for _ in range(count):
                send(PAYLOAD)
                message = recv()
            elapsed = now() - start
            # Outside of the loop: it would be a third of it.
            if message != PAYLOAD:
                raise WrongMessage
            return elapsed

        return measure(run, seconds)


def threads_pair_busy(seconds: float) -> Result:
    """The same, beside a thread that computes in Python and never waits."""
    stop = False
    turns = 0

    def compute() -> None:
        nonlocal turns
        while not stop:
            turns += 1

    busy = threading.Thread(target=compute, daemon=True)
    busy.start()
    try:
        while not turns:
            time.sleep(0.001)
        before, start = turns, now()
        result = threads_pair(seconds)
        # The share that the busy thread gets is part of the story: a binding could be fast because it starves it.
        return result | {"busy_turns_per_second": round((turns - before) / (now() - start))}
    finally:
        stop = True
        busy.join()


def gevent_push_pull_inproc(seconds: float) -> Result:
    """One operation is a message from one greenlet to another."""
    import zmq.green as green

    with connected(green, green.PUSH, green.PULL) as [(push, pull)]:

        def send_all(count: int) -> None:
            send = push.send
            for _ in range(count):
                send(PAYLOAD)

        def receive_all(count: int) -> None:
            recv = pull.recv
            for _ in range(count):
                if len(recv()) != SIZE:
                    raise WrongMessage

        return measure(together(send_all, receive_all), seconds)


def gevent_push_pull_tcp(seconds: float, limit: float) -> Result:
    """One operation is a message from another process, timed here from the first to the last of one batch."""
    import zmq.green as green

    context = green.Context()
    pull = context.socket(green.PULL)
    port = pull.bind_to_random_port("tcp://127.0.0.1")
    command = [sys.executable, str(Path(__file__).resolve()), f"--send-to=tcp://127.0.0.1:{port}", f"--limit={limit}"]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as sender:
        try:

            def run(count: int) -> float:
                recv = pull.recv
                sender.stdin.write(b"%d\n" % (count + 1))
                sender.stdin.flush()
                size = len(recv())
                start = now()
                if size != SIZE:
                    raise WrongMessage
                for _ in range(count):
                    if len(recv()) != SIZE:
                        raise WrongMessage
                return now() - start

            result = measure(run, seconds, goes=4)
            sender.stdin.close()
            if sender.wait() != 0:
                raise RuntimeError(f"the sending process ended with status {sender.returncode}")
            return result
        finally:
            sender.kill()
            pull.close(linger=0)
            context.term()


def send_batches(endpoint: str) -> None:
    """Be the sending process: for every number read from stdin send so many messages."""
    import zmq.green as green

    context = green.Context()
    push = context.socket(green.PUSH)
    push.connect(endpoint)
    send = push.send
    for line in sys.stdin.buffer:
        for _ in range(int(line)):
            send(PAYLOAD)
    push.close()
    context.term()


def gevent_req_rep_inproc(seconds: float) -> Result:
    """One operation is a round trip between two greenlets."""
    import zmq.green as green

    with connected(green, green.REQ, green.REP) as [(req, rep)]:

        def request(count: int) -> None:
            send, recv = req.send, req.recv
            for _ in range(count):
                send(PAYLOAD)
                if len(recv()) != SIZE:
                    raise WrongMessage

        def reply(count: int) -> None:
            send, recv = rep.send, rep.recv
            for _ in range(count):
                message = recv()
                if len(message) != SIZE:
                    raise WrongMessage
                send(message)

        return measure(together(request, reply), seconds)


def gevent_multipart_inproc(seconds: float) -> Result:
    """One operation is a message of four frames from one greenlet to another."""
    import zmq.green as green

    with connected(green, green.PUSH, green.PULL) as [(push, pull)]:

        def send_all(count: int) -> None:
            send, message = push.send_multipart, [PAYLOAD] * FRAMES
            for _ in range(count):
                send(message)

        def receive_all(count: int) -> None:
            recv = pull.recv_multipart
            for _ in range(count):
                a, b, c, d = recv()
                if not len(a) == len(b) == len(c) == len(d) == SIZE:
                    raise WrongMessage

        return measure(together(send_all, receive_all), seconds)


@contextmanager
def polled(count: int) -> Iterator[tuple[Any, list[tuple[Any, Any]]]]:
    """Give a poller with `count` PULL sockets, and the pairs in a shuffled order that is always the same."""
    import zmq.green as green

    with connected(green, green.PUSH, green.PULL, count) as pairs:
        poller = green.Poller()
        for _, pull in pairs:
            poller.register(pull, green.POLLIN)
        random.Random(count).shuffle(pairs)
        yield poller, pairs


def receive_ready(poller: Any, expected: Any) -> None:
    """Poll, and receive from the one socket that is ready."""
    ((pull, _),) = poller.poll()
    if pull is not expected or len(pull.recv()) != SIZE:
        raise WrongMessage


def gevent_poller(seconds: float, sockets: int) -> Result:
    """One operation is a send to one of the sockets, a poll of all of them that finds it, and the recv."""
    with polled(sockets) as (poller, pairs):

        def run(count: int) -> float:
            start = now()
            for number in range(count):
                push, pull = pairs[number % sockets]
                push.send(PAYLOAD)
                receive_ready(poller, pull)
            return now() - start

        return measure(run, seconds)


def gevent_poller_wait(seconds: float, sockets: int) -> Result:
    """The same, but the poll is already waiting when another greenlet sends."""
    from gevent.lock import Semaphore

    with polled(sockets) as (poller, pairs):
        polling = Semaphore(0)

        def send_all(count: int) -> None:
            for number in range(count):
                polling.acquire()
                pairs[number % sockets][0].send(PAYLOAD)

        def receive_all(count: int) -> None:
            for number in range(count):
                polling.release()  # does not switch: the sender runs when the poll below lets it
                receive_ready(poller, pairs[number % sockets][1])

        return measure(together(send_all, receive_all), seconds)


def open_close(seconds: float) -> Result:
    """One operation is to open and to close a socket, and its share of its context's end, which waits for all."""

    def run(count: int) -> float:
        start = now()
        while count > 0:
            context = zmq.Context()
            for socket in [context.socket(zmq.PUSH) for _ in range(min(count, 100))]:
                socket.close()
            context.term()
            count -= 100
        return now() - start

    return measure(run, seconds)


# Without `site`, whose .pth files may import for one side what the other side still has to.
IMPORT = """
import sys, time
sys.path.insert(0, sys.argv[1])
start = time.perf_counter()
import zmq
print(time.perf_counter() - start)
"""


def import_zmq(seconds: float) -> Result:
    """One operation is to import `zmq` in a fresh interpreter; the median, as some of them are unlucky."""
    command = [sys.executable, "-I", "-S", "-c", IMPORT, str(Path(zmq.__file__).parents[1])]
    took = []
    end = now() + seconds
    while now() < end or len(took) < 5:
        took.append(float(subprocess.run(command, check=True, capture_output=True, text=True).stdout))
    return {"operations": 1, "seconds": statistics.median(took)}


WORKLOADS: dict[str, Callable[..., Result]] = {
    "threads-pair": threads_pair,
    "threads-pair-busy": threads_pair_busy,
    "open-close": open_close,
    "import": import_zmq,
    "gevent-push-pull-inproc": gevent_push_pull_inproc,
    "gevent-push-pull-tcp": gevent_push_pull_tcp,
    "gevent-req-rep-inproc": gevent_req_rep_inproc,
    "gevent-multipart-inproc": gevent_multipart_inproc,
    **{f"gevent-poller-{n}": partial(gevent_poller, sockets=n) for n in (10, 100, 400)},
    **{f"gevent-poller-wait-{n}": partial(gevent_poller_wait, sockets=n) for n in (10, 100, 400)},
}


def implementation() -> dict[str, str]:
    """Return which `zmq` this is: PyZMQ has no `zmq.core`."""
    name = "greenzmq" if importlib.util.find_spec("zmq.core") else "pyzmq"
    try:
        version = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        version = "not installed"
    return {
        "implementation": f"{name} {version}",
        "libzmq": zmq.zmq_version(),
        "python": sys.version.split()[0],
        "file": str(Path(zmq.__file__).resolve()),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="Run one workload and print the result as one line of JSON.")
    parser.add_argument("workload", nargs="?", choices=WORKLOADS, help="without one, only say which zmq this is")
    parser.add_argument("--seconds", type=float, default=1.0, help="about how long to measure (default 1)")
    parser.add_argument("--limit", type=float, default=60.0, help="give up after so many seconds (default 60)")
    parser.add_argument("--send-to", metavar="ENDPOINT", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    faulthandler.dump_traceback_later(arguments.limit, exit=True)
    if arguments.send_to:
        return send_batches(arguments.send_to)
    if not arguments.workload:
        return print(json.dumps(implementation()))

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < 4096:  # 800 sockets, a descriptor or more for each
        wanted = 4096 if hard == resource.RLIM_INFINITY else min(4096, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))

    run = WORKLOADS[arguments.workload]
    if run is gevent_push_pull_tcp:
        run = partial(run, limit=arguments.limit)
    result = run(arguments.seconds)
    ns_per_op = result["seconds"] / result["operations"] * 1e9
    line = {"workload": arguments.workload, **result, "ns_per_op": round(ns_per_op, 1), **implementation()}
    print(json.dumps(line))


if __name__ == "__main__":
    main()
