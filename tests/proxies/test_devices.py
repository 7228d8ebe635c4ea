"""Devices that make their own sockets and run in the foreground, in threads, in processes and in greenlets."""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import select
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import zmq
import zmq.devices
from support.device_ways import EVERY_WAY, IN_THE_BACKGROUND, IN_THIS_PROCESS, LOOPBACK, Way, of, ways_of
from support.front_ends import FRONT_ENDS, LIMIT, FrontEnd, wait_until
from zmq.core.native_threads import NativeThread
from zmq.devices import basedevice

KINDS = ["Device", "Proxy", "ProxySteerable", "MonitoredQueue"]
WITH_COPIES = KINDS[1:]


@pytest.fixture(params=EVERY_WAY, ids=str)
def way(request: pytest.FixtureRequest, ledger: None) -> Iterator[Way]:
    with request.param as way:
        yield way


in_the_background = pytest.mark.parametrize("way", IN_THE_BACKGROUND, ids=str, indirect=True)
in_this_process = pytest.mark.parametrize("way", IN_THIS_PROCESS, ids=str, indirect=True)


def echo(way: Way, device: Any, **options: Any) -> None:
    """See that a device of two DEALERs passes messages both ways; it is at random ports."""
    front = way.peer(way.zmq.DEALER, device.bind_in_to_random_port(LOOPBACK), **options)
    back = way.peer(way.zmq.DEALER, device.bind_out_to_random_port(LOOPBACK))
    way.start(device)
    front.send_multipart([b"there", b"1"])
    assert back.recv_multipart() == [b"there", b"1"]
    back.send_multipart([b"back", b"2"])
    assert front.recv_multipart() == [b"back", b"2"]


# What they relay.


@pytest.mark.parametrize("kind", KINDS)
def test_requests_and_replies_pass(way: Way, kind: str) -> None:
    zmq = way.zmq
    device = way.make(kind, zmq.ROUTER, zmq.DEALER)
    client = way.peer(zmq.REQ, device.bind_in_to_random_port(LOOPBACK))
    worker = way.peer(zmq.REP, device.bind_out_to_random_port(LOOPBACK))
    way.start(device)

    def work() -> None:
        for _ in range(20):
            worker.send(worker.recv().upper())

    working = way.front_end.spawn(work)
    for i in range(20):
        client.send(b"request %d" % i)
        assert client.recv() == b"REQUEST %d" % i
    working.get()
    way.stop(device)


@pytest.mark.parametrize("kind", WITH_COPIES)
def test_a_third_socket_gets_a_copy_of_what_passes_either_way(way: Way, kind: str) -> None:
    zmq = way.zmq
    device = way.make(kind, zmq.DEALER, zmq.DEALER, zmq.PUSH)
    listener = way.peer(zmq.PULL, device.bind_mon_to_random_port(LOOPBACK))
    echo(way, device)
    names: dict[bool, list[bytes]] = {True: [b"in"], False: []}
    assert listener.recv_multipart() == [*names[kind == "MonitoredQueue"], b"there", b"1"]
    names[True] = [b"out"]
    assert listener.recv_multipart() == [*names[kind == "MonitoredQueue"], b"back", b"2"]
    way.stop(device)


def test_a_steerable_proxy_obeys(way: Way) -> None:
    zmq = way.zmq
    device = way.make("ProxySteerable", zmq.PULL, zmq.PUSH, ctrl_type=zmq.REP)
    push = way.peer(zmq.PUSH, device.bind_in_to_random_port(LOOPBACK))
    pull = way.peer(zmq.PULL, device.bind_out_to_random_port(LOOPBACK))
    control = way.peer(zmq.REQ, device.bind_ctrl_to_random_port(LOOPBACK))
    way.start(device)

    def say(command: bytes) -> list[int]:
        control.send(command)
        return [int.from_bytes(frame, "little") for frame in control.recv_multipart() if frame]

    push.send_multipart([b"1234", b"5"])
    assert pull.recv_multipart() == [b"1234", b"5"]
    assert say(b"STATISTICS") == [1, 5, 0, 0, 0, 0, 1, 5]
    assert say(b"PAUSE") == []
    push.send(b"later")
    assert say(b"STATISTICS") == [1, 5, 0, 0, 0, 0, 1, 5]
    assert not pull.poll(20)
    assert say(b"RESUME") == []
    assert pull.recv() == b"later"
    assert say(b"STATISTICS") == [2, 10, 0, 0, 0, 0, 2, 10]
    assert say(b"TERMINATE") == []
    way.join(device)


