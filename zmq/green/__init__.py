"""0MQ for gevent: every name of `zmq`, and blocking calls block only the greenlet.

Use it in the place of `zmq`::

    import zmq.green as zmq
"""

from __future__ import annotations

import zmq as _zmq
from zmq import *  # noqa: F403
from zmq import _FINISHED_TRACKER as _FINISHED_TRACKER
from zmq import __revision__ as __revision__
from zmq import __version__ as __version__
from zmq import backend, constants, error, sugar, utils
from zmq.green.core import Context, Frame, Socket
from zmq.green.device import device
from zmq.green.poll import Poller, select, zmq_poll

Message = Frame

__all__ = _zmq.__all__
