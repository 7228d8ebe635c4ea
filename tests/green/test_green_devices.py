"""Devices and proxies of green sockets: the hub runs on, they can be stopped at any time, and lose nothing."""

from __future__ import annotations

import importlib
import random
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from errno import EBUSY
from types import ModuleType
from typing import Any

import eventlet
import gevent
import pytest

from support import TESTS
from support.front_ends import LIMIT, FrontEnd, GreenFrontEnd, Task, wait_until
from support.on_eventlet import Eventlet
from support.on_gevent import Gevent
from support.programs import run

Pair = Callable[..., tuple[Any, Any]]

#: The frameworks: what raises a time-out in a greenlet.
FRAMEWORKS = {"gevent": gevent, "eventlet": eventlet}
FORMS = ["device", "proxy", "proxy_steerable", "monitored_queue"]


@pytest.fixture(params=[Gevent(), Eventlet()], ids=lambda front_end: front_end.name)
def front_end(request: pytest.FixtureRequest) -> FrontEnd:
    return request.param


@pytest.fixture
def framework(front_end: FrontEnd) -> Any:
    return FRAMEWORKS[front_end.name]


@pytest.fixture
def devices(front_end: FrontEnd) -> ModuleType:
    return importlib.import_module(f"{front_end.zmq.__name__}.devices")


@pytest.fixture(params=FORMS)
def form(request: pytest.FixtureRequest, devices: ModuleType, zmq: ModuleType) -> Callable[..., None]:
    """A function that relays between two sockets, and may want more of them from the context."""
    function = getattr(devices, request.param)

    def relay(front: Any, back: Any) -> None:
        with front.context.socket(zmq.PULL) as control, front.context.socket(zmq.PUB) as monitor:
            arguments = {
                "device": (zmq.QUEUE, front, back),
                "proxy": (front, back, monitor),
                "proxy_steerable": (front, back, None, control),
                "monitored_queue": (front, back, monitor),
            }
            function(*arguments[request.param])

    return relay


# The hub stays free.

SOURCE = """
    import sys, time, zmq
    with zmq.Context() as context, context.socket(zmq.PUSH) as push:
        push.connect(sys.argv[1])
        count, end = 0, time.monotonic() + 0.5
        while time.monotonic() < end:
            for _ in range(1000):
                push.send(bytes(32))
            count += 1000
        push.send(b"%d" % count)
"""
SINK = """
    import sys, zmq
    with zmq.Context() as context, context.socket(zmq.PULL) as pull, context.socket(zmq.PUSH) as done:
        pull.connect(sys.argv[1])
        done.connect(sys.argv[2])
        count, message = 0, pull.recv()
        while len(message) == 32:
            count, message = count + 1, pull.recv()
        assert int(message) == count
        done.send(b"done")
"""
# Two proxies: one from tcp to inproc, one from there to tcp. A tick is late by the time for which the hub did not run
# although its thread could have had a processor: the kernel counts for how long that had to wait for one. What a host
# takes from a virtual machine it does not count: two ticks may be disturbed by that.
RELAYS = """
    import subprocess, sys, time
    sys.path.insert(0, sys.argv[2])
    from support.front_ends import named
    front_end = named(sys.argv[1])
    zmq = front_end.zmq

    def waited_for_a_processor():
        try:
            with open("/proc/thread-self/schedstat") as file:
                return int(file.read().split()[1]) / 1e9
        except OSError:
            # Not to be found out here: whatever the thread did not use.
            return time.monotonic() - time.thread_time()

    late = []
    def tick():
        while True:
            began, waited = time.monotonic(), waited_for_a_processor()
            front_end.sleep(0.005)
            late.append(time.monotonic() - began - 0.005 - (waited_for_a_processor() - waited))

    context = zmq.Context()
    def bound(kind, address):
        socket = context.socket(kind)
        socket.bind(address)
        return socket
    front, middle = bound(zmq.PULL, "tcp://127.0.0.1:*"), bound(zmq.PUSH, "inproc://middle")
    other, back = context.socket(zmq.PULL), bound(zmq.PUSH, "tcp://127.0.0.1:*")
    other.connect("inproc://middle")
    done = bound(zmq.PULL, "tcp://127.0.0.1:*")
    tasks = [front_end.spawn(zmq.proxy, front, middle), front_end.spawn(zmq.proxy, other, back)]
    places = [socket.get_string(zmq.LAST_ENDPOINT) for socket in (front, back, done)]
    peers = [
        subprocess.Popen([sys.executable, "-c", sys.argv[3], places[0]]),
        subprocess.Popen([sys.executable, "-c", sys.argv[4], *places[1:]]),
    ]
    front_end.spawn(tick)
    assert done.recv() == b"done"
    print(len(late), 1000 * sorted(late)[-3])
    context.destroy(linger=0)
    for task in tasks:
        try:
            task.get()
        except zmq.ZMQError:
            pass
    for peer in peers:
        peer.wait()
"""