@pytest.mark.parametrize("ctrl_type", ["PAIR", "PULL", "SUB"])
def test_a_steerable_proxy_obeys_any_type_of_socket(way: Way, ctrl_type: str, tmp_path: Path) -> None:
    """The test's end binds: what a PUB sends is lost while nobody is connected, so it waits for the subscription."""
    zmq = way.zmq
    types = {"PAIR": (None, zmq.PAIR), "PULL": (zmq.PULL, zmq.PUSH), "SUB": (zmq.SUB, zmq.XPUB)}[ctrl_type]
    device = way.make("ProxySteerable", zmq.PULL, zmq.PUSH, ctrl_type=types[0])
    control = way.peer(types[1], f"ipc://{tmp_path}/control", bind=True)
    if ctrl_type == "SUB":
        device.setsockopt_ctrl(zmq.SUBSCRIBE, b"TERM")
    device.connect_ctrl(f"ipc://{tmp_path}/control")
    way.start(device)
    if ctrl_type == "SUB":
        assert control.recv() == b"\x01TERM"
    control.send(b"TERMINATE")
    way.join(device)


@pytest.mark.parametrize("socket_type", ["REP", "DEALER", "ROUTER", "PAIR"])
def test_one_socket_gives_back_what_it_gets(way: Way, socket_type: str) -> None:
    zmq = way.zmq
    device = way.make("Device", getattr(zmq, socket_type), -1)
    device.setsockopt_out(zmq.ROUTING_ID, b"both ends are the same")
    peer = {"REP": zmq.REQ, "DEALER": zmq.DEALER, "ROUTER": zmq.REQ, "PAIR": zmq.PAIR}[socket_type]
    client = way.peer(peer, device.bind_in_to_random_port(LOOPBACK))
    way.start(device)
    for i in range(10):
        client.send_multipart([b"%d" % i, b"tail"])
        assert client.recv_multipart() == [b"%d" % i, b"tail"]
    way.stop(device)


# How they are told what sockets to make.


def test_it_connects_and_sets_options_before(way: Way, tmp_path: Path) -> None:
    """Its names reach only peers that it connects to after it was given them."""
    zmq = way.zmq
    device = way.make("ProxySteerable", zmq.DEALER, zmq.DEALER, zmq.DEALER, zmq.SUB)
    peers = {}
    for name in ("in", "out", "mon"):
        peers[name] = way.peer(zmq.ROUTER, f"ipc://{tmp_path}/{name}", bind=True)
        getattr(device, f"connect_{name}")(f"ipc://{tmp_path}/{name}")
        getattr(device, f"setsockopt_{name}")(zmq.ROUTING_ID, b"the " + name.encode())
    control = way.peer(zmq.XPUB, f"ipc://{tmp_path}/ctrl", bind=True)
    device.connect_ctrl(f"ipc://{tmp_path}/ctrl")
    device.setsockopt_ctrl(zmq.SUBSCRIBE, b"T")
    for peer in peers.values():
        peer.router_mandatory = 1
    way.start(device)
    assert control.recv() == b"\x01T"

    def arrives() -> bool:
        try:
            peers["in"].send_multipart([b"the in", b"hello"])
        except zmq.ZMQError as error:
            assert error.errno == zmq.EHOSTUNREACH
            return False
        return True

    wait_until(way.front_end, arrives)
    assert peers["mon"].recv_multipart() == [b"the mon", b"hello"]
    assert peers["out"].recv_multipart() == [b"the out", b"hello"]
    control.send(b"TERMINATE")
    way.join(device)


