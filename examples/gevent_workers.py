"""A pool of workers in gevent: a ventilator hands out tasks, workers square them, a sink adds the results up.

python examples/gevent_workers.py --seconds 2 --workers 4 --port 0
"""

from __future__ import annotations

import argparse
import random
import time
from collections import Counter

import gevent

import zmq.green as zmq


def work(context: zmq.Context, name: str, tasks: str, results: str) -> None:
    """Take tasks and answer them until the program ends."""
    with context.socket(zmq.PULL) as source, context.socket(zmq.PUSH) as sink:
        source.rcvhwm = 1
        source.connect(tasks)
        sink.connect(results)
        while True:
            number = source.recv_json()
            gevent.sleep(random.uniform(0.001, 0.01))
            sink.send_json([name, number, number * number])


def hand_out(socket: zmq.Socket, end: float) -> int:
    """Send numbers until the time is over; return how many."""
    sent = 0
    while time.monotonic() < end:
        socket.send_json(sent)
        sent += 1
        gevent.sleep(0.001)
    return sent


def main(seconds: float, workers: int, port: int) -> None:
    with zmq.Context() as context, context.socket(zmq.PUSH) as tasks, context.socket(zmq.PULL) as results:
        tasks.sndhwm = 10
        tasks.bind(f"tcp://127.0.0.1:{port or '*'}")
        results.bind("inproc://results")
        where = tasks.get_string(zmq.LAST_ENDPOINT)
        pool = [gevent.spawn(work, context, f"worker-{n}", where, "inproc://results") for n in range(workers)]
        handing = gevent.spawn(hand_out, tasks, time.monotonic() + seconds)
        shares: Counter[str] = Counter()
        while not handing.ready() or shares.total() < handing.get():
            if results.poll(100):
                name, number, square = results.recv_json()
                assert square == number * number
                shares[name] += 1
        gevent.killall(pool)
        for name, share in sorted(shares.items()):
            print(f"{name}: {share} tasks")
        print(f"{shares.total()} of {handing.get()} tasks done")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--port", type=int, default=0, help="0 for any that is free")
    options = parser.parse_args()
    main(options.seconds, options.workers, options.port)
