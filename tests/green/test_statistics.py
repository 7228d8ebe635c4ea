"""What `statistics` tells of those who wait, to whoever has to find out why a service stands still."""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Callable
from socket import socketpair
from types import ModuleType
from typing import Any

import pytest

from support.front_ends import GreenFrontEnd, Task, wait_until
from support.programs import run
from support.waits import poller_of, start
from zmq.core.waiting.hub import thread_ident

Pair = Callable[..., tuple[Any, Any]]

KEYS = {
    *("kind", "waiter", "name", "thread", "thread_name", "function", "file", "line", "begun", "action", "waits_for"),
    *("sockets", "context", "descriptors", "fd", "events", "route", "seconds"),
}


def entry(zmq: ModuleType) -> dict[str, Any]:
    (found,) = zmq.statistics(objects=True)["waiting"]
    (plain,) = zmq.statistics()["waiting"]
    assert found.keys() == plain.keys() == KEYS
    json.dumps(plain)
    return found  # type: ignore[no-any-return]


def end(green: GreenFrontEnd, zmq: ModuleType, waiting: Task) -> None:
    green.kill(waiting)
    assert zmq.statistics()["waiting"] == []


SOCKET_WAITS: dict[str, tuple[str, Callable[[Any, ModuleType], Any]]] = {
    "recv": ("POLLIN", lambda s, zmq: s.recv()),
    "recv_multipart": ("POLLIN", lambda s, zmq: s.recv_multipart()),
    "poll": ("POLLIN", lambda s, zmq: s.poll()),
    "poll to send": ("POLLOUT", lambda s, zmq: s.poll(None, zmq.POLLOUT)),
    "send": ("POLLOUT", lambda s, zmq: s.send(b"x")),
}


@pytest.mark.parametrize("name", SOCKET_WAITS)
def test_who_waits_for_a_socket(green: GreenFrontEnd, zmq: ModuleType, context: Any, name: str) -> None:
    socket = context.socket(zmq.DEALER)
    events, call = SOCKET_WAITS[name]
    waiting = start(green, call, socket, zmq)
    green.sleep(0.005)
    found = entry(zmq)
    assert found["waits_for"] is socket and found["fd"] == socket.fileno() and found["sockets"] == [socket]
    assert found["events"] == getattr(zmq, events) and found["route"] is None
    assert found["action"] == ("poll" if "poll" in name else "receive" if events == "POLLIN" else "send")
    assert found["kind"] == "greenlet" and found["thread"] == thread_ident()
    assert (found["function"].rpartition(".")[2], found["file"]) == ("<lambda>", __file__)
    assert 0.004 < found["seconds"] < 60
    end(green, zmq, waiting)


def test_for_which_peer_somebody_waits(green: GreenFrontEnd, zmq: ModuleType, pair: Pair) -> None:
    router, dealer = pair(zmq.ROUTER, zmq.DEALER, hwm=1, routing_id=b"peer")
    router.router_mandatory = 1
    dealer.send(b"hello")
    router.recv_multipart()
    with pytest.raises(zmq.Again):
        while True:
            router.send_multipart([b"peer", b"fill"], zmq.NOBLOCK)
    waiting = start(green, router.send_multipart, [b"peer", b"late"])
    assert entry(zmq)["route"] == b"peer" and zmq.statistics()["waiting"][0]["route"] == "peer"
    end(green, zmq, waiting)


@pytest.mark.parametrize("others", [1, 20])
def test_who_polls_many(green: GreenFrontEnd, zmq: ModuleType, context: Any, others: int) -> None:
    sockets = [context.socket(zmq.PULL) for _ in range(others)]
    for call in (poller_of(zmq, zmq.POLLIN, *sockets).poll, lambda: zmq.select(sockets, [], [])):
        waiting = start(green, call)
        found = entry(zmq)
        assert found["waits_for"] == found["sockets"] == sockets and found["fd"] is None and found["seconds"] >= 0
        assert found["action"] == "poll"
        end(green, zmq, waiting)


