"""A service that hangs: one greenlet uses a socket of `zmq`, where it should be `zmq.green`, and blocks all others.

Started so that it can be looked at::

    ZMQ_INSPECT=/tmp/hanging python examples/hanging/blocked_hub.py &
    python -m zmq.top /tmp/hanging
"""

import sys

import gevent

import zmq
import zmq.green

SECONDS = float(sys.argv[1]) if len(sys.argv) > 1 else 60
context = zmq.green.Context()


def answer(orders: zmq.green.Socket) -> None:
    while True:
        orders.send(orders.recv().upper())


def watch_prices() -> None:
    gevent.sleep(0.1)
    with zmq.Context.instance().socket(zmq.PULL, name="prices") as prices:
        prices.rcvtimeo = int(1000 * SECONDS)
        prices.bind("inproc://prices")
        try:
            prices.recv()
        except zmq.Again:
            print("no price came")


with context.socket(zmq.REP, name="orders") as orders:
    orders.bind("inproc://orders")
    answering = gevent.spawn(answer, orders)
    gevent.spawn(watch_prices).join()
    answering.kill()
context.term()
zmq.Context.instance().term()
