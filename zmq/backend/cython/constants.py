"""An import path of PyZMQ 13 to 22; see `zmq.constants`."""

from zmq.constants import *  # noqa: F403
from zmq.constants import __all__ as __all__
