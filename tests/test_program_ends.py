"""A program that leaves sockets and whatever uses them behind ends without a word, wherever it kept them."""

from __future__ import annotations

import pytest
from programs import run

from front_ends import FRONT_ENDS, FrontEnd

# What outlives the contents of most modules, and what does not.
PLACES = {"main": "", "another module": "import json as place", "builtins": "import builtins as place"}

LEAVE = """
    import gc, logging, os
    from types import SimpleNamespace
    from zmq.log.handlers import PUBHandler

    gc.disable()
    kept = SimpleNamespace()
    kept.me = kept
    kept.context = zmq.Context()
    kept.pull = kept.context.socket(zmq.PULL)
    kept.pull.bind("tcp://127.0.0.1:*")
    kept.shadow = zmq.Socket.shadow(kept.pull)
    kept.push = zmq.Context().socket(zmq.PUSH)
    kept.push.connect("tcp://127.0.0.1:9")
    kept.monitor = kept.push.get_monitor_socket()
    kept.empty = zmq.Context()
    kept.poller = zmq.Poller()
    for _ in range(6):
        kept.poller.register(kept.context.socket(zmq.PULL), zmq.POLLIN)
    for _ in range(3):
        kept.poller.poll(1)
    kept.frame = zmq.Frame(bytearray(100_000), copy=False, track=True)
    kept.push.send(kept.frame, copy=False)
    logging.getLogger().addHandler(PUBHandler("tcp://127.0.0.1:*"))
    logging.getLogger("one").addHandler(PUBHandler(kept.context.socket(zmq.PUB)))
    logging.warning("a record")
    if front_end.shares_sockets:
        kept.receiver = front_end.spawn(kept.pull.recv)
        kept.watcher = front_end.spawn(kept.poller.poll)
        front_end.sleep(0.01)
"""

LOOPS = """
    import asyncio, gc, os
    from types import SimpleNamespace
    import zmq.asyncio
    from zmq.eventloop.zmqstream import ZMQStream

    gc.disable()
    kept = SimpleNamespace()
    kept.me = kept
    kept.context = zmq.asyncio.Context()
    kept.pull = kept.context.socket(zmq.PULL)
    kept.pull.bind("tcp://127.0.0.1:*")
    kept.pipe = os.pipe()

    async def main():
        kept.received = kept.pull.recv()
        kept.poller = zmq.asyncio.Poller()
        kept.poller.register(kept.pull, zmq.POLLIN)
        kept.poller.register(kept.pipe[0], zmq.POLLIN)
        kept.polled = kept.poller.poll()
        kept.stream = ZMQStream(zmq.Context().socket(zmq.PULL))
        kept.stream.on_recv(print)
        await asyncio.sleep(0.01)

    kept.loop = asyncio.new_event_loop()
    kept.loop.run_until_complete(main())
    kept.loop.close()
"""

DEVICES = """
    from types import SimpleNamespace
    from zmq.auth.thread import ThreadAuthenticator
    from zmq.devices import ThreadDevice

    kept = SimpleNamespace()
    kept.me = kept
    kept.device = ThreadDevice(zmq.QUEUE, zmq.PULL, zmq.PUSH)
    kept.device.bind_in_to_random_port("tcp://127.0.0.1")
    kept.device.bind_out_to_random_port("tcp://127.0.0.1")
    kept.device.start()
    kept.idle = ThreadDevice(zmq.QUEUE, zmq.PULL, zmq.PUSH)
    kept.authenticator = ThreadAuthenticator(zmq.Context())
    kept.authenticator.start()
"""


@pytest.fixture(autouse=True)
def development(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the interpreter show what it otherwise keeps to itself."""
    monkeypatch.setenv("PYTHONDEVMODE", "1")


def keep(place: str) -> str:
    """Return the end of a program, which keeps what there is in a place."""
    return f"\n    {PLACES[place]}\n    place.kept = kept\n    del kept\n" if PLACES[place] else ""


@pytest.mark.parametrize("place", PLACES)
def test_sockets_and_what_waits_for_them(front_end: FrontEnd, place: str) -> None:
    run(front_end, LEAVE + keep(place))


def test_devices_and_authenticators(front_end: FrontEnd) -> None:
    run(front_end, DEVICES + keep("another module"))


@pytest.mark.parametrize("place", PLACES)
def test_event_loops(place: str) -> None:
    run(FRONT_ENDS[0], LOOPS + keep(place))


def test_what_fails_at_the_end_is_not_tried_again() -> None:
    program = """
        import os
        from zmq.core.hub import Hub

        class Last:
            hub = Hub(current=None, park=None, call_soon=None, watcher=None)
            tries = 0

            def __del__(self, write=os.write):
                self.write = write
                self.hub.surely(self.fail)

            def fail(self):
                if self.tries:
                    self.write(1, b"again")
                self.tries += 1
                raise KeyboardInterrupt

        last = Last()
    """
    run(FRONT_ENDS[0], program)
