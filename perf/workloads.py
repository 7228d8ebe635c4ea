"""What is measured, and how long it took; only public calls that greenzmq and PyZMQ both have.

`PLAIN` has the workloads without greenlets. Those of `GREEN` run with each of `FRAMEWORKS`, the same code for all.
"""

from __future__ import annotations

import importlib.util
import random
import statistics
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import zmq

SIZE = 32
PAYLOAD = bytes(range(SIZE))
FRAMES = 4

now = time.perf_counter
Run = Callable[[int], float]  # performs so many operations, returns the seconds they took
Result = dict[str, float]  # "operations", "seconds", and what else a workload has to say


class WrongMessage(Exception):
    """A message is not the one that was sent."""


def measure(run: Run, seconds: float, goes: int = 20) -> Result:
    """Return how many operations were done in about `seconds`, and the exact time they took.

    One go lasts about `seconds / goes`. Doubling up to there is the warm-up, and goes on later: beside a busy thread
    a first go can be luckier or unluckier than those that follow. So the end is late by two goes at the most.
    """
    enough = seconds / goes
    count = 1
    while run(count) < enough:
        count *= 2
    operations, total = 0, 0.0
    while total < seconds:
        elapsed = run(count)
        operations += count
        total += elapsed
        if elapsed < enough:
            count *= 2
    return {"operations": operations, "seconds": total}


@contextmanager
def sockets(module: ModuleType) -> Iterator[Callable[[int], Any]]:
    """Give a function that opens a socket; close all that it opened and terminate their context."""
    context = module.Context()
    opened = []

    def open_socket(kind: int) -> Any:
        opened.append(context.socket(kind))
        return opened[-1]

    try:
        yield open_socket
    finally:
        for socket in opened:
            socket.close(linger=0)
        context.term()


@contextmanager
def connected(module: ModuleType, sender: int, receiver: int, count: int = 1) -> Iterator[list[tuple[Any, Any]]]:
    """Give `count` inproc pairs of a sending and a receiving socket."""
    with sockets(module) as open_socket:
        pairs = [(open_socket(sender), open_socket(receiver)) for _ in range(count)]
        for number, (sending, receiving) in enumerate(pairs):
            receiving.bind(f"inproc://perf-{number}")
            sending.connect(f"inproc://perf-{number}")
        yield pairs


def threads_pair(seconds: float) -> Result:
    """One operation is a send and a recv, both in the one thread."""
    with connected(zmq, zmq.PAIR, zmq.PAIR) as [(sending, receiving)]:

        def run(count: int) -> float:
            send, recv = sending.send, receiving.recv
            start = now()
            for _ in range(count):
                send(PAYLOAD)
                message = recv()
            elapsed = now() - start
            # Outside of the loop: it would be a third of it.
            if message != PAYLOAD:
                raise WrongMessage
            return elapsed

        return measure(run, seconds)


def threads_pair_busy(seconds: float) -> Result:
    """The same, beside a thread that computes in Python and never waits."""
    stop = False
    turns = 0

    def compute() -> None:
        nonlocal turns
        while not stop:
            turns += 1

    busy = threading.Thread(target=compute, daemon=True)
    busy.start()
    try:
        while not turns:
            time.sleep(0.001)
        before, start = turns, now()
        result = threads_pair(seconds)
        # The share that the busy thread gets is part of the story: a binding could be fast because it starves it.
        return result | {"busy_turns_per_second": round((turns - before) / (now() - start))}
    finally:
        stop = True
        busy.join()


def open_close(seconds: float) -> Result:
    """One operation is to open and to close a socket, and its share of its context's end, which waits for all."""

    def run(count: int) -> float:
        start = now()
        while count > 0:
            context = zmq.Context()
            for socket in [context.socket(zmq.PUSH) for _ in range(min(count, 100))]:
                socket.close()
            context.term()
            count -= 100
        return now() - start

    return measure(run, seconds)


# Without `site`, whose .pth files may import for one side what the other side still has to.
IMPORT = """
import sys, time
sys.path.insert(0, sys.argv[1])
start = time.perf_counter()
import zmq
print(time.perf_counter() - start)
"""


def import_zmq(seconds: float) -> Result:
    """One operation is to import `zmq` in a fresh interpreter; the median, as some of them are unlucky."""
    command = [sys.executable, "-I", "-S", "-c", IMPORT, str(Path(zmq.__file__).parents[1])]
    took = []
    end = now() + seconds
    while now() < end or len(took) < 5:
        took.append(float(subprocess.run(command, check=True, capture_output=True, text=True).stdout))
    return {"operations": 1, "seconds": statistics.median(took)}


