"""A service that hangs as it ends: one of its sockets was forgotten, and term() waits for it.

Started so that it can be looked at::

    ZMQ_INSPECT=/tmp/hanging python examples/hanging/forgotten_socket.py &
    python -m zmq.top /tmp/hanging
"""

import sys

import gevent

import zmq.green as zmq

SECONDS = float(sys.argv[1]) if len(sys.argv) > 1 else 60
context = zmq.Context()
context.name = "shop"
audit = context.socket(zmq.PUSH, name="audit log")  # made for a task that has ended since

with context.socket(zmq.REP, name="orders") as orders:
    orders.bind("inproc://orders")


def end() -> None:
    context.term()


ending = gevent.spawn(end)
ending.join(timeout=SECONDS)
audit.close(linger=0)
ending.join()
