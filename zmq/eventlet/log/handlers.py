# Written by tools/generate_frameworks.py from zmq/green/log/handlers.py: change that, then ``make frameworks``.
"""`zmq.log.handlers` for eventlet."""

from __future__ import annotations

from zmq.eventlet.core import Context
from zmq.log import handlers
from zmq.log.handlers import TOPIC_DELIM as TOPIC_DELIM
from zmq.log.handlers import TopicLogger as TopicLogger


class PUBHandler(handlers.PUBHandler):
    """A handler whose socket, when it makes it itself, is green too. Neither kind ever keeps the hub from running."""

    _context_class = Context


__all__ = ["TOPIC_DELIM", "PUBHandler", "TopicLogger"]
