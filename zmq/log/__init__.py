"""Logging over PUB sockets: `zmq.log.handlers`, and ``python -m zmq.log`` to watch what is logged."""