def test_the_hub_ticks_while_messages_pass(front_end: FrontEnd) -> None:
    texts = [textwrap.dedent(text) for text in (RELAYS, SOURCE, SINK)]
    arguments = [front_end.name, str(TESTS), *texts[1:]]
    command = [sys.executable, "-X", "faulthandler", "-W", "error", "-c", texts[0], *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=50)
    assert done.returncode == 0 and not done.stderr, done.stderr
    ticks, late = map(float, done.stdout.split())
    assert ticks >= 20
    assert late <= 20


# What ends it.


class Stopper:
    """The ways to stop a proxy."""

    def __init__(self, front_end: FrontEnd, framework: Any) -> None:
        self.front_end = front_end
        self.framework = framework
        self.others: list[Task] = []

    def kill(self, task: Any, front: Any, back: Any) -> None:
        task.greenlet.kill()

    def close(self, task: Any, front: Any, back: Any) -> None:
        front.close()

    def close_the_other(self, task: Any, front: Any, back: Any) -> None:
        back.close()

    def close_in_a_native_thread(self, task: Any, front: Any, back: Any) -> None:
        threading.Thread(target=front.close).start()

    def term(self, task: Any, front: Any, back: Any) -> None:
        self.others.append(self.front_end.spawn(front.context.term))

    def destroy(self, task: Any, front: Any, back: Any) -> None:
        self.others.append(self.front_end.spawn(front.context.destroy, linger=0))


#: What the caller of the proxy then gets; "time_out" is a time-out of its own.
STOPS = {
    "kill": None,
    "time_out": "Timeout",
    "close": "ENOTSOCK",
    "close_the_other": "ENOTSOCK",
    "close_in_a_native_thread": "ENOTSOCK",
    "term": "ETERM",
    "destroy": "ENOTSOCK",
}
#: Seconds within which it has to stop, as a rule; a busy machine may be late now and then, but not as late as this.
SOON, LATE = 0.1, 2.0


@pytest.mark.parametrize("stop", STOPS)
@pytest.mark.parametrize("busy", [True, False], ids=["busy", "idle"])
def test_it_stops_soon(
    zmq: ModuleType,
    front_end: FrontEnd,
    framework: Any,
    form: Callable[..., None],
    ledger: None,
    stop: str,
    busy: bool,
) -> None:
    took = sorted(stop_once(zmq, front_end, framework, form, stop, busy) for _ in range(5))
    assert took[2] < SOON
    assert took[-1] < LATE


