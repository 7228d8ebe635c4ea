"""A message arrives whole or not at all, also when its peer goes away between two of its frames."""

from __future__ import annotations

import os
import select
import threading
import time
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

import zmq as plain
from support.front_ends import LIMIT, FrontEnd

KINDS = {"PUSH": "PULL", "DEALER": "DEALER"}


def begin_to_leave(peer: Any, sender: Any) -> None:
    """Close a peer, and wait until the sender would hear of it, which it does with its next call."""
    sender.get(plain.EVENTS)
    news = select.poll()
    news.register(sender.fileno(), select.POLLIN)
    assert not news.poll(0)
    peer.close()
    assert news.poll(1000 * LIMIT)
    # A send looks at the news only about once a millisecond.
    time.sleep(0.003)


def leave(peer: Any, sender: Any) -> None:
    """Close a peer, and wait until it is gone, which is when the sender has agreed to the end of the pipe."""
    fd = peer.fileno()
    peer.close()
    end = time.monotonic() + LIMIT
    while is_open(fd):
        assert time.monotonic() < end
        sender.get(plain.EVENTS)


def is_open(fd: int) -> bool:
    try:
        os.fstat(fd)
    except OSError:
        return False
    return True


def begun(context: Any, zmq: ModuleType, kind: str) -> tuple[Any, Any, Any]:
    """Return a socket that has sent a first frame, who got it, and another peer."""
    sender = context.socket(getattr(zmq, kind))
    gone, other = (context.socket(getattr(zmq, KINDS[kind])) for _ in range(2))
    sender.bind("inproc://whole")
    gone.connect("inproc://whole")
    sender.send(b"head", zmq.SNDMORE)
    other.connect("inproc://whole")
    return sender, gone, other


LEAVE = {"about to leave": begin_to_leave, "gone": leave}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "finish",
    [
        lambda s, zmq: s.send(b"tail"),
        lambda s, zmq: (s.send(b"tail", zmq.SNDMORE), s.send(b"end")),
        lambda s, zmq: s.send_multipart([b"tail", b"end"]),
        lambda s, zmq: (s.send(b"tail", zmq.SNDMORE), s.send_multipart([b"more", b"end"])),
        lambda s, zmq: s.send(bytes(100_000), copy=False),
    ],
    ids=["send", "two sends", "send_multipart", "both", "send a lent one"],
)
@pytest.mark.parametrize("how", LEAVE)
def test_the_rest_of_a_message_whose_peer_has_gone_goes_to_nobody_else(
    context: Any, zmq: ModuleType, kind: str, how: str, finish: Callable[[Any, ModuleType], Any]
) -> None:
    sender, gone, other = begun(context, zmq, kind)
    LEAVE[how](gone, sender)
    sender.sndtimeo = int(1000 * LIMIT)
    finish(sender, zmq)
    sender.send_multipart([b"the", b"next"])
    assert other.recv_multipart() == [b"the", b"next"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("how", LEAVE)
def test_it_goes_to_nobody_else_also_where_others_wait_for_the_socket(
    context: Any, zmq: ModuleType, front_end: FrontEnd, kind: str, how: str
) -> None:
    sender, gone, other = begun(context, zmq, kind)
    # It waits on, as there is nothing to receive.
    polls = [front_end.spawn(sender.poll, 1000 * LIMIT, zmq.POLLIN)] if front_end.shares_sockets else []
    front_end.sleep(0.01)
    LEAVE[how](gone, sender)
    sender.send(b"tail")
    sender.send_multipart([b"the", b"next"])
    assert other.recv_multipart() == [b"the", b"next"]
    sender.close()
    for poll in polls:
        with pytest.raises(zmq.ZMQError):
            poll.get()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("how", LEAVE)
@pytest.mark.parametrize("when", [1, 2, 3])
def test_a_peer_that_goes_away_in_the_middle_of_a_message(
    context: Any, zmq: ModuleType, kind: str, how: str, when: int
) -> None:
    """Whole messages that a subclass sends frame by frame; after some of them the peer is gone."""
    steps: list[Callable[[], object]] = []

    class Sender(zmq.Socket):  # type: ignore[name-defined, misc]
        def send(self, *args: Any, **kwargs: Any) -> Any:
            result = super().send(*args, **kwargs)
            if steps:
                steps.pop(0)()
            return result

    sender = context.socket(getattr(zmq, kind), socket_class=Sender)
    gone, other = (context.socket(getattr(zmq, KINDS[kind])) for _ in range(2))
    sender.bind("inproc://whole")
    gone.connect("inproc://whole")
    sender.sndtimeo = int(1000 * LIMIT)
    steps += [bool] * (when - 1)
    steps.append(lambda: (other.connect("inproc://whole"), LEAVE[how](gone, sender)))
    sender.send_multipart([b"1", b"2", b"3", b"4"])
    assert not steps
    sender.send_multipart([b"the", b"next"])
    assert other.recv_multipart() == [b"the", b"next"]


def test_peers_that_come_and_go(context: Any, zmq: ModuleType) -> None:
    """At any moment, in native threads: whoever gets a message gets all of it, and the messages in their order."""
    sender = context.socket(zmq.PUSH)
    sender.hwm = 5
    sender.bind("inproc://whole")
    sender.sndtimeo = 50
    torn: list[Any] = []
    received = 0

    def receive(turns: int) -> None:
        nonlocal received
        shadow = plain.Context.shadow(context.underlying)
        last = -1
        for turn in range(turns):
            with shadow.socket(plain.PULL) as peer:
                peer.linger, peer.hwm, peer.rcvtimeo = 0, 5, int(1000 * LIMIT)
                peer.connect("inproc://whole")
                for _ in range(1 + turn % 7):
                    message = peer.recv_multipart()
                    if len({*message}) != 1 or len(message) != 6 or int(message[0]) <= last:
                        torn.append(message)
                    else:
                        last = int(message[0])
                    received += 1

    threads = [threading.Thread(target=receive, args=(150,), daemon=True) for _ in range(3)]
    for thread in threads:
        thread.start()
    number = 0
    while any(thread.is_alive() for thread in threads):
        try:
            sender.send_multipart([b"%d" % number] * 6)
        except zmq.Again:
            continue
        number += 1
    assert not torn
    assert number >= received >= 450