def test_who_polls_objects_that_have_a_descriptor(green: GreenFrontEnd, zmq: ModuleType, context: Any) -> None:
    class Closed:
        def __init__(self, fd: int) -> None:
            self.fd: int | None = fd

        def fileno(self) -> int:
            if self.fd is None:
                raise ValueError("it is closed")
            return self.fd

    ours, theirs = socketpair()
    socket = context.socket(zmq.PULL, name="jobs")
    with ours, theirs:
        closed = Closed(theirs.fileno())
        waiting = start(green, poller_of(zmq, zmq.POLLIN, socket, ours, closed).poll)
        assert entry(zmq)["descriptors"] == [ours.fileno(), theirs.fileno()] and entry(zmq)["sockets"] == [socket]
        assert zmq.statistics()["waiting"][0]["waits_for"] == (
            f"PULL 'jobs'; descriptor {ours.fileno()}; descriptor {theirs.fileno()}"
        )
        closed.fd = None
        assert entry(zmq)["descriptors"] == [ours.fileno()]
        end(green, zmq, waiting)


def test_who_waits_for_the_end_of_a_context(green: GreenFrontEnd, zmq: ModuleType) -> None:
    context = zmq.Context()
    socket = context.socket(zmq.PULL)
    waiting = start(green, context.term)
    found = entry(zmq)
    assert found["waits_for"] is found["context"] is context and found["action"] == "term"
    assert [each["ends"] for each in zmq.statistics(objects=True)["contexts"] if each["context"] is context] == [True]
    context.name = "shop"
    assert (
        entry(zmq)["context"] is context and zmq.statistics()["waiting"][0]["waits_for"] == "the end of Context 'shop'"
    )
    socket.close()
    waiting.get()
    assert zmq.statistics()["waiting"] == []


def test_who_relays(green: GreenFrontEnd, zmq: ModuleType, context: Any) -> None:
    sockets = [context.socket(zmq.PULL), context.socket(zmq.PUSH)]
    waiting = start(green, zmq.proxy, *sockets)
    assert entry(zmq)["waits_for"] == sockets and entry(zmq)["action"] == "proxy"
    assert [each["in_proxy"] for each in zmq.statistics(objects=True)["sockets"] if each["socket"] in sockets] == [
        True
    ] * 2
    end(green, zmq, waiting)


def test_who_waits_for_what_was_lent(green: GreenFrontEnd, zmq: ModuleType, pair: Pair) -> None:
    push, pull = pair(zmq.PUSH, zmq.PULL)
    tracker = push.send(bytes(100_000), copy=False, track=True)
    waiting = start(green, tracker.wait)
    assert entry(zmq)["action"] == "tracker"
    assert zmq.statistics()["waiting"][0]["waits_for"] == "memory that was lent to libzmq"
    pull.recv()
    waiting.get()
    wait_until(green, lambda: zmq.statistics()["waiting"] == [])


def test_what_is_said_without_objects(green: GreenFrontEnd, zmq: ModuleType, context: Any) -> None:
    socket = context.socket(zmq.REP, name="orders")
    with socket.bind("inproc://orders"):
        waiting = start(green, socket.recv)
        everything = zmq.statistics()
        assert json.loads(json.dumps(everything)) == everything
        (found,) = everything["waiting"]
        assert found["waits_for"] == "REP 'orders' bound to inproc://orders"
        assert found["sockets"] == [hex(id(socket))] and found["context"] is None
        assert found["waiter"] in repr(zmq.statistics(objects=True)["waiting"][0]["waiter"])
        (shown,) = [each for each in everything["sockets"] if each["socket"] == hex(id(socket))]
        assert shown == {
            "socket": hex(id(socket)),
            "name": "orders",
            "type": "REP",
            "class": f"{zmq.__name__}.Socket",
            "context": hex(id(context)),
            "bound": ["inproc://orders"],
            "connected": [],
            "shadows": 0,
            "in_proxy": False,
            "counters": socket.counters(),
        }
        end(green, zmq, waiting)


