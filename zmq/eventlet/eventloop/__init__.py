# Written by tools/generate_frameworks.py from zmq/green/eventloop/__init__.py: change that, then ``make frameworks``.
"""Tornado and asyncio in eventlet: event loops that leave the hub free."""

from zmq.eventlet.eventloop.ioloop import IOLoop as IOLoop
