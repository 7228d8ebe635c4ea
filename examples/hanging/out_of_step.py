"""A service that hangs: its server was restarted between a request and its answer, and the REQ waits on.

Started so that it can be looked at::

    ZMQ_INSPECT=/tmp/hanging python examples/hanging/out_of_step.py &
    python -m zmq.top /tmp/hanging
"""

import sys

import gevent

import zmq.green as zmq

SECONDS = float(sys.argv[1]) if len(sys.argv) > 1 else 60
context = zmq.Context()


def pay() -> None:
    with context.socket(zmq.REQ, name="till") as till:
        till.connect(address)
        till.send(b"pay")
        till.recv()


def serve() -> None:
    bank.send(bank.recv())


with context.socket(zmq.REP, name="bank, before") as bank:
    port = bank.bind_to_random_port("tcp://127.0.0.1")
    address = f"tcp://127.0.0.1:{port}"
    paying = gevent.spawn(pay)
    bank.recv()
# The next one knows nothing of the request.
with context.socket(zmq.REP, name="bank") as bank:
    while not bank.last_endpoint:
        try:
            bank.bind(address)
        except zmq.ZMQError:
            gevent.sleep(0.01)  # the port is free in a moment
    serving = gevent.spawn(serve)
    gevent.joinall([paying, serving], timeout=SECONDS)
    gevent.killall([paying, serving])
context.destroy(linger=0)
