# Written by tools/generate_frameworks.py from zmq/green/log/__init__.py: change that, then ``make frameworks``.
"""`zmq.log` for eventlet."""
