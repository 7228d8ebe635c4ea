"""Which peers come and go is counted, beside everything else a socket does, and nobody is held up by that."""

from __future__ import annotations

import errno
import gc
import socket as sockets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import zmq as plain
import zmq.metrics
from support import PRELOAD
from support.front_ends import LIMIT, FrontEnd, Threads, wait_until
from support.programs import before_libzmq, run
from zmq.utils.monitor import recv_monitor_message

Connected = Callable[..., tuple[Any, Any]]

pytestmark = pytest.mark.skipif(plain.zmq_version_info() < (4, 3), reason="this libzmq does not tell who came to terms")


def peers(socket: Any) -> Any:
    return socket.counters()["peers"]


def metric(which: str, /, **labels: str) -> float:
    samples = zmq.metrics.collect()[which]["samples"]
    return sum(each["value"] for each in samples if labels.items() <= each["labels"].items())


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:*", "ipc://*"])
def test_peers_that_come_and_go(front_end: FrontEnd, zmq: ModuleType, context: Any, address: str) -> None:
    server, client = context.socket(zmq.ROUTER), context.socket(zmq.DEALER)
    assert peers(server) is None
    for socket in (server, client):
        socket.watch_peers()
        socket.watch_peers()
    server.bind(address)
    client.connect(server.last_endpoint)
    wait_until(front_end, lambda: peers(server)["ready"] == peers(client)["ready"] == 1)
    assert (peers(server)["accepted"], peers(server)["connected"]) == (1, 0)
    assert (peers(client)["accepted"], peers(client)["connected"]) == (0, 1)
    assert peers(server)["disconnected"] == 0 and peers(server)["watched"]
    client.close()
    wait_until(front_end, lambda: peers(server)["disconnected"] == 1)
    wait_until(front_end, lambda: not peers(client)["watched"])
    assert peers(server)["ready"] == 1 and set(peers(server)["refused"].values()) == {0}
    server.close()
    wait_until(front_end, lambda: not peers(server)["watched"])


def test_one_thread_watches_any_number(front_end: FrontEnd, zmq: ModuleType, context: Any) -> None:
    """More than it has room for when it begins, and again more than it has then."""
    server = context.socket(zmq.PULL)
    server.bind("tcp://127.0.0.1:*")
    clients = [context.socket(zmq.PUSH) for _ in range(150)]
    for client in clients:
        client.watch_peers()
        client.connect(server.last_endpoint)
    wait_until(front_end, lambda: all(peers(client)["ready"] == 1 for client in clients))
    server.close()
    wait_until(front_end, lambda: all(peers(client)["disconnected"] == 1 for client in clients))


def test_who_speaks_another_protocol(front_end: FrontEnd, zmq: ModuleType, context: Any) -> None:
    server = context.socket(zmq.PULL)
    server.watch_peers()
    port = server.bind_to_random_port("tcp://127.0.0.1")
    with sockets.create_connection(("127.0.0.1", port)) as stranger:
        stranger.sendall(b"GET / HTTP/1.0\r\n\r\n" * 10)
        wait_until(front_end, lambda: peers(server)["accepted"])
    wait_until(front_end, lambda: sum(peers(server)["refused"].values()))
    assert peers(server)["ready"] == 0


def test_whose_judge_talks_nonsense(front_end: FrontEnd, zmq: ModuleType, context: Any) -> None:
    """What is wrong with the answers of ZAP is counted as such."""
    judge, server, client = context.socket(zmq.REP), context.socket(zmq.PULL), context.socket(zmq.PUSH)
    judge.bind("inproc://zeromq.zap.01")

    def babble() -> None:
        with suppress(zmq.ZMQError):
            while True:
                judge.recv_multipart()
                judge.send_multipart([b"nonsense"])

    front_end.spawn(babble)
    server.watch_peers()
    server.plain_server = True
    client.plain_username, client.plain_password = b"alice", b"right"
    client.connect(f"tcp://127.0.0.1:{server.bind_to_random_port('tcp://127.0.0.1')}")
    wait_until(front_end, lambda: peers(server)["refused"]["zap"])
    assert peers(server)["ready"] == 0


