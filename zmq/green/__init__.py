"""0MQ for gevent: every name of `zmq`, and blocking calls block only the greenlet.

Use it in the place of `zmq`::

    import zmq.green as zmq
"""

from __future__ import annotations

import zmq as _zmq
from zmq import *  # noqa: F403
from zmq import __version__ as __version__
from zmq import constants, error, utils
from zmq.core.trampoline import get_budget, set_budget, statistics
from zmq.green.core import Context, Frame, Socket
from zmq.green.poll import Poller, select, zmq_poll

Message = Frame

__all__ = sorted({*_zmq.__all__, "constants", "error", "get_budget", "set_budget", "statistics", "utils"})
