"""The exceptions of `zmq.core.error`, by their public path, and EINTR, which programs compare errors with."""

from errno import EINTR as EINTR

from zmq.core.error import *  # noqa: F403
from zmq.core.error import __all__ as __all__
