"""What happens between two calls of libzmq in an event loop: the peer acts before every single one of them in turn.

As `tests/green/wake_ups/test_interleavings.py`, for futures and for streams, whose attempts are their own. The tests
preload a library that stands before libzmq, so they run in a process of their own.
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

WORLD = """
import asyncio, ctypes, itertools
import zmq, zmq.asyncio
from zmq.core.waiting.sweep_alarm import missed
zmq.set_budget(0)
library = ctypes.CDLL(None)
count = 0

class World:
    numbers = itertools.count(1)

    def __init__(self, context, kinds=(zmq.PAIR, zmq.PAIR)):
        self.sockets = []
        self.context = context
        self.a, self.b = (self.socket(kind) for kind in kinds)
        self.a.hwm = self.b.hwm = 1
        address = f"inproc://{next(self.numbers)}"
        self.a.bind(address)
        self.b.connect(address)
        # What acts in the midst, and what looks afterwards, waits for nothing.
        self.near, self.far = (zmq.Socket.shadow(socket) for socket in (self.a, self.b))

    def socket(self, kind):
        self.sockets.append(self.context.socket(kind))
        self.sockets[-1].linger = 0
        return self.sockets[-1]

    def fill(self, *address):
        try:
            while True:
                self.near.send_multipart([*address, b"full"], zmq.NOBLOCK)
        except zmq.Again:
            pass

    def arm(self, number, sends):
        library.interpose_arm(ctypes.c_void_p(self.a.underlying), ctypes.c_void_p(self.b.underlying), number, sends)

    def close(self):
        for socket in self.sockets:
            socket.close()

async def settle():
    for _ in range(12):
        await asyncio.sleep(0)
"""

FUTURES = """
def few(world):
    poller = zmq.asyncio.Poller()
    poller.register(world.a, zmq.POLLIN)
    return poller

def many(world):
    poller = few(world)
    for _ in range(6):
        poller.register(world.socket(zmq.PULL), zmq.POLLIN)
    for _ in range(2):
        poller.poll(0)  # from the second on it keeps an epoll set
    return poller

OPERATIONS = {
    "recv": lambda world: world.a.recv,
    "recv_multipart": lambda world: world.a.recv_multipart,
    "recv NOBLOCK": lambda world: lambda: world.a.recv(zmq.NOBLOCK),
    "recv_string": lambda world: world.a.recv_string,
    "send": lambda world: lambda: world.a.send(b"x"),
    "send_multipart": lambda world: lambda: world.a.send_multipart([b"x", b"y"]),
    "send NOBLOCK": lambda world: lambda: world.a.send(b"x", zmq.NOBLOCK),
    "poll": lambda world: world.a.poll,
    "poll 0": lambda world: lambda: world.a.poll(0),
    "poll out": lambda world: lambda: world.a.poll(None, zmq.POLLOUT),
    "few": lambda world: few(world).poll,
    "many": lambda world: many(world).poll,
}
WANT_MESSAGE = {"recv", "recv_multipart", "recv_string", "poll", "few", "many"}
WANT_ROOM = {"send", "send_multipart", "poll out"}

async def go(context, names, number, sends):
    '''Let calls be made, the peer acting before the `number`-th one of the last; tell whether it came to that.'''
    world = World(context)
    world.fill()
    before = missed()
    calls = [OPERATIONS[name](world) for name in names]
    futures = []
    for call in calls:
        if call is calls[-1]:
            world.arm(number, sends)
        futures.append(call())
        await settle()
    acted = library.interpose_left() == 0
    asleep = [name for name, future in zip(names, futures) if not future.done()]
    events = world.near.get(zmq.EVENTS)
    for name in asleep:
        assert not (events & zmq.POLLIN and name in WANT_MESSAGE), (names, number, sends, name, "message")
        assert not (events & zmq.POLLOUT and name in WANT_ROOM), (names, number, sends, name, "room")
    for future in futures:
        if not future.cancel() and not future.cancelled():
            future.exception()
    await settle()
    world.close()
    assert missed() == before
    return acted

async def main():
    global count
    for names in itertools.product(OPERATIONS, repeat=2):
        context = zmq.asyncio.Context()
        for sends in (True, False):
            number = 1
            while await go(context, names, number, sends):
                number += 1
            count += number - 1
        context.term()

asyncio.run(main())
print(count)
"""

STREAMS = """
from zmq.eventloop.zmqstream import ZMQStream

async def go(context, kinds, does, number, sends):
    '''Let a stream be told of something, the peer acting before its `number`-th call; tell whether it came to that.'''
    world = World(context, kinds)
    before = missed()
    address = []
    if zmq.ROUTER in kinds:
        world.a.router_mandatory = True
        world.far.send(b"hello")
        address = [world.near.recv_multipart()[0]]
    world.fill(*address)
    got, told = [], []
    stream = ZMQStream(world.a)
    if "receives" in does:
        stream.on_recv(got.append)
    if "sends" in does:
        stream.on_send(lambda message, status: told.append(message))
        for text in (b"1", b"2"):
            stream.send_multipart([*address, text])
    await settle()
    assert not got and not told
    world.arm(number, sends)
    # It has something to do, and will find nothing more behind it.
    if "receives" in does:
        world.far.send(b"first")
    if "sends" in does:
        world.far.recv_multipart()
    await settle()
    acted = library.interpose_left() == 0
    if zmq.ROUTER in kinds and "sends" in does and acted and not sends and len(told) < 2:
        # POLLOUT says nothing: it tries again by itself, soon.
        for _ in range(200):
            await asyncio.sleep(0.005 * (len(told) < 2))
        assert len(told) == 2, (kinds, does, number, sends, told)
    events = world.near.get(zmq.EVENTS)
    if "receives" in does:
        assert not events & zmq.POLLIN, (kinds, does, number, sends, "message")
        assert [message[-1] for message in got][:1] == [b"first"]
    if "sends" in does and zmq.ROUTER not in kinds:
        assert not (events & zmq.POLLOUT and stream.sending()), (kinds, does, number, sends, "room")
        assert told[:1] == [[b"1"]]
    stream.close()
    world.close()
    assert missed() == before
    return acted

async def main():
    global count
    for kinds in ((zmq.PAIR, zmq.PAIR), (zmq.DEALER, zmq.DEALER), (zmq.ROUTER, zmq.DEALER)):
        for does in (("receives",), ("sends",), ("receives", "sends")):
            context = zmq.Context()
            for sends in (True, False):
                number = 1
                while await go(context, kinds, does, number, sends):
                    number += 1
                count += number - 1
            context.term()

asyncio.run(main())
print(count)
"""


@pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler")
@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="needs LD_PRELOAD")
@pytest.mark.parametrize(("program", "least"), [(FUTURES, 500), (STREAMS, 60)], ids=["futures", "streams"])
def test_nobody_sleeps_on_whenever_the_peer_acts(tmp_path: Path, program: str, least: int) -> None:
    if program is STREAMS:
        pytest.importorskip("tornado")
    preload = before_libzmq(PRELOAD / "interpose.c", tmp_path)
    environment = {**os.environ, "LD_PRELOAD": preload, "PYTHONPATH": str(TESTS)}
    done = subprocess.run(
        [sys.executable, "-X", "faulthandler", "-c", WORLD + program],
        env=environment,
        capture_output=True,
        text=True,
        timeout=50,
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > least, done.stdout
