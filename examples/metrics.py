"""A service whose metrics Prometheus can scrape: what its sockets move, and how long they wait.

python examples/metrics.py --seconds 10 --port 9464

The page, in Prometheus's text format, is at http://127.0.0.1:9464/metrics; port 0 takes a free one. It is served by a
greenlet beside the service. Needs prometheus_client: pip install "greenzmq[gevent,metrics]"
"""

from __future__ import annotations

import argparse
import signal
import time

import gevent
from gevent.pywsgi import WSGIServer
from prometheus_client import CollectorRegistry, make_wsgi_app

import zmq.green as zmq
from zmq.metrics import Collector


def serve(server: zmq.Socket) -> None:
    """Answer orders."""
    while True:
        server.send_string(server.recv_string().upper())


def ask(client: zmq.Socket, end: float) -> int:
    """Order until the time is over; return how often."""
    count = 0
    while time.monotonic() < end:
        client.send_string(f"order {count}")
        assert client.recv_string() == f"ORDER {count}"
        count += 1
        gevent.sleep(0.005)
    return count


def main(seconds: float, port: int) -> None:
    registry = CollectorRegistry()
    Collector(registry)
    page = WSGIServer(("127.0.0.1", port), make_wsgi_app(registry), log=None)
    page.start()
    print(f"http://127.0.0.1:{page.server_port}/metrics", flush=True)
    with (
        zmq.Context() as context,
        context.socket(zmq.REP, name="orders") as server,
        context.socket(zmq.REQ, name="shop") as client,
    ):
        client.connect(f"tcp://127.0.0.1:{server.bind_to_random_port('tcp://127.0.0.1')}")
        serving = gevent.spawn(serve, server)
        asking = gevent.spawn(ask, client, time.monotonic() + seconds)
        gevent.signal_handler(signal.SIGINT, asking.kill)
        asking.join()
        serving.kill()
        print(f"{asking.value} orders" if isinstance(asking.value, int) else "interrupted")
    page.stop()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--port", type=int, default=9464)
    main(**vars(parser.parse_args()))
