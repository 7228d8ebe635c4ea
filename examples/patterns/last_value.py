"""Last value: whoever subscribes is told at once what was published last, however long ago (gevent).

python examples/patterns/last_value.py
"""

from __future__ import annotations

import gevent
from gevent.event import Event

import zmq.green as zmq


class Cache:
    """Stands between publishers and subscribers, and remembers the last message of every topic."""

    def __init__(self, context: zmq.Context) -> None:
        self.last: dict[bytes, bytes] = {}
        self.source, self.sink = context.socket(zmq.SUB), context.socket(zmq.XPUB)
        self.source.subscribe(b"")
        self.source.bind("inproc://publishers")
        self.sink.xpub_verbose = True  # tells of every subscription, not of the first to a topic alone
        self.sink.bind("inproc://subscribers")
        self.greenlets = [gevent.spawn(self.pass_on), gevent.spawn(self.hear_subscriptions)]

    def pass_on(self) -> None:
        while True:
            topic, value = self.source.recv_multipart()
            self.last[topic] = value
            self.sink.send_multipart([topic, value])

    def hear_subscriptions(self) -> None:
        while True:
            what = self.sink.recv()
            if what[:1] == b"\x01":  # 0 is somebody who has had enough
                for topic in [topic for topic in self.last if topic.startswith(what[1:])]:
                    self.sink.send_multipart([topic, self.last[topic]])

    def close(self) -> None:
        gevent.killall(self.greenlets)
        self.source.close()
        self.sink.close()


def publish(context: zmq.Context, said: Event) -> None:
    """Publish a value for each of a thousand topics, once."""
    with context.socket(zmq.XPUB) as socket:
        socket.connect("inproc://publishers")
        socket.recv()  # the cache has subscribed: nothing is sent to nobody
        socket.sndhwm = 0
        for number in range(1000):
            socket.send_multipart([b"station %03d" % number, b"%d degrees" % (number % 40)])
        said.set()


def main() -> None:
    with zmq.Context() as context:
        cache, said = Cache(context), Event()
        publisher = gevent.spawn(publish, context, said)
        said.wait()
        print("everything was published")
        with context.socket(zmq.SUB) as late:
            late.subscribe(b"station 04")
            late.connect("inproc://subscribers")
            for topic, value in sorted(late.recv_multipart() for _ in range(10)):
                print(f"{topic.decode()}: {value.decode()}")
        publisher.join()
        cache.close()


if __name__ == "__main__":
    main()