def stop_once(
    zmq: ModuleType, front_end: FrontEnd, framework: Any, form: Callable[..., None], stop: str, busy: bool
) -> float:
    """Stop a proxy; return after how many seconds its caller went on."""
    context = zmq.Context()
    sockets = [context.socket(kind) for kind in (zmq.PULL, zmq.PUSH, zmq.PUSH, zmq.PULL)]
    front, back, push, pull = sockets
    for socket in sockets:
        socket.set_hwm(0)
        socket.linger = 0
    for own, other in ((front, push), (back, pull)):
        own.bind(f"inproc://{id(own)}")
        other.connect(f"inproc://{id(own)}")
    ended: list[Any] = []
    due = 0.0

    def run() -> None:
        nonlocal due
        seconds = 0.03 if stop == "time_out" else None
        due = time.monotonic() + (seconds or 0)
        try:
            with framework.Timeout(seconds):
                form(front, back)
        except zmq.ZMQError as error:
            ended.append(zmq.Errno(error.errno).name)
        except framework.Timeout:
            ended.append("Timeout")
        finally:
            ended.append(time.monotonic())

    for _ in range(20_000 if busy else 1):
        push.send(b"message")
    task: Any = front_end.spawn(run)
    stopper = Stopper(front_end, framework)
    if stop != "time_out":
        assert pull.recv() == b"message"
        due = time.monotonic()
        getattr(stopper, stop)(task, front, back)
    wait_until(front_end, lambda: ended)
    *said, end = ended
    assert said == ([] if STOPS[stop] is None else [STOPS[stop]])
    for socket in sockets:
        socket.close()
    wait_until(front_end, lambda: task.greenlet.dead)
    for other in stopper.others:
        other.get()
    context.destroy()
    return end - due


def test_what_was_taken_is_passed_on_when_the_other_side_is_closed(
    pair: Pair, zmq: ModuleType, front_end: FrontEnd, form: Callable[..., None]
) -> None:
    """The rest can be received as ever: together all is there, in order."""
    front, push = pair(zmq.PULL, zmq.PUSH, hwm=0, linger=-1)
    back, pull = pair(zmq.PUSH, zmq.PULL, hwm=0, linger=-1)
    for name in numbered(0, 5000):
        push.send(name)
    task = front_end.spawn(form, front, back)
    passed = [pull.recv()]
    back.close()
    with pytest.raises(zmq.ZMQError):
        task.get()
    for socket, names in ((pull, passed), (front, rest := [])):
        with suppress(zmq.Again):
            while True:
                names.append(socket.recv(zmq.NOBLOCK))
    assert passed + rest == numbered(0, 5000)


@pytest.fixture
def rolling(pair: Pair, zmq: ModuleType) -> Any:
    """Two sockets to relay between, and their peers."""
    front, a = pair(zmq.DEALER, zmq.DEALER)
    back, b = pair(zmq.DEALER, zmq.DEALER)
    return front, back, a, b


def test_what_is_thrown_into_it_comes_out(
    rolling: Any, framework: Any, zmq: ModuleType, form: Callable[..., None]
) -> None:
    front, back, *_ = rolling
    for _ in range(3):
        timeout = framework.Timeout(0.01)
        with pytest.raises(framework.Timeout) as caught, timeout:
            form(front, back)
        assert caught.value is timeout
        with framework.Timeout(0.01, False):
            form(front, back)

    class Thrown(BaseException):
        pass

    greenlet = framework.spawn(form, front, back)
    framework.sleep(0.01)
    with pytest.raises(Thrown):
        # In eventlet it goes on to whoever waits for the greenlet, in gevent to whoever gets it.
        greenlet.kill(Thrown())
        getattr(greenlet, "get", getattr(greenlet, "wait", None))()


def test_the_sockets_can_be_used_directly_afterwards_and_again(
    rolling: Any, front_end: FrontEnd, zmq: ModuleType, form: Callable[..., None]
) -> None:
    front, back, a, b = rolling
    for i in range(20):
        task: Any = front_end.spawn(form, front, back)
        a.send_multipart([b"%d" % i, b"through"])
        assert b.recv_multipart() == [b"%d" % i, b"through"]
        b.send(b"back %d" % i)
        assert a.recv() == b"back %d" % i
        task.greenlet.kill()
        a.send(b"direct")
        assert front.recv() == b"direct"
        back.send(b"direct")
        assert b.recv() == b"direct"
        front.send_multipart([b"direct", b"too"])
        assert a.recv_multipart() == [b"direct", b"too"]
        assert front.poll(0) == 0
        front.rcvhwm = 100 + i
        assert front.rcvhwm == 100 + i


