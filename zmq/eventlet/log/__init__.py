# Written by tools/frameworks.py from zmq/green/log/__init__.py: change that one, then run ``make frameworks``.
"""`zmq.log` for eventlet."""
