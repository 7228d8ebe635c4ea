"""Tornado and asyncio in gevent: event loops that leave the hub free."""

from zmq.green.eventloop.ioloop import IOLoop as IOLoop