def asyncio_pair(seconds: float, kinds: tuple[int, int], replies: bool) -> Result:
    """One operation is a message from one task to another, or a round trip between two."""
    import asyncio

    import zmq.asyncio

    with connected(zmq.asyncio, *kinds) as [(asking, answering)]:

        async def ask(count: int) -> None:
            for _ in range(count):
                await asking.send(PAYLOAD)
                if replies and len(await asking.recv()) != SIZE:
                    raise WrongMessage

        async def answer(count: int) -> None:
            for _ in range(count):
                message = await answering.recv()
                if len(message) != SIZE:
                    raise WrongMessage
                if replies:
                    await answering.send(message)

        async def both(count: int) -> float:
            start = now()
            await asyncio.gather(ask(count), answer(count))
            return now() - start

        loop = asyncio.new_event_loop()
        try:
            return measure(lambda count: loop.run_until_complete(both(count)), seconds)
        finally:
            loop.close()


PLAIN: dict[str, Callable[[float], Result]] = {
    "asyncio-push-pull-inproc": partial(asyncio_pair, kinds=(zmq.PUSH, zmq.PULL), replies=False),
    "asyncio-req-rep-inproc": partial(asyncio_pair, kinds=(zmq.REQ, zmq.REP), replies=True),
    "threads-pair": threads_pair,
    "threads-pair-busy": threads_pair_busy,
    "open-close": open_close,
    "import": import_zmq,
}


class Framework(NamedTuple):
    """All that a workload knows of gevent or eventlet."""

    zmq: ModuleType
    spawn: Callable[..., Any]
    join: Callable[[list[Any]], object]  # waits for what was spawned, raises what was raised there
    semaphore: Callable[[int], Any]


def on_gevent() -> Framework:
    import gevent
    from gevent.lock import Semaphore

    import zmq.green

    return Framework(zmq.green, gevent.spawn, partial(gevent.joinall, raise_error=True), Semaphore)


def on_eventlet() -> Framework:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it says that it is deprecated
        import eventlet
    if importlib.util.find_spec("zmq.eventlet"):
        import zmq.eventlet as green
    else:
        from eventlet.green import zmq as green

    def join(spawned: list[Any]) -> None:
        for greenlet in spawned:
            greenlet.wait()

    return Framework(green, eventlet.spawn, join, eventlet.Semaphore)


FRAMEWORKS: dict[str, Callable[[], Framework]] = {"gevent": on_gevent, "eventlet": on_eventlet}


def together(framework: Framework, *loops: Callable[[int], None]) -> Run:
    """Return a run that does every one of `loops` in a greenlet of its own and waits for all of them."""

    def run(count: int) -> float:
        start = now()
        framework.join([framework.spawn(loop, count) for loop in loops])
        return now() - start

    return run


def push_pull_inproc(framework: Framework, seconds: float) -> Result:
    """One operation is a message from one greenlet to another."""
    green = framework.zmq
    with connected(green, green.PUSH, green.PULL) as [(push, pull)]:

        def send_all(count: int) -> None:
            send = push.send
            for _ in range(count):
                send(PAYLOAD)

        def receive_all(count: int) -> None:
            recv = pull.recv
            for _ in range(count):
                if len(recv()) != SIZE:
                    raise WrongMessage

        return measure(together(framework, send_all, receive_all), seconds)


def push_pull_tcp(framework: Framework, seconds: float) -> Result:
    """One operation is a message from another process, timed here from the first to the last of one batch."""
    green = framework.zmq
    with sockets(green) as open_socket:
        pull = open_socket(green.PULL)
        port = pull.bind_to_random_port("tcp://127.0.0.1")
        command = [sys.executable, *sys.argv, f"--send-to=tcp://127.0.0.1:{port}"]
        with subprocess.Popen(command, stdin=subprocess.PIPE) as sender:
            try:

                def run(count: int) -> float:
                    recv = pull.recv
                    sender.stdin.write(b"%d\n" % (count + 1))
                    sender.stdin.flush()
                    size = len(recv())
                    start = now()
                    if size != SIZE:
                        raise WrongMessage
                    for _ in range(count):
                        if len(recv()) != SIZE:
                            raise WrongMessage
                    return now() - start

                result = measure(run, seconds, goes=4)
                sender.stdin.close()
                if sender.wait() != 0:
                    raise RuntimeError(f"the sending process ended with status {sender.returncode}")
                return result
            finally:
                sender.kill()


def send_batches(framework: Framework, endpoint: str) -> None:
    """Be the sending process: for every number read from stdin send so many messages."""
    context = framework.zmq.Context()
    push = context.socket(framework.zmq.PUSH)
    push.connect(endpoint)
    send = push.send
    for line in sys.stdin.buffer:
        for _ in range(int(line)):
            send(PAYLOAD)
    push.close()
    context.term()


