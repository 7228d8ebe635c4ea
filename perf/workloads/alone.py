"""What needs no second greenlet: sends and receives in one thread, opening and closing, importing, memory."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
from pathlib import Path

import zmq

from .common import PAYLOAD, Result, WrongMessage, busy_thread, connected, measure, now, sockets
from .frontends import FrontEnd


def pair(front_end: FrontEnd, seconds: float) -> Result:
    """One operation is a send and a recv, both in the one thread."""
    with connected(front_end.zmq, zmq.PAIR, zmq.PAIR) as [(sending, receiving)]:

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


def pair_busy(front_end: FrontEnd, seconds: float) -> Result:
    """The same, beside a thread that computes in Python and never waits."""
    result: Result = {}
    with busy_thread(result):
        measured = pair(front_end, seconds)
    return measured | result


def again(front_end: FrontEnd, seconds: float) -> Result:
    """One operation is a recv that does not wait and finds nothing."""
    with connected(front_end.zmq, zmq.PUSH, zmq.PULL) as [(_, pull)]:

        def run(count: int) -> float:
            recv, flag, nothing = pull.recv, zmq.NOBLOCK, zmq.Again
            start = now()
            for _ in range(count):
                try:
                    recv(flag)
                except nothing:
                    continue
                raise WrongMessage
            return now() - start

        return measure(run, seconds)


def open_close(front_end: FrontEnd, seconds: float) -> Result:
    """One operation is to open and to close a socket, and its share of its context's end, which waits for all."""

    def run(count: int) -> float:
        start = now()
        while count > 0:
            context = front_end.zmq.Context()
            for socket in [context.socket(zmq.PUSH) for _ in range(min(count, 100))]:
                socket.close()
            context.term()
            count -= 100
        return now() - start

    return measure(run, seconds)


def resident() -> int:
    """Return how many bytes of memory this process has."""
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def memory(front_end: FrontEnd, seconds: float) -> Result:
    """What an open socket takes, of 1,000 that have sent or received a message."""
    with sockets(front_end.zmq) as open_socket:

        def use(count: int) -> None:
            address = f"inproc://{count}"
            for number in range(count // 2):
                pull, push = open_socket(zmq.PULL), open_socket(zmq.PUSH)
                pull.bind(f"{address}-{number}")
                push.connect(f"{address}-{number}")
                push.send(PAYLOAD)
                if pull.recv() != PAYLOAD:
                    raise WrongMessage

        use(10)  # what is there once
        before = resident()
        use(1000)
        return {"cost": (resident() - before) / 1000, "unit": "bytes"}


# Without `site`, whose .pth files may import for one side what the other side still has to.
IMPORT = """
import sys, time
sys.path[:0] = sys.argv[1:]
{first}
start = time.perf_counter()
import {name}
print(time.perf_counter() - start)
"""


def import_zmq(front_end: FrontEnd, seconds: float) -> Result:
    """One operation is to import it in a fresh interpreter that has gevent already; the median, as some are unlucky."""
    name = front_end.zmq.__name__
    script = IMPORT.format(first="import gevent.monkey" if name == "zmq.green" else "", name=name)
    # gevent is elsewhere where greenzmq is used from its working tree.
    folders = [str(Path(zmq.__file__).parents[1]), *(path for path in sys.path if path.endswith("site-packages"))]
    command = [sys.executable, "-I", "-S", "-c", script, *folders]
    took = []
    end = now() + seconds
    while now() < end or len(took) < 5:
        took.append(float(subprocess.run(command, check=True, capture_output=True, text=True).stdout))
    return {"operations": len(took), "cost": statistics.median(took) * 1e9}