POLLERS = ["a Poller of few", "a Poller of many", "a Poller of many that was used"]


@pytest.mark.parametrize("wait", ["recv", "recv_multipart", "poll", *POLLERS, "send"])
def test_a_socket_that_a_greenlet_waits_for_is_refused(
    rolling: Any, pair: Pair, front_end: FrontEnd, zmq: ModuleType, wait: str
) -> None:
    front, back, a, b = rolling
    poller = zmq.Poller()
    poller.register(front, zmq.POLLIN)
    if wait.startswith("a Poller of many"):
        for _ in range(8):
            poller.register(pair()[0], zmq.POLLIN)
    if wait.endswith("that was used"):
        # From now on it waits by a set of bells.
        for _ in range(2):
            assert poller.poll(0) == []
    lonely = front.context.socket(zmq.PUSH)
    waits = {"recv": front.recv, "recv_multipart": front.recv_multipart, "poll": front.poll}
    waiting = front_end.spawn(lambda: lonely.send(b"1") if wait == "send" else waits.get(wait, poller.poll)())
    front_end.sleep(0.01)
    for ends in ((front, back), (back, front)):
        with pytest.raises(zmq.ZMQError) as caught:
            zmq.proxy(*ends, capture=lonely if wait == "send" else None)
        assert caught.value.errno == EBUSY
    # Nothing was done to them.
    if wait == "send":
        pull = front.context.socket(zmq.PULL)
        pull.bind("inproc://late")
        lonely.connect("inproc://late")
        assert pull.recv() == b"1"
    a.send(b"still")
    found = waiting.get()
    received = {"recv": [found], "recv_multipart": found}.get(wait)
    assert (received or front.recv_multipart()) == [b"still"]
    b.send(b"back")
    assert back.recv() == b"back"


# What was taken from one side.


def numbered(start: int, count: int) -> list[bytes]:
    return [b"%d" % i for i in range(start, start + count)]


@pytest.mark.parametrize("frames", [1, 3, 9])
def test_nothing_is_lost_however_often_it_is_stopped(
    connected: Pair, zmq: ModuleType, front_end: FrontEnd, form: Callable[..., None], frames: int
) -> None:
    """Nor twice there, nor in another order; also what goes past the proxy while it is stopped."""
    dice = random.Random(frames)
    front, push = connected(zmq.PULL, zmq.PUSH, hwm=20)
    back, pull = connected(zmq.PUSH, zmq.PULL, hwm=20)
    tail = [b"x"] * (frames - 1)
    total = 3000
    got: list[list[bytes]] = []

    def send() -> None:
        for name in numbered(0, total):
            push.send_multipart([name, *tail])

    def receive() -> None:
        while len(got) < total:
            got.append(pull.recv_multipart())
            if dice.random() < 0.02:
                front_end.sleep(0.001)  # stalls it

    sender, receiver = front_end.spawn(send), front_end.spawn(receive)
    stopped = 0
    while len(got) < total:
        task: Any = front_end.spawn(form, front, back)
        front_end.sleep(dice.choice((0, 0, 0.001, 0.002)))
        task.greenlet.kill()
        stopped += 1
        # A PUSH that has room takes the message: none is in hand here.
        while front.poll(0) and back.poll(0, zmq.POLLOUT):
            back.send_multipart(front.recv_multipart())
    sender.get()
    receiver.get()
    assert got == [[name, *tail] for name in numbered(0, total)]
    assert stopped > 20
    assert not pull.poll(0)


