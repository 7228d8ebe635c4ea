# Written by tools/frameworks.py from zmq/green/eventloop/__init__.py: change that one, then run ``make frameworks``.
"""Tornado and asyncio in eventlet: event loops that leave the hub free."""

from zmq.eventlet.eventloop.ioloop import IOLoop as IOLoop
