"""Many greenlets on few sockets, that time out, are killed and disturb one another.

Nothing is lost or comes twice, every sender's messages come in order, and nobody is forgotten.

Chance decides, from a fixed seed. The alarm that looks for wake-ups that were missed looks often here, so that one is
found before the next message covers it up; every test ends by asking how many it found.
"""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from types import ModuleType
from typing import Any

import pytest

import zmq as plain
import zmq.core.waiting.hub
from support.front_ends import LIMIT, GreenFrontEnd, Task, Threads, wait_until
from support.waits import poller_of

Run = Callable[[], None]
Around = Callable[[str, Run], None]
Connected = Callable[..., tuple[Any, Any]]

THREADS = Threads()

#: Bytes: enough of these fill the buffers of a connection to another process soon.
BULK = bytes(2000)

#: Options of sockets between which only a few messages of BULK find room.
NARROW = {"hwm": 2, "sndbuf": 4096, "rcvbuf": 4096}


@pytest.fixture(autouse=True)
def keen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zmq.core.waiting.sweep_alarm, "SWEEP_SECONDS", 0.02)
    # Marked or not.
    monkeypatch.setattr(zmq.core.waiting.sweep_alarm, "ROUNDS", 1)


class Crowd:
    """Greenlets that send, receive and poll on two sockets, and what came through."""

    def __init__(self, green: GreenFrontEnd, push: Any, pull: Any, senders: int) -> None:
        self.green, self.zmq = green, green.zmq
        self.push, self.pull = push, pull
        #: How many messages of each sender went out, and what came in.
        self.sent = [0] * senders
        self.got: list[tuple[int, int]] = []
        #: Whether a sender goes on.
        self.more: Callable[[int], bool] = lambda who: False
        #: Who pauses, so that the others have to wait: nobody, the senders or the receivers.
        self.pausing: list[Run] = []
        #: How often a call of each kind was broken off.
        self.hits: Counter[str] = Counter()

    # What greenlets do, once. Nothing here lets others run between the end of a call and the note of it.

    def keep(self, parts: list[bytes]) -> None:
        who, number, bulk = parts
        assert bulk == BULK
        self.got.append((int(who), int(number)))

    def recv(self) -> None:
        self.keep(self.pull.recv_multipart())

    def recv_frames(self) -> None:
        self.keep([bytes(frame) for frame in self.pull.recv_multipart(copy=False)])

    def take(self) -> None:
        """Receive what a poll told of, unless another was faster."""
        try:
            parts = self.pull.recv_multipart(self.zmq.NOBLOCK)
        except self.zmq.Again:
            return
        self.keep(parts)

    def poll(self) -> None:
        self.pull.poll()
        self.take()

    def poll_alone(self) -> None:
        poller_of(self.zmq, self.zmq.POLLIN, self.pull).poll()
        self.take()

    def poll_among_many(self) -> None:
        assert self.many.poll() == [(self.pull, self.zmq.POLLIN)]
        self.take()

    def select(self) -> None:
        self.zmq.select([self.pull], [], [])
        self.take()

    def next(self, who: int) -> list[bytes]:
        return [b"%d" % who, b"%d" % self.sent[who], BULK]

    def send(self, who: int) -> None:
        self.push.send_multipart(self.next(who))
        self.sent[who] += 1

    def poll_to_send(self, who: int) -> None:
        self.push.poll(None, self.zmq.POLLOUT)
        try:
            self.push.send_multipart(self.next(who), self.zmq.NOBLOCK)
        except self.zmq.Again:
            return
        self.sent[who] += 1

    # The whole of it.

    def start(self, around: Around, senders: bool = True) -> dict[Run, Task]:
        """Start several greenlets for each of the above; `around` makes one call, and may break it off."""
        others = [self.pull.context.socket(self.zmq.PAIR) for _ in range(9)]
        self.many = poller_of(self.zmq, self.zmq.POLLIN, self.pull, *others)
        receivers: list[Run] = []
        self.senders: list[Run] = []

        def add(runs: list[Run], call: Callable[..., None], *who: int) -> None:
            def run() -> None:
                while not who or self.more(*who):
                    if self.pausing is runs:
                        self.green.sleep(0.001)
                    else:
                        around(call.__name__, partial(call, *who))

            runs.append(run)

        def disturb() -> None:
            """Read EVENTS of both sockets, and so perhaps still their bells."""
            while True:
                self.push.poll(0)
                self.pull.get(self.zmq.EVENTS)
                self.green.sleep(0.001)

        for receive in (self.recv, self.recv_frames, self.poll, self.poll_alone, self.poll_among_many, self.select):
            add(receivers, receive)
            add(receivers, receive)
        for who in range(len(self.sent) * senders):
            add(self.senders, [self.send, self.send, self.poll_to_send][who % 3], who)
        self.sides = [[], self.senders, receivers]
        return {run: self.green.spawn(run) for run in [*receivers, *self.senders, disturb]}

    def weather(self, dice: random.Random) -> Iterator[None]:
        """Let it be a storm until every kind of call was broken off ten times, then calm; all that wait are served."""
        kinds = ["recv", "recv_frames", "poll", "poll_alone", "poll_among_many", "select", "send", "poll_to_send"]
        storm = True
        self.more = lambda who: storm
        end = time.monotonic() + LIMIT
        while not all(self.hits[kind] >= 10 for kind in kinds):
            assert time.monotonic() < end, f"not enough was broken off: {self.hits}"
            self.pausing = dice.choice(self.sides)
            yield
        storm = False
        self.pausing = self.sides[0]

    def finish(self, tasks: dict[Run, Task]) -> None:
        """Wait until all has come; see that it came once, and in the order in which each sender sent it."""
        for run in self.senders:
            tasks[run].get()
        wait_until(self.green, lambda: len(self.got) >= sum(self.sent))
        for task in tasks.values():
            self.green.kill(task)
        del self.many
        assert not self.pull.poll(0)
        for who, sent in enumerate(self.sent):
            assert [number for sender, number in self.got if sender == who] == list(range(sent))


