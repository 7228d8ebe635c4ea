"""What is measured: every workload by its name, as in `gevent-push-pull-tcp`.

The name is that of a front-end and what is done with it; the code is the same for greenzmq and PyZMQ. Workloads are
functions of a front-end and of the seconds they may take.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

from . import alone, batches, messages, polls, proxies, series, tasks
from .common import Result
from .frontends import FRONT_ENDS

Function = Callable[[Any, float], Result]


class Workload(NamedTuple):
    front_end: str
    function: Function
    peer: Callable[[Any], None] | None = None  # what the second process does


EVERYWHERE: dict[str, Function] = {
    "push-pull-inproc": partial(messages.push_pull, transport="inproc"),
    "push-pull-tcp": partial(messages.push_pull, transport="tcp"),
    "req-rep-inproc": partial(messages.req_rep, transport="inproc"),
    "req-rep-tcp": partial(messages.req_rep, transport="tcp"),
    "pub-sub-100-inproc": partial(messages.pub_sub, transport="inproc", subscribers=100),
    "router-1": partial(messages.router, transport="inproc", clients=1),
    "router-200": partial(messages.router, transport="inproc", clients=200),
    "service": partial(messages.service, clients=20),
    "multipart-4": partial(messages.push_pull, transport="inproc", frames=4),
    "multipart-20": partial(messages.push_pull, transport="inproc", frames=20),
    "64k-copied-inproc": partial(messages.large, transport="inproc", size=1 << 16, copy=True),
    "64k-lent-inproc": partial(messages.large, transport="inproc", size=1 << 16, copy=False),
    "1m-copied-inproc": partial(messages.large, transport="inproc", size=1 << 20, copy=True),
    "1m-lent-inproc": partial(messages.large, transport="inproc", size=1 << 20, copy=False),
}
GREEN: dict[str, Function] = {
    "pub-sub-100-tcp": partial(messages.pub_sub, transport="tcp", subscribers=100),
    "router-200-tcp": partial(messages.router, transport="tcp", clients=200),
    "arrivals-200-tcp": partial(messages.arrivals, clients=200),
    "router-2000": partial(messages.router, transport="inproc", clients=2000),
}
WITH_IPC: dict[str, Function] = {
    "push-pull-ipc": partial(messages.push_pull, transport="ipc"),
    "req-rep-ipc": partial(messages.req_rep, transport="ipc"),
    "64k-copied-tcp": partial(messages.large, transport="tcp", size=1 << 16, copy=True),
    "64k-lent-tcp": partial(messages.large, transport="tcp", size=1 << 16, copy=False),
    "1m-copied-tcp": partial(messages.large, transport="tcp", size=1 << 20, copy=True),
    "1m-lent-tcp": partial(messages.large, transport="tcp", size=1 << 20, copy=False),
}

WORKLOADS: dict[str, Workload] = {}


def add(front_end: str, functions: dict[str, Function], peer: Callable[[Any], None] | None = None) -> None:
    for name, function in functions.items():
        WORKLOADS[f"{front_end}-{name}"] = Workload(front_end, function, peer)


for name in ("threads", "gevent", "eventlet"):
    add(name, EVERYWHERE)
    add(name, {"push-pull-tcp-2p": partial(messages.push_pull_2p, transport="tcp")}, messages.send_orders)
    add(name, {"req-rep-tcp-2p": partial(messages.req_rep_2p, transport="tcp")}, messages.reply_for_ever)
    add(name, {"push-pull-busy": messages.push_pull_busy})
for name in ("threads", "gevent"):
    add(name, WITH_IPC)
    add(name, {"push-pull-ipc-2p": partial(messages.push_pull_2p, transport="ipc")}, messages.send_orders)
    add(name, {f"poller-{n}": partial(polls.poll, count=n) for n in (10, 100, 400, 1000)})
    add(name, {"again": alone.again, "open-close": alone.open_close, "memory": alone.memory})
    add(name, {"import": alone.import_zmq})
for name in ("gevent", "eventlet"):
    add(name, GREEN)
add("threads", {f"router-{n}": partial(messages.router, transport="inproc", clients=n) for n in (8, 50)})
add("threads", {"pair": alone.pair, "pair-busy": alone.pair_busy})
add("threads", {"proxy": proxies.native})
add("gevent", {f"poller-wait-{n}": partial(polls.poll_wait, count=n) for n in (10, 100, 400)})
add("gevent", {"proxy-native": proxies.native, "proxy-green": proxies.green})
add("gevent", {"latency-tcp": series.latency, "greenlets": series.greenlets})
add("gevent", {"sizes-tcp-2p": series.sizes}, messages.send_orders)
add("asyncio", tasks.FUNCTIONS)
add("uvloop", {name: tasks.FUNCTIONS[name] for name in tasks.ON_UVLOOP})
add("asyncio", {"push-pull-tcp-2p": tasks.push_pull_2p}, tasks.send_orders)
for name in FRONT_ENDS:
    add(name, batches.FUNCTIONS.get(name, {}))
