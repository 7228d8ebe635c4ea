"""A zerorpc server on the endpoint of its command line."""

import sys

import gevent
import zerorpc


class Service:
    def echo(self, value):
        """Return what was given."""
        return value

    def fail(self):
        raise ValueError("on purpose")

    def sleep(self, seconds):
        gevent.sleep(seconds)
        return "slept"

    @zerorpc.stream
    def count(self, end):
        yield from range(end)

    @zerorpc.stream
    def count_and_fail(self, end):
        yield from range(end)
        raise ValueError("in the stream")


server = zerorpc.Server(Service(), heartbeat=1)
server.bind(sys.argv[1])
print("ready", flush=True)
server.run()