class Stalled:
    """A proxy to a ROUTER with ROUTER_MANDATORY, of whose two peers one does not receive."""

    def __init__(self, pair: Pair, zmq: ModuleType, front_end: FrontEnd) -> None:
        self.front_end = front_end
        self.zmq = zmq
        self.front, self.slow = pair(zmq.ROUTER, zmq.DEALER, hwm=2)
        self.front.router_mandatory = 1
        self.quick = self.front.context.socket(zmq.DEALER)
        self.quick.connect(self.front.get_string(zmq.LAST_ENDPOINT))
        self.back, self.worker = pair(zmq.DEALER, zmq.DEALER)
        self.capture, self.listener = pair(zmq.PUSH, zmq.PULL)
        self.names = {}
        for name in ("slow", "quick"):
            getattr(self, name).send(b"hello")
            self.names[name], _ = self.front.recv_multipart()

    def start(self) -> Any:
        return self.front_end.spawn(self.zmq.proxy, self.front, self.back, self.capture)

    def send(self, name: str, *frames: bytes) -> None:
        self.worker.send_multipart([self.names[name], *frames])

    def until_captured(self, count: int) -> None:
        """Wait until so many messages were captured, the last of which may be in hand."""
        for _ in range(count):
            self.listener.recv_multipart()


@pytest.fixture
def stalled(pair: Pair, zmq: ModuleType, front_end: FrontEnd) -> Stalled:
    return Stalled(pair, zmq, front_end)


def test_a_message_in_hand_is_the_next_of_its_socket(stalled: Stalled) -> None:
    """Four have room on their way; the fifth is captured, then in hand, and the others wait behind it."""
    task = stalled.start()
    for name in numbered(0, 10):
        stalled.send("slow", name, b"tail")
    stalled.until_captured(5)
    task.greenlet.kill()
    assert [stalled.slow.recv_multipart() for _ in range(4)] == [[name, b"tail"] for name in numbered(0, 4)]
    assert not stalled.slow.poll(10)
    # Received directly, or by the next proxy.
    assert stalled.back.poll(0)
    assert stalled.back.recv_multipart()[1:] == [b"4", b"tail"]
    task = stalled.start()
    assert [stalled.slow.recv_multipart()[0] for _ in range(5)] == numbered(5, 5)
    assert [stalled.listener.recv_multipart()[1] for _ in range(5)] == numbered(5, 5)
    assert not stalled.listener.poll(0)
    task.greenlet.kill()


def test_a_message_in_hand_stays_in_hand_while_it_cannot_go(stalled: Stalled) -> None:
    for name in numbered(0, 10):
        stalled.send("slow", name, *[b"x"] * 7)
    heard = 5
    for _ in range(20):
        task = stalled.start()
        if heard:
            stalled.until_captured(heard)
            heard = 0
        else:
            # It runs, and the other direction is free.
            stalled.quick.send(b"meanwhile")
            assert stalled.worker.recv_multipart() == [stalled.names["quick"], b"meanwhile"]
            stalled.until_captured(1)
        task.greenlet.kill()
    task = stalled.start()
    assert [stalled.slow.recv_multipart()[0] for _ in range(10)] == numbered(0, 10)
    stalled.until_captured(5)
    assert not stalled.listener.poll(0)
    task.greenlet.kill()


def test_a_message_in_hand_goes_with_its_socket(stalled: Stalled) -> None:
    task = stalled.start()
    for name in numbered(0, 10):
        stalled.send("slow", name)
    stalled.until_captured(5)
    task.greenlet.kill()
    stalled.back.close()
    assert [stalled.slow.recv() for _ in range(4)] == numbered(0, 4)
    assert not stalled.slow.poll(10)


def test_a_message_in_hand_for_somebody_who_left_is_dropped(stalled: Stalled) -> None:
    task = stalled.start()
    for name in numbered(0, 10):
        stalled.send("slow", name)
    stalled.until_captured(5)
    task.greenlet.kill()
    stalled.slow.close()
    stalled.send("quick", b"after all")
    task = stalled.start()
    assert stalled.quick.recv() == b"after all"
    task.greenlet.kill()


