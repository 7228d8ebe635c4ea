"""Clone: a server's table is the same in every client, also in those that come late or make changes (gevent).

python examples/patterns/clone.py
"""

from __future__ import annotations

import gevent
from gevent.event import Event

import zmq.green as zmq

BEAT = 0.02  # seconds between two signs of life, which subscribers wait for


class Server:
    """Has the table, puts all changes into one order, and gives snapshots away."""

    def __init__(self, context: zmq.Context) -> None:
        self.table: dict[bytes, bytes] = {}
        self.number = 0  # of the last change
        self.snapshots, self.updates = context.socket(zmq.ROUTER), context.socket(zmq.PUB)
        self.changes = context.socket(zmq.PULL)
        self.snapshots.bind("inproc://snapshots")
        self.updates.bind("inproc://updates")
        self.changes.bind("inproc://changes")
        self.greenlets = [gevent.spawn(each) for each in (self.answer, self.change, self.beat)]

    def answer(self) -> None:
        while True:
            who, _ = self.snapshots.recv_multipart()
            # One message, so that no change comes in between.
            table = [part for item in self.table.items() for part in item]
            self.snapshots.send_multipart([who, b"%d" % self.number, *table])

    def change(self) -> None:
        while True:
            key, value = self.changes.recv_multipart()
            self.number += 1
            self.table[key] = value
            self.updates.send_multipart([b"%d" % self.number, key, value])

    def beat(self) -> None:
        while True:
            self.updates.send_multipart([b"%d" % self.number])
            gevent.sleep(BEAT)

    def close(self) -> None:
        gevent.killall(self.greenlets)
        for socket in (self.snapshots, self.updates, self.changes):
            socket.close(linger=0)


class Clone:
    """The table as a client has it."""

    def __init__(self, context: zmq.Context) -> None:
        self.table: dict[bytes, bytes] = {}
        self.number = -1
        self.moved = Event()
        self.context = context
        self.changes = context.socket(zmq.PUSH)
        self.changes.connect("inproc://changes")
        self.greenlet = gevent.spawn(self.follow)

    def follow(self) -> None:
        with self.context.socket(zmq.SUB) as updates, self.context.socket(zmq.DEALER) as snapshots:
            updates.subscribe(b"")
            updates.connect("inproc://updates")
            snapshots.connect("inproc://snapshots")
            updates.recv_multipart()  # from now on no update is missed: they wait while the snapshot comes
            snapshots.send(b"all of it, please")
            number, *table = snapshots.recv_multipart()
            self.number, self.table = int(number), dict(zip(table[::2], table[1::2], strict=True))
            while True:
                self.moved.set()
                number, *change = updates.recv_multipart()
                if int(number) > self.number:  # older ones are in the snapshot
                    assert int(number) == self.number + 1, "an update was lost: get a new snapshot"
                    self.number, (key, value) = int(number), change
                    self.table[key] = value

    def set(self, key: bytes, value: bytes) -> None:
        """Ask for a change. It is made when the server says so, here as everywhere."""
        self.changes.send_multipart([key, value])

    def wait_until(self, number: int) -> None:
        while self.number < number:
            self.moved.clear()
            self.moved.wait()

    def close(self) -> None:
        self.greenlet.kill()
        self.changes.close(linger=0)


def main() -> None:
    with zmq.Context() as context:
        server = Server(context)
        clones = [Clone(context) for _ in range(3)]
        for i in range(100):
            clones[i % 3].set(b"key %d" % (i % 20), b"%d" % i)
            if i == 50:
                clones.append(Clone(context))  # comes late, in the midst of changes
        for clone in clones:
            clone.wait_until(100)
        same = all(clone.table == server.table for clone in clones)
        print(f"{server.number} changes, {len(server.table)} keys; the same in {len(clones)} clones: {same}")
        for clone in clones:
            clone.close()
        server.close()


if __name__ == "__main__":
    main()
