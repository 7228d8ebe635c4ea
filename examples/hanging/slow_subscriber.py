"""A service that hangs: a subscriber is too slow, and the publisher, which may drop nothing, waits for it.

Started so that it can be looked at::

    ZMQ_INSPECT=/tmp/hanging python examples/hanging/slow_subscriber.py &
    python -m zmq.top /tmp/hanging
"""

import sys

import gevent

import zmq.green as zmq

SECONDS = float(sys.argv[1]) if len(sys.argv) > 1 else 60
context = zmq.Context()


def publish() -> None:
    news.recv()  # the subscription
    number = 0
    while True:
        news.send(b"%d" % number)
        number += 1


def subscribe() -> None:
    with context.socket(zmq.SUB, name="archive") as archive:
        archive.rcvhwm = 10
        archive.subscribe(b"")
        archive.connect("inproc://news")
        while True:
            archive.recv()
            gevent.sleep(3600)  # writes it to a disk that takes its time


with context.socket(zmq.XPUB, name="news") as news:
    news.sndhwm = 10
    news.xpub_nodrop = True
    news.bind("inproc://news")
    tasks = [gevent.spawn(publish), gevent.spawn(subscribe)]
    gevent.joinall(tasks, timeout=SECONDS)
    gevent.killall(tasks)
context.destroy(linger=0)
