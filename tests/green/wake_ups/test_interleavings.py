"""What happens between two calls of libzmq: the peer acts before every single one of them in turn.

The tests preload a library that stands before libzmq, so they run in a process of their own.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from support import PRELOAD, TESTS
from support.programs import before_libzmq

PROGRAM = """
    import ctypes, itertools, sys
    import zmq
    from support.fake_hub import FakeHub, Killed, green, spawn
    from zmq.core.waiting.sweep_alarm import missed
    zmq.set_budget(0)
    library = ctypes.CDLL(None)

    def few(world):
        poller = world.Poller()
        poller.register(world.a, zmq.POLLIN)
        return poller

    def many(world):
        poller = few(world)
        for _ in range(6):
            poller.register(world.socket(zmq.PULL), zmq.POLLIN)
        for _ in range(2):
            poller.poll(0)  # from the second on it keeps an epoll set
        return poller

    # What a greenlet may do with the socket: prepare, then call.
    OPERATIONS = {
        "recv": lambda world: world.a.recv,
        "recv_multipart": lambda world: world.a.recv_multipart,
        "recv NOBLOCK": lambda world: lambda: world.a.recv(zmq.NOBLOCK),
        "send": lambda world: lambda: world.a.send(b"x"),
        "send_multipart": lambda world: lambda: world.a.send_multipart([b"x", b"y"]),
        "send NOBLOCK": lambda world: lambda: world.a.send(b"x", zmq.NOBLOCK),
        "poll": lambda world: world.a.poll,
        "poll 0": lambda world: lambda: world.a.poll(0),
        "poll out": lambda world: lambda: world.a.poll(None, zmq.POLLOUT),
        "few": lambda world: few(world).poll,
        "few 0": lambda world: lambda poller=few(world): poller.poll(0),
        "many": lambda world: many(world).poll,
        "many 0": lambda world: lambda poller=many(world): poller.poll(0),
        "events": lambda world: lambda: world.a.get(zmq.EVENTS),
    }
    WANT_MESSAGE = {"recv", "recv_multipart", "poll", "few", "many"}
    WANT_ROOM = {"send", "send_multipart", "poll out"}

    class World:
        hub = FakeHub()
        Context, _, Poller = green(hub)
        context = Context()
        numbers = itertools.count(1)

        def __init__(self, drops):
            number = next(self.numbers)
            if number % 20 == 0:
                # The reaper may be behind, and a hub cannot wait for it when it makes a socket.
                self.end()
                type(self).context = self.Context()
            self.sockets = []
            self.a, self.b = self.socket(zmq.XPUB if drops else zmq.PAIR), self.socket(zmq.XSUB if drops else zmq.PAIR)
            self.a.hwm = self.b.hwm = 1
            address = f"inproc://{number}"
            self.a.bind(address)
            self.b.connect(address)
            if drops:
                # It looks for room after each send.
                self.b.send(b"\x01")
                assert self.a.recv(zmq.NOBLOCK) == b"\x01"
                return
            try:
                while True:
                    self.a.send(b"full", zmq.NOBLOCK)
            except zmq.Again:
                pass

        def socket(self, kind):
            self.sockets.append(self.context.socket(kind))
            self.sockets[-1].linger = 0
            return self.sockets[-1]

        @classmethod
        def end(cls):
            ended = spawn(cls.context.term)
            cls.hub.settle_until(lambda: ended.done)

    def go(names, number, sends, drops=False):
        '''Let greenlets act, the peer before the `number`-th call of the last; tell whether it came to that.'''
        world = World(drops)
        before = missed()
        calls = [OPERATIONS[name](world) for name in names]
        tasks = []
        for call in calls:
            if call is calls[-1]:
                library.interpose_arm(
                    ctypes.c_void_p(world.a.underlying), ctypes.c_void_p(world.b.underlying), number, sends
                )
            tasks.append(spawn(call))
            world.hub.settle()
        acted = library.interpose_left() == 0
        asleep = [name for name, task in zip(names, tasks) if not task.done]
        events = world.a.get(zmq.EVENTS)
        for name in asleep:
            assert not (events & zmq.POLLIN and name in WANT_MESSAGE), (names, number, name, "message")
            assert not (events & zmq.POLLOUT and name in WANT_ROOM), (names, number, name, "room")
        for task in tasks:
            if not task.done:
                task.throw(Killed)
        world.hub.settle()
        for socket in world.sockets:
            socket.close()
        assert missed() == before
        return acted

    FEW = ("recv", "send", "poll", "poll out", "few", "many", "poll 0", "many 0")
    for names in itertools.chain(itertools.product(OPERATIONS, repeat=2), itertools.product(FEW, repeat=3)):
        for sends in (True, False):
            number = 1
            while go(names, number, sends):
                number += 1
            count += number - 1
    for names in itertools.product(WANT_MESSAGE, ("send", "send_multipart", "send NOBLOCK")):
        number = 1
        while go(names, number, True, drops=True):
            number += 1
        # The send itself, and the look.
        assert number > 3, names
        count += number - 1
    print(count)
    World.end()
"""


@pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler")
@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="needs LD_PRELOAD")
def test_nobody_sleeps_on_whenever_the_peer_acts(tmp_path: Path) -> None:
    preload = before_libzmq(PRELOAD / "interpose.c", tmp_path)
    environment = {**os.environ, "LD_PRELOAD": preload, "PYTHONPATH": str(TESTS)}
    program = "count = 0\n" + "\n".join(line[4:] for line in PROGRAM.splitlines())
    done = subprocess.run(
        [sys.executable, "-X", "faulthandler", "-c", program],
        env=environment,
        capture_output=True,
        text=True,
        timeout=50,
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 2000, done.stdout
