"""A service that hangs: its broker forgets a worker, and the next client waits for ever.

Started so that it can be looked at::

    ZMQ_INSPECT=/tmp/hanging python examples/hanging/forgotten_worker.py &
    python -m zmq.top /tmp/hanging
"""

import sys

import gevent

import zmq.green as zmq

SECONDS = float(sys.argv[1]) if len(sys.argv) > 1 else 60
context = zmq.Context()


def client() -> None:
    with context.socket(zmq.REQ, name="customer") as socket:
        socket.connect("inproc://orders")
        while True:
            socket.send(b"an order")
            socket.recv()


def worker() -> None:
    with context.socket(zmq.REQ, name="cook") as socket:
        socket.connect("inproc://kitchen")
        socket.send(b"ready")
        while True:
            *route, order = socket.recv_multipart()
            socket.send_multipart([*route, order.upper()])


def broker() -> None:
    free: list[bytes] = []
    poller = zmq.Poller()
    poller.register(kitchen, zmq.POLLIN)
    while True:
        if free:
            # Only now: without a worker there is nothing to be done with an order.
            poller.register(orders, zmq.POLLIN)
        elif orders in poller:
            poller.unregister(orders)
        found = dict(poller.poll())
        if kitchen in found:
            name, _, *rest = kitchen.recv_multipart()
            if rest == [b"ready"]:
                free.append(name)
            else:
                orders.send_multipart(rest)  # and nobody writes down that this worker is free again
        elif orders in found:
            kitchen.send_multipart([free.pop(), b"", *orders.recv_multipart()])


with context.socket(zmq.ROUTER, name="orders") as orders, context.socket(zmq.ROUTER, name="kitchen") as kitchen:
    orders.bind("inproc://orders")
    kitchen.bind("inproc://kitchen")
    tasks = [gevent.spawn(broker), gevent.spawn(worker), gevent.spawn(client)]
    gevent.joinall(tasks, timeout=SECONDS)
    gevent.killall(tasks)
context.destroy(linger=0)