@pytest.fixture
def crowd(green: GreenFrontEnd, connected: Connected, zmq: ModuleType) -> Crowd:
    pull, push = connected(zmq.PULL, zmq.PUSH, **NARROW)
    return Crowd(green, push, pull, senders=6)


def test_nothing_is_lost_between_many_that_send_receive_and_poll(crowd: Crowd) -> None:
    crowd.more = lambda who: crowd.sent[who] < 300
    crowd.finish(crowd.start(lambda name, call: call()))


def test_nothing_is_lost_in_a_storm_of_kills(green: GreenFrontEnd, crowd: Crowd) -> None:
    dice = random.Random(7)

    def around(name: str, call: Callable[[], None]) -> None:
        try:
            call()
        except BaseException:
            crowd.hits[name] += 1
            raise

    tasks = crowd.start(around)
    for _ in crowd.weather(dice):
        for run in dice.sample(list(tasks), 8):
            green.kill(tasks[run])
            tasks[run] = green.spawn(run)
            green.sleep(dice.choice([0, 0, 0.001]))
    crowd.finish(tasks)


def test_nothing_is_lost_in_a_storm_of_time_outs(green: GreenFrontEnd, crowd: Crowd) -> None:
    dice = random.Random(11)

    def around(name: str, call: Callable[[], None]) -> None:
        try:
            with green.Timeout(dice.choice([0, 0.001, 0.002])):
                call()
        except green.Timeout:
            crowd.hits[name] += 1

    tasks = crowd.start(around)
    for _ in crowd.weather(dice):
        green.sleep(0.005)
    crowd.finish(tasks)


def test_bells_that_other_threads_ring_at_any_time(crowd: Crowd) -> None:
    """What comes from native threads rings the bell between any two instructions of those who wait."""
    address = crowd.pull.get_string(plain.LAST_ENDPOINT)
    context = plain.Context.shadow(crowd.pull.context.underlying)
    each = 300
    over = threading.Event()

    def send(who: int) -> None:
        dice = random.Random(who)
        with context.socket(plain.PUSH) as push:
            push.connect(address)
            for i in range(each):
                push.send_multipart([b"%d" % who, b"%d" % i, BULK])
                time.sleep(dice.choice([0, 0, 0.0001, 0.0005]))
            # Over ipc libzmq may lose the last messages of a socket that closes while the other side is full.
            over.wait(LIMIT)

    tasks = crowd.start(lambda name, call: call(), senders=False)
    threads = [THREADS.spawn(send, who) for who in range(len(crowd.sent))]
    crowd.sent = [each] * len(threads)
    crowd.finish(tasks)
    over.set()
    for thread in threads:
        thread.get()


def test_requests_of_many_over_one_router(
    green: GreenFrontEnd, context: Any, zmq: ModuleType, endpoint: Callable[[], str]
) -> None:
    """Four serve one ROUTER; everybody also polls and times out."""
    router = context.socket(zmq.ROUTER)
    router.bind(endpoint())
    address = router.get_string(zmq.LAST_ENDPOINT)
    answered: Counter[int] = Counter()

    def serve() -> None:
        while True:
            router.send_multipart(router.recv_multipart())

    def disturb() -> None:
        while True:
            router.poll(0)
            router.get(zmq.EVENTS)
            green.sleep(0.001)

    def ask(number: int) -> None:
        with context.socket(zmq.DEALER) as dealer:
            dealer.connect(address)
            for i in range(30):
                question = [b"%d.%d" % (number, i), b""]
                dealer.send_multipart(question)
                if i % 3 == 0:
                    assert dealer.poll(10_000)
                if i % 3 == 1:
                    with green.Timeout(0.001 * (number % 5), False):
                        dealer.poll(1)
                assert dealer.recv_multipart() == question
                answered[number] += 1

    others = [green.spawn(serve) for _ in range(4)] + [green.spawn(disturb)]
    clients = [green.spawn(ask, i) for i in range(30)]
    for client in clients:
        client.get()
    assert answered == dict.fromkeys(range(30), 30)
    for task in others:
        green.kill(task)


def test_tokens_in_a_ring(green: GreenFrontEnd, connected: Connected, zmq: ModuleType) -> None:
    """Each waits for the one before: a wake-up that is lost or late stops or holds up all of them."""
    stations, tokens, rounds = 20, 3, 20
    links = [connected() for _ in range(stations)]
    passed = [0] * stations

    def station(number: int) -> None:
        source, target = links[number - 1][1], links[number][0]
        for _ in range(tokens * rounds):
            token = source.recv()
            passed[number] += 1
            target.send(token)

    tasks = [green.spawn(station, number) for number in range(stations)]
    for token in range(tokens):
        links[-1][0].send(b"%d" % token)
    for task in tasks:
        task.get()
    assert passed == [tokens * rounds] * stations
    # Which one is first depends on how far the first one had come when the last one was sent.
    assert sorted(links[-1][1].recv() for _ in range(tokens)) == [b"%d" % token for token in range(tokens)]
