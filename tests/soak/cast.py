"""The processes of a soak: brokers, workers and clients, with greenlets of gevent or eventlet.

    python cast.py ROLE FRONT_END FOLDER SEED NUMBER BROKER...

BROKER are the front-ends of the brokers, which are known by these.

A process prints a line of JSON every second: what it did, what it is made of, and how long its hub was held up. Its
standard input ends it: a letter has it finish what it is at and print its last line, the end of the input ends it at
once.

What is promised, and looked at here:

requests  REQ and REP over a proxy, where workers are killed: a request that was not answered is sent again. Each is
          answered at last, an answer is that to its question, and there are no more answers than questions were sent.
pipeline  PUSH and PULL between processes that live on: every message arrives, once and in order, however often sends
          time out, are cancelled or find the queue full.
news      PUB and SUB: as long as a subscriber stays connected no message comes twice, and none after a later one.
"""

from __future__ import annotations

import contextlib
import faulthandler
import gc
import importlib
import json
import os
import random
import select
import sys
import threading
import time
import traceback
import warnings
import zlib
from collections.abc import Callable, Iterator
from typing import Any

os.environ["EVENTLET_TESTS"] = "1"  # otherwise it warns that it is old

TRANSPORTS = ("tcp", "ipc")
PACKAGES = {"gevent": "zmq.green", "eventlet": "zmq.eventlet"}
#: Seconds between two ticks of what looks whether the hub runs.
TICK = 0.005
#: Seconds from which on a delay is told.
TOLD_FROM = 0.01
#: Seconds after which a request is sent again, and after which it is given up.
AGAIN = 0.4
GIVEN_UP = 30.0
#: Of a client: those that ask, and those that push.
ASKING, PUSHING = 4, 2
#: Messages that a pipe of the pipeline holds.
HIGH_WATER = 5
END = b"end"


def delays() -> dict[str, float]:
    """Return for how many seconds each thread could have run, and others had the processor."""
    found = {}
    for thread in os.listdir("/proc/self/task"):
        # It may have ended.
        with contextlib.suppress(OSError), open(f"/proc/self/task/{thread}/schedstat") as file:
            found[thread] = int(file.read().split()[1]) / 1e9
    return found


class Collector:
    """For how many seconds Python's garbage collector has held up the program."""

    def __init__(self) -> None:
        self.seconds = self.begun = 0.0
        gc.callbacks.append(self.note)

    def note(self, phase: str, info: dict[str, int]) -> None:
        if phase == "start":
            self.begun = time.monotonic()
        else:
            self.seconds += time.monotonic() - self.begun


#: Of a tick that was late: when it was due and came, for how long others had the processor meanwhile, this thread
#: computed, and the garbage collector worked.
Late = tuple[float, float, float, float, float]


def late_ticks(sleep: Callable[[float], object]) -> Iterator[Late]:
    """Tick for ever; yield those ticks that were late."""
    collector = Collector()
    now, after, computed, collected = time.monotonic(), delays(), time.thread_time(), 0.0
    while True:
        sleep(TICK)
        # Without a gap: it may stand still anywhere.
        begun, now, before, after = now, time.monotonic(), after, delays()
        computing, computed = time.thread_time() - computed, time.thread_time()
        collecting, collected = collector.seconds - collected, collector.seconds
        if now - begun - TICK > TOLD_FROM:
            yield begun + TICK, now, stolen(before, after), computing, collecting


def stolen(before: dict[str, float], after: dict[str, float]) -> float:
    """Return how long the thread had to wait that had to wait longest: it may have had the GIL."""
    return max(delay - before.get(thread, 0.0) for thread, delay in after.items())