def request(socket: Any, count: int) -> None:
    """Be a client: send so many messages, and wait for the answer to each."""
    send, recv = socket.send, socket.recv
    for _ in range(count):
        send(PAYLOAD)
        if len(recv()) != SIZE:
            raise WrongMessage


def req_rep_inproc(framework: Framework, seconds: float) -> Result:
    """One operation is a round trip between two greenlets."""
    green = framework.zmq
    with connected(green, green.REQ, green.REP) as [(req, rep)]:

        def reply(count: int) -> None:
            send, recv = rep.send, rep.recv
            for _ in range(count):
                message = recv()
                if len(message) != SIZE:
                    raise WrongMessage
                send(message)

        return measure(together(framework, partial(request, req), reply), seconds)


def router(framework: Framework, seconds: float, clients: int) -> Result:
    """One operation is a round trip between one of `clients` greenlets and the one that serves them all."""
    green = framework.zmq
    with sockets(green) as open_socket:
        server = open_socket(green.ROUTER)
        server.bind("inproc://perf")
        dealers = [open_socket(green.DEALER) for _ in range(clients)]
        for dealer in dealers:
            dealer.connect("inproc://perf")

        def serve(count: int) -> None:
            send, recv = server.send_multipart, server.recv_multipart
            for _ in range(count * clients):
                client, message = recv()
                if len(message) != SIZE:
                    raise WrongMessage
                send([client, message])

        run = together(framework, serve, *(partial(request, dealer) for dealer in dealers))
        result = measure(run, seconds, goes=4)  # few long ones, as each starts all the greenlets anew
        # What was counted there is what each client did.
        return result | {"operations": result["operations"] * clients}


def multipart_inproc(framework: Framework, seconds: float) -> Result:
    """One operation is a message of four frames from one greenlet to another."""
    green = framework.zmq
    with connected(green, green.PUSH, green.PULL) as [(push, pull)]:

        def send_all(count: int) -> None:
            send, message = push.send_multipart, [PAYLOAD] * FRAMES
            for _ in range(count):
                send(message)

        def receive_all(count: int) -> None:
            recv = pull.recv_multipart
            for _ in range(count):
                a, b, c, d = recv()
                if not len(a) == len(b) == len(c) == len(d) == SIZE:
                    raise WrongMessage

        return measure(together(framework, send_all, receive_all), seconds)


@contextmanager
def polled(green: ModuleType, count: int) -> Iterator[tuple[Any, list[tuple[Any, Any]]]]:
    """Give a poller with `count` PULL sockets, and the pairs in a shuffled order that is always the same."""
    with connected(green, green.PUSH, green.PULL, count) as pairs:
        poller = green.Poller()
        for _, pull in pairs:
            poller.register(pull, green.POLLIN)
        random.Random(count).shuffle(pairs)
        yield poller, pairs


def receive_ready(poller: Any, expected: Any) -> None:
    """Poll, and receive from the one socket that is ready."""
    ((pull, _),) = poller.poll()
    if pull is not expected or len(pull.recv()) != SIZE:
        raise WrongMessage


def poll(framework: Framework, seconds: float, count: int) -> Result:
    """One operation is a send to one of `count` sockets, a poll of all of them that finds it, and the recv."""
    with polled(framework.zmq, count) as (poller, pairs):

        def run(operations: int) -> float:
            start = now()
            for number in range(operations):
                push, pull = pairs[number % count]
                push.send(PAYLOAD)
                receive_ready(poller, pull)
            return now() - start

        return measure(run, seconds)


def poll_wait(framework: Framework, seconds: float, count: int) -> Result:
    """The same, but the poll is already waiting when another greenlet sends."""
    with polled(framework.zmq, count) as (poller, pairs):
        polling = framework.semaphore(0)

        def send_all(operations: int) -> None:
            for number in range(operations):
                polling.acquire()
                pairs[number % count][0].send(PAYLOAD)

        def receive_all(operations: int) -> None:
            for number in range(operations):
                polling.release()  # does not switch: the sender runs when the poll below lets it
                receive_ready(poller, pairs[number % count][1])

        return measure(together(framework, send_all, receive_all), seconds)


GREEN: dict[str, Callable[[Framework, float], Result]] = {
    "push-pull-inproc": push_pull_inproc,
    "push-pull-tcp": push_pull_tcp,
    "req-rep-inproc": req_rep_inproc,
    "router-200": partial(router, clients=200),
    "multipart-inproc": multipart_inproc,
    **{f"poller-{n}": partial(poll, count=n) for n in (10, 100, 400)},
    **{f"poller-wait-{n}": partial(poll_wait, count=n) for n in (10, 100, 400)},
}