@pytest.mark.parametrize("end", ["in", "out"])
def test_one_socket_gets_the_options_of_both_ends_before_it_connects(way: Way, end: str, tmp_path: Path) -> None:
    zmq = way.zmq
    device = way.make("Device", zmq.DEALER, -1)
    getattr(device, f"setsockopt_{end}")(zmq.ROUTING_ID, b"both")
    device.connect_in(f"ipc://{tmp_path}/in")
    router = way.peer(zmq.ROUTER, f"ipc://{tmp_path}/in", bind=True, router_mandatory=1)
    way.start(device)

    def arrives() -> bool:
        try:
            router.send_multipart([b"both", b"hello"])
        except zmq.ZMQError as error:
            assert error.errno == zmq.EHOSTUNREACH
            return False
        return True

    wait_until(way.front_end, arrives)
    assert router.recv_multipart() == [b"both", b"hello"]
    way.stop(device)


@pytest.mark.parametrize("end", ["in", "out", "mon", "ctrl"])
def test_every_end_binds_where_it_is_told(way: Way, end: str, tmp_path: Path) -> None:
    zmq = way.zmq
    device = way.make("ProxySteerable", zmq.PULL, zmq.PUSH, zmq.PUSH, zmq.PULL)
    for name in ("in", "out", "mon", "ctrl"):
        getattr(device, f"bind_{name}" if name == end else f"connect_{name}")(f"ipc://{tmp_path}/{name}")
    kinds = {"in": zmq.PUSH, "out": zmq.PULL, "mon": zmq.PULL, "ctrl": zmq.PUSH}
    peers = {name: way.peer(kind, f"ipc://{tmp_path}/{name}", bind=name != end) for name, kind in kinds.items()}
    way.start(device)
    peers["in"].send(b"1")
    assert peers["out"].recv() == peers["mon"].recv() == b"1"
    peers["ctrl"].send(b"TERMINATE")
    way.join(device)


def test_several_addresses(way: Way, tmp_path: Path) -> None:
    zmq = way.zmq
    device = way.make("Device", zmq.PULL, zmq.PUSH)
    for name in "ab":
        device.bind_in(f"ipc://{tmp_path}/{name}")
    first, second = (way.peer(zmq.PULL, f"ipc://{tmp_path}/{name}", bind=True) for name in "cd")
    for name in "cd":
        device.connect_out(f"ipc://{tmp_path}/{name}")
    way.start(device)
    for name in "ab":
        way.peer(zmq.PUSH, f"ipc://{tmp_path}/{name}").send(name.encode())
    assert sorted([first.recv(), second.recv()]) == [b"a", b"b"]
    way.stop(device)


@pytest.mark.parametrize("end", ["in", "out", "mon", "ctrl"])
def test_random_ports_keep_to_their_range(front_end: FrontEnd, ledger: None, end: str) -> None:
    zmq = front_end.zmq
    device = ways_of("Thread")[0].make("ProxySteerable", zmq.PULL, zmq.PUSH)
    reserve = getattr(device, f"bind_{end}_to_random_port")
    port = reserve(LOOPBACK, min_port=20_000, max_port=30_000)
    assert 20_000 <= port < 30_000
    others = [getattr(device, f"bind_{other}_to_random_port") for other in ("in", "out", "mon", "ctrl") if other != end]
    for other in others:
        # The port is free until the device starts, but promised.
        with pytest.raises(zmq.ZMQBindError):
            other(LOOPBACK, port, port + 1, 3)
    with zmq.Context() as context, context.socket(zmq.PULL) as taken:
        port = taken.bind_to_random_port(LOOPBACK)
        with pytest.raises(zmq.ZMQBindError):
            reserve(LOOPBACK, min_port=port, max_port=port + 1, max_tries=3)