def test_green_devices_are_killed_and_stopped(devices: ModuleType, zmq: ModuleType, context: Any) -> None:
    for name in ("GreenDevice", "GreenProxy", "GreenProxySteerable", "GreenMonitoredQueue"):
        for end in ("kill", "stop"):
            cls = getattr(devices, name)
            device = cls(*([zmq.QUEUE] if name == "GreenDevice" else []), zmq.DEALER, zmq.DEALER)
            device.context_factory = lambda: context
            device.bind_in(f"inproc://{name} {end} in")
            device.bind_out(f"inproc://{name} {end} out")
            device.start()
            a, b = context.socket(zmq.DEALER), context.socket(zmq.DEALER)
            a.connect(f"inproc://{name} {end} in")
            b.connect(f"inproc://{name} {end} out")
            a.send(b"1")
            assert b.recv() == b"1"
            began = time.monotonic()
            device.launcher.kill() if end == "kill" else device.stop()
            device.join(LIMIT)
            assert time.monotonic() - began < 1
            assert device.done and all(socket.closed for socket in device._sockets)


def test_a_device_with_a_context_of_its_own_makes_no_hub_in_its_thread(green: GreenFrontEnd) -> None:
    """It ends that context as it does all else, without one: a hub that is left in a thread that ends stays open."""
    run(
        green,
        """
        import gc, os, time
        from zmq.devices import ThreadDevice

        def one():
            device = ThreadDevice(zmq.QUEUE, zmq.PULL, zmq.PUSH)
            device.context_factory = zmq.Context
            device.bind_in("inproc://in")
            device.bind_out("inproc://out")
            device.start()
            device.stop()
            device.join()

        def descriptors():
            return len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0

        one()
        gc.collect()
        before = descriptors()
        for _ in range(10):
            one()
        # What belongs to a thread is closed a moment after it has ended. Some are kept for the next waits of threads;
        # each hub has two at least.
        end = time.monotonic() + 5
        while descriptors() >= before + 10 and time.monotonic() < end:
            gc.collect()
            front_end.sleep(0.01)
        assert descriptors() < before + 10, (before, descriptors())
        """,
    )


def test_a_device_in_a_process_runs_no_greenlets_of_its_starter(green: GreenFrontEnd) -> None:
    run(
        green,
        """
        import multiprocessing, os, sys, time
        from zmq.devices import ProcessProxySteerable
        multiprocessing.set_start_method("fork")
        loopback = "tcp://127.0.0.1"
        ran = []

        def tick():
            while True:
                front_end.sleep(0.005)
                if os.getpid() != parent:
                    # The device's process: it is to end with 0.
                    os._exit(7)
                ran.append(1)

        parent = os.getpid()
        ticking = front_end.spawn(tick)
        device = ProcessProxySteerable(zmq.PULL, zmq.PUSH, zmq.PUB, zmq.REP)
        device.context_factory = zmq.Context
        jobs = device.bind_in_to_random_port(loopback)
        control = device.bind_ctrl_to_random_port(loopback)
        device.connect_out(f"{loopback}:9")
        # For so long its context ends.
        device.setsockopt_out(zmq.LINGER, 300)
        device.start()
        with zmq.Context() as context:
            context.linger = 0
            with context.socket(zmq.PUSH) as push, context.socket(zmq.REQ) as req:
                req.rcvtimeo = 10_000
                push.connect(f"{loopback}:{jobs}")
                req.connect(f"{loopback}:{control}")

                def say(word):
                    req.send(word)
                    return req.recv_multipart()

                push.send(b"job")
                while not int.from_bytes(say(b"STATISTICS")[0], sys.byteorder):
                    front_end.sleep(0.01)
                say(b"TERMINATE")
        device.join()
        front_end.sleep(0.05)
        assert device.launcher.exitcode == 0 and ran
        front_end.kill(ticking)
        """,
    )
