"""What is shown as a curve: several points in one run, each a cost of its own."""

from __future__ import annotations

from functools import partial
from statistics import geometric_mean

import zmq

from .common import (
    PAYLOAD,
    SIZE,
    Result,
    WrongMessage,
    bind,
    connected,
    measure,
    now,
    second_process,
    sockets,
    water_marks,
)
from .frontends import FrontEnd, together
from .messages import batches_of, reply, router

# As in limit.c.
SIZES = (1, 8, 32, 128, 512, 2048, 8192, 32768, 131072, 524288, 1048576)
PERCENTILES = (1, 10, 25, 50, 75, 90, 95, 99, 99.5, 99.9)
GREENLETS = (1, 3, 10, 30, 100, 300, 1000, 2000)


def share(seconds: float, points: tuple[int, ...]) -> float:
    return max(0.05, 2 * seconds / len(points))


def all_of(points: dict[int, float]) -> Result:
    return {"cost": geometric_mean(points.values()), "points": points}


def sizes(front_end: FrontEnd, seconds: float) -> Result:
    """One operation is a message of so many bytes from another process."""
    points = {}
    with sockets(front_end.zmq) as open_socket, second_process() as process:
        for size in SIZES:
            pull = open_socket(zmq.PULL, water_marks(size))
            run = batches_of(pull, bind(pull, "tcp"), process, size)
            points[size] = measure(run, share(seconds, SIZES), goes=4)["cost"]
    return all_of(points)


def greenlets(front_end: FrontEnd, seconds: float) -> Result:
    """One operation is a round trip of one of so many greenlets, each with a DEALER, to the one that has a ROUTER."""
    one = partial(router, front_end, share(seconds, GREENLETS), "inproc")
    return all_of({clients: one(clients)["cost"] for clients in GREENLETS})


def latency(front_end: FrontEnd, seconds: float) -> Result:
    """One operation is a round trip over tcp; the points are percentiles of how long one takes."""
    took: list[float] = []
    with connected(front_end.zmq, zmq.REQ, zmq.REP, transport="tcp") as [(req, rep)]:

        def ask(count: int) -> None:
            send, recv = req.send, req.recv
            for _ in range(count):
                start = now()
                send(PAYLOAD)
                message = recv()
                took.append(now() - start)
                if len(message) != SIZE:
                    raise WrongMessage

        run = together(front_end, ask, partial(reply, rep))
        run(100)  # the warm-up
        took.clear()
        while sum(took) < 2 * seconds:
            run(1000)
    took.sort()
    points = {str(share): took[int(len(took) * share / 100)] * 1e9 for share in PERCENTILES}
    return {"cost": points["50"], "points": points}