@in_this_process
def test_others_run_while_a_device_waits_for_a_port_that_it_reserved(way: Way, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is given up by one of them."""
    device = way.make("Device", way.zmq.DEALER, way.zmq.DEALER)
    port = device.bind_in_to_random_port(LOOPBACK)
    tried, waited = [], set()

    class Watched(type(device)._poller_class):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            waited.add(threading.get_ident())

    def bind(self: Any, address: str, bind: Any = basedevice.Socket.bind) -> Any:
        tried.append(address)
        return bind(self, address)

    def takes() -> bool:
        try:
            taken.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True

    def give_up() -> None:
        wait_until(way.front_end, lambda: len(tried) > 5)
        taken.close()

    with socket.socket() as taken:
        # libzmq lets go of it a moment later.
        wait_until(way.front_end, takes)
        taken.listen()
        monkeypatch.setattr(basedevice, "PATIENCE", LIMIT)
        monkeypatch.setattr(basedevice.Socket, "bind", bind)
        monkeypatch.setattr(type(device), "_poller_class", Watched)
        giving = way.front_end.spawn(give_up)
        way.start(device)
        giving.get()
        wait_until(way.front_end, lambda: device._sockets)
        way.stop(device)
    # A native thread has no hub.
    assert not way.in_a_thread or waited <= {threading.get_ident()}


def test_random_ports_are_all_different(ledger: None) -> None:
    device = ways_of("Thread")[0].make("ProxySteerable", 7, 8)
    found = [
        getattr(device, f"bind_{end}_to_random_port")(LOOPBACK, 20_000, 20_100)
        for _ in range(5)
        for end in ("in", "out", "mon", "ctrl")
    ]
    assert len(set(found)) == 20


@in_this_process
def test_sockets_are_made_in_the_context_of_the_program(way: Way) -> None:
    device = way.make("Device", way.zmq.DEALER, way.zmq.DEALER)
    echo(way, device)
    instance = device.context_factory()
    assert instance is type(instance).instance()
    assert [socket.context for socket in device._sockets] == [instance, instance]
    way.stop(device)


def test_a_context_from_elsewhere(way: Way, tmp_path: Path) -> None:
    """It is asked for once, where the device runs."""
    made = []

    def factory() -> Any:
        made.append(way.zmq.Context())
        with open(tmp_path / "made", "a") as file:
            print(os.getpid(), file=file)
        return made[-1]

    device = way.make("Device", way.zmq.DEALER, way.zmq.DEALER)
    device.context_factory = factory
    echo(way, device)
    (process,) = (tmp_path / "made").read_text().split()
    assert (int(process) == os.getpid()) != way.in_a_process
    way.stop(device)
    for context in made:
        context.term()


def test_a_context_of_its_own_ends_with_it(way: Way) -> None:
    device = way.make("Device", way.zmq.DEALER, way.zmq.DEALER)
    factory = device.context_factory
    device.context_factory = getattr(factory, "__self__", factory)  # the class of `Context.instance`
    echo(way, device)
    way.stop(device)
    assert way.in_a_process or device._context.closed


@in_this_process
def test_a_context_of_its_own_may_be_terminated_by_another(way: Way) -> None:
    for _ in range(20):
        device = way.make("MonitoredQueue", way.zmq.ROUTER, way.zmq.DEALER)
        factory = device.context_factory
        device.context_factory = getattr(factory, "__self__", factory)
        way.start(device)
        wait_until(way.front_end, lambda device=device: device._sockets)
        way.front_end.spawn(device._context.term).get()
        way.join(device)
        assert device._context.closed


# How they run.


class Notes:
    """For devices that write down where they run, and that they do, before they do as ever."""

    notes: Path

    def run(self) -> None:
        self.notes.write_text(f"{os.getpid()} {threading.get_native_id()}")
        super().run()  # type: ignore[misc]


def test_where_it_runs(way: Way, tmp_path: Path) -> None:
    noting: Any = type("Noting", (Notes, way.named("Device")), {"notes": tmp_path / "notes"})
    device = of(noting, way.zmq.DEALER, way.zmq.DEALER)
    echo(way, device)
    process, thread = map(int, (tmp_path / "notes").read_text().split())
    assert (process == os.getpid()) != way.in_a_process
    if way.in_a_thread or way.in_a_process:
        assert thread != threading.get_native_id()
    if way.prefix == "Green":
        assert thread == threading.get_native_id()
    way.stop(device)


# Asks a device, which gives back what it gets, until it has been answered a hundred times.
ASKING = """
import os, sys, zmq
with zmq.Context() as context, context.socket(zmq.REQ) as socket:
    socket.connect(sys.argv[1])
    socket.send(b"0")
    socket.recv()
    os.write(1, b"begun")
    sys.stdin.readline()
    for i in range(100):
        socket.send(b"%d" % i)
        assert socket.recv() == b"%d" % i
    os.write(1, b"done")
"""


@in_this_process
def test_messages_pass_while_no_python_can_run(way: Way) -> None:
    """The interpreter is held, in C, until another process has got all its answers."""
    device = way.make("Device", way.zmq.ROUTER, -1)
    address = f"{LOOPBACK}:{device.bind_in_to_random_port(LOOPBACK)}"
    way.start(device)
    command = [sys.executable, "-c", ASKING, address]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as asking:
        assert asking.stdin is not None and asking.stdout is not None
        reader = asking.stdout.fileno()
        assert way.zmq.zmq_poll([(reader, way.zmq.POLLIN)], 1000 * LIMIT)
        assert os.read(reader, 100) == b"begun"
        asking.stdin.write("go\n")
        asking.stdin.flush()
        held = ctypes.PyDLL(None).poll(ctypes.byref(PollItem(reader, select.POLLIN)), 1, int(1000 * LIMIT))
        assert held == 1
        assert os.read(reader, 100) == b"done"
    way.stop(device)


class PollItem(ctypes.Structure):
    _fields_ = (("fd", ctypes.c_int), ("events", ctypes.c_short), ("revents", ctypes.c_short))

    def __init__(self, fd: int, events: int) -> None:
        super().__init__(fd, events, 0)


@in_the_background
def test_once_it_is_started_its_sockets_are_there(way: Way, tmp_path: Path) -> None:
    device = way.make("Device", way.zmq.PULL, way.zmq.PUSH)
    device.bind_in(f"ipc://{tmp_path}/in")
    device.bind_out(f"ipc://{tmp_path}/out")
    assert not (tmp_path / "in").exists()
    device.start()
    assert (tmp_path / "in").exists() and (tmp_path / "out").exists()
    device.stop()
    device.join(LIMIT)
    assert device.done


def test_join_waits_as_long_as_it_is_told(way: Way) -> None:
    device = way.make("Device", way.zmq.DEALER, way.zmq.DEALER)
    echo(way, device)
    for seconds in (0, 0.05):
        before = time.monotonic()
        device.join(seconds)
        assert time.monotonic() - before >= seconds
        assert not device.done
    way.stop(device)
    for seconds in (None, 0, LIMIT):
        device.join(seconds)
        assert not way.in_a_thread or not device.launcher.is_alive()


@in_the_background
def test_others_run_while_one_joins(way: Way) -> None:
    """The device ends only when the others have run."""
    device = way.make("Device", way.zmq.DEALER, way.zmq.DEALER)
    echo(way, device)
    ticks = []

    def tick() -> None:
        while len(ticks) < 5:
            way.front_end.sleep(0.005)
            ticks.append(device.done)
        device.stop()

    ticking = way.front_end.spawn(tick)
    way.join(device)
    ticking.get()
    assert ticks == [False] * 5


def test_stopping_again_does_nothing(way: Way) -> None:
    device = way.make("Device", way.zmq.DEALER, way.zmq.DEALER)
    echo(way, device)
    way.stop(device)
    device.stop()
    device.join(LIMIT)


@in_the_background
def test_it_is_started_once_and_joined_later(way: Way) -> None:
    device = way.make("Device", way.zmq.DEALER, way.zmq.DEALER)
    with pytest.raises(RuntimeError, match="not started"):
        device.join()
    echo(way, device)
    with pytest.raises(RuntimeError, match="once"):
        device.start()
    way.stop(device)
    with pytest.raises(RuntimeError, match="once"):
        device.start()


@in_the_background
def test_one_that_was_stopped_at_once_ends(way: Way, tmp_path: Path) -> None:
    """Also where nobody can tell when its sockets are there."""

    class Slow(way.named("Device")):  # type: ignore[misc, name-defined]
        def run_device(self) -> None:
            while not (tmp_path / "go").exists():
                way.pause()
            super().run_device()

    device = of(Slow, way.zmq.DEALER, way.zmq.DEALER)
    way.start(device)
    device.stop()
    (tmp_path / "go").touch()
    way.join(device)


# Subclasses.


@in_the_background
@pytest.mark.parametrize("method", ["run_device", "run"])
def test_a_subclass_may_run_something_else(way: Way, method: str, tmp_path: Path) -> None:
    def write(self: Any) -> None:
        (tmp_path / "notes").write_text("I was here")
        self.done = True

    device = of(type("Another", (way.named("Proxy"),), {method: write}), way.zmq.PULL, way.zmq.PUSH)
    way.start(device)
    way.join(device)
    assert (tmp_path / "notes").read_text() == "I was here"


@pytest.mark.parametrize("kind", KINDS)
def test_a_subclass_may_do_more(way: Way, kind: str, tmp_path: Path) -> None:
    class More(way.named(kind)):  # type: ignore[misc, name-defined]
        def run_device(self) -> None:
            (tmp_path / "before").touch()
            try:
                super().run_device()
            finally:
                (tmp_path / "after").touch()

    device = of(More, way.zmq.DEALER, way.zmq.DEALER)
    echo(way, device)
    assert (tmp_path / "before").exists() and not (tmp_path / "after").exists()
    way.stop(device)
    assert way.in_a_process or (tmp_path / "after").exists()


def test_a_subclass_may_use_the_sockets_itself(way: Way, tmp_path: Path) -> None:
    class Reverse(way.named("Device")):  # type: ignore[misc, name-defined]
        def run_device(self) -> None:
            front, back = self._setup_sockets()
            back.send(front.recv()[::-1])
            front.close()
            back.close()

    device = of(Reverse, way.zmq.PULL, way.zmq.PUSH)
    pull = way.peer(way.zmq.PULL, f"ipc://{tmp_path}/out", bind=True)
    device.connect_out(f"ipc://{tmp_path}/out")
    push = way.peer(way.zmq.PUSH, device.bind_in_to_random_port(LOOPBACK))
    way.start(device)
    push.send(b"abc")
    way.join(device)
    assert pull.recv() == b"cba"


def test_every_front_end_has_the_same_devices() -> None:
    names = {
        front_end.name: {
            name
            for name in __import__(f"{front_end.zmq.__name__}.devices", fromlist=["x"]).__all__
            if not name.startswith("Green")
        }
        for front_end in FRONT_ENDS
    }
    assert names["gevent"] == names["eventlet"] == names["threads"]


# What runs them.


class Launcher(threading.Thread):
    made = 0

    def __init__(self, *, target: Any) -> None:
        super().__init__(target=target)
        Launcher.made += 1


class LauncherOfProcesses(multiprocessing.get_context("fork").Process):  # type: ignore[misc, name-defined]
    made = 0

    def __init__(self, *, target: Any) -> None:
        super().__init__(target=target)
        LauncherOfProcesses.made += 1


@pytest.mark.parametrize("launcher", [Launcher, LauncherOfProcesses])
def test_a_launch_class_of_ones_own(launcher: Any, ledger: None) -> None:
    base = zmq.devices.ThreadDevice if launcher is Launcher else zmq.devices.ProcessDevice

    class Own(base):  # type: ignore[misc, valid-type]
        _launch_class = launcher

        context_factory = zmq.Context

    made = launcher.made
    device = Own(zmq.QUEUE, zmq.DEALER, zmq.DEALER)
    with zmq.Context() as context, context.socket(zmq.DEALER) as front, context.socket(zmq.DEALER) as back:
        front.connect(f"{LOOPBACK}:{device.bind_in_to_random_port(LOOPBACK)}")
        back.connect(f"{LOOPBACK}:{device.bind_out_to_random_port(LOOPBACK)}")
        device.start()
        assert launcher.made == made + 1 and type(device.launcher) is launcher
        assert device.launcher.daemon and device.launcher.name == "Own"
        front.send(b"1")
        assert back.poll(LIMIT * 1000) and back.recv() == b"1"
        device.stop()
        device.join(LIMIT)
    assert device.done


def test_launch_classes() -> None:
    assert zmq.devices.ThreadProxy._launch_class is NativeThread
    assert zmq.devices.ProcessProxy._launch_class is multiprocessing.Process
    device = zmq.devices.basedevice.BackgroundDevice(zmq.QUEUE, zmq.PULL, zmq.PUSH)
    with pytest.raises(NotImplementedError, match="has no _launch_class"):
        device.start()
