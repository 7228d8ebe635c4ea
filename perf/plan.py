"""What is required of the workloads, which have a limit in C, and which are run in the quick mode."""

from __future__ import annotations

# Every workload has to be as fast as with PyZMQ. Where both do nothing but wait for libzmq and the system they are
# equal, and one run says 0.97, the next 1.03.
FLOOR = 1.0
NOISE = 0.05

# How many times faster than PyZMQ.
TARGETS: dict[str, float] = {
    "threads-pair": 3.5,
    "threads-pair-busy": 8,
    "asyncio-pair": 40,
    "asyncio-push-pull-inproc": 35,
    "asyncio-push-pull-tcp": 35,
    "asyncio-req-rep-inproc": 5,
    "asyncio-req-rep-50": 5,
    "asyncio-multipart-4": 25,
    "uvloop-pair": 40,
    "uvloop-push-pull-inproc": 30,
    "uvloop-push-pull-tcp": 30,
    "uvloop-req-rep-inproc": 6.5,
    "uvloop-req-rep-50": 6.5,
    "gevent-push-pull-inproc": 30,
    "gevent-push-pull-tcp-2p": 30,
    "gevent-req-rep-inproc": 7,
    "gevent-router-200": 3,
    "gevent-arrivals-200-tcp": 4,
    "gevent-multipart-4": 18,
    "gevent-poller-100": 20,
    "gevent-proxy-green": 10,
    "eventlet-push-pull-inproc": 15,
    "eventlet-push-pull-tcp-2p": 10,
    "eventlet-req-rep-inproc": 3,
    "eventlet-router-200": 3,
    "eventlet-arrivals-200-tcp": 3,
}
EVERY_ROUND = {"threads-pair-busy"}  # the others: the median of the rounds
NOT_JUDGED = ("latency-tcp 95", "latency-tcp 99", "latency-tcp 99.5", "latency-tcp 99.9")  # too few of them in a run

# What limit.c does too, and which share of its speed has to be reached.
LIMITS = (
    "push-pull-inproc",
    "push-pull-tcp-2p",
    "req-rep-inproc",
    "req-rep-tcp",
    "proxy-native",
    "latency-tcp",
    "sizes-tcp-2p",
    *(f"poller-{count}" for count in (10, 100, 400, 1000)),
)
# What limit.c does in one thread too, with the calls of a hub, as NAME-hub.
HUB_LIMITS = ("req-rep-inproc", "req-rep-tcp")
OF_LIMIT = {
    "gevent-push-pull-tcp-2p": 0.9,
    "threads-push-pull-tcp-2p": 0.9,
    "gevent-req-rep-tcp": 0.8,  # in one hub; that of C has two threads
}

FRONT_ENDS = ("threads", "gevent", "eventlet", "asyncio")

# How many times faster than another workload of ours.
OF_OURS: list[tuple[str, str, float]] = [
    ("gevent-poller-1000", "gevent-poller-10", 1 / 1.5),
    ("gevent-proxy-green", "gevent-proxy-native", 0.9),
    *((f"{name}-batches-inproc", f"{name}-push-pull-inproc", 1.5) for name in FRONT_ENDS),
    *((f"{name}-batches-multipart-4", f"{name}-multipart-4", 1.5) for name in FRONT_ENDS),
]
OURS_ALONE = ("batches-inproc", "batches-multipart-4")  # PyZMQ has nothing of the kind

# What pyomq has too: a library without greenlets, in Rust, that shares nothing with libzmq; none is ahead of ours but
# `open-close`: libzmq makes a descriptor, and the memory of a mailbox, with every socket, and pyomq when it needs one.
PEER_HAS = (
    "threads-pair",
    "threads-push-pull-inproc",
    "threads-push-pull-tcp",
    "threads-push-pull-busy",
    "threads-req-rep-inproc",
    "threads-req-rep-tcp",
    "threads-multipart-4",
    "threads-open-close",
    "asyncio-pair",
    "asyncio-push-pull-inproc",
    "asyncio-push-pull-tcp",
    "asyncio-req-rep-inproc",
    "asyncio-req-rep-tcp",
    "asyncio-multipart-4",
)
BEHIND_PEER = ("threads-open-close",)

# Needs so many descriptors, where it needs many.
DESCRIPTORS = {"router-2000": 4500, "greenlets": 4500, "poller-1000": 2500, "memory": 1500}

QUICK = (
    "threads-pair",
    "threads-pair-busy",
    "threads-push-pull-tcp-2p",
    "gevent-push-pull-inproc",
    "gevent-push-pull-tcp-2p",
    "gevent-req-rep-inproc",
    "gevent-req-rep-tcp",
    "gevent-router-200",
    "gevent-service",
    "gevent-multipart-4",
    "gevent-poller-10",
    "gevent-poller-100",
    "gevent-poller-1000",
    "gevent-proxy-native",
    "gevent-proxy-green",
    "gevent-open-close",
    "gevent-import",
    "eventlet-push-pull-inproc",
    "eventlet-push-pull-tcp-2p",
    "eventlet-req-rep-inproc",
    "eventlet-router-200",
    "asyncio-push-pull-inproc",
    "asyncio-req-rep-inproc",
    "gevent-batches-inproc",
)