def test_a_peer_that_is_no_text_is_shown_in_digits(green: GreenFrontEnd, zmq: ModuleType, pair: Pair) -> None:
    router, dealer = pair(zmq.ROUTER, zmq.DEALER, hwm=1, routing_id=b"\xff\x00peer")
    router.router_mandatory = 1
    dealer.send(b"hello")
    router.recv_multipart()
    with pytest.raises(zmq.Again):
        while True:
            router.send_multipart([b"\xff\x00peer", b"fill"], zmq.NOBLOCK)
    waiting = start(green, router.send_multipart, [b"\xff\x00peer", b"late"])
    assert zmq.statistics()["waiting"][0]["route"] == "0xff0070656572"
    end(green, zmq, waiting)


def test_a_poll_of_many_counts_as_a_wait(green: GreenFrontEnd, zmq: ModuleType, context: Any) -> None:
    sockets = [context.socket(zmq.PAIR) for _ in range(2)]
    sockets[0].bind("inproc://counted")
    sockets[1].connect("inproc://counted")
    before = zmq.statistics()
    waiting = start(green, poller_of(zmq, zmq.POLLIN, *sockets).poll)
    assert zmq.statistics()["parked"] == before["parked"] + 1
    sockets[1].send(b"news")
    waiting.get()
    assert zmq.statistics()["woken"] == before["woken"] + 1
    assert poller_of(zmq, zmq.POLLOUT, *(context.socket(zmq.PUSH) for _ in range(2))).poll(1) == []
    assert zmq.statistics()["expired"] == before["expired"] + 1


def test_a_plain_call_is_listed_with_its_thread(green: GreenFrontEnd, zmq: ModuleType, ledger: None) -> None:
    import zmq as plain

    with (
        plain.Context() as context,
        context.socket(plain.PULL, name="jobs") as pull,
        context.socket(plain.PUSH) as push,
    ):
        pull.bind("inproc://jobs")
        push.connect("inproc://jobs")
        idents: list[int] = []

        def work() -> None:
            idents.append(thread_ident())
            pull.recv()

        task = green.thread(work)
        wait_until(green, lambda: zmq.statistics()["blocked"])
        (found,) = zmq.statistics()["blocked"]
        assert found.keys() == KEYS and json.dumps(found)
        assert found["kind"] == "thread" and found["thread"] == idents[0] and found["action"] == "receive"
        assert (found["function"].rpartition(".")[2], found["file"]) == ("work", __file__)
        assert found["waits_for"] == "PULL 'jobs' bound to inproc://jobs" and found["waiter"] is None
        push.send(b"done")
        task.get()


def test_a_wait_is_listed_after_another_one_within_it(zmq: ModuleType, ledger: None) -> None:
    """The handler of a signal polls, while the main thread waits for a message."""
    import zmq as plain

    seen: list[list[str]] = []
    handled = threading.Event()

    def actions() -> list[str]:
        return [each["action"] for each in zmq.statistics()["blocked"] if each["thread"] == main]

    def look() -> None:
        while not actions():
            pass
        signal.pthread_kill(main, signal.SIGUSR1)
        handled.wait()
        # It is over within microseconds, or will be.
        while len(seen) < 1000:
            seen.append(actions())
        push.send(b"x")

    def handle(*_: object) -> None:
        other.poll(1)
        seen.append(actions())
        handled.set()

    main = threading.get_ident()
    before = signal.signal(signal.SIGUSR1, handle)
    try:
        with (
            plain.Context() as context,
            context.socket(plain.PULL) as pull,
            context.socket(plain.PUSH) as push,
            context.socket(plain.PAIR) as other,
        ):
            pull.bind("inproc://jobs")
            push.connect("inproc://jobs")
            thread = threading.Thread(target=look)
            thread.start()
            assert pull.recv() == b"x"
            thread.join()
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert {tuple(each) for each in seen} == {("receive",)}


def test_nothing_is_counted_before_anything_happens(front_end: GreenFrontEnd) -> None:
    program = """
        counted = {name: value for name, value in zmq.statistics().items() if isinstance(value, int)}
        assert counted.pop("pid") and len(counted) > 5 and not any(counted.values()), counted
    """
    run(front_end, program)