def test_who_is_not_let_in(front_end: FrontEnd, zmq: ModuleType, context: Any) -> None:
    judge, server, client = context.socket(zmq.REP), context.socket(zmq.PULL), context.socket(zmq.PUSH)
    judge.bind("inproc://zeromq.zap.01")
    server.name = name = f"strict in {zmq.__name__}"

    def refuse() -> None:
        with suppress(zmq.ZMQError):
            while True:
                version, sequence, *_ = judge.recv_multipart()
                judge.send_multipart([version, sequence, b"400", b"no", b"", b""])

    judging = front_end.spawn(refuse)
    server.watch_peers()
    client.watch_peers()
    server.plain_server = True
    client.plain_username, client.plain_password = b"mallory", b"guess"
    client.connect(f"tcp://127.0.0.1:{server.bind_to_random_port('tcp://127.0.0.1')}")
    wait_until(
        front_end, lambda: peers(server)["refused"]["authentication"] and peers(client)["refused"]["authentication"]
    )
    assert peers(server)["ready"] == 0
    assert metric("zmq_socket_refused_total", name=name, type="PULL", reason="authentication") >= 1
    assert metric("zmq_socket_connections_total", name=name, type="PULL", event="ready") == 0
    judge.close()
    judging.get()


def test_who_has_another_mechanism(front_end: FrontEnd, zmq: ModuleType, context: Any) -> None:
    server, client = context.socket(zmq.PULL), context.socket(zmq.PUSH)
    server.plain_server = True
    server.watch_peers()
    client.connect(f"tcp://127.0.0.1:{server.bind_to_random_port('tcp://127.0.0.1')}")
    wait_until(front_end, lambda: peers(server)["refused"]["mechanism"])
    assert peers(server)["ready"] == 0


def test_a_hub_that_is_stuck_does_not_matter(zmq: ModuleType, context: Any) -> None:
    server, client = context.socket(zmq.PULL), context.socket(zmq.PUSH)
    server.watch_peers()
    client.connect(f"tcp://127.0.0.1:{server.bind_to_random_port('tcp://127.0.0.1')}")
    end = time.monotonic() + LIMIT
    while peers(server)["ready"] == 0:
        assert time.monotonic() < end
        time.sleep(0.001)  # the thread


def test_a_shadow_watches_the_same(front_end: FrontEnd, zmq: ModuleType, context: Any) -> None:
    server = context.socket(zmq.PULL)
    shadow = server.__copy__()
    shadow.watch_peers()
    server.watch_peers()
    assert peers(server) == peers(shadow) and peers(server)["watched"]
    stranger = zmq.Socket.shadow(server.underlying)
    stranger.context = None
    with pytest.raises(zmq.ZMQError, match="context"):
        stranger.watch_peers()


def test_a_monitor_of_the_program_goes_before(front_end: FrontEnd, zmq: ModuleType, context: Any) -> None:
    socket = context.socket(zmq.PULL)
    monitor = socket.get_monitor_socket()
    with pytest.raises(zmq.ZMQError, match="one for each socket") as caught:
        socket.watch_peers()
    assert caught.value.errno == errno.EBUSY
    assert peers(socket) is None
    socket.bind("tcp://127.0.0.1:*")
    assert recv_monitor_message(monitor)["event"] == zmq.EVENT_LISTENING
    socket.disable_monitor()
    monitor.close()
    socket.watch_peers()
    # What stops a monitor of the program's stops no other.
    socket.disable_monitor()
    socket.monitor(None)
    assert peers(socket)["watched"]
    client = context.socket(zmq.PUSH)
    client.connect(socket.last_endpoint)
    wait_until(front_end, lambda: peers(socket)["ready"] == 1)
    monitor = socket.get_monitor_socket()
    wait_until(front_end, lambda: not peers(socket)["watched"])
    client.close()
    while recv_monitor_message(monitor)["event"] != zmq.EVENT_DISCONNECTED:
        pass
    assert (peers(socket)["ready"], peers(socket)["disconnected"]) == (1, 0)
    socket.disable_monitor()
    monitor.close()
    socket.watch_peers()
    assert peers(socket)["watched"] and peers(socket)["ready"] == 1


def test_a_watch_that_begins_before_the_last_is_over(front_end: FrontEnd, zmq: ModuleType, context: Any) -> None:
    """What ends the earlier one does not end it: libzmq's reaper is late."""
    socket = context.socket(zmq.ROUTER)
    socket.bind("tcp://127.0.0.1:*")
    for _ in range(20):
        socket.watch_peers()
        others = [context.socket(zmq.DEALER) for _ in range(50)]
        for other in others:
            other.close()
        monitor = socket.get_monitor_socket()
        socket.disable_monitor()
        monitor.close()
    socket.watch_peers()
    for number in range(1, 21):
        client = context.socket(zmq.DEALER)
        client.connect(socket.last_endpoint)
        wait_until(front_end, lambda number=number: peers(socket)["accepted"] >= number)
        assert peers(socket)["watched"]
        client.close()


