"""Proxies of green sockets under any sequence of messages, commands, kills and closes, searched by hypothesis.

A relay's loop runs in a native thread, which a fake hub cannot carry. It is steered instead: its control socket answers
STATISTICS, and between two answers it has moved all that was there before the first. So whatever a rule does, it waits
for two answers, and the model, which is the messages of each direction in order, knows where they are.
"""

from __future__ import annotations

import errno
import itertools
import select
import struct
from collections import deque

import hypothesis.strategies as st
from hypothesis.stateful import initialize, invariant, rule
from machine import Machine, picks, rarely, sides, terminate, who_polls

import zmq
from support.fake_hub import FakeHub, Killed, Task, green
from support.front_ends import LIMIT

numbers = itertools.count()

#: Front end, back end and those who talk to them; the first of each pair is in the proxy.
KINDS = {
    "pairs": ((zmq.PAIR, zmq.PAIR), (zmq.PAIR, zmq.PAIR)),
    "dealers": ((zmq.DEALER, zmq.DEALER), (zmq.DEALER, zmq.DEALER)),
    "one way": ((zmq.PULL, zmq.PUSH), (zmq.PUSH, zmq.PULL)),
}
ROLES = ("front", "back", "capture", "control")


class Relaying(Machine):
    """A proxy that is started, steered and ended, again and again, with the same sockets."""

    def __init__(self) -> None:
        super().__init__()
        self.hub = FakeHub()
        self.hub.yields = False
        self.Context, _, self.Poller = green(self.hub)
        self.context = self.Context()
        self.outside = zmq.Context.shadow(self.context)
        self.context.linger = 0
        self.sockets: dict[str, zmq.Socket] = {}
        self.peers: dict[str, zmq.Socket] = {}
        self.task: Task | None = None
        self.paused = False
        #: What the relay has counted since it was paused.
        self.counted: list[int] = []
        #: Sent from this side, and not seen by the other one.
        self.flying: tuple[deque[bytes], deque[bytes]] = (deque(), deque())
        #: Sent, and no copy seen.
        self.copies: tuple[deque[bytes], deque[bytes]] = (deque(), deque())
        self.closed = False

    @initialize(
        kinds=st.sampled_from(sorted(KINDS)),
        hwm=st.sampled_from([0, 1, 3]),
        captures=st.booleans(),
    )
    def connect(self, kinds: str, hwm: int, captures: bool) -> None:
        front, back = KINDS[kinds]
        pairs = {"front": front, "back": back, "control": (zmq.REP, zmq.REQ)}
        if captures:
            pairs["capture"] = (zmq.PUSH, zmq.PULL)
        for role, (kind, peer) in pairs.items():
            self.sockets[role], self.peers[role] = self.context.socket(kind), self.outside.socket(peer)
            for socket in (self.sockets[role], self.peers[role]):
                socket.hwm = 0 if role == "control" else hwm
                socket.linger = 0
                socket.rcvtimeo = socket.sndtimeo = int(1000 * LIMIT)
            address = f"inproc://relayed-{next(numbers)}"
            self.sockets[role].bind(address)
            self.peers[role].connect(address)
        self.ways = (0,) if kinds == "one way" else (0, 1)
        self.hwm = hwm
        self.start()

    # The relay.

    def runs(self) -> bool:
        return self.task is not None and not self.task.done

    def relay(self) -> None:
        zmq.proxy_steerable(
            self.sockets["front"], self.sockets["back"], self.sockets.get("capture"), self.sockets["control"]
        )

    @rule()
    def start(self) -> None:
        if self.runs() or self.closed:
            return
        self.task = Task(self.relay)
        self.paused, self.counted = False, []
        self.task.switch()
        assert not self.task.done, self.task.error
        self.come_to_rest()

    def say(self, command: bytes) -> list[bytes]:
        self.peers["control"].send(command)
        return self.peers["control"].recv_multipart()

    def come_to_rest(self) -> list[int]:
        """Wait until the loop has moved all that it can; return what it has counted."""
        if not self.runs():
            return []
        for _ in range(2):
            found = [int(struct.unpack("Q", frame)[0]) for frame in self.say(b"STATISTICS")]
        if self.paused:
            self.counted = self.counted or found
            assert found == self.counted, "a relay that is paused moves something"
        return found

    def await_end(self) -> None:
        """Run the hub until the relay's greenlet has ended, which its thread tells by a pipe."""
        while self.runs():
            poller = select.poll()
            for watcher in self.hub.armed:
                poller.register(watcher.fd, watcher.events)
            assert self.hub.callbacks or poller.poll(1000 * LIMIT), "a relay does not end"
            self.hub.settle()

    # Messages.

    def role(self, way: int, end: int) -> str:
        return ROLES[way ^ end]

    @rule(way=sides, count=st.integers(1, 3))
    def send(self, way: int, count: int) -> None:
        if way not in self.ways or self.closed:
            return
        for _ in range(count):
            message = self.message(2)
            try:
                self.peers[self.role(way, 0)].send_multipart(message, zmq.NOBLOCK)
            except zmq.Again:
                break
            self.flying[way].append(message[0])
            self.copies[way].append(message[0])
        self.come_to_rest()

    @rule(way=sides)
    def receive(self, way: int) -> None:
        if way in self.ways and not self.closed and self.take(way, self.peers[self.role(way, 1)]):
            self.come_to_rest()

    def take(self, way: int, socket: zmq.Socket) -> bool:
        try:
            message = socket.recv_multipart(zmq.NOBLOCK)
        except zmq.Again:
            return False
        assert len(message) == 2, "a message did not come whole"
        assert self.flying[way], "a message came twice"
        assert message[0] == self.flying[way].popleft(), "a message is lost, doubled or out of order"
        return True

    @rule()
    def receive_copies(self) -> None:
        if "capture" in self.sockets and not self.closed:
            self.take_copies()
            self.come_to_rest()

    def take_copies(self) -> None:
        while self.peers["capture"].poll(0):
            message = self.peers["capture"].recv_multipart(zmq.NOBLOCK)
            way = next(way for way in (0, 1) if message[0] in self.copies[way])
            assert message[0] == self.copies[way].popleft(), "a copy is lost, doubled or out of order"

    @rule(way=sides)
    def receive_past_the_relay(self, way: int) -> None:
        """What no relay has moved is still there, behind what the other end has yet to receive."""
        if way not in self.ways or self.closed:
            return
        own = self.sockets[self.role(way, 0)]
        if self.runs():
            try:
                own.recv(zmq.NOBLOCK)
            except zmq.ZMQError as error:
                assert error.errno == errno.EBUSY
                return
            raise AssertionError("somebody else received from a socket of the relay")
        while self.take(way, self.peers[self.role(way, 1)]):
            pass
        self.copied_otherwise(way, own)

    def copied_otherwise(self, way: int, own: zmq.Socket) -> None:
        """Receive what the next relay would have moved; a copy may have been made already."""
        first = self.flying[way][0] if self.flying[way] else None
        if self.take(way, own) and first in self.copies[way]:
            if "capture" in self.sockets:
                self.take_copies()
            if first in self.copies[way]:
                self.copies[way].remove(first)

    @rule(way=sides)
    def poll_past_the_relay(self, way: int) -> None:
        """A poller that has known the socket before hears the truth afterwards."""
        if way in self.ways and not self.closed and not self.runs():
            poller = self.__dict__.setdefault("poller", self.Poller())
            own = self.sockets[self.role(way, 0)]
            poller.register(own, zmq.POLLIN)
            assert bool(dict(poller.poll(0)).get(own)) == bool(own.get(zmq.EVENTS) & zmq.POLLIN)
            poller.unregister(own)

    # Commands and ends.

    @rule(pauses=st.booleans())
    def pause_or_resume(self, pauses: bool) -> None:
        if self.runs():
            assert self.say(b"PAUSE" if pauses else b"RESUME") == [b""]
            self.paused, self.counted = pauses, []
            self.come_to_rest()

    @rule()
    def terminate(self) -> None:
        if self.runs():
            assert self.say(b"TERMINATE") == [b""]
            self.await_end()
            assert self.task is not None and self.task.error is None

    @rule()
    def say_what_it_does_not_know(self) -> None:
        if self.runs():
            assert self.say(b"DANCE") == [b""]
            self.await_end()
            assert self.task is not None and isinstance(self.task.error, ValueError)

    @rule()
    def kill(self) -> None:
        if self.runs():
            assert self.task is not None
            self.task.throw(Killed)
            assert isinstance(self.task.error, Killed)

    @rule(which=picks, really=rarely)
    def close(self, which: int, really: bool) -> None:
        if self.runs() and really:
            self.sockets[list(self.sockets)[which % len(self.sockets)]].close()
            self.closed = True
            self.await_end()
            assert self.task is not None and isinstance(self.task.error, zmq.ZMQError)
            assert self.task.error.errno == zmq.ENOTSOCK

    @rule(way=sides)
    def count(self, way: int) -> None:
        """See that all that can be moved was moved, where pipes have no end."""
        if self.runs() and not self.paused and self.hwm == 0:
            before = self.come_to_rest()
            self.send(way, 2)
            found = self.come_to_rest()
            if way in self.ways:
                assert found[2 * way] == before[2 * way] + 2, "a message is not counted"
            for each in self.ways:
                there = 0
                while self.take(each, self.peers[self.role(each, 1)]):
                    there += 1
                assert not self.flying[each], "a relay that has room leaves a message"
            assert found[0] == found[6] and found[2] == found[4]

    # What must hold.

    @invariant()
    def watched_while_it_runs(self) -> None:
        assert len(self.hub.armed) == (1 if self.runs() else 0)
        assert len(who_polls()) == (1 if self.runs() else 0)

    def end(self) -> None:
        if not self.sockets:
            return
        if not self.closed:
            # All come at last, whatever ended the relays before.
            self.start()
            self.pause_or_resume(False)
            for _ in range(200):
                self.come_to_rest()
                moved = [self.take(way, self.peers[self.role(way, 1)]) for way in self.ways]
                if "capture" in self.sockets:
                    self.take_copies()
                if not any(moved) and not any(self.flying):
                    break
            assert not any(self.flying), "a message is lost"
            if "capture" in self.sockets:
                self.come_to_rest()
                self.take_copies()
                assert not any(self.copies), "a copy is lost"
            self.kill()
        assert self.hub.armed == []
        for socket in (*self.sockets.values(), *self.peers.values()):
            socket.close()
        self.hub.settle()
        assert not self.hub.timers

    def clean_up(self) -> None:
        if self.runs():
            assert self.task is not None
            self.task.throw(Killed)
        for socket in (*self.sockets.values(), *self.peers.values()):
            socket.close()
        terminate(self.context)