class Cast:
    """What all have in common: the framework, the report, and the end."""

    def __init__(self, front_end: str, folder: str, seed: str, number: str, *brokers: str) -> None:
        self.brokers = brokers
        self.front_end, self.folder, self.number = front_end, folder, number
        self.zmq: Any = importlib.import_module(PACKAGES[front_end])
        self.framework: Any = importlib.import_module(front_end)
        self.random = random.Random(f"{seed}/{type(self).__name__}/{number}")
        self.context = self.zmq.Context()
        self.finishing = False
        self.counts: dict[str, int] = {}
        self.wrong: list[str] = []
        self.stalls: list[Late] = []
        self.kept: list[Any] = []

    def count(self, what: str, number: int = 1) -> None:
        self.counts[what] = self.counts.get(what, 0) + number

    def socket(self, kind: str, **options: Any) -> Any:
        socket = self.context.socket(getattr(self.zmq, kind))
        socket.linger = 0
        for name, value in options.items():
            setattr(socket, name, value)
        return socket

    def spawn(self, function: Any, *arguments: Any) -> Any:
        return self.framework.spawn(self.carefully, function, *arguments)

    def carefully(self, function: Any, *arguments: Any) -> None:
        try:
            function(*arguments)
        except self.zmq.Again:
            pass  # of one that is to be killed while it waits; the time may be up before
        except Exception:
            self.wrong.append(traceback.format_exc())

    def sleep(self, seconds: float) -> None:
        self.framework.sleep(seconds)

    def address(self, broker: str, what: str, transport: str) -> str:
        """Return where a broker is; it writes down its ports."""
        path = f"{self.folder}/{broker}-{what}-{transport}"
        while not os.path.exists(path):
            self.sleep(0.01)
        with open(path) as file:
            return file.read()

    def tick(self) -> None:
        """Look whether the hub comes back in time, and what others had of it."""
        for late in late_ticks(self.sleep):
            self.stalls.append(late)

    def report(self, last: bool = False) -> None:
        stalls, self.stalls = self.stalls, []
        with open("/proc/self/statm") as file:
            resident = int(file.read().split()[1]) * os.sysconf("SC_PAGESIZE")
        with open("/proc/self/status") as file:
            switches = next(int(line.split()[1]) for line in file if line.startswith("nonvoluntary"))
        line = {
            "time": time.monotonic(),
            "resident": resident,
            "descriptors": len(os.listdir("/proc/self/fd")),
            "involuntary": switches,
            "missed": self.zmq.statistics()["missed"],
            "stalls": stalls,
            "counts": self.counts,
            "wrong": self.wrong[:3],
            "last": last,
        }
        print(json.dumps(line), flush=True)

    def hear_the_end(self) -> None:
        if os.read(0, 1):
            self.finishing = True
            os.read(0, 1)
        os._exit(0)

    def run(self) -> None:
        threading.Thread(target=self.hear_the_end, daemon=True).start()
        self.begin()
        self.framework.spawn(self.tick)
        while not self.finishing:
            self.report()
            for _ in range(20):
                if not self.finishing:
                    self.sleep(0.05)
        self.finish()
        self.report(True)
        while True:
            self.sleep(1)

    def begin(self) -> None:
        """Start what this one does."""

    def finish(self) -> None:
        """Come to an end."""

    def wait_for(self, condition: Any, what: str, seconds: float = GIVEN_UP) -> None:
        end, told = time.monotonic() + seconds, time.monotonic()
        while not condition():
            if time.monotonic() > end:
                who = [f"{each['action']}: {each['waits_for']}" for each in self.zmq.statistics()["waiting"]]
                self.wrong.append(f"waited in vain: {what}; these wait: {who}")
                return
            if time.monotonic() > told + 1:
                told = time.monotonic()
                self.report()
            self.sleep(0.01)


class Broker(Cast):
    """Hands requests to workers, takes the pipeline's messages and publishes."""

    def begin(self) -> None:
        self.front, self.back = self.socket("ROUTER"), self.socket("DEALER")
        self.pull, self.news = self.socket("PULL", rcvhwm=HIGH_WATER, rcvbuf=4096), self.socket("PUB")
        self.next: dict[str, int] = {}
        self.ended: dict[str, int] = {}
        for transport in TRANSPORTS:
            for what in ("front", "back", "pull", "news"):
                socket = getattr(self, what)
                name = f"{self.folder}/{self.front_end}-{what}"
                socket.bind("tcp://127.0.0.1:*" if transport == "tcp" else f"ipc://{name}.socket")
                with open(f"{name}-{transport}.new", "w") as file:
                    file.write(socket.get_string(self.zmq.LAST_ENDPOINT))
                os.rename(file.name, f"{name}-{transport}")
        self.spawn(self.relay)
        self.spawn(self.publish)
        self.spawn(self.take)

    def relay(self) -> None:
        self.zmq.proxy(self.front, self.back)

    def publish(self) -> None:
        number = 0
        while True:
            self.news.send(b"%d" % number)
            number += 1
            self.sleep(0.005)

    def take(self) -> None:
        """Take the pipeline's messages, in every way; now and then nobody does for a while."""
        while True:
            chance = self.random.random()
            if chance < 0.01:
                self.sleep(self.random.uniform(0, 0.05))
            elif chance < 0.2:
                with contextlib.suppress(self.zmq.Again):
                    self.note(self.pull.recv_multipart(self.zmq.NOBLOCK))
            elif chance < 0.5:
                # Who is killed while he waits takes nothing with him.
                taker = self.spawn(self.take_one)
                self.sleep(self.random.choice([0, 0.0005, 0.002]))
                taker.kill()
            elif chance < 0.75:
                if self.pull.poll(self.random.randrange(5)):
                    self.note(self.pull.recv_multipart())
            else:
                self.pull.rcvtimeo = self.random.randrange(5)
                with contextlib.suppress(self.zmq.Again):
                    self.note(self.pull.recv_multipart(copy=False))
                self.pull.rcvtimeo = -1
            # Nobody here leaves the processor by himself as long as messages come.
            self.sleep(0)

    def take_one(self) -> None:
        self.note(self.pull.recv_multipart())

    def note(self, message: list[Any]) -> None:
        who, number = (bytes(part).decode() for part in message)
        if number == END.decode():
            self.ended[who] = self.next.get(who, 0)
            return
        self.count("pipeline")
        wanted = self.next.get(who, 0)
        if int(number) != wanted:
            self.wrong.append(f"pipeline: {who} sent {wanted}, and {number} came")
        self.next[who] = int(number) + 1

    def finish(self) -> None:
        self.wait_for(lambda: len(self.ended) == len(self.next), "for the ends of the pipelines")


