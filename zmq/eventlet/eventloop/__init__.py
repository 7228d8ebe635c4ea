"""Tornado and asyncio in eventlet: event loops that leave the hub free."""

from zmq.eventlet.eventloop.ioloop import IOLoop as IOLoop
