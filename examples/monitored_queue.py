"""A queue between clients that ask and workers that answer, and a monitor that shows how fast they are.

    python examples/monitored_queue.py --seconds 5 --clients 20 --workers 4

All of it is one process: clients, workers and the monitor are greenlets, and so is who waits for the queue, whose
messages are moved by a native thread. Ctrl-C ends it early.
"""

from __future__ import annotations

import argparse
import signal
from collections import Counter

import gevent
from gevent.event import Event

import zmq.green as zmq
from zmq.green.devices import GreenMonitoredQueue

counts: Counter[str] = Counter()
heard: set[bytes] = set()  # the names of the clients of which the monitor heard


def work(address: str) -> None:
    """Answer requests, for ever."""
    with zmq.Context.instance().socket(zmq.REP) as socket:
        socket.connect(address)
        while True:
            number = int(socket.recv())
            socket.send(b"%d" % number**2)


def ask(address: str) -> None:
    """Ask for squares, one after the other, for ever."""
    with zmq.Context.instance().socket(zmq.REQ) as socket:
        socket.connect(address)
        number = 0
        while True:
            number += 1
            socket.send(b"%d" % number)
            counts["right" if int(socket.recv()) == number**2 else "wrong"] += 1


def listen(address: str) -> None:
    """Count what passes: the first frame says which way, the second is the client's name."""
    with zmq.Context.instance().socket(zmq.SUB) as socket:
        socket.rcvhwm = 0
        socket.connect(address)
        socket.subscribe(b"")
        while True:
            way, client, *_ = socket.recv_multipart()
            counts[way.decode()] += 1
            heard.add(client)


def show(seconds: int, interrupted: Event) -> None:
    """Print the rates once a second."""
    print("second  requests/s  replies/s  clients")
    before = Counter(counts)
    for second in range(1, seconds + 1):
        if interrupted.wait(1):
            print("interrupted")
            break
        requests, replies = (counts[way] - before[way] for way in ("in", "out"))
        print(f"{second:6}  {requests:10,}  {replies:9,}  {len(heard):7}", flush=True)
        before = Counter(counts)


def main() -> None:
    parser = argparse.ArgumentParser(description="Show the rates of a monitored queue.")
    parser.add_argument("--seconds", type=int, default=10, help="for how long (10)")
    parser.add_argument("--clients", type=int, default=20, help="how many ask at the same time (20)")
    parser.add_argument("--workers", type=int, default=4, help="how many answer (4)")
    options = parser.parse_args()

    queue = GreenMonitoredQueue(zmq.ROUTER, zmq.DEALER, zmq.PUB)
    front, back, monitor = (
        f"tcp://127.0.0.1:{bind('tcp://127.0.0.1')}"
        for bind in (queue.bind_in_to_random_port, queue.bind_out_to_random_port, queue.bind_mon_to_random_port)
    )
    queue.start()
    greenlets = [gevent.spawn(listen, monitor)]
    greenlets += [gevent.spawn(work, back) for _ in range(options.workers)]
    greenlets += [gevent.spawn(ask, front) for _ in range(options.clients)]
    interrupted = Event()
    gevent.signal_handler(signal.SIGINT, interrupted.set)
    show(options.seconds, interrupted)
    gevent.killall(greenlets)
    queue.stop()
    queue.join()
    print(f"{counts['right']:,} right answers, {counts['wrong']:,} wrong ones")


if __name__ == "__main__":
    main()