class Worker(Cast):
    """Answers requests, until it is killed."""

    def begin(self) -> None:
        for broker in self.brokers:
            for transport in TRANSPORTS:
                self.spawn(self.work, self.address(broker, "back", transport))

    def work(self, address: str) -> None:
        socket = self.socket("REP")
        socket.connect(address)
        while True:
            name, data = socket.recv_multipart()
            if self.random.random() < 0.2:
                self.sleep(self.random.uniform(0, 0.003))
            socket.send_multipart([name, b"%d" % zlib.crc32(data)])
            self.count("answered")


class Client(Cast):
    """Asks, pushes and subscribes, and has everything happen to its sockets."""

    def begin(self) -> None:
        self.busy = 0
        self.sent: dict[bytes, int] = {}
        self.answers: dict[bytes, int] = {}
        ways = [(broker, transport) for broker in self.brokers for transport in TRANSPORTS]
        for number in range(ASKING):
            self.spawn(self.ask_on, number, *ways[number % len(ways)])
        for number in range(PUSHING):
            self.spawn(self.push, number, *ways[(number + int(self.number)) % len(ways)])
        for way in ways[int(self.number) % 2 :: 2]:
            self.spawn(self.subscribe, *way)
        self.spawn(self.fork_on)

    def finish(self) -> None:
        self.wait_for(lambda: not self.busy, "for those who ask and push", 2 * GIVEN_UP)

    # Requests.

    def ask_on(self, number: int, broker: str, transport: str) -> None:
        self.busy += 1
        address = self.address(broker, "front", transport)
        socket = self.connect(address)
        request = 0
        while not self.finishing:
            name = b"%d-%d-%d" % (int(self.number), number, request)
            request += 1
            socket = self.ask(socket, address, name)
            chance = self.random.random()
            if chance < 0.01:
                for _ in range(self.random.randrange(10)):
                    with contextlib.suppress(self.zmq.ZMQError):
                        socket.disconnect(address)
                    socket.connect(address)
            elif chance < 0.02:
                socket.close()
                socket = self.connect(address)
            elif chance < 0.03:
                self.monitor(socket)
            self.sleep(self.random.uniform(0, 0.02))
        self.busy -= 1

    def connect(self, address: str) -> Any:
        socket = self.socket("DEALER", reconnect_ivl=5)
        socket.connect(address)
        self.count("connections")
        return socket

    def ask(self, socket: Any, address: str, name: bytes) -> Any:
        """Ask until there is an answer; return the socket, which may be another one then."""
        data = self.random.randbytes(self.random.choice([0, 10, 1000, 40000]))
        given_up = time.monotonic() + GIVEN_UP
        while True:
            socket.sndtimeo = 50
            with contextlib.suppress(self.zmq.Again):
                socket.send_multipart([b"", name, data], copy=self.random.random() < 0.5)
                self.sent[name] = self.sent.get(name, 0) + 1
                self.count("questions")
            end = time.monotonic() + AGAIN
            while time.monotonic() < end:
                answer = self.hear(socket)
                if answer is None:
                    continue
                _, found, sum_ = (bytes(part) for part in answer)
                self.answers[found] = self.answers.get(found, 0) + 1
                if self.answers[found] > self.sent.get(found, 0):
                    self.wrong.append(f"requests: {self.answers[found]} answers, {self.sent.get(found, 0)} questions")
                if found == name:
                    if int(sum_) != zlib.crc32(data):
                        self.wrong.append("requests: the answer is that to something else")
                    self.count("answers")
                    self.forget(name)
                    return socket
                self.count("late answers")
            if time.monotonic() > given_up:
                self.wrong.append(f"requests: no answer in {GIVEN_UP:.0f} s")
                return socket
            self.count("asked again")

    def forget(self, name: bytes) -> None:
        """Remember only what was sent more than once, of which more answers may come: memory has to be flat."""
        if self.sent[name] == self.answers[name]:
            # One that comes now is one too many, as nothing is remembered of it.
            del self.sent[name], self.answers[name]
        while len(self.sent) > 1000:
            first = next(iter(self.sent))
            del self.sent[first]
            self.answers.pop(first, None)

    def hear(self, socket: Any) -> Any:
        """Receive in one of the ways that end soon; None where nothing came."""
        chance = self.random.random()
        if chance < 0.3:
            got: list[Any] = []
            hearer = self.spawn(lambda: got.append(socket.recv_multipart()))
            self.sleep(self.random.choice([0, 0.001, 0.01]))
            hearer.kill()
            return got[0] if got else None
        if chance < 0.5:
            return socket.recv_multipart(copy=False) if socket.poll(20) else None
        socket.rcvtimeo = self.random.choice([1, 20, 100])
        try:
            return socket.recv_multipart()
        except self.zmq.Again:
            self.count("time-outs")
            return None

    def monitor(self, socket: Any) -> None:
        """Have a monitor for a while, which is read or not."""
        monitor = socket.get_monitor_socket()
        self.count("monitors")
        if self.random.random() < 0.5:
            monitor.poll(1)
        socket.disable_monitor()
        monitor.close()

    # The pipeline.

    def push(self, number: int, broker: str, transport: str) -> None:
        self.busy += 1
        who = f"{self.number}-{number}".encode()
        socket = self.socket("PUSH", sndhwm=HIGH_WATER, sndbuf=4096, linger=-1)
        socket.connect(self.address(broker, "pull", transport))
        # Until everything has come: where the reader's queue is full, libzmq drops what a connection had still to give
        # when the other side closes, whatever that one's LINGER is.
        self.kept.append(socket)
        message = 0
        while not self.finishing:
            if self.push_one(socket, [who, b"%d" % message]):
                message += 1
            if self.random.random() < 0.3:
                self.sleep(self.random.uniform(0, 0.01))
        while not self.push_one(socket, [who, END]):
            pass
        self.count("pushed", message)
        self.busy -= 1

    def push_one(self, socket: Any, parts: list[bytes]) -> bool:
        """Send in one of the ways that end soon; return whether it was."""
        chance = self.random.random()
        try:
            if chance < 0.3:
                socket.send_multipart(parts, self.zmq.NOBLOCK)
            elif chance < 0.6:
                sent: list[bool] = []
                pusher = self.spawn(lambda: sent.append(socket.send_multipart(parts) is None))
                self.sleep(self.random.choice([0, 0.001]))
                pusher.kill()
                if not sent:
                    self.count("cancelled")
                return bool(sent)
            else:
                socket.sndtimeo = self.random.randrange(4)
                socket.send_multipart(parts, copy=self.random.random() < 0.5)
            return True
        except self.zmq.Again:
            self.count("full queues")
            self.sleep(0)
            return False

    # News.

    def subscribe(self, broker: str, transport: str) -> None:
        address = self.address(broker, "news", transport)
        while True:
            for _ in range(self.random.choice([1, 1, 20])):
                socket = self.socket("SUB", rcvtimeo=20)
                socket.subscribe(b"")
                socket.connect(address)
                self.count("connections")
                end, last = time.monotonic() + self.random.choice([0, 0.01, 0.5, 2]), -1
                while time.monotonic() < end:
                    with contextlib.suppress(self.zmq.Again):
                        number = int(socket.recv())
                        self.count("news")
                        if number <= last:
                            self.wrong.append(f"news: {number} after {last}")
                        last = number
                socket.close()
            self.sleep(0.001)

    # Forks.

    def fork_on(self) -> None:
        """Fork now and then: the child can use nothing that it inherited, and harms nobody."""
        inherited = self.socket("DEALER")
        while True:
            self.sleep(self.random.uniform(0.5, 2))
            child = os.fork()
            if child == 0:
                status = 1
                with contextlib.suppress(self.zmq.ZMQError):
                    inherited.send(b"from a child", self.zmq.NOBLOCK)
                    status = 2
                os._exit(0 if status == 1 else status)
            while True:
                pid, status = os.waitpid(child, os.WNOHANG)
                if pid:
                    break
                self.sleep(0.005)
            if status:
                self.wrong.append(f"forks: the child ended with {status}")
            self.count("forks")


def witness() -> None:
    """Tell of each time in which this could have run and did not, though nobody else had the processor."""

    def sleep(seconds: float) -> None:
        if select.select([sys.stdin], [], [], seconds)[0]:
            sys.exit()  # who asked has ended

    for due, came, others, _, _ in late_ticks(sleep):
        if came - due - others > TOLD_FROM:
            # It may have been asleep still when all stood still.
            print(json.dumps([due - TICK, came]), flush=True)


def main() -> None:
    role, *rest = sys.argv[1:]
    if role == "witness":
        witness()
    faulthandler.enable()
    warnings.simplefilter("ignore")
    gc.freeze()
    {"broker": Broker, "worker": Worker, "client": Client}[role](*rest).run()


if __name__ == "__main__":
    main()