def test_all_sockets_of_a_context(front_end: FrontEnd, zmq: ModuleType, context: Any) -> None:
    early, monitored = context.socket(zmq.PULL), context.socket(zmq.PULL)
    monitored.get_monitor_socket()
    context.watch_peers()
    late, pair = context.socket(zmq.PUSH), context.socket(zmq.PAIR)
    assert peers(early)["watched"] and peers(late)["watched"]
    assert peers(monitored) is None and peers(pair) is None
    late.connect(f"tcp://127.0.0.1:{early.bind_to_random_port('tcp://127.0.0.1')}")
    wait_until(front_end, lambda: peers(early)["ready"] == peers(late)["ready"] == 1)


@contextmanager
def in_time() -> Iterator[None]:
    begun = time.monotonic()
    yield
    assert time.monotonic() - begun < LIMIT


def test_nothing_holds_up_the_end(front_end: FrontEnd, zmq: ModuleType, ledger: None) -> None:
    for ending in ("close", "destroy", "term first"):
        context = zmq.Context()
        context.linger = 0
        context.watch_peers()
        server = context.socket(zmq.ROUTER)
        port = server.bind_to_random_port("tcp://127.0.0.1")
        clients = [context.socket(zmq.DEALER) for _ in range(5)]
        for client in clients:
            client.connect(f"tcp://127.0.0.1:{port}")
        with in_time():
            if ending == "destroy":
                context.destroy()
            elif ending == "close":
                for socket in (server, *clients):
                    socket.close()
                context.term()
            else:
                task = front_end.spawn(context.term)
                wait_until(front_end, lambda server=server: not peers(server)["watched"])
                for socket in (server, *clients):
                    socket.close()
                task.get()
        wait_until(front_end, lambda all=(server, *clients): not any(peers(socket)["watched"] for socket in all))


def test_what_is_told_of_a_socket_that_is_gone(front_end: FrontEnd, zmq: ModuleType, context: Any) -> None:
    labels = {"name": f"gone in {zmq.__name__}", "type": "PUSH", "event": "retried"}
    with sockets.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    own = zmq.Context()

    def send_to_nobody() -> None:
        with own.socket(zmq.PUSH, name=labels["name"]) as socket:
            socket.watch_peers()
            socket.reconnect_ivl = 10
            socket.connect(f"tcp://127.0.0.1:{port}")
            socket.send(b"x")

    send_to_nobody()
    gc.collect()
    before = metric("zmq_socket_connections_total", **labels)
    wait_until(front_end, lambda: metric("zmq_socket_connections_total", **labels) > before + 1)
    ending = front_end.spawn(own.term)
    receiver = context.socket(zmq.PULL)
    receiver.bind(f"tcp://127.0.0.1:{port}")
    assert receiver.recv() == b"x"
    ending.get()
    after = metric("zmq_socket_connections_total", **labels)
    assert after > before + 1 and metric("zmq_socket_connections_total", **{**labels, "event": "ready"}) <= 1


def test_a_forked_child(front_end: FrontEnd) -> None:
    run(
        front_end,
        """
        import os, time

        def ready(socket):
            return socket.counters()["peers"]["ready"]

        def meet(context):
            server, client = context.socket(zmq.PULL), context.socket(zmq.PUSH)
            server.watch_peers()
            client.connect(f"tcp://127.0.0.1:{server.bind_to_random_port('tcp://127.0.0.1')}")
            end = time.monotonic() + 20
            while not ready(server):
                assert time.monotonic() < end
                time.sleep(0.001)
            return server, client

        context = zmq.Context()
        server, client = meet(context)
        child = front_end.fork()
        if child == 0:
            with zmq.Context() as own:
                for socket in meet(own):
                    assert socket.counters()["messages_sent"] == 0
                    socket.close(0)
            os._exit(7)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
        assert ready(server) == 1 and server.counters()["peers"]["watched"]
        context.destroy(0)
        """,
    )


def test_what_comes_while_the_thread_looks_whether_more_came(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing else tells it of that, or of anything that comes later."""
    monkeypatch.setenv("LD_PRELOAD", before_libzmq(PRELOAD / "late_events.c", tmp_path))
    program = f"""
        import ctypes, time

        ctypes.CDLL(None).delay_events(30_000)
        with zmq.Context() as context, context.socket(zmq.PUSH) as socket:
            socket.linger = 0
            socket.watch_peers()
            socket.reconnect_ivl = 10
            socket.connect("ipc://{tmp_path}/nobody")
            end = time.monotonic() + {LIMIT}
            while (retried := socket.counters()["peers"]["retried"]) < 50:
                assert time.monotonic() < end, f"it tried again {{retried}} times"
                time.sleep(0.01)
    """
    run(Threads(), program)
