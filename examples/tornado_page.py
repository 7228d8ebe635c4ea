"""A web page that shows the messages of a SUB socket as they come, by server-sent events.

    python examples/tornado_page.py --port 8888 --seconds 60

The program publishes the messages itself, so that it runs by itself.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import itertools

import tornado.iostream
import tornado.web
from tornado.ioloop import PeriodicCallback

import zmq
from zmq.eventloop.zmqstream import ZMQStream

PAGE = """<!doctype html><title>Live</title><ul id=list></ul><script>
new EventSource("/events").onmessage = event => {
    const item = document.createElement("li");
    item.textContent = event.data;
    document.getElementById("list").prepend(item);
};</script>"""


class Page(tornado.web.RequestHandler):
    def get(self) -> None:
        self.write(PAGE)


class Events(tornado.web.RequestHandler):
    """Passes on what is published while a browser listens."""

    async def get(self) -> None:
        self.set_header("Content-Type", "text/event-stream")
        messages: asyncio.Queue[bytes] = asyncio.Queue()
        listeners: set[asyncio.Queue[bytes]] = self.settings["listeners"]
        listeners.add(messages)
        try:
            with contextlib.suppress(tornado.iostream.StreamClosedError):
                while True:
                    self.write(b"data: " + await messages.get() + b"\n\n")
                    await self.flush()
        finally:
            listeners.discard(messages)


async def main(seconds: float, port: int) -> None:
    listeners: set[asyncio.Queue[bytes]] = set()
    with zmq.Context() as context:
        pub, sub = ZMQStream(context.socket(zmq.PUB)), ZMQStream(context.socket(zmq.SUB))
        pub.bind("inproc://news")
        sub.connect("inproc://news")
        sub.setsockopt(zmq.SUBSCRIBE, b"")

        def pass_on(message: list[bytes]) -> None:
            for messages in listeners:
                messages.put_nowait(message[0])

        sub.on_recv(pass_on)
        numbers = itertools.count()
        ticks = PeriodicCallback(lambda: pub.send_string(f"message {next(numbers)}"), 100)
        ticks.start()
        application = tornado.web.Application([("/", Page), ("/events", Events)], listeners=listeners)
        server = application.listen(port, "127.0.0.1")
        (listening,) = server._sockets.values()
        print(f"http://127.0.0.1:{listening.getsockname()[1]}/", flush=True)
        await asyncio.sleep(seconds)
        ticks.stop()
        server.stop()
        await server.close_all_connections()
        pub.close(linger=0)
        sub.close(linger=0)
    print(f"{next(numbers)} messages published")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--port", type=int, default=8888, help="0 for any that is free")
    options = parser.parse_args()
    asyncio.run(main(options.seconds, options.port))
