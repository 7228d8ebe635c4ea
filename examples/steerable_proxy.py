"""A proxy that is paused, resumed, asked how much it has moved, and ended, by a greenlet.

    python examples/steerable_proxy.py

Numbers flow through it all the time, from one greenlet to another; while it pauses they wait, and none is lost.
"""

from __future__ import annotations

import struct

import gevent

import zmq.green as zmq
from zmq.green.devices import GreenProxySteerable

NAMES = ("messages in", "bytes in", "messages out", "bytes out")


def produce(address: str) -> None:
    """Send the numbers from 0 on."""
    with zmq.Context.instance().socket(zmq.PUSH) as socket:
        socket.connect(address)
        number = 0
        while True:
            socket.send(b"%d" % number)
            number += 1
            gevent.sleep(0.001)


def consume(address: str, received: list[int]) -> None:
    with zmq.Context.instance().socket(zmq.PULL) as socket:
        socket.connect(address)
        while True:
            received.append(int(socket.recv()))


class Steer:
    """The other end of the proxy's control socket."""

    def __init__(self, address: str) -> None:
        self.socket = zmq.Context.instance().socket(zmq.REQ)
        self.socket.connect(address)

    def say(self, command: bytes) -> list[bytes]:
        print(command.decode())
        self.socket.send(command)
        return self.socket.recv_multipart()

    def statistics(self) -> dict[str, int]:
        """Return what came in at the front and went out at the back; the other way nothing passes here."""
        numbers = [struct.unpack("=Q", frame)[0] for frame in self.say(b"STATISTICS")]
        return dict(zip(NAMES, numbers[:2] + numbers[6:], strict=True))


def main() -> None:
    proxy = GreenProxySteerable(zmq.PULL, zmq.PUSH, ctrl_type=zmq.REP)
    proxy.bind_in("inproc://in")
    proxy.bind_out("inproc://out")
    proxy.bind_ctrl("inproc://steer")
    proxy.start()
    received: list[int] = []
    greenlets: list[gevent.Greenlet[..., None]] = [
        gevent.spawn(produce, "inproc://in"),
        gevent.spawn(consume, "inproc://out", received),
    ]
    steer = Steer("inproc://steer")

    gevent.sleep(0.2)
    for name, number in steer.statistics().items():
        print(f"  {name}: {number}")

    steer.say(b"PAUSE")
    before = steer.statistics()["messages out"]
    while len(received) < before:  # what was on its way arrives
        gevent.sleep(0.001)
    gevent.sleep(0.2)
    print(f"  received while it paused: {len(received) - before}")

    steer.say(b"RESUME")
    while len(received) < before + 100:
        gevent.sleep(0.001)
    print(f"  received since it goes on: {len(received) - before}")
    print(f"  none was lost: {received == list(range(len(received)))}")

    steer.say(b"TERMINATE")
    proxy.join()
    print("the proxy has ended")
    gevent.killall(greenlets)
    steer.socket.close()


if __name__ == "__main__":
    main()
